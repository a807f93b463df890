"""TTSJobs on a real API server. KubeRay stands still, and the tests say what it, Ray and the driver would."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from kubelet import Kubelet
from resources import API, CLUSTER, application, serving, voice_model
from running import eventually

from cluster.control_plane import CommandError
from tts_operator.objects import (
    CONFIG_MAP,
    JOB_LABEL,
    NETWORK_POLICY,
    POD,
    RAY_JOB,
    RAY_SERVICE,
    TTS_JOB,
    VOICE_MODEL,
    Ref,
)

pytestmark = pytest.mark.usefixtures("kuberay_stopped", "operator")

POSTS = [{"id": 1, "text": {"en": "Welcome", "ar": "مرحبا"}}, {"id": 2, "text": {"en": "Breakfast"}}]


@pytest.fixture(scope="module")
def kubelet(control_plane, tmp_path_factory):
    """Return a node's kubelet that hands out what a test says that pods wrote."""
    with Kubelet(control_plane, tmp_path_factory.mktemp("kubelet")) as made:
        yield made


def tts_job(name="welcome", labels=None, **spec):
    return {
        "apiVersion": API,
        "kind": "TTSJob",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {
            "posts": {"inline": POSTS},
            "output": {"uri": "pvc://playground-audio/welcome"},
            **spec,
        },
    }


def line(done, failed=0, total=8, **more):
    progress = {"total": total, "done": done, "failed": failed, "skipped": 0}
    return json.dumps({"progress": progress, "failures": [], **more}) + "\n"


def serve(api, cluster=CLUSTER):
    """Have a service that serves kokoro on a cluster."""
    if api.get(VOICE_MODEL, "kokoro") is None:
        api.apply(voice_model())
    service = api.await_object(Ref(RAY_SERVICE, "playground"))
    status = serving(service["metadata"]["generation"], gateway=application(), kokoro=application())
    status["activeServiceStatus"]["rayClusterName"] = cluster
    api.merge_status(RAY_SERVICE, "playground", status)


@pytest.fixture
def service(api):
    serve(api)


def phase(api, wanted, reason=None, name="welcome"):
    """Wait for a phase, and a reason; return the status."""

    def look():
        status = (api.get(TTS_JOB, name) or {}).get("status", {})
        reasons = {c["reason"] for c in status.get("conditions", []) if c["type"] == "Complete"}
        return status if status.get("phase") == wanted and (reason is None or reason in reasons) else None

    try:
        return eventually(look, f"{wanted} {reason}")
    except AssertionError as error:
        raise AssertionError(f"{error}; it is {(api.get(TTS_JOB, name) or {}).get('status')}") from None


class Ray:
    """Says what KubeRay, the kubelet and the driver say of a job."""

    def __init__(self, api, kubelet, name="welcome"):
        self._api, self._kubelet, self._name = api, kubelet, name
        self._uids = set()

    def run(self, log):
        """Have a new RayJob's driver run, and write `log`; return the RayJob."""

        def look():
            found = self._api.get(RAY_JOB, self._name)
            return found if found and found["metadata"]["uid"] not in self._uids else None

        made = eventually(look, "a new RayJob")
        uid = made["metadata"]["uid"]
        self._uids.add(uid)
        self.pod = f"{self._name}-{uid[:8]}"
        self.write(log)
        labels = {JOB_LABEL: self._name, "app.kubernetes.io/component": "submitter"}
        container = {
            "name": "submitter",
            "image": "i",
            "env": [{"name": "RAY_JOB_SUBMISSION_ID", "value": uid}],
        }
        self._api.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": self.pod, "labels": labels},
                "spec": {"nodeName": self._kubelet.node, "containers": [container]},
            }
        )
        self._api.merge_status(POD, self.pod, {"phase": "Running"})
        self.say(jobId=uid, jobDeploymentStatus="Running", jobStatus="RUNNING")
        return made

    def say(self, **status):
        """Write the RayJob's status."""
        self._api.merge_status(RAY_JOB, self._name, status)

    def break_off(self, message="the head died"):
        """End the RayJob without an outcome, long ago."""
        ended = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.say(jobDeploymentStatus="Failed", reason="AppFailed", message=message, endTime=ended)

    def write(self, log):
        """Let the driver have written `log`."""
        self._kubelet.logs[self._api.namespace, self.pod] = log


@pytest.fixture
def ray(api, kubelet):
    return Ray(api, kubelet)


def test_tts_job_waits_for_its_service_and_becomes_a_ray_job(api):
    api.apply(tts_job())
    phase(api, "Pending", "ServiceMissing")
    api.apply(voice_model())
    phase(api, "Pending", "ServiceNotReady")
    serve(api)
    made = api.await_object(Ref(RAY_JOB, "welcome"))
    assert made["spec"]["clusterSelector"] == {"ray.io/cluster": CLUSTER}
    assert made["metadata"]["ownerReferences"][0]["kind"] == "TTSJob"


def test_tts_job_batch_holds_inline_posts_and_their_models(api, service):
    api.apply(tts_job())
    api.await_object(Ref(RAY_JOB, "welcome"))
    (batch,) = [c for c in api.list(CONFIG_MAP) if c["metadata"]["name"].startswith("welcome-batch")]
    job, model = yaml.safe_load_all(batch["data"]["batch.yaml"])
    assert job["spec"]["posts"]["inline"] == POSTS
    assert (model["kind"], model["metadata"]["name"]) == ("VoiceModel", "kokoro")
    assert [p for p in api.list(NETWORK_POLICY) if p["metadata"]["name"].startswith("welcome-pods")]


def test_operator_logs_what_it_does_about_a_job_and_none_of_its_texts(api, service, operator):
    word = "zanzibarquokka"
    api.apply(tts_job(posts={"inline": [{"id": 1, "text": {"en": f"One {word}."}}]}))
    api.await_object(Ref(RAY_JOB, "welcome"))
    (batch,) = [found for found in api.list(CONFIG_MAP) if word in str(found)]
    assert batch["metadata"]["name"].startswith("welcome-batch"), "there the text is needed"
    line = eventually(
        lambda: next((one for one in operator.records if one.get("job") == "welcome"), None),
        "a line about the job",
    )
    assert (line["component"], line["event"], line["resource"]) == ("operator", "status changed", "welcome")
    assert word not in operator.log


def test_tts_job_mounts_posts_of_a_config_map(api, service):
    api.apply(tts_job(posts={"configMapRef": {"name": "posts"}}))
    made = api.await_object(Ref(RAY_JOB, "welcome"))
    (container,) = made["spec"]["submitterPodTemplate"]["spec"]["containers"]
    assert "/batch/config-maps/posts/posts.jsonl" in [m["mountPath"] for m in container["volumeMounts"]]


def test_tts_job_status_reports_progress_and_outcome(api, service, ray):
    api.apply(tts_job())
    ray.run(line(0))
    status = phase(api, "Running")
    assert status["startTime"]
    ray.write(line(0) + line(3, 1))

    def percent():
        return api.get(TTS_JOB, "welcome")["status"].get("progress", {}).get("percent")

    eventually(lambda: percent() == 50, "half of it")
    ray.write(line(8, outcome="Succeeded") + "\n------\nJob 'x' succeeded\n------\n")
    status = phase(api, "Succeeded")
    assert status["progress"]["summary"] == "8/8"
    assert status["completionTime"]
    assert api.condition(TTS_JOB, "welcome", "Complete")["status"] == "True"


def test_tts_job_status_lists_failed_items_with_reasons(api, service, ray, control_plane):
    api.apply(tts_job())
    failures = [
        {"post": n, "avatar": "female_en-US", "reason": "TextMissing", "message": "no"} for n in range(12)
    ]
    ray.run(line(0, 12, 12, outcome="PartiallyFailed", failures=failures))
    status = phase(api, "PartiallyFailed", "ItemsFailed")
    assert [failure["post"] for failure in status["failures"]] == list(range(10))
    table = control_plane.kubectl("get", "ttsj", "-n", api.namespace).splitlines()
    assert table[0].split() == ["NAME", "PHASE", "DONE/TOTAL", "FAILED", "AGE"]
    assert table[1].split()[:4] == ["welcome", "PartiallyFailed", "0/12", "12"]


def test_tts_job_with_errors_fails_and_is_not_retried(api, service, ray):
    api.apply(tts_job())
    made = ray.run(line(0, outcome="Failed", message="avatars: nobody speaks ur-PK"))
    phase(api, "Failed", "BatchFailed")
    ray.break_off()
    assert "ur-PK" in api.condition(TTS_JOB, "welcome", "Degraded")["message"]
    assert api.get(RAY_JOB, "welcome")["metadata"]["uid"] == made["metadata"]["uid"]


def test_tts_job_is_suspended_and_resumed(api, service, ray):
    api.apply(tts_job())
    ray.run(line(3))
    phase(api, "Running")
    api.apply(tts_job(suspend=True))
    status = phase(api, "Suspended", "Suspended")
    assert status["progress"]["done"] == 3
    assert api.get(RAY_JOB, "welcome") is None
    api.apply(tts_job(suspend=False))
    ray.run(line(8, outcome="Succeeded"))
    phase(api, "Succeeded")


def test_tts_job_failure_while_stopping_is_not_counted(api, service, ray, control_plane):
    """The output may be away in the moment in which the driver is to leave it."""

    def hold(finalizers):
        patch = json.dumps({"metadata": {"finalizers": finalizers}})
        control_plane.kubectl("patch", "rayjob", "welcome", "-n", api.namespace, "--type=merge", "-p", patch)

    api.apply(tts_job())
    ray.run(line(3))
    phase(api, "Running")
    hold(["ttsplayground.dev/test"])
    api.apply(tts_job(suspend=True))
    phase(api, "Suspended", "Stopping")
    ray.write(line(3, outcome="Failed", message="the output cannot be written"))
    api.apply(tts_job(suspend=False))
    phase(api, "Pending", "Stopping")
    hold([])
    made = ray.run(line(8, outcome="Succeeded"))
    assert made["metadata"]["annotations"]["ttsplayground.dev/attempt"] == "1"
    phase(api, "Succeeded")


def test_tts_job_on_a_service_leaves_out_the_queue_label(api, service):
    """Kueue admits clusters, and a service's runs already."""
    api.apply(tts_job(labels={"kueue.x-k8s.io/queue-name": "nightly"}))
    made = api.await_object(Ref(RAY_JOB, "welcome"))
    assert "kueue.x-k8s.io/queue-name" not in made["metadata"]["labels"]
    events = api.await_events(Ref(TTS_JOB, "welcome"), {"Starting"})
    assert "queue-name is left out" in events["Starting"]


def test_tts_job_is_deleted_after_its_ttl(api, service, ray):
    api.apply(tts_job(ttlSecondsAfterFinished=1))
    ray.run(line(8, outcome="Succeeded"))
    api.await_absence(Ref(TTS_JOB, "welcome"))
    api.await_absence(Ref(RAY_JOB, "welcome"))


def test_tts_job_is_stopped_by_its_deadline(api, service, ray):
    api.apply(tts_job(activeDeadlineSeconds=1))
    ray.run(line(3))
    status = phase(api, "Failed", "DeadlineExceeded")
    assert status["progress"]["done"] == 3
    api.await_absence(Ref(RAY_JOB, "welcome"))


def test_tts_job_deletion_removes_its_children(api, service, ray):
    api.apply(tts_job())
    ray.run(line(3))
    phase(api, "Running")
    api.delete(TTS_JOB, "welcome")
    api.await_absence(Ref(RAY_JOB, "welcome"))
    for kind in (CONFIG_MAP, NETWORK_POLICY):
        eventually(
            lambda kind=kind: not [o for o in api.list(kind) if o["metadata"]["name"].startswith("welcome-")],
            f"no {kind.name} of the job",
        )
    assert api.get(RAY_SERVICE, "playground"), "the service stays"


def test_tts_job_is_retried_when_broken_off(api, service, ray):
    api.apply(tts_job())
    ray.run(line(3))
    phase(api, "Running")
    ray.break_off()
    made = ray.run(line(8, outcome="Succeeded"))
    assert made["metadata"]["annotations"]["ttsplayground.dev/attempt"] == "2"
    assert phase(api, "Succeeded")["failedAttempts"] == 1
    api.await_events(Ref(TTS_JOB, "welcome"), {"AttemptFailed"})


def test_tts_job_moves_to_the_cluster_that_takes_over(api, service, ray):
    api.apply(tts_job())
    ray.run(line(3))
    phase(api, "Running")
    serve(api, "playground-other")
    made = ray.run(line(8, outcome="Succeeded"))
    assert made["spec"]["clusterSelector"] == {"ray.io/cluster": "playground-other"}
    assert "failedAttempts" not in phase(api, "Succeeded")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"output": {"uri": "pvc://another"}}, "output"),
        ({"service": "another"}, "service"),
        ({"avatars": {"locales": ["en-US"]}}, "avatars"),
        ({"posts": {"inline": [{"id": 1, "text": {"en": "Goodbye"}}]}}, "posts"),
    ],
)
def test_tts_job_refuses_a_changed_spec_and_says_what_to_do(api, control_plane, change, field):
    api.apply(tts_job())
    with pytest.raises(CommandError) as refused:
        control_plane.kubectl(
            "apply", "--server-side", "--force-conflicts", "-n", api.namespace, "--filename=-",
            input=json.dumps(tts_job(**change)),
        )  # fmt: skip
    assert f"{field} cannot be changed: make a new TTSJob on the same output" in str(refused.value)


def test_tts_job_reports_a_claim_that_the_service_lacks(api, service):
    api.apply(tts_job(output={"uri": "pvc://elsewhere/a"}))
    phase(api, "Pending", "InvalidClaim")
    assert "pvc://playground-audio" in api.condition(TTS_JOB, "welcome", "Degraded")["message"]


def test_tts_job_goes_on_after_an_operator_restart(api, service, ray, operator):
    api.apply(tts_job())
    made = ray.run(line(3))
    phase(api, "Running")
    operator.kill()
    ray.write(line(8, outcome="Succeeded"))
    operator.start()
    status = phase(api, "Succeeded")
    assert status["progress"]["done"] == 8
    assert api.get(RAY_JOB, "welcome")["metadata"]["uid"] == made["metadata"]["uid"]


def test_tts_jobs_do_not_affect_each_other(api, service, kubelet):
    for name in ("one", "two"):
        api.apply(tts_job(name))
    one, two = Ray(api, kubelet, "one"), Ray(api, kubelet, "two")
    one.run(line(8, outcome="Succeeded"))
    two.run(line(0, outcome="Failed", message="no"))
    phase(api, "Succeeded", name="one")
    phase(api, "Failed", name="two")


def test_tts_job_events_report_its_phases(api, service, ray):
    api.apply(tts_job())
    ray.run(line(3))
    phase(api, "Running")
    ray.write(line(8, outcome="Succeeded"))
    phase(api, "Succeeded")
    api.await_events(Ref(TTS_JOB, "welcome"), {"Starting", "Running", "Succeeded"})


def test_tts_job_status_is_not_written_again_when_unchanged(api, service, ray):
    api.apply(tts_job())
    ray.run(line(3))
    eventually(lambda: phase(api, "Running").get("progress", {}).get("done") == 3, "the progress")
    before = api.get(TTS_JOB, "welcome")["metadata"]["resourceVersion"]
    again = Ray(api, ray._kubelet, "second")
    api.apply(tts_job("second"))
    again.run(line(8, outcome="Succeeded"))
    phase(api, "Succeeded", name="second")
    assert api.get(TTS_JOB, "welcome")["metadata"]["resourceVersion"] == before
