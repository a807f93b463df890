"""`/v1/keys`: keys of callers, for administrators: those of the default tenant see and change the keys of all
tenants, others those of their own."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response

from tts_app.api.deps import Caller, Playground, json_only
from tts_app.api.errors import ApiError
from tts_app.api.schemas import ERRORS, ErrorAnswer
from tts_app.api.scopes import NotAllowedError, need
from tts_app.security.issuing import DAY
from tts_app.security.principal import Scope
from tts_app.storage.api_keys import ApiKey
from tts_app.telemetry.logs import log
from tts_app.tenants import TENANT_NAME

router = APIRouter(prefix="/v1/keys", tags=["keys"], dependencies=[need(Scope.ADMIN)])

_UNKNOWN: dict[int | str, dict[str, object]] = {404: {"model": ErrorAnswer, "description": "No such key."}}
TenantName = Annotated[str, StringConstraints(pattern=TENANT_NAME)]
"""The name of a tenant: a DNS label."""
KeyName = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class KeyRequest(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    name: KeyName
    """What it is for."""
    tenant: TenantName | None = None
    """Whose it is; default: the caller's tenant."""
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    """What it may do."""
    days: Annotated[float, Field(gt=0, le=3650)] | None = 90
    """Days until it expires; null: never."""


class RotateRequest(BaseModel):
    """How a key is rotated."""

    model_config = ConfigDict(extra="forbid")

    overlap_hours: Annotated[float, Field(ge=0, le=24 * 30)] = 24
    """Hours for which the old key is still valid."""


class KeyAnswer(BaseModel):
    """A key, without its secret."""

    id: str
    name: str
    tenant: str
    scopes: Sequence[str]
    created: float
    """Seconds since the epoch, as the other times."""
    created_by: str
    expires: float | None
    revoked: float | None


class NewKeyAnswer(KeyAnswer):
    """A new key: the only answer that has its secret."""

    key: str


class KeysAnswer(BaseModel):
    """Keys."""

    data: list[KeyAnswer]


@router.post("", status_code=201, dependencies=[Depends(json_only)], responses=ERRORS, summary="Create key")
async def create_key(
    body: Annotated[KeyRequest, Body()], request: Request, caller: Caller, playground: Playground
) -> NewKeyAnswer:
    """Make a key. It is shown once: only its hash is stored."""
    tenant = body.tenant or caller.tenant
    if caller.administers not in (None, tenant):
        raise NotAllowedError(
            f"This key makes keys of the tenant {caller.administers!r} only: leave 'tenant' out.",
            param="tenant",
            code="foreign_tenant",
        )
    lasts = None if body.days is None else body.days * DAY
    key, record = await asyncio.to_thread(
        playground.issuer.create,
        tenant,
        body.name,
        body.scopes,
        lasts,
        caller.subject,
        playground.recording.act(request),
    )
    log("key created", key=key.id, tenant=tenant, scopes=record.scopes, by=caller.subject)
    return NewKeyAnswer(**_fields(record), key=key.text)


@router.get("", summary="List keys")
async def list_keys(caller: Caller, playground: Playground) -> KeysAnswer:
    """Return the keys that the caller administers, oldest first, those that have ended too."""
    records = await asyncio.to_thread(playground.keys.list, caller.administers)
    return KeysAnswer(data=[KeyAnswer(**_fields(record)) for record in records])


@router.post(
    "/{key_id}/rotate",
    status_code=201,
    dependencies=[Depends(json_only)],
    responses={**ERRORS, **_UNKNOWN},
    summary="Rotate key",
)
async def rotate_key(
    key_id: str,
    body: Annotated[RotateRequest, Body()],
    request: Request,
    caller: Caller,
    playground: Playground,
) -> NewKeyAnswer:
    """Make a successor with the same rights; the old key is valid for some hours more."""
    overlap, act = body.overlap_hours * 3600, playground.recording.act(request)
    rotated = await asyncio.to_thread(
        playground.issuer.rotate, caller.administers, key_id, caller.subject, overlap, act
    )
    if rotated is None:
        raise _no_such(key_id)
    key, record = rotated
    log("key rotated", key=key_id, successor=key.id, by=caller.subject)
    return NewKeyAnswer(**_fields(record), key=key.text)


@router.delete("/{key_id}", status_code=204, responses=_UNKNOWN, summary="Revoke key")
async def revoke_key(key_id: str, request: Request, caller: Caller, playground: Playground) -> Response:
    """Revoke a key: within 5 seconds it is refused. Its record is kept."""
    act = playground.recording.act(request)
    if not await asyncio.to_thread(playground.issuer.revoke, caller.administers, key_id, act):
        raise _no_such(key_id)
    log("key revoked", key=key_id, by=caller.subject)
    return Response(status_code=204)


def _fields(record: ApiKey) -> dict[str, object]:
    return {name: getattr(record, name) for name in KeyAnswer.model_fields}


def _no_such(key_id: str) -> ApiError:
    return ApiError(
        404, f"There is no key {key_id[:60]!r} that is not revoked.", param="id", code="unknown_key"
    )
