"""What the resources of a cluster say of themselves: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_ALARMING = {"Degraded": "True", "Insecure": "True", "EncryptedAtRest": "False"}
"""Conditions that somebody should look at when they have this status."""
_ORDER = ("Playground", "VoiceModel", "TextModel", "TTSJob")
FINAL = ("Succeeded", "PartiallyFailed", "Failed")
"""Phases of a TTSJob that do not change any more."""


@dataclass(frozen=True, slots=True)
class ConditionRow:
    """One condition."""

    type: str
    status: str
    reason: str
    message: str
    since: str


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """One resource."""

    kind: str
    namespace: str
    name: str
    state: str
    """`Ready`, `Not ready` or `Unknown`; of a TTSJob its phase."""
    cause: str
    """Reason and message of what decides the state."""
    detail: str
    """Models, replicas or items, as `kubectl get` counts them."""
    links: Mapping[str, str]
    """Addresses within the cluster, by what answers there."""
    conditions: Sequence[ConditionRow]

    @property
    def alarms(self) -> Sequence[ConditionRow]:
        """Conditions beside Ready that somebody should look at; not those that repeat its cause."""
        return [
            row
            for row in self.conditions
            if _ALARMING.get(row.type) == row.status and f"{row.reason}: {row.message}" != self.cause
        ]


def rows_of(resources: Sequence[Mapping[str, Any]]) -> list[ResourceRow]:
    """Return a row for each resource: services first, then models, then jobs."""
    ranked = sorted(resources, key=lambda one: (_ORDER.index(one["kind"]), _place(one)))
    return [row_of(one) for one in ranked]


def row_of(resource: Mapping[str, Any]) -> ResourceRow:
    """Return the row of a resource."""
    status: Mapping[str, Any] = resource.get("status") or {}
    conditions = [
        ConditionRow(
            found["type"],
            found["status"],
            found.get("reason", ""),
            found.get("message", ""),
            found.get("lastTransitionTime", ""),
        )
        for found in status.get("conditions", ())
    ]
    namespace, name = _place(resource)
    ready = next((row for row in conditions if row.type == "Ready"), None)
    states = {"True": "Ready", "False": "Not ready"}
    state = status.get("phase") or (states.get(ready.status, "Unknown") if ready else "Unknown")
    cause = f"{ready.reason}: {ready.message}" if ready else "The operator has not looked at it yet."
    return ResourceRow(
        kind=resource["kind"],
        namespace=namespace,
        name=name,
        state=state,
        cause=cause,
        detail=_detail(status),
        links={
            what: status[field]
            for what, field in (("api", "url"), ("ray dashboard", "dashboardUrl"))
            if status.get(field)
        },
        conditions=conditions,
    )


def _detail(status: Mapping[str, Any]) -> str:
    if models := status.get("models"):
        return f"{models.get('summary', '')} models ready"
    if progress := status.get("progress"):
        failed = f", {progress['failed']} failed" if progress.get("failed") else ""
        return f"{progress.get('summary', '')} items{failed}"
    if "replicas" in status:
        return f"{status.get('readyReplicas', 0)}/{status['replicas']} replicas"
    return ""


def _place(resource: Mapping[str, Any]) -> tuple[str, str]:
    metadata = resource["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
