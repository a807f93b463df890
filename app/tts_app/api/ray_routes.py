"""Which requests of Ray's dashboard an administrator may make through our API: a list, and nothing else.

Only what a page shows is on it, and what holds no text of a caller: no logs, no error messages of tasks, no
profiles. Whatever changes something, starts a profiler or stops a thread is missing, those that are GET too.
`tests/unit/api/test_ray_routes.py` holds the list against all the routes of the installed Ray.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlencode

AUTHENTICATION_MODE = "api/authentication_mode"
"""Asked by the page, and answered by us: who comes through our door needs no token of Ray's."""

_ID = "[0-9a-f]{8,64}"
_FILE = "[A-Za-z0-9][A-Za-z0-9._-]*"
_FILTERS = frozenset({"limit", "timeout", "filter_keys", "filter_predicates", "filter_values"})


@dataclass(frozen=True, slots=True)
class Route:
    """Requests that pass."""

    path: str
    """Expression for the whole path, without the first slash."""
    parameters: frozenset[str] = field(default_factory=frozenset)
    """Parameters that the query may have."""


ALLOWED = (
    Route(""),
    Route("favicon[.]ico"),
    Route(f"static/(js|css|media)/{_FILE}"),
    Route("timezone"),
    Route("api/version"),
    Route("nodes", frozenset({"view"})),
    Route(f"nodes/{_ID}"),
    Route("logical/actors", frozenset({"ids"})),
    Route(f"logical/actors/{_ID}"),
    Route("api/cluster_status", frozenset({"format"})),
    Route("api/serve/applications/", frozenset({"api_type"})),
    Route("api/v0/cluster_metadata"),
    Route("api/v0/runtime_env_redaction"),
    Route("api/v0/nodes", _FILTERS),
    Route("api/v0/placement_groups", _FILTERS | {"detail"}),
    Route("api/v0/tasks/summarize", _FILTERS | {"summary_by"}),
)


def ray_address(path: str, query: Iterable[tuple[str, str]]) -> str | None:
    """Return path and query that Ray is asked for; None: the request does not pass.

    Args:
        path: without the first slash, decoded.
        query: names and values, decoded.
    """
    given = list(query)
    for route in ALLOWED:
        if re.fullmatch(route.path, path, re.ASCII):
            if {name for name, _ in given} <= route.parameters:
                return f"/{path}" + (f"?{urlencode(given)}" if given else "")
            return None
    return None
