"""What is recorded of requests in the audit: with the act, or before the first byte of an answer."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Protocol

from fastapi import Request
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import Scope as AsgiScope

from tts_app.api.callers import Callers, networks
from tts_app.api.errors import handle
from tts_app.api.group_commit import GroupCommit
from tts_app.api.scopes import principal_of
from tts_app.security.audit import Entry, Head, chain_key
from tts_app.settings import Settings
from tts_app.storage.acts import UNRECORDED, Act, AuditError
from tts_app.storage.anchors import Anchors
from tts_app.storage.audit import AuditLog
from tts_app.storage.database import Database
from tts_app.telemetry.about import request_id
from tts_app.telemetry.logs import log
from tts_app.telemetry.metrics.audit import AuditMetrics

ACTIONS = {
    "POST /v1/audio/speech": ("speech.stream", "voice"),
    "GET /v1/audio/speech/stream": ("speech.stream", "voice"),
    "POST /v1/chat/completions": ("text.write", "model"),
    "POST /v1/completions": ("text.write", "model"),
    "POST /v1/speech": ("speech.create", "speech"),
    "GET /v1/speech/{speech_id}/audio": ("speech.listen", "speech"),
    "DELETE /v1/speech/{speech_id}": ("speech.delete", "speech"),
    "POST /v1/batches": ("batch.create", "batch"),
    "GET /v1/batches/{batch_id}/archive": ("batch.export", "batch"),
    "DELETE /v1/batches/{batch_id}": ("batch.delete", "batch"),
    "POST /v1/batches/{batch_id}/cancel": ("batch.cancel", "batch"),
    "POST /v1/batches/{batch_id}/retry": ("batch.retry", "batch"),
    "POST /v1/voices": ("voice.clone", "voice"),
    "DELETE /v1/voices/{voice_id}": ("voice.revoke", "voice"),
    "POST /v1/keys": ("key.create", "key"),
    "POST /v1/keys/{key_id}/rotate": ("key.rotate", "key"),
    "DELETE /v1/keys/{key_id}": ("key.revoke", "key"),
    "GET /v1/audit": ("audit.read", "rows"),
    "GET /ray/{path:path}": ("dashboard.look", "dashboard"),
}
"""The routes that are audited, each with its action and the kind of its object. The others only say what
there is and how far it has come."""
_OTHER_NAMES = dict.fromkeys(("POST /audio/speech", "POST /v1/audio/speech/"), "POST /v1/audio/speech")
"""Routes that are the same as another one."""
WRONG_KEY = "login.failed"
REFUSED = "access.refused"
_TICK = 1.0
"""Seconds between two rows about the wrong keys of one address."""
_ANCHOR_EVERY = 60.0
_ADDRESSES = 100
"""Addresses that are counted by themselves in a second; the others are counted together."""
_OTHERS = "others"
_LONGEST = 200
"""Characters that are recorded of a name that others have given: an identity provider, a proxy."""


class Closing(Protocol):
    """An answer that is being made."""

    async def aclose(self) -> None:
        """Give it up."""


class Recording:
    """Records requests in the audit; without one, nothing. For one event loop."""

    def __init__(
        self,
        audit: AuditLog | None = None,
        callers: Callers | None = None,
        anchors: Anchors | None = None,
        metrics: AuditMetrics | None = None,
    ) -> None:
        self._audit = audit
        self._rows = GroupCommit(audit) if audit is not None else None
        self._callers = callers or Callers()
        self._anchors = anchors
        self._metrics = metrics or AuditMetrics()
        self._wrong_keys: Counter[str] = Counter()
        self._anchored: Head | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to count wrong keys and to anchor."""
        if self._rows is not None:
            self._tasks = [
                asyncio.create_task(_every(_TICK, self._record_wrong_keys)),
                asyncio.create_task(_every(_ANCHOR_EVERY, self._anchor)),
            ]

    async def stop(self) -> None:
        """Record what is left, and anchor the last row."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._record_wrong_keys()
        if self._rows is not None:
            await self._rows.close()
        await self._anchor()

    def act(self, request: Request) -> Act:
        """Return the act that a request asks for, to be recorded in its transaction."""
        return UNRECORDED if self._audit is None else self._audit.act(self._entry(request.scope))

    async def write(self, request: Request, object_id: str, answer: Closing | None = None) -> None:
        """Record that an answer begins, before its first byte is sent; close `answer` if that fails.

        Raises:
            AuditError: it cannot be recorded.
        """
        if self._rows is None:
            return
        try:
            await self._rows.append(self._entry(request.scope, object_id))
        except BaseException:
            if answer is not None:
                await answer.aclose()
            raise

    async def refuse(self, request: Request, error: Exception) -> JSONResponse:
        """Answer a request with `error`, which says that its caller may not do that, and record it."""
        if self._rows is not None:
            route = _route(request.scope)
            try:
                await self._rows.append(self._entry_of(request.scope, REFUSED, "route", route, "refused"))
            except AuditError as unwritten:
                return await self.unwritten(request, unwritten)
        return await handle(request, error)

    async def unwritten(self, request: Request, error: Exception) -> JSONResponse:
        """Answer a request that could not be recorded with `error`, which says so."""
        self._metrics.unwritten()
        log("audit not written", level=logging.ERROR, error=error.__cause__ or error)
        return await handle(request, error)

    def wrong_key(self, address: str) -> None:
        """Count a wrong key from an address: a row each second says how many there were."""
        if self._rows is not None:
            self._count_wrong_keys(address, 1)

    def _count_wrong_keys(self, address: str, number: int) -> None:
        known = address in self._wrong_keys or len(self._wrong_keys) < _ADDRESSES
        self._wrong_keys[address if known else _OTHERS] += number

    def _entry(self, scope: AsgiScope, object_id: str = "") -> Entry:
        action, kind = ACTIONS[_route(scope)]
        return self._entry_of(scope, action, kind, object_id, "began")

    def _entry_of(self, scope: AsgiScope, action: str, kind: str, object_id: str, outcome: str) -> Entry:
        principal = principal_of(scope)
        peer = scope["client"][0] if scope.get("client") else ""
        forwarded = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))
        return Entry(
            tenant=principal.tenant,
            subject=_storable(principal.audited_as),
            action=action,
            object_kind=kind,
            object_id=object_id,
            outcome=outcome,
            address=_storable(self._callers.address(peer, forwarded)),
            request_id=request_id(),
        )

    async def _record_wrong_keys(self) -> None:
        """Write a row for each address that has sent wrong keys; if that fails, the next tick tries again."""
        if self._rows is None or not self._wrong_keys:
            return
        counted, self._wrong_keys = self._wrong_keys, Counter()
        rows = [
            Entry("", "unknown", WRONG_KEY, "attempts", str(number), "refused", _storable(address), "")
            for address, number in counted.items()
        ]
        try:
            await asyncio.gather(*map(self._rows.append, rows))
        except AuditError:
            for address, number in counted.items():
                self._count_wrong_keys(address, number)

    async def _anchor(self) -> None:
        """Keep the chain's head elsewhere, if it is a new one; if that fails, the next turn tries again."""
        head = self._audit.head if self._audit is not None else None
        if self._anchors is None or head is None or head == self._anchored:
            return
        try:
            await asyncio.to_thread(self._anchors.add, head, time.time_ns() // 1000)
        except OSError as error:
            self._metrics.unanchored()
            log("audit not anchored", level=logging.ERROR, error=error, row=head.seq)
        else:
            self._anchored = head


def recording_of(settings: Settings, database: Database) -> Recording:
    """Return what records in the audit of `database`, as `settings` say.

    Raises:
        OSError: the audit's key cannot be read.
    """
    if not settings.audit:
        return Recording()
    if database.may_change_audit():
        log("the database's role may change the audit: see docs/security.md", level=logging.WARNING)
    metrics = AuditMetrics()
    return Recording(
        AuditLog(database, chain_key(settings.audit_key()), written=metrics.written),
        Callers(networks(settings.trusted_proxies)),
        Anchors(settings.audit_anchor) if settings.audit_anchor else None,
        metrics,
    )


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - the next turn comes all the same
            log("audit turn crashed", level=logging.ERROR, error=error)


def _route(scope: AsgiScope) -> str:
    """Return the method and the pattern of the route: a path may hold what a caller wrote."""
    route = f"{scope['method']} {scope['route'].path}"
    return _OTHER_NAMES.get(route, route)


def _storable(name: str) -> str:
    """Return what can be stored of a name: PostgreSQL refuses NUL."""
    return name[:_LONGEST].replace("\0", "")
