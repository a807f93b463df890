"""The status that a resource should have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tts_operator.objects import Manifest, Ref, ref_of, rfc3339
from tts_operator.observed.conditions import Condition, State, conditions_of


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    """A status that a resource should have; it may have it already."""

    resource: Manifest
    """As it was read, with its current status."""
    fields: Mapping[str, Any]
    """The status without its conditions."""
    conditions: Sequence[Condition]

    @property
    def ref(self) -> Ref:
        """The resource."""
        return ref_of(self.resource)

    @property
    def before(self) -> Mapping[str, Any]:
        """The status that the resource has; empty where it has none."""
        return self.resource.get("status") or {}

    @property
    def states(self) -> list[State]:
        """The state of each condition."""
        kind = self.ref.kind.name
        return [State(kind, found.type, found.status, found.reason) for found in self.conditions]

    def after(self, now: datetime) -> dict[str, Any]:
        """Return the new status. `now` is the time of conditions that change with it."""
        generation = self.resource["metadata"]["generation"]
        known = self.before.get("conditions", [])
        conditions = conditions_of(self.conditions, known, generation, rfc3339(now))
        return {**self.fields, "observedGeneration": generation, "conditions": conditions}

    def is_change(self, now: datetime) -> bool:
        """Return whether the resource has another status, or none."""
        return self.before != self.after(now)

    def is_of(self, other: Manifest) -> bool:
        """Return whether `other` is the same resource, with the same spec."""
        mine, its = self.resource["metadata"], other["metadata"]
        return all(mine.get(name) == its.get(name) for name in ("uid", "generation"))
