"""The plan of a service, as a table: facts in, what is to be done out."""

import copy
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tts_operator.desired.groups import group_of
from tts_operator.desired.loading import load_name
from tts_operator.objects import (
    CLAIM,
    INGRESS,
    JOB,
    MANAGED_LABEL,
    NETWORK_POLICY,
    RAY_SERVICE,
    SERVICE_ACCOUNT,
    VOICE_MODEL,
    Key,
    Ref,
    ref_of,
)
from tts_operator.observed.conditions import Cause
from tts_operator.plan.service import ServiceFacts, plan_service

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
KEY = Key("speech", "playground")
OURS = {MANAGED_LABEL: "tts-operator"}
CLUSTER = "playground-abcde"
HUB = {"source": {"uri": "hf://a/b", "revision": "c"}, "quantization": "none"}


@pytest.fixture
def plan(policy):
    return lambda facts: plan_service(facts, NOW, policy)


@pytest.fixture
def settle(plan):
    """Return a function that returns facts whose children are all as they are wanted."""

    def settled(facts):
        applied = {ref_of(made): {**made, "metadata": {**made["metadata"], "generation": 1}}
                   for made in plan(facts).apply}  # fmt: skip
        return replace(
            facts,
            ray_service=applied.pop(Ref(RAY_SERVICE, "playground"), facts.ray_service),
            children={**facts.children, **applied},
        )

    return settled


def playground(**spec):
    return {
        "apiVersion": "ttsplayground.dev/v1alpha1",
        "kind": "Playground",
        "metadata": {"name": "playground", "uid": "uid-playground", "generation": 1},
        "spec": spec,
    }


def kinds(plan):
    return [made["kind"] for made in plan.apply]


def reasons(plan):
    """Return the reasons of each resource's conditions, by name and type."""
    return {
        (update.ref.name, condition.type): condition.reason
        for update in plan.statuses
        for condition in update.conditions
    }


def test_plan_without_models_is_empty(plan):
    found = plan(ServiceFacts(KEY))
    assert (found.changes_children, found.patches, found.statuses, found.look_again) == (False, [], [], None)


def test_plan_of_a_new_model_applies_what_pods_need_first(plan, voice_model):
    found = plan(ServiceFacts(KEY, models=[voice_model()]))
    assert kinds(found) == ["ServiceAccount", "PersistentVolumeClaim", "NetworkPolicy", "RayService"]
    assert found.delete == []
    assert reasons(found)["kokoro", "Progressing"] == "Creating"


def test_plan_of_a_settled_service_changes_no_child(plan, settle, voice_model):
    facts = settle(ServiceFacts(KEY, models=[voice_model()]))
    found = plan(facts)
    assert not found.changes_children
    assert found.look_again == 5


@pytest.mark.parametrize(
    ("ref", "change"),
    [
        (Ref(SERVICE_ACCOUNT, "playground"), None),
        (Ref(NETWORK_POLICY, "playground"), {"spec": {}}),
        (Ref(CLAIM, "playground-audio"), {"spec": {"accessModes": ["ReadWriteMany"]}}),
    ],
)
def test_plan_applies_a_child_that_is_gone_or_changed(plan, settle, voice_model, ref, change):
    facts = settle(ServiceFacts(KEY, models=[voice_model()]))
    children = dict(facts.children)
    child = children.pop(ref)
    if change is not None:
        children[ref] = {**child, **change}
    assert [ref_of(made) for made in plan(replace(facts, children=children)).apply] == [ref]


def test_plan_deletes_orphans_in_order_and_keeps_claims(plan, settle, voice_model):
    facts = settle(ServiceFacts(KEY, models=[voice_model()]))
    found = plan(replace(facts, models=[]))
    assert [ref.kind for ref in found.delete] == [RAY_SERVICE, NETWORK_POLICY, SERVICE_ACCOUNT]
    assert found.apply == []


@pytest.mark.parametrize(
    "metadata", [{"labels": {}}, {"labels": OURS, "deletionTimestamp": "2026-01-01T00:00:00Z"}]
)
def test_plan_deletes_no_foreign_child_and_none_being_deleted(plan, settle, voice_model, metadata):
    ref = Ref(INGRESS, "playground")
    facts = settle(ServiceFacts(KEY, models=[voice_model()]))
    children = {**facts.children, ref: {"metadata": {"name": "playground", **metadata}}}
    assert plan(replace(facts, children=children)).delete == []


def test_plan_fetches_files_before_it_serves(plan, settle, voice_model, model):
    outside = voice_model(**HUB)
    facts = settle(ServiceFacts(KEY, models=[outside]))
    job = Ref(JOB, load_name(model(**HUB)))
    assert job in facts.children
    assert facts.ray_service["spec"]["rayClusterConfig"]["workerGroupSpecs"] == []
    assert plan(facts).look_again == 5
    done = {"conditions": [{"type": "Complete", "status": "True"}]}
    fetched = replace(facts, children={**facts.children, job: {**facts.children[job], "status": done}})
    assert kinds(plan(fetched)) == ["RayService"]


@pytest.mark.parametrize(
    ("failed", "is_deleted"), [("2026-01-01T00:55:00Z", False), ("2026-01-01T00:49:00Z", True)]
)
def test_plan_deletes_a_failed_loader_after_ten_minutes(plan, settle, voice_model, model, failed, is_deleted):
    facts = settle(ServiceFacts(KEY, models=[voice_model(**HUB)]))
    job = Ref(JOB, load_name(model(**HUB)))
    status = {"conditions": [{"type": "Failed", "status": "True", "lastTransitionTime": failed}]}
    facts = replace(facts, children={**facts.children, job: {**facts.children[job], "status": status}})
    found = plan(facts)
    assert found.delete == ([job] if is_deleted else [])
    assert found.apply == [], "a Job is never changed"


def test_plan_keeps_what_runs_when_every_model_is_invalid(plan, settle, voice_model):
    facts = settle(ServiceFacts(KEY, models=[voice_model()]))
    service = copy.deepcopy(dict(facts.ray_service))
    service["spec"]["serveConfigV2"] = ""
    found = plan(replace(facts, models=[voice_model(quantization="new")], ray_service=service))
    assert not found.changes_children
    assert reasons(found)["kokoro", "Degraded"] == "InvalidSpec"
    assert found.look_again == 300


def test_plan_keeps_everything_while_the_playground_is_invalid(plan, settle, voice_model):
    facts = settle(ServiceFacts(KEY, models=[voice_model()]))
    found = plan(replace(facts, playground=playground(images={"pullPolicy": "Sometimes"}), children={}))
    assert not found.changes_children
    assert reasons(found)["kokoro", "Degraded"] == "InvalidPlayground"
    assert reasons(found)["playground", "Degraded"] == "InvalidPlayground"


def test_plan_names_the_changes_that_make_a_new_cluster(plan, settle, voice_model):
    facts = settle(ServiceFacts(KEY, models=[voice_model()]))
    status = {"activeServiceStatus": {"rayClusterName": CLUSTER}}
    facts = replace(
        facts,
        ray_service={**facts.ray_service, "status": status},
        playground=playground(images={"gateway": "registry/app:2"}),
    )
    found = plan(facts)
    assert kinds(found) == ["RayService"]
    assert [path.partition(".")[0] for path in found.changes] == ["headGroupSpec"]
    after = plan(replace(settle(facts), ray_service={**settle(facts).ray_service, "status": status},
                         applied_changes=found.changes))  # fmt: skip
    assert not after.changes_children
    assert reasons(after)["kokoro", "Progressing"] == "ClusterReplacement"


def head_ports(ray_service):
    (container,) = ray_service["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]["containers"]
    return container["ports"]


@pytest.fixture
def before_upgrade(settle, voice_model):
    """Return the facts of a settled service whose head was made without the newest ports."""
    facts = settle(ServiceFacts(KEY, models=[voice_model()]))
    ray_service = copy.deepcopy(dict(facts.ray_service))
    del head_ports(ray_service)[-2:]
    return replace(facts, ray_service=ray_service)


def test_plan_starts_no_new_cluster_to_name_ports(plan, settle, before_upgrade, voice_model):
    found = plan(before_upgrade)
    assert not found.changes
    for facts in (before_upgrade, replace(before_upgrade, models=[voice_model(), voice_model("b", avatars=[
        ("ar-SA", "male")])])):  # fmt: skip
        settled = settle(facts)
        assert head_ports(settled.ray_service) == head_ports(before_upgrade.ray_service)
        assert not plan(settled).changes_children


def test_plan_names_all_ports_in_a_cluster_that_is_new_anyway(plan, settle, before_upgrade):
    facts = replace(before_upgrade, playground=playground(images={"gateway": "registry/app:2"}))
    found = plan(facts)
    assert any("image" in change for change in found.changes)
    ports = {port["name"] for port in head_ports(settle(facts).ray_service)}
    assert {"metrics", "as-metrics", "dash-metrics"} <= ports


def test_plan_reports_a_refusal_and_looks_again(plan, voice_model):
    refused = ServiceFacts(KEY, models=[voice_model()], refusal=Cause("Forbidden", "cannot patch"))
    found = plan(refused)
    assert reasons(found)["kokoro", "Degraded"] == "Forbidden"
    assert found.look_again == 5
    assert plan(ServiceFacts(KEY, refusal=Cause("Forbidden", "cannot delete"))).look_again is not None


def test_plan_patches_numbers_of_pods_of_a_cluster(plan, settle, voice_model, model):
    facts = settle(ServiceFacts(KEY, models=[voice_model(replicas={"min": 2, "max": 2})]))
    (group,) = facts.ray_service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    cluster = {
        "metadata": {"name": CLUSTER, "resourceVersion": "7"},
        "spec": {"workerGroupSpecs": [{**group, "replicas": 1}]},
    }
    (patch,) = plan(replace(facts, ray_clusters=[cluster])).patches
    assert (patch.ref.name, patch.resource_version) == (CLUSTER, "7")
    assert patch.operations[0]["value"] == group_of(model())
    going = {**cluster, "metadata": {**cluster["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert plan(replace(facts, ray_clusters=[going])).patches == []


def test_plan_of_a_ready_service_waits_for_the_resync(plan, settle, voice_model, model):
    facts = settle(ServiceFacts(KEY, models=[voice_model()]))
    states = {"status": "RUNNING", "serveDeploymentStatuses": {"Voice": {"status": "HEALTHY"}}}
    applications = {"rayClusterName": CLUSTER, "applicationStatuses": {"kokoro": states, "gateway": states}}
    status = {"observedGeneration": 1, "activeServiceStatus": applications}
    pods = [
        {
            "metadata": {"name": group, "labels": {"ray.io/group": group, "ray.io/cluster": CLUSTER}},
            "spec": {},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }
        for group in ("headgroup", group_of(model()))
    ]
    found = plan(replace(facts, ray_service={**facts.ray_service, "status": status}, pods=pods))
    assert reasons(found)["kokoro", "Ready"] == "Serving"
    assert found.look_again == 300
    assert [update.ref for update in found.statuses] == [Ref(VOICE_MODEL, "kokoro")]


def test_plan_is_the_same_for_the_same_facts(plan, voice_model):
    facts = ServiceFacts(KEY, models=[voice_model()])
    assert plan(facts) == plan(facts)


def test_plan_of_a_commercial_service_takes_out_what_its_licence_forbids(plan, settle, voice_model):
    free = {"license": {"spdx": "CC-BY-NC-4.0", "commercialUse": False}}
    facts = settle(ServiceFacts(KEY, models=[voice_model(**free)]))
    assert facts.ray_service is not None
    found = plan(replace(facts, playground=playground(commercial=True)))
    assert reasons(found)["kokoro", "Ready"] == "LicenseForbids"
    messages = [condition.message for update in found.statuses for condition in update.conditions]
    assert any("may not be used commercially by its licence, CC-BY-NC-4.0" in text for text in messages)
    assert Ref(RAY_SERVICE, "playground") in found.delete, "though nothing else is served"


def test_plan_of_services_is_commercial_where_the_operator_s_default_is(policy, voice_model):
    free = {"license": {"spdx": "CC-BY-NC-4.0", "commercialUse": False}}
    commercial = replace(policy, defaults=replace(policy.defaults, commercial=True))
    for said, reason in ((None, "LicenseForbids"), (False, "Creating")):
        spec = {} if said is None else {"commercial": said}
        facts = ServiceFacts(KEY, models=[voice_model(**free)], playground=playground(**spec))
        assert reason in set(reasons(plan_service(facts, NOW, commercial)).values())
