"""Group commit: records that come at the same time are written together, with one sync."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from tts_app.batch.ledger import Done, Failed

Write = Callable[[Sequence[Done | Failed]], Awaitable[None]]


class GroupCommit:
    """Makes records durable by `write`. For one event loop; `run` works until it is cancelled."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._waiting: list[tuple[Done | Failed, asyncio.Future[None]]] = []
        self._changed = asyncio.Event()

    async def commit(self, record: Done | Failed) -> None:
        """Return when the record is durable. Raises what `write` raised for its group."""
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((record, durable))
        self._changed.set()
        await durable

    async def run(self) -> None:
        """Write what waits, group after group."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            group, self._waiting = self._waiting, []
            fault: Exception | None = None
            try:
                await self._write([record for record, _ in group])
            except Exception as error:  # noqa: BLE001 - raised where each record is waited for
                fault = error
            for _, durable in group:
                if durable.done():  # its waiter was cancelled
                    continue
                if fault is None:
                    durable.set_result(None)
                else:
                    durable.set_exception(fault)
