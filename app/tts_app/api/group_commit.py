"""Rows of the audit that belong to no transaction: those that come at the same time are written in one."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from tts_app.security.audit import Entry
from tts_app.storage.acts import AuditError
from tts_app.storage.audit import AuditLog


class GroupCommit:
    """Writes rows: all that come while others are being written are in the next transaction.

    For one event loop. It has a thread of its own: the others may be waiting for their turn to write.
    """

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")
        self._pending: list[tuple[Entry, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def append(self, entry: Entry) -> None:
        """Write a row and return when it is committed. One whose caller leaves is written all the same.

        Raises:
            AuditError: it cannot be written.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append((entry, written))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        await written

    async def close(self) -> None:
        """Write what is left."""
        if self._writing is not None:
            await self._writing
        self._thread.shutdown()

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending:
            rows, self._pending = self._pending, []
            failed: Exception | None = None
            try:
                await loop.run_in_executor(self._thread, self._audit.append, [entry for entry, _ in rows])
            except Exception as error:  # noqa: BLE001 - all who wait must hear of it
                failed = error
            for _, written in rows:
                if written.done():  # its caller has left
                    continue
                if failed is None:
                    written.set_result(None)
                else:
                    unwritten = AuditError(str(failed))
                    unwritten.__cause__ = failed
                    written.set_exception(unwritten)
        self._writing = None
