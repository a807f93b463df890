"""Conditions: what each of them says of a resource, and how a status holds them.

This is the one place where the conditions of a VoiceModel, a TextModel, a Playground and a TTSJob are made.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

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


class Cause(NamedTuple):
    """Why a condition has its status."""

    reason: str
    """One CamelCase word."""
    message: str


AS_EXPECTED = Cause("AsExpected", "Nothing is wrong.")


def conditions(
    goal: Literal["Ready", "Complete"],
    reached: bool,
    why: Cause,
    *,
    progressing: bool,
    stage: Cause,
    fault: Cause | None,
    healthy: Cause = AS_EXPECTED,
) -> tuple[Condition, ...]:
    """Return all conditions of a resource.

    `goal` is the condition that says whether the resource is where it should be: `Ready` for what serves,
    `Complete` for what ends. `why` says why it is `reached`, or not. `stage` is what is under way, or why
    nothing is. `fault` is what is wrong; without one `healthy` says so.
    """
    return (
        Condition(goal, reached, *why),
        Condition("Progressing", progressing, *stage),
        Condition("Degraded", fault is not None, *(fault or healthy)),
    )


def is_settled(found: Iterable[Condition]) -> bool:
    """Return whether a resource is Ready, and neither Progressing nor Degraded; no other condition counts."""
    is_true = {condition.type for condition in found if condition.status}
    return "Ready" in is_true and not is_true & {"Progressing", "Degraded"}


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


def says_ready(conditions: Iterable[dict[str, Any]], generation: int) -> bool:
    """Return whether a status's `conditions` say Ready of this `generation` of the resource."""
    return any(
        c["type"] == "Ready" and c["status"] == "True" and c.get("observedGeneration") == generation
        for c in conditions
    )


def latest_change(conditions: Iterable[dict[str, Any]]) -> datetime:
    """Return when one of `conditions` last changed its status."""
    return max(datetime.fromisoformat(condition["lastTransitionTime"]) for condition in conditions)
