"""The RayService of a service: one Ray cluster, and the Serve config of all its models."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from tts_app.profiles import Profile
from tts_app.resources import Model, Playground, TextModel
from tts_app.resources.playground import Monitoring
from tts_app.serve_config import GATEWAY, TEXT_GRACE, serve_config
from tts_operator.desired.groups import claims_of, downloads, group_of, in_order, nodes_of
from tts_operator.desired.monitoring import METRICS_PORT, METRICS_PORTS, annotations, monitoring_of
from tts_operator.desired.pods import (
    AUDIO_PATH,
    CACHE_PATH,
    CLAIMS_PATH,
    GRACE,
    OBJECT_STORE,
    OFFLINE,
    STATE_PATH,
    File,
    Mount,
    PodTemplate,
    SecretMount,
    head_resources,
    secret_variable,
    worker_resources,
)
from tts_operator.desired.security import lacking, profile_of, with_problems
from tts_operator.objects import RAY_SERVICE, Manifest, labels, manifest

HEAD = "head"
"""Custom Ray resource that only the head pod has: the gateway runs there, where its volumes are."""
HEAD_SLOTS = 100
"""Gateways that fit there: while one is replaced there are two."""
SERVE_PORT = 8000
DASHBOARD_PORT = 8265
_AUDIT_PATH = "/etc/tts-playground/audit"
_VOICES_PATH = "/etc/tts-playground/voices"
_QUOTAS_FILE = "/etc/tts-playground/quotas.json"
_KEYS_PATH = "/etc/tts-playground/keys"
_STOP_WAIT = {"name": "RAY_JOB_STOP_WAIT_TIME_S", "value": "60"}
"""A driver that should stop first ends its current items; by default Ray kills it after three seconds."""
_HEAD_PORTS = {
    "gcs-server": 6379,
    "dashboard": DASHBOARD_PORT,
    "client": 10001,
    "serve": SERVE_PORT,
    **METRICS_PORTS,
}
_WORKER_PORTS = {"serve": SERVE_PORT, "metrics": METRICS_PORT}


_PROBE = {
    "httpGet": {"path": "/-/healthz", "port": SERVE_PORT},
    "initialDelaySeconds": 10,
    "periodSeconds": 5,
    "timeoutSeconds": 5,
    "failureThreshold": 3,
}
"""A worker is ready as long as Serve's proxy in it answers.

KubeRay's own probe starts a shell and two wgets every five seconds, and at once takes a pod out of the
service that is too busy to finish them in two.
"""


@dataclass(frozen=True, slots=True)
class Defaults:
    """The operator's settings for what a Playground leaves open."""

    gateway_image: str
    engine_images: Mapping[str, str]
    """By their names in `images.engines`; the Playground must name an image that is missing here."""
    ray_version: str
    kuberay_namespace: str
    monitoring_namespace: str = ""
    """Empty: whoever may call a service may read its metrics too."""
    profile: Profile = "standard"
    """Of services whose Playground names none."""
    commercial: bool = False
    """Of services whose Playground does not say whether they are."""
    monitoring: Monitoring = field(default_factory=Monitoring)
    """Of services whose Playground does not say how Prometheus finds them."""

    def is_commercial(self, playground: Playground) -> bool:
        """Return whether a service is used commercially."""
        said = playground.spec.commercial
        return self.commercial if said is None else said


def engine_images(playground: Playground, defaults: Defaults) -> dict[str, str]:
    """Return the available images, by their names in `images.engines`."""
    return {**defaults.engine_images, **playground.spec.images.engines}


def ray_service(
    playground: Playground,
    models: Sequence[Model],
    defaults: Defaults,
    audio_claim: str,
    cache_claim: str,
    groups: Sequence[Manifest] = (),
) -> dict[str, Any]:
    """Return the RayService that serves `models`.

    An empty claim means a volume that lives as long as its pod. `groups` are the worker groups that the
    RayService has now: they keep their positions.
    """
    volumes = [
        *volumes_of(""),
        Mount("audio", audio_claim, AUDIO_PATH),
        # Batches name the claim, as every `pvc://` address does.
        Mount("audio", audio_claim, f"{CLAIMS_PATH}/{audio_claim}"),
    ]
    environment = [
        OFFLINE,
        *_gateway_secrets(playground),
        *_gateway_rules(playground),
        *_gateway_profile(playground, defaults.profile),
        *_tenants(playground),
        *_dashboard(playground),
    ]
    template = head_template(playground, defaults, volumes, environment, _gateway_files(playground))
    scraped = annotations(monitoring_of(playground, defaults.monitoring))
    head = head_group(replace(template, files=_exceptions(playground), annotations=scraped))
    images = engine_images(playground, defaults)
    wanted = {
        group_of(model): worker_group(
            model,
            replace(
                worker_template(playground, model, images[model.spec.image_key], cache_claim),
                readiness_probe=_PROBE,
                annotations=scraped,
            ),
        )
        for model in sorted(models, key=lambda model: model.name)
    }
    cluster = ray_cluster(playground, defaults, head, in_order(wanted, groups))
    placement = {GATEWAY: HEAD} | {model.name: group_of(model) for model in models}
    config = serve_config(models, placement=placement)
    spec = {
        "serveConfigV2": yaml.dump(
            config, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=1 << 20
        ),
        "rayClusterConfig": cluster,
    }
    made = manifest(RAY_SERVICE, playground.name, playground.name, {"spec": spec})
    return with_problems(made, lacking(playground, defaults.profile))


def gateway_image(playground: Playground, defaults: Defaults) -> str:
    """Return the image of the head, the driver and the submitter."""
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


def head_template(
    playground: Playground,
    defaults: Defaults,
    volumes: Sequence[Mount],
    environment: Sequence[Mapping[str, Any]],
    secrets: Sequence[SecretMount] = (),
) -> PodTemplate:
    """Return the pod of a cluster's head, where the gateway and the drivers of batches run."""
    return PodTemplate(
        playground,
        "ray-head",
        gateway_image(playground, defaults),
        head_resources(playground.spec.ray.head.resources, playground.spec.gateway.resources),
        labels(playground.name),
        mounts=volumes,
        secrets=secrets,
        ports=_HEAD_PORTS,
        environment=[_STOP_WAIT, *environment],
    )


def head_group(template: PodTemplate) -> dict[str, Any]:
    """Return the head of a cluster."""
    return {
        "serviceType": "ClusterIP",
        "rayStartParams": {
            "num-cpus": "0",
            "num-gpus": "0",
            "dashboard-host": "0.0.0.0",  # noqa: S104 - behind the token and the NetworkPolicy
            "object-store-memory": str(OBJECT_STORE),
            "resources": _custom(HEAD, HEAD_SLOTS),
        },
        "template": template.render(),
    }


def volumes_of(cache_claim: str) -> list[Mount]:
    """Return the volumes of every pod; an empty claim means a volume that lives as long as its pod.

    Pods that serve read the cache claim, which the models of a service share; loaders alone write to it.
    """
    cache = Mount("cache", cache_claim, CACHE_PATH, read_only=bool(cache_claim))
    return [cache, Mount("state", "", STATE_PATH)]


def _gateway_secrets(playground: Playground) -> list[dict[str, Any]]:
    database, key = playground.spec.storage.database, playground.spec.security.api_key
    variables = []
    if database is not None:
        reference = database.secret_ref
        variables.append(secret_variable("TTSP_DATABASE_URL", reference.name, reference.key))
    if key is not None:
        variables.append(secret_variable("TTSP_API_KEY", key.name, key.key))
    if playground.spec.security.keys_secret is not None:
        variables.append({"name": "TTSP_KEYS_FILE", "value": f"{_KEYS_PATH}/keys.json"})
        variables.append({"name": "TTSP_KEY_PEPPER_FILE", "value": f"{_KEYS_PATH}/pepper"})
    if playground.spec.security.audit is not None:
        variables.append({"name": "TTSP_AUDIT", "value": "true"})
        variables.append({"name": "TTSP_AUDIT_KEY_FILE", "value": f"{_AUDIT_PATH}/key"})
        # On the audio volume: who may change the database cannot change the heads of its chains.
        variables.append({"name": "TTSP_AUDIT_ANCHOR", "value": f"{AUDIO_PATH}/.audit"})
    if playground.spec.security.voices is not None:
        variables.append({"name": "TTSP_VOICE_KEY_FILE", "value": f"{_VOICES_PATH}/key"})
    return variables


def _dashboard(playground: Playground) -> list[dict[str, Any]]:
    """Return whether the gateway, which is where the dashboard is, shows it to administrators."""
    return [{"name": "TTSP_RAY_DASHBOARD", "value": "true"}] if playground.spec.ray.dashboard else []


def _tenants(playground: Playground) -> list[dict[str, Any]]:
    """Return how tenants share the gateway."""
    tenants = playground.spec.tenants
    values = {
        "TTSP_TENANT_WEIGHTS": ",".join(f"{name}={turns}" for name, turns in sorted(tenants.weights.items())),
        "TTSP_QUOTAS": tenants.quotas,
        "TTSP_QUOTAS_FILE": _QUOTAS_FILE if tenants.exceptions is not None else None,
    }
    variables: list[dict[str, Any]] = [
        {"name": name, "value": value} for name, value in values.items() if value
    ]
    if tenants.quota_store is not None:
        reference = tenants.quota_store.secret_ref
        variables.append(secret_variable("TTSP_QUOTA_STORE", reference.name, reference.key))
    return variables


def _exceptions(playground: Playground) -> list[File]:
    """Return where the exceptions from quotas are mounted."""
    name = playground.spec.tenants.exceptions
    return [] if name is None else [File("quotas", name, "quotas.json", _QUOTAS_FILE)]


def _gateway_files(playground: Playground) -> list[SecretMount]:
    """Return where Secrets are mounted as files, which change when the Secret does."""
    security = playground.spec.security
    mounts = []
    if security.keys_secret is not None:
        mounts.append(SecretMount("keys", security.keys_secret, _KEYS_PATH))
    if security.audit is not None:
        mounts.append(SecretMount("audit", security.audit.key_secret, _AUDIT_PATH))
    if security.voices is not None:
        mounts.append(SecretMount("voices", security.voices.key_secret, _VOICES_PATH))
    return mounts


def _gateway_profile(playground: Playground, default: Profile) -> list[dict[str, Any]]:
    """Return the gateway's profile; nothing where the service goes on without what it asks for."""
    profile = profile_of(playground, default)
    if profile == "development" or lacking(playground, default):
        return []
    return [{"name": "TTSP_PROFILE", "value": profile}]


def _gateway_rules(playground: Playground) -> list[dict[str, Any]]:
    security = playground.spec.security
    rules = {
        "TTSP_ALLOWED_HOSTS": security.allowed_hosts,
        "TTSP_CORS_ORIGINS": security.cors_origins,
        "TTSP_TRUSTED_PROXIES": security.trusted_proxies,
    }
    given = {name: ",".join(names) for name, names in rules.items() if names}
    if security.oidc is not None:
        given |= {
            f"TTSP_OIDC_{name.upper()}": ",".join(value) if isinstance(value, list) else value
            for name, value in security.oidc.model_dump(exclude_none=True).items()
        }
    if (seconds := playground.spec.storage.batch_text_ttl_seconds) is not None:
        given["TTSP_BATCH_TEXT_TTL"] = str(seconds)
    return [{"name": name, "value": value} for name, value in given.items()]


def worker_template(
    playground: Playground,
    model: Model,
    image: str,
    cache_claim: str,
    written: Sequence[Mount] = (),
) -> PodTemplate:
    """Return the pod template of a model. `written` are the claims that it writes to or reads posts from."""
    mounted = {mount.path for mount in written}
    # Only where files are downloaded: adding a model must not change the pods of the others.
    volumes = volumes_of(cache_claim if downloads(model) else "")
    volumes += [
        Mount(f"claim-{number}", claim, f"{CLAIMS_PATH}/{claim}", read_only=True)
        for number, claim in enumerate(claims_of(model))
        if f"{CLAIMS_PATH}/{claim}" not in mounted
    ]
    return PodTemplate(
        playground,
        "ray-worker",
        image,
        worker_resources(model.spec.resources, nodes_of(model)),
        labels(playground.name),
        mounts=[*volumes, *written],
        ports=_WORKER_PORTS,
        environment=[OFFLINE],
        grace=GRACE + (TEXT_GRACE if isinstance(model, TextModel) else 0),
    )


def worker_group(model: Model, template: PodTemplate) -> dict[str, Any]:
    """Return the worker group of a model."""
    replicas = model.spec.replicas.max
    return {
        "groupName": group_of(model),
        "replicas": replicas,
        "minReplicas": replicas,
        "maxReplicas": replicas,
        "numOfHosts": nodes_of(model),
        "rayStartParams": {
            "object-store-memory": str(OBJECT_STORE),
            "resources": _custom(group_of(model), 1),
        },
        "template": template.render(),
    }


def _custom(name: str, amount: int) -> str:
    """Return a pod's custom Ray resource, quoted for the shell in which KubeRay runs `ray start`."""
    return json.dumps(json.dumps({name: amount}))
