"""The plan of a TTSJob, as a table: facts in, what is to be done out."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tts_operator.desired.jobs import ATTEMPT_ANNOTATION
from tts_operator.objects import MANAGED_LABEL, RAY_JOB, TTS_JOB, JobKey, Key, Ref
from tts_operator.observed.conditions import Cause
from tts_operator.observed.jobs import Report
from tts_operator.plan.job import JobFacts, plan_job
from tts_operator.plan.service import ServiceFacts

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
CLUSTER = "playground-abcde"
OWN_CLUSTER = {"ephemeral": {"copyOf": "playground"}}
COUNTS = {"total": 8, "done": 3, "failed": 0, "skipped": 0, "percent": 37, "summary": "3/8"}


def resource(status=None, **spec):
    made = {
        "apiVersion": "ttsplayground.dev/v1alpha1",
        "kind": "TTSJob",
        "metadata": {"name": "welcome", "namespace": "speech", "uid": "uid-1", "generation": 1},
        "spec": {
            "posts": {"inline": [{"id": 1, "text": {"en": "Hello"}}]},
            "output": {"uri": "pvc://playground-audio/welcome"},
            **spec,
        },
    }
    return made if status is None else {**made, "status": status}


def ray_job(stage="Running", job="RUNNING", uid="uid-1", attempt=1, **more):
    status = {"jobDeploymentStatus": stage, "jobStatus": job, "jobId": "job-1", **more.pop("status", {})}
    return {
        "metadata": {
            "name": "welcome",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {ATTEMPT_ANNOTATION: str(attempt)},
            "ownerReferences": [{"uid": uid}],
            **more,
        },
        "spec": {"clusterSelector": {"ray.io/cluster": CLUSTER}},
        "status": status,
    }


@pytest.fixture
def service(voice_model):
    states = {"status": "RUNNING", "serveDeploymentStatuses": {"Voice": {"status": "HEALTHY"}}}
    applications = {"rayClusterName": CLUSTER, "applicationStatuses": {"kokoro": states, "gateway": states}}
    live = {
        "metadata": {"name": "playground", "generation": 1, "labels": {MANAGED_LABEL: "tts-operator"}},
        "spec": {"serveConfigV2": "", "rayClusterConfig": {}},
        "status": {"observedGeneration": 1, "activeServiceStatus": applications},
    }
    head = {"status": {"head": {"serviceName": "head-svc"}}, "metadata": {"name": CLUSTER}}
    return ServiceFacts(
        Key("speech", "playground"), models=[voice_model()], ray_service=live, ray_clusters=[head]
    )


@pytest.fixture
def facts(service):
    def build(job=None, **more):
        return JobFacts(JobKey("speech", "welcome"), job or resource(), service=service, **more)

    return build


@pytest.fixture
def plan(policy):
    return lambda facts: plan_job(facts, NOW, policy)


def said(plan):
    """Return the phase and the reason that the status has."""
    return plan.status.fields["phase"], plan.status.conditions[0].reason


FAILED = {"endTime": "2026-01-01T00:59:45Z", "reason": "AppFailed", "message": "the head died"}
SUSPENDED = {"suspend": True}
ENDED = {"phase": "Succeeded", "completionTime": "2026-01-01T00:59:00Z"}


def test_plan_creates_the_ray_job_of_a_job_last(plan, facts):
    found = plan(facts())
    assert [made["kind"] for made in found.create] == ["ConfigMap", "NetworkPolicy", "RayJob"]
    assert said(found) == ("Pending", "Starting")


@pytest.mark.parametrize(
    ("job", "child", "report", "expected"),
    [
        (resource(), ray_job(), None, ("Running", "Running")),
        (resource(), ray_job(), Report(COUNTS), ("Running", "Running")),
        (resource(), ray_job(), Report(COUNTS, outcome="Succeeded"), ("Succeeded", "Succeeded")),
        (
            resource(),
            ray_job("Failed", "FAILED"),
            Report(COUNTS, outcome="Failed"),
            ("Failed", "BatchFailed"),
        ),
        (resource(), ray_job("Initializing", ""), None, ("Pending", "Starting")),
        (resource(), ray_job("Suspended", ""), None, ("Pending", "Queued")),
        (resource(), ray_job(uid="another"), None, ("Pending", "NameTaken")),
        (resource(), ray_job("Failed", "FAILED", status=FAILED), None, ("Pending", "AttemptFailed")),
        (resource(**SUSPENDED), None, None, ("Suspended", "Suspended")),
        (resource(**SUSPENDED), ray_job(), None, ("Suspended", "Stopping")),
        (resource(posts={"uri": "pvc://other/a"}), None, None, ("Pending", "InvalidClaim")),
        (resource(output={"uri": "file:///out"}), None, None, ("Failed", "LocalFiles")),
        (resource(avatars={"locales": ["nowhere"]}), None, None, ("Pending", "InvalidSpec")),
    ],
)
def test_plan_sets_the_phase_and_reason_of_a_job(plan, facts, job, child, report, expected):
    assert said(plan(facts(job, ray_job=child, report=report))) == expected


@pytest.mark.parametrize(
    ("job", "child", "deleted"),
    [
        (resource(), ray_job(), False),
        (resource(**SUSPENDED), ray_job(), True),
        (resource(**SUSPENDED), ray_job(deletionTimestamp="2026-01-01T00:00:00Z"), False),
        (resource({"startTime": "2026-01-01T00:00:00Z"}, activeDeadlineSeconds=3600), ray_job(), True),
        (resource({"startTime": "2026-01-01T00:00:00Z"}, activeDeadlineSeconds=3601), ray_job(), False),
        (resource(), ray_job("Failed", "FAILED", status=FAILED), False),
        (resource({"failedAttempts": 1}), ray_job("Failed", "FAILED", status=FAILED), True),
        (resource({"failedAttempts": 2}), ray_job("Failed", "FAILED", attempt=2, status=FAILED), False),
        (resource(), ray_job("Failed", "FAILED", attempt=5, status=FAILED), True),
    ],
)
def test_plan_deletes_the_ray_job(plan, facts, job, child, deleted):
    found = plan(facts(job, ray_job=child))
    assert found.delete == (Ref(RAY_JOB, "welcome") if deleted else None)
    assert found.create == ()


def test_plan_deletes_a_ray_job_whose_cluster_is_replaced(plan, facts, service):
    other = {**service.ray_service, "status": {"activeServiceStatus": {"rayClusterName": "playground-other"}}}
    found = plan(replace(facts(ray_job=ray_job()), service=replace(service, ray_service=other)))
    assert (said(found), found.delete) == (("Pending", "ClusterReplaced"), Ref(RAY_JOB, "welcome"))


@pytest.mark.parametrize(
    ("ttl", "deleted", "again"), [(None, None, None), (90, None, 30), (60, Ref(TTS_JOB, "welcome"), None)]
)
def test_plan_of_a_job_that_has_ended(plan, facts, ttl, deleted, again):
    job = resource(ENDED, **({} if ttl is None else {"ttlSecondsAfterFinished": ttl}))
    found = plan(facts(job))
    assert (found.delete, found.look_again, found.status) == (deleted, again, None)


@pytest.mark.parametrize(
    ("stage", "more", "address"),
    [
        ("Initializing", {}, "head-svc.speech.svc:8265"),
        ("Initializing", {"dashboardURL": "known"}, ""),
        ("", {}, ""),
    ],
)
def test_plan_tells_kuberay_the_dashboard(plan, facts, stage, more, address):
    assert plan(facts(ray_job=ray_job(stage, "", status=more))).dashboard == address


@pytest.mark.parametrize(
    ("job", "child", "again"),
    [(resource(), ray_job(), 3), (resource(**SUSPENDED), None, None), (resource(**SUSPENDED), ray_job(), 5)],
)
def test_plan_looks_again(plan, facts, job, child, again):
    assert plan(facts(job, ray_job=child)).look_again == again


def test_plan_reports_a_refusal(plan, facts):
    found = plan(facts(refusal=Cause("InvalidChild", "no room")))
    assert (said(found), found.acts) == (("Pending", "InvalidChild"), False)


@pytest.mark.parametrize(
    ("profile", "posts", "spec", "expected"),
    [
        ("regulated", {"inline": [{"id": 1, "text": {"en": "Hello"}}]}, {}, ("Failed", "PostsInResource")),
        ("regulated", {"configMapRef": {"name": "posts"}}, {}, ("Failed", "PostsInResource")),
        ("regulated", {"uri": "pvc://playground-audio/posts.jsonl"}, {}, ("Pending", "Starting")),
        ("regulated", {"uri": "s3://a/b.jsonl"}, OWN_CLUSTER, ("Pending", "Insecure")),
        ("standard", {"inline": [{"id": 1, "text": {"en": "Hello"}}]}, {}, ("Pending", "Starting")),
        (
            "standard",
            {"uri": "s3://a/b.jsonl"},
            {"ephemeral": {"copyOf": "playground"}},
            ("Pending", "Insecure"),
        ),
    ],
)
def test_plan_refuses_a_job_that_its_profile_does_not_allow(
    plan, facts, service, profile, posts, spec, expected
):
    own = {"security": {"profile": profile}, "ray": {"auth": "none"}, "networkPolicy": {"enabled": False}}
    playground = {"metadata": {"name": "playground", "generation": 1}, "spec": own}
    service = replace(service, playground=playground)
    job = resource(posts=posts, **spec)
    assert said(plan(replace(facts(job), service=service))) == expected
