"""Serves /healthz, /readyz and /metrics, also in a standby operator."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from tts_operator.protection import Protection

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class Guarded:
    """The port of its own on which /metrics is served by TLS to those who have the token."""

    protection: Protection
    port: int
    """0 takes a free one."""


@asynccontextmanager
async def serve(
    host: str, port: int, alive: Callable[[], bool], guarded: Guarded | None = None
) -> AsyncIterator[int]:
    """Serve during the block; yield the port. `alive` returns whether the operator works.

    With `guarded`, /metrics is on its port alone; health, which the kubelet asks for, stays on the other.

    Raises:
        OSError: a port is taken.
        ProtectionError: the certificate or the token cannot be used.
    """

    async def health(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if alive() else web.Response(status=503, text="stalled\n")

    routes: dict[str, Handler] = {"/healthz": health, "/readyz": health}
    async with AsyncExitStack() as stack:
        if guarded is None:
            routes["/metrics"] = _exposition
        else:
            own = await stack.enter_async_context(_guard(host, guarded))
            logger.info("serving metrics by TLS", extra={"metrics_port": own})
        bound = await stack.enter_async_context(_site(host, port, routes))
        logger.info("serving health and metrics", extra={"port": bound})
        yield bound


async def _exposition(_: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


@asynccontextmanager
async def _guard(host: str, guarded: Guarded) -> AsyncIterator[int]:
    """Serve /metrics by TLS to those who have the token; yield the port."""
    protection = guarded.protection
    protection.read_token()

    async def exposition(request: web.Request) -> web.Response:
        if protection.admits(request.headers.get("Authorization", "")):
            return await _exposition(request)
        text = "send the token of the Secret that the chart's value monitoring.tokenSecret names\n"
        return web.Response(status=401, text=text, headers={"WWW-Authenticate": "Bearer"})

    async with _site(host, guarded.port, {"/metrics": exposition}, protection) as bound:
        yield bound


@asynccontextmanager
async def _site(
    host: str, port: int, routes: dict[str, Handler], protection: Protection | None = None
) -> AsyncIterator[int]:
    """Serve routes, by TLS where there is a protection; yield the port."""
    context = None if protection is None else protection.context()
    app = web.Application()
    app.add_routes([web.get(path, handler) for path, handler in routes.items()])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=context).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
