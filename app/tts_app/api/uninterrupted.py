"""Changes that go on to their end when the caller leaves: else they would be half done."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

_Found = TypeVar("_Found")
_running: set[asyncio.Task[Any]] = set()
"""The loop itself holds tasks weakly."""


async def uninterrupted(work: Coroutine[Any, Any, _Found]) -> _Found:
    """Return what `work` returns. If this call is cancelled, the work is not.

    Raises what `work` raises.
    """
    task = asyncio.create_task(work)
    _running.add(task)
    task.add_done_callback(_ended)
    return await asyncio.shield(task)


def _ended(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled():
        task.exception()  # its caller may have left: then nobody else asks
