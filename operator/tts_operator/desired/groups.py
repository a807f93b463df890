"""Worker groups: which pods the replicas of a model run in.

One group for each model and kind of its replicas, with one pod for each replica, so that a model that goes
takes its own pods along and no other's; a vllm model may have a replica spread over several. KubeRay takes an
appended group in place and answers any other change of the list with a new cluster. So groups keep the order
in which they came, and one that is not needed any more stays as it was, with no pods.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from tts_app.resources import Model, TextModel, VoiceModel
from tts_operator.objects import Manifest


def downloads(model: Model) -> bool:
    """Tell whether the model's files come from outside the cluster."""
    return model.spec.source.uri.startswith(("hf://", "s3://", "gs://"))


def claims_of(model: Model) -> list[str]:
    """Return the volume claims that the model's files and clips are read from."""
    uris = [model.spec.source.uri]
    if isinstance(model, VoiceModel):
        uris += [voice.reference.uri for voice in model.spec.voices if voice.reference is not None]
    return sorted({uri.removeprefix("pvc://").partition("/")[0] for uri in uris if uri.startswith("pvc://")})


def nodes_of(model: Model) -> int:
    """Return how many pods each replica of the model takes."""
    layout = model.spec.layout if isinstance(model, TextModel) else None
    return 1 if layout is None else layout.nodes


def group_of(model: Model) -> str:
    """Return the name of the group that `model` runs in: also the custom Ray resource that its pods have."""
    resources = model.spec.resources
    amounts = [resources.cpus, resources.memory_bytes, resources.gpus]
    nodes = nodes_of(model)
    spread = [nodes] if nodes > 1 else []
    kind = json.dumps([model.spec.engine, *amounts, downloads(model), claims_of(model), *spread])
    return f"{model.name}-{sha256(kind.encode()).hexdigest()[:6]}"


def in_order(wanted: Mapping[str, dict[str, Any]], live: Sequence[Manifest]) -> list[dict[str, Any]]:
    """Return the group specs `wanted`, by name, in the order of the `live` ones; new ones come last."""
    kept = [
        wanted.get(spec["groupName"]) or {**spec, "replicas": 0, "minReplicas": 0, "maxReplicas": 0}
        for spec in live
    ]
    known = {spec["groupName"] for spec in live}
    return [*kept, *(spec for name, spec in wanted.items() if name not in known)]


@dataclass(frozen=True, slots=True)
class Pods:
    """The pods of a cluster's group, as far as they may go."""

    used: int
    """How many have a replica in them, or had one until a moment ago."""
    idle: Sequence[str]
    """Names of the others."""


NO_PODS = Pods(0, ())


def number_of(spec: Manifest, wanted: Manifest, pods: Pods) -> int:
    """Return how many pods, or replicas of several, a group is to have now.

    More at once; fewer only as fast as pods are left by their replicas, which Serve ends first. `spec` is the
    group as it is in the cluster.
    """
    want, have = int(wanted["replicas"]), int(spec.get("replicas", 0))
    if want >= have:
        return want
    if spec.get("numOfHosts", 1) > 1:  # the second pod of a replica looks idle at all times
        return have if pods.used else want
    return min(have, max(want, pods.used))


def rescale(cluster: Manifest, wanted: Sequence[Manifest], pods: Mapping[str, Pods]) -> list[dict[str, Any]]:
    """Return the JSON patch that gives a RayCluster's groups the numbers of pods of the `wanted` ones.

    KubeRay does not hand a change of them on from the RayService (ray-project/kuberay issue 4568), and would
    choose at random which pods go. `pods` are those of the cluster, by group.
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


def shrinks(cluster: Manifest, wanted: Sequence[Manifest], pods: Mapping[str, Pods]) -> bool:
    """Tell whether a group has more pods for now than it is to have."""
    bounds = {spec["groupName"]: spec for spec in wanted}
    return any(
        number_of(spec, bounds[name], pods.get(name, NO_PODS)) > bounds[name]["replicas"]
        for spec in cluster["spec"].get("workerGroupSpecs", [])
        if (name := spec["groupName"]) in bounds
    )
