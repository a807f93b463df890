"""The truth about a service, from what its children say."""

import pytest

from tts_operator.desired.groups import group_of
from tts_operator.desired.selection import Verdict
from tts_operator.observed.conditions import Condition, conditions_of
from tts_operator.observed.pods import problems, worth_reading
from tts_operator.observed.ray import read_service
from tts_operator.observed.status import Facts, model_status, service_status

HEAD = frozenset({"headgroup"})
OOM = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}


def container(name="ray-head", **status):
    return {"containerStatuses": [{"name": name, "image": "registry/tts:1", **status}]}


def ray_service(application="RUNNING", deployment="HEALTHY", message="", *, generation=1, pending="", **apps):
    state = {
        "status": application,
        "message": message,
        "serveDeploymentStatuses": {"Voice": {"status": deployment}},
    }
    return {
        "metadata": {"name": "playground", "generation": 1},
        "status": {
            "observedGeneration": generation,
            "activeServiceStatus": {
                "rayClusterName": "playground-abcde",
                "applicationStatuses": {"kokoro": state, "gateway": state, **apps},
            },
            "pendingServiceStatus": {"rayClusterName": pending},
        },
    }


def facts(live=None, **more):
    return Facts("speech", "playground", read_service(live), **more)


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
def test_what_is_wrong_with_a_pod(pod, status, reason, words):
    (problem,) = problems([pod("p", **status)], {"p": "ImportError: x\n"}, HEAD)
    assert problem.reason == reason
    assert words in problem.message
    assert "p" in problem.message.split()


def test_nothing_is_wrong_with_a_pod_that_runs_or_recovered(pod):
    running = pod("p", **container(state={"running": {}}, lastState=OOM, ready=True))
    assert problems([running], {}, HEAD) == []
    assert not worth_reading(running)


def test_pods_of_other_groups_and_going_ones_do_not_count(pod):
    status = container(state={"waiting": {"reason": "ErrImagePull"}})
    going = pod("going", **status)
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert problems([pod("other", "another-group", **status), going], {}, HEAD) == []


def test_the_nearest_cause_comes_first(pod):
    waits = {"conditions": [{"type": "PodScheduled", "status": "False", "message": "full"}]}
    pulls = container(state={"waiting": {"reason": "ErrImagePull"}})
    found = problems([pod("a", **waits), pod("b", **pulls)], {}, HEAD)
    assert [problem.reason for problem in found] == ["ImagePullFailed", "Unschedulable"]


def test_ready_only_when_its_own_application_runs_with_healthy_replicas(model):
    found = conditions(model_status(Verdict(model()), facts(ray_service())))
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
def test_not_ready_and_why(model, live, reason):
    found = conditions(model_status(Verdict(model()), facts(live)))
    assert (found["Ready"].status, found["Ready"].reason) == (False, reason)
    assert found["Ready"].message
    assert found["Degraded"].status == reason.startswith("Application")


def test_the_applications_own_words_are_told(model):
    live = ray_service("DEPLOY_FAILED", message="speaker af_nobody is not one of this model's")
    assert "af_nobody" in conditions(model_status(Verdict(model()), facts(live)))["Ready"].message


def test_one_models_failure_is_not_anothers(model):
    failed = {"status": "DEPLOY_FAILED", "message": "no", "serveDeploymentStatuses": {}}
    live = ray_service(other=failed)
    good = conditions(model_status(Verdict(model()), facts(live)))
    bad = conditions(model_status(Verdict(model("other")), facts(live)))
    assert good["Ready"].status
    assert not good["Degraded"].status
    assert bad["Degraded"].reason == "ApplicationFailed"


def test_a_pods_cause_is_told_rather_than_that_it_starts(model, pod):
    live = {"metadata": {"generation": 1}, "status": {"pendingServiceStatus": {"rayClusterName": "c"}}}
    waits = pod(
        "w", group_of(model()), conditions=[{"type": "PodScheduled", "status": "False", "message": "full"}]
    )
    found = conditions(model_status(Verdict(model()), facts(live, pods=[waits])))
    assert found["Ready"].reason == found["Degraded"].reason == "Unschedulable"
    assert found["Progressing"].status


def test_a_replacement_of_the_cluster_is_told_before_and_while_it_lasts(model):
    before = model_status(Verdict(model()), facts(ray_service(), replaced=["rayVersion"]))
    while_it_lasts = model_status(Verdict(model()), facts(ray_service(pending="playground-fghij")))
    for found in (before, while_it_lasts):
        progressing = conditions(found)["Progressing"]
        assert (progressing.status, progressing.reason) == (True, "ClusterReplacement")
        assert conditions(found)["Ready"].status
    assert "rayVersion" in conditions(before)["Progressing"].message


def test_a_model_that_is_not_served_says_what_to_change(model):
    verdict = Verdict(None, "InvalidSpec", "quantization: no fp8")
    status, _ = found = model_status(verdict, facts(ray_service()))
    assert conditions(found)["Ready"] == Condition("Ready", False, "InvalidSpec", "quantization: no fp8")
    assert conditions(found)["Degraded"].status
    assert status["avatars"] == 0


def test_a_model_that_lost_an_avatar_serves_and_is_degraded(model):
    verdict = Verdict(model(), message="Spoken by another", taken=(("female_en-US", "early"),))
    found = conditions(model_status(verdict, facts(ray_service())))
    assert found["Ready"].status
    assert (found["Degraded"].status, found["Degraded"].reason) == (True, "AvatarsTaken")


def test_what_the_api_refused_is_every_models_trouble(model):
    failure = Condition("Degraded", True, "Forbidden", "rayservices is forbidden")
    found = conditions(model_status(Verdict(model()), facts(None, failure=failure)))
    assert found["Ready"].reason == found["Degraded"].reason == "Forbidden"


def test_the_status_names_what_serves_it(model):
    status, _ = model_status(Verdict(model(replicas={"min": 2, "max": 2})), facts(ray_service()))
    assert status == {
        "locales": ["en-US"],
        "avatars": 1,
        "replicas": 2,
        "readyReplicas": 2,
        "rayService": "playground",
        "rayCluster": "playground-abcde",
        "url": "http://playground-serve-svc.speech.svc:8000",
    }


def test_the_playgrounds_status_counts_its_models(model):
    verdicts = {"kokoro": Verdict(model()), "bad": Verdict(None, "InvalidSpec", "x")}
    status, _ = found = service_status(verdicts, facts(ray_service()))
    assert status["models"] == {"total": 2, "ready": 1, "summary": "1/2"}
    assert conditions(found)["Ready"].status


def test_a_playground_without_models_is_idle_not_broken():
    found = conditions(service_status({}, facts(None)))
    assert {condition.reason for condition in found.values()} == {"NoModels"}
    assert not found["Degraded"].status


def test_the_time_of_a_condition_is_that_of_its_status():
    first = conditions_of([Condition("Ready", False, "Creating")], [], 1, "t1")
    same = conditions_of([Condition("Ready", False, "Deploying", "m")], first, 2, "t2")
    other = conditions_of([Condition("Ready", True, "Serving")], same, 2, "t3")
    assert [c[0]["lastTransitionTime"] for c in (first, same, other)] == ["t1", "t1", "t3"]
    assert same[0]["reason"] == "Deploying"
    assert same[0]["observedGeneration"] == 2
