"""Kubernetes Events: changes of a status that a person wants to be notified of."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from tts_operator.objects import EVENT, TTS_JOB, Manifest

NOTE_LENGTH = 1024
"""Most characters that the API accepts."""


class Notice(NamedTuple):
    """What an Event says."""

    reason: str
    message: str
    is_warning: bool


def event_of(
    resource: Manifest, before: Mapping[str, Any], after: Mapping[str, Any], now: str, instance: str
) -> dict[str, Any] | None:
    """Return the Event for a resource's change from one status to another; None where it needs none.

    `before` and `after` are the statuses, `now` is an RFC 3339 time, `instance` the operator that
    reports.
    """
    notice = _of_job(before, after) if resource["kind"] == TTS_JOB.name else _of_service(before, after)
    return None if notice is None else _event(resource, notice, now, instance)


def _of_service(before: Mapping[str, Any], after: Mapping[str, Any]) -> Notice | None:
    """Return the news about a model or a Playground.

    News are, in order of priority: a fault, its end, that the service goes on although it is insecure, that
    the resource became ready or is ready no more, and that a cluster is being replaced. If there are several
    at once, the first counts.
    """
    known = {c["type"]: (c["status"], c["reason"]) for c in before.get("conditions", ())}
    new = {c["type"]: c for c in after["conditions"] if _is_news(c, *known.get(c["type"], ("False", "")))}
    condition = new.get("Degraded") or new.get("Insecure") or new.get("Ready") or new.get("Progressing")
    if condition is None:
        return None
    bad = condition["type"] in ("Degraded", "Insecure") and condition["status"] == "True"
    return Notice(condition["reason"], condition["message"], bad)


def _is_news(condition: Mapping[str, Any], status: str, reason: str) -> bool:
    """Return whether a condition that had that status and reason before needs an Event now."""
    if condition["type"] == "Progressing":
        return bool(condition["reason"] == "ClusterReplacement" != reason)
    if condition["status"] != status:
        return True
    return condition["type"] == "Degraded" and status == "True" and bool(condition["reason"] != reason)


def _of_job(before: Mapping[str, Any], after: Mapping[str, Any]) -> Notice | None:
    """Return the news about a TTSJob: its phase, or the reason for it."""
    if (before.get("phase"), _reason(before)) == (after["phase"], _reason(after)):
        return None
    conditions = {c["type"]: c for c in after["conditions"]}
    complete = conditions["Complete"]
    return Notice(complete["reason"], complete["message"], conditions["Degraded"]["status"] == "True")


def _reason(status: Mapping[str, Any]) -> str:
    conditions = status.get("conditions", ())
    return next((str(c["reason"]) for c in conditions if c["type"] == "Complete"), "")


def _event(resource: Manifest, notice: Notice, now: str, instance: str) -> dict[str, Any]:
    metadata = resource["metadata"]
    digest = sha256(f"{metadata['uid']}{notice.reason}{notice.message}{now}".encode()).hexdigest()[:10]
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.name,
        "metadata": {"name": f"{metadata['name']}.{digest}"},
        "regarding": {
            "apiVersion": resource["apiVersion"],
            "kind": resource["kind"],
            "name": metadata["name"],
            "namespace": metadata.get("namespace"),
            "uid": metadata["uid"],
        },
        "eventTime": now,
        "reportingController": "ttsplayground.dev/operator",
        "reportingInstance": instance,
        "action": "Reconcile",
        "type": "Warning" if notice.is_warning else "Normal",
        "reason": notice.reason,
        "note": notice.message[:NOTE_LENGTH],
    }
