"""Headers that tell browsers what an answer may be used for."""

import base64
import hashlib
import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_DOCS = "/docs"
_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_DEFAULTS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


class SecurityHeaders:
    """Adds the headers that an answer does not have. Pure ASGI.

    `/docs` gets a Content-Security-Policy that allows no inline scripts but its own, by their digests.
    """

    def __init__(self, app: ASGIApp, *, shared: bool = False) -> None:
        """`shared`: whether pages of other sites may use the answers, as CORS allows."""
        self._app = app
        self._headers = _DEFAULTS | ({} if shared else {"Cross-Origin-Resource-Policy": "same-origin"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        held: list[Message] = []

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if scope["path"] == _DOCS:
                    held.append(message)  # its policy needs its body
                    return
            elif held:
                start = held.pop()
                MutableHeaders(scope=start)["Content-Security-Policy"] = _docs_policy(message["body"])
                await send(start)
            await send(message)

        await self._app(scope, receive, add)


def _docs_policy(page: bytes) -> str:
    digests = (base64.b64encode(hashlib.sha256(script).digest()).decode() for script in _INLINE.findall(page))
    scripts = " ".join(["'self'", *(f"'sha256-{digest}'" for digest in digests)])
    return (
        f"default-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
