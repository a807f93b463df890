"""`/v1/keys`: keys of callers, for administrators."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response

from tts_app.api.deps import Playground, json_only
from tts_app.api.errors import ApiError
from tts_app.api.schemas import ERRORS, ErrorAnswer
from tts_app.api.scopes import need, principal_of
from tts_app.security.issuing import DAY
from tts_app.security.principal import DEFAULT_TENANT, Scope
from tts_app.storage.api_keys import ApiKey
from tts_app.telemetry.logs import log

router = APIRouter(prefix="/v1/keys", tags=["keys"], dependencies=[need(Scope.ADMIN)])

_UNKNOWN: dict[int | str, dict[str, object]] = {404: {"model": ErrorAnswer, "description": "No such key."}}
Tenant = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
"""The name of a tenant: a DNS label."""
KeyName = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class KeyRequest(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    name: KeyName
    """What it is for."""
    tenant: Tenant = DEFAULT_TENANT
    """Whose it is."""
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
    """All keys."""

    data: list[KeyAnswer]


@router.post("", status_code=201, dependencies=[Depends(json_only)], responses=ERRORS, summary="Create key")
async def create_key(
    body: Annotated[KeyRequest, Body()], request: Request, playground: Playground
) -> NewKeyAnswer:
    """Make a key. It is shown once: only its hash is stored."""
    lasts = None if body.days is None else body.days * DAY
    by = principal_of(request.scope).subject
    key, record = await asyncio.to_thread(
        playground.issuer.create,
        body.tenant,
        body.name,
        body.scopes,
        lasts,
        by,
        playground.recording.act(request),
    )
    log("key created", key=key.id, tenant=body.tenant, scopes=record.scopes, by=by)
    return NewKeyAnswer(**_fields(record), key=key.text)


@router.get("", summary="List keys")
async def list_keys(playground: Playground) -> KeysAnswer:
    """Return all keys, oldest first, those that have ended too."""
    records = await asyncio.to_thread(playground.keys.list)
    return KeysAnswer(data=[KeyAnswer(**_fields(record)) for record in records])


@router.post(
    "/{key_id}/rotate",
    status_code=201,
    dependencies=[Depends(json_only)],
    responses={**ERRORS, **_UNKNOWN},
    summary="Rotate key",
)
async def rotate_key(
    key_id: str, body: Annotated[RotateRequest, Body()], request: Request, playground: Playground
) -> NewKeyAnswer:
    """Make a successor with the same rights; the old key is valid for some hours more."""
    by = principal_of(request.scope).subject
    rotated = await asyncio.to_thread(
        playground.issuer.rotate, key_id, by, body.overlap_hours * 3600, playground.recording.act(request)
    )
    if rotated is None:
        raise _no_such(key_id)
    key, record = rotated
    log("key rotated", key=key_id, successor=key.id, by=by)
    return NewKeyAnswer(**_fields(record), key=key.text)


@router.delete("/{key_id}", status_code=204, responses=_UNKNOWN, summary="Revoke key")
async def revoke_key(key_id: str, request: Request, playground: Playground) -> Response:
    """Revoke a key: within 5 seconds it is refused. Its record is kept."""
    if not await asyncio.to_thread(playground.issuer.revoke, key_id, playground.recording.act(request)):
        raise _no_such(key_id)
    log("key revoked", key=key_id, by=principal_of(request.scope).subject)
    return Response(status_code=204)


def _fields(record: ApiKey) -> dict[str, object]:
    return {name: getattr(record, name) for name in KeyAnswer.model_fields}


def _no_such(key_id: str) -> ApiError:
    return ApiError(
        404, f"There is no key {key_id[:60]!r} that is not revoked.", param="id", code="unknown_key"
    )
