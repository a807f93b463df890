"""Fetching a model's files once: which Job, and what is served meanwhile."""

import json

import pytest

from tts_operator.desired.loading import admit, load_name, loader
from tts_operator.desired.ray_service import Defaults, ray_service
from tts_operator.desired.selection import Verdict
from tts_operator.observed import loads
from tts_operator.observed.conditions import Condition
from tts_operator.observed.loads import Load, read_load
from tts_operator.observed.ray import Application, ServedModels, Service
from tts_operator.observed.status import Observation, model_status

DEFAULTS = Defaults(
    "registry/app:1",
    {"kokoro": "registry/kokoro:1", "llamacpp": "registry/llamacpp:1"},
    "2.60.0",
    "kuberay",
    profile="development",
)


def hub(revision="c"):
    return {"source": {"uri": "hf://a/b", "revision": revision}, "quantization": "none"}


@pytest.fixture
def live(playground):
    return lambda *models: ray_service(playground(), models, DEFAULTS, "audio", "cache")


def names(models):
    return [(model.name, model.spec.source.revision) for model in models]


def test_admit_serves_a_model_whose_files_are_there(model):
    outside = model("b", **hub())
    assert [names(part) for part in admit([model("a"), outside], (), {})] == [
        [("a", "1.0")],
        [("b", "c")],
    ]
    served, waiting = admit([model("a"), outside], {load_name(outside)}, {})
    assert names(served) == [("a", "1.0"), ("b", "c")]
    assert waiting == []


def test_admit_serves_a_model_as_before_until_new_files_are_there(model, live):
    served, waiting = admit([model(**hub("new"))], (), ServedModels(live(model(**hub("old")))))
    assert names(served) == [("kokoro", "old")]
    assert names(waiting) == [("kokoro", "new")]


def test_admit_needs_no_job_of_a_model_that_is_served(model, live):
    changed = model(**hub(), avatars=[("en-GB", "male")])
    served, waiting = admit([changed], (), ServedModels(live(model(**hub()))))
    assert [voice.avatar for voice in served[0].spec.voices] == ["male_en-GB"]
    assert waiting == []


def test_served_models_ignore_what_another_version_wrote(model, live):
    broken = live(model(**hub()))
    broken["spec"]["serveConfigV2"] = broken["spec"]["serveConfigV2"].replace("engine: kokoro", "engine: x")
    assert [names(part) for part in admit([model(**hub())], (), ServedModels(broken))] == [
        [],
        [("kokoro", "c")],
    ]


def test_admit_and_loader_of_a_text_model(playground, text, live):
    outside = text(source={"uri": "hf://a/b", "revision": "c"})
    assert admit([outside], (), {}) == ([], [outside])
    assert admit([outside], {load_name(outside)}, {}) == ([outside], [])
    assert admit([outside], (), ServedModels(live(outside))) == ([outside], [])
    job = loader(playground(), outside, "registry/llamacpp:1", "cache")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert json.loads(container["command"][-1]) == outside.written()
    assert container["image"] == "registry/llamacpp:1"


def test_admit_ignores_a_model_of_another_kind(text, model, live):
    outside = text("same", source={"uri": "hf://a/b", "revision": "c"})
    assert admit([outside], (), ServedModels(live(model("same")))) == ([], [outside])


def test_loader_is_restricted_and_fetches_the_model(playground, model):
    outside = model(**hub())
    where = playground(storage={"credentialsSecret": "hub-token"})
    job = loader(where, outside, "registry/kokoro:1", "cache")
    spec = job["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert json.loads(container["command"][-1]) == outside.written()
    assert container["envFrom"] == [{"secretRef": {"name": "hub-token"}}]
    assert not any(variable["name"] == "HF_HUB_OFFLINE" for variable in container["env"])
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert {"name": "cache", "mountPath": "/cache"} in container["volumeMounts"]
    assert spec["restartPolicy"] == "Never"


def test_only_loaders_write_to_the_cache_that_models_share(playground, model, live):
    cluster = live(model("fetched", **hub()), model("packaged"))["spec"]["rayClusterConfig"]
    mounts = {
        group["groupName"].rpartition("-")[0]: next(
            mount
            for mount in group["template"]["spec"]["containers"][0]["volumeMounts"]
            if mount["mountPath"] == "/cache"
        )
        for group in cluster["workerGroupSpecs"]
    }
    assert mounts["fetched"] == {"name": "cache", "mountPath": "/cache", "readOnly": True}
    assert mounts["packaged"] == {"name": "cache", "mountPath": "/cache"}, "this pod's own"
    template = loader(playground(), model(**hub()), "registry/kokoro:1", "cache")["spec"]["template"]
    assert {"name": "cache", "mountPath": "/cache"} in template["spec"]["containers"][0]["volumeMounts"]


def test_load_name_depends_on_the_source(model):
    assert load_name(model(**hub("a"))) != load_name(model(**hub("b")))
    assert load_name(model(**hub())) == load_name(model(**hub(), avatars=[("en-GB", "male")]))


def job_pod(name, job="load", **status):
    return {"metadata": {"name": name, "labels": {"batch.kubernetes.io/job-name": job}}, "status": status}


def ended(code, message, at="2026-01-01T00:00:00Z"):
    state = {"terminated": {"exitCode": code, "message": message, "reason": "Error", "finishedAt": at}}
    return {"containerStatuses": [{"name": "loader", "state": state}]}


JOB = {"metadata": {"name": "load"}, "status": {}}
FAILED = {
    "type": "Failed",
    "status": "True",
    "message": "Job has reached the specified backoff limit",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


def test_read_load_takes_the_last_line_of_progress():
    log = '{"bytes": 10, "total_bytes": 200}\n{"bytes": 50, "total_bytes": 200}\na warning\n'
    load = read_load(JOB, [job_pod("p"), job_pod("q", "another")], {"p": log, "q": '{"bytes": 99}'})
    assert load == Load(50, 200)
    assert load.percent == 25


def test_read_load_without_a_size_has_no_percent():
    assert read_load(JOB, [job_pod("p")], {"p": '{"bytes": 10, "total_bytes": null}'}) == Load(10, None)
    assert Load(10, None).percent == 0


def test_read_load_has_the_last_failure():
    pods = [
        job_pod("b", **ended(3, "second", "2026-01-01T00:01:00Z")),
        job_pod("a", **ended(3, '{"bytes": 1}\nfirst')),
    ]
    assert read_load(JOB, pods, {}) == Load(failure="second (exit code 3)")
    given_up = read_load(JOB | {"status": {"conditions": [FAILED]}}, [], {})
    assert given_up == Load(failure=FAILED["message"], given_up=True)


def test_read_load_finds_the_error_in_a_long_log():
    log = "a library warns\na library warns\nttsp: hf://a/b does not exist\nor is private."
    (failure,) = [read_load(JOB, [job_pod("p", **ended(3, log))], {}).failure]
    assert failure == "hf://a/b does not exist or is private. (exit code 3)"


def test_loads_read_from_a_job_whether_it_is_done_or_failed():
    complete = {"type": "Complete", "status": "True"}
    assert loads.done({"status": {"conditions": [complete]}})
    assert not loads.done(JOB)
    assert loads.failed_at({"status": {"conditions": [FAILED]}}) == "2026-01-01T00:00:00Z"
    assert loads.failed_at(JOB) is None


def status_of(model, load, application=None, pods=()):
    applications = {} if application is None else {model.name: application}
    ray = Service(True, True, "cluster", "", applications)
    facts = Observation("speech", "playground", ray, pods=pods, loads={model.name: load})
    status, conditions = model_status(Verdict(model), facts)
    return status, {condition.type: condition for condition in conditions}


def test_model_status_has_the_progress_of_a_download(model):
    status, found = status_of(model(**hub()), Load(50_000_000, 200_000_000))
    assert status["download"] == {"percent": 25, "bytes": 50_000_000, "totalBytes": 200_000_000}
    stage = "25% of 200 MB of hf://a/b fetched."
    assert found == {
        "Ready": Condition("Ready", False, "Downloading", stage),
        "Progressing": Condition("Progressing", True, "Downloading", stage),
        "Degraded": Condition("Degraded", False, "AsExpected", "Nothing is wrong."),
    }


def test_model_status_says_why_a_download_failed(model):
    _, found = status_of(model(**hub()), Load(failure="no such repository (exit code 3)"))
    assert found["Degraded"].reason == found["Ready"].reason == "DownloadFailed"
    assert "no such repository" in found["Degraded"].message
    assert found["Progressing"].status
    _, found = status_of(model(**hub()), Load(failure="no", given_up=True))
    assert not found["Progressing"].status
    assert "10 minutes" in found["Degraded"].message


def test_model_status_is_not_ready_until_new_files_are_there(model):
    _, found = status_of(model(**hub()), Load(), Application("RUNNING", "", True))
    assert not found["Ready"].status
    assert "as it was before" in found["Ready"].message


def test_model_status_says_that_a_loaders_image_is_missing(model):
    outside = model(**hub())
    waiting = {"name": "loader", "image": "i", "state": {"waiting": {"reason": "ErrImagePull"}}}
    pod = job_pod("p", load_name(outside), containerStatuses=[waiting])
    _, found = status_of(outside, Load(), pods=[pod])
    assert found["Degraded"].reason == "ImagePullFailed"
