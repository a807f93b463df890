"""A refusal of the API server, as a cause that a status reports."""

from collections.abc import Mapping

from tts_operator.kube import CONFLICT, NOT_FOUND, KubeError
from tts_operator.objects import Kind
from tts_operator.observed.conditions import Cause
from tts_operator.reasons import Reason

_REASONS: Mapping[int, Reason] = {403: "Forbidden", CONFLICT: "NameTaken", 422: "InvalidChild"}


def refusal(error: KubeError, kind: Kind) -> Cause:
    """Return why a child was refused. `kind` is the KubeRay kind that must be installed."""
    if error.status == NOT_FOUND:
        missing = f"The cluster has no {kind.name} kind, or no such namespace any more"
        return Cause("KubeRayMissing", f"{missing}: install the KubeRay operator. ({error})")
    return Cause(_REASONS.get(error.status or 0, "ApplyFailed"), str(error))
