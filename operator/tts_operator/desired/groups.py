"""Worker groups: which pods the replicas of a model run in.

One group for each model and kind of its replicas, with one pod for each replica, so that a model that goes
takes its own pods along and no other's; a vllm model may have a replica spread over several. KubeRay takes an
appended group in place and answers any other change of the list with a new cluster. So groups keep the order
in which they came, and one that is not needed any more stays as it was, with no pods.
"""

import json
from collections.abc import Mapping, Sequence
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


def rescale(cluster: Manifest, wanted: Sequence[Manifest]) -> list[dict[str, Any]]:
    """Return the JSON patch that gives a RayCluster's groups the numbers of pods of the `wanted` ones.

    KubeRay does not hand a change of them on from the RayService (ray-project/kuberay issue 4568).
    """
    bounds = {spec["groupName"]: spec for spec in wanted}
    operations: list[dict[str, Any]] = []
    for index, spec in enumerate(cluster["spec"].get("workerGroupSpecs", [])):
        group = bounds.get(spec["groupName"])
        if group is None:
            continue
        changes = [
            {"op": "add", "path": f"/spec/workerGroupSpecs/{index}/{field}", "value": group[field]}
            for field in ("replicas", "minReplicas", "maxReplicas")
            if spec.get(field) != group[field]
        ]
        if changes:
            # Another writer may have changed the list since it was read.
            name = {"op": "test", "path": f"/spec/workerGroupSpecs/{index}/groupName"}
            operations += [{**name, "value": spec["groupName"]}, *changes]
    return operations
