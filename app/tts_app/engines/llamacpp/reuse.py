"""Whether a request may use what llama.cpp has kept of earlier prompts. For one event loop."""

import asyncio


class PromptReuse:
    """Lets requests use what was kept for as long as all of them are of one tenant.

    llama.cpp looks through all that it has kept, and knows no tenants. So once a second tenant has come, no
    request uses any of it again. The second tenant's first request waits until those that may use it have
    begun: a request looks for it only when it begins.
    """

    def __init__(self) -> None:
        self._tenants: set[str | None] = set()
        """The first two."""
        self._looking: set[object] = set()
        """Requests that may use it and have not begun."""
        self._none_looks = asyncio.Event()

    async def enter(self, request: object, tenant: str | None) -> bool:
        """Return whether `request` may use it; if it may, `begun` must follow."""
        if len(self._tenants) < 2:
            self._tenants.add(tenant)
        if len(self._tenants) == 1:
            self._looking.add(request)
            self._none_looks.clear()
            return True
        if self._looking:
            await self._none_looks.wait()
        return False

    def begun(self, request: object) -> None:
        """Record that a request has begun, or never will. Idempotent."""
        self._looking.discard(request)
        if not self._looking:
            self._none_looks.set()
