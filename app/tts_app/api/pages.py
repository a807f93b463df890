"""The playground's page: files of `app/ui`, served as they are."""

from functools import cache
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

import tts_app

router = APIRouter(include_in_schema=False)

_HEADERS = {
    # Nothing from other sites, nothing inline, not in another page's frame.
    "Content-Security-Policy": "default-src 'self'; media-src 'self' blob:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@router.get("/")
async def root() -> RedirectResponse:
    """Redirect to the voices."""
    return RedirectResponse("/voices")


@router.get("/voices")
async def voices() -> Response:
    """Show the voices."""
    return Response(_file("voices.html"), media_type="text/html; charset=utf-8", headers=_HEADERS)


@router.get("/ui/voices.css")
async def style() -> Response:
    """Send the page's style."""
    return Response(_file("voices.css"), media_type="text/css; charset=utf-8", headers=_HEADERS)


@router.get("/ui/voices.js")
async def script() -> Response:
    """Send the page's script."""
    return Response(_file("voices.js"), media_type="text/javascript; charset=utf-8", headers=_HEADERS)


@router.get("/favicon.ico")
async def icon() -> Response:
    """Send the icon that browsers ask for of themselves."""
    return Response(_file("icon.svg"), media_type="image/svg+xml", headers=_HEADERS)


@cache
def _file(name: str) -> bytes:
    """Return a file of the page, from the installed package or from a checkout."""
    package = Path(tts_app.__file__).parent
    folder = next(path for path in (package / "ui", package.parent / "ui") if path.is_dir())
    return (folder / name).read_bytes()
