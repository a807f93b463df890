"""The status of models and of their Playground: the one place where conditions are decided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tts_app.resources import Model, VoiceModel
from tts_app.serving.config import GATEWAY
from tts_operator.desired.groups import group_of
from tts_operator.desired.loading import RETRY_SECONDS, load_name
from tts_operator.desired.ray_service import SERVE_PORT
from tts_operator.desired.selection import Verdict
from tts_operator.objects import Manifest, Ref
from tts_operator.observed.conditions import Condition
from tts_operator.observed.loads import Load
from tts_operator.observed.pods import HEAD_GROUP, Problem, problems, ready_pods
from tts_operator.observed.ray import Application, Service


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read of a service."""

    namespace: str
    name: str
    ray: Service
    pods: Sequence[Manifest] = ()
    logs: Mapping[str, str] = field(default_factory=dict)
    """The last lines of crashed pods, and what is said of volumes that are not ready, by the pod's name."""
    failure: Condition | None = None
    """Why the children could not be brought to what they should be: a `Degraded` condition."""
    replaced: Sequence[str] = ()
    """Paths of the cluster's spec whose change is about to start a new cluster."""
    loads: Mapping[str, Load] = field(default_factory=dict)
    """How far the files of each model are that waits for them, by the model's name."""
    stood: frozenset[str] = frozenset()
    """Applications that were Ready already, for their resources as they are now."""

    @property
    def url(self) -> str:
        """Where the API answers within the cluster."""
        return f"http://{self.name}-serve-svc.{self.namespace}.svc:{SERVE_PORT}"


def model_status(verdict: Verdict, facts: Facts) -> tuple[dict[str, Any], list[Condition]]:
    """Return the status of one model, without its conditions, and these."""
    model = verdict.model
    if model is None:
        return {"readyReplicas": 0}, _refused(verdict.reason, verdict.message)
    application = facts.ray.application(model.name)
    load = facts.loads.get(model.name)
    ready = _serves(model, facts)
    replicas = model.spec.replicas
    status = {
        **_offer(model),
        "readyReplicas": ready_pods(facts.pods, facts.ray.cluster, group_of(model)),
        "replicas": replicas.max,
        "rayService": facts.name,
        "url": facts.url,
    }
    if facts.ray.cluster:
        status["rayCluster"] = facts.ray.cluster
    if load is not None:
        total = {} if load.total is None else {"totalBytes": load.total}
        status["download"] = {"percent": load.percent, "bytes": load.fetched, **total}
        return status, _loading(model, load, application, facts)
    if verdict.is_outdated:
        until = " (until it is right the model is served as it was before)" if application.healthy else ""
        return status, _refused(verdict.reason, f"{verdict.message}{until}")
    found = problems(facts.pods, facts.logs, frozenset({HEAD_GROUP, group_of(model)}))
    stage = _stage(application, facts, model)
    return status, [
        _ready(ready, application, facts, found, stage),
        _progressing(ready, facts, stage),
        _degraded(verdict, application, facts, found),
    ]


def _refused(reason: str, message: str) -> list[Condition]:
    """Return the conditions of a model that cannot be served as its resource is now."""
    return [
        Condition("Ready", False, reason, message),
        Condition("Progressing", False, reason, "Nothing is done until the resource is changed."),
        Condition("Degraded", True, reason, message),
    ]


def _offer(model: Model) -> dict[str, Any]:
    """Return what a status says of what the model can do."""
    if not isinstance(model, VoiceModel):
        return {}
    voices = model.spec.voices
    return {"locales": sorted({voice.locale for voice in voices}), "avatars": len(voices)}


def service_status(verdicts: Mapping[Ref, Verdict], facts: Facts) -> tuple[dict[str, Any], list[Condition]]:
    """Return the status of the Playground, without its conditions, and these."""
    served = [verdict.model for verdict in verdicts.values() if verdict.model is not None]
    ready = [
        verdict
        for verdict in verdicts.values()
        if verdict.model is not None and not verdict.is_outdated and _serves(verdict.model, facts)
    ]
    total, up = len(verdicts), len(ready)
    status: dict[str, Any] = {"models": {"total": total, "ready": up, "summary": f"{up}/{total}"}}
    if facts.ray.exists:
        status |= {"rayService": facts.name, "url": facts.url}
    if facts.ray.cluster:
        status["rayCluster"] = facts.ray.cluster
    gateway = facts.ray.application(GATEWAY)
    found = problems(facts.pods, facts.logs, _groups(served))
    if not facts.ray.exists and not served:
        idle = "The service has no VoiceModel and no TextModel: nothing runs."
        return status, [
            Condition("Ready", False, "NoModels", idle),
            Condition("Progressing", False, "NoModels", idle),
            Condition("Degraded", False, "NoModels", idle),
        ]
    serving = _is_taken_up(GATEWAY, facts) and facts.ray.is_healthy(GATEWAY, facts.stood) and _has_head(facts)
    stage = _stage(gateway, facts)
    return status, [
        _ready(serving, gateway, facts, found, stage),
        _progressing(serving, facts, stage),
        _degraded(None, gateway, facts, found),
    ]


def _serves(model: Model, facts: Facts) -> bool:
    """Tell whether requests for the model are answered.

    KubeRay goes on reporting what Serve said last while the head is gone, and Serve calls a deployment
    healthy that is about to get a new replica: so the pods count too.
    """
    return (
        _is_taken_up(model.name, facts)
        and facts.ray.is_healthy(model.name, facts.stood)
        and model.name not in facts.loads
        and _has_head(facts)
        and _has_pods(model, facts)
    )


def _is_taken_up(name: str, facts: Facts) -> bool:
    """Tell whether KubeRay runs an application as its resource says now.

    Of a service it only tells whether it has taken up all changes: one beside an application that was Ready
    takes nothing from it.
    """
    return facts.ray.exists and (facts.ray.current or name in facts.stood)


def _has_head(facts: Facts) -> bool:
    return ready_pods(facts.pods, facts.ray.cluster, HEAD_GROUP) > 0


def _has_pods(model: Model, facts: Facts) -> bool:
    return ready_pods(facts.pods, facts.ray.cluster, group_of(model)) >= model.spec.replicas.min


def _loading(model: Model, load: Load, application: Application, facts: Facts) -> list[Condition]:
    """Return the conditions of a model whose files are being fetched."""
    size = f"{load.percent}% of {load.total / 1e6:.0f} MB" if load.total else f"{load.fetched / 1e6:.0f} MB"
    stage = f"{size} of {model.spec.source.uri} fetched."
    if application.healthy:
        stage += " Until all is there the model is served as it was before."
    found = problems(facts.pods, facts.logs, frozenset({load_name(model)}))
    cause = facts.failure
    if cause is None and found:
        cause = Condition("Degraded", True, found[0].reason, found[0].message)
    if cause is None and load.failure:
        again = f"in {RETRY_SECONDS // 60} minutes" if load.given_up else "soon"
        said = f"{model.spec.source.uri} could not be fetched, and is tried again {again}: {load.failure}"
        cause = Condition("Degraded", True, "DownloadFailed", said)
    if cause is None:
        degraded = Condition("Degraded", False, "AsExpected", "Nothing is wrong.")
        return [
            Condition("Ready", False, "Downloading", stage),
            Condition("Progressing", True, "Downloading", stage),
            degraded,
        ]
    return [
        Condition("Ready", False, cause.reason, cause.message),
        Condition("Progressing", not load.given_up, "Downloading", stage),
        Condition("Degraded", True, cause.reason, cause.message),
    ]


def _groups(models: Sequence[Model]) -> frozenset[str]:
    return frozenset({HEAD_GROUP, *(group_of(model) for model in models)})


def _ready(
    ready: bool, application: Application, facts: Facts, found: Sequence[Problem], stage: tuple[str, str]
) -> Condition:
    if ready:
        return Condition("Ready", True, "Serving", "The application runs, with all its replicas healthy.")
    cause = _cause(application, facts, found)
    if cause is not None:
        return Condition("Ready", False, cause.reason, cause.message)
    return Condition("Ready", False, *stage)


def _progressing(ready: bool, facts: Facts, stage: tuple[str, str]) -> Condition:
    if facts.ray.active_cluster and (facts.replaced or facts.ray.replacing):
        paths = f" The change: {', '.join(facts.replaced)}." if facts.replaced else ""
        return Condition(
            "Progressing",
            True,
            "ClusterReplacement",
            f"A new Ray cluster takes over from {facts.ray.active_cluster} when it is ready; until then both "
            f"hold their resources.{paths}",
        )
    if ready:
        return Condition("Progressing", False, "Settled", "There is nothing left to do.")
    return Condition("Progressing", True, *stage)


def _degraded(
    verdict: Verdict | None, application: Application, facts: Facts, found: Sequence[Problem]
) -> Condition:
    cause = _cause(application, facts, found)
    if cause is not None:
        return Condition("Degraded", True, cause.reason, cause.message)
    if verdict is not None and verdict.taken:
        return Condition("Degraded", True, "AvatarsTaken", verdict.message)
    return Condition("Degraded", False, "AsExpected", "Nothing is wrong.")


def _cause(application: Application, facts: Facts, found: Sequence[Problem]) -> Condition | None:
    """Return what is wrong, the nearest to the cause; None when nothing is known to be."""
    if facts.failure is not None:
        return facts.failure
    if found:
        return Condition("Degraded", True, found[0].reason, found[0].message)
    if application.status in ("DEPLOY_FAILED", "UNHEALTHY"):
        reason = "ApplicationFailed" if application.status == "DEPLOY_FAILED" else "ApplicationUnhealthy"
        return Condition("Degraded", True, reason, application.message or f"Serve says {application.status}.")
    return None


def _stage(application: Application, facts: Facts, model: Model | None = None) -> tuple[str, str]:
    """Return the reason and the message of what is under way for a model's application, or the gateway."""
    if not facts.ray.exists:
        return "Creating", "The RayService is being made."
    if not facts.ray.cluster:
        return "ClusterStarting", "KubeRay has not made the Ray cluster yet."
    if not application.status:
        starting = facts.ray.pending_cluster or facts.ray.cluster
        return "ClusterStarting", f"Ray cluster {starting} starts; Serve does not answer yet."
    if not facts.ray.current:
        return "Updating", "KubeRay has not taken up the latest change yet."
    lacking = _lacking_pods(application, facts, model)
    if lacking:
        return "PodsStarting", lacking
    said = f": {application.message}" if application.message else ""
    return "Deploying", f"Serve's application is {application.status}{said}."


def _lacking_pods(application: Application, facts: Facts, model: Model | None) -> str:
    """Return which pods are missing though Serve may say that all is well; empty where none is."""
    if not _has_head(facts):
        return f"The head pod of Ray cluster {facts.ray.cluster} is not ready."
    if model is not None and application.healthy and not _has_pods(model, facts):
        there = ready_pods(facts.pods, facts.ray.cluster, group_of(model))
        return f"{there} of {model.spec.replicas.min} pods of the model are ready."
    return ""
