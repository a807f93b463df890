"""All that a service is made of."""

import re
from dataclasses import replace

import pytest

from tts_app.resources.playground import Monitoring
from tts_app.settings import Settings
from tts_operator.desired.children import CHILDREN, children
from tts_operator.desired.groups import group_of
from tts_operator.desired.loading import load_name
from tts_operator.desired.ray_service import Defaults
from tts_operator.objects import CLAIM, RAY_SERVICE, SERVICE_LABEL
from tts_operator.observed.ray import disruptive_changes, worker_groups

DEFAULTS = Defaults(
    "registry/app:1", {"kokoro": "registry/kokoro:1"}, "2.60.0", "kuberay", profile="development"
)


OUTSIDE = {"source": {"uri": "hf://a/b", "revision": "c"}, "quantization": "none"}


@pytest.fixture
def build(playground):
    return lambda models, pending=(), **spec: children(playground(**spec), models, pending, DEFAULTS, ())


def kinds(found):
    return [manifest["kind"] for manifest in found]


def of_kind(found, kind):
    return next(manifest for manifest in found if manifest["kind"] == kind)


def test_children_of_a_service_with_defaults(build, model):
    found = build([model()])
    assert kinds(found) == ["ServiceAccount", "PersistentVolumeClaim", "NetworkPolicy", "RayService"]
    assert all(m["metadata"]["labels"][SERVICE_LABEL] == "playground" for m in found)


def test_children_of_a_service_with_everything(build, model):
    found = build(
        [model(replicas={"min": 2, "max": 2})],
        [model("z", **OUTSIDE)],
        monitoring={"podMonitor": True, "labels": {"team": "voice"}},
        ingress={"host": "a.b"},
        route={"host": "c.d", "gateway": {"name": "public", "namespace": "edge"}},
    )
    everything = {kind.name for kind in (*CHILDREN, RAY_SERVICE)}
    assert set(kinds(found)) == everything - {"Service", "ServiceMonitor"}, "in place of the PodMonitor"
    monitor = of_kind(found, "PodMonitor")
    assert monitor["metadata"]["labels"]["team"] == "voice"
    assert monitor["metadata"]["labels"][SERVICE_LABEL] == "playground"
    assert of_kind(found, "Ingress")["spec"]["rules"][0]["host"] == "a.b"
    route = of_kind(found, "HTTPRoute")["spec"]
    assert route["parentRefs"] == [{"name": "public", "namespace": "edge"}]
    assert route["hostnames"] == ["c.d"]


def endpoints(monitor):
    return monitor["spec"].get("podMetricsEndpoints") or monitor["spec"]["endpoints"]


def ports_of(found):
    """Return the named ports of the head and of a worker."""
    cluster = of_kind(found, "RayService")["spec"]["rayClusterConfig"]
    templates = (cluster["headGroupSpec"]["template"], cluster["workerGroupSpecs"][0]["template"])
    return [{p["name"]: p["containerPort"] for p in t["spec"]["containers"][0]["ports"]} for t in templates]


@pytest.mark.parametrize("kind", ["PodMonitor", "ServiceMonitor"])
def test_monitor_scrapes_all_of_rays_ports_with_the_label_of_its_dashboards(build, model, kind):
    found = build([model()], monitoring={"kind": kind, "interval": "15s"})
    head, worker = ports_of(found)
    assert (head["metrics"], head["as-metrics"], head["dash-metrics"]) == (8080, 44217, 44227)
    assert worker["metrics"] == 8080
    scraped = endpoints(of_kind(found, kind))
    assert [one["port"] for one in scraped] == ["metrics", "as-metrics", "dash-metrics"]
    for endpoint in scraped:
        assert endpoint["interval"] == "15s"
        added = {one["targetLabel"]: one["sourceLabels"] for one in endpoint["relabelings"]}
        assert added["ray_io_cluster"] == ["__meta_kubernetes_pod_label_ray_io_cluster"]
        assert added["node"] == ["__meta_kubernetes_pod_node_name"]
        (dropped,) = endpoint["metricRelabelings"]
        assert dropped["action"] == "labeldrop"
        gone = ("otel_scope_name", "SessionName", "Version")
        assert all(re.fullmatch(dropped["regex"], label) for label in gone)
        kept = ("model", "ray_io_cluster", "NodeAddress", "replica", "SessionNameless", "WorkerId")
        assert not any(re.fullmatch(dropped["regex"], label) for label in kept)


def test_service_monitor_selects_the_service_that_names_the_ports_of_pods(build, model):
    found = build([model()], monitoring={"kind": "ServiceMonitor", "labels": {"release": "prom"}})
    service, monitor = of_kind(found, "Service"), of_kind(found, "ServiceMonitor")
    assert service["metadata"]["labels"].items() >= monitor["spec"]["selector"]["matchLabels"].items()
    assert monitor["metadata"]["labels"]["release"] == "prom"
    head, worker = ports_of(found)
    targets = {port["name"]: port["targetPort"] for port in service["spec"]["ports"]}
    assert targets.items() <= {name: name for name in head}.items(), "a named port: workers lack two of them"
    assert targets.keys() & worker.keys() == {"metrics"}
    pods = of_kind(found, "RayService")["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["metadata"]
    assert pods["labels"].items() >= service["spec"]["selector"].items()
    assert "PodMonitor" not in kinds(found)


def test_annotations_are_on_every_pod_and_need_no_kind(build, model):
    found = build([model()], monitoring={"kind": "Annotations"})
    cluster = of_kind(found, "RayService")["spec"]["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        annotations = group["template"]["metadata"]["annotations"]
        assert annotations["prometheus.io/scrape"] == "true"
        assert annotations["prometheus.io/port"] == "8080"
    assert not {"PodMonitor", "ServiceMonitor", "Service"} & set(kinds(found))


@pytest.mark.parametrize(
    ("said", "kind", "labels"),
    [
        ({}, "PodMonitor", {"release": "prom"}),
        ({"kind": "None"}, None, None),
        ({"kind": "ServiceMonitor"}, "ServiceMonitor", {"release": "prom"}),
        ({"labels": {"team": "voice"}}, "PodMonitor", {"team": "voice"}),
    ],
)
def test_monitoring_of_the_operator_counts_where_a_playground_is_silent(
    playground, model, said, kind, labels
):
    given = Monitoring(kind="PodMonitor", labels={"release": "prom"}, interval="30s")
    found = children(playground(monitoring=said), [model()], (), replace(DEFAULTS, monitoring=given), ())
    monitors = [m for m in found if m["kind"] in ("PodMonitor", "ServiceMonitor")]
    assert [m["kind"] for m in monitors] == ([kind] if kind else [])
    for monitor in monitors:
        assert monitor["metadata"]["labels"].items() >= labels.items()
        assert endpoints(monitor)[0]["interval"] == "30s"


def test_children_leave_out_what_is_turned_off(build, model):
    several = model(replicas={"min": 2, "max": 2})
    found = build([several], networkPolicy={"enabled": False}, podDisruptionBudget=False)
    assert not {"NetworkPolicy", "PodDisruptionBudget"} & set(kinds(found))


def test_disruption_budget_of_models_that_always_have_several_pods(build, model):
    """The pod of the only replica may go: no other is ready, so a budget would hold every drain up."""
    several, by_load = model("b", replicas={"min": 2, "max": 3}), model("a", replicas={"min": 1, "max": 3})
    budgets = [m for m in build([by_load, several]) if m["kind"] == "PodDisruptionBudget"]
    assert [budget["metadata"]["name"] for budget in budgets] == ["playground-b"]
    assert budgets[0]["spec"] == {
        "minAvailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": {SERVICE_LABEL: "playground", "ray.io/group": group_of(several)}},
    }


def test_children_without_a_model_are_none(build):
    assert build([]) == ()


def test_children_without_a_model_can_keep_the_gateway(build):
    assert "RayService" in kinds(build([], whenEmpty="KeepGateway"))


def test_children_fetch_the_new_files_of_a_model_that_is_served_as_before(build, model):
    new = {**OUTSIDE, "source": {"uri": "hf://a/b", "revision": "d"}}
    (job,) = [child for child in build([model(**OUTSIDE)], [model(**new)]) if child["kind"] == "Job"]
    assert job["metadata"]["name"] == load_name(model(**new))


def test_children_make_the_audio_claim_that_files_are_fetched_into(build, model):
    storage = {"cache": {"existingClaim": "playground-audio"}}
    made = [
        c["metadata"]["name"] for c in build([model(**OUTSIDE)], storage=storage) if c["kind"] == CLAIM.name
    ]
    assert made == ["playground-audio"]


def test_loader_policy_is_for_loaders_only(build, model):
    inside, outside = build([model()]), build([model(**OUTSIDE)])
    assert kinds(inside).count("PersistentVolumeClaim") == 1
    assert kinds(outside).count("PersistentVolumeClaim") == 2
    policies = {m["metadata"]["name"]: m["spec"] for m in outside if m["kind"] == "NetworkPolicy"}
    assert set(policies) == {"playground", "playground-loader"}
    assert not any("ipBlock" in to for rule in policies["playground"]["egress"] for to in rule.get("to", ()))
    loader = policies["playground-loader"]
    (block,) = [to["ipBlock"] for to in loader["egress"][0]["to"]]
    assert block["except"] == ["169.254.0.0/16"]
    pods = of_kind(outside, "Job")["spec"]["template"]["metadata"]["labels"]
    assert loader["podSelector"]["matchLabels"].items() <= pods.items()


def test_children_of_a_downloaded_model_change_no_other_pods(playground, model):
    outside = model("z", **OUTSIDE)
    before = of_kind(children(playground(), [model("a")], [], DEFAULTS, ()), "RayService")
    groups = worker_groups(before)
    after = of_kind(children(playground(), [model("a"), outside], [], DEFAULTS, groups), "RayService")
    assert disruptive_changes(after, before) == []
    groups = after["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    claims = [
        "persistentVolumeClaim" in volume for g in groups for volume in g["template"]["spec"]["volumes"]
    ]
    assert claims.count(True) == 1


def test_children_use_an_existing_claim(build, model):
    found = build([model()], storage={"audio": {"existingClaim": "mine"}})
    assert "PersistentVolumeClaim" not in kinds(found)
    head = of_kind(found, "RayService")["spec"]["rayClusterConfig"]["headGroupSpec"]
    claims = [
        v["persistentVolumeClaim"]
        for v in head["template"]["spec"]["volumes"]
        if "persistentVolumeClaim" in v
    ]
    assert claims == [{"claimName": "mine"}]


def tied_to(template):
    """Return the labels that a pod must find on a node, if a pod has them already."""
    terms = template["spec"].get("affinity", {}).get("podAffinity", {}).values()
    return [term["labelSelector"]["matchLabels"] for (term,) in terms]


def test_affinity_puts_pods_of_a_claim_of_one_node_together(build, model):
    """A head that takes over, on another node, would wait for the volume that the running one has."""
    found = build([model("a"), model("z", **OUTSIDE)], [model("y", **OUTSIDE)])
    cluster = of_kind(found, "RayService")["spec"]["rayClusterConfig"]
    templates = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"], of_kind(found, "Job")["spec"]]
    head, a, z, loader = (part["template"] for part in templates)
    audio, cache = ({f"ttsplayground.dev/claim-playground-{name}": ""} for name in ("audio", "cache"))
    assert [tied_to(template) for template in (head, a, z, loader)] == [[audio], [], [cache], [cache]]
    for template, label in ((head, audio), (z, cache), (loader, cache)):
        assert label.items() <= template["metadata"]["labels"].items(), "the first finds itself"


@pytest.mark.parametrize("audio", [{"accessMode": "ReadWriteMany"}, {"existingClaim": "mine"}])
def test_affinity_is_left_out_for_other_claims(build, model, audio):
    found = build([model()], storage={"audio": audio})
    head = of_kind(found, "RayService")["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]
    assert tied_to(head) == []


def test_network_policy_lets_named_callers_in(build, model):
    peers = [{"namespaceSelector": {"team": "web"}}, {"namespaceSelector": {}, "podSelector": {"app": "x"}}]
    policy = of_kind(build([model()], networkPolicy={"allowFrom": peers}), "NetworkPolicy")
    (callers,) = (
        r for r in policy["spec"]["ingress"] if {"port": 8080, "protocol": "TCP"} in r.get("ports", ())
    )
    assert callers["from"] == [
        {"podSelector": {}},
        {"namespaceSelector": {"matchLabels": {"team": "web"}}},
        {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "x"}}},
    ]


def test_network_policy_lets_kuberay_in(build, model):
    """It asks the head's proxy: without an answer the head is not among those that callers reach."""
    policy = of_kind(build([model()]), "NetworkPolicy")
    kuberay = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kuberay"}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "kuberay-operator"}},
    }
    ports = [p["port"] for r in policy["spec"]["ingress"] if r["from"] == [kuberay] for p in r["ports"]]
    assert ports == [8265, 8000]


def test_database_policy_is_for_the_head_only(build, model):
    def policies(**storage):
        found = build([model()], storage=storage)
        return {m["metadata"]["name"]: m["spec"] for m in found if m["kind"] == "NetworkPolicy"}

    assert set(policies()) == {"playground"}
    found = policies(database={"secretRef": {"name": "db"}, "port": 6432})
    spec = found["playground-database"]
    assert spec["podSelector"]["matchLabels"] == {SERVICE_LABEL: "playground", "ray.io/node-type": "head"}
    assert (spec["policyTypes"], [rule["ports"] for rule in spec["egress"]]) == (
        ["Egress"],
        [[{"port": 6432, "protocol": "TCP"}]],
    )
    assert set(policies(database={"secretRef": {"name": "db"}})) == set(found)


def test_worker_mounts_the_claims_of_its_model(build, model):
    found = build([model("a"), model("b", source={"uri": "pvc://models/kokoro/int8"})])
    groups = of_kind(found, "RayService")["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    specs = {g["groupName"].rpartition("-")[0]: g["template"]["spec"] for g in groups}

    def claims(spec):
        return [
            v["persistentVolumeClaim"]["claimName"] for v in spec["volumes"] if "persistentVolumeClaim" in v
        ]

    assert {name: claims(spec) for name, spec in specs.items()} == {"a": [], "b": ["models"]}
    mounts = specs["b"]["containers"][0]["volumeMounts"]
    assert {"name": "claim-0", "mountPath": "/claims/models", "readOnly": True} in mounts


def test_head_has_the_rules_of_the_door(build, model):
    found = build(
        [model()],
        security={
            "corsOrigins": ["https://a.example", "https://b.example"],
            "trustedProxies": ["10.0.0.0/8"],
        },
    )
    cluster = of_kind(found, "RayService")["spec"]["rayClusterConfig"]
    (container,) = cluster["headGroupSpec"]["template"]["spec"]["containers"]
    environment = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert environment["TTSP_CORS_ORIGINS"] == "https://a.example,https://b.example"
    assert environment["TTSP_TRUSTED_PROXIES"] == "10.0.0.0/8"
    assert "TTSP_ALLOWED_HOSTS" not in environment


def test_head_has_the_identity_provider(build, model):
    oidc = {"issuer": "https://login.example", "audience": "speech", "mfaValues": ["mfa", "hwk"]}
    found = build([model()], security={"oidc": oidc})
    cluster = of_kind(found, "RayService")["spec"]["rayClusterConfig"]
    (container,) = cluster["headGroupSpec"]["template"]["spec"]["containers"]
    environment = {entry["name"]: entry["value"] for entry in container["env"] if "_OIDC_" in entry["name"]}
    assert environment == {
        "TTSP_OIDC_ISSUER": "https://login.example",
        "TTSP_OIDC_AUDIENCE": "speech",
        "TTSP_OIDC_TENANT_CLAIM": "tenant",
        "TTSP_OIDC_SCOPE_CLAIM": "scope",
        "TTSP_OIDC_MFA_CLAIM": "amr",
        "TTSP_OIDC_MFA_VALUES": "mfa,hwk",
    }
    (worker,) = cluster["workerGroupSpecs"][0]["template"]["spec"]["containers"]
    assert not [entry for entry in worker["env"] if "_OIDC_" in entry["name"]]
    fields = {f"TTSP_{name.upper()}" for name in Settings.model_fields}
    assert set(environment) <= fields, "the gateway reads what the operator writes"


def test_provider_policy_is_for_the_ports_of_the_provider(build, model):
    def ports(**more):
        oidc = {"issuer": "https://login.example:8443/a", "audience": "speech", **more}
        found = build([model()], security={"oidc": oidc})
        (policy,) = [one for one in found if one["metadata"]["name"].endswith("-oidc")]
        assert policy["spec"]["podSelector"]["matchLabels"]["ray.io/node-type"] == "head"
        (rule,) = policy["spec"]["egress"]
        return [port["port"] for port in rule["ports"]]

    assert ports() == [8443]
    assert ports(jwksUrl="https://keys.example/keys") == [443, 8443]
    assert not [one for one in build([model()]) if one["metadata"]["name"].endswith("-oidc")]


def test_head_alone_has_secrets(build, model):
    found = build(
        [model()],
        security={"apiKey": {"name": "api"}},
        storage={"database": {"secretRef": {"name": "db"}}},
    )
    cluster = of_kind(found, "RayService")["spec"]["rayClusterConfig"]

    def secrets(template):
        (container,) = template["spec"]["containers"]
        references = [e["valueFrom"]["secretKeyRef"] for e in container["env"] if "valueFrom" in e]
        return [(reference["name"], reference["key"]) for reference in references]

    assert secrets(cluster["headGroupSpec"]["template"]) == [("db", "url"), ("api", "key")]
    assert secrets(cluster["workerGroupSpecs"][0]["template"]) == []
