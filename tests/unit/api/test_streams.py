"""Streams that say that they live."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from tts_app.api.streams import kept_alive


async def test_comments_fill_the_silence_between_events() -> None:
    enough, sent = asyncio.Event(), []

    async def slow() -> AsyncGenerator[bytes, None]:
        yield b"one"
        await enough.wait()
        yield b"two"

    async for event in kept_alive(slow(), 0.02):
        sent.append(event)
        if len(sent) == 4:
            enough.set()
    assert sent[0] == b"one"
    assert sent[-1] == b"two"
    assert all(event.startswith(b": ") and event.endswith(b"\n\n") for event in sent[1:-1])


async def test_whoever_leaves_ends_what_was_waited_for() -> None:
    ended = asyncio.Event()

    async def silent() -> AsyncGenerator[bytes, None]:
        try:
            await asyncio.sleep(60)
            yield b"never"
        finally:
            ended.set()

    events = kept_alive(silent(), 0.01)
    assert (await anext(events)).startswith(b": ")
    await events.aclose()
    assert ended.is_set()


async def test_what_fails_is_told() -> None:
    async def broken() -> AsyncGenerator[bytes, None]:
        yield b"one"
        raise OSError("gone")

    events = kept_alive(broken(), 1.0)
    assert await anext(events) == b"one"
    with pytest.raises(OSError, match="gone"):
        await anext(events)
