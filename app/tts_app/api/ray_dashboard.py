"""`/ray/`: Ray's dashboard for administrators of the default tenant, to look at and not to change."""

from collections.abc import AsyncIterator, Mapping
from typing import Annotated

import httpx
from fastapi import APIRouter, Depends, Request
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from tts_app.api.deps import Caller, Playground
from tts_app.api.errors import ApiError
from tts_app.api.ray_proxy import RayDashboard
from tts_app.api.ray_routes import AUTHENTICATION_MODE, ray_address
from tts_app.api.scopes import NotAllowedError, need
from tts_app.security.principal import Scope

PATH = "/ray/"
router = APIRouter(include_in_schema=False, dependencies=[need(Scope.ADMIN)])

_PASSED_ON = ("content-type", "content-length", "etag", "last-modified")
"""Headers of Ray's answers that ours have: no cookies, no redirects, nothing about who answered."""
_HEADERS = {
    # Ray's page has scripts in files, styles made by scripts, and pictures in both.
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-store",
}


async def _served(playground: Playground, caller: Caller) -> RayDashboard:
    """Return the dashboard; refuse callers who may not see it, and all where it is off."""
    if caller.administers is not None:
        message = (
            "Ray's dashboard shows what runs for all tenants: it is for administrators of the default one."
        )
        raise NotAllowedError(message, code="foreign_tenant")
    if playground.dashboard is None:
        raise ApiError(404, "Ray's dashboard is not served here: TTSP_RAY_DASHBOARD=true serves it.")
    return playground.dashboard


@router.get("/ray", summary="Go to Ray's dashboard")
async def without_slash(_dashboard: Annotated[RayDashboard, Depends(_served)]) -> RedirectResponse:
    """Redirect to the address whose relative links are right."""
    return RedirectResponse(PATH)


@router.get("/ray/{path:path}", summary="Look at Ray's dashboard")
async def look(
    path: str,
    request: Request,
    playground: Playground,
    caller: Caller,
    dashboard: Annotated[RayDashboard, Depends(_served)],
) -> Response:
    """Pass a request on to Ray if it is on the list, and its answer back."""
    address = ray_address(path, request.query_params.multi_items())
    if path != AUTHENTICATION_MODE and address is None:
        message = "Ray's dashboard is only to look at here, and this is not among what it may show."
        raise ApiError(403, message, code="not_shown")  # the page asks again and again: no row in the audit
    if dashboard.begins(caller):
        try:
            await playground.recording.write(request, "")
        except BaseException:
            dashboard.forget(caller)
            raise
    if address is None:
        return JSONResponse({"authentication_mode": "disabled"}, headers=_HEADERS)
    try:
        answer = await dashboard.get(address)
    except httpx.TransportError as error:
        message = f"Ray's dashboard does not answer ({type(error).__name__}): it may be starting."
        raise ApiError(503, message, code="unavailable", headers={"Retry-After": "5"}) from error
    return StreamingResponse(
        _body(answer), answer.status_code, _passed_on(answer), background=BackgroundTask(answer.aclose)
    )


async def _body(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for part in answer.aiter_raw():
            yield part
    finally:  # a caller who leaves has no background
        await answer.aclose()


def _passed_on(answer: httpx.Response) -> Mapping[str, str]:
    found = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
    return {**found, **_HEADERS}
