"""Conditions: what each of them says about a resource, and their form in a status.

`conditions` makes those that every kind has. A condition of one kind alone is added to them where that kind's
conditions are returned (`status.py`, `jobs.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from tts_operator.reasons import Reason

MESSAGE_LENGTH = 4096
"""Characters of a message that are kept: enough for a log's last lines, not for a whole log."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition, without the fields that depend on time."""

    type: Literal["Ready", "Progressing", "Degraded", "Complete", "Insecure", "EncryptedAtRest"]
    status: bool
    reason: Reason
    message: str = ""


class State(NamedTuple):
    """What metrics say of a condition."""

    kind: str
    """The resource's."""
    type: str
    status: bool
    reason: str


class Cause(NamedTuple):
    """Why a condition has its status."""

    reason: Reason
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

    `goal` is the condition that says whether the resource has reached its target: `Ready` for resources that
    serve, `Complete` for those that end. `why` says why it is `reached`, or not. `stage` is what is in
    progress, or why nothing is. `fault` is what is wrong; if there is none, `healthy` says so.
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
    """Return `new` in the form of a status; a condition with unchanged status keeps its transition time.

    `old` are the conditions in the current status, `generation` is the resource's, `now` is an RFC 3339 time.
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
    """Return whether a status's `conditions` say that this `generation` of the resource is Ready."""
    return any(
        c["type"] == "Ready" and c["status"] == "True" and c.get("observedGeneration") == generation
        for c in conditions
    )


def latest_change(conditions: Iterable[dict[str, Any]]) -> datetime:
    """Return when the status of any of `conditions` last changed."""
    return max(datetime.fromisoformat(condition["lastTransitionTime"]) for condition in conditions)
