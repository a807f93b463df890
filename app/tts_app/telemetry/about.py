"""What the current task works for, which each of its log lines says: request, tenant, model, batch, item.

Tasks and threads that a task starts work for the same. A call of another process carries it as an argument.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

Carried = Mapping[str, Any]
"""Fields of log lines: `request_id`, `tenant`, `model`, `batch` (its id), `item` (its number). Never what a
user wrote."""

_NOTHING: Carried = MappingProxyType({})
_CURRENT: ContextVar[Carried] = ContextVar("about", default=_NOTHING)


def carried() -> dict[str, Any]:
    """Return what the current task works for, as a call of another process carries it."""
    return dict(_CURRENT.get())


def request_id() -> str:
    """Return the id of the request that the current task serves; empty outside a request."""
    return str(_CURRENT.get().get("request_id", ""))


def note(**known: Any) -> None:
    """Add what has become known of the work, until the block of `about` around it ends."""
    _CURRENT.set({**_CURRENT.get(), **known})


@contextmanager
def about(given: Carried | None = None, **more: Any) -> Iterator[None]:
    """Add `given` and `more` in the block. Not for asynchronous generators: they may be closed elsewhere."""
    token = _CURRENT.set({**_CURRENT.get(), **(given or _NOTHING), **more})
    try:
        yield
    finally:
        _CURRENT.reset(token)
