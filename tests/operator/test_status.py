"""What the status says of every trouble. KubeRay stands still; the tests write what it and kubelets would."""

import secrets

import pytest
from resources import CLUSTER, application, playground, pod, serving, voice_model
from running import eventually, run_pods

from tts_app.resources import VoiceModel
from tts_operator.desired.groups import group_of
from tts_operator.objects import EVENT, PLAYGROUND, POD, RAY_SERVICE, VOICE_MODEL, Ref

GROUP = group_of(VoiceModel.model_validate(voice_model()))
pytestmark = pytest.mark.usefixtures("kuberay_stopped", "operator")


@pytest.fixture
def served(api):
    """Return a function that reports the applications' states, as KubeRay does."""
    api.apply(voice_model())
    api.await_object(Ref(RAY_SERVICE, "playground"))
    run_pods(api, GROUP)

    def report(pending="", **applications):
        found = api.get(RAY_SERVICE, "playground")
        api.merge_status(
            RAY_SERVICE, "playground", serving(found["metadata"]["generation"], pending, **applications)
        )

    return report


def put_pod(api, group="headgroup", **status):
    api.apply(pod("a-pod", group))
    api.merge_status(POD, "a-pod", status)


def test_ready_ends_when_a_pod_of_the_model_is_gone(api, served):
    """As it is when a worker, or the head, is killed: KubeRay goes on reporting RUNNING and HEALTHY."""
    served(gateway=application(), kokoro=application())
    api.await_condition("kokoro", "Ready", "True", "Serving")
    for killed in (f"{GROUP}-0", "headgroup-0"):
        api.delete(POD, killed)
        touch(api)
        ready = api.await_condition("kokoro", "Ready", "False", "PodsStarting")
        assert "ready" in ready["message"]
        run_pods(api, GROUP)
        api.await_condition("kokoro", "Ready", "True", "Serving")


def touch(api):
    """Change a RayCluster, as KubeRay does when a pod goes; here the parent stands for it."""
    api.merge(VOICE_MODEL, "kokoro", {"metadata": {"annotations": {"touched": secrets.token_hex(4)}}})


def container(**state):
    status = {
        "image": "registry/tts:1",
        "imageID": "",
        "ready": False,
        "restartCount": 3,
        "name": "ray-worker",
    }
    return {"containerStatuses": [{**status, **state}]}


def test_ready_is_true_when_the_application_runs(api, served):
    served(gateway=application(), kokoro=application())
    api.await_condition("kokoro", "Ready", "True", "Serving")
    status = api.get(VOICE_MODEL, "kokoro")["status"]
    assert status["readyReplicas"] == 1
    assert status["rayCluster"] == CLUSTER
    assert status["url"] == f"http://playground-serve-svc.{api.namespace}.svc:8000"


def test_ready_needs_more_than_the_ready_condition_of_kuberay(api, served):
    served(gateway=application(), kokoro=application("DEPLOYING", "UPDATING"))
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "NonZeroServeEndpoints",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    api.merge_status(RAY_SERVICE, "playground", {"conditions": [condition], "serviceStatus": "Running"})
    api.await_condition("kokoro", "Ready", "False", "Deploying")


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (application("DEPLOYING", "UPDATING", "loading"), "Deploying"),
        (application("DEPLOY_FAILED", "DEPLOY_FAILED", "no speaker af_nobody"), "ApplicationFailed"),
        (application("UNHEALTHY", "UNHEALTHY", "replica died"), "ApplicationUnhealthy"),
        (application("RUNNING", "UNHEALTHY"), "Deploying"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_ready_gives_the_message_of_an_application_that_does_not_serve(api, served, state, reason):
    served(gateway=application(), kokoro=state)
    ready = api.await_condition("kokoro", "Ready", "False", reason)
    assert state["message"] in ready["message"]


def test_degraded_reports_a_failure_and_its_end(api, served):
    served(gateway=application(), kokoro=application())
    api.await_condition("kokoro", "Ready", "True", "Serving")
    served(gateway=application(), kokoro=application("UNHEALTHY", "UNHEALTHY", "replica died"))
    api.await_condition("kokoro", "Degraded", "True", "ApplicationUnhealthy")
    served(gateway=application(), kokoro=application())
    api.await_condition("kokoro", "Degraded", "False", "AsExpected")
    api.await_events(Ref(VOICE_MODEL, "kokoro"), {"Serving", "ApplicationUnhealthy", "AsExpected"})


def test_degraded_concerns_only_the_failing_model(api, served):
    api.apply(voice_model("other", ("male_en-US",)))
    eventually(lambda: "other" in api.get(RAY_SERVICE, "playground")["spec"]["serveConfigV2"], "both")
    served(gateway=application(), kokoro=application(), other=application("DEPLOY_FAILED", message="no"))
    api.await_condition("kokoro", "Ready", "True", "Serving")
    api.await_condition("other", "Ready", "False", "ApplicationFailed")
    assert api.condition(VOICE_MODEL, "kokoro", "Degraded")["status"] == "False"


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (
            container(state={"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}),
            "ImagePullFailed",
            "registry/tts:1",
        ),
        (container(state={"waiting": {"reason": "ErrImageNeverPull"}}), "ImagePullFailed", "registry/tts:1"),
        (
            container(
                state={"waiting": {"reason": "CrashLoopBackOff"}},
                lastState={"terminated": {"reason": "OOMKilled", "exitCode": 137}},
            ),
            "OutOfMemory",
            "limit",
        ),
        (
            container(
                state={"waiting": {"reason": "CrashLoopBackOff"}},
                lastState={"terminated": {"reason": "Error", "exitCode": 3}},
            ),
            "CrashLoop",
            "exit code 3",
        ),
        (
            container(state={"waiting": {"reason": "CreateContainerConfigError", "message": "no secret db"}}),
            "ContainerConfigError",
            "no secret db",
        ),
        (
            {
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
                    }
                ]
            },
            "Unschedulable",
            "nvidia.com/gpu",
        ),
    ],
    ids=["backoff", "never-pull", "oom", "crash", "secret", "gpu"],
)
@pytest.mark.parametrize("group", ["headgroup", GROUP], ids=["head", "worker"])
def test_ready_names_the_cause_of_a_pod_that_does_not_run(api, served, group, status, reason, words):
    served()
    put_pod(api, group, **status)
    ready = api.await_condition("kokoro", "Ready", "False", reason)
    assert words in ready["message"]
    assert api.condition(VOICE_MODEL, "kokoro", "Degraded")["reason"] == reason


def test_ready_says_why_a_pod_waits_for_its_volumes(api, served):
    served()
    waits = container(state={"waiting": {"reason": "ContainerCreating"}})
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    put_pod(api, conditions=[scheduled], **waits)
    uid = api.get(POD, "a-pod")["metadata"]["uid"]
    regarding = {"kind": "Pod", "name": "a-pod", "namespace": api.namespace, "uid": uid}
    event = {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.name,
        "metadata": {"name": "a-pod.failed-mount"},
        "regarding": regarding,
        "eventTime": "2026-01-01T00:00:01.000000Z",
        "reportingController": "kubelet",
        "reportingInstance": "a-node",
        "action": "Mount",
        "type": "Warning",
        "reason": "FailedMount",
        "note": 'configmap "june" not found',
    }
    api.apply(event)
    ready = api.await_condition("kokoro", "Ready", "False", "VolumesNotReady")
    assert 'configmap "june" not found' in ready["message"]


def test_degraded_ignores_pods_of_other_models(api, served, operator):
    served(gateway=application(), kokoro=application())
    api.await_condition("kokoro", "Ready", "True", "Serving")
    put_pod(api, "another-abc123", **container(state={"waiting": {"reason": "ErrImagePull"}}))
    for _ in range(2):  # a reconcile that is under way may not have seen the pod
        touch(api)
        operator.await_reconciles(1)
    assert api.condition(VOICE_MODEL, "kokoro", "Degraded")["reason"] == "AsExpected"


def test_progressing_reports_a_cluster_replacement(api, served):
    served(gateway=application(), kokoro=application())
    api.await_condition("kokoro", "Ready", "True", "Serving")
    served("playground-fghij")
    progressing = api.await_condition("kokoro", "Progressing", "True", "ClusterReplacement")
    assert CLUSTER in progressing["message"]
    assert api.condition(VOICE_MODEL, "kokoro", "Ready")["status"] == "True"
    served(gateway=application(), kokoro=application())
    api.await_condition("kokoro", "Progressing", "False", "Settled")


def test_event_announces_the_cluster_replacement_of_a_new_image(api, served):
    """By an Event: the status goes on as soon as the change is made."""
    served(gateway=application(), kokoro=application())
    api.await_condition("kokoro", "Ready", "True", "Serving")
    api.apply(playground(images={"gateway": "registry/tts:2"}))
    reported = api.await_events(Ref(VOICE_MODEL, "kokoro"), {"ClusterReplacement"})["ClusterReplacement"]
    assert f"takes over from {CLUSTER}" in reported
    assert "image" in reported


def test_ready_ignores_the_status_of_an_older_spec(api, served):
    served(gateway=application(), kokoro=application())
    api.await_condition("kokoro", "Ready", "True", "Serving")
    api.apply(voice_model(avatars=("female_en-US", "male_en-US")))
    api.await_condition("kokoro", "Ready", "False", "Updating")
    served(gateway=application(), kokoro=application())
    ready = api.await_condition("kokoro", "Ready", "True", "Serving")
    assert ready["observedGeneration"] == 2


def test_playground_status_counts_ready_models(api, served):
    api.apply(playground())
    served(gateway=application(), kokoro=application())
    api.await_condition("playground", "Ready", "True", "Serving", PLAYGROUND)
    status = api.get(PLAYGROUND, "playground")["status"]
    assert status["models"] == {"total": 1, "ready": 1, "summary": "1/1"}


def test_status_changed_by_others_is_corrected(api, served):
    served(gateway=application(), kokoro=application())
    api.await_condition("kokoro", "Ready", "True", "Serving")
    api.merge_status(VOICE_MODEL, "kokoro", {"readyReplicas": 99})
    eventually(lambda: api.get(VOICE_MODEL, "kokoro")["status"]["readyReplicas"] == 1, "the truth")


def test_kubectl_get_shows_why_a_model_is_not_ready(api, served, control_plane):
    served(gateway=application(), kokoro=application("DEPLOY_FAILED", message="x"))
    api.await_condition("kokoro", "Ready", "False", "ApplicationFailed")
    lines = control_plane.kubectl("get", "voice", "-n", api.namespace).splitlines()
    assert "READY" in lines[0]
    assert {"kokoro", "playground", "False", "ApplicationFailed"} <= set(lines[1].split())
