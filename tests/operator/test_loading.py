"""Files that are fetched before a model is served. KubeRay stands still; Jobs are the real controller's, and
the tests say of their pods what a kubelet would.
"""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from lightkube import KubeConfig
from resources import application, serving, voice_model
from running import PATIENCE, eventually, reconciler, run_pods

from tts_app.resources import VoiceModel
from tts_operator.desired.groups import group_of
from tts_operator.desired.loading import RETRY_SECONDS
from tts_operator.kube import LightKube
from tts_operator.objects import CLAIM, JOB, NETWORK_POLICY, POD, RAY_SERVICE, VOICE_MODEL, Key, Ref

pytestmark = pytest.mark.usefixtures("kuberay_stopped")


def outside(revision="0123456", **spec):
    source = {"uri": "hf://hexgrad/kokoro", "revision": revision}
    return voice_model(source=source, quantization="none", **spec)


def applications(api):
    found = api.get(RAY_SERVICE, "playground")
    if found is None:
        return {}
    config = yaml.safe_load(found["spec"]["serveConfigV2"])
    return {app["name"]: app["args"].get("source", {}).get("revision") for app in config["applications"]}


def loader_pod(api, but=()):
    """Wait for the pod of a loader, other than those `but`; return its name."""

    def look():
        names = [
            pod["metadata"]["name"]
            for pod in api.list(POD)
            if "batch.kubernetes.io/job-name" in pod["metadata"]["labels"]
        ]
        return next((name for name in names if name not in but), None)

    return eventually(look, "the loader's pod")


def end(api, pod, code, message=""):
    """Say of a pod what a kubelet does when its container ends."""
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    state = {"exitCode": code, "message": message, "startedAt": moment, "finishedAt": moment}
    container = {"name": "loader", "image": "i", "imageID": "", "ready": False, "restartCount": 0}
    status = {
        "phase": "Failed" if code else "Succeeded",
        "containerStatuses": [{**container, "state": {"terminated": state}}],
    }
    api.merge_status(POD, pod, status)


def test_voice_model_is_served_when_its_files_are_there(api, operator):
    api.apply(outside())
    api.apply(voice_model("inside", ("male_en-US",)))
    progressing = api.await_condition("kokoro", "Progressing", "True", "Downloading")
    assert "hf://hexgrad/kokoro" in progressing["message"]
    eventually(lambda: set(applications(api)) == {"gateway", "inside"}, "what needs no files is served")
    assert api.get(VOICE_MODEL, "kokoro")["status"]["download"] == {"percent": 0, "bytes": 0}
    assert api.get(CLAIM, "playground-cache")
    assert api.get(NETWORK_POLICY, "playground-loader")
    end(api, loader_pod(api), 0)
    eventually(lambda: set(applications(api)) == {"gateway", "inside", "kokoro"}, "the model served")
    api.await_condition("kokoro", "Progressing", "True", "ClusterStarting")
    assert "download" not in api.get(VOICE_MODEL, "kokoro")["status"]


def test_voice_model_serves_old_files_while_new_ones_are_fetched(api, operator):
    api.apply(outside("old"))
    first = loader_pod(api)
    end(api, first, 0)
    eventually(lambda: applications(api).get("kokoro") == "old", "the model served")
    run_pods(api, group_of(VoiceModel.model_validate(outside("old"))))
    generation = api.get(RAY_SERVICE, "playground")["metadata"]["generation"]
    api.merge_status(
        RAY_SERVICE, "playground", serving(generation, gateway=application(), kokoro=application())
    )
    api.await_condition("kokoro", "Ready", "True", "Serving")
    api.apply(outside("new"))
    ready = api.await_condition("kokoro", "Ready", "False", "Downloading")
    assert "as it was before" in ready["message"]
    assert applications(api)["kokoro"] == "old"
    end(api, loader_pod(api, but=(first,)), 0)
    eventually(lambda: applications(api)["kokoro"] == "new", "the new files served")
    eventually(lambda: len(api.list(JOB)) == 1, "the old Job removed")


def test_loader_failure_is_reported_and_retried(api, operator):
    api.apply(outside())
    first = loader_pod(api)
    end(api, first, 3, "ttsp: hf://hexgrad/kokoro does not exist or is private")
    degraded = api.await_condition("kokoro", "Degraded", "True", "DownloadFailed")
    assert "does not exist or is private (exit code 3)" in degraded["message"]
    assert api.condition(VOICE_MODEL, "kokoro", "Progressing")["status"] == "True"
    end(api, loader_pod(api, but=(first,)), 0)
    api.await_condition("kokoro", "Degraded", "False", "AsExpected")
    eventually(lambda: "kokoro" in applications(api), "the model served")


def test_loader_job_that_failed_for_good_is_made_again_later(api, operator, control_plane):
    api.apply(outside())
    (job,) = eventually(lambda: api.list(JOB), "the Job")
    name = job["metadata"]["name"]
    api.merge(JOB, name, {"spec": {"backoffLimit": 0}})
    end(api, loader_pod(api), 3, "ttsp: no route")
    failed = api.await_condition("kokoro", "Progressing", "False", "Downloading")
    assert failed["status"] == "False"
    assert "10 minutes" in api.condition(VOICE_MODEL, "kokoro", "Degraded")["message"]
    assert api.get(JOB, name)["metadata"]["uid"] == job["metadata"]["uid"]

    async def later():
        kube = LightKube(KubeConfig.from_file(control_plane.kubeconfig), PATIENCE)
        moment = datetime.now(UTC) + timedelta(seconds=RETRY_SECONDS + 60)
        await reconciler(kube, lambda: moment).reconcile(Key(api.namespace, "playground"))
        await kube.close()

    asyncio.run(later())
    eventually(lambda: (api.get(JOB, name) or job)["metadata"]["uid"] != job["metadata"]["uid"], "a new Job")


def test_loader_job_is_removed_with_its_model_and_the_files_stay(api, operator):
    api.apply(outside())
    loader_pod(api)
    api.delete(VOICE_MODEL, "kokoro")
    eventually(lambda: not api.list(JOB), "the Job removed")
    api.await_absence(Ref(RAY_SERVICE, "playground"))
    assert api.get(CLAIM, "playground-cache")


def test_loader_job_removal_does_not_stop_a_served_model(api, operator):
    api.apply(outside())
    end(api, loader_pod(api), 0)
    eventually(lambda: "kokoro" in applications(api), "the model served")
    (job,) = api.list(JOB)
    api.delete(JOB, job["metadata"]["name"])
    eventually(
        lambda: [j for j in api.list(JOB) if j["metadata"]["uid"] != job["metadata"]["uid"]], "another Job"
    )
    assert "kokoro" in applications(api)


def test_loader_pod_has_its_source_and_least_privilege(api, operator):
    api.apply(outside())
    (job,) = eventually(lambda: api.list(JOB), "the Job")
    spec = job["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert json.loads(container["command"][-1])["spec"]["source"]["uri"] == "hf://hexgrad/kokoro"
    assert spec["automountServiceAccountToken"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
