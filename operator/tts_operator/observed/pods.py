"""What is wrong with a pod, in one reason and one sentence: the cause that KubeRay's status does not tell."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tts_operator.objects import Manifest
from tts_operator.observed.loads import job_of_pod

IMAGE_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError"}
)
CONFIG_REASONS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
HEAD_GROUP = "headgroup"
"""KubeRay's name of the group that the head pod is."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a pod does not run."""

    reason: str
    message: str
    rank: int
    """Less is nearer to the cause."""


def worth_reading(pod: Manifest) -> bool:
    """Tell whether the pod's log says what nothing else does: why it keeps ending, or how far a loader is."""
    loads = bool(job_of_pod(pod)) and pod.get("status", {}).get("phase") == "Running"
    return loads or any(_waiting(status) == "CrashLoopBackOff" for status in _containers(pod))


def group_of_pod(pod: Manifest) -> str:
    """Return the worker group that the pod is of, `headgroup` for the head, a loader's Job for its pod."""
    return str(pod["metadata"].get("labels", {}).get("ray.io/group", "")) or job_of_pod(pod)


def ready_pods(pods: Iterable[Manifest], cluster: str, group: str) -> int:
    """Return how many pods of a Ray cluster's group are ready.

    A worker is when Serve answers on it, which it does where a replica runs.
    """
    return sum(
        group_of_pod(pod) == group
        and pod["metadata"]["labels"].get("ray.io/cluster") == cluster
        and not _gone(pod)
        and any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for condition in pod.get("status", {}).get("conditions", [])
        )
        for pod in pods
    )


def problems(pods: Iterable[Manifest], logs: Mapping[str, str], groups: frozenset[str]) -> list[Problem]:
    """Return what is wrong with the pods of `groups`, the nearest to the cause first.

    `logs` has the last lines of pods that crashed, by the pod's name.
    """
    found = [
        problem
        for pod in sorted(pods, key=lambda pod: pod["metadata"]["name"])
        if group_of_pod(pod) in groups and not _gone(pod)
        for problem in _problems(pod, logs.get(pod["metadata"]["name"], ""))
    ]
    return sorted(found, key=lambda problem: problem.rank)


def problems_of(pods: Iterable[Manifest]) -> list[Problem]:
    """Return what is wrong with pods of any group, the nearest to the cause first."""
    pods = list(pods)
    return problems(pods, {}, frozenset(map(group_of_pod, pods)))


def _gone(pod: Manifest) -> bool:
    ended = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return ended or bool(pod["metadata"].get("deletionTimestamp"))


def _problems(pod: Manifest, log: str) -> Iterable[Problem]:
    name = pod["metadata"]["name"]
    for condition in pod.get("status", {}).get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            message = condition.get("message", condition.get("reason", ""))
            yield Problem("Unschedulable", f"Pod {name} finds no node: {message}", 2)
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


def _waiting(status: Mapping[str, Any]) -> str:
    return str(status.get("state", {}).get("waiting", {}).get("reason", ""))
