"""What a TextModel's status says of its troubles. KubeRay stands still; tests write what it would."""

import pytest
from resources import application, pod, serving, text_model, voice_model
from running import eventually, run_pods

from tts_app.resources import TextModel
from tts_operator.desired.groups import group_of
from tts_operator.objects import EVENT, POD, RAY_SERVICE, TEXT_MODEL, VOICE_MODEL, Ref

GROUP = group_of(TextModel.model_validate(text_model()))
pytestmark = pytest.mark.usefixtures("kuberay_stopped", "operator")


@pytest.fixture
def served(api):
    """Return a function that reports the applications' states, as KubeRay does."""
    api.apply(text_model())
    api.await_object(Ref(RAY_SERVICE, "playground"))
    run_pods(api, GROUP)

    def report(**applications):
        found = api.get(RAY_SERVICE, "playground")
        status = serving(found["metadata"]["generation"], **applications)
        api.merge_status(RAY_SERVICE, "playground", status)

    return report


def await_condition(api, type_, status, reason):
    return api.await_condition("smollm", type_, status, reason, TEXT_MODEL)


def test_text_model_ready_counts_pods_and_kubectl_shows_it(api, served, control_plane):
    served(gateway=application(), smollm=application())
    await_condition(api, "Ready", "True", "Serving")
    assert api.get(TEXT_MODEL, "smollm")["status"]["readyReplicas"] == 1
    header, row = control_plane.kubectl("get", "tm", "-n", api.namespace).splitlines()
    assert header.split()[:7] == ["NAME", "SERVICE", "ENGINE", "READY", "REASON", "REPLICAS", "CONTEXT"]
    assert row.split()[:7] == ["smollm", "playground", "llamacpp", "True", "Serving", "1", "4096"]


def test_text_model_degraded_gives_the_message_of_the_engine(api, served):
    said = "EngineError: pvc://models/a.gguf is no GGUF file"
    served(gateway=application(), smollm=application("DEPLOY_FAILED", message=said))
    degraded = await_condition(api, "Degraded", "True", "ApplicationFailed")
    assert said in degraded["message"]
    events = eventually(lambda: [e for e in api.list(EVENT) if e["type"] == "Warning"], "an Event")
    assert events[0]["regarding"]["kind"] == "TextModel"
    assert said in events[0]["note"]
    served(gateway=application(), smollm=application())
    await_condition(api, "Degraded", "False", "AsExpected")


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ({"waiting": {"reason": "ErrImagePull", "message": "denied"}}, "ImagePullFailed", "denied"),
        ({"terminated": {"reason": "OOMKilled", "exitCode": 137}}, "OutOfMemory", "memory"),
    ],
    ids=["image", "memory"],
)
def test_text_model_degraded_names_the_trouble_of_its_pod(api, served, state, reason, words):
    served(gateway=application(), smollm=application("DEPLOYING", "UPDATING"))
    container = {
        "name": "ray-worker",
        "image": "registry/text:1",
        "imageID": "",
        "ready": False,
        "restartCount": 1,
        "state": state,
    }
    api.apply(pod("a-pod", GROUP))
    api.merge_status(POD, "a-pod", {"containerStatuses": [container]})
    degraded = await_condition(api, "Degraded", "True", reason)
    assert words in degraded["message"]


def test_text_model_degraded_names_a_missing_gpu(api, served):
    served(gateway=application(), smollm=application("DEPLOYING", "UPDATING"))
    api.apply(pod("a-pod", GROUP))
    message = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    api.merge_status(POD, "a-pod", {"conditions": [unscheduled]})
    degraded = await_condition(api, "Degraded", "True", "Unschedulable")
    assert "Insufficient nvidia.com/gpu" in degraded["message"]


def test_text_model_trouble_does_not_degrade_a_voice_model(api, served):
    api.apply(voice_model())
    eventually(lambda: "name: kokoro" in api.get(RAY_SERVICE, "playground")["spec"]["serveConfigV2"], "both")
    served(gateway=application(), kokoro=application(), smollm=application("DEPLOY_FAILED", message="no"))
    await_condition(api, "Degraded", "True", "ApplicationFailed")
    assert api.condition(VOICE_MODEL, "kokoro", "Degraded")["status"] == "False"
