"""What is wrong with a pod, in one reason and one sentence: KubeRay's status does not report it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tts_operator.desired.pods import GRACE
from tts_operator.objects import Manifest, rfc3339
from tts_operator.observed.loads import job_of_pod
from tts_operator.observed.scaling import Pods
from tts_operator.reasons import Reason

IMAGE_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError"}
)
CONFIG_REASONS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
VOLUME_REASONS = frozenset({"FailedMount", "FailedAttachVolume"})
"""Reasons of Events on a pod whose volume is not ready."""
MOUNT_PATIENCE = timedelta(minutes=2)
"""A pod that has been on a node for longer without starting a container is examined."""
HEAD_GROUP = "headgroup"
"""KubeRay's name of the head pod's group."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a pod does not run."""

    reason: Reason
    message: str
    rank: int
    """A lower rank is nearer to the cause."""


def needs_log(pod: Manifest) -> bool:
    """Return whether only the pod's log says why it keeps ending, or how much a loader has fetched."""
    loads = bool(job_of_pod(pod)) and pod.get("status", {}).get("phase") == "Running"
    return loads or any(_waiting(status) == "CrashLoopBackOff" for status in _containers(pod))


def is_held_up(pod: Manifest, now: datetime) -> bool:
    """Return whether a pod has been on a node for a while without starting a container.

    Its image may be large, or a volume not ready: the status is the same in both cases, only its Events
    differ.
    """
    scheduled = _condition(pod, "PodScheduled")
    return (
        not _gone(pod)
        and _has_begun_nothing(pod)
        and scheduled is not None
        and scheduled["status"] == "True"
        and now - _since(scheduled, now) > MOUNT_PATIENCE
    )


def mount_error(pod: Manifest, events: Iterable[Manifest]) -> str:
    """Return the message about the pod's volumes, if that is its last Event; empty otherwise.

    When the volumes are ready the kubelet reports the images.
    """
    own = [event for event in events if event["regarding"].get("uid") == pod["metadata"]["uid"]]
    last = max(own, key=lambda event: (_moment(event), not _is_of_volumes(event)), default=None)
    return str(last.get("note", "")) if last is not None and _is_of_volumes(last) else ""


def group_of_pod(pod: Manifest) -> str:
    """Return the pod's worker group; `headgroup` for the head, the Job's name for a loader's pod."""
    return str(pod["metadata"].get("labels", {}).get("ray.io/group", "")) or job_of_pod(pod)


def ready_pods(pods: Iterable[Manifest], cluster: str, group: str) -> int:
    """Return how many pods of a Ray cluster's group are ready.

    A worker is ready when Serve answers on it, which it does where a replica runs.
    """
    return sum(
        group_of_pod(pod) == group
        and pod["metadata"]["labels"].get("ray.io/cluster") == cluster
        and not _gone(pod)
        and _is_ready(pod)
        for pod in pods
    )


def pods_by_group(pods: Iterable[Manifest], cluster: str, now: datetime) -> dict[str, Pods]:
    """Return which pods of a Ray cluster are used and which are not, by worker group."""
    used: Counter[str] = Counter()
    idle: dict[str, list[str]] = defaultdict(list)
    for pod in pods:
        if pod["metadata"].get("labels", {}).get("ray.io/cluster") != cluster or _gone(pod):
            continue
        if _is_used(pod, now):
            used[group_of_pod(pod)] += 1
        else:
            idle[group_of_pod(pod)].append(pod["metadata"]["name"])
    return {group: Pods(used[group], idle[group]) for group in used.keys() | idle.keys()}


def _is_used(pod: Manifest, now: datetime) -> bool:
    """Return whether a replica is in a pod: it is ready, or was within the time that a replica has to end.

    A worker is ready while Serve has a proxy on it, which is beside a replica that takes requests.
    """
    ready = _condition(pod, "Ready")
    if ready is None:
        return False
    ending = timedelta(seconds=pod["spec"].get("terminationGracePeriodSeconds", GRACE))
    return _is_ready(pod) or now < _since(ready, now) + ending


def _is_ready(pod: Manifest) -> bool:
    ready = _condition(pod, "Ready")
    return ready is not None and bool(ready["status"] == "True")


def _condition(pod: Manifest, kind: str) -> Manifest | None:
    conditions = pod.get("status", {}).get("conditions", [])
    return next((condition for condition in conditions if condition["type"] == kind), None)


def _since(condition: Manifest, now: datetime) -> datetime:
    """Return when a pod's condition last changed, or now where it does not say."""
    return datetime.fromisoformat(condition.get("lastTransitionTime") or rfc3339(now))


def problems(pods: Iterable[Manifest], logs: Mapping[str, str], groups: frozenset[str]) -> list[Problem]:
    """Return what is wrong with the pods of `groups`, the problem nearest to the cause first.

    `logs` has the last lines of crashed pods, and messages about volumes that are not ready, by the pod's
    name.
    """
    found = [
        problem
        for pod in sorted(pods, key=lambda pod: pod["metadata"]["name"])
        if group_of_pod(pod) in groups and not _gone(pod)
        for problem in _problems(pod, logs.get(pod["metadata"]["name"], ""))
    ]
    return sorted(found, key=lambda problem: problem.rank)


def problems_of(pods: Iterable[Manifest], logs: Mapping[str, str]) -> list[Problem]:
    """Return what is wrong with pods of any group, as `problems` does."""
    pods = list(pods)
    return problems(pods, logs, frozenset(map(group_of_pod, pods)))


def _gone(pod: Manifest) -> bool:
    ended = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return ended or bool(pod["metadata"].get("deletionTimestamp"))


def _problems(pod: Manifest, log: str) -> Iterable[Problem]:
    name = pod["metadata"]["name"]
    scheduled = _condition(pod, "PodScheduled")
    if scheduled is not None and scheduled["status"] == "False":
        message = scheduled.get("message", scheduled.get("reason", ""))
        yield Problem("Unschedulable", f"Pod {name} finds no node: {message}", 2)
    if log and _has_begun_nothing(pod):
        yield Problem("VolumesNotReady", f"Pod {name} waits for its volumes{_volumes_of(pod)}: {log}", 1)
    for status in _containers(pod):
        container, waiting = status["name"], status.get("state", {}).get("waiting", {})
        reason, detail = waiting.get("reason", ""), waiting.get("message", "")
        ended = status.get("state", {}).get("terminated") or status.get("lastState", {}).get("terminated")
        where = f"Container {container} of pod {name}"
        if reason in IMAGE_REASONS:
            text = f"{where} cannot have its image {status.get('image', '')!r} ({reason}): {detail}"
            yield Problem("ImagePullFailed", text.rstrip(": "), 0)
        elif reason in CONFIG_REASONS:
            yield Problem("ContainerConfigError", f"{where} cannot be made ({reason}): {detail}", 1)
        elif ended and ended.get("reason") == "OOMKilled" and not status.get("ready"):
            yield Problem("OutOfMemory", f"{where} needed more memory than its limit: raise it.", 0)
        elif reason == "CrashLoopBackOff":
            code = ended.get("exitCode") if ended else "unknown"
            said = f" Its last lines: {log.strip()}" if log.strip() else ""
            yield Problem("CrashLoop", f"{where} keeps ending, with exit code {code}.{said}", 1)


def _containers(pod: Manifest) -> list[dict[str, Any]]:
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def _has_begun_nothing(pod: Manifest) -> bool:
    """Return whether a kubelet has accepted the pod and has neither made a container of it nor tried to."""
    reasons = {_waiting(status) for status in _containers(pod)}
    return bool(reasons) and reasons <= {"ContainerCreating", "PodInitializing"}


def _volumes_of(pod: Manifest) -> str:
    """Return the names of the sources of the pod's volumes, in brackets."""
    volumes = pod["spec"].get("volumes", [])
    claims = [v["persistentVolumeClaim"]["claimName"] for v in volumes if "persistentVolumeClaim" in v]
    config_maps = [v["configMap"]["name"] for v in volumes if "configMap" in v]
    names = [f"claim {name}" for name in claims] + [f"ConfigMap {name}" for name in config_maps]
    return f" ({', '.join(names)})" if names else ""


def _is_of_volumes(event: Manifest) -> bool:
    return event.get("reason") in VOLUME_REASONS


def _moment(event: Manifest) -> datetime:
    """Return when an Event was last reported; the kubelet's Events have the time field of the older API."""
    series = event.get("series") or {}
    reported = (
        series.get("lastObservedTime") or event.get("deprecatedLastTimestamp") or event.get("eventTime")
    )
    return datetime.fromisoformat(reported or event["metadata"]["creationTimestamp"])


def _waiting(status: Mapping[str, Any]) -> str:
    return str(status.get("state", {}).get("waiting", {}).get("reason", ""))
