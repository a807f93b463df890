"""The FastAPI application: routes, errors and what surrounds every request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from fastapi import Depends, FastAPI
from fastapi_offline import FastAPIOffline

from tts_app.api import batches, catalogue, errors, openai_speech, openai_text, pages, speeches, system
from tts_app.api.deps import Context, authorised
from tts_app.api.listener import Address, listening
from tts_app.api.middleware import RequestContext

_DESCRIPTION = (
    "Natural speech in many languages and avatars, and text to speak. `POST /v1/audio/speech` and "
    "`POST /v1/chat/completions` are OpenAI's: its clients work unchanged. "
    "Every error has one form, and names the parameter at fault."
)


def create_app(context: Context, address: Address | None = None) -> FastAPI:
    """Return the API that works with `context`. While it runs it listens at `address`, if one is given."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await context.durable.start()
        await context.batches.start()
        try:
            async with nullcontext() if address is None else listening(app, address):
                yield
        finally:
            await context.batches.stop()
            await context.durable.stop()
            await asyncio.to_thread(context.database.close)

    # Its /docs serves its own scripts: the page works without the internet and reports its use to no one.
    app = FastAPIOffline(
        title="TextToSpeech Playground",
        version="1",
        description=_DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.context = context
    errors.install(app)
    keyed = [Depends(authorised)]
    app.include_router(openai_speech.router, dependencies=keyed)
    app.include_router(openai_text.router, dependencies=keyed)
    app.include_router(speeches.router, dependencies=keyed)
    app.include_router(batches.router, dependencies=keyed)
    app.include_router(catalogue.router, dependencies=keyed)
    app.include_router(system.placeholders, dependencies=keyed)
    app.include_router(system.router)
    app.include_router(pages.router)
    app.add_middleware(RequestContext, max_body=context.settings.max_body, proxied=context.proxied)
    return app
