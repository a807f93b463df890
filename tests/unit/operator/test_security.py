"""Security profiles of services: what a new one needs, and how one that runs goes on."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
import yaml

from tts_app.manifests import samples_folder
from tts_app.profiles import Problem
from tts_app.resources import Playground
from tts_app.settings import Settings
from tts_operator.desired.security import PROBLEMS_ANNOTATION, lacking, unaccepted
from tts_operator.objects import NETWORK_POLICY, RAY_SERVICE, Key, Ref, ref_of
from tts_operator.observed.events import event_of
from tts_operator.plan.service import ServiceFacts, plan_service

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
KEY = Key("speech", "playground")
API_KEY = {"security": {"apiKey": {"name": "api-key"}}}


@pytest.fixture
def plan(policy):
    standard = replace(policy, defaults=replace(policy.defaults, profile="standard"))
    return lambda facts: plan_service(facts, NOW, standard)


def resource(**spec):
    return {
        "apiVersion": "ttsplayground.dev/v1alpha1",
        "kind": "Playground",
        "metadata": {"name": "playground", "uid": "uid-playground", "generation": 1},
        "spec": spec,
    }


def applied(plan, facts):
    """Return facts with the children that the plan applies."""
    made = {ref_of(m): {**m, "metadata": {**m["metadata"], "generation": 1}} for m in plan(facts).apply}
    return replace(facts, ray_service=made.pop(Ref(RAY_SERVICE, "playground")), children=made)


def of_an_older_operator(facts):
    """Return facts whose RayService says nothing of problems."""
    metadata = facts.ray_service["metadata"]
    annotations = {k: v for k, v in metadata["annotations"].items() if k != PROBLEMS_ANNOTATION}
    return replace(
        facts, ray_service={**facts.ray_service, "metadata": {**metadata, "annotations": annotations}}
    )


def conditions(plan, name):
    (update,) = [update for update in plan.statuses if update.ref.name == name]
    return {condition.type: condition for condition in update.conditions}


def environment(facts):
    head = facts.ray_service["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]
    return {variable["name"]: variable.get("value") for variable in head["containers"][0]["env"]}


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({}, [Problem.NO_KEY]),
        (API_KEY, []),
        ({"security": {"keysSecret": "keys"}}, []),
        ({"security": {"oidc": {"issuer": "https://a.example", "audience": "b"}}}, []),
        ({"security": {"profile": "development"}}, []),
        (API_KEY | {"ray": {"auth": "none"}}, []),
        (API_KEY | {"ray": {"auth": "none"}, "networkPolicy": {"enabled": False}}, [Problem.RAY_OPEN]),
        (API_KEY | {"ingress": {"host": "a.example"}}, [Problem.INGRESS_IN_CLEAR]),
        (API_KEY | {"ingress": {"host": "a.example", "tlsSecret": "tls"}}, []),
    ],
)
def test_lacking_names_what_a_standard_service_needs(spec, found, playground):
    assert lacking(playground(**spec), "standard") == found


def test_plan_of_a_new_service_without_a_key_makes_nothing_and_says_what_to_set(plan, voice_model):
    found = plan(ServiceFacts(KEY, models=[voice_model()], playground=resource()))
    assert not found.changes_children
    for name in ("kokoro", "playground"):
        ready = conditions(found, name)["Ready"]
        assert (ready.status, ready.reason) == (False, "Insecure")
        assert "security.apiKey" in ready.message
        assert not conditions(found, name)["Progressing"].status


def test_plan_of_a_service_without_a_playground_is_insecure_too(plan, voice_model):
    found = plan(ServiceFacts(KEY, models=[voice_model()]))
    assert not found.changes_children
    assert conditions(found, "kokoro")["Ready"].reason == "Insecure"


def test_plan_of_a_service_with_a_key_sets_the_gateways_profile(plan, voice_model):
    facts = applied(plan, ServiceFacts(KEY, models=[voice_model()], playground=resource(**API_KEY)))
    assert environment(facts)["TTSP_PROFILE"] == "standard"
    assert "Insecure" not in conditions(plan(facts), "playground")


def test_plan_warns_a_regulated_service_of_what_it_stores_in_clear(policy, voice_model):
    regulated = replace(policy, defaults=replace(policy.defaults, profile="regulated"))
    oidc = {"issuer": "https://login.example", "audience": "tts"}
    spec = {
        "security": {"oidc": oidc},
        "ray": {"tlsSecret": "ray-ca"},
        "ingress": {"host": "a.example", "tlsSecret": "tls"},
    }
    assert lacking(Playground.model_validate(resource(**spec)), "regulated") == [Problem.NO_AUDIT]
    open_to_all = spec | {"security": {"oidc": oidc, "corsOrigins": ["https://a.example", "*"]}}
    found = lacking(Playground.model_validate(resource(**open_to_all)), "regulated")
    assert found == [Problem.NO_AUDIT, Problem.ANY_ORIGIN]
    audited = spec | {
        "security": {"oidc": oidc, "audit": {"keySecret": "audit"}},
        "storage": {"database": {"secretRef": {"name": "db"}}},
    }
    assert lacking(Playground.model_validate(resource(**audited)), "regulated") == []
    facts = of_an_older_operator(
        applied(
            lambda facts: plan_service(facts, NOW, policy),
            ServiceFacts(KEY, models=[voice_model()], playground=resource(**spec)),
        )
    )
    found = conditions(plan_service(facts, NOW, regulated), "playground")
    assert not found["EncryptedAtRest"].status
    assert "encrypt its volumes and its database" in found["EncryptedAtRest"].message
    assert "security.audit" in found["Insecure"].message


def test_plan_lets_a_keyless_service_of_an_older_operator_go_on_as_insecure(plan, policy, voice_model):
    before = ServiceFacts(KEY, models=[voice_model()], playground=resource())
    older = of_an_older_operator(applied(lambda facts: plan_service(facts, NOW, policy), before))
    found = plan(older)
    assert [made["kind"] for made in found.apply] == ["RayService"]  # to say what it goes on with
    assert found.delete == []
    for name in ("kokoro", "playground"):
        insecure = conditions(found, name)["Insecure"]
        assert insecure.status
        assert "security.apiKey" in insecure.message
    (update,) = [update for update in found.statuses if update.ref.name == "playground"]
    event = event_of(update.resource, {"conditions": []}, update.after(NOW), "2026-01-01T00:00:00Z", "a")
    assert event is not None
    assert (event["type"], event["reason"]) == ("Warning", "GoesOn")
    now = replace(older, ray_service=applied(plan, older).ray_service)
    assert "TTSP_PROFILE" not in environment(now)
    changed = replace(now, models=[voice_model(), voice_model("other", avatars=[("en-GB", "male")])])
    assert plan(changed).apply  # it still takes models


def test_plan_takes_no_key_away_from_a_service_that_has_one(plan, voice_model):
    facts = applied(plan, ServiceFacts(KEY, models=[voice_model()], playground=resource(**API_KEY)))
    for keyless in (resource(), None):
        found = plan(replace(facts, playground=keyless))
        assert not found.changes_children
        assert conditions(found, "kokoro")["Degraded"].reason == "Insecure"
    assert conditions(plan(replace(facts, playground=resource())), "playground")["Ready"].reason == "Insecure"


def test_plan_removes_a_keyless_service_with_its_last_model(plan, policy, voice_model):
    before = ServiceFacts(KEY, models=[voice_model()])
    facts = applied(lambda facts: plan_service(facts, NOW, policy), before)
    assert Ref(RAY_SERVICE, "playground") in plan(replace(facts, models=[])).delete


def test_unaccepted_are_the_problems_that_a_service_did_not_have():
    problems = [Problem.NO_KEY, Problem.RAY_OPEN]
    live = {"metadata": {"annotations": {PROBLEMS_ANNOTATION: "RayOpen"}}}
    assert unaccepted(problems, live) == [Problem.NO_KEY]
    assert unaccepted(problems, None) == problems
    assert unaccepted(problems, {"metadata": {}}) == []


def test_hashed_keys_are_mounted_as_files_of_the_head(plan, voice_model):
    spec = {"security": {"keysSecret": "api-keys"}}
    facts = applied(plan, ServiceFacts(KEY, models=[voice_model()], playground=resource(**spec)))
    head = facts.ray_service["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]
    assert {"name": "keys", "secret": {"secretName": "api-keys", "defaultMode": 0o440}} in head["volumes"]
    assert environment(facts)["TTSP_KEYS_FILE"] == "/etc/tts-playground/keys/keys.json"
    (workers,) = facts.ray_service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert "keys" not in {volume["name"] for volume in workers["template"]["spec"]["volumes"]}


def test_audit_has_its_secret_as_a_file_and_its_heads_on_the_audio_volume(plan, voice_model):
    spec = {
        "security": API_KEY["security"] | {"audit": {"keySecret": "audit-key"}},
        "storage": {"database": {"secretRef": {"name": "db"}}},
    }
    facts = applied(plan, ServiceFacts(KEY, models=[voice_model()], playground=resource(**spec)))
    head = facts.ray_service["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]
    assert {"name": "audit", "secret": {"secretName": "audit-key", "defaultMode": 0o440}} in head["volumes"]
    found = environment(facts)
    assert found["TTSP_AUDIT"] == "true"
    assert found["TTSP_AUDIT_KEY_FILE"] == "/etc/tts-playground/audit/key"
    assert found["TTSP_AUDIT_ANCHOR"] == "/audio-output/.audit"


def test_key_of_cloned_voices_is_a_file_of_the_head_alone(plan, voice_model):
    spec = {
        "security": API_KEY["security"] | {"voices": {"keySecret": "voice-key"}},
        "storage": {"database": {"secretRef": {"name": "db"}}},
    }
    facts = applied(plan, ServiceFacts(KEY, models=[voice_model()], playground=resource(**spec)))
    cluster = facts.ray_service["spec"]["rayClusterConfig"]
    head = cluster["headGroupSpec"]["template"]["spec"]
    assert {"name": "voices", "secret": {"secretName": "voice-key", "defaultMode": 0o440}} in head["volumes"]
    assert environment(facts)["TTSP_VOICE_KEY_FILE"] == "/etc/tts-playground/voices/key"
    (workers,) = cluster["workerGroupSpecs"]
    assert "voices" not in {volume["name"] for volume in workers["template"]["spec"]["volumes"]}


def test_tenants_of_a_playground_reach_the_gateway(plan, voice_model):
    tenants = {
        "weights": {"hotel": 3, "clinic": 2},
        "quotas": "requests=600/minute",
        "exceptions": "quotas",
        "quotaStore": {"secretRef": {"name": "redis"}, "port": 6380},
    }
    facts = applied(
        plan,
        ServiceFacts(
            KEY,
            models=[voice_model()],
            playground=resource(**API_KEY, tenants=tenants, storage={"batchTextTtlSeconds": 3600}),
        ),
    )
    found = environment(facts)
    assert found["TTSP_BATCH_TEXT_TTL"] == "3600"
    assert found["TTSP_TENANT_WEIGHTS"] == "clinic=2,hotel=3"
    assert found["TTSP_QUOTAS"] == "requests=600/minute"
    assert "TTSP_QUOTA_STORE" in found
    head = facts.ray_service["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]
    mounted = {mount["mountPath"]: mount["name"] for mount in head["containers"][0]["volumeMounts"]}
    assert mounted[found["TTSP_QUOTAS_FILE"]] == "quotas"
    assert {"name": "quotas", "configMap": {"name": "quotas"}} in head["volumes"]
    policy = facts.children[Ref(NETWORK_POLICY, "playground-quotas")]
    (egress,) = policy["spec"]["egress"]
    assert [port["port"] for port in egress["ports"]] == [6380]


def test_quotas_of_a_playground_are_read_as_the_gateway_reads_them(playground):
    text = "requests=10/second,requests=10000/day,stored_bytes=10GiB,batches=none"
    assert Settings(quotas=text).quotas == playground(tenants={"quotas": text}).spec.tenants.quotas


@pytest.mark.parametrize("path", sorted(samples_folder().glob("*.yaml")), ids=lambda path: path.stem)
def test_sample_runs_as_written_or_says_what_it_needs(path):
    text = path.read_text(encoding="utf-8")
    documents = list(yaml.safe_load_all(text))
    for document in documents:
        if document["kind"] == "Playground":
            sample = Playground.model_validate(document)
            assert lacking(sample, "standard") == []
            if "profile: regulated" in text:
                assert lacking(sample, "development") == [], "its own profile counts"
            key = sample.spec.security.api_key
            assert key is None or f"kubectl create secret generic {key.name} --from-literal={key.key}" in text


def test_pods_of_a_service_with_an_authority_make_a_certificate_each(plan, voice_model):
    spec = API_KEY | {"ray": {"tlsSecret": "ray-ca"}}
    facts = applied(plan, ServiceFacts(KEY, models=[voice_model()], playground=resource(**spec)))
    cluster = facts.ray_service["spec"]["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        (container,), (init,) = pod["containers"], pod["initContainers"]
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        assert "ray-tls" in mounts
        assert "ray-authority" not in mounts, "only the init container signs"
        assert {mount["name"] for mount in init["volumeMounts"]} == {"ray-authority", "ray-tls"}
        assert init["securityContext"] == container["securityContext"]
        assert {"name": "RAY_USE_TLS", "value": "1"} in container["env"]


def test_pods_without_an_authority_have_no_init_container(plan, voice_model):
    facts = applied(plan, ServiceFacts(KEY, models=[voice_model()], playground=resource(**API_KEY)))
    cluster = facts.ray_service["spec"]["rayClusterConfig"]
    assert "initContainers" not in cluster["headGroupSpec"]["template"]["spec"]


def test_dashboard_is_shown_and_linked_where_the_playground_says_so(plan, voice_model):
    shown = applied(
        plan,
        ServiceFacts(KEY, models=[voice_model()], playground=resource(**API_KEY, ray={"dashboard": True})),
    )
    assert environment(shown)["TTSP_RAY_DASHBOARD"] == "true"
    links = [update.fields.get("dashboardUrl") for update in plan(shown).statuses]
    assert links == ["http://playground-serve-svc.speech.svc:8000/ray/"] * 2
    hidden = applied(plan, ServiceFacts(KEY, models=[voice_model()], playground=resource(**API_KEY)))
    assert "TTSP_RAY_DASHBOARD" not in environment(hidden)
    assert ["dashboardUrl" in update.fields for update in plan(hidden).statuses] == [False, False]
