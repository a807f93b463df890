"""`/v1/audit`: who did what."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from tts_app.api.deps import Context, Playground
from tts_app.api.errors import ApiError
from tts_app.api.schemas import ERRORS
from tts_app.api.scopes import NotAllowedError, need, principal_of
from tts_app.security.audit import Row, key_subject
from tts_app.security.principal import Scope
from tts_app.storage.audit import Filter, Place
from tts_app.tenants import DEFAULT_TENANT

router = APIRouter(prefix="/v1/audit", tags=["audit"])

_CURSOR = re.compile(r"([0-9]{1,18})~([0-9a-f]{16})~([0-9]{1,18})")
Name = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]


class AuditQuery(BaseModel):
    """Filters and page."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Name | None = None
    """Id of the key that was used."""
    subject: Name | None = None
    """Who it was, where it was no key."""
    start: Annotated[AwareDatetime | None, Field(alias="from")] = None
    """From this time on."""
    end: Annotated[AwareDatetime | None, Field(alias="to")] = None
    """Before this time."""
    tenant: Name | None = None
    """For callers of `default`, who see all tenants."""
    action: Name | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[str | None, Field(max_length=100)] = None
    """`next` of the page before."""


class AuditRow(BaseModel):
    """A row of the audit."""

    writer: str
    """Names the chain: a run of a gateway or a command."""
    seq: int
    """Its number in the chain."""
    time: str
    tenant: str
    subject: str
    action: str
    object_kind: str
    object_id: str
    outcome: str
    address: str
    request_id: str
    prev: str
    """MAC of the row before it."""
    mac: str


class AuditPage(BaseModel):
    """Rows, newest first."""

    object: str = "list"
    data: list[AuditRow]
    has_more: bool
    next: str | None
    """`cursor` of the next page."""


@router.get("", dependencies=[need(Scope.AUDIT)], responses=ERRORS, summary="Read the audit")
async def list_audit(
    query: Annotated[AuditQuery, Query()], request: Request, playground: Playground
) -> AuditPage:
    """List what was done, newest first, by callers of one's own tenant; `default` sees all tenants."""
    wanted = _filter(query, principal_of(request.scope).tenant)
    after = _place(query.cursor)
    await playground.recording.write(request, "")
    rows = await asyncio.to_thread(_page, playground, wanted, query.limit, after)
    data, more = rows[: query.limit], len(rows) > query.limit
    cursor = f"{data[-1].time}~{data[-1].writer}~{data[-1].seq}" if more else None
    return AuditPage(data=[_answer(row) for row in data], has_more=more, next=cursor)


def _filter(query: AuditQuery, caller: str) -> Filter:
    if query.key is not None and query.subject is not None:
        raise ApiError(
            400, "Give 'key' or 'subject', not both.", param="subject", code="conflicting_parameter"
        )
    if caller != DEFAULT_TENANT and query.tenant not in (None, caller):
        message = f"You see what tenant {caller!r} did; leave 'tenant' out."
        raise NotAllowedError(message, param="tenant", code="foreign_tenant")
    return Filter(
        tenant=query.tenant if caller == DEFAULT_TENANT else caller,
        subject=query.subject if query.key is None else key_subject(query.key),
        action=query.action,
        start=_microseconds(query.start),
        end=_microseconds(query.end),
    )


def _page(playground: Context, wanted: Filter, limit: int, after: Place | None) -> Sequence[Row]:
    return list(playground.audit.find(wanted, limit + 1, after))


def _place(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    if (found := _CURSOR.fullmatch(cursor)) is None:
        message = "The cursor is not one that a page of the audit gave."
        raise ApiError(400, message, param="cursor", code="unknown_cursor")
    return int(found[1]), found[2], int(found[3])


def _microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1_000_000)


def _answer(row: Row) -> AuditRow:
    moment = datetime.fromtimestamp(row.time / 1_000_000, UTC).isoformat(timespec="microseconds")
    return AuditRow(**{**asdict(row), "time": moment})
