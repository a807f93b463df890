"""All that a service is made of."""

import pytest

from tts_operator.desired.children import children
from tts_operator.desired.ray_service import Defaults, replacements
from tts_operator.objects import SERVICE_LABEL

DEFAULTS = Defaults("registry/tts:1", "2.60.0")


@pytest.fixture
def build(playground):
    return lambda models, **spec: children(playground(**spec), models, DEFAULTS, None)


def kinds(found):
    return [manifest["kind"] for manifest in found.present]


def of_kind(found, kind):
    return next(manifest for manifest in found.present if manifest["kind"] == kind)


def test_a_service_with_defaults(build, model):
    found = build([model()])
    assert kinds(found) == [
        "ServiceAccount",
        "PersistentVolumeClaim",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "RayService",
    ]
    assert [ref.kind.name for ref in found.absent] == ["PodMonitor", "Ingress"]
    assert all(m["metadata"]["labels"][SERVICE_LABEL] == "playground" for m in found.present)


def test_everything_that_can_be_asked_for(build, model):
    found = build(
        [model()], monitoring={"podMonitor": True, "labels": {"team": "voice"}}, ingress={"host": "a.b"}
    )
    assert not found.absent
    monitor = of_kind(found, "PodMonitor")
    assert monitor["metadata"]["labels"]["team"] == "voice"
    assert monitor["metadata"]["labels"][SERVICE_LABEL] == "playground"
    assert of_kind(found, "Ingress")["spec"]["rules"][0]["host"] == "a.b"


def test_what_is_turned_off_goes(build, model):
    found = build([model()], networkPolicy={"enabled": False}, podDisruptionBudget=False)
    assert {"NetworkPolicy", "PodDisruptionBudget"} <= {ref.kind.name for ref in found.absent}
    assert not {"NetworkPolicy", "PodDisruptionBudget"} & set(kinds(found))


def test_without_a_model_all_goes_but_the_files(build):
    found = build([])
    assert found.present == ()
    assert "PersistentVolumeClaim" not in {ref.kind.name for ref in found.absent}
    assert "RayService" in {ref.kind.name for ref in found.absent}


def test_without_a_model_the_gateway_can_stay(build):
    assert "RayService" in kinds(build([], whenEmpty="KeepGateway"))


def test_only_models_from_outside_need_a_cache_and_a_way_out(build, model):
    inside = build([model()])
    outside = build([model(source={"uri": "hf://a/b", "revision": "c"}, quantization="none")])
    assert kinds(inside).count("PersistentVolumeClaim") == 1
    assert kinds(outside).count("PersistentVolumeClaim") == 2
    ways = [len(of_kind(found, "NetworkPolicy")["spec"]["egress"]) for found in (inside, outside)]
    assert ways == [2, 3]
    (block,) = [to["ipBlock"] for to in of_kind(outside, "NetworkPolicy")["spec"]["egress"][2]["to"]]
    assert "169.254.169.254/32" in block["except"]


def test_a_model_from_outside_changes_the_pods_of_no_other(playground, model):
    outside = model("z", source={"uri": "hf://a/b", "revision": "c"}, quantization="none")
    before = of_kind(children(playground(), [model("a")], DEFAULTS, None), "RayService")
    after = of_kind(children(playground(), [model("a"), outside], DEFAULTS, before), "RayService")
    assert replacements(after, before) == []
    groups = after["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    claims = [
        "persistentVolumeClaim" in volume for g in groups for volume in g["template"]["spec"]["volumes"]
    ]
    assert claims.count(True) == 1


def test_a_claim_that_is_there_is_used(build, model):
    found = build([model()], storage={"audio": {"existingClaim": "mine"}})
    assert "PersistentVolumeClaim" not in kinds(found)
    head = of_kind(found, "RayService")["spec"]["rayClusterConfig"]["headGroupSpec"]
    claims = [
        v["persistentVolumeClaim"]
        for v in head["template"]["spec"]["volumes"]
        if "persistentVolumeClaim" in v
    ]
    assert claims == [{"claimName": "mine"}]


def test_callers_beyond_the_namespace_are_those_named(build, model):
    peers = [{"namespaceSelector": {"team": "web"}}, {"namespaceSelector": {}, "podSelector": {"app": "x"}}]
    policy = of_kind(build([model()], networkPolicy={"allowFrom": peers}), "NetworkPolicy")
    assert policy["spec"]["ingress"][2]["from"] == [
        {"podSelector": {}},
        {"namespaceSelector": {"matchLabels": {"team": "web"}}},
        {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "x"}}},
    ]
