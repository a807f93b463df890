"""How many pods the worker groups of a running cluster should have now, and which pods are removed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tts_operator.objects import Manifest


@dataclass(frozen=True, slots=True)
class Pods:
    """The pods of a cluster's group, by whether they may be removed."""

    used: int
    """Number of pods that have a replica, or had one until a moment ago."""
    idle: Sequence[str]
    """Names of the other pods."""


NO_PODS = Pods(0, ())


def number_of(spec: Manifest, wanted: Manifest, pods: Pods) -> int:
    """Return how many pods, or replicas of several pods each, a group should have now.

    The number grows at once. It shrinks only as pods lose their replicas, which Serve ends first. `spec` is
    the group as it is in the cluster.
    """
    want, have = int(wanted["replicas"]), int(spec.get("replicas", 0))
    if want >= have:
        return want
    if spec.get("numOfHosts", 1) > 1:  # the second pod of a replica always looks idle
        return have if pods.used else want
    return min(have, max(want, pods.used))


def rescale(cluster: Manifest, wanted: Sequence[Manifest], pods: Mapping[str, Pods]) -> list[dict[str, Any]]:
    """Return the JSON patch that gives a RayCluster's groups the numbers of pods in `wanted`.

    KubeRay does not pass a change of them on from the RayService (ray-project/kuberay issue 4568), and would
    choose at random which pods to remove. `pods` are those of the cluster, by group.
    """
    bounds = {spec["groupName"]: spec for spec in wanted}
    operations: list[dict[str, Any]] = []
    for index, spec in enumerate(cluster["spec"].get("workerGroupSpecs", [])):
        name = spec["groupName"]
        if name not in bounds:
            continue
        there = pods.get(name, NO_PODS)
        number = number_of(spec, bounds[name], there)
        values: dict[str, Any] = dict.fromkeys(("replicas", "minReplicas", "maxReplicas"), number)
        changes = {field: value for field, value in values.items() if spec.get(field) != value}
        if not changes:
            continue
        if number and spec.get("numOfHosts", 1) == 1:
            leaving = sorted(there.idle)[: max(0, there.used + len(there.idle) - number)]
            changes["scaleStrategy"] = {"workersToDelete": leaving}
        path = f"/spec/workerGroupSpecs/{index}"
        # Another writer may have changed the list since it was read.
        operations.append({"op": "test", "path": f"{path}/groupName", "value": name})
        operations += [{"op": "add", "path": f"{path}/{field}", "value": v} for field, v in changes.items()]
    return operations


def is_shrinking(cluster: Manifest, wanted: Sequence[Manifest], pods: Mapping[str, Pods]) -> bool:
    """Return whether a group still has more pods than it should have."""
    bounds = {spec["groupName"]: spec for spec in wanted}
    return any(
        number_of(spec, bounds[name], pods.get(name, NO_PODS)) > bounds[name]["replicas"]
        for spec in cluster["spec"].get("workerGroupSpecs", [])
        if (name := spec["groupName"]) in bounds
    )
