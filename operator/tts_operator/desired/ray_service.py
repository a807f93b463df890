"""The RayService of a service: one Ray cluster, and the Serve config of all its models."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from tts_app.resources import Model, Playground, TextModel
from tts_app.serving.config import GATEWAY, TEXT_GRACE, serve_config
from tts_operator.desired.groups import claims_of, downloads, group_of, in_order, nodes_of
from tts_operator.desired.pods import (
    AUDIO_PATH,
    CACHE_PATH,
    CLAIMS_PATH,
    GRACE,
    OBJECT_STORE,
    OFFLINE,
    STATE_PATH,
    Mount,
    head_resources,
    pod_template,
    secret_variable,
    worker_resources,
)
from tts_operator.objects import RAY_SERVICE, Manifest, differences, manifest

HEAD = "head"
"""Custom Ray resource that only the head pod has: the gateway runs there, beside its volumes."""
HEAD_SLOTS = 100
"""Gateways that find room there: while one is replaced there are two."""
SERVE_PORT = 8000
DASHBOARD_PORT = 8265
METRICS_PORT = 8080
_STOP_WAIT = {"name": "RAY_JOB_STOP_WAIT_TIME_S", "value": "60"}
"""A driver that is told to stop ends after the items in hand; Ray would kill it after three seconds."""
_HEAD_PORTS = {
    "gcs-server": 6379,
    "dashboard": DASHBOARD_PORT,
    "client": 10001,
    "serve": SERVE_PORT,
    "metrics": METRICS_PORT,
}
_WORKER_PORTS = {"serve": SERVE_PORT, "metrics": METRICS_PORT}


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the operator's settings say where a Playground says nothing."""

    gateway_image: str
    engine_images: Mapping[str, str]
    """By engine; one that is missing must be named in the Playground."""
    ray_version: str


def engine_images(playground: Playground, defaults: Defaults) -> dict[str, str]:
    """Return the images that there are, by engine."""
    return {**defaults.engine_images, **playground.spec.images.engines}


def ray_service(
    playground: Playground,
    models: Sequence[Model],
    defaults: Defaults,
    audio_claim: str,
    cache_claim: str,
    live: Manifest | None = None,
) -> dict[str, Any]:
    """Return the RayService that serves `models`.

    An empty claim is a volume that lives as long as its pod. `live` is the RayService that there is now: its
    worker groups keep their places.
    """
    volumes = [
        *volumes_of(""),
        Mount("audio", audio_claim, AUDIO_PATH),
        # A batch names the claim, as every `pvc://` address does.
        Mount("audio", audio_claim, f"{CLAIMS_PATH}/{audio_claim}"),
    ]
    environment = [OFFLINE, *_gateway_secrets(playground)]
    head = head_group(playground, defaults, volumes, environment)
    images = engine_images(playground, defaults)
    wanted = {
        group_of(model): _probed(worker_group(playground, model, images[model.spec.engine], cache_claim))
        for model in sorted(models, key=lambda model: model.name)
    }
    cluster = ray_cluster(playground, defaults, head, in_order(wanted, worker_groups(live)))
    placement = {GATEWAY: HEAD} | {model.name: group_of(model) for model in models}
    config = serve_config(models, placement=placement)
    spec = {
        "serveConfigV2": yaml.dump(
            config, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=1 << 20
        ),
        "rayClusterConfig": cluster,
    }
    return manifest(RAY_SERVICE, playground.name, playground.name, {"spec": spec})


def _probed(group: dict[str, Any]) -> dict[str, Any]:
    """Return the worker group, whose pods now are ready as long as Serve's proxy in them answers.

    KubeRay's own probe starts a shell and two wgets every five seconds, and takes a pod that is too busy for
    them in two out of the service at once.
    """
    (container,) = group["template"]["spec"]["containers"]
    container["readinessProbe"] = {
        "httpGet": {"path": "/-/healthz", "port": SERVE_PORT},
        "initialDelaySeconds": 10,
        "periodSeconds": 5,
        "timeoutSeconds": 5,
        "failureThreshold": 3,
    }
    return group


def gateway_image(playground: Playground, defaults: Defaults) -> str:
    """Return the image of the head, which is the driver's and the submitter's too."""
    return playground.spec.images.gateway or defaults.gateway_image


def ray_cluster(
    playground: Playground, defaults: Defaults, head: Manifest, groups: Sequence[Manifest]
) -> dict[str, Any]:
    """Return the spec of a Ray cluster with that head and these worker groups."""
    cluster: dict[str, Any] = {
        "rayVersion": playground.spec.ray.version or defaults.ray_version,
        "headGroupSpec": dict(head),
        "workerGroupSpecs": list(groups),
    }
    if playground.spec.ray.auth == "token":
        cluster["authOptions"] = {"mode": "token"}
    return cluster


def head_group(
    playground: Playground,
    defaults: Defaults,
    volumes: Sequence[Mount],
    environment: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the head of a cluster, where the gateway runs, and the drivers of batches."""
    return {
        "serviceType": "ClusterIP",
        "rayStartParams": {
            "num-cpus": "0",
            "num-gpus": "0",
            "dashboard-host": "0.0.0.0",  # noqa: S104 - behind the token and the NetworkPolicy
            "object-store-memory": str(OBJECT_STORE),
            "resources": _custom(HEAD, HEAD_SLOTS),
        },
        "template": pod_template(
            playground,
            "ray-head",
            gateway_image(playground, defaults),
            head_resources(playground.spec.ray.head.resources, playground.spec.gateway.resources),
            volumes,
            _HEAD_PORTS,
            [_STOP_WAIT, *environment],
        ),
    }


def worker_groups(live: Manifest | None) -> Sequence[Manifest]:
    """Return the worker groups of a RayService, or of none."""
    groups: Sequence[Manifest] = live["spec"]["rayClusterConfig"].get("workerGroupSpecs", ()) if live else ()
    return groups


def replacements(desired: Manifest, live: Manifest) -> list[str]:
    """Return the paths whose change from `live` to `desired` makes KubeRay start a new cluster.

    It takes appended worker groups and the Serve config in place, and overlooks numbers of replicas.
    """
    before, after = live["spec"]["rayClusterConfig"], desired["spec"]["rayClusterConfig"]
    groups_before, groups_after = before.get("workerGroupSpecs", []), after["workerGroupSpecs"]
    paths = [
        path
        for name in sorted((before.keys() | after.keys()) - {"workerGroupSpecs"})
        if name in after or name in _OURS
        for path in differences(after.get(name), before.get(name), name)
    ]
    for old, new in zip(groups_before, groups_after, strict=False):
        paths += [
            path
            for name in sorted(new.keys() - _OVERLOOKED)
            for path in differences(new[name], old.get(name), f"workerGroupSpecs[{new['groupName']}].{name}")
        ]
    return paths


_OURS = {"authOptions"}
"""Fields of a cluster that the builder leaves out at times."""
_OVERLOOKED = {"replicas", "minReplicas", "maxReplicas"}


def volumes_of(cache_claim: str) -> list[Mount]:
    """Return the volumes of every pod; an empty claim is one that lives as long as its pod."""
    return [Mount("cache", cache_claim, CACHE_PATH), Mount("state", "", STATE_PATH)]


def _gateway_secrets(playground: Playground) -> list[dict[str, Any]]:
    database, key = playground.spec.storage.database, playground.spec.security.api_key
    variables = []
    if database is not None:
        reference = database.secret_ref
        variables.append(secret_variable("TTSP_DATABASE_URL", reference.name, reference.key))
    if key is not None:
        variables.append(secret_variable("TTSP_API_KEY", key.name, key.key))
    return variables


def worker_group(
    playground: Playground,
    model: Model,
    image: str,
    cache_claim: str,
    written: Sequence[Mount] = (),
) -> dict[str, Any]:
    """Return the worker group of a model. `written` are claims that its pods write to, or read posts from."""
    replicas, nodes = model.spec.replicas.max, nodes_of(model)
    mounted = {mount.path for mount in written}
    # Only where files are downloaded: a model that is added must not change the pods of the others.
    volumes = volumes_of(cache_claim if downloads(model) else "")
    volumes += [
        Mount(f"claim-{number}", claim, f"{CLAIMS_PATH}/{claim}", read_only=True)
        for number, claim in enumerate(claims_of(model))
        if f"{CLAIMS_PATH}/{claim}" not in mounted
    ]
    volumes += written
    return {
        "groupName": group_of(model),
        "replicas": replicas,
        "minReplicas": replicas,
        "maxReplicas": replicas,
        "numOfHosts": nodes,
        "rayStartParams": {
            "object-store-memory": str(OBJECT_STORE),
            "resources": _custom(group_of(model), 1),
        },
        "template": pod_template(
            playground,
            "ray-worker",
            image,
            worker_resources(model.spec.resources, nodes),
            volumes,
            _WORKER_PORTS,
            [OFFLINE],
            GRACE + (TEXT_GRACE if isinstance(model, TextModel) else 0),
        ),
    }


def _custom(name: str, amount: int) -> str:
    """Return a pod's custom Ray resource, quoted as KubeRay hands it to the shell that runs `ray start`."""
    return json.dumps(json.dumps({name: amount}))
