"""The operator with exactly the rights that the chart gives it: it needs all of them, and has no others."""

import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from audit import Audit, Right
from charts import CHART, RELEASE, Helm, Object, account, of_kind
from resources import API, application, playground, serving, text_model, voice_model
from running import ELECTION, Api, ForkedOperator, Operator, eventually

from cluster.control_plane import ControlPlane
from tts_operator.objects import (
    CLAIM,
    CONFIG_MAP,
    DISRUPTION_BUDGET,
    EVENT,
    HTTP_ROUTE,
    INGRESS,
    JOB,
    KINDS,
    NETWORK_POLICY,
    POD,
    POD_MONITOR,
    RAY_CLUSTER,
    RAY_JOB,
    RAY_SERVICE,
    SERVICE,
    SERVICE_ACCOUNT,
    SERVICE_MONITOR,
    TEXT_MODEL,
    TTS_JOB,
    VOICE_MODEL,
    Ref,
)

WRITES = frozenset({"create", "update", "patch", "delete"})
RBAC = "rbac.authorization.k8s.io"
OURS = "ttsplayground.dev"
EVERYTHING: dict[str, Any] = {
    "ingress": {"host": "speech.example"},
    "route": {"host": "speech.example", "gateway": {"name": "public"}},
    "monitoring": {"kind": "PodMonitor"},
}
OPTIONAL = (
    Ref(INGRESS, "playground"),
    Ref(HTTP_ROUTE, "playground"),
    Ref(POD_MONITOR, "playground"),
    Ref(NETWORK_POLICY, "playground"),
    Ref(DISRUPTION_BUDGET, "playground-kokoro"),
)

pytestmark = pytest.mark.usefixtures("others_kinds")


@dataclass(frozen=True)
class Installed:
    """A release, and an operator that has its rights."""

    namespace: str
    user: str
    operator: Operator


@pytest.fixture
def install(
    control_plane: ControlPlane, crds: None, tmp_path: Path
) -> Iterator[Callable[[list[str]], Installed]]:
    """Return what installs the chart for some namespaces, or for all, and starts its operator."""
    made: list[Installed] = []

    def installed(watched: list[str]) -> Installed:
        namespace = f"tts-system-{secrets.token_hex(3)}"
        values = {"watchNamespaces": watched, "crds": {"install": False}}
        control_plane.run(
            "helm", "install", RELEASE, str(CHART), "--create-namespace", f"--namespace={namespace}",
            "--values=-", input=json.dumps(values),
        )  # fmt: skip
        operator = ForkedOperator(
            control_plane.kubeconfig_for(RELEASE, namespace),
            tmp_path / "operator.log",
            namespaces=",".join(watched),
            namespace=namespace,
            identity="a-pod",
            **ELECTION,
        )
        made.append(Installed(namespace, account(namespace), operator))
        # The API server takes up new roles a moment after they are stored.
        asked = [Question(verb, resource, place) for place in watched or [""] for verb, resource in WORK]
        asked.append(Question("create", "leases.coordination.k8s.io", namespace))
        user = made[-1].user
        eventually(lambda: all(answers(control_plane, user, asked).values()), "the release's rights")
        operator.start()
        return made[-1]

    yield installed
    for release in made:
        release.operator.kill()
        control_plane.helm("uninstall", RELEASE, f"--namespace={release.namespace}")
        control_plane.kubectl("delete", "namespace", release.namespace, "--wait=false")


@pytest.fixture(params=["the whole cluster", "one namespace"])
def release(request: pytest.FixtureRequest, install: Callable[[list[str]], Installed], api: Api) -> Installed:
    """Return a release for the whole cluster, or for the test's namespace."""
    return install([] if request.param == "the whole cluster" else [api.namespace])


def granted(objects: Iterable[Object]) -> set[Right]:
    """Return all that the roles of an operator grant."""
    names = {found["roleRef"]["name"] for found in objects if found["kind"].endswith("RoleBinding")}
    return {
        Right(verb, group, resource)
        for role in objects
        if role["kind"] in ("Role", "ClusterRole") and role["metadata"]["name"] in names
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def live(api: Api, control_plane: ControlPlane) -> None:
    """Lead a service through all that an operator does in its life, to its end."""
    api.apply(playground(**EVERYTHING))
    api.apply(voice_model(replicas={"min": 2, "max": 2}))
    api.apply(text_model())
    source = {"uri": "hf://hexgrad/kokoro", "revision": "main"}
    api.apply(voice_model("fetched", ("male_en-US",), source=source, quantization="none"))
    for ref in (*OPTIONAL, Ref(CLAIM, "playground-audio"), Ref(CLAIM, "playground-cache")):
        api.await_object(ref)
    eventually(lambda: api.list(JOB), "a loader")
    api.await_condition("kokoro", "Progressing", "True", "ClusterStarting")
    head = eventually(lambda: next(iter(heads(api)), None), "the head's pod")
    crash(api, head["metadata"]["name"])
    api.await_condition("kokoro", "Degraded", "True", "CrashLoop")
    hold_up(api, head["metadata"]["name"])
    api.await_condition("kokoro", "Degraded", "False", "AsExpected")

    api.apply(playground(**{**EVERYTHING, "monitoring": {"kind": "ServiceMonitor"}}))
    for ref in (Ref(SERVICE_MONITOR, "playground"), Ref(SERVICE, "playground-metrics")):
        api.await_object(ref)
    api.await_absence(Ref(POD_MONITOR, "playground"))

    render(api)
    api.apply(voice_model(replicas={"min": 3, "max": 3}))
    eventually(lambda: 3 in sizes(api), "three replicas in the RayCluster")
    control_plane.stop_kuberay()
    try:
        hand_over(api)
    finally:
        control_plane.start_kuberay()

    api.apply(playground(networkPolicy={"enabled": False}, podDisruptionBudget=False))
    for ref in (*OPTIONAL, Ref(SERVICE_MONITOR, "playground"), Ref(SERVICE, "playground-metrics")):
        api.await_absence(ref)
    api.delete(VOICE_MODEL, "kokoro")
    api.delete(VOICE_MODEL, "fetched")
    api.delete(TEXT_MODEL, "smollm")
    for ref in (Ref(RAY_SERVICE, "playground"), Ref(SERVICE_ACCOUNT, "playground")):
        api.await_absence(ref)
    eventually(lambda: not api.list(JOB), "no loader")
    assert api.get(CLAIM, "playground-audio") is not None


def render(api: Api) -> None:
    """Lead a job with a cluster of its own from its beginning over a pause to its end and its removal."""
    job: Object = {
        "apiVersion": API,
        "kind": "TTSJob",
        "metadata": {"name": "welcome"},
        "spec": {
            "ephemeral": {},
            "posts": {"inline": [{"id": 1, "text": {"en": "Welcome"}}]},
            "avatars": {"locales": ["en-US"], "genders": ["female"]},
            "output": {"uri": "pvc://playground-audio/welcome"},
            "activeDeadlineSeconds": 1,
            "ttlSecondsAfterFinished": 1,
        },
    }
    api.apply(job)
    api.await_object(Ref(RAY_JOB, "welcome"))
    assert [c for c in api.list(CONFIG_MAP) if c["metadata"]["name"].startswith("welcome-batch-")]
    api.apply({**job, "spec": {**job["spec"], "suspend": True}})
    api.await_absence(Ref(RAY_JOB, "welcome"))
    # As if it had run for long before.
    api.apply({**job, "spec": {**job["spec"], "suspend": False}})
    api.await_object(Ref(RAY_JOB, "welcome"))
    api.merge_status(TTS_JOB, "welcome", {"startTime": "2026-01-01T00:00:00Z"})
    api.await_absence(Ref(TTS_JOB, "welcome"))


def hand_over(api: Api) -> None:
    """Have a job handed to the service's cluster, as if that served and KubeRay waited for its pods."""
    cluster = api.list(RAY_CLUSTER)[0]["metadata"]["name"]
    api.merge_status(RAY_CLUSTER, cluster, {"head": {"serviceName": f"{cluster}-head-svc"}})
    service = api.await_object(Ref(RAY_SERVICE, "playground"))
    status = serving(service["metadata"]["generation"], gateway=application(), kokoro=application())
    status["activeServiceStatus"]["rayClusterName"] = cluster
    api.merge_status(RAY_SERVICE, "playground", status)
    spec = {
        "posts": {"inline": [{"id": 1, "text": {"en": "Welcome"}}]},
        "avatars": {"locales": ["en-US"], "genders": ["female"]},
        "output": {"uri": "pvc://playground-audio/handed"},
    }
    api.apply({"apiVersion": API, "kind": "TTSJob", "metadata": {"name": "handed"}, "spec": spec})
    api.await_object(Ref(RAY_JOB, "handed"))
    api.merge_status(RAY_JOB, "handed", {"jobDeploymentStatus": "Initializing"})
    address = f"{cluster}-head-svc.{api.namespace}.svc:8265"
    eventually(lambda: api.get(RAY_JOB, "handed")["status"].get("dashboardURL") == address, "its dashboard")
    api.delete(TTS_JOB, "handed")
    api.await_absence(Ref(RAY_JOB, "handed"))


def heads(api: Api) -> list[Object]:
    return [p for p in api.list(POD) if p["metadata"].get("labels", {}).get("ray.io/node-type") == "head"]


def sizes(api: Api) -> list[int]:
    return [g["replicas"] for c in api.list(RAY_CLUSTER) for g in c["spec"]["workerGroupSpecs"]]


def crash(api: Api, pod: str) -> None:
    """Say that a pod's container keeps ending, as a kubelet does: its log is read then."""
    status = {
        "name": "ray-head",
        "image": "",
        "imageID": "",
        "ready": False,
        "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 1}},
    }
    api.merge_status(POD, pod, {"containerStatuses": [status]})


def hold_up(api: Api, pod: str) -> None:
    """Say that nothing of a pod begins for long, as a kubelet does: its Events are read then."""
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    status = {
        "name": "ray-head",
        "image": "",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"waiting": {"reason": "ContainerCreating"}},
    }
    api.merge_status(POD, pod, {"conditions": [scheduled], "containerStatuses": [status]})


def test_operator_needs_all_its_rights_and_no_others(
    release: Installed, api: Api, helm: Helm, audit: Audit, control_plane: ControlPlane
) -> None:
    live(api, control_plane)
    operator = release.operator
    assert 'code="403"' not in operator.fetch("/metrics")
    assert operator.stop() == 0, "and it gives the Lease back"
    assert audit.refused(release.user) == []
    assert "orbidden" not in operator.log
    assert "ermission" not in operator.log
    assert "Forbidden" not in {event["reason"] for event in api.list(EVENT)}

    has = granted(helm.render({"watchNamespaces": [api.namespace]}))
    used = audit.used(release.user)
    unused = {right for right in has - used if right.verb in WRITES}
    assert unused == set(), "what it never writes, it need not be able to"
    assert Right("get", "", "pods/log") in used
    assert Right("list", "events.k8s.io", "events") in used
    unheard = {(right.group, right.resource) for right in has - used}
    assert unheard <= {(right.group, right.resource) for right in used}


def test_chart_rights_cover_every_kind(helm: Helm) -> None:
    has = {(right.group, right.resource) for right in granted(helm.render())}
    assert {(kind.group, kind.plural) for kind in KINDS.values()} <= has


def test_chart_rights_have_no_wildcard_and_no_right_over_rights(helm: Helm) -> None:
    for values in ({}, {"watchNamespaces": ["speech"]}):
        for right in granted(helm.render(values)):
            assert "*" not in "".join(right)
            assert right.group != RBAC
            assert right.resource != "secrets"
            assert right.verb not in {"escalate", "bind", "impersonate", "deletecollection"}


def test_chart_rights_for_one_namespace_equal_those_for_all(helm: Helm) -> None:
    assert granted(helm.render()) == granted(helm.render({"watchNamespaces": ["speech"]}))


class Question(NamedTuple):
    """Whether a user may do something."""

    verb: str
    resource: str
    """With its group and its subresource: `pods/exec`, `roles.rbac.authorization.k8s.io`."""
    namespace: str


def answers(control_plane: ControlPlane, user: str, questions: Iterable[Question]) -> dict[Question, bool]:
    """Ask the API server what `kubectl auth can-i` does, all at once."""
    asked = list(dict.fromkeys(questions))
    reviews = [review(user, question) for question in asked]
    text = control_plane.kubectl(
        "create", "--filename=-", "--output=json", input="\n---\n".join(map(json.dumps, reviews))
    )
    reported, decoder = [], json.JSONDecoder()
    while text := text.lstrip():
        answer, end = decoder.raw_decode(text)
        reported += [item["status"]["allowed"] for item in answer.get("items", [answer])]
        text = text[end:]
    return dict(zip(asked, reported, strict=True))


def review(user: str, question: Question) -> Object:
    name, _, subresource = question.resource.partition("/")
    plural, _, group = name.partition(".")
    namespace = user.split(":")[2]
    everyone = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    attributes: Mapping[str, str] = {
        "verb": question.verb,
        "group": group,
        "resource": plural,
        "subresource": subresource,
        "namespace": question.namespace,
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": list(everyone), "resourceAttributes": attributes},
    }


NEVER = [
    *((verb, "secrets") for verb in ("get", "list", "watch", "create", "patch", "delete")),
    *((verb, "configmaps") for verb in ("get", "list", "watch", "patch", "update", "delete")),
    *((verb, "pods") for verb in ("create", "patch", "update", "delete")),
    *(("create", f"pods/{part}") for part in ("exec", "attach", "portforward", "eviction")),
    ("patch", "pods/ephemeralcontainers"),
    *((verb, f"{kind}.{RBAC}") for verb in ("create", "patch", "bind", "escalate")
      for kind in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")),
    ("impersonate", "serviceaccounts"),
    ("create", "serviceaccounts/token"),
    *((verb, "nodes") for verb in ("get", "list", "patch")),
    ("get", "nodes/proxy"),
    *((verb, "namespaces") for verb in ("get", "list", "create", "delete")),
    *(("create", f"{kind}.apps") for kind in ("deployments", "daemonsets", "statefulsets")),
    ("delete", "persistentvolumeclaims"),
    ("list", "persistentvolumes"),
    *((verb, "rayclusters.ray.io") for verb in ("create", "delete")),
    *((verb, f"voicemodels.{OURS}") for verb in ("create", "patch", "update", "delete")),
    ("patch", "customresourcedefinitions.apiextensions.k8s.io"),
    ("create", "validatingwebhookconfigurations.admissionregistration.k8s.io"),
    ("create", "certificatesigningrequests.certificates.k8s.io"),
    ("deletecollection", "rayservices.ray.io"),
    ("*", "*"),
]  # fmt: skip
"""What no release may do, anywhere."""
WORK = [
    ("list", f"voicemodels.{OURS}"),
    ("patch", f"voicemodels.{OURS}/status"),
    ("patch", "rayservices.ray.io"),
    ("create", "rayjobs.ray.io"),
    ("create", "jobs.batch"),
    ("get", "pods/log"),
]
"""Of its work, a few."""


def test_operator_account_lacks_dangerous_rights(
    release: Installed, api: Api, control_plane: ControlPlane
) -> None:
    places = (api.namespace, release.namespace, "kube-system", "")
    asked = [Question(verb, resource, place) for place in places for verb, resource in NEVER]
    leases = [Question(verb, "leases.coordination.k8s.io", api.namespace) for verb in ("create", "update")]
    allowed = answers(control_plane, release.user, [*asked, *leases])
    assert [question for question, yes in allowed.items() if yes] == []


def test_operator_account_may_work_in_its_namespaces_only(
    install: Callable[[list[str]], Installed], api: Api, control_plane: ControlPlane
) -> None:
    def may(user: str, place: str) -> set[bool]:
        questions = [Question(verb, resource, place) for verb, resource in WORK]
        return set(answers(control_plane, user, questions).values())

    everywhere, one = install([]).user, install([api.namespace]).user
    places = (api.namespace, "default", "")
    eventually(lambda: all(may(everywhere, place) == {True} for place in places), "rights everywhere")
    eventually(lambda: may(one, api.namespace) == {True}, "rights in one namespace")
    assert may(one, "default") == may(one, "") == {False}


def test_chart_roles_let_editors_edit_and_viewers_view_the_kinds(
    install: Callable[[list[str]], Installed], control_plane: ControlPlane, api: Api
) -> None:
    install([])
    for role in ("view", "edit", "admin"):
        control_plane.kubectl("create", "serviceaccount", role, "-n", api.namespace)
        binding = (f"--clusterrole={role}", f"--serviceaccount={api.namespace}:{role}")
        control_plane.kubectl("create", "rolebinding", role, *binding, "-n", api.namespace)

    def may(role: str, *kinds: str) -> set[bool]:
        user = f"system:serviceaccount:{api.namespace}:{role}"
        verbs = [kind.split(" ") for kind in kinds]
        asked = [Question(verb, f"{kind}.{OURS}", api.namespace) for verb, kind in verbs]
        return set(answers(control_plane, user, asked).values())

    models = ("voicemodels", "textmodels", "ttsjobs")
    reads = [f"list {kind}" for kind in (*models, "playgrounds")]
    changes = [f"{verb} {kind}" for verb in ("create", "patch", "delete") for kind in models]
    settings = [f"{verb} playgrounds" for verb in ("create", "patch", "delete")]
    # A controller puts the rules together.
    eventually(lambda: may("view", *reads) == {True}, "rights of those who view")
    eventually(lambda: may("edit", *reads, *changes) == {True}, "rights of those who edit")
    eventually(lambda: may("admin", *reads, *changes, *settings) == {True}, "rights of administrators")
    assert may("view", *changes, *settings) == {False}
    assert may("edit", *settings) == {False}


def test_chart_service_account_token_is_mounted_by_the_operator_only(helm: Helm) -> None:
    objects = helm.render()
    (found,) = of_kind(objects, "ServiceAccount")
    assert found["automountServiceAccountToken"] is False
    (deployment,) = of_kind(objects, "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == (RELEASE, True)
    (pod,) = of_kind(objects, "Pod")
    assert pod["spec"]["automountServiceAccountToken"] is False
