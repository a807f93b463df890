"""`/v1/usage`: what a tenant has used, by day, model and voice."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from tts_app.api.deps import Caller, Playground
from tts_app.api.errors import ApiError
from tts_app.api.keys import TenantName
from tts_app.api.schemas import ERRORS
from tts_app.api.scopes import NotAllowedError, need
from tts_app.security.principal import Scope
from tts_app.storage.usage import Usages

router = APIRouter(prefix="/v1/usage", tags=["usage"], dependencies=[need(*Scope)])

_DAYS = 30
_MOST_DAYS = 366
_FIRST = date(2000, 1, 1)


class UsageQuery(BaseModel):
    """Which days, and whose."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: Annotated[date | None, Field(alias="from", ge=_FIRST)] = None
    """The first day (UTC); default: 30 days up to the last."""
    last: Annotated[date | None, Field(alias="to", ge=_FIRST)] = None
    """The last day, included; default: today."""
    tenant: TenantName | None = None
    """Another tenant, for administrators of the tenant `default`."""


class UsageEntry(BaseModel):
    """What was used of one voice, or one text model, on one day."""

    day: date
    model: str
    voice: str | None
    """None for a text model."""
    requests: int
    """Items, for batches."""
    characters: int
    audio_seconds: float
    prompt_tokens: int
    completion_tokens: int


class UsageAnswer(BaseModel):
    """What a tenant has used, by day, model and voice."""

    object: Literal["list"] = "list"
    tenant: str
    data: list[UsageEntry]


@router.get("", responses=ERRORS, summary="Get usage")
async def get_usage(
    query: Annotated[UsageQuery, Query()], caller: Caller, playground: Playground
) -> UsageAnswer:
    """Return what the caller's tenant has used. The newest seconds may be missing."""
    tenant = query.tenant or caller.tenant
    if tenant != caller.tenant and not (Scope.ADMIN in caller.scopes and caller.administers is None):
        raise NotAllowedError(
            f"You see the usage of your tenant {caller.tenant!r} only: leave 'tenant' out.",
            param="tenant",
            code="foreign_tenant",
        )
    last = query.last or datetime.now(UTC).date()
    first = query.first or last - timedelta(days=_DAYS - 1)
    if not 0 <= (last - first).days < _MOST_DAYS:
        raise ApiError(
            400,
            f"From {first} to {last} is no span of 1 to {_MOST_DAYS} days.",
            param="from",
            code="invalid_value",
        )
    found = await asyncio.to_thread(Usages(playground.database).list, tenant, first, last)
    data = [
        UsageEntry(
            day=used.day,
            model=used.model,
            voice=used.voice or None,
            requests=total.requests,
            characters=total.amounts.characters,
            audio_seconds=round(total.amounts.audio_seconds, 3),
            prompt_tokens=total.amounts.prompt_tokens,
            completion_tokens=total.amounts.completion_tokens,
        )
        for used, total in found
    ]
    return UsageAnswer(tenant=tenant, data=data)
