"""TTSJobs: what they consist of, what is read of them, and what the reconcile does next."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from fake_kube import FakeKube

from tts_app.resources import TTSJob
from tts_app.resources.engines import ENGINES
from tts_operator.desired.groups import group_of
from tts_operator.desired.jobs import ATTEMPT_ANNOTATION, JobInputs, job_children, needed, unusable
from tts_operator.desired.ray_service import Defaults, ray_service
from tts_operator.kube import KubeError
from tts_operator.objects import (
    COMPONENT_LABEL,
    CONFIG_MAP,
    EVENT,
    JOB_LABEL,
    MANAGED_LABEL,
    NETWORK_POLICY,
    PLAYGROUND,
    POD,
    POD_MONITOR,
    RAY_CLUSTER,
    RAY_JOB,
    RAY_SERVICE,
    SERVICE_LABEL,
    TTS_JOB,
    VOICE_MODEL,
    JobKey,
    Ref,
    rfc3339,
)
from tts_operator.observed.jobs import read_attempt, read_report, submitter_of
from tts_operator.plan.job import ATTEMPTS
from tts_operator.reconcile.jobs import JobReconciler
from tts_operator.reconcile.read import LiveReader
from tts_operator.reconcile.statuses import StatusWriter

DEFAULTS = Defaults(
    "registry/app:1", {"kokoro": "registry/kokoro:1"}, "2.60.0", "kuberay", profile="development"
)
INLINE = {"inline": [{"id": 1, "text": {"en": "Hello", "ar": "مرحبا"}}]}


def tts_job(labels=None, **spec):
    return {
        "apiVersion": "ttsplayground.dev/v1alpha1",
        "kind": "TTSJob",
        "metadata": {
            "name": "welcome",
            "namespace": "speech",
            "uid": "uid-1",
            "generation": 1,
            "labels": labels or {},
        },
        "spec": {"posts": INLINE, "output": {"uri": "pvc://playground-audio/welcome"}, **spec},
    }


def parsed(**manifest):
    made = tts_job(**manifest)
    metadata = {name: made["metadata"][name] for name in ("name", "labels")}
    return TTSJob.model_validate({**made, "metadata": metadata})


@pytest.mark.parametrize("kind", ["PodMonitor", "ServiceMonitor"])
def test_job_children_with_a_cluster_of_its_own_have_a_monitor(children, kind):
    service = {"monitoring": {"kind": kind, "labels": {"release": "prom"}}}
    assert "PodMonitor" not in children(service), "the service's cluster has its own"
    found = children(service, ephemeral={})
    monitor = found["PodMonitor"]
    assert monitor["metadata"]["labels"]["release"] == "prom"
    (own,) = monitor["metadata"]["ownerReferences"]
    assert own["name"] == "welcome"
    pods = found["RayJob"]["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["metadata"]["labels"]
    assert pods.items() >= monitor["spec"]["selector"]["matchLabels"].items()
    assert list(found)[-1] == "RayJob", "it is made last"


def test_job_children_have_annotations_on_the_pods_of_their_cluster(children):
    service = {"monitoring": {"kind": "Annotations"}}
    cluster = children(service, ephemeral={})["RayJob"]["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert group["template"]["metadata"]["annotations"]["prometheus.io/scrape"] == "true"


@pytest.fixture
def children(playground, model):
    def build(service=None, models=None, attempt=1, **manifest):
        job = parsed(**manifest)
        cluster = "" if job.spec.ephemeral else "playground-abcde"
        inputs = JobInputs(job, "uid-1", playground(**(service or {})), models or [model()], cluster, attempt)
        return {child["kind"]: child for child in job_children(inputs, DEFAULTS)}

    return build


def test_job_children_of_a_service_select_its_cluster(children):
    ray_job = children()["RayJob"]
    assert ray_job["metadata"]["name"] == "welcome"
    assert ray_job["metadata"]["annotations"] == {ATTEMPT_ANNOTATION: "1"}
    spec = ray_job["spec"]
    assert spec["entrypoint"] == "ttsp render -f batch.yaml --json --uid uid-1 --speaker service"
    assert spec["clusterSelector"] == {"ray.io/cluster": "playground-abcde"}
    assert json.loads(spec["runtimeEnvYAML"]) == {"working_dir": "/batch"}
    assert not {"suspend", "backoffLimit", "rayClusterSpec"} & spec.keys()


def test_job_children_hold_the_job_and_its_models_as_written(children, model):
    batch = children()["ConfigMap"]["data"]["batch.yaml"]
    job, voice = yaml.safe_load_all(batch)
    assert job == parsed().written()
    assert voice == model().written()
    assert "مرحبا" in batch, "not escaped: the size counts"


def test_job_children_are_owned_by_the_job(children):
    for child in children().values():
        (owner,) = child["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"]) == ("TTSJob", "welcome", "uid-1")
        assert SERVICE_LABEL not in child["metadata"]["labels"]


def test_submitter_is_restricted_and_mounts_single_files(children):
    made = children(posts={"configMapRef": {"name": "posts", "key": "all.jsonl"}})
    template = made["RayJob"]["spec"]["submitterPodTemplate"]
    assert SERVICE_LABEL not in template["metadata"]["labels"]
    pod = template["spec"]
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert "command" not in container, "KubeRay's own, with the cluster's address and token"
    paths = {m["mountPath"]: m["subPath"] for m in container["volumeMounts"] if "subPath" in m}
    assert paths == {
        "/batch/batch.yaml": "batch.yaml",
        "/batch/config-maps/posts/all.jsonl": "all.jsonl",
    }
    names = [v["configMap"]["name"] for v in pod["volumes"] if "configMap" in v]
    assert names == [made["ConfigMap"]["metadata"]["name"], "posts"]


def test_own_cluster_mounts_the_claims_of_the_job(children, model):
    made = children(
        ephemeral={"replicas": 3},
        posts={"uri": "pvc://posts/all.jsonl"},
        output={"uri": "pvc://audio/welcome"},
    )
    spec = made["RayJob"]["spec"]
    place = f"--place kokoro={group_of(model())}"
    assert spec["entrypoint"] == f"ttsp render -f batch.yaml --json --uid uid-1 --speaker engine {place}"
    assert spec["shutdownAfterJobFinishes"]
    assert "clusterSelector" not in spec
    cluster = spec["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    (group,) = cluster["workerGroupSpecs"]
    assert (group["groupName"], group["replicas"]) == (group_of(model()), 3)
    for part in (cluster["headGroupSpec"], group):
        pod = part["template"]["spec"]
        mounts = {m["mountPath"]: m.get("readOnly", False) for m in pod["containers"][0]["volumeMounts"]}
        assert mounts["/claims/audio"] is False
        assert mounts["/claims/posts"] is True
        assert "envFrom" not in pod["containers"][0]
        assert SERVICE_LABEL not in part["template"]["metadata"]["labels"]


def test_own_cluster_is_on_the_node_of_the_audio_claim(children):
    cluster = children(ephemeral={}, output={"uri": "pvc://playground-audio/x"})["RayJob"]["spec"][
        "rayClusterSpec"
    ]
    for part in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        template = part["template"]
        (term,) = template["spec"]["affinity"]["podAffinity"][
            "requiredDuringSchedulingIgnoredDuringExecution"
        ]
        wanted = term["labelSelector"]["matchLabels"]
        assert wanted == {"ttsplayground.dev/claim-playground-audio": ""}
        assert wanted.items() <= template["metadata"]["labels"].items()
        assert SERVICE_LABEL not in template["metadata"]["labels"]


def test_job_children_have_credentials_only_for_object_stores(children):
    credentials = {"storage": {"credentialsSecret": "s3"}}
    outside = children(credentials, ephemeral={}, output={"uri": "s3://bucket/a"})
    head = outside["RayJob"]["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    assert head["containers"][0]["envFrom"] == [{"secretRef": {"name": "s3"}}]
    inside = children(credentials, ephemeral={})
    ports = [[p["port"] for rule in made["NetworkPolicy"]["spec"]["egress"] for p in rule.get("ports", ())]
             for made in (outside, inside)]  # fmt: skip
    assert ports == [[53, 53, 443], [53, 53]]
    minio = children(
        {"networkPolicy": {"outsidePorts": [443, 9000]}}, ephemeral={}, output={"uri": "s3://bucket/a"}
    )
    assert [p["port"] for p in minio["NetworkPolicy"]["spec"]["egress"][-1]["ports"]] == [443, 9000]


def test_job_policy_lets_the_submitter_reach_the_dashboard_only(children):
    policy = children()["NetworkPolicy"]["spec"]
    beyond = [rule for rule in policy["egress"] if "to" in rule and "ports" in rule]
    (rule,) = beyond
    (peer,) = rule["to"]
    labels = peer["podSelector"]["matchLabels"]
    assert labels == {SERVICE_LABEL: "playground", "ray.io/node-type": "head"}
    assert rule["ports"] == [{"port": 8265, "protocol": "TCP"}]
    assert "NetworkPolicy" not in children({"networkPolicy": {"enabled": False}})


def test_ray_job_has_labels_of_kueue_with_its_own_cluster_only(children):
    labels = {"kueue.x-k8s.io/queue-name": "batches", "team": "web"}
    own = children(labels=labels, ephemeral={})["RayJob"]["metadata"]["labels"]
    assert own["kueue.x-k8s.io/queue-name"] == "batches"
    assert "team" not in own
    assert "kueue.x-k8s.io/queue-name" not in children(labels=labels)["RayJob"]["metadata"]["labels"]


def test_head_mounts_the_audio_claim_where_pvc_addresses_point(playground, model):
    made = ray_service(playground(), [model()], DEFAULTS, "playground-audio", "")
    head = made["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]
    paths = [m["mountPath"] for m in head["containers"][0]["volumeMounts"] if m["name"] == "audio"]
    assert paths == ["/audio-output", "/claims/playground-audio"]
    assert [v["name"] for v in head["volumes"]].count("audio") == 1


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"output": {"uri": "file:///out"}}, "LocalFiles"),
        ({"output": {"uri": "file:///out"}, "ephemeral": {}}, "LocalFiles"),
        ({"output": {"uri": "pvc://other/a"}}, "InvalidClaim"),
        ({"posts": {"uri": "pvc://posts/a.jsonl"}}, "InvalidClaim"),
        ({"output": {"uri": "s3://bucket/a"}}, "InvalidStorage"),
    ],
)
def test_unusable_says_what_to_use_instead(spec, reason):
    found, message = unusable(parsed(**spec), "playground-audio")
    assert found == reason
    assert "use pvc://" in message


@pytest.mark.parametrize(
    "spec", [{}, {"output": {"uri": "s3://b/a"}, "ephemeral": {}}, {"posts": {"configMapRef": {"name": "p"}}}]
)
def test_unusable_accepts_what_a_cluster_reaches(spec):
    assert unusable(parsed(**spec), "playground-audio") is None


def test_needed_are_the_models_that_speak_for_the_job(model):
    models = [model("a", avatars=[("en-US", "female")]), model("b", avatars=[("ar-EG", "male")])]

    def names(**avatars):
        return [m.name for m in needed(parsed(avatars=avatars), models)]

    assert names() == ["a", "b"]
    assert names(locales=["ar-EG"]) == ["b"]
    assert names(genders=["female"]) == ["a"]
    assert names(locales=["ar-EG"], genders=["female"]) == []


def test_needed_for_cloned_voices_are_all_models_that_clone(model, monkeypatch):
    """Kokoro stands for an engine that clones."""
    cloning = replace(ENGINES["kokoro"], voice_kinds=("speaker", "reference"))
    voice = "voice_0123456789abcdef01234567"
    output = {"uri": "pvc://playground-audio/a", "nameTemplate": "{post}_{voice}"}
    job = parsed(avatars={"voices": [voice]}, output=output)
    models = [model("a"), model("b", avatars=[("ar-EG", "male")])]
    assert needed(job, models) == []
    monkeypatch.setattr("tts_operator.desired.jobs.ENGINES", {**ENGINES, "kokoro": cloning})
    assert needed(job, models) == models


def line(done, failed=0, total=8, **more):
    progress = {"total": total, "done": done, "failed": failed, "skipped": 1}
    return json.dumps({"progress": progress, "failures": [], **more})


def failure(post=1):
    return {"post": post, "avatar": "female_en-US", "reason": "TextMissing", "message": "no text"}


def test_read_report_takes_the_last_line_of_progress():
    log = (
        f"a warning\n{line(2)}\n{line(3, 1, outcome='PartiallyFailed')}\n\n-----\nJob 'x' failed\n[1]\n{{}}\n"
    )
    report = read_report(log)
    assert report.outcome == "PartiallyFailed"
    assert report.progress["percent"] == 50
    assert report.progress["summary"] == "3/8"
    assert read_report("nothing\n") is None
    assert read_report(line(0, total=0)).progress["percent"] == 0
    assert read_report('{"level": "info"}\n[]\n3\n') is None


def test_read_report_keeps_ten_failures_and_cuts_messages():
    said = [{**failure(number), "message": "m" * 2000} for number in range(12)]
    report = read_report(line(0, 12, 12, failures=said))
    assert [item["post"] for item in report.failures] == list(range(10))
    assert {len(item["message"]) for item in report.failures} == {1024}


def submitter(name, submission, created="2026-01-01T00:00:00Z", phase="Running"):
    container = {"name": "submitter", "env": [{"name": "RAY_JOB_SUBMISSION_ID", "value": submission}]}
    return {
        "metadata": {"name": name, "labels": {}, "creationTimestamp": created},
        "spec": {"containers": [container]},
        "status": {"phase": phase},
    }


def test_submitter_of_ignores_pods_of_earlier_attempts():
    status = {"jobId": "job-2", "jobDeploymentStatus": "Running"}
    made = {"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {}, "status": status}
    attempt = read_attempt(made)
    pods = [submitter("old", "job-1", "2026-01-03T00:00:00Z"), submitter("a", "job-2")]
    assert submitter_of(attempt, pods)["metadata"]["name"] == "a"
    assert submitter_of(attempt, pods[:1]) is None


class World:
    """A TTSJob and a service on an API server, a KubeRay and a clock, all moved by the test."""

    def __init__(self, job, models, policy):
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.kube = FakeKube()
        self.kube.clock = lambda: rfc3339(self.now)
        self._policy = policy
        self.kube.put(TTS_JOB, job)
        for model in models:
            self.kube.put(VOICE_MODEL, model)
        origin = {"ray.io/originated-from-crd": "RayService", "ray.io/originated-from-cr-name": "playground"}
        labels = {SERVICE_LABEL: "playground", **origin}
        head = {"head": {"serviceName": "playground-abcde-head-svc"}}
        self.kube.put(
            RAY_CLUSTER,
            {"metadata": {"name": "playground-abcde", "labels": labels}, "spec": {}, "status": head},
        )

    async def step(self, seconds=0):
        self.now += timedelta(seconds=seconds)

        def now():
            return self.now

        writer = StatusWriter(self.kube, now, "tests")
        reconciler = JobReconciler(self.kube, LiveReader(self.kube), self._policy, now, writer)
        return await reconciler.reconcile(JobKey("speech", "welcome"))

    @property
    def job(self):
        return self.kube.found(Ref(TTS_JOB, "welcome"))

    @property
    def ray_job(self):
        return self.kube.found(Ref(RAY_JOB, "welcome"))

    @property
    def made(self):
        return [kind.name for kind in (CONFIG_MAP, NETWORK_POLICY, RAY_JOB) if self.kube.of_kind(kind)]

    @property
    def status(self):
        return self.job["status"]

    @property
    def phase(self):
        return self.status["phase"]

    @property
    def reason(self):
        return self.condition("Complete")["reason"]

    @property
    def attempt(self):
        return self.ray_job["metadata"]["annotations"][ATTEMPT_ANNOTATION]

    def condition(self, type_):
        return next(c for c in self.status["conditions"] if c["type"] == type_)

    def spec(self, **changes):
        self.kube.change(Ref(TTS_JOB, "welcome"), lambda job: job["spec"].update(changes))

    def serve(self, cluster="playground-abcde", ours=True, name="playground", **states):
        deployments = {"Voice": {"status": "HEALTHY"}}
        apps = {
            app: {"status": states.get(app, "RUNNING"), "serveDeploymentStatuses": deployments}
            for app in ("gateway", "kokoro")
        }
        active = {"rayClusterName": cluster, "applicationStatuses": apps}
        labels = {MANAGED_LABEL: "tts-operator", SERVICE_LABEL: name} if ours else {}
        made = {
            "metadata": {"name": name, "labels": labels},
            "spec": {"serveConfigV2": "", "rayClusterConfig": {}},
            "status": {"observedGeneration": 1, "activeServiceStatus": active},
        }
        self.kube.put(RAY_SERVICE, made)

    def pod(self, made):
        """Have one pod of the job, and no other."""
        for found in self.kube.of_kind(POD):
            self.kube.drop(Ref(POD, found["metadata"]["name"]))
        labels = {JOB_LABEL: "welcome", COMPONENT_LABEL: "submitter"}
        made["metadata"]["labels"] = labels
        self.kube.put(POD, made)

    def driver_says(self, text):
        self.kube.logs["pod"] = text

    def ray_says(self, stage, job="", submission="job-1", **more):
        ended = {"endTime": self.now.isoformat()} if stage in ("Complete", "Failed") else {}
        said = {"jobDeploymentStatus": stage, "jobStatus": job, "jobId": submission, **ended, **more}
        self.kube.change(Ref(RAY_JOB, "welcome"), lambda ray_job: ray_job.update(status=said))

    async def run(self, text="", submission="job-1"):
        """Have the RayJob made and its driver run."""
        await self.step()
        self.pod(submitter("pod", submission))
        self.driver_says(text)
        self.ray_says("Running", "RUNNING", submission)
        return await self.step()


@pytest.fixture
def world(voice_model, policy):
    def build(**manifest):
        made = World(tts_job(**manifest), [voice_model()], policy)
        made.serve()
        return made

    return build


async def test_job_waits_for_its_service(world):
    job = world()
    job.kube.drop(Ref(RAY_SERVICE, "playground"))
    await job.step()
    assert (job.phase, job.reason, job.made) == ("Pending", "ServiceMissing", [])
    job.serve(cluster="")
    await job.step()
    assert job.reason == "ServiceNotReady"
    job.serve(kokoro="DEPLOYING")
    await job.step()
    assert "kokoro of service playground is DEPLOYING" in job.condition("Progressing")["message"]
    job.serve()
    await job.step()
    assert job.made == ["ConfigMap", "NetworkPolicy", "RayJob"]


@pytest.mark.parametrize(("was_ready", "reason"), [("True", "Starting"), ("False", "ServiceNotReady")])
async def test_job_runs_on_a_cluster_that_is_being_replaced(world, was_ready, reason):
    """KubeRay reports nothing of its applications then; what its model's status says counts."""
    job = world()

    def replaced(service):
        del service["status"]["activeServiceStatus"]["applicationStatuses"]
        service["status"]["pendingServiceStatus"] = {"rayClusterName": "playground-fghij"}

    job.kube.change(Ref(RAY_SERVICE, "playground"), replaced)
    ready = {"conditions": [{"type": "Ready", "status": was_ready, "observedGeneration": 1}]}
    job.kube.change(Ref(VOICE_MODEL, "kokoro"), lambda model: model.update(status=ready))
    await job.step()
    assert job.reason == reason
    if was_ready == "True":
        assert job.ray_job["spec"]["clusterSelector"] == {"ray.io/cluster": "playground-abcde"}


async def test_job_does_not_run_on_a_ray_service_of_another_owner(world):
    job = world()
    job.serve(ours=False)
    await job.step()
    assert (job.reason, job.made) == ("ServiceMissing", [])


async def test_job_reports_a_mount_error_after_two_minutes(world):
    job = world()
    await job.step()
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    waits = {"name": "submitter", "state": {"waiting": {"reason": "ContainerCreating"}}}
    pod = submitter("pod", "job-1")
    pod["metadata"]["uid"] = "uid-pod"
    pod["spec"]["volumes"] = [{"name": "posts", "configMap": {"name": "june"}}]
    pod["status"] = {"phase": "Pending", "conditions": [scheduled], "containerStatuses": [waits]}
    job.pod(pod)
    failed_mount = {
        "metadata": {"name": "pod.1"},
        "reason": "FailedMount",
        "note": 'configmap "june" not found',
        "regarding": {"kind": "Pod", "uid": "uid-pod"},
        "deprecatedLastTimestamp": "2026-01-01T00:00:02Z",
    }
    job.kube.put(EVENT, failed_mount)
    job.ray_says("Running")
    again = await job.step(100)
    assert (job.reason, again) == ("Starting", 30), "and it is looked at again in time"
    await job.step(30)
    degraded = job.condition("Degraded")
    assert (job.phase, degraded["status"], degraded["reason"]) == ("Pending", "True", "VolumesNotReady")
    assert "(ConfigMap june)" in degraded["message"]
    assert 'configmap "june" not found' in degraded["message"]


async def test_job_reports_that_its_service_is_missing(world):
    job = world()
    job.kube.drop(Ref(VOICE_MODEL, "kokoro"))
    await job.step()
    assert job.condition("Degraded")["reason"] == "ServiceMissing"
    assert job.kube.reported == [("Warning", "ServiceMissing")]


async def test_job_reports_its_progress(world):
    job = world()
    again = await job.run(line(3))
    assert again <= 4
    assert (job.phase, job.status["progress"]["summary"]) == ("Running", "3/8")
    assert job.status["startTime"] == "2026-01-01T00:00:00Z"
    job.kube.take_writes()
    await job.step()
    assert job.kube.take_writes() == [], "nothing changed, nothing is written"
    assert job.kube.reported == [("Normal", "Starting"), ("Normal", "Running")]


async def test_job_reports_what_its_batch_waits_for(world):
    job = world()
    await job.run(line(3, waiting="0a1b2c3d/cpu is 91% in use"))
    message = job.condition("Progressing")["message"]
    assert message.endswith("RayCluster playground-abcde. It waits: 0a1b2c3d/cpu is 91% in use.")
    await job.run(line(4))
    assert job.condition("Progressing")["message"].endswith("RayCluster playground-abcde.")
    assert job.kube.reported == [("Normal", "Starting"), ("Normal", "Running")], "its phase is the same"


@pytest.mark.parametrize(
    ("said", "phase", "degraded"),
    [
        (line(8, outcome="Succeeded"), "Succeeded", "AsExpected"),
        (line(7, 1, outcome="PartiallyFailed", failures=[failure()]), "PartiallyFailed", "ItemsFailed"),
        (line(0, outcome="Failed", message="no such voice"), "Failed", "BatchFailed"),
    ],
)
async def test_job_ends_as_its_driver_says(world, said, phase, degraded):
    job = world()
    await job.run(f"{said}\nJob 'x' failed\n")
    assert (job.phase, job.condition("Degraded")["reason"]) == (phase, degraded)
    assert job.condition("Complete")["status"] == "True"
    assert job.status["completionTime"]
    job.ray_says("Failed", "FAILED")
    assert await job.step() is None
    assert (job.phase, job.attempt) == (phase, "1"), "what the driver called an end is never tried again"


async def test_job_keeps_its_progress_while_a_driver_counts_nothing(world):
    """A driver that waits for the one before, or that is refused, has counted nothing."""
    job = world()
    await job.run(line(3))
    assert "--goes-on" not in job.ray_job["spec"]["entrypoint"]
    job.ray_says("Failed", "FAILED")
    await job.step()
    await job.step(20)
    await job.run(json.dumps({"waiting": "another driver is at work in /out"}), "job-2")
    assert job.ray_job["spec"]["entrypoint"].endswith("--goes-on --speaker service")
    assert job.condition("Progressing")["message"].endswith("It waits: another driver is at work in /out.")
    assert (job.phase, job.status["progress"]["summary"]) == ("Running", "3/8")
    job.driver_says(json.dumps({"outcome": "Failed", "message": "no model offers it"}))
    await job.step()
    assert (job.phase, job.status["progress"]["summary"]) == ("Failed", "3/8")
    assert job.condition("Complete")["message"] == "no model offers it"


async def test_job_fails_when_its_batch_is_too_large(world):
    text = "Good morning. " * 700
    posts = [{"id": number, "text": {"en": text}} for number in range(1, 121)]
    job = world(posts={"inline": posts})
    await job.step()
    assert (job.phase, job.reason, job.made) == ("Failed", "BatchTooLarge", [])
    assert "give the posts by `posts.uri` or `posts.configMapRef`" in job.condition("Complete")["message"]


async def test_job_does_not_count_an_attempt_that_ended_with_its_cluster(world):
    job = world()
    await job.run(line(3))
    job.ray_says("Failed", "FAILED")
    job.serve("playground-other")
    await job.step()
    assert (job.reason, job.ray_job) == ("ClusterReplaced", None)
    await job.step()
    assert (job.attempt, job.status.get("failedAttempts")) == ("1", None)


async def test_job_stops_when_suspended_and_resumes(world):
    job = world()
    await job.run(line(3))
    job.spec(suspend=True)
    await job.step(1)
    assert (job.phase, job.ray_job) == ("Suspended", None)
    assert await job.step() is None
    assert job.status["progress"]["done"] == 3
    assert "startTime" not in job.status
    job.spec(suspend=False)
    job.now += timedelta(seconds=1)
    await job.run(line(4), "job-2")
    assert (job.phase, job.attempt, job.status["progress"]["done"]) == ("Running", "1", 4)


async def test_job_created_suspended_does_not_begin(world):
    job = world(suspend=True)
    await job.step()
    assert (job.phase, job.made) == ("Suspended", [])


async def test_job_is_deleted_after_its_time_to_live(world):
    job = world(ttlSecondsAfterFinished=60)
    await job.run(line(8, outcome="Succeeded"))
    assert await job.step(10) == 50
    await job.step(50)
    assert job.job is None


async def test_job_deletion_is_retried_when_refused(world):
    job = world(ttlSecondsAfterFinished=60)
    await job.run(line(8, outcome="Succeeded"))
    job.kube.refused = {("delete", TTS_JOB.name): 403}
    with pytest.raises(KubeError):
        await job.step(60)
    job.kube.refused = {}
    await job.step()
    assert job.job is None


async def test_job_fails_at_its_deadline(world):
    job = world(activeDeadlineSeconds=60)
    await job.run(line(3))
    await job.step(59)
    assert job.phase == "Running"
    await job.step(1)
    assert (job.phase, job.reason, job.ray_job) == ("Failed", "DeadlineExceeded", None)


async def test_job_is_tried_again_five_times_at_most(world):
    job = world()
    for number in range(1, ATTEMPTS + 1):
        await job.run(line(3), f"job-{number}")
        assert (job.phase, job.attempt) == ("Running", str(number))
        job.ray_says("Failed", "FAILED", f"job-{number}", reason="AppFailed", message="the head died")
        await job.step()
        if number < ATTEMPTS:
            assert (job.phase, job.reason) == ("Pending", "AttemptFailed")
            assert job.ray_job is not None, "not at once"
            await job.step(10 * 2**number)
            assert job.ray_job is None
    assert (job.phase, job.reason) == ("Failed", "AttemptsExhausted")
    assert "the head died" in job.condition("Complete")["message"]
    assert job.status["failedAttempts"] == ATTEMPTS


async def test_job_runs_on_when_its_log_cannot_be_read(world):
    job = world()
    await job.run(line(3))
    job.kube.refused["log", "Pod"] = 500
    await job.step()
    assert (job.phase, job.status["progress"]["done"]) == ("Running", 3)


async def test_job_moves_to_the_next_active_cluster(world):
    job = world()
    await job.run(line(3))
    job.serve("playground-other")
    await job.step()
    assert (job.phase, job.reason, job.ray_job) == ("Pending", "ClusterReplaced", None)
    await job.step()
    assert job.ray_job["spec"]["clusterSelector"] == {"ray.io/cluster": "playground-other"}
    assert job.attempt == "1", "it is no fault of the job"


async def test_job_does_not_wait_for_a_monitor_whose_kind_the_cluster_lacks(world):
    job = world(ephemeral={})
    job.kube.put(
        PLAYGROUND, {"metadata": {"name": "playground"}, "spec": {"monitoring": {"kind": "PodMonitor"}}}
    )
    job.kube.refused = {("create", "PodMonitor"): 404}
    await job.step()
    assert job.kube.of_kind(POD_MONITOR) == []
    assert job.ray_job is not None
    assert job.reason == "Starting"


async def test_job_is_queued_while_kueue_holds_its_cluster_back(world):
    job = world(ephemeral={})
    await job.step()
    job.kube.change(Ref(RAY_JOB, "welcome"), lambda ray_job: ray_job["spec"].update(suspend=True))
    await job.step()
    assert (job.phase, job.reason) == ("Pending", "Queued")


async def test_job_has_not_failed_when_kueue_takes_its_cluster(world):
    job = world(ephemeral={})
    await job.run(line(3))
    job.kube.change(Ref(RAY_JOB, "welcome"), lambda ray_job: ray_job["spec"].update(suspend=True))
    job.ray_says("Suspending", "RUNNING")
    job.driver_says(line(3, outcome="Failed", message="the workers are gone"))
    await job.step()
    assert (job.phase, job.reason) == ("Pending", "Queued")
    assert job.status["progress"]["done"] == 3
    job.kube.change(Ref(RAY_JOB, "welcome"), lambda ray_job: ray_job["spec"].update(suspend=False))
    job.ray_says("Running", "RUNNING", "job-2")
    job.pod(submitter("pod", "job-2"))
    job.driver_says(line(8, outcome="Succeeded"))
    await job.step()
    assert job.phase == "Succeeded"


async def test_job_reports_what_is_wrong_with_its_pods(world):
    job = world(ephemeral={})
    await job.step()
    job.ray_says("Initializing")
    state = {"name": "ray-head", "image": "i", "state": {"waiting": {"reason": "ErrImagePull"}}}
    status = {"phase": "Pending", "containerStatuses": [state]}
    job.pod({**submitter("head", ""), "status": status})
    await job.step()
    assert (job.phase, job.condition("Degraded")["reason"]) == ("Pending", "ImagePullFailed")


async def test_job_gives_kuberay_the_dashboard_of_its_service(world):
    """KubeRay calls a cluster ready when all of its pods are at one time, and hands no job in before."""
    job = world()
    await job.step()
    job.ray_says("")
    await job.step()
    assert "dashboardURL" not in job.ray_job["status"], "KubeRay has not taken it up"
    job.ray_says("Initializing")
    await job.step()
    assert (job.phase, job.reason) == ("Pending", "Starting")
    assert job.ray_job["status"]["dashboardURL"] == "playground-abcde-head-svc.speech.svc:8265"
    job.ray_says("Initializing", dashboardURL="from.kuberay:8265")
    await job.step()
    assert job.ray_job["status"]["dashboardURL"] == "from.kuberay:8265"


async def test_job_leaves_the_dashboard_of_its_own_cluster_to_kuberay(world):
    job = world(ephemeral={})
    await job.step()
    job.ray_says("Initializing")
    await job.step()
    assert "dashboardURL" not in job.ray_job["status"]


async def test_job_fails_with_local_files_and_waits_with_a_wrong_claim(world):
    job = world(output={"uri": "file:///out"})
    await job.step()
    assert (job.phase, job.reason) == ("Failed", "LocalFiles")
    job = world(output={"uri": "pvc://other"})
    await job.step()
    assert (job.phase, job.condition("Degraded")["reason"]) == ("Pending", "InvalidClaim")


async def test_job_leaves_a_ray_job_of_another_owner_alone(world):
    job = world()
    await job.step()
    job.kube.change(
        Ref(RAY_JOB, "welcome"),
        lambda ray_job: ray_job["metadata"]["ownerReferences"][0].update(uid="another"),
    )
    await job.step()
    assert job.reason == "NameTaken"
    assert job.ray_job is not None


async def test_job_with_its_own_cluster_must_not_have_a_services_name(world):
    job = world(ephemeral={})
    job.serve(name="welcome", ours=False)
    await job.step()
    assert (job.condition("Degraded")["reason"], job.made) == ("NameTaken", [])
    job = world()
    job.serve(name="welcome")
    await job.step()
    assert "RayJob" in job.made, "on a service's cluster it has no Service of its own"


async def test_job_reports_a_refusal(world):
    job = world()
    job.kube.refused["create", "RayJob"] = 422
    await job.step()
    assert job.condition("Degraded")["reason"] == "InvalidChild"


async def test_job_accepts_children_that_exist(world):
    job = world()
    job.kube.refused["create", "ConfigMap"] = 409
    await job.step()
    assert (job.phase, job.reason) == ("Pending", "Starting")
