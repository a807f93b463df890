"""TextModels on a real API server, with KubeRay: beside VoiceModels and alone, by the same mechanism."""

import time
import urllib.request

import pytest
import yaml
from resources import playground, text_model, voice_model
from running import PATIENCE, eventually

from tts_operator.objects import (
    EVENT,
    JOB,
    PLAYGROUND,
    POD,
    RAY_CLUSTER,
    RAY_SERVICE,
    TEXT_MODEL,
    VOICE_MODEL,
    Ref,
)

GPUS = {"cpu": "16", "memory": "64Gi", "gpu": "8"}


def applications(api):
    """Return the applications of the Serve config by name."""
    found = api.get(RAY_SERVICE, "playground")
    if found is None:
        return {}
    return {app["name"]: app for app in yaml.safe_load(found["spec"]["serveConfigV2"])["applications"]}


def cluster(api):
    """Return the RayCluster that KubeRay made."""
    return eventually(lambda: next(iter(api.list(RAY_CLUSTER)), None), "a RayCluster")


def groups(api):
    return {group["groupName"].rsplit("-", 1)[0]: group for group in cluster(api)["spec"]["workerGroupSpecs"]}


@pytest.mark.usefixtures("operator")
class TestServing:
    def test_text_models_alone_make_a_service(self, api):
        api.apply(text_model())
        api.await_condition("smollm", "Progressing", "True", "ClusterStarting", TEXT_MODEL)
        pods = eventually(lambda: len(found := api.list(POD)) == 2 and found, "the head and a worker")
        images = {pod["spec"]["containers"][0]["image"] for pod in pods}
        assert images == {"tts-playground-app:0.1.0", "tts-playground-llamacpp:0.1.0"}
        status = api.get(TEXT_MODEL, "smollm")["status"]
        assert (status["rayService"], status["replicas"], status["readyReplicas"]) == ("playground", 1, 0)
        assert not {"avatars", "locales"} & status.keys()
        api.delete(TEXT_MODEL, "smollm")
        api.await_absence(Ref(RAY_SERVICE, "playground"))

    def test_added_text_model_leaves_cluster_and_voices_unchanged(self, api):
        api.apply(voice_model())
        before = cluster(api)["metadata"]["uid"]
        voice = eventually(lambda: applications(api).get("kokoro"), "the voice")
        api.apply(text_model())
        eventually(lambda: set(groups(api)) == {"kokoro", "smollm"}, "a second worker group")
        assert list(applications(api)) == ["gateway", "kokoro", "smollm"]
        assert applications(api)["kokoro"] == voice
        api.delete(TEXT_MODEL, "smollm")
        eventually(lambda: groups(api)["smollm"]["replicas"] == 0, "no pods of the model that went")
        assert list(applications(api)) == ["gateway", "kokoro"]
        assert [found["metadata"]["uid"] for found in api.list(RAY_CLUSTER)] == [before]

    @pytest.mark.parametrize(
        "change",
        [
            {"contextLength": 1024},
            {"source": {"uri": "pvc://models/a.gguf"}},
            {"engine": "transformers", "quantization": "int8"},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_text_model_changes_in_place_without_touching_others(self, api, change):
        api.apply(playground(images={"engines": {"transformers": "registry/transformers:1"}}))
        api.apply(text_model())
        api.apply(text_model("other"))
        eventually(lambda: set(groups(api)) == {"smollm", "other"}, "two worker groups")
        uid, before = cluster(api)["metadata"]["uid"], applications(api)
        api.apply(text_model(**change))
        eventually(lambda: applications(api)["smollm"] != before["smollm"], "the change")
        assert applications(api)["other"] == before["other"]
        assert applications(api)["smollm"]["args"] != before["smollm"]["args"]
        time.sleep(1)  # longer than KubeRay takes to begin a new one
        assert [found["metadata"]["uid"] for found in api.list(RAY_CLUSTER)] == [uid]

    def test_text_model_scales_to_zero_with_serve_autoscaling(self, api):
        api.apply(text_model(replicas={"min": 0, "max": 2, "targetOngoingRequests": 8}))
        deployment = eventually(lambda: applications(api).get("smollm"), "the model")["deployments"][0]
        assert deployment["autoscaling_config"]["min_replicas"] == 0

    def test_text_model_replica_on_two_nodes_is_a_group_of_two_pods(self, api):
        api.apply(playground(images={"engines": {"vllm": "registry/vllm:1"}}))
        api.apply(text_model("big", engine="vllm", resources=GPUS, parameters={"nodes": 2}))
        group = eventually(lambda: groups(api).get("big"), "the group")
        assert (group["replicas"], group["numOfHosts"]) == (1, 2)
        pods = eventually(lambda: len(found := api.list(POD)) == 3 and found, "the head and two workers")
        asked = [p["spec"]["containers"][0]["resources"]["requests"].get("nvidia.com/gpu") for p in pods]
        assert sorted(asked, key=str) == ["4", "4", None]
        (deployment,) = applications(api)["big"]["deployments"]
        assert len(deployment["placement_group_bundles"]) == 8

    def test_text_model_files_are_fetched_before_it_is_served(self, api):
        api.apply(text_model(source={"uri": "hf://a/b", "revision": "c"}))
        api.await_condition("smollm", "Progressing", "True", "Downloading", TEXT_MODEL)
        (job,) = api.list(JOB)
        (container,) = job["spec"]["template"]["spec"]["containers"]
        assert container["image"] == "tts-playground-llamacpp:0.1.0"
        assert '"kind": "TextModel"' in container["command"][-1]
        assert "smollm" not in applications(api)
        assert api.get(TEXT_MODEL, "smollm")["status"]["download"] == {"percent": 0, "bytes": 0}


@pytest.mark.usefixtures("operator")
class TestRefusal:
    def test_text_model_with_the_name_of_a_voice_model_is_refused(self, api):
        api.apply(voice_model("same"))
        eventually(lambda: "same" in applications(api), "the older")
        time.sleep(1.1)  # times of creation are in whole seconds
        api.apply(text_model("same"))
        degraded = api.await_condition("same", "Degraded", "True", "NameTaken", TEXT_MODEL)
        assert "A VoiceModel of the service is called 'same' too" in degraded["message"]
        assert applications(api)["same"]["import_path"] == "tts_app.serving.voice:build"
        events = eventually(
            lambda: [e for e in api.list(EVENT) if e["regarding"]["kind"] == "TextModel"], "an Event"
        )
        assert [(event["reason"], event["type"]) for event in events] == [("NameTaken", "Warning")]
        api.delete(VOICE_MODEL, "same")
        api.await_condition("same", "Degraded", "False", "AsExpected", TEXT_MODEL)
        assert applications(api)["same"]["import_path"] == "tts_app.serving.text:build"

    def test_text_model_without_an_engine_image_is_refused_until_one_is_named(self, api):
        api.apply(text_model("big", engine="vllm", resources=GPUS))
        degraded = api.await_condition("big", "Degraded", "True", "ImageMissing", TEXT_MODEL)
        assert "images.engines.vllm" in degraded["message"]
        api.apply(playground(images={"engines": {"vllm": "registry/vllm:1"}}))
        api.await_condition("big", "Progressing", "True", "ClusterStarting", TEXT_MODEL)

    def test_text_model_is_refused_for_errors_the_api_server_cannot_see(self, api):
        parameters = {"tensor_parallel_size": 3}
        api.apply(text_model("big", engine="vllm", resources=GPUS, parameters=parameters))
        degraded = api.await_condition("big", "Degraded", "True", "InvalidSpec", TEXT_MODEL)
        assert "it is 8, and they are 3 and 1" in degraded["message"]


def test_playground_and_metrics_count_both_kinds_of_models(api, operator):
    api.apply(playground())
    api.apply(voice_model())
    api.apply(text_model())
    api.apply(text_model("big", engine="vllm", resources=GPUS))
    eventually(lambda: api.get(PLAYGROUND, "playground").get("status"), "the status")
    eventually(
        lambda: api.get(PLAYGROUND, "playground")["status"]["models"]["summary"] == "0/3", "three models"
    )
    labels = 'kind="TextModel",reason="ImageMissing",status="True",type="Degraded"'
    wanted = f"tts_operator_conditions{{{labels}}} 1.0"

    def metrics():
        with urllib.request.urlopen(f"http://127.0.0.1:{operator.port}/metrics", timeout=PATIENCE) as answer:
            return answer.read().decode()

    eventually(lambda: wanted in metrics(), wanted)
