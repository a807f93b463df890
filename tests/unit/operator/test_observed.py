"""The truth about a service, from what its children say."""

from datetime import UTC, datetime, timedelta

import pytest

from tts_operator.desired.groups import group_of
from tts_operator.desired.selection import Verdict
from tts_operator.objects import TEXT_MODEL, VOICE_MODEL, Ref, rfc3339
from tts_operator.observed.conditions import Cause, Condition, conditions_of, is_settled
from tts_operator.observed.pods import is_held_up, mount_error, needs_log, pods_by_group, problems
from tts_operator.observed.ray import read_service
from tts_operator.observed.scaling import Pods
from tts_operator.observed.status import Observation, model_status, service_status

HEAD = frozenset({"headgroup"})
OOM = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}

NOW = datetime(2026, 1, 1, 0, 10, tzinfo=UTC)


def container(name="ray-head", **status):
    return {"containerStatuses": [{"name": name, "image": "registry/tts:1", **status}]}


def ray_service(application="RUNNING", deployment="HEALTHY", message="", *, generation=1, pending="", **apps):
    """Return a RayService as KubeRay writes it: of two clusters it reports one, the pending one."""
    state = {
        "status": application,
        "message": message,
        "serveDeploymentStatuses": {"Voice": {"status": deployment}},
    }
    reported = {"applicationStatuses": {"kokoro": state, "gateway": state, **apps}}
    return {
        "metadata": {"name": "playground", "generation": 1},
        "status": {
            "observedGeneration": generation,
            "activeServiceStatus": {"rayClusterName": "playground-abcde"} | ({} if pending else reported),
            "pendingServiceStatus": {"rayClusterName": pending, **reported} if pending else {},
        },
    }


def application_of(deployment, status="RUNNING", message=""):
    states = {deployment: {"status": "HEALTHY"}}
    return {"status": status, "message": message, "serveDeploymentStatuses": states}


def ready_pod(name, group, ready="True", cluster="playground-abcde"):
    labels = {"ray.io/group": group, "ray.io/cluster": cluster}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def facts(live=None, *models, pods=(), **more):
    """Return the facts of a service whose head runs, and as many pods of `models` as they have at least."""
    workers = [
        ready_pod(f"{model.name}-{number}", group_of(model))
        for model in models
        for number in range(model.spec.replicas.min)
    ]
    running = [ready_pod("head", "headgroup"), *workers, *pods]
    return Observation("speech", "playground", read_service(live, NOW), pods=running, **more)


def conditions(found):
    return {condition.type: condition for condition in found[1]}


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (
            container(state={"waiting": {"reason": "ErrImagePull", "message": "denied"}}),
            "ImagePullFailed",
            "denied",
        ),
        (container(state={"waiting": {"reason": "ErrImageNeverPull"}}), "ImagePullFailed", "registry/tts:1"),
        (
            container(state={"waiting": {"reason": "CreateContainerConfigError", "message": "no secret s"}}),
            "ContainerConfigError",
            "no secret s",
        ),
        (
            container(state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState=OOM),
            "OutOfMemory",
            "memory",
        ),
        (
            container(
                state={"waiting": {"reason": "CrashLoopBackOff"}},
                lastState={"terminated": {"reason": "Error", "exitCode": 3}},
            ),
            "CrashLoop",
            "exit code 3. Its last lines: ImportError: x",
        ),
        (
            {
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/1 nodes are available: 1 Insufficient cpu.",
                    }
                ]
            },
            "Unschedulable",
            "Insufficient cpu",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_problems_of_a_pod(pod, status, reason, words):
    (problem,) = problems([pod("p", **status)], {"p": "ImportError: x\n"}, HEAD)
    assert problem.reason == reason
    assert words in problem.message
    assert "p" in problem.message.split()


MOUNT = 'MountVolume.SetUp failed for volume "posts" : configmap "june" not found'


def held_pod(pod, minute=5, reason="ContainerCreating", **state):
    """Return a pod that is on a node since some minute, whose container, and init container, wait."""
    scheduled = {
        "type": "PodScheduled",
        "status": "True",
        "lastTransitionTime": f"2026-01-01T00:{minute:02}:00Z",
    }
    waits = [{"name": "c", "state": state or {"waiting": {"reason": reason}}}]
    found = pod("p", conditions=[scheduled], initContainerStatuses=waits, containerStatuses=waits)
    found["metadata"]["uid"] = "uid-p"
    found["spec"] = {
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            {"name": "audio", "persistentVolumeClaim": {"claimName": "playground-audio"}},
            {"name": "posts", "configMap": {"name": "june"}},
        ]
    }
    return found


def pod_event(reason, at, note="", uid="uid-p"):
    """Return an Event as a kubelet reports it, by the older API."""
    times = {"eventTime": None, "deprecatedLastTimestamp": f"2026-01-01T00:{at}Z"}
    return {"metadata": {}, "reason": reason, "note": note, "regarding": {"uid": uid}, **times}


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_problems_name_volumes_that_are_not_ready(pod, reason):
    waits = held_pod(pod, reason=reason)
    (problem,) = problems([waits], {"p": MOUNT}, HEAD)
    assert problem.reason == "VolumesNotReady"
    assert "(claim playground-audio, ConfigMap june): " in problem.message
    assert problem.message.endswith(MOUNT)
    assert problems([waits], {}, HEAD) == [], "its image may be on the way"


def test_is_held_up_after_two_minutes(pod):
    assert is_held_up(held_pod(pod), NOW)
    assert not is_held_up(held_pod(pod, minute=8), NOW)
    assert not is_held_up(held_pod(pod, running={}), NOW)
    assert not is_held_up(held_pod(pod, reason="ImagePullBackOff"), NOW)
    assert not is_held_up(pod("p"), NOW), "no kubelet has taken it up"


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([pod_event("Scheduled", "05:00"), pod_event("FailedMount", "07:03", MOUNT)], MOUNT),
        ([pod_event("FailedAttachVolume", "05:01", "Multi-Attach error")], "Multi-Attach error"),
        ([pod_event("FailedMount", "05:01", MOUNT), pod_event("Pulling", "05:03")], ""),
        ([pod_event("FailedMount", "05:01", MOUNT), pod_event("Pulling", "05:01")], ""),
        ([pod_event("FailedMount", "05:01", MOUNT, uid="another")], ""),
        ([], ""),
    ],
)
def test_mount_error_is_in_the_last_event(pod, events, said):
    assert mount_error(held_pod(pod), events) == said
    assert mount_error(held_pod(pod), events[::-1]) == said


def test_problems_of_a_pod_that_recovered_are_none(pod):
    running = pod("p", **container(state={"running": {}}, lastState=OOM, ready=True))
    assert problems([running], {}, HEAD) == []
    assert not needs_log(running)


def test_problems_ignore_other_groups_and_pods_being_deleted(pod):
    status = container(state={"waiting": {"reason": "ErrImagePull"}})
    going = pod("going", **status)
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert problems([pod("other", "another-group", **status), going], {}, HEAD) == []


def test_problems_begin_with_the_nearest_cause(pod):
    waits = {"conditions": [{"type": "PodScheduled", "status": "False", "message": "full"}]}
    pulls = container(state={"waiting": {"reason": "ErrImagePull"}})
    found = problems([pod("a", **waits), pod("b", **pulls)], {}, HEAD)
    assert [problem.reason for problem in found] == ["ImagePullFailed", "Unschedulable"]


def test_model_status_is_ready_with_healthy_replicas(model):
    found = conditions(model_status(Verdict(model()), facts(ray_service(), model())))
    assert found["Ready"] == Condition("Ready", True, "Serving", found["Ready"].message)
    assert not found["Progressing"].status
    assert not found["Degraded"].status


@pytest.mark.parametrize(
    ("live", "reason"),
    [
        (None, "Creating"),
        ({"metadata": {"generation": 1}}, "ClusterStarting"),
        (ray_service("DEPLOYING", "UPDATING"), "Deploying"),
        (ray_service("RUNNING", "UPDATING"), "Deploying"),
        (ray_service(generation=0), "Updating"),
        (ray_service("DEPLOY_FAILED", message="no such speaker"), "ApplicationFailed"),
        (ray_service("UNHEALTHY", "UNHEALTHY"), "ApplicationUnhealthy"),
        (ray_service(""), "ClusterStarting"),
    ],
)
def test_model_status_says_why_it_is_not_ready(model, live, reason):
    found = conditions(model_status(Verdict(model()), facts(live, model())))
    assert (found["Ready"].status, found["Ready"].reason) == (False, reason)
    assert found["Ready"].message
    assert found["Degraded"].status == reason.startswith("Application")


def test_model_status_has_the_applications_message(model):
    live = ray_service("DEPLOY_FAILED", message="speaker af_nobody is not one of this model's")
    assert "af_nobody" in conditions(model_status(Verdict(model()), facts(live)))["Ready"].message


def test_model_status_ignores_another_models_failure(model):
    failed = {"status": "DEPLOY_FAILED", "message": "no", "serveDeploymentStatuses": {}}
    live = ray_service(other=failed)
    good = conditions(model_status(Verdict(model()), facts(live, model())))
    bad = conditions(model_status(Verdict(model("other")), facts(live, model())))
    assert good["Ready"].status
    assert not good["Degraded"].status
    assert bad["Degraded"].reason == "ApplicationFailed"


def test_model_status_has_the_cause_of_a_pod(model, pod):
    live = {"metadata": {"generation": 1}, "status": {"pendingServiceStatus": {"rayClusterName": "c"}}}
    waits = pod(
        "w", group_of(model()), conditions=[{"type": "PodScheduled", "status": "False", "message": "full"}]
    )
    found = conditions(model_status(Verdict(model()), facts(live, pods=[waits])))
    assert found["Ready"].reason == found["Degraded"].reason == "Unschedulable"
    assert found["Progressing"].status


def test_model_status_counts_the_models_pods(model):
    """KubeRay reported RUNNING and HEALTHY while the only worker was killed and came back."""
    two = model(replicas={"min": 2, "max": 3})
    one_left = [
        ready_pod("a", group_of(two)),
        ready_pod("b", group_of(two), ready="False"),
        ready_pod("of-the-next-cluster", group_of(two), cluster="playground-fghij"),
    ]
    status, _ = found = model_status(Verdict(two), facts(ray_service(), pods=one_left))
    ready = conditions(found)["Ready"]
    assert (ready.status, ready.reason, ready.message) == (
        False,
        "PodsStarting",
        "1 of 2 pods of the model are ready.",
    )
    assert conditions(found)["Progressing"].status
    assert status["readyReplicas"] == 1


def test_model_status_is_ready_without_pods_at_zero_replicas(model):
    idle = model(replicas={"min": 0, "max": 2})
    assert conditions(model_status(Verdict(idle), facts(ray_service())))["Ready"].status


def test_model_status_is_not_ready_without_the_head(model):
    without = Observation("speech", "playground", read_service(ray_service(), NOW))
    ready = conditions(model_status(Verdict(model(replicas={"min": 0, "max": 1})), without))["Ready"]
    assert (ready.status, ready.reason) == (False, "PodsStarting")
    assert "head pod" in ready.message
    assert not conditions(service_status({Ref(VOICE_MODEL, "kokoro"): Verdict(model())}, without))[
        "Ready"
    ].status


@pytest.mark.parametrize("was_ready", [True, False])
def test_model_status_stays_ready_at_another_change_of_the_service(model, was_ready):
    found = facts(
        ray_service(generation=0), model(), previously_ready=frozenset({"kokoro"} if was_ready else ())
    )
    assert conditions(model_status(Verdict(model()), found))["Ready"].status is was_ready
    verdicts = {Ref(VOICE_MODEL, "kokoro"): Verdict(model())}
    assert service_status(verdicts, found)[0]["models"]["ready"] == was_ready


@pytest.mark.parametrize(("seconds", "ready"), [(0, False), (4, False), (5, True)])
def test_model_status_waits_until_kuberay_has_asked_serve_again(model, seconds, ready):
    """At first it reports, of the new generation, what Serve said before the change."""
    live = ray_service()
    live["status"]["lastUpdateTime"] = rfc3339(NOW - timedelta(seconds=seconds))
    found = conditions(model_status(Verdict(model()), facts(live, model())))
    assert found["Ready"].status is ready
    assert found["Progressing"].reason == ("Settled" if ready else "Updating")


def test_model_status_is_not_ready_when_it_failed_after_it_was_ready(model):
    found = facts(ray_service("RUNNING", "UNHEALTHY"), model(), previously_ready=frozenset({"kokoro"}))
    assert not conditions(model_status(Verdict(model()), found))["Ready"].status


def test_model_status_reports_a_cluster_replacement(model):
    before = model_status(Verdict(model()), facts(ray_service(), model(), disruptive_changes=["rayVersion"]))
    replacing = facts(
        ray_service(pending="playground-fghij"), model(), previously_ready=frozenset({"kokoro"})
    )
    while_it_lasts = model_status(Verdict(model()), replacing)
    for found in (before, while_it_lasts):
        progressing = conditions(found)["Progressing"]
        assert (progressing.status, progressing.reason) == (True, "ClusterReplacement")
        assert conditions(found)["Ready"].status
    assert "rayVersion" in conditions(before)["Progressing"].message


def test_model_status_of_a_first_cluster_reports_no_replacement(model):
    live = ray_service(pending="playground-fghij")
    live["status"]["activeServiceStatus"] = {}
    found = conditions(
        model_status(Verdict(model()), facts(live, model(), disruptive_changes=["rayVersion"]))
    )
    assert found["Progressing"].reason != "ClusterReplacement"


def test_service_status_is_ready_on_a_cluster_that_is_replaced(model):
    live = ray_service(pending="playground-fghij")
    verdicts = {Ref(VOICE_MODEL, name): Verdict(model(name)) for name in ("kokoro", "new")}
    replacing = facts(live, model(), model("new"), previously_ready=frozenset({"kokoro"}))
    status, _ = found = service_status(verdicts, replacing)
    assert status["models"]["summary"] == "1/2"
    assert conditions(found)["Ready"].status
    new = conditions(model_status(Verdict(model("new")), replacing))["Ready"]
    assert (new.status, new.reason) == (False, "ClusterStarting")
    assert "playground-fghij" in new.message
    fallen = Observation(
        "speech", "playground", read_service(live, NOW), previously_ready=frozenset({"kokoro"})
    )
    assert not conditions(model_status(Verdict(model()), fallen))["Ready"].status, "its pods are gone"


def test_model_status_of_a_refused_model(model):
    verdict = Verdict(None, "InvalidSpec", "quantization: no fp8")
    status, _ = found = model_status(verdict, facts(ray_service()))
    assert conditions(found)["Ready"] == Condition("Ready", False, "InvalidSpec", "quantization: no fp8")
    assert conditions(found)["Degraded"].status
    assert status == {"readyReplicas": 0}


def test_model_status_of_an_invalid_model_that_is_served_as_before(model):
    verdict = Verdict(model(), "InvalidSpec", "quantization: no fp8")
    status, _ = found = model_status(verdict, facts(ray_service(), model()))
    ready = conditions(found)["Ready"]
    assert (ready.status, ready.reason) == (False, "InvalidSpec")
    assert ready.message == ("quantization: no fp8 (until it is right the model is served as it was before)")
    assert conditions(found)["Degraded"].status
    assert not conditions(found)["Progressing"].status
    assert status["readyReplicas"] == 1
    counted, _ = service_status({Ref(VOICE_MODEL, "kokoro"): verdict}, facts(ray_service(), model()))
    assert counted["models"]["summary"] == "0/1"
    fallen = conditions(model_status(verdict, facts(ray_service("UNHEALTHY"), model())))
    assert fallen["Ready"].message == "quantization: no fp8"


def test_model_status_is_degraded_with_an_avatar_taken(model):
    verdict = Verdict(model(), message="Spoken by another", taken=(("female_en-US", "early"),))
    found = conditions(model_status(verdict, facts(ray_service(), model())))
    assert found["Ready"].status
    assert (found["Degraded"].status, found["Degraded"].reason) == (True, "AvatarsTaken")


def test_model_status_reports_a_refusal(model):
    failure = Cause("Forbidden", "rayservices is forbidden")
    found = conditions(model_status(Verdict(model()), facts(None, failure=failure)))
    assert found["Ready"].reason == found["Degraded"].reason == "Forbidden"


def test_model_status_names_what_serves_it(model):
    two = model(replicas={"min": 2, "max": 2})
    status, _ = model_status(Verdict(two), facts(ray_service(), two))
    assert status == {
        "locales": ["en-US"],
        "avatars": 1,
        "replicas": 2,
        "readyReplicas": 2,
        "rayService": "playground",
        "rayCluster": "playground-abcde",
        "url": "http://playground-serve-svc.speech.svc:8000",
    }


def test_service_status_counts_models(model):
    verdicts = {
        Ref(VOICE_MODEL, "kokoro"): Verdict(model()),
        Ref(VOICE_MODEL, "bad"): Verdict(None, "InvalidSpec", "x"),
    }
    status, _ = found = service_status(verdicts, facts(ray_service(), model()))
    assert status["models"] == {"total": 2, "ready": 1, "summary": "1/2"}
    assert conditions(found)["Ready"].status


def test_model_status_of_a_text_model(text):
    serving = ray_service(smollm=application_of("Text"))
    status, _ = found = model_status(Verdict(text()), facts(serving, text()))
    assert conditions(found)["Ready"].status
    assert status.keys() == {"replicas", "readyReplicas", "rayService", "rayCluster", "url"}
    failed = ray_service(smollm=application_of("Text", "DEPLOY_FAILED", "no GGUF file in the folder"))
    found = conditions(model_status(Verdict(text()), facts(failed, text())))
    assert found["Degraded"].reason == "ApplicationFailed"
    assert "no GGUF file" in found["Degraded"].message


def test_service_status_counts_both_kinds(model, text):
    verdicts = {
        Ref(VOICE_MODEL, "kokoro"): Verdict(model()),
        Ref(TEXT_MODEL, "smollm"): Verdict(text()),
        Ref(TEXT_MODEL, "kokoro"): Verdict(None, "NameTaken", "x"),
    }
    status, _ = service_status(verdicts, facts(ray_service(smollm=application_of("Text")), model(), text()))
    assert status["models"] == {"total": 3, "ready": 2, "summary": "2/3"}


def test_model_status_of_a_replica_on_two_nodes(text):
    """Serve answers where the replica is; the pods of its other nodes are never ready."""
    big = text("big", engine="vllm", resources={"cpu": "8", "gpu": "8"}, parameters={"nodes": 2})
    found = model_status(Verdict(big), facts(ray_service(big=application_of("Text")), big))
    assert conditions(found)["Ready"].status
    assert found[0]["readyReplicas"] == found[0]["replicas"] == 1


def test_service_status_without_models_is_not_degraded():
    found = conditions(service_status({}, facts(None)))
    assert {condition.reason for condition in found.values()} == {"NoModels"}
    assert not found["Degraded"].status


@pytest.mark.parametrize(
    ("true", "settled"),
    [
        (set(), False),
        ({"Ready"}, True),
        ({"Ready", "Progressing"}, False),
        ({"Ready", "Degraded"}, False),
        ({"Ready", "Reachable"}, True),
        ({"Reachable"}, False),
    ],
)
def test_is_settled_with_a_fourth_condition(true, settled):
    types = ("Ready", "Progressing", "Degraded", "Reachable")
    assert is_settled([Condition(type_, type_ in true, "Why") for type_ in types]) is settled


def test_conditions_of_keep_the_time_of_their_status():
    first = conditions_of([Condition("Ready", False, "Creating")], [], 1, "t1")
    same = conditions_of([Condition("Ready", False, "Deploying", "m")], first, 2, "t2")
    other = conditions_of([Condition("Ready", True, "Serving")], same, 2, "t3")
    assert [c[0]["lastTransitionTime"] for c in (first, same, other)] == ["t1", "t1", "t3"]
    assert same[0]["reason"] == "Deploying"
    assert same[0]["observedGeneration"] == 2


def test_pods_by_group_are_used_until_their_replica_has_ended():
    """A pod stops being ready when its replica is told to end: that one's requests go on for a while."""

    def left(name, at):
        pod = ready_pod(name, "a", "False")
        pod["spec"] = {"terminationGracePeriodSeconds": 150}
        pod["status"]["conditions"][0]["lastTransitionTime"] = at
        return pod

    gone = ready_pod("gone", "a")
    gone["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    unscheduled = {
        **ready_pod("new", "a"),
        "status": {"conditions": [{"type": "PodScheduled", "status": "False"}]},
    }
    pods = [
        ready_pod("serves", "a"),
        left("ends", "2026-01-01T11:58:00Z"),
        left("ended", "2026-01-01T11:57:00Z"),
        unscheduled,
        gone,
        ready_pod("other", "a", cluster="playground-other"),
        left("b", "2026-01-01T11:00:00Z") | {"metadata": ready_pod("b", "b")["metadata"]},
    ]
    found = pods_by_group(pods, "playground-abcde", datetime(2026, 1, 1, 12, tzinfo=UTC))
    assert found == {"a": Pods(2, ["ended", "new"]), "b": Pods(0, ["b"])}
