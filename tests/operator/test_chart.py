"""The charts as Helm renders them: for every way to install them, and for values that are wrong."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from charts import (
    CHART,
    RELEASE,
    ROOT,
    UMBRELLA,
    Helm,
    Object,
    ProgramError,
    conform,
    deployment,
    environment,
    helm_test,
    of_kind,
    with_stand_ins,
)
from json_schemas import write_schemas
from running import PATIENCE, Operator

from cluster.binaries import KUBERAY, VERSIONS
from cluster.control_plane import ControlPlane
from tts_app.resources import KINDS
from tts_app.resources.engines import ENGINES
from tts_app.telemetry.traces import Tracing, tracing_of
from tts_operator.settings import Settings

DIGEST = f"sha256:{'a' * 64}"
WAYS: dict[str, dict[str, Any]] = {
    "default": {},
    "one team": {
        "watchNamespaces": ["speech", "more-speech"],
        "crds": {"install": False},
        "rbac": {"userRoles": False},
    },
    "everything": {
        "commonLabels": {"team": "speech"},
        "image": {"registry": "registry.example:5000/speech/", "digest": DIGEST, "pullPolicy": "Always"},
        "pullSecrets": ["registry"],
        "defaults": {"images": {"gateway": "other/app:2", "engines": {"vllm": "other/vllm:2"}}},
        "operator": {"logLevel": "DEBUG", "workers": 8, "pollSeconds": 0.5, "resyncSeconds": 86400},
        "replicas": 3,
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "spot", "operator": "Exists"}],
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"app.kubernetes.io/component": "operator"}},
            }
        ],
        "podAnnotations": {"example.com/scrape": "no"},
        "podLabels": {"example.com/tier": "control"},
        "serviceAccount": {"annotations": {"example.com/role": "speech"}},
        "monitoring": {
            "enabled": True,
            "kind": "ServiceMonitor",
            "labels": {"release": "prom"},
            "interval": "15s",
            "tlsSecret": "metrics-tls",
            "tokenSecret": "metrics-token",
            "pricePerNodeHour": 3.06,
            "tracing": {"endpoint": "https://otlp.example/otlp", "sampleRatio": 0.5},
            "dashboards": {"grafanaOperator": {"enabled": True}},
        },
        "networkPolicy": {"metricsFrom": [], "apiServer": {"cidrs": ["10.0.0.1/32"], "ports": [6443]}},
    },
    "monitored": {"monitoring": {"enabled": True, "ownNamespace": True}},
    "annotated": {"monitoring": {"enabled": True, "kind": "Annotations"}, "podAnnotations": {"a/b": "c"}},
    "little": {
        "replicas": 0,
        "resources": None,
        "networkPolicy": {"enabled": False},
        "rbac": {"create": False, "userRoles": False},
        "serviceAccount": {"create": False, "name": "theirs"},
        "crds": {"keep": False},
        "defaults": {"images": {"engines": {"kokoro": None, "llamacpp": None}}},
    },
}
CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """Return one way to install the chart."""
    return str(request.param)


def test_chart_passes_helm_lint(helm: Helm, way: str) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), values=WAYS[way])


def test_chart_renders_the_same_every_time(helm: Helm, way: str) -> None:
    assert helm.template(WAYS[way]) == helm.template(WAYS[way])


def test_chart_package_renders_what_the_folder_does(helm: Helm, tmp_path: Path) -> None:
    helm("package", str(CHART), "--destination", str(tmp_path))
    (package,) = tmp_path.glob("*.tgz")
    assert helm.render(chart=package) == helm.render()


@pytest.fixture(scope="module")
def schemas(
    control_plane: ControlPlane,
    crds: None,
    others_kinds: None,
    helm: Helm,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Return a folder of JSON schemas of every kind that the chart and the samples have."""
    folder = tmp_path_factory.mktemp("schemas")
    rendered = [found for values in WAYS.values() for found in helm.render(values)]
    documents = [*rendered, *samples()]
    write_schemas(control_plane, folder, {(found["apiVersion"], found["kind"]) for found in documents})
    return folder


def samples() -> list[Object]:
    return [
        document
        for path in sorted((ROOT / "manifests" / "samples").glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]


def test_chart_passes_kubeconform(helm: Helm, way: str, schemas: Path) -> None:
    objects = helm.render(WAYS[way])
    assert conform(schemas, objects) == {"valid": len(objects), "invalid": 0, "errors": 0, "skipped": 0}


def test_kubeconform_finds_unknown_fields_and_wrong_types(helm: Helm, schemas: Path) -> None:
    """Its schemas are strict: a field that nobody knows is found, and so is a wrong type."""
    objects = helm.render()
    deployment(objects)["spec"]["template"]["spec"]["automount"] = True
    with pytest.raises(ProgramError, match="automount"):
        conform(schemas, objects)
    objects = helm.render()
    deployment(objects)["spec"]["replicas"] = "one"
    with pytest.raises(ProgramError, match="replicas"):
        conform(schemas, objects)


def test_samples_pass_kubeconform(schemas: Path) -> None:
    found = conform(schemas, samples())
    assert found == {"valid": len(samples()), "invalid": 0, "errors": 0, "skipped": 0}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"replica": 2}, "'replica' not allowed"),
        ({"image": {"pullpolicy": "Always"}}, "'pullpolicy' not allowed"),
        ({"replicas": "two"}, "at '/replicas': got string, want integer"),
        ({"replicas": 9}, "at '/replicas': maximum: got 9, want 5"),
        ({"image": {"pullPolicy": "Sometimes"}}, "at '/image/pullPolicy': value must be one of"),
        ({"image": {"digest": "latest"}}, "at '/image/digest'"),
        ({"operator": {"logLevel": "verbose"}}, "at '/operator/logLevel': value must be one of"),
        ({"operator": {"workers": 0}}, "at '/operator/workers': minimum"),
        ({"watchNamespaces": "speech"}, "at '/watchNamespaces': got string, want array"),
        ({"watchNamespaces": ["Speech"]}, "at '/watchNamespaces/0'"),
        ({"watchNamespaces": ["speech", "speech"]}, "at '/watchNamespaces': items at 0 and 1 are equal"),
        ({"defaults": {"images": {"engines": {"espeak": "a:1"}}}}, "'espeak' not allowed"),
        ({"defaults": {"images": {"engines": {"vllm": ""}}}}, "at '/defaults/images/engines/vllm'"),
        ({"defaults": {"rayVersion": "2.60"}}, "at '/defaults/rayVersion'"),
        ({"commonLabels": {"app.kubernetes.io/name": "mine"}}, "app.kubernetes.io/name"),
        ({"metrics": {"namespace": "monitoring"}}, "'metrics' not allowed"),
        ({"monitoring": {"kind": "Probe"}}, "at '/monitoring/kind'"),
        ({"monitoring": {"interval": "often"}}, "at '/monitoring/interval'"),
        ({"monitoring": {"pricePerNodeHour": -1}}, "at '/monitoring/pricePerNodeHour'"),
        ({"monitoring": {"tracing": {"endpoint": "a:4318"}}}, "at '/monitoring/tracing/endpoint'"),
        ({"monitoring": {"tracing": {"sampleRatio": 2}}}, "at '/monitoring/tracing/sampleRatio'"),
        ({"monitoring": {"tokenSecret": "token"}}, "tokenSecret and monitoring.tlsSecret go together"),
        ({"monitoring": {"tlsSecret": "tls"}}, "tokenSecret and monitoring.tlsSecret go together"),
        (
            {"defaults": {"profile": "regulated"}},
            "need TLS and a token: name Secrets in monitoring.tlsSecret",
        ),
        (
            {"monitoring": {"enabled": True, "kind": "Annotations", "tlsSecret": "a", "tokenSecret": "b"}},
            "Annotations cannot hand Prometheus a token",
        ),
        ({"networkPolicy": {"apiServer": {"cidrs": []}}}, "at '/networkPolicy/apiServer/cidrs'"),
        ({"serviceAccount": {"create": False}}, "serviceAccount.name is needed"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_chart_refuses_wrong_values_and_names_them(helm: Helm, values: dict[str, Any], says: str) -> None:
    with pytest.raises(ProgramError, match=re.escape(says)):
        helm.render(values)


def test_chart_schema_and_readme_know_every_value() -> None:
    def leaves(value: Any, path: str) -> list[str]:
        if isinstance(value, dict) and value:
            return [leaf for key, child in value.items() for leaf in leaves(child, f"{path}.{key}")]
        return [path.removeprefix(".")]

    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    reported = set(re.findall(r"`([\w.]+)`", (CHART / "README.md").read_text(encoding="utf-8")))
    unknown = [leaf for leaf in leaves(values, "") if not {leaf, leaf.rpartition(".")[0]} & reported]
    assert not unknown
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    assert schema["properties"].keys() == values.keys() | {"global"}
    engines = schema["properties"]["defaults"]["properties"]["images"]["properties"]["engines"]
    images = {engine.image_key(runtime) for engine in ENGINES.values() for runtime in engine.runtimes}
    assert set(engines["properties"]) == images


def test_chart_objects_are_labeled_and_in_their_namespace(helm: Helm, way: str) -> None:
    for found in helm.render(WAYS[way]):
        metadata = found["metadata"]
        labels = metadata["labels"]
        assert labels["app.kubernetes.io/name"] == "tts-playground", found
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert labels.items() >= WAYS[way].get("commonLabels", {}).items()
        assert ("namespace" in metadata) == (found["kind"] not in CLUSTER_WIDE)
    found = deployment(helm.render(WAYS[way]))
    selector = found["spec"]["selector"]["matchLabels"]
    assert found["spec"]["template"]["metadata"]["labels"].items() >= selector.items()


def test_chart_for_one_team_has_nothing_cluster_wide(helm: Helm) -> None:
    objects = helm.render(WAYS["one team"])
    assert not {found["kind"] for found in objects} & CLUSTER_WIDE
    places = {(found["kind"], found["metadata"]["namespace"]) for found in objects}
    assert {("Role", "speech"), ("Role", "more-speech"), ("RoleBinding", "speech")} <= places
    assert environment(objects)["TTSP_OPERATOR_NAMESPACES"] == "speech,more-speech"


def test_chart_environment_is_understood_by_the_operator(
    helm: Helm, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = environment(helm.render(WAYS[way]))
    values = {name: value for name, value in variables.items() if value is not None}
    for name in variables:
        known = name.removeprefix("TTSP_OPERATOR_").lower() in Settings.model_fields
        assert known or name.startswith("OTEL_"), name
    for name, value in values.items():  # the others are the pod's own name and namespace
        monkeypatch.setenv(name, value)
    tracing = tracing_of(values)
    wanted = WAYS[way].get("monitoring", {}).get("tracing", {})
    assert (tracing.endpoint if tracing else "") == wanted.get("endpoint", "")
    settings = Settings()
    assert settings.leader_election
    assert settings.watched == tuple(WAYS[way].get("watchNamespaces", ()))
    assert settings.port == 8080
    assert settings.workers == WAYS[way].get("operator", {}).get(
        "workers", Settings.model_fields["workers"].default
    )


def test_chart_images_are_of_one_registry_unless_named(helm: Helm) -> None:
    def images(values: dict[str, Any]) -> tuple[str, str, dict[str, str]]:
        objects = helm.render(values)
        (container,) = deployment(objects)["spec"]["template"]["spec"]["containers"]
        found = environment(objects)
        engines = json.loads(found["TTSP_OPERATOR_ENGINE_IMAGES"])
        return container["image"], found["TTSP_OPERATOR_GATEWAY_IMAGE"], engines

    assert images({}) == (
        "tts-playground-operator:0.1.0",
        "tts-playground-app:0.1.0",
        {"kokoro": "tts-playground-kokoro:0.1.0", "llamacpp": "tts-playground-llamacpp:0.1.0"},
    )
    assert images({"image": {"registry": "r.example/s", "tag": "0.2.0"}}) == (
        "r.example/s/tts-playground-operator:0.2.0",
        "r.example/s/tts-playground-app:0.2.0",
        {
            "kokoro": "r.example/s/tts-playground-kokoro:0.2.0",
            "llamacpp": "r.example/s/tts-playground-llamacpp:0.2.0",
        },
    )
    assert images(WAYS["everything"]) == (
        f"registry.example:5000/speech/tts-playground-operator@{DIGEST}",
        "other/app:2",
        {
            "kokoro": "registry.example:5000/speech/tts-playground-kokoro:0.1.0",
            "llamacpp": "registry.example:5000/speech/tts-playground-llamacpp:0.1.0",
            "vllm": "other/vllm:2",
        },
    )
    assert images(WAYS["little"])[2] == {}


def test_chart_crds_are_those_of_the_repository(helm: Helm) -> None:
    for keep in (True, False):
        found = of_kind(helm.render({"crds": {"keep": keep}}), "CustomResourceDefinition")
        assert len(found) == len(KINDS)
        for definition in found:
            name = definition["metadata"]["name"]
            policy = definition["metadata"].get("annotations", {}).get("helm.sh/resource-policy")
            assert policy == ("keep" if keep else None)
            ours = yaml.safe_load((ROOT / "crds" / f"{name}.yaml").read_text(encoding="utf-8"))
            assert definition["spec"] == ours["spec"]
            assert (definition["apiVersion"], definition["kind"]) == (ours["apiVersion"], ours["kind"])


def test_chart_replicas_have_anti_affinity_and_a_disruption_budget(helm: Helm) -> None:
    assert not of_kind(helm.render({"replicas": 1}), "PodDisruptionBudget")
    objects = helm.render({"replicas": 2})
    (budget,) = of_kind(objects, "PodDisruptionBudget")
    assert budget["spec"]["minAvailable"] == 1
    affinity = deployment(objects)["spec"]["template"]["spec"]["affinity"]
    assert "preferredDuringSchedulingIgnoredDuringExecution" in affinity["podAntiAffinity"]
    theirs: Object = {"nodeAffinity": {}}
    objects = helm.render({"replicas": 2, "affinity": theirs})
    assert deployment(objects)["spec"]["template"]["spec"]["affinity"] == theirs


def test_chart_network_policy_allows_dns_and_the_api_server(helm: Helm) -> None:
    (policy,) = of_kind(helm.render(), "NetworkPolicy")
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert policy["spec"]["ingress"] == [
        {"from": [{"namespaceSelector": {}}], "ports": [{"port": "metrics", "protocol": "TCP"}]}
    ]
    everywhere = {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}
    everywhere_6 = {"cidr": "::/0", "except": ["fd00:ec2::/32", "fe80::/10"]}
    dns, api = policy["spec"]["egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    assert api["to"] == [{"ipBlock": everywhere}, {"ipBlock": everywhere_6}]
    assert [port["port"] for port in api["ports"]] == [443, 6443]
    (policy,) = of_kind(helm.render(WAYS["everything"]), "NetworkPolicy")
    assert policy["spec"]["ingress"] == [], "an empty `from` would be everybody"


def test_metrics_are_for_the_monitoring_namespace_that_is_named(helm: Helm) -> None:
    objects = helm.render({"monitoring": {"namespace": "monitoring"}})
    (policy,) = of_kind(objects, "NetworkPolicy")
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    assert [rule["from"] for rule in policy["spec"]["ingress"]] == [[peer]]
    assert environment(objects)["TTSP_OPERATOR_MONITORING_NAMESPACE"] == "monitoring"
    own = helm.render({"monitoring": {"ownNamespace": True}})
    assert environment(own)["TTSP_OPERATOR_MONITORING_NAMESPACE"] == "tts-system"


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [("http://a.monitoring:4318", 4318), ("https://a/otlp", 443), ("http://a", 80), ("http://a:80/b:1", 80)],
)
def test_operator_sends_its_traces_where_the_values_say(helm: Helm, endpoint: str, port: int) -> None:
    objects = helm.render({"monitoring": {"tracing": {"endpoint": endpoint, "sampleRatio": 0.25}}})
    assert tracing_of(environment(objects)) == Tracing(endpoint, 0.25)
    (policy,) = of_kind(objects, "NetworkPolicy")
    assert policy["spec"]["egress"][-1]["ports"] == [{"port": port, "protocol": "TCP"}]
    assert tracing_of(environment(helm.render())) is None


def test_kuberays_namespace_is_the_releases_where_none_is_named(helm: Helm) -> None:
    assert environment(helm.render())["TTSP_OPERATOR_KUBERAY_NAMESPACE"] == "kuberay"
    own = helm.render({"kuberay": {"namespace": ""}})
    assert environment(own)["TTSP_OPERATOR_KUBERAY_NAMESPACE"] == "tts-system"


def test_helm_test_passes_when_the_operator_works(helm: Helm, operator: Operator) -> None:
    done = helm_test(helm, f"http://127.0.0.1:{operator.port}", PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")


def test_helm_test_fails_when_the_operator_does_not_answer(helm: Helm) -> None:
    done = helm_test(helm, "http://127.0.0.1:1", 0.0)
    assert done.returncode == 1
    assert "http://127.0.0.1:1 does not answer" in done.stderr


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, ["serves the whole cluster", "KubeRay is MISSING", "image.registry is empty"]),
        (
            {"watchNamespaces": ["a", "b"], "image": {"registry": "r.example"}, "crds": {"install": False}},
            [
                "serves the namespaces a, b",
                "rollout restart",
                "--namespace a",
                "apply the repository's crds/",
            ],
        ),
    ],
)
def test_chart_notes_say_what_is_missing(helm: Helm, values: dict[str, Any], says: list[str]) -> None:
    reported = helm("install", RELEASE, str(CHART), "--dry-run=client", values=values)
    for words in says:
        assert words in reported
    assert ("image.registry is empty" in reported) == ("image" not in values)


def test_chart_notes_say_that_kuberay_is_there(control_plane: ControlPlane, crds: None) -> None:
    reported = control_plane.helm(
        "install", RELEASE, str(CHART), "--dry-run=server", "--set", "crds.install=false"
    )
    assert "KubeRay is there." in reported
    assert "MISSING" not in reported


@pytest.fixture
def umbrella(helm: Helm, tmp_path: Path) -> Path:
    """Return the chart with KubeRay, beside ours, with a stand-in for KubeRay's own: no network is needed."""
    return with_stand_ins(helm, UMBRELLA, tmp_path)


def test_umbrella_chart_installs_kuberay_unless_it_is_disabled(helm: Helm, umbrella: Path) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(umbrella))
    # KubeRay is in the release's namespace there.
    ours = helm.render({"image": {"registry": "r.example"}, "kuberay": {"namespace": ""}})
    values: dict[str, Any] = {"tts-playground": {"image": {"registry": "r.example"}}}
    objects = helm.render(values, chart=umbrella)
    assert [found["metadata"]["name"] for found in of_kind(objects, "ConfigMap")] == ["kuberay-operator"]
    assert [found for found in objects if found["kind"] != "ConfigMap"] == ours
    values["kuberay-operator"] = {"enabled": False}
    assert helm.render(values, chart=umbrella) == ours
    with pytest.raises(ProgramError, match="'replica' not allowed"):
        helm.render({"tts-playground": {"replica": 1}}, chart=umbrella)


def test_umbrella_chart_pins_the_chart_and_kuberay() -> None:
    umbrella = yaml.safe_load((UMBRELLA / "Chart.yaml").read_text(encoding="utf-8"))
    versions = {dependency["name"]: dependency["version"] for dependency in umbrella["dependencies"]}
    kuberay = VERSIONS[KUBERAY].removeprefix("v")
    assert versions == {"tts-playground": umbrella["version"], "kuberay-operator": kuberay}
    assert f"--version {kuberay} " in (CHART / "templates" / "NOTES.txt").read_text(encoding="utf-8")
