"""Health, readiness, and the routes reserved for images and videos."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from tts_app.api.answers import HealthAnswer, ReadinessAnswer
from tts_app.api.deps import Playground
from tts_app.api.errors import ApiError
from tts_app.api.schemas import ErrorAnswer
from tts_app.api.scopes import CATALOGUE, caller_is_known, need

router = APIRouter(tags=["system"])
placeholders = APIRouter(dependencies=[need(*CATALOGUE)])

_PROBE = 2.0
"""Seconds that a model has to answer a readiness probe."""
_EVERY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@router.get("/healthz", responses={200: {"model": HealthAnswer}}, summary="Check that the API is up")
async def get_health() -> dict[str, str]:
    """Answer as long as the API is up, whatever the models do."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    responses={
        200: {"model": ReadinessAnswer},
        503: {"model": ErrorAnswer, "description": "Not every model answers yet."},
    },
    summary="Check that every model answers",
)
async def get_readiness(request: Request, playground: Playground) -> JSONResponse:
    """Ask every model; answer 503, with the reason of each that does not answer, until all do.

    Where a key is set, models and reasons are for callers who have it.
    """
    known = caller_is_known(request.scope)
    services = (playground.service.served, playground.text.served)
    if not any(served.resources for served in services):
        raise ApiError(503, "No model is served yet.", code="not_ready", headers={"Retry-After": "5"})
    asked = {name for served in services for name in served.load()}
    reasons = await asyncio.gather(*(served.unready(_PROBE) for served in services))
    if any(reasons):
        message = "Not every model answers yet."
        if known:
            message = " ".join(reason for found in reasons for reason in found.values())
        raise ApiError(503, message, code="not_ready", headers={"Retry-After": "5"})
    details: dict[str, Any] = {
        name: {"running": running, "waiting": waiting}
        for served in services
        for name, (running, waiting) in served.load().items()
        if name in asked  # a model that was added meanwhile has not been asked
    }
    if not known:
        return JSONResponse({"status": "ready"})
    quotas = playground.metering.guard.state
    return JSONResponse({"status": "ready", "models": details} | ({"quotas": quotas} if quotas else {}))


@placeholders.api_route("/v1/images/{path:path}", methods=_EVERY_METHOD, include_in_schema=False)
@placeholders.api_route("/v1/videos/{path:path}", methods=_EVERY_METHOD, include_in_schema=False)
@placeholders.api_route("/v1/images", methods=_EVERY_METHOD, include_in_schema=False)
@placeholders.api_route("/v1/videos", methods=_EVERY_METHOD, include_in_schema=False)
async def not_implemented(request: Request) -> None:
    """Answer that images and videos are not implemented yet."""
    kind = request.url.path.split("/")[2]
    raise ApiError(501, f"This playground speaks and does not make {kind} yet.")
