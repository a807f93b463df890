"""VoiceModels on a real API server, with KubeRay running: created, changed, deleted, repaired."""

import time

import pytest
import yaml
from resources import playground, voice_model
from running import eventually

from cluster.control_plane import CommandError
from tts_operator.objects import (
    CLAIM,
    DISRUPTION_BUDGET,
    EVENT,
    INGRESS,
    NETWORK_POLICY,
    PLAYGROUND,
    POD,
    RAY_CLUSTER,
    RAY_SERVICE,
    SERVICE_ACCOUNT,
    VOICE_MODEL,
    Ref,
)

CHILDREN = [
    Ref(RAY_SERVICE, "playground"),
    Ref(SERVICE_ACCOUNT, "playground"),
    Ref(NETWORK_POLICY, "playground"),
    Ref(CLAIM, "playground-audio"),
]
pytestmark = pytest.mark.usefixtures("operator")


def service(api):
    return api.await_object(Ref(RAY_SERVICE, "playground"))


def applications(api, name="playground"):
    found = api.get(RAY_SERVICE, name)
    if found is None:
        return []
    return [app["name"] for app in yaml.safe_load(found["spec"]["serveConfigV2"])["applications"]]


def cluster(api):
    """Return the RayCluster that KubeRay made."""
    return eventually(lambda: next(iter(api.list(RAY_CLUSTER)), None), "a RayCluster")


def settled(api, look):
    """Return what `look` returns when it is the same for a second."""
    before, since = look(), time.monotonic()
    while time.monotonic() - since < 1:
        time.sleep(0.1)
        now = look()
        if now != before:
            before, since = now, time.monotonic()
    return before


def test_voice_model_becomes_a_ray_service_with_pods(api):
    api.apply(voice_model())
    for ref in CHILDREN:
        api.await_object(ref)
    api.await_condition("kokoro", "Progressing", "True", "ClusterStarting")
    assert cluster(api)["metadata"]["labels"]["ttsplayground.dev/service"] == "playground"

    pods = eventually(lambda: len(found := api.list(POD)) == 2 and found, "the head and a worker")
    assert {pod["metadata"]["labels"]["ray.io/node-type"] for pod in pods} == {"head", "worker"}
    status = api.get(VOICE_MODEL, "kokoro")["status"]
    assert status["rayService"] == "playground"
    assert status["locales"] == ["en-US"]
    assert status["observedGeneration"] == 1


def test_voice_model_in_any_language_is_served(api):
    api.apply(voice_model("french", ("female_fr-fr",)))
    eventually(lambda: applications(api) == ["gateway", "french"], "the application")
    gateway, french = yaml.safe_load(service(api)["spec"]["serveConfigV2"])["applications"]
    (served,) = gateway["deployments"][0]["user_config"]["models"]
    assert [voice["locale"] for voice in served["spec"]["voices"]] == ["fr-FR"]
    assert french["import_path"] == "tts_app.serving.voice:build"
    api.await_condition("french", "Progressing", "True", "ClusterStarting")
    assert api.get(VOICE_MODEL, "french")["status"]["locales"] == ["fr-FR"]


def test_voice_model_with_an_unreadable_locale_says_so_and_others_are_served(api):
    api.apply(voice_model("klingon", ("female_tlh-001", "male_fr-FR")))
    ready = api.await_condition("klingon", "Ready", "False", "LocaleUnreadable")
    assert ready["message"].startswith("Nothing reads tlh-001: ")
    api.apply(voice_model())
    eventually(lambda: applications(api) == ["gateway", "kokoro"], "the other model")
    api.apply(voice_model("klingon", ("male_fr-FR",)))
    eventually(lambda: applications(api) == ["gateway", "klingon", "kokoro"], "both models")


def test_pods_pass_the_restricted_pod_security_standard(api, control_plane):
    control_plane.kubectl(
        "label", "namespace", api.namespace, "pod-security.kubernetes.io/enforce=restricted"
    )
    api.apply(voice_model())

    eventually(lambda: len(api.list(POD)) == 2, "pods in a restricted namespace")


def test_voice_model_is_added_to_the_same_cluster(api):
    api.apply(voice_model())
    name = cluster(api)["metadata"]["name"]
    api.apply(voice_model("another", ("male_en-US",)))
    eventually(lambda: applications(api) == ["gateway", "another", "kokoro"], "both applications")
    groups = eventually(
        lambda: len(found := cluster(api)["spec"]["workerGroupSpecs"]) == 2 and found, "a second worker group"
    )
    assert [group["groupName"].rsplit("-", 1)[0] for group in groups] == ["kokoro", "another"]
    assert [found["metadata"]["name"] for found in api.list(RAY_CLUSTER)] == [name]


def test_voice_model_removal_keeps_the_cluster_and_removes_its_pods(api):
    api.apply(voice_model())
    api.apply(voice_model("another", ("male_en-US",)))
    eventually(lambda: len(cluster(api)["spec"]["workerGroupSpecs"]) == 2, "two worker groups")
    name = cluster(api)["metadata"]["name"]
    api.delete(VOICE_MODEL, "another")
    eventually(lambda: applications(api) == ["gateway", "kokoro"], "one application")

    def replicas():
        groups = cluster(api)["spec"]["workerGroupSpecs"]
        return {group["groupName"].rsplit("-", 1)[0]: group["replicas"] for group in groups}

    eventually(lambda: replicas() == {"kokoro": 1, "another": 0}, "no pods of the model that went")
    assert [found["metadata"]["name"] for found in api.list(RAY_CLUSTER)] == [name]


def test_voice_model_replicas_change_in_place(api):
    api.apply(voice_model())
    before = cluster(api)
    api.apply(voice_model(replicas={"min": 3, "max": 3}))

    def replicas():
        (group,) = cluster(api)["spec"]["workerGroupSpecs"]
        return group["replicas"], group["minReplicas"], group["maxReplicas"]

    eventually(lambda: replicas() == (3, 3, 3), "three replicas in the RayCluster, which KubeRay never sets")
    assert cluster(api)["metadata"]["uid"] == before["metadata"]["uid"]


def test_voice_model_new_voice_changes_only_the_serve_config(api):
    api.apply(voice_model())
    before = cluster(api)
    api.apply(voice_model(avatars=("female_en-US", "male_en-GB")))
    eventually(lambda: "en-GB" in service(api)["spec"]["serveConfigV2"], "the voice in the Serve config")
    eventually(lambda: api.get(VOICE_MODEL, "kokoro")["status"].get("avatars") == 2, "two avatars")
    assert [(c["metadata"]["uid"], c["spec"]) for c in api.list(RAY_CLUSTER)] == [
        (before["metadata"]["uid"], before["spec"])
    ]


def test_last_voice_model_takes_all_children_but_the_audio_claim(api):
    api.apply(voice_model())
    for ref in CHILDREN:
        api.await_object(ref)
    api.delete(VOICE_MODEL, "kokoro")
    for ref in CHILDREN[:-1]:
        api.await_absence(ref)
    assert api.get(CLAIM, "playground-audio") is not None


def test_playground_may_keep_the_gateway_without_models(api):
    api.apply(playground(whenEmpty="KeepGateway"))
    api.apply(voice_model())
    eventually(lambda: applications(api) == ["gateway", "kokoro"], "the model")
    api.delete(VOICE_MODEL, "kokoro")
    eventually(lambda: applications(api) == ["gateway"], "the gateway alone")


def test_services_of_one_namespace_are_independent(api):
    api.apply(voice_model())
    api.apply(voice_model("theirs", service="theirs"))
    eventually(lambda: applications(api) == ["gateway", "kokoro"], "the first service")
    eventually(lambda: applications(api, "theirs") == ["gateway", "theirs"], "the second service")
    api.delete(VOICE_MODEL, "theirs")
    api.await_absence(Ref(RAY_SERVICE, "theirs"))
    assert applications(api) == ["gateway", "kokoro"]


def test_voice_model_loses_an_avatar_to_an_older_model(api):
    api.apply(voice_model("first"))
    api.await_object(Ref(RAY_SERVICE, "playground"))
    time.sleep(1.1)  # ages are told in seconds
    api.apply(voice_model("a-second", ("female_en-US", "male_en-US")))
    degraded = api.await_condition("a-second", "Degraded", "True", "AvatarsTaken")
    assert "female_en-US (by first)" in degraded["message"]
    eventually(lambda: api.get(VOICE_MODEL, "a-second")["status"]["avatars"] == 1, "one avatar left")
    api.delete(VOICE_MODEL, "first")
    eventually(lambda: api.get(VOICE_MODEL, "a-second")["status"]["avatars"] == 2, "the avatar is free")


def test_bad_voice_model_harms_no_other(api):
    api.apply(voice_model("good"))
    api.apply(voice_model("bad", ("male_en-US",), parameters={"threads": 1}))
    # What the API server would refuse today may be stored from an older CRD: here an avatar that is taken.
    api.apply(voice_model("worse"))
    api.await_condition("worse", "Ready", "False", "AvatarsTaken")
    eventually(lambda: applications(api) == ["gateway", "bad", "good"], "the others are served")


@pytest.mark.parametrize("ref", CHILDREN, ids=lambda ref: ref.kind.name)
def test_child_is_recreated_when_deleted(api, ref):
    api.apply(voice_model())
    before = api.await_object(ref)["metadata"]["uid"]
    if ref.kind is CLAIM:
        api.merge(CLAIM, ref.name, {"metadata": {"finalizers": None}})
    api.delete(ref.kind, ref.name)

    def again():
        found = api.get(ref.kind, ref.name)
        return found is not None and found["metadata"]["uid"] != before

    eventually(again, f"a new {ref.kind.name}")


@pytest.mark.parametrize(
    ("kind", "patch", "path"),
    [
        (RAY_SERVICE, {"spec": {"serveConfigV2": "applications: []"}}, ("spec", "serveConfigV2")),
        (RAY_SERVICE, {"metadata": {"labels": {"ttsplayground.dev/service": "x"}}}, ("metadata", "labels")),
        (NETWORK_POLICY, {"spec": {"policyTypes": ["Ingress"]}}, ("spec", "policyTypes")),
        (DISRUPTION_BUDGET, {"spec": {"minAvailable": 5}}, ("spec", "minAvailable")),
        (SERVICE_ACCOUNT, {"automountServiceAccountToken": True}, ("automountServiceAccountToken",)),
    ],
    ids=["serve-config", "label", "policy", "budget", "token"],
)
def test_child_drift_is_repaired(api, kind, patch, path):
    api.apply(voice_model(replicas={"min": 2, "max": 2}))
    name = "playground-kokoro" if kind is DISRUPTION_BUDGET else "playground"

    def value():
        found = api.get(kind, name)
        for part in path:
            found = found[part] if found else None
        return found

    api.await_object(Ref(kind, name))
    before = settled(api, value)
    api.merge(kind, name, patch)
    eventually(lambda: value() == before, "the drift repaired")


def test_ray_service_keeps_labels_and_annotations_of_others(api, operator):
    api.apply(voice_model())
    service(api)
    label = {"argocd.argoproj.io/instance": "speech"}
    api.merge(RAY_SERVICE, "playground", {"metadata": {"labels": label, "annotations": {"note": "theirs"}}})
    api.apply(voice_model(avatars=("female_en-US", "male_en-GB")))
    eventually(lambda: "en-GB" in service(api)["spec"]["serveConfigV2"], "a later change")
    metadata = service(api)["metadata"]
    assert metadata["labels"].items() >= label.items()
    assert metadata["annotations"]["note"] == "theirs"


def test_reconcile_makes_no_requests_in_steady_state(api, operator):
    """Reconciles are of a change of the parent, which changes nothing, and of resyncs."""
    api.apply(voice_model())
    api.apply(playground())
    api.await_ray_cluster(Ref(VOICE_MODEL, "kokoro"), Ref(PLAYGROUND, "playground"))
    before = settled(api, operator.requests)
    for _ in range(3):
        api.merge(VOICE_MODEL, "kokoro", {"metadata": {"annotations": {"touched": str(time.time())}}})
        operator.await_reconciles(2)
    assert operator.requests() == before


def test_kubectl_diff_is_empty_after_a_sync(api, control_plane):
    manifest = yaml.safe_dump(voice_model())
    arguments = ("--server-side", "--field-manager=argocd", "-n", api.namespace, "-f", "-")
    control_plane.kubectl("apply", *arguments, input=manifest)
    api.await_condition("kokoro", "Progressing", "True", "ClusterStarting")
    for _ in range(20):  # kubectl reads twice, and meanwhile the status may have gone on
        try:
            difference = control_plane.kubectl("diff", *arguments, input=manifest)
            break
        except CommandError as error:
            difference = str(error)
            time.sleep(0.5)
    assert difference == ""


@pytest.mark.parametrize(
    ("turned_on", "kind"),
    [({"ingress": {"host": "speech.example"}}, INGRESS)],
)
def test_optional_child_comes_and_goes_with_the_playground_setting(api, turned_on, kind):
    api.apply(voice_model())
    api.apply(playground(**turned_on))
    api.await_object(Ref(kind, "playground"))
    api.apply(playground())
    api.await_absence(Ref(kind, "playground"))


def test_optional_child_of_somebody_else_stays(api):
    theirs = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "playground-kokoro"},
        "spec": {"maxUnavailable": 7, "selector": {}},
    }
    api.apply(theirs)
    api.apply(playground(podDisruptionBudget=False))
    api.apply(voice_model(replicas={"min": 2, "max": 2}))
    service(api)
    assert api.get(DISRUPTION_BUDGET, "playground-kokoro")["spec"]["maxUnavailable"] == 7


def test_disruption_budget_exists_only_for_two_or_more_pods(api):
    """The budget is one that Kubernetes can compute: with another it would let no pod go."""
    api.apply(voice_model(replicas={"min": 2, "max": 2}))
    api.await_object(Ref(DISRUPTION_BUDGET, "playground-kokoro"))
    api.apply(voice_model(replicas={"min": 1, "max": 1}))
    api.await_absence(Ref(DISRUPTION_BUDGET, "playground-kokoro"))


def test_voice_model_reports_a_taken_child_name(api):
    api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "playground"}})
    api.apply(voice_model())
    degraded = api.await_condition("kokoro", "Degraded", "True", "NameTaken")
    assert "ServiceAccount playground" in degraded["message"]
    api.delete(SERVICE_ACCOUNT, "playground")
    api.await_condition("kokoro", "Progressing", "True", "ClusterStarting")


def test_playground_status_summarizes_its_models(api):
    api.apply(playground())
    api.await_condition("playground", "Ready", "False", "NoModels", PLAYGROUND)
    api.apply(voice_model())
    api.await_condition("playground", "Progressing", "True", "ClusterStarting", PLAYGROUND)
    assert api.get(PLAYGROUND, "playground")["status"]["models"]["summary"] == "0/1"


def test_event_warns_of_taken_avatars(api):
    api.apply(voice_model("first"))
    service(api)
    time.sleep(1.1)
    api.apply(voice_model("second"))

    def reported():
        return [e for e in api.list(EVENT) if e.get("reportingController") == "ttsplayground.dev/operator"]

    (event,) = eventually(lambda: [e for e in reported() if e["regarding"]["name"] == "second"], "an Event")
    assert (event["type"], event["reason"]) == ("Warning", "AvatarsTaken")


def test_voice_model_deletion_needs_no_operator(api, operator):
    api.apply(voice_model())
    service(api)
    operator.kill()
    assert "finalizers" not in api.get(VOICE_MODEL, "kokoro")["metadata"]
    api.delete(VOICE_MODEL, "kokoro")
    api.await_absence(Ref(VOICE_MODEL, "kokoro"))
    operator.start()
    api.await_absence(Ref(RAY_SERVICE, "playground"))
