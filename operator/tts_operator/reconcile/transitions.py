"""Kubernetes Events: what a person would want to have been told."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from tts_operator.objects import EVENT, Manifest

NOTE_LENGTH = 1024
"""Characters that the API takes."""


def event_of(
    manifest: Manifest,
    before: Sequence[dict[str, Any]],
    after: Sequence[dict[str, Any]],
    now: str,
    instance: str,
) -> dict[str, Any] | None:
    """Return an Event where a change of conditions is worth one; None where not.

    Told is what is wrong, that it is right again, that the resource became ready or is so no more, and that a
    cluster is replaced; of several at once the first of these. `now` is an RFC 3339 time, `instance` is the
    operator that tells.
    """
    known = {c["type"]: (c["status"], c["reason"]) for c in before}
    news = {c["type"]: c for c in after if _is_news(c, *known.get(c["type"], ("False", "")))}
    told = news.get("Degraded") or news.get("Ready") or news.get("Progressing")
    if told is None:
        return None
    bad = told["type"] == "Degraded" and told["status"] == "True"
    return _event(manifest, told["reason"], told["message"], now, instance, bad=bad)


def job_event_of(
    manifest: Manifest, before: Mapping[str, Any], after: Mapping[str, Any], now: str, instance: str
) -> dict[str, Any] | None:
    """Return an Event where a TTSJob's phase or the reason for it changed; None where not.

    `before` and `after` are its statuses.
    """
    if (before.get("phase"), _reason(before)) == (after["phase"], _reason(after)):
        return None
    told = {c["type"]: c for c in after["conditions"]}
    bad = told["Degraded"]["status"] == "True"
    complete = told["Complete"]
    return _event(manifest, complete["reason"], complete["message"], now, instance, bad=bad)


def _reason(status: Mapping[str, Any]) -> str:
    conditions = status.get("conditions", ())
    return next((str(c["reason"]) for c in conditions if c["type"] == "Complete"), "")


def _event(
    manifest: Manifest, reason: str, message: str, now: str, instance: str, *, bad: bool
) -> dict[str, Any]:
    metadata = manifest["metadata"]
    digest = sha256(f"{metadata['uid']}{reason}{message}{now}".encode()).hexdigest()[:10]
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.name,
        "metadata": {"name": f"{metadata['name']}.{digest}"},
        "regarding": {
            "apiVersion": manifest["apiVersion"],
            "kind": manifest["kind"],
            "name": metadata["name"],
            "namespace": metadata.get("namespace"),
            "uid": metadata["uid"],
        },
        "eventTime": now,
        "reportingController": "ttsplayground.dev/operator",
        "reportingInstance": instance,
        "action": "Reconcile",
        "type": "Warning" if bad else "Normal",
        "reason": reason,
        "note": message[:NOTE_LENGTH],
    }


def _is_news(condition: dict[str, Any], status: str, reason: str) -> bool:
    """Tell whether a condition, after one of that status and reason, is worth an Event."""
    if condition["type"] == "Progressing":
        return bool(condition["reason"] == "ClusterReplacement" != reason)
    if condition["status"] != status:
        return True
    return condition["type"] == "Degraded" and status == "True" and bool(condition["reason"] != reason)
