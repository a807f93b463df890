"""Serves /healthz, /readyz and /metrics on one port, also in a standby operator."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

logger = logging.getLogger(__name__)


@asynccontextmanager
async def serve(host: str, port: int, alive: Callable[[], bool]) -> AsyncIterator[int]:
    """Serve during the block; yield the port. `alive` returns whether the operator works.

    Raises:
        OSError: the port is taken.
    """

    async def health(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if alive() else web.Response(status=503, text="stalled\n")

    async def exposition(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", health), web.get("/readyz", health), web.get("/metrics", exposition)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        address = runner.addresses[0]
        logger.info("serving health and metrics", extra={"port": address[1]})
        yield int(address[1])
    finally:
        await runner.cleanup()
