"""Fetching a model's files once: a Job that fills the cache claim, before any replica needs them.

What a Job fetches is in its name, so another source is another Job. A model is served when its Job is done.
Until then it goes on as it was served before, if it was.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from hashlib import sha256
from typing import Any

import yaml
from pydantic import ValidationError

from tts_app.resources import MODELS, Model, Playground
from tts_app.serving.config import GATEWAY
from tts_operator.desired.groups import downloads
from tts_operator.desired.pods import CACHE_PATH, STATE_PATH, Mount, pod_template
from tts_operator.objects import JOB, MODEL_LABEL, Manifest, manifest

CONTAINER = "loader"
COMPONENT_LABEL = "app.kubernetes.io/component"
TRIES = 4
"""Times that a loader starts; what one has fetched, the next one keeps."""
RETRY_SECONDS = 600
"""After these a loader that failed for good is made anew: the hub, or a Secret, may be right by then."""
_RESOURCES = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}


def load_name(model: Model) -> str:
    """Return the name of the Job that fetches the model's files."""
    source = model.spec.source.model_dump(mode="json")
    what = json.dumps([source, model.spec.engine, model.spec.quantization], sort_keys=True)
    return f"{model.name}-load-{sha256(what.encode()).hexdigest()[:6]}"


def loader(playground: Playground, model: Model, image: str, claim: str) -> dict[str, Any]:
    """Return the Job that fetches the files of `model` into `claim`, with its engine's image."""
    secret = playground.spec.storage.credentials_secret
    mounts = [Mount("cache", claim, CACHE_PATH), Mount("state", "", STATE_PATH)]
    template = pod_template(playground, CONTAINER, image, _RESOURCES, mounts, {})
    template["metadata"]["labels"] |= {COMPONENT_LABEL: CONTAINER, MODEL_LABEL: model.name}
    template["spec"]["restartPolicy"] = "Never"
    (container,) = template["spec"]["containers"]
    written = json.dumps(model.written(), sort_keys=True)
    container["command"] = ["ttsp", "models", "fetch", "--json", "--manifest", written]
    container["terminationMessagePolicy"] = "FallbackToLogsOnError"
    if secret is not None:
        container["envFrom"] = [{"secretRef": {"name": secret}}]
    spec = {"backoffLimit": TRIES - 1, "template": template}
    return manifest(JOB, load_name(model), playground.name, {"spec": spec}, {MODEL_LABEL: model.name})


def admit(
    models: Iterable[Model], done: Collection[str], live: Manifest | None
) -> tuple[list[Model], list[Model]]:
    """Return the models to serve now, and those of `models` whose files are still to be fetched.

    `done` are the names of the Jobs that ended well, `live` is the RayService as it is now. A model that is
    served from the same source already has its files, even where somebody removed its Job.
    """
    models = list(models)
    before = {(m.kind, m.name): m for m in served_by(live)} if any(map(downloads, models)) else {}
    serve, waiting = [], []
    for model in models:
        old = before.get((model.kind, model.name))
        if not downloads(model) or load_name(model) in done or (old and load_name(old) == load_name(model)):
            serve.append(model)
            continue
        waiting.append(model)
        if old is not None:
            serve.append(old)
    return serve, waiting


def served_by(live: Manifest | None) -> Sequence[Model]:
    """Return the models that a RayService serves, as its gateway knows them."""
    if live is None:
        return ()
    config = yaml.load(live["spec"].get("serveConfigV2", ""), Loader=yaml.CSafeLoader) or {}
    gateway = next((app for app in config.get("applications", ()) if app["name"] == GATEWAY), None)
    if gateway is None:
        return ()
    found = []
    for written in gateway["deployments"][0]["user_config"]["models"]:
        try:
            found.append(MODELS[written["kind"]].model_validate(written))
        except (
            KeyError,
            ValidationError,
        ):  # another version of the operator wrote it, and it counts for nothing here
            continue
    return found
