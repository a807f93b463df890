"""Asks Ray's dashboard on this machine, and knows who looks at it."""

import time
from collections.abc import Mapping

import httpx

from tts_app.security.principal import Principal
from tts_app.settings import Settings

_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_BROWSER = "Mozilla/5.0 (compatible; tts-playground)"
"""Ray refuses what browsers must not do, all that is not GET or HEAD, and hides the values of variables from
them: it goes by this header."""
_LOOK = 600.0
"""Seconds without a request after which a caller's next one counts as another look, with a row in the audit:
the page asks every few seconds."""
_LOOKS = 1000
"""Callers whose last request is remembered."""


class RayDashboard:
    """Ray's dashboard on this machine. For one event loop."""

    def __init__(self, port: int) -> None:
        self._client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=_TIMEOUT, trust_env=False, follow_redirects=False
        )
        self._looks: dict[str, float] = {}

    def begins(self, caller: Principal) -> bool:
        """Return whether the caller begins to look: it has asked for nothing in the last ten minutes."""
        now = time.monotonic()
        last = self._looks.pop(caller.audited_as, None)
        self._looks[caller.audited_as] = now
        if len(self._looks) > _LOOKS:
            del self._looks[next(iter(self._looks))]
        return last is None or now - last > _LOOK

    def forget(self, caller: Principal) -> None:
        """Let the caller's next request begin a look: this one could not be recorded."""
        self._looks.pop(caller.audited_as, None)

    async def get(self, address: str) -> httpx.Response:
        """Return Ray's answer, whose body has not been read.

        Raises:
            httpx.TransportError: the dashboard does not answer.
        """
        headers = {**_token(), "User-Agent": _BROWSER, "Accept-Encoding": "identity"}
        return await self._client.send(
            self._client.build_request("GET", address, headers=headers), stream=True
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def dashboard_of(settings: Settings) -> RayDashboard | None:
    """Return Ray's dashboard where administrators may see it; None elsewhere."""
    return RayDashboard(settings.dashboard_port) if settings.ray_dashboard else None


def _token() -> Mapping[str, str]:
    """Return the header with Ray's token; nothing where Ray asks for none."""
    from ray._private.authentication.http_token_authentication import (  # noqa: PLC0415 - slow to import
        get_auth_headers_if_auth_enabled,
    )

    found: Mapping[str, str] = get_auth_headers_if_auth_enabled({})
    return found
