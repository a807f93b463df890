"""The pure builder of the Serve config: models in, a plain JSON-like dict out. No Ray, no I/O.

The same dict is deployed on an embedded Ray and stands as `serveConfigV2` in a RayService. It is the same to
the byte for the same resources, in whatever order they come, and it is cut so that a change touches little:
what needs a new replica is in an application's `args`, what a running one can take up is in `user_config`.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from tts_app.resources import TextModel, VoiceModel
from tts_app.resources.engines import ENGINES
from tts_app.resources.engines.vllm import Layout
from tts_app.serving.names import GATEWAY_DEPLOYMENT, TEXT_DEPLOYMENT, VOICE_DEPLOYMENT

GATEWAY = "gateway"
"""Name of the gateway's application, and of its deployment in lower case."""
TEXT_GRACE = 120
"""Seconds that a TextModel's replica has to end its answers when it is replaced or not needed any more."""
KEEP_ALIVE = 75
"""Seconds that Serve's proxies keep an idle connection."""
TRACED = {"RAY_SERVE_TRACING_EXPORTER_IMPORT_PATH": "tts_app.serving.tracing:span_processors"}
"""Variable of Ray's processes that turns on Serve's own traces: its TracingConfig takes it from there."""


def serve_config(
    models: Iterable[VoiceModel | TextModel],
    *,
    host: str = "0.0.0.0",  # noqa: S104 - in a pod; the embedded playground passes its own
    port: int = 8000,
    log_level: str = "INFO",
    placement: Mapping[str, str] | None = None,
    direct: bool = False,
) -> dict[str, Any]:
    """Return the Serve config that serves `models`.

    Serve's proxies on every node listen at `host` and `port`; where the way is `direct`, the gateway does so
    itself, and there are no proxies.

    `placement` names, for each application, the custom Ray resource that its replicas need one of: on a
    cluster, where each group of nodes has its own. Without it they run wherever there is room.

    Raises:
        ValueError: two models have one name, or one is called as the gateway is.
    """
    ordered = sorted(models, key=lambda model: model.name)
    names = [model.name for model in ordered]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"Models must have names of their own; given twice: {', '.join(twice)}")
    if GATEWAY in names:
        raise ValueError(f"A model must not be called {GATEWAY!r}: that is the API's own application")
    place = placement or {}
    return {
        "proxy_location": "Disabled" if direct else "EveryNode",
        "http_options": {"host": host, "port": port, "keep_alive_timeout_s": KEEP_ALIVE},
        "logging_config": {"encoding": "JSON", "log_level": log_level, "enable_access_log": False},
        "applications": [
            _gateway(ordered, place.get(GATEWAY), {"host": host, "port": port} if direct else {}),
            *(_application(model, place.get(model.name)) for model in ordered),
        ],
    }


def _application(model: VoiceModel | TextModel, place: str | None) -> dict[str, Any]:
    if isinstance(model, TextModel):
        return _text_application(model, place)
    return _voice_application(model, place)


def _gateway(
    models: list[VoiceModel | TextModel], place: str | None, address: dict[str, Any]
) -> dict[str, Any]:
    return {
        "name": GATEWAY,
        "route_prefix": "/",
        "import_path": "tts_app.api.gateway:build",
        "args": address,
        "deployments": [
            {
                "name": GATEWAY_DEPLOYMENT,
                "num_replicas": 1,
                # Admission is the gateway's own: Serve must hand it every request, to be refused in our form.
                "max_ongoing_requests": 10_000,
                "graceful_shutdown_timeout_s": 10,
                "graceful_shutdown_wait_loop_s": 0.5,
                "health_check_period_s": 10,
                "ray_actor_options": {"num_cpus": 0} | _resources(place),
                "user_config": {"models": [model.written() for model in models]},
            }
        ],
    }


def _voice_application(model: VoiceModel, place: str | None) -> dict[str, Any]:
    spec = model.spec
    return {
        "name": model.name,
        "route_prefix": None,
        "import_path": "tts_app.serving.voice:build",
        "args": {
            "model": model.name,
            "engine": spec.engine,
            "source": spec.source.model_dump(mode="json", by_alias=True, exclude_none=True),
            "quantization": spec.quantization,
            "parameters": dict(sorted(spec.loaded_parameters.items())),
        },
        "deployments": [
            {
                "name": VOICE_DEPLOYMENT,
                **_scale(model),
                "graceful_shutdown_timeout_s": 10,
                "graceful_shutdown_wait_loop_s": 0.5,
                "health_check_period_s": 10,
                "ray_actor_options": _actor_options(model) | _resources(place),
                "user_config": {"speakers": sorted(_speakers(model)), **_references(model)},
            }
        ],
    }


def _text_application(model: TextModel, place: str | None) -> dict[str, Any]:
    spec, layout = model.spec, model.spec.layout
    parameters = dict(spec.parameters)
    if place is not None and (threads := ENGINES[spec.engine].threads_parameter):
        # A pod may run on all of its node's cores: with a thread for each it would be in the way of others.
        parameters.setdefault(threads, max(1, math.ceil(spec.resources.cpus)))
    options: dict[str, Any] = {"ray_actor_options": _actor_options(model) | _resources(place)}
    if layout is not None:
        parameters.pop("nodes", None)
        parameters["tensor_parallel_size"] = layout.tensor_parallel
        parameters["pipeline_parallel_size"] = layout.pipeline_parallel
        options = _spread(model, layout, place)
    return {
        "name": model.name,
        "route_prefix": None,
        "import_path": "tts_app.serving.text:build",
        "args": {
            "model": model.name,
            "engine": spec.engine,
            "source": spec.source.model_dump(mode="json", by_alias=True, exclude_none=True),
            "quantization": spec.quantization,
            "context_length": spec.context_length,
            "slots": max(1, math.ceil(spec.replicas.target_ongoing_requests)),
            "parameters": dict(sorted(parameters.items())),
        },
        "deployments": [
            {
                "name": TEXT_DEPLOYMENT,
                **_scale(model),
                "graceful_shutdown_timeout_s": TEXT_GRACE,
                "graceful_shutdown_wait_loop_s": 0.5,
                "health_check_period_s": 10,
                **options,
            }
        ],
    }


def _spread(model: TextModel, layout: Layout, place: str | None) -> dict[str, Any]:
    """Return the options of replicas whose engine has processes of its own, each on its GPU.

    A replica then holds a placement group, itself in the first bundle. The pod of a bundle has one of the
    place, and each bundle takes its part of that: no two replicas are in a pod.
    """
    resources = model.spec.resources
    pods = layout.nodes
    part = {} if place is None else {place: math.floor(1e4 * pods / layout.workers) / 1e4}
    own = {"CPU": resources.cpus / pods, "memory": resources.memory_bytes // pods}
    worker = {"GPU": layout.gpus_per_worker, **part}
    return {
        "ray_actor_options": {
            "num_cpus": own["CPU"],
            "memory": own["memory"],
            **({"resources": part} if part else {}),
        },
        "placement_group_bundles": [{**own, **worker}, *[worker] * (layout.workers - 1)],
        "placement_group_strategy": "STRICT_PACK" if pods == 1 else "PACK",
    }


def _scale(model: VoiceModel | TextModel) -> dict[str, Any]:
    replicas = model.spec.replicas
    # A request has a few segments with the engine at a time; more than that waits in the replica, where a
    # cancelled one never starts, rather than in Serve's router.
    ongoing = max(8, math.ceil(replicas.target_ongoing_requests * 4))
    if replicas.min == replicas.max:
        return {"num_replicas": replicas.max, "max_ongoing_requests": ongoing}
    return {
        "max_ongoing_requests": ongoing,
        "autoscaling_config": {
            "min_replicas": replicas.min,
            "max_replicas": replicas.max,
            "target_ongoing_requests": replicas.target_ongoing_requests,
        },
    }


def _actor_options(model: VoiceModel | TextModel) -> dict[str, Any]:
    resources = model.spec.resources
    options: dict[str, Any] = {"num_cpus": resources.cpus, "memory": resources.memory_bytes}
    if resources.gpus:
        options["num_gpus"] = resources.gpus
    return options


def _resources(place: str | None) -> dict[str, Any]:
    return {} if place is None else {"resources": {place: 1}}


def _references(model: VoiceModel) -> dict[str, Any]:
    """Return the clips that voices imitate; nothing where there are none."""
    found = [voice.reference for voice in model.spec.voices if voice.reference is not None]
    written = [reference.model_dump(mode="json", by_alias=True) for reference in found]
    return {"references": written} if written else {}


def _speakers(model: VoiceModel) -> set[str]:
    return {voice.speaker for voice in model.spec.voices if voice.speaker is not None}
