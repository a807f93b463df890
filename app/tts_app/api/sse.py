"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import json
from typing import Any


def event(data: Any, name: str = "") -> bytes:
    """Return an event whose data is JSON; `name` is its type."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()
