"""Conditions as Kubernetes has them: one of a type, and the time of its last change of status."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

MESSAGE_LENGTH = 4096
"""Characters of a message that are kept: a log's last lines fit, a whole log does not."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition, without what depends on time."""

    type: Literal["Ready", "Progressing", "Degraded", "Complete"]
    status: bool
    reason: str
    """One CamelCase word."""
    message: str = ""


def conditions_of(
    new: Iterable[Condition], old: Sequence[dict[str, Any]], generation: int, now: str
) -> list[dict[str, Any]]:
    """Return `new` as a status holds them; one whose status is as it was keeps the time that it has.

    `old` are the status's conditions so far, `generation` is the resource's, `now` an RFC 3339 time.
    """
    before = {condition["type"]: condition for condition in old}
    found = []
    for condition in new:
        status = "True" if condition.status else "False"
        previous = before.get(condition.type, {})
        since = previous.get("lastTransitionTime", now) if previous.get("status") == status else now
        found.append(
            {
                "type": condition.type,
                "status": status,
                "reason": condition.reason,
                "message": condition.message[:MESSAGE_LENGTH],
                "observedGeneration": generation,
                "lastTransitionTime": since,
            }
        )
    return found


def stands(conditions: Iterable[dict[str, Any]], generation: int) -> bool:
    """Tell whether `conditions` say Ready of the resource as it is now."""
    return any(
        c["type"] == "Ready" and c["status"] == "True" and c.get("observedGeneration") == generation
        for c in conditions
    )


def latest_change(conditions: Iterable[dict[str, Any]]) -> datetime:
    """Return when one of `conditions` last changed its status."""
    return max(datetime.fromisoformat(condition["lastTransitionTime"]) for condition in conditions)
