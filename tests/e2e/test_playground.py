"""The whole of it, as its users do it: helm install, kubectl apply, MP3 back from a pod.

The tests share one service, in the order in which they stand: pods of Ray take a while to start.
"""

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from simulated_hub import COMMIT, REPOSITORY, simulated_hub

from cluster import network
from cluster.control_plane import CommandError, ControlPlane
from cluster.kind import KindCluster
from tts_app.resources import Source
from tts_app.security.key_secret import KeySecret
from tts_app.security.principal import Scope
from tts_app.sources import fetch

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "manifests" / "samples"
NAMESPACE = "speech"
PATIENCE = 240.0
"""Seconds that pods of Ray may take to start, or to go, on a busy machine."""
JOBS_PATIENCE = 600.0
"""Seconds that a job may take, which starts pods and then speaks."""
_WITHOUT_MALE = [{"op": "remove", "path": "/spec/voices/1"}]
WORDS = {
    "female_en-US": "Welcome! Your room is ready from 3pm.",
    "female_en-GB": "Afternoon tea is served in the garden.",
    "female_es-ES": "La cena se sirve a las ocho y media.",
}

pytestmark = pytest.mark.chain


class Speech:
    """The service, as somebody with kubectl and an HTTP client sees it."""

    def __init__(self, cluster: ControlPlane, api: str, namespace: str = NAMESPACE) -> None:
        self._cluster = cluster
        self._name = namespace
        self._namespace = f"{api}/api/v1/namespaces/{namespace}"

    def kubectl(self, *arguments: str, input: str | None = None) -> str:  # noqa: A002
        return self._cluster.kubectl("-n", self._name, *arguments, input=input)

    def get(self, what: str, *arguments: str) -> Any:
        return json.loads(self.kubectl("get", what, *arguments, "-o", "json"))

    def apply(self, *resources: Any) -> None:
        self.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(resources))

    def sample(self, name: str, **voice: str) -> Any:
        """Return the sample's VoiceModel, under another name and with one voice."""
        documents = yaml.safe_load_all((SAMPLES / "laptop.yaml").read_text(encoding="utf-8"))
        model = next(document for document in documents if document["kind"] == "VoiceModel")
        model["metadata"]["name"] = name
        model["spec"]["voices"] = [voice]
        return model

    def condition(self, model: str, type_: str, kind: str = "voicemodel") -> dict[str, str]:
        conditions = self.get(kind, model).get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == type_), {})

    def wait_ready(self, model: str, kind: str = "voicemodel", patience: float = PATIENCE) -> None:
        """Wait until a model is Ready for the resource as it is now; fail with what its status says."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            generation = self.get(kind, model)["metadata"]["generation"]
            ready = self.condition(model, "Ready", kind)
            if ready.get("status") == "True" and ready["observedGeneration"] == generation:
                return
            time.sleep(1)
        pods = self.kubectl("get", "pods", "-o", "wide")
        pytest.fail(f"{model} is not Ready: {self.get(kind, model).get('status')}\n{pods}")

    def url(self, what: str) -> str:
        """Return where a port of a Service or pod answers, through the API server."""
        return f"{self._namespace}/{what}/proxy"

    def say(self, voice: str, text: str, model: str = "kokoro") -> httpx.Response:
        body = {"model": model, "voice": voice, "input": text}
        where = self.url("services/playground-serve-svc:8000")
        return httpx.post(f"{where}/v1/audio/speech", json=body, timeout=120)

    def wait_job(self, job: str, holds: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Wait until something is so of a TTSJob's status; fail with what it says."""
        deadline = time.monotonic() + JOBS_PATIENCE
        while True:
            status: dict[str, Any] = self.get("ttsjob", job).get("status", {})
            if holds(status):
                return status
            if time.monotonic() > deadline or status.get("completionTime"):
                pods = self.kubectl("get", "pods,rayjobs", "-o", "wide")
                pytest.fail(f"{job}: {json.dumps(status, indent=1)}\n{pods}")
            time.sleep(0.5)

    def wait_events(self, kind: str, reasons: set[str]) -> None:
        """Wait until there are Events of these reasons, which may come after a status."""
        deadline = time.monotonic() + 60
        while True:
            events = [e for e in self.get("events")["items"] if e["involvedObject"]["kind"] == kind]
            if reasons <= (found := {event["reason"] for event in events}):
                return
            assert time.monotonic() < deadline, found
            time.sleep(0.5)

    def patch_job(self, job: str, spec: dict[str, Any]) -> None:
        self.kubectl("patch", "ttsjob", job, "--type=merge", "-p", json.dumps({"spec": spec}))

    def files(self, folder: str) -> list[str]:
        """Return the audio files of a folder of the service's audio claim, by post, gender and locale."""
        listed = self.kubectl("exec", self.head(), "--", "ls", f"/audio-output/{folder}")
        return sorted(name for name in listed.split() if name.endswith(".mp3"))

    def on_claim(self, claim: str, *command: str) -> str:
        """Run a command, as root, in a pod that has a claim at /claim; return what it printed."""
        image = self.get("pod", self.head())["spec"]["containers"][0]["image"]
        name = f"on-{claim}"
        container = {
            "name": "main",
            "image": image,
            "imagePullPolicy": "Never",
            "command": command,
            "securityContext": {"runAsUser": 0},
            "volumeMounts": [{"name": "claim", "mountPath": "/claim"}],
        }
        volume = {"name": "claim", "persistentVolumeClaim": {"claimName": claim}}
        spec = {"containers": [container], "volumes": [volume], "restartPolicy": "Never"}
        self.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
        self.kubectl("wait", f"pod/{name}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=120s")
        printed = self.kubectl("logs", name)
        self.kubectl("delete", "pod", name)
        return printed

    def cluster_name(self) -> str:
        return str(self.get("voicemodel", "kokoro")["status"]["rayCluster"])

    def head(self) -> str:
        """Return the head of the service's cluster: a job may have one of its own beside it."""
        (head,) = (pod for pod in self.pods("headgroup") if pod.startswith("playground-"))
        return head

    def driver_runs(self) -> bool:
        """Return whether the driver of a job runs on the head: a process with `render` as an argument."""
        look = r"grep -lsz '^[r]ender$' /proc/[0-9]*/cmdline || true"  # which grep's own arguments are not
        return bool(self.kubectl("exec", self.head(), "--", "bash", "-c", look).strip())

    def ready_workers(self) -> dict[str, bool]:
        """Return whether each worker is ready, by its name."""
        return {
            pod["metadata"]["name"]: condition["status"] == "True"
            for pod in self.get("pods", "-l", "ray.io/node-type=worker")["items"]
            for condition in pod["status"].get("conditions", [])
            if condition["type"] == "Ready"
        }

    def pods(self, group: str = "") -> list[str]:
        selector = "ray.io/cluster" + (f",ray.io/group={group}" if group else "")
        items = self.get("pods", "-l", selector)["items"]
        return [i["metadata"]["name"] for i in items if not i["metadata"].get("deletionTimestamp")]


def seconds_of(mp3: bytes) -> float:
    with av.open(io.BytesIO(mp3), format="mp3") as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


@pytest.fixture(scope="module")
def speech(installed: ControlPlane, proxy: str) -> Iterator[Speech]:
    """The sample service, applied and Ready, with room for a second replica that nobody needs yet."""
    installed.kubectl("create", "namespace", NAMESPACE)
    made = Speech(installed, proxy)
    sample = list(yaml.safe_load_all((SAMPLES / "laptop.yaml").read_text(encoding="utf-8")))
    sample[1]["spec"]["replicas"] = {"min": 1, "max": 2}
    made.apply(*sample)
    made.wait_ready("kokoro")
    yield made
    installed.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def test_service_answers_with_mp3_in_three_locales(speech: Speech) -> None:
    for voice, text in WORDS.items():
        response = speech.say(voice, text)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "audio/mpeg"
        assert 1 < seconds_of(response.content) < 10, voice


def test_pods_pass_the_restricted_pod_security_standard(speech: Speech, installed: ControlPlane) -> None:
    """The namespace takes them under the strictest of Kubernetes' own standards."""
    reported = installed.kubectl(
        "label", "--dry-run=server", "--overwrite", "namespace", NAMESPACE,
        "pod-security.kubernetes.io/enforce=restricted",
    )  # fmt: skip
    assert "labeled" in reported
    for pod in speech.get("pods", "-l", "ray.io/cluster")["items"]:
        assert pod["spec"]["automountServiceAccountToken"] is False
    name = speech.head()
    with pytest.raises(CommandError, match="Read-only file system"):
        speech.kubectl("exec", name, "--", "touch", "/opt/written")
    assert speech.kubectl("exec", name, "--", "id", "-u").strip() == "1000"


def test_ray_dashboard_requires_a_token(speech: Speech) -> None:
    """ShadowRay (CVE-2023-48022): whoever reaches the dashboard must not run jobs."""
    response = httpx.get(f"{speech.url(f'pods/{speech.head()}:8265')}/api/jobs/", timeout=30)
    assert response.status_code in (401, 403)
    assert "token" in response.text.lower()


def test_tts_job_succeeds_though_its_pod_is_killed(speech: Speech) -> None:
    """The sample: 2 posts by 4 avatars. Its progress is told, and what was done is not done again.

    One pod of the service is not ready all the while, for no replica is in it.
    """
    sample = yaml.safe_load((SAMPLES / "ttsjob-welcome.yaml").read_text(encoding="utf-8"))
    sample["spec"]["parallelism"] = 1  # so that there is time to see it run
    for post in sample["spec"]["posts"]["inline"]:
        post["text"] = {language: f"{text} " * 4 for language, text in post["text"].items()}
    speech.apply(sample)
    job = speech.wait_job("welcome", lambda status: status.get("progress", {}).get("done", 0) > 0)
    assert job["phase"] == "Running"
    done = job["progress"]["done"]
    (pod,) = speech.kubectl("get", "pods", "-o", "name", "-l", "job-name=welcome").split()
    speech.kubectl("delete", pod, "--grace-period=0", "--force")
    job = speech.wait_job("welcome", lambda status: status.get("completionTime"))
    assert job["phase"] == "Succeeded", job
    assert done <= job["progress"]["skipped"] <= 8, "what was done is not done again"
    assert job["progress"] | {"skipped": 0} == {
        "total": 8, "done": 8, "failed": 0, "skipped": 0, "percent": 100, "summary": "8/8",
    }  # fmt: skip
    assert speech.files("welcome") == [
        f"post_0{post}_{gender}_{locale}.mp3"
        for post in (1, 2)
        for gender in ("female", "male")
        for locale in ("en-US", "es-ES")
    ]
    header, row = speech.kubectl("get", "ttsj", "welcome").splitlines()
    assert header.split() == ["NAME", "PHASE", "DONE/TOTAL", "FAILED", "AGE"]
    assert row.split()[:4] == ["welcome", "Succeeded", "8/8", "0"]
    speech.wait_events("TTSJob", {"Running", "AttemptFailed", "Succeeded"})


def test_voice_model_scale_down_removes_the_idle_pod(speech: Speech) -> None:
    deadline = time.monotonic() + PATIENCE
    while sorted((ready := speech.ready_workers()).values()) != [False, True]:
        assert time.monotonic() < deadline, ready
        time.sleep(1)
    idle, used = sorted(ready, key=lambda name: ready[name])
    one = {"spec": {"replicas": {"min": 1, "max": 1}}}
    speech.kubectl("patch", "voicemodel", "kokoro", "--type=merge", "-p", json.dumps(one))
    speech.kubectl("wait", "--for=delete", f"pod/{idle}", "--timeout=120s")
    assert used in speech.pods()
    assert speech.say("female_en-US", "Nobody was disturbed.").status_code == 200


def test_tts_job_is_suspended_resumed_and_removed_after_its_ttl(speech: Speech) -> None:
    posts = [{"id": n, "text": {"en": f"Table {n} by the window is yours tonight."}} for n in range(1, 17)]
    spec = {
        "posts": {"inline": posts},
        "avatars": {"locales": ["en-US", "en-GB"], "genders": ["female"]},
        "output": {"uri": "pvc://playground-audio/tables", "nameTemplate": "table_{post}_{locale}"},
        "parallelism": 2,  # so that few are in hand when it is stopped
    }
    speech.apply({"apiVersion": "ttsplayground.dev/v1alpha1", "kind": "TTSJob",
                  "metadata": {"name": "tables"}, "spec": spec})  # fmt: skip
    speech.wait_job("tables", lambda status: status.get("progress", {}).get("done", 0) > 1)
    assert speech.driver_runs()
    speech.patch_job("tables", {"suspend": True})
    speech.kubectl("wait", "--for=delete", "rayjob/tables", "--timeout=120s")
    job = speech.wait_job("tables", lambda status: status["phase"] == "Suspended")
    deadline = time.monotonic() + PATIENCE
    while speech.driver_runs():  # it ends after the items in hand
        assert time.monotonic() < deadline, "the driver of a suspended job goes on"
        time.sleep(0.5)
    stopped = speech.files("tables")
    assert 1 < len(stopped) < 32
    time.sleep(3)
    assert speech.files("tables") == stopped, "a suspended job renders nothing"
    speech.patch_job("tables", {"suspend": False})
    job = speech.wait_job("tables", lambda status: status.get("completionTime"))
    assert job["phase"] == "Succeeded", job
    assert job["progress"]["skipped"] == len(stopped), "what was done is not done again"
    speech.patch_job("tables", {"ttlSecondsAfterFinished": 5})
    speech.kubectl("wait", "--for=delete", "ttsjob/tables", "--timeout=120s")
    assert len(speech.files("tables")) == 32, "the files stay"


def test_ephemeral_tts_job_runs_on_a_cluster_of_its_own(speech: Speech) -> None:
    """Its workers have the model loaded; its posts are in a ConfigMap; its pods go when it is done.

    Its output is a claim that many nodes may have at a time, as one of NFS is; here a folder of the one node.
    """
    mode = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    folder = {"path": "/tmp/hostpath_pv/shared", "type": "DirectoryOrCreate"}  # noqa: S108 - of the node
    speech.apply(
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "shared"},
         "spec": {**mode, "capacity": {"storage": "1Gi"}, "persistentVolumeReclaimPolicy": "Retain",
                  "hostPath": folder}},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "shared"},
         "spec": {**mode, "volumeName": "shared", "resources": {"requests": {"storage": "1Gi"}}}},
    )  # fmt: skip
    speech.on_claim("shared", "chmod", "777", "/claim")  # Kubernetes heeds no fsGroup on a folder of a node
    lines = [json.dumps({"id": n, "text": {"en": f"Good evening, room {n}."}}) for n in (1, 2)]
    speech.kubectl("create", "configmap", "evening", f"--from-literal=posts.jsonl={chr(10).join(lines)}")
    spec = {
        "ephemeral": {},
        "posts": {"configMapRef": {"name": "evening"}},
        "avatars": {"locales": ["en-GB"], "genders": ["female"]},
        "output": {"uri": "pvc://shared/evening"},
    }
    speech.apply({"apiVersion": "ttsplayground.dev/v1alpha1", "kind": "TTSJob",
                  "metadata": {"name": "evening"}, "spec": spec})  # fmt: skip
    job = speech.wait_job("evening", lambda status: status.get("completionTime"))
    assert job["phase"] == "Succeeded", job
    listed = speech.on_claim("shared", "ls", "/claim/evening").split()
    names = ["post_01_female_en-GB.mp3", "post_02_female_en-GB.mp3"]
    assert sorted(name for name in listed if name.endswith(".mp3")) == names
    own = "ray.io/originated-from-cr-name=evening"
    speech.kubectl("wait", "--for=delete", "raycluster", "-l", own, f"--timeout={PATIENCE:.0f}s")


@pytest.mark.usefixtures("kueue_installed")
def test_ephemeral_tts_job_waits_in_a_kueue_queue_and_gives_its_cluster_back(speech: Speech) -> None:
    """Kueue holds it back, admits it, takes its cluster from it midway, and admits it again."""
    quota = {"cpu": 8, "memory": "32Gi"}
    flavor = {"name": "default", "resources": [{"name": n, "nominalQuota": q} for n, q in quota.items()]}
    queue = {
        "namespaceSelector": {},
        "resourceGroups": [{"coveredResources": list(quota), "flavors": [flavor]}],
        "stopPolicy": "Hold",
    }
    version = {"apiVersion": "kueue.x-k8s.io/v1beta2"}
    speech.apply(
        {**version, "kind": "ResourceFlavor", "metadata": {"name": "default"}},
        {**version, "kind": "ClusterQueue", "metadata": {"name": "batches"}, "spec": queue},
        {**version, "kind": "LocalQueue", "metadata": {"name": "batches", "namespace": NAMESPACE},
         "spec": {"clusterQueue": "batches"}},
    )  # fmt: skip
    posts = [{"id": n, "text": {"en": f"Your boat to the island leaves at {n}. " * 3}} for n in range(1, 25)]
    spec = {
        "ephemeral": {},
        "posts": {"inline": posts},
        "avatars": {"locales": ["en-US"], "genders": ["female"]},
        "output": {"uri": "pvc://playground-audio/boats"},
        "parallelism": 1,  # so that there is time to stop it
    }
    labels = {"kueue.x-k8s.io/queue-name": "batches"}
    speech.apply({"apiVersion": "ttsplayground.dev/v1alpha1", "kind": "TTSJob",
                  "metadata": {"name": "boats", "labels": labels}, "spec": spec})  # fmt: skip

    def is_queued(status: dict[str, Any]) -> bool:
        reasons = {c["type"]: c["reason"] for c in status.get("conditions", [])}
        return status.get("phase") == "Pending" and reasons["Progressing"] == "Queued"

    def stop(policy: str) -> None:
        patch = json.dumps({"spec": {"stopPolicy": policy}})
        speech.kubectl("patch", "clusterqueue", "batches", "--type=merge", "-p", patch)

    speech.wait_job("boats", is_queued)
    own = ("-l", "ray.io/originated-from-cr-name=boats")
    assert speech.get("rayclusters", *own)["items"] == []
    stop("None")
    speech.wait_job("boats", lambda status: status.get("progress", {}).get("done", 0) > 1)
    stop("HoldAndDrain")
    job = speech.wait_job("boats", is_queued)
    speech.kubectl("wait", "--for=delete", "raycluster", *own, f"--timeout={PATIENCE:.0f}s")
    assert 1 < job["progress"]["done"] < len(posts)
    stop("None")
    job = speech.wait_job("boats", lambda status: status.get("completionTime"))
    assert job["phase"] == "Succeeded", job
    assert job["progress"]["skipped"] > 1, "what was done is not done again"
    assert "failedAttempts" not in job, "it is no fault of the job"
    assert len(speech.files("boats")) == len(posts)


def test_tts_job_status_lists_all_errors(speech: Speech) -> None:
    spec = {
        "posts": {"inline": [{"id": 1, "text": {"en": "..."}}, {"id": 2, "text": {"es": "Hola."}}]},
        "avatars": {"locales": ["en-US"]},
        "output": {"uri": "pvc://playground-audio/wrong"},
    }
    speech.apply({"apiVersion": "ttsplayground.dev/v1alpha1", "kind": "TTSJob",
                  "metadata": {"name": "wrong"}, "spec": spec})  # fmt: skip
    job = speech.wait_job("wrong", lambda status: status.get("completionTime"))
    assert job["phase"] == "Failed"
    (degraded,) = (c for c in job["conditions"] if c["type"] == "Degraded")
    assert (degraded["status"], degraded["reason"]) == ("True", "BatchFailed")
    assert "post 1: its text in en has nothing to speak" in degraded["message"]
    assert "post 2: it has no text for en-US" in degraded["message"]


def test_voice_model_is_added_in_place_without_a_failed_request(speech: Speech) -> None:
    before, head = speech.cluster_name(), speech.head()
    answers: list[str] = []
    stop = threading.Event()

    def keep_asking() -> None:
        while not stop.is_set():
            try:
                answers.append(str(speech.say("female_en-US", "Good morning.").status_code))
            except httpx.HTTPError as error:
                answers.append(repr(error))

    client = threading.Thread(target=keep_asking)
    client.start()
    try:
        speech.apply(speech.sample("hindi", locale="hi-IN", gender="female", speaker="hf_alpha"))
        speech.wait_ready("hindi")
        response = speech.say("female_hi-IN", "आपका कमरा तैयार है।", "hindi")
        assert response.status_code == 200, response.text
    finally:
        stop.set()
        client.join()
    assert len(answers) > 3
    assert set(answers) == {"200"}
    assert speech.cluster_name() == before
    assert speech.head() == head


def test_voice_model_is_changed_and_removed_in_place(speech: Speech) -> None:
    before = speech.cluster_name()
    voices = speech.get("voicemodel", "kokoro")["spec"]["voices"]
    added = [*voices, {"locale": "en-GB", "gender": "male", "speaker": "bm_george"}]
    speech.kubectl(
        "patch", "voicemodel", "kokoro", "--type=merge", "-p", json.dumps({"spec": {"voices": added}})
    )
    speech.wait_ready("kokoro")
    assert speech.say("male_en-GB", "Good night.").status_code == 200
    speech.kubectl("delete", "voicemodel", "hindi")
    deadline = time.monotonic() + PATIENCE
    while (refused := speech.say("female_hi-IN", "नमस्ते", "hindi")).status_code != 400:
        assert time.monotonic() < deadline, refused.text
        time.sleep(1)
    assert "kokoro" in refused.json()["error"]["message"]
    assert speech.cluster_name() == before


def test_model_files_are_fetched_once_and_never_by_a_serving_pod(
    speech: Speech, installed: ControlPlane
) -> None:
    """From a simulated hub on this machine, which the pods that serve are told not to ask."""
    if isinstance(installed, KindCluster):
        pytest.skip("the simulated hub listens on the node form's bridge")
    folder = fetch(Source(uri="package://kokoro-82m/int8"))
    before = speech.cluster_name()
    with simulated_hub(network.GATEWAY, folder) as (endpoint, asked):
        speech.kubectl("create", "secret", "generic", "hub", f"--from-literal=HF_ENDPOINT={endpoint}")
        speech.kubectl(
            "patch", "playground", "playground", "--type=merge",
            "-p", json.dumps({"spec": {"storage": {"credentialsSecret": "hub"}}}),
        )  # fmt: skip
        model = speech.sample("hub", locale="en-US", gender="male", speaker="af_bella")
        model["spec"]["source"] = {"uri": f"hf://{REPOSITORY}", "revision": COMMIT}
        speech.kubectl("patch", "voicemodel", "kokoro", "--type=json", "-p", json.dumps(_WITHOUT_MALE))
        speech.apply(model)
        speech.wait_ready("hub")
        fetched = len(asked)
        assert sum(path.endswith("model.onnx") for path in asked) == 1
        assert speech.say("male_en-US", "Fetched once.", "hub").status_code == 200
        (worker,) = [name for name in speech.pods() if "-hub-" in name]
        kill(speech, worker, "hub")
        speech.wait_ready("hub")
        assert len(asked) == fetched
    assert speech.cluster_name() == before
    speech.kubectl("delete", "voicemodel", "hub")
    speech.kubectl("wait", "--for=delete", "job", "-l", "ttsplayground.dev/model=hub", "--timeout=60s")


def test_text_model_writes_on_the_same_cluster(speech: Speech) -> None:
    before = speech.cluster_name()
    smollm = yaml.safe_load((SAMPLES / "textmodel-smollm.yaml").read_text(encoding="utf-8"))
    smollm["spec"]["resources"]["cpu"] = "250m"  # two cores hold all that there is here
    speech.apply(smollm)
    speech.wait_ready("smollm", "textmodel")
    body = {
        "model": "smollm",
        "messages": [{"role": "user", "content": "Name one colour."}],
        "max_tokens": 16,
        "temperature": 0,
    }
    where = speech.url("services/playground-serve-svc:8000")
    answer = httpx.post(f"{where}/v1/chat/completions", json=body, timeout=120)
    assert answer.status_code == 200, answer.text
    (choice,) = answer.json()["choices"]
    assert choice["message"]["content"].strip()
    assert 1 <= answer.json()["usage"]["completion_tokens"] <= 16
    assert speech.say("female_en-US", "The voice goes on beside it.").status_code == 200
    assert speech.cluster_name() == before
    speech.kubectl("delete", "textmodel", "smollm")
    deadline = time.monotonic() + PATIENCE
    while httpx.post(f"{where}/v1/chat/completions", json=body, timeout=120).status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(1)
    assert speech.cluster_name() == before


def test_worker_pod_comes_back_after_a_kill(speech: Speech) -> None:
    worker = next(pod for pod in speech.pods() if "-kokoro-" in pod)
    kill(speech, worker)
    speech.wait_ready("kokoro")
    assert worker not in speech.pods()
    assert speech.say("female_en-US", "Back again.").status_code == 200


def test_head_pod_comes_back_after_a_kill(speech: Speech) -> None:
    head = speech.head()
    kill(speech, head)
    speech.wait_ready("kokoro")
    assert speech.head() != head
    assert speech.say("female_en-US", "Back again.").status_code == 200


def kill(speech: Speech, pod: str, model: str = "kokoro") -> None:
    """Kill a pod, and wait until the model's status tells; it may be Ready again by the time that we look."""
    since = speech.condition(model, "Ready")["lastTransitionTime"]
    speech.kubectl("delete", "pod", pod, "--grace-period=0", "--force")
    deadline = time.monotonic() + PATIENCE
    while (ready := speech.condition(model, "Ready"))["status"] == "True":
        if ready["lastTransitionTime"] != since:
            return
        assert time.monotonic() < deadline, "a killed pod did not show in the status"
        time.sleep(0.5)


def test_kubectl_shows_the_voice_model_and_its_events(speech: Speech) -> None:
    speech.wait_ready("kokoro")
    header, row = speech.kubectl("get", "voice", "kokoro").splitlines()
    assert header.split() == ["NAME", "SERVICE", "ENGINE", "READY", "REASON", "REPLICAS", "AVATARS", "AGE"]
    assert row.split()[:7] == ["kokoro", "playground", "kokoro", "True", "Serving", "1", "5"]
    events = speech.get("events")["items"]
    assert any(event.get("reason") == "Serving" for event in events)


def test_service_is_removed_with_its_last_model_and_its_audio_stays(speech: Speech) -> None:
    speech.kubectl("delete", "voicemodel", "kokoro")
    speech.kubectl("wait", "--for=delete", "rayservice/playground", f"--timeout={PATIENCE:.0f}s")
    assert speech.get("pvc", "playground-audio")["status"]["phase"] == "Bound"


def authority(name: str) -> dict[str, Any]:
    """Return a Secret with a certificate authority that lasts a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate = made.public_bytes(serialization.Encoding.PEM)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": name},
        "stringData": {"tls.crt": certificate.decode(), "tls.key": secret.decode()},
    }


class Guarded:
    """A service of the profile `standard` in its own namespace: a gateway without models."""

    def __init__(self, cluster: ControlPlane) -> None:
        self._cluster = cluster
        cluster.kubectl("create", "namespace", "guarded")

    def kubectl(self, *arguments: str) -> str:
        return self._cluster.kubectl("-n", "guarded", *arguments)

    def apply(self, text: str) -> None:
        self._cluster.kubectl("-n", "guarded", "apply", "-f", "-", input=text)

    def run(self, program: str, *environment: str, limit: int = 60) -> str:
        """Run a Python program in the head, for `limit` seconds at most; return what it printed."""
        pods = json.loads(self.kubectl("get", "pods", "-l", "ray.io/node-type=head", "-o", "json"))["items"]
        command = ("env", *environment, "timeout", str(limit), "python", "-c", program)
        return self.kubectl("exec", pods[0]["metadata"]["name"], "--", *command).strip()

    def ask(self, key: str) -> str:
        """Return the status of the answer to a request with a key, from within the head."""
        return self.run(
            "import urllib.request as u, urllib.error as e\n"
            f"r = u.Request('http://127.0.0.1:8000/v1/models', headers={{'Authorization': 'Bearer {key}'}})\n"
            "try: print(u.urlopen(r, timeout=20).status)\nexcept e.HTTPError as error: print(error.code)"
        )


def test_service_knows_the_callers_of_a_secret_of_keys(installed: ControlPlane) -> None:
    """A key is known until it is removed from the Secret. Ray's processes talk by TLS only."""
    guarded = Guarded(installed)
    sample = next(yaml.safe_load_all((SAMPLES / "laptop.yaml").read_text(encoding="utf-8")))
    sample["spec"] |= {"security": {"keysSecret": "api-keys"}, "whenEmpty": "KeepGateway"}
    sample["spec"]["ray"]["tlsSecret"] = "ray-ca"
    key, secret = KeySecret.new("api-keys").with_key("default", "a", [Scope.READ], None, "e2e")
    guarded.apply(secret.text())
    guarded.apply(yaml.safe_dump(authority("ray-ca")))
    guarded.apply(yaml.safe_dump(sample))
    guarded.kubectl("wait", "playground/playground", "--for=condition=Ready", f"--timeout={PATIENCE:.0f}s")
    assert guarded.ask(key.text) == "200"
    assert guarded.ask(key.text[:-1]) == "401"
    program = "import ray; ray.init('auto', log_to_driver=False); print(len(ray.nodes()))"
    assert guarded.run(program).endswith("1")
    with pytest.raises(CommandError):
        guarded.run(program, "RAY_USE_TLS=0", limit=20)
    guarded.apply(replace(secret, records=()).text())
    deadline = time.monotonic() + PATIENCE  # the kubelet looks at Secrets about once a minute
    while guarded.ask(key.text) != "401":
        assert time.monotonic() < deadline, "the key is known although the Secret does not have it any more"
        time.sleep(2)
    installed.kubectl("delete", "namespace", "guarded", "--wait=false")


def test_helm_test_succeeds(installed: ControlPlane) -> None:
    reported = installed.helm("test", "tts-playground", "-n", "tts-system", "--timeout", "3m")
    assert "Succeeded" in reported
