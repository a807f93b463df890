"""Worker groups: which pods the replicas of a model run in.

Each model and kind of its replicas has one group, with one pod per replica, so that removing a model removes
only its own pods; a replica of a vllm model may use several pods. KubeRay adds an appended group in place,
but makes a new cluster for any other change of the list. So groups keep the order in which they were added,
and a group that is not needed any more stays as it was, with no pods.
"""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from tts_app.resources import Model, TextModel, VoiceModel
from tts_operator.objects import Manifest


def downloads(model: Model) -> bool:
    """Return whether the model's files are downloaded from outside the cluster."""
    return model.spec.source.uri.startswith(("hf://", "s3://", "gs://"))


def claims_of(model: Model) -> list[str]:
    """Return the volume claims from which the model's files and clips are read."""
    uris = [model.spec.source.uri]
    if isinstance(model, VoiceModel):
        uris += [voice.reference.uri for voice in model.spec.voices if voice.reference is not None]
    return sorted({uri.removeprefix("pvc://").partition("/")[0] for uri in uris if uri.startswith("pvc://")})


def nodes_of(model: Model) -> int:
    """Return how many pods each replica of the model uses."""
    layout = model.spec.layout if isinstance(model, TextModel) else None
    return 1 if layout is None else layout.nodes


def group_of(model: Model) -> str:
    """Return the name of the group that `model` runs in: also that of its pods' custom Ray resource."""
    resources = model.spec.resources
    amounts = [resources.cpus, resources.memory_bytes, resources.gpus]
    nodes = nodes_of(model)
    spread = [nodes] if nodes > 1 else []
    kind = json.dumps([model.spec.image_key, *amounts, downloads(model), claims_of(model), *spread])
    return f"{model.name}-{sha256(kind.encode()).hexdigest()[:6]}"


def in_order(wanted: Mapping[str, dict[str, Any]], previous: Sequence[Manifest]) -> list[dict[str, Any]]:
    """Return the group specs `wanted`, by name, in the order of the `previous` ones; new ones come last.

    A previous group that is not wanted any more gets no pods.
    """
    kept = [
        wanted.get(spec["groupName"]) or {**spec, "replicas": 0, "minReplicas": 0, "maxReplicas": 0}
        for spec in previous
    ]
    known = {spec["groupName"] for spec in previous}
    return [*kept, *(spec for name, spec in wanted.items() if name not in known)]
