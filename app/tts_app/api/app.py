"""The FastAPI application: routes, errors and what surrounds every request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware

from tts_app.api import (
    audit,
    batches,
    catalogue,
    errors,
    keys,
    openai_speech,
    openai_text,
    openapi,
    pages,
    ray_dashboard,
    speech_socket,
    speeches,
    system,
    usage,
    voices,
)
from tts_app.api.callers import Callers, networks
from tts_app.api.connections import Limits
from tts_app.api.counting import Counting
from tts_app.api.deps import Context
from tts_app.api.door import ANY, LOOPBACK_HOSTS, Door, Rules
from tts_app.api.errors import ApiError
from tts_app.api.head import HeadAsGet
from tts_app.api.listener import Address, listening
from tts_app.api.middleware import RequestContext
from tts_app.api.quotas import RATES, RequestQuota
from tts_app.api.refusals import refusal_of
from tts_app.api.scopes import NotAllowedError
from tts_app.api.security_headers import SecurityHeaders
from tts_app.api.shown import showing_of
from tts_app.api.tracing import TracedRequests
from tts_app.api.websockets import WebSocketsAsGet
from tts_app.certificates import certificate_of
from tts_app.loopback import is_loopback
from tts_app.settings import Settings
from tts_app.storage.acts import AuditError
from tts_app.telemetry import traces

_DESCRIPTION = (
    "Natural speech in many languages and avatars, and text to speak. `POST /v1/audio/speech` and "
    "`POST /v1/chat/completions` are OpenAI's: its clients work unchanged. "
    "Every error has one form, and names the parameter at fault."
)


ROUTERS = (
    *(
        part.router
        for part in (
            openai_speech,
            speech_socket,
            openai_text,
            speeches,
            batches,
            catalogue,
            voices,
            keys,
            usage,
            audit,
            system,
            pages,
            ray_dashboard,
        )
    ),
    system.placeholders,
)
"""All routes, those under /v1 and /ray with the scope that each asks for."""


def create_app(context: Context, address: Address | None = None) -> FastAPI:
    """Return the API that works with `context`. While it runs it listens at `address`, if one is given."""
    settings = context.settings
    callers = Callers(networks(settings.trusted_proxies))
    limits = limits_of(settings)
    certificate = certificate_of(settings) if address else None
    showing = showing_of(context)

    def refused(error: ApiError) -> None:
        if reason := refusal_of(error.status, error.code):
            context.http.refused(reason)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await context.recording.start()
        await context.metering.start()
        await context.durable.start()
        await context.batches.start()
        await showing.start()
        listens = listening(app, address, limits, callers, certificate, refused) if address else nullcontext()
        try:
            async with listens:
                yield
        finally:
            await showing.stop()
            await context.batches.stop()
            await context.durable.stop()
            await context.metering.stop()
            await context.recording.stop()
            if context.dashboard is not None:
                await context.dashboard.close()
            await asyncio.to_thread(context.database.close)

    # Its /docs serves its own scripts: the page works without the internet and reports its use to no one.
    app = FastAPIOffline(
        title="TextToSpeech Playground",
        version="1",
        description=_DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
        generate_unique_id_function=openapi.operation_id,
    )
    app.state.context = context
    errors.install(app)
    openapi.install(app)
    app.add_exception_handler(NotAllowedError, context.recording.refuse)
    app.add_exception_handler(AuditError, context.recording.unwritten)
    for router in ROUTERS:
        app.include_router(router)
    # The last one that is added is the first that a request meets.
    if context.metering.guard.has_quotas:
        app.add_middleware(RequestQuota, guard=context.metering.guard)
    app.add_middleware(
        Door,
        rules=rules_of(settings, address, callers),
        authenticator=context.authenticator,
        on_wrong_key=context.recording.wrong_key,
    )
    app.add_middleware(HeadAsGet)
    app.add_middleware(SecurityHeaders, shared=bool(settings.cors_origins))
    recordings = 2 * settings.max_recording + settings.max_body
    app.add_middleware(
        RequestContext,
        max_body=settings.max_body,
        proxied=context.proxied,
        larger={("POST", voices.PATH): recordings},
    )
    if traces.is_on():
        app.add_middleware(TracedRequests, begins=not context.proxied)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=_EXPOSED,
        )
    routes = [*(route for router in ROUTERS for route in router.routes), *app.routes]
    app.add_middleware(Counting, metrics=context.http, routes=routes)
    app.add_middleware(WebSocketsAsGet)
    return app


_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""FastAPI's own spans and logs have paths, queries and messages of errors, in which callers' words may be."""
_EXPOSED = (
    *(f"X-RateLimit-{part}-{name}" for name in RATES.values() for part in ("Limit", "Remaining", "Reset")),
    "Location",
    "Retry-After",
    "Traceresponse",
    "X-Ignored-Parameters",
    "X-Warnings",
    "X-Request-ID",
    "Content-Range",
    "Content-Disposition",
    "ETag",
)
"""Headers that scripts of other sites may read, beside those that every script may."""


def limits_of(settings: Settings) -> Limits:
    """Return what connections may cost."""
    return Limits(
        connections=settings.max_connections,
        per_address=settings.max_connections_per_address,
        header_bytes=settings.max_header_bytes,
        header_lines=settings.max_header_lines,
        header_seconds=settings.header_timeout,
        body_seconds=settings.body_timeout,
        idle_seconds=settings.idle_timeout,
        send_seconds=settings.send_timeout,
    )


def rules_of(settings: Settings, address: Address | None, callers: Callers) -> Rules:
    """Return who may come in at `address`; None is Ray Serve's proxy, whose names we do not know."""
    hosts = settings.allowed_hosts
    if not hosts:
        hosts = (*LOOPBACK_HOSTS, address.host) if address and is_loopback(address.host) else (ANY,)
    return Rules(hosts, settings.cors_origins, callers)
