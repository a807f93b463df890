"""What a TTSJob consists of: a ConfigMap with its batch, a RayJob that submits it to Ray, a NetworkPolicy.

All are made once and never changed: another attempt is another RayJob. They belong to the TTSJob and are
deleted with it; the audio stays.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import yaml

from tts_app.profiles import Problem, Profile
from tts_app.resources import Model, Playground, TTSJob, VoiceModel
from tts_app.resources.engines import ENGINES
from tts_app.resources.tts_job import Ephemeral
from tts_operator.desired.claims import cache_claim_of
from tts_operator.desired.groups import downloads, group_of
from tts_operator.desired.monitoring import annotations, job_monitor, monitoring_of
from tts_operator.desired.network import SUBMITTER, job_policy
from tts_operator.desired.pods import CLAIMS_PATH, OFFLINE, File, Mount, PodTemplate
from tts_operator.desired.ray_service import (
    Defaults,
    engine_images,
    gateway_image,
    head_group,
    head_template,
    ray_cluster,
    volumes_of,
    worker_group,
    worker_template,
)
from tts_operator.desired.security import explained, lacking
from tts_operator.desired.tracing import collector_port
from tts_operator.objects import (
    COMPONENT_LABEL,
    CONFIG_MAP,
    FIELD_MANAGER,
    GROUP,
    JOB_LABEL,
    MANAGED_LABEL,
    NETWORK_POLICY,
    POD_MONITOR,
    RAY_JOB,
    TTS_JOB,
    Kind,
    Manifest,
)
from tts_operator.reasons import Reason

ATTEMPT_ANNOTATION = f"{GROUP}/attempt"
"""On a RayJob: the number of the attempt, from 1."""
BATCH_PATH = "/batch"
"""Folder of the submitter that becomes the driver's working directory."""
BATCH_FILE = "batch.yaml"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
_PASSED_ON = (QUEUE_LABEL, "kueue.x-k8s.io/priority-class")
"""Labels that a RayJob with its own cluster copies from its TTSJob."""
_OF_RAY = (Problem.RAY_OPEN, Problem.RAY_IN_CLEAR)
"""What a Playground can lack that its jobs' own clusters have too."""
LARGEST = 1 << 20
"""Most bytes that a ConfigMap can hold."""
_RESOURCES = {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}}


@dataclass(frozen=True, slots=True)
class JobInputs:
    """All inputs of a RayJob."""

    job: TTSJob
    uid: str
    """The TTSJob's."""
    playground: Playground
    """The service's, or the one that is the template of the job's own cluster."""
    models: Sequence[VoiceModel]
    cluster: str
    """The service's RayCluster that runs the job; empty if the job has its own cluster."""
    attempt: int
    resumes: bool = False
    """Whether an earlier driver of the job has read its output."""


def too_open(job: TTSJob, playground: Playground, profile: Profile) -> tuple[Reason, str] | None:
    """Return the reason why a job may not run with this security profile, and the remedy; None if it may."""
    if profile == "regulated" and not job.spec.posts.uri:
        text = (
            "For the profile regulated, texts must not be in Kubernetes' objects, from where they get into "
            "etcd, its backups and Git: give the posts by `posts.uri`."
        )
        return "PostsInResource", text
    found = [problem for problem in lacking(playground, profile) if problem in _OF_RAY]
    return ("Insecure", explained(found, profile)) if found and job.spec.ephemeral is not None else None


def unusable(job: TTSJob, audio_claim: str) -> tuple[Reason, str] | None:
    """Return the reason why a cluster cannot read the job's posts or write its output, and the remedy.

    A service's head has only its audio claim, no credentials and no access to the outside.
    """
    uris = _uris(job)
    local = [uri for uri in uris if uri.startswith("file://")]
    if local:
        text = f"{local[0]} is a file of one machine, not of a cluster: use pvc://, s3:// or gs://."
        return "LocalFiles", text
    if job.spec.ephemeral is not None:
        return None
    do = f"use pvc://{audio_claim}/..., or a cluster of the job's own (`ephemeral`)"
    for uri in uris:
        if not uri.startswith("pvc://"):
            text = f"The service has neither credentials for {uri} nor a way out of the cluster: {do}."
            return "InvalidStorage", text
        if _claim(uri) != audio_claim:
            text = f"Claim {_claim(uri)} is not the service's audio claim, the only one that it has: {do}."
            return "InvalidClaim", text
    return None


def needed(job: TTSJob, models: Iterable[Model]) -> list[VoiceModel]:
    """Return the models that speak an avatar of the job, and if it names cloned voices, all that clone.

    Which of these speaks a cloned voice is known to the service alone.
    """
    asked = job.spec.avatars
    locales, genders = set(asked.locales), set(asked.genders)
    only_cloned = bool(asked.voices) and not (locales or genders)

    def speaks(model: VoiceModel) -> bool:
        return not only_cloned and any(
            (not locales or voice.locale in locales) and (not genders or voice.gender in genders)
            for voice in model.spec.voices
        )

    def clones(model: VoiceModel) -> bool:
        return bool(asked.voices) and ENGINES[model.spec.engine].clones

    return [model for model in models if isinstance(model, VoiceModel) and (speaks(model) or clones(model))]


def too_large(children: Sequence[Manifest]) -> str | None:
    """Return why no API server accepts a job's children; None if it does."""
    size = sum(len(text.encode()) for child in children for text in child.get("data", {}).values())
    if size <= LARGEST:
        return None
    return (
        f"The job and its models are {size:,} bytes of YAML, and a ConfigMap has room for {LARGEST:,}: "
        "give the posts by `posts.uri` or `posts.configMapRef`."
    )


def job_children(inputs: JobInputs, defaults: Defaults) -> list[dict[str, Any]]:
    """Return the job's children in the order in which they are made; the last one is the RayJob."""
    batch = _batch(inputs)
    children = [batch]
    if inputs.playground.spec.network_policy.enabled:
        service = inputs.job.spec.service_name
        policy = job_policy(inputs.job.name, service, _outside_ports(inputs), defaults)
        children.append(_by_content(NETWORK_POLICY, inputs, "pods", policy))
    monitoring = monitoring_of(inputs.playground, defaults.monitoring)
    if inputs.job.spec.ephemeral is not None and monitoring.kind in ("PodMonitor", "ServiceMonitor"):
        # A ServiceMonitor would need a Service too, and finds no more.
        monitor = _by_content(POD_MONITOR, inputs, "pods", job_monitor(inputs.job.name, monitoring))
        monitor["metadata"]["labels"] = {**monitoring.labels, **monitor["metadata"]["labels"]}
        children.append(monitor)
    children.append(_ray_job(inputs, defaults, batch["metadata"]["name"]))
    return children


def _outside_ports(inputs: JobInputs) -> list[int]:
    """Return the ports outside that the job's pods must reach: object stores and its traces' collector."""
    ports = inputs.playground.spec.network_policy.outside_ports if _outside(inputs.job) else []
    collector = collector_port(inputs.playground) if inputs.job.spec.ephemeral is not None else None
    return [*ports, *([collector] if collector is not None and collector not in ports else [])]


def _batch(inputs: JobInputs) -> dict[str, Any]:
    documents = [inputs.job.written(), *(model.written() for model in inputs.models)]
    text = yaml.dump_all(
        documents, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=1 << 20
    )
    return _by_content(CONFIG_MAP, inputs, "batch", {"data": {BATCH_FILE: text}, "immutable": True})


def _ray_job(inputs: JobInputs, defaults: Defaults, batch: str) -> dict[str, Any]:
    ephemeral = inputs.job.spec.ephemeral
    spec: dict[str, Any] = {
        "entrypoint": " ".join(_entrypoint(inputs)),
        "runtimeEnvYAML": json.dumps({"working_dir": BATCH_PATH}),
        "submissionMode": "K8sJobMode",
        # No second submitter: another attempt does the same, and the status shows it.
        "submitterConfig": {"backoffLimit": 0},
        "submitterPodTemplate": _submitter(inputs, defaults, batch),
    }
    labels: Mapping[str, str] = {}
    if ephemeral is None:
        spec["clusterSelector"] = {"ray.io/cluster": inputs.cluster}
    else:
        spec["rayClusterSpec"] = _own_cluster(inputs, ephemeral, defaults)
        spec["shutdownAfterJobFinishes"] = True
        given = inputs.job.metadata.labels
        labels = {name: given[name] for name in _PASSED_ON if name in given}
    made = _child(RAY_JOB, inputs.job.name, inputs, {"spec": spec})
    made["metadata"]["labels"] = {**labels, **made["metadata"]["labels"]}
    made["metadata"]["annotations"] = {ATTEMPT_ANNOTATION: str(inputs.attempt)}
    return made


def _entrypoint(inputs: JobInputs) -> list[str]:
    """Return the driver's command. KubeRay passes it to a shell: it contains only DNS labels and a UID."""
    command = ["ttsp", "render", "-f", BATCH_FILE, "--json", "--uid", inputs.uid]
    if inputs.resumes:
        command.append("--goes-on")
    if inputs.job.spec.ephemeral is None:
        return [*command, "--speaker", "service"]
    groups = [part for model in inputs.models for part in ("--place", f"{model.name}={group_of(model)}")]
    return [*command, "--speaker", "engine", *groups]


def _submitter(inputs: JobInputs, defaults: Defaults, batch: str) -> dict[str, Any]:
    """Return the template of the pod that uploads the batch and follows the driver's log.

    KubeRay gives it the address, the job's id and the cluster's token. Files are mounted one by one: a
    mounted ConfigMap folder contains each file three times, and all would be uploaded.
    """
    files = [File("batch", batch, BATCH_FILE, f"{BATCH_PATH}/{BATCH_FILE}")]
    reference = inputs.job.spec.posts.config_map_ref
    if reference is not None:
        path = f"{BATCH_PATH}/config-maps/{reference.name}/{reference.key}"
        files.append(File("posts", reference.name, reference.key, path))
    return PodTemplate(
        inputs.playground,
        SUBMITTER,
        gateway_image(inputs.playground, defaults),
        _RESOURCES,
        {**_labels(inputs.job.name), COMPONENT_LABEL: SUBMITTER},
        files=files,
        run_once=True,
    ).render()


def _own_cluster(inputs: JobInputs, ephemeral: Ephemeral, defaults: Defaults) -> dict[str, Any]:
    playground = inputs.playground
    images = engine_images(playground, defaults)
    cache = cache_claim_of(playground)
    mounts = _mounts(inputs.job)
    own: dict[str, Any] = {
        "labels": _labels(inputs.job.name),
        "annotations": annotations(monitoring_of(playground, defaults.monitoring)),
        "secret": (playground.spec.storage.credentials_secret or "") if _outside(inputs.job) else "",
    }
    head = head_template(playground, defaults, [*volumes_of(""), *mounts], [OFFLINE])
    groups = []
    for model in inputs.models:
        image = images[model.spec.image_key]
        template = worker_template(playground, model, image, cache if downloads(model) else "", mounts)
        groups.append(worker_group(_copies(model, ephemeral.replicas), replace(template, **own)))
    return ray_cluster(playground, defaults, head_group(replace(head, **own)), groups)


def _copies(model: VoiceModel, number: int) -> VoiceModel:
    replicas = model.spec.replicas.model_copy(update={"min": number, "max": number})
    return model.model_copy(update={"spec": model.spec.model_copy(update={"replicas": replicas})})


def _mounts(job: TTSJob) -> list[Mount]:
    """Return mounts of the claims that the job names; a claim with only posts is mounted read-only."""
    output = _claim(job.spec.output.uri)
    claims = sorted({_claim(uri) for uri in _uris(job) if uri.startswith("pvc://")})
    return [
        Mount(f"job-{number}", claim, f"{CLAIMS_PATH}/{claim}", read_only=claim != output)
        for number, claim in enumerate(claims)
    ]


def _uris(job: TTSJob) -> list[str]:
    posts = job.spec.posts.uri
    return [job.spec.output.uri, *([posts] if posts else [])]


def _outside(job: TTSJob) -> bool:
    return any(uri.startswith(("s3://", "gs://")) for uri in _uris(job))


def _claim(uri: str) -> str:
    return uri.removeprefix("pvc://").partition("/")[0]


def _by_content(kind: Kind, inputs: JobInputs, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a child whose name has a hash of its content: an existing child of that name is up to date."""
    digest = sha256(json.dumps([inputs.uid, body], sort_keys=True).encode()).hexdigest()[:10]
    return _child(kind, f"{inputs.job.name}-{what}-{digest}", inputs, body)


def _child(kind: Kind, name: str, inputs: JobInputs, body: Mapping[str, Any]) -> dict[str, Any]:
    owner = {
        "apiVersion": TTS_JOB.api_version,
        "kind": TTS_JOB.name,
        "name": inputs.job.name,
        "uid": inputs.uid,
        "controller": True,
    }
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {"name": name, "labels": _labels(inputs.job.name), "ownerReferences": [owner]},
        **body,
    }


def _labels(job: str) -> dict[str, str]:
    """Return the labels of a job's children and pods: not a service's, which would treat them as its own."""
    return {
        "app.kubernetes.io/name": "tts-playground",
        "app.kubernetes.io/instance": job,
        MANAGED_LABEL: FIELD_MANAGER,
        JOB_LABEL: job,
    }


def is_owned(child: Manifest, uid: str) -> bool:
    """Return whether a child belongs to the TTSJob with this uid."""
    return any(owner["uid"] == uid for owner in child["metadata"].get("ownerReferences", ()))
