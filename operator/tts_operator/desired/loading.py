"""Fetching a model's files once: a Job that fills the cache claim, before any replica needs them.

The name of a Job identifies what it fetches, so another source is another Job. A model is served when its Job
is done. Until then it is served as before, if it was served.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from typing import Any

from tts_app.resources import Model, Playground
from tts_operator.desired.groups import downloads
from tts_operator.desired.pods import CACHE_PATH, STATE_PATH, Mount, PodTemplate
from tts_operator.objects import COMPONENT_LABEL, JOB, KINDS, MODEL_LABEL, Ref, labels, manifest

CONTAINER = "loader"
TRIES = 4
"""Times that a loader starts; each start keeps what earlier ones have fetched."""
RETRY_SECONDS = 600
"""Seconds after which a loader that failed for good is made again: the hub, or a Secret, may work by then."""
_RESOURCES = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}


def load_name(model: Model) -> str:
    """Return the name of the Job that fetches the model's files."""
    source = model.spec.source.model_dump(mode="json")
    what = json.dumps([source, model.spec.engine, model.spec.quantization], sort_keys=True)
    return f"{model.name}-load-{sha256(what.encode()).hexdigest()[:6]}"


def loader(playground: Playground, model: Model, image: str, claim: str) -> dict[str, Any]:
    """Return the Job that fetches the files of `model` into `claim`, with its engine's image."""
    written = json.dumps(model.written(), sort_keys=True)
    template = PodTemplate(
        playground,
        CONTAINER,
        image,
        _RESOURCES,
        {**labels(playground.name), COMPONENT_LABEL: CONTAINER, MODEL_LABEL: model.name},
        mounts=[Mount("cache", claim, CACHE_PATH), Mount("state", "", STATE_PATH)],
        secret=playground.spec.storage.credentials_secret or "",
        command=["ttsp", "models", "fetch", "--json", "--manifest", written],
        run_once=True,
        keep_last_words=True,
    )
    spec = {"backoffLimit": TRIES - 1, "template": template.render()}
    return manifest(JOB, load_name(model), playground.name, {"spec": spec}, {MODEL_LABEL: model.name})


def admit(
    models: Iterable[Model], done: Collection[str], previous: Mapping[Ref, Model]
) -> tuple[list[Model], list[Model]]:
    """Return the models to serve now, and those of `models` whose files are not fetched yet.

    `done` are the names of the Jobs that succeeded, `previous` are the models as they are served now. A model
    that is served from the same source already has its files, even if its Job was deleted.
    """
    serve, pending = [], []
    for model in models:
        if not downloads(model) or load_name(model) in done:
            serve.append(model)
            continue
        old = previous.get(Ref(KINDS[model.kind], model.name))
        if old is not None and load_name(old) == load_name(model):
            serve.append(model)
            continue
        pending.append(model)
        if old is not None:
            serve.append(old)
    return serve, pending
