"""The RayService that is built, and which of its changes KubeRay takes in place."""

import copy
import json
from itertools import permutations

import pytest
import yaml

from tts_app.resources.engines import IMAGES
from tts_operator.desired.groups import group_of
from tts_operator.desired.pods import RAY_MEMORY
from tts_operator.desired.ray_service import Defaults, ray_service
from tts_operator.observed.ray import disruptive_changes, worker_groups
from tts_operator.observed.scaling import Pods, is_shrinking, rescale

DEFAULTS = Defaults(
    "registry/app:1",
    {key: f"registry/{key}:1" for key in IMAGES},
    "2.60.0",
    "kuberay",
    profile="development",
)


@pytest.fixture
def build(playground):
    def built(models, live=None, **spec):
        return ray_service(playground(**spec), models, DEFAULTS, "audio", "", worker_groups(live))

    return built


def names(manifest):
    return [group["groupName"] for group in manifest["spec"]["rayClusterConfig"]["workerGroupSpecs"]]


def serve(manifest):
    return yaml.safe_load(manifest["spec"]["serveConfigV2"])


def test_ray_service_is_the_same_in_any_order(build, model):
    models = [model(name) for name in ("c", "a", "b")]
    expected = json.dumps(build(models))
    for shuffled in permutations(models):
        assert json.dumps(build(shuffled)) == expected


def test_ray_service_gives_each_application_its_own_pods(build, model):
    models = [model("a"), model("b", replicas={"min": 2, "max": 3})]
    manifest = build(models)
    groups = manifest["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert [group["replicas"] for group in groups] == [1, 3]
    offered = [json.loads(json.loads(group["rayStartParams"]["resources"])) for group in groups]
    asked = {
        app["name"]: app["deployments"][0]["ray_actor_options"]["resources"]
        for app in serve(manifest)["applications"]
    }
    assert asked == {"gateway": {"head": 1}, "a": offered[0], "b": offered[1]}


@pytest.mark.parametrize(
    ("spec", "image"),
    [
        ({}, "registry/kokoro:1"),
        ({"quantization": "none"}, "registry/kokoro:1"),
        ({"quantization": "none", "resources": {"gpu": "1"}}, "registry/kokoro-torch:1"),
        ({"quantization": "none", "parameters": {"runtime": "torch"}}, "registry/kokoro-torch:1"),
    ],
)
def test_ray_service_runs_a_model_in_the_image_of_its_runtime(build, model, spec, image):
    (group,) = build([model(**spec)])["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    (container,) = group["template"]["spec"]["containers"]
    assert container["image"] == image


def test_ray_service_appends_the_group_of_a_new_model(build, model):
    live = build([model("m")])
    desired = build([model("m"), model("a")], live)
    assert names(desired) == [group_of(model("m")), group_of(model("a"))]
    assert disruptive_changes(desired, live) == []


def test_ray_service_keeps_the_group_of_a_removed_model(build, model):
    live = build([model("a"), model("b")])
    desired = build([model("b")], live)
    assert names(desired) == names(live)
    assert desired["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["replicas"] == 0
    assert [app["name"] for app in serve(desired)["applications"]] == ["gateway", "b"]
    assert disruptive_changes(desired, live) == []


def test_ray_service_reuses_the_group_of_a_model_that_comes_back(build, model):
    first = build([model("a"), model("b")])
    gone = build([model("b")], first)
    assert build([model("a"), model("b")], gone) == first


@pytest.mark.parametrize(
    "change",
    [
        {"avatars": [("en-GB", "male"), ("en-US", "female")]},
        {"replicas": {"min": 1, "max": 4}},
        {"resources": {"cpu": "3", "memory": "5Gi"}},
        {"source": {"uri": "package://kokoro-82m/int8", "revision": "2.0"}},
        {"quantization": "fp16"},
        {"source": {"uri": "hf://a/b", "revision": "c"}, "quantization": "none"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_disruptive_changes_of_a_model_are_none(build, model, change):
    live = build([model("a"), model("b")])
    assert disruptive_changes(build([model("a", **change), model("b")], live), live) == []


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        ({"images": {"gateway": "registry/tts:2"}}, "headGroupSpec.template"),
        ({"images": {"engines": {"kokoro": "registry/tts:2"}}}, "workerGroupSpecs[a-"),
        ({"ray": {"version": "2.61.0"}}, "rayVersion"),
        ({"ray": {"auth": "none"}}, "authOptions"),
        ({"scheduling": {"nodeSelector": {"disk": "fast"}}}, "headGroupSpec.template.spec.nodeSelector"),
    ],
)
def test_disruptive_changes_are_named(build, model, spec, where):
    live = build([model("a")])
    paths = disruptive_changes(build([model("a")], live, **spec), live)
    assert any(path.startswith(where) for path in paths), paths


def test_disruptive_changes_ignore_what_the_server_added(build, model):
    live = copy.deepcopy(build([model("a")]))
    cluster = live["spec"]["rayClusterConfig"]
    cluster["headGroupSpec"]["enableIngress"] = False
    cluster["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]["terminationMessagePath"] = "/dev/log"
    assert disruptive_changes(build([model("a")], live), live) == []


def test_rescale_patches_numbers_of_pods(build, model):
    live = build([model("a"), model("b")])
    cluster = {"spec": live["spec"]["rayClusterConfig"]}
    wanted = build([model("b", replicas={"min": 2, "max": 2})], live)["spec"]["rayClusterConfig"]
    operations = rescale(cluster, wanted["workerGroupSpecs"], {})
    assert [op["value"] for op in operations if op["op"] == "test"] == names(live)
    assert [op["value"] for op in operations if op["path"].endswith("/replicas")] == [0, 2]
    assert rescale({"spec": wanted}, wanted["workerGroupSpecs"], {}) == []


@pytest.mark.parametrize(
    ("pods", "number", "leaving"),
    [
        (Pods(4, []), 4, []),
        (Pods(3, ["d"]), 3, ["d"]),
        (Pods(1, ["d", "b", "c"]), 2, ["b", "c"]),
        (Pods(0, ["d", "b"]), 2, []),
        (Pods(9, []), 4, []),
    ],
)
def test_rescale_removes_idle_pods_only(build, model, pods, number, leaving):
    live = build([model("a", replicas={"min": 4, "max": 4})])
    cluster = {"spec": live["spec"]["rayClusterConfig"]}
    wanted = build([model("a", replicas={"min": 2, "max": 2})], live)["spec"]["rayClusterConfig"]
    (group,) = names(live)
    operations = rescale(cluster, wanted["workerGroupSpecs"], {group: pods})
    values = {op["path"].rpartition("/")[2]: op["value"] for op in operations if op["op"] == "add"}
    numbers = {name: values.pop(name, 4) for name in ("replicas", "minReplicas", "maxReplicas")}
    assert set(numbers.values()) == {number}
    assert values == ({} if number == 4 else {"scaleStrategy": {"workersToDelete": leaving}})
    assert is_shrinking(cluster, wanted["workerGroupSpecs"], {group: pods}) == (number > 2)


def test_rescale_removes_all_pods_of_a_replica_together(build, model):
    """Only the pod that Serve answers in is ready: the other one looks idle."""
    live = build([model("a", replicas={"min": 2, "max": 2})])
    cluster = copy.deepcopy({"spec": live["spec"]["rayClusterConfig"]})
    cluster["spec"]["workerGroupSpecs"][0]["numOfHosts"] = 2
    wanted = build([model("b")], live)["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    (group,) = names(live)
    assert rescale(cluster, wanted, {group: Pods(1, ["x", "y", "z"])}) == []
    values = {
        op["value"] for op in rescale(cluster, wanted, {group: Pods(0, ["x", "y"])}) if op["op"] == "add"
    }
    assert values == {0}


def test_pod_template_is_restricted_whatever_a_model_says(build, text):
    model = text("a", engine="vllm", resources={"gpu": 1}, parameters={"chat_template": "{{ privileged }}"})
    cluster = build([model])["spec"]["rayClusterConfig"]
    for template in (cluster["headGroupSpec"]["template"], cluster["workerGroupSpecs"][0]["template"]):
        spec = template["spec"]
        (container,) = spec["containers"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert not spec["automountServiceAccountToken"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert not container["securityContext"]["allowPrivilegeEscalation"]
        assert {next(iter(volume.keys() - {"name"})) for volume in spec["volumes"]} <= {
            "emptyDir",
            "persistentVolumeClaim",
        }
        assert "privileged" not in json.dumps(template)


def test_worker_has_a_readiness_probe_of_its_own(build, model):
    """KubeRay puts its own probe, of two seconds and one failure, where there is none."""
    cluster = build([model("a")])["spec"]["rayClusterConfig"]
    (worker,) = cluster["workerGroupSpecs"][0]["template"]["spec"]["containers"]
    probe = worker["readinessProbe"]
    assert probe["httpGet"] == {"path": "/-/healthz", "port": 8000}
    assert (probe["timeoutSeconds"], probe["failureThreshold"]) == (5, 3)
    (head,) = cluster["headGroupSpec"]["template"]["spec"]["containers"]
    assert "readinessProbe" not in head, "KubeRay's own asks for more, and its labels say who serves"


def test_worker_asks_for_whole_gpus(build, model):
    group = build([model("a", resources={"cpu": "4", "memory": "16Gi", "gpu": "0.5"})])["spec"][
        "rayClusterConfig"
    ]["workerGroupSpecs"][0]
    resources = group["template"]["spec"]["containers"][0]["resources"]
    assert resources["limits"]["nvidia.com/gpu"] == resources["requests"]["nvidia.com/gpu"] == "1"


BIG = {
    "engine": "vllm",
    "resources": {"cpu": "16", "memory": "128Gi", "gpu": "16"},
    "parameters": {"nodes": 2},
}


def test_ray_service_of_a_text_model(build, model, text):
    live = build([model("a")])
    desired = build([model("a"), text("b")], live)
    assert disruptive_changes(desired, live) == []
    assert [app["name"] for app in serve(desired)["applications"]] == ["gateway", "a", "b"]
    _, group = desired["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert group["template"]["spec"]["containers"][0]["image"] == "registry/llamacpp:1"
    assert build([text("b")])["spec"]["rayClusterConfig"]["workerGroupSpecs"][0] == group


@pytest.mark.parametrize(
    "change",
    [
        {"source": {"uri": "pvc://models/other.gguf"}},
        {"source": {"uri": "hf://a/b", "revision": "c"}},
        {"contextLength": 512},
        {"replicas": {"min": 0, "max": 3}},
        {"resources": {"cpu": "3", "memory": "5Gi"}},
        {"engine": "transformers", "quantization": "int8"},
        {"parameters": {"n_threads": 2}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_disruptive_changes_of_a_text_model_are_none(build, text, change):
    live = build([text("a"), text("b")])
    desired = build([text("a", **change), text("b")], live)
    assert disruptive_changes(desired, live) == []
    before, after = (
        {app["name"]: app for app in serve(config)["applications"]} for config in (live, desired)
    )
    assert after["b"] == before["b"]
    assert after["a"] != before["a"]


def test_worker_group_of_a_replica_on_two_nodes(build, text):
    manifest = build([text("big", **BIG, replicas={"min": 1, "max": 2})])
    (group,) = manifest["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert (group["replicas"], group["numOfHosts"]) == (2, 2)
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"memory": str((64 << 30) + RAY_MEMORY), "nvidia.com/gpu": "8"}
    requests = group["template"]["spec"]["containers"][0]["resources"]["requests"]
    assert requests["cpu"] == "8"


@pytest.mark.parametrize("gpus", [1, 2, 3, 4, 6, 7, 8, 16])
def test_bundles_of_a_replica_fill_its_pods(build, text, gpus):
    for nodes in (1, 2) if gpus % 2 == 0 else (1,):
        resources = {"cpu": "8", "memory": "64Gi", "gpu": str(gpus)}
        manifest = build([text("big", engine="vllm", resources=resources, parameters={"nodes": nodes})])
        (group,) = manifest["spec"]["rayClusterConfig"]["workerGroupSpecs"]
        offered = json.loads(json.loads(group["rayStartParams"]["resources"]))
        (place,) = offered
        deployment = serve(manifest)["applications"][1]["deployments"][0]
        bundles = deployment["placement_group_bundles"]
        limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
        assert sum(bundle["GPU"] for bundle in bundles) == gpus == int(limits["nvidia.com/gpu"]) * nodes
        part = sum(bundle[place] for bundle in bundles[: gpus // nodes])
        assert 1 - bundles[0][place] < part <= offered[place]
        options = deployment["ray_actor_options"]
        assert options["num_cpus"] <= bundles[0]["CPU"]
        assert options["resources"][place] <= bundles[0][place]


def test_group_of_depends_on_the_number_of_nodes(text):
    resources = {"cpu": "8", "memory": "64Gi", "gpu": "8"}
    one, two = (text("a", engine="vllm", resources=resources, parameters={"nodes": n}) for n in (1, 2))
    assert group_of(one) != group_of(two)


def test_ray_pods_log_to_the_output_of_their_containers(build, model):
    cluster = build([model("a")])["spec"]["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        (container,) = group["template"]["spec"]["containers"]
        variables = {entry["name"]: entry.get("value") for entry in container["env"]}
        assert (variables["RAY_LOG_TO_STDERR"], variables["RAY_SERVE_LOG_TO_STDERR"]) == ("1", "0")
        assert variables["RAY_BACKEND_LOG_JSON"] == "1"
