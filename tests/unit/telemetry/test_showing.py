"""Gauges are shown again and again."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tts_app.telemetry.showing import Show, Showing


@asynccontextmanager
async def showing(*shows: Show) -> AsyncIterator[None]:
    made = Showing(*shows, every=0.001)
    await made.start()
    yield
    await made.stop()


async def test_what_shows_is_called_again_and_again_and_not_after_the_end(until: Any) -> None:
    shown: list[int] = []

    async def show() -> None:
        shown.append(1)

    async with showing(show):
        await until(lambda: len(shown) > 3)
    ended = len(shown)
    await asyncio.sleep(0.01)
    assert len(shown) == ended


async def test_what_fails_or_hangs_hides_nothing_else(until: Any, caplog: pytest.LogCaptureFixture) -> None:
    shown: list[int] = []
    failed: list[int] = []

    def fails() -> None:
        failed.append(1)
        raise OSError("the disk is away")

    async def hangs() -> None:
        await asyncio.Event().wait()

    with caplog.at_level(logging.ERROR):
        async with showing(fails, hangs, lambda: shown.append(1)):
            await until(lambda: len(shown) > 3 and len(failed) > 3)
    assert len(caplog.records) == 1, "a fault that lasts is logged once"
