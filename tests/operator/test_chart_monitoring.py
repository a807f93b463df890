"""What the chart hands to Prometheus and Grafana, and who may read the operator's metrics."""

import json
import shutil
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from certificates import write_certificate
from charts import (
    CHART,
    MONITORED,
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

from cluster.control_plane import ControlPlane
from tts_app.resources.playground import Monitoring
from tts_operator.settings import Settings

MONITORS = ("PodMonitor", "ServiceMonitor")
PROTECTED = {"tlsSecret": "metrics-tls", "tokenSecret": "metrics-token"}
TOKEN = "a-token-of-prometheus"
RULES = """\
# A comment that stays.
groups:
  - name: a
    rules:
      - alert: ModelDown
        expr: ray_ttsp_model_ready == 0
        annotations:
          summary: "{{ $labels.model }} is down"
          runbook: docs/runbooks/ModelDown.md
"""
DASHBOARD = {"title": "Service", "panels": [{"targets": [{"expr": 'up{job="$job"}'}]}], "uid": "ttsp"}


def monitoring(**given: Any) -> dict[str, Any]:
    return {"monitoring": {"enabled": True, **given}}


def endpoint_of(monitor: Object) -> Object:
    (endpoint,) = monitor["spec"].get("podMetricsEndpoints") or monitor["spec"]["endpoints"]
    return dict(endpoint)


def by_name(objects: list[Object], kind: str) -> dict[str, Object]:
    return {
        found["metadata"]["name"].removeprefix("tts-playground"): found for found in of_kind(objects, kind)
    }


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """Return a copy of the chart whose only rules and dashboards are a test's."""
    copy = tmp_path / CHART.name
    shutil.copytree(CHART, copy, ignore=shutil.ignore_patterns("monitoring-*"))
    folder = copy / "files" / "monitoring"
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in (
        ("rules/some_alerts.yaml", RULES),
        ("dashboards/ttsp-service.json", json.dumps(DASHBOARD, indent=2)),
        ("dashboards/ray-serve_llm.json", json.dumps({"title": "{{ not a template }}"})),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return copy


@pytest.fixture(scope="module")
def schemas(
    control_plane: ControlPlane,
    crds: None,
    others_kinds: None,
    helm: Helm,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Return a folder of JSON schemas of every kind that the chart has, and of those of its copy."""
    folder = tmp_path_factory.mktemp("schemas")
    kinds = {(found["apiVersion"], found["kind"]) for found in helm.render()}
    kinds |= {("monitoring.coreos.com/v1", kind) for kind in (*MONITORS, "PrometheusRule")}
    kinds |= {("grafana.integreatly.org/v1beta1", "GrafanaDashboard"), ("v1", "ConfigMap")}
    write_schemas(control_plane, folder, kinds)
    return folder


@pytest.mark.parametrize("kind", MONITORS)
def test_monitors_find_the_operator_and_kuberay(helm: Helm, kind: str) -> None:
    objects = helm.render(monitoring(kind=kind, labels={"a": "b"}))
    found = by_name(objects, kind)
    assert found.keys() == {"", "-kuberay"}
    own, kuberay = found[""], found["-kuberay"]
    assert endpoint_of(own) == {"port": "metrics", "interval": "30s"}
    assert [own["metadata"]["labels"]["a"], kuberay["metadata"]["labels"]["a"]] == ["b", "b"]
    (service,) = of_kind(objects, "Service")
    assert [port["name"] for port in service["spec"]["ports"]] == ["metrics"]
    for target in (service, deployment(objects)["spec"]["template"]):
        assert target["metadata"]["labels"].items() >= own["spec"]["selector"]["matchLabels"].items()
    # As KubeRay's own chart has it.
    assert endpoint_of(kuberay) == {"port": "http", "interval": "30s", "honorLabels": True}
    assert kuberay["spec"]["namespaceSelector"] == {"matchNames": ["kuberay"]}
    assert kuberay["spec"]["selector"]["matchLabels"] == {"app.kubernetes.io/name": "kuberay-operator"}
    own_namespace = by_name(helm.render({**monitoring(kind=kind), "kuberay": {"namespace": ""}}), kind)
    assert own_namespace["-kuberay"]["spec"]["namespaceSelector"] == {"matchNames": ["tts-system"]}
    assert by_name(helm.render(monitoring(kind=kind, kuberay=False)), kind).keys() == {""}


def test_chart_has_nothing_of_monitoring_unless_enabled(helm: Helm) -> None:
    kinds = {found["kind"] for found in helm.render()}
    assert not kinds & {*MONITORS, "PrometheusRule", "GrafanaDashboard", "ConfigMap"}
    assert (
        Monitoring.model_validate_json(environment(helm.render())["TTSP_OPERATOR_MONITORING"]) == Monitoring()
    )


@pytest.mark.parametrize("kind", [*MONITORS, "Annotations"])
def test_one_value_says_how_services_are_found_too(
    helm: Helm, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"kind": kind, "labels": {"release": "prom"}, "interval": "15s"}
    value = environment(helm.render(monitoring(**given)))["TTSP_OPERATOR_MONITORING"]
    monkeypatch.setenv("TTSP_OPERATOR_MONITORING", value)
    assert Settings().monitoring == Monitoring.model_validate(given)


def test_annotations_need_no_kind_of_prometheus(helm: Helm) -> None:
    objects = helm.render({**monitoring(kind="Annotations"), "podAnnotations": {"a/b": "c"}})
    annotations = deployment(objects)["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "8080",
        "prometheus.io/path": "/metrics",
        "a/b": "c",
    }
    assert not {found["kind"] for found in objects} & {*MONITORS, "PrometheusRule"}


@pytest.mark.parametrize("kind", MONITORS)
def test_protected_metrics_have_a_monitor_that_matches(helm: Helm, kind: str) -> None:
    objects = helm.render({**monitoring(kind=kind, **PROTECTED), "defaults": {"profile": "regulated"}})
    endpoint = endpoint_of(by_name(objects, kind)[""])
    assert (endpoint["port"], endpoint["scheme"]) == ("metrics", "https")
    assert endpoint["tlsConfig"] == {
        "ca": {"secret": {"name": "metrics-tls", "key": "ca.crt"}},
        "serverName": "tts-playground-metrics.tts-system.svc",
    }
    assert endpoint["authorization"] == {
        "type": "Bearer",
        "credentials": {"name": "metrics-token", "key": "token"},
    }
    spec = deployment(objects)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"health": 8080, "metrics": 8443}
    probes = [
        container[name]["httpGet"]["port"] for name in ("startupProbe", "livenessProbe", "readinessProbe")
    ]
    assert probes == ["health"] * 3, "the kubelet has neither token nor certificate"
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    variables = environment(objects)
    assert variables["TTSP_OPERATOR_METRICS_PORT"] == "8443"
    assert variables["TTSP_OPERATOR_METRICS_TOKEN"] == f"{mounted['metrics-token']}/token"
    assert variables["TTSP_OPERATOR_METRICS_CERTIFICATE"] == f"{mounted['metrics-tls']}/tls.crt"
    assert variables["TTSP_OPERATOR_METRICS_KEY"] == f"{mounted['metrics-tls']}/tls.key"
    volumes = {volume["name"]: volume.get("secret", {}).get("secretName") for volume in spec["volumes"]}
    assert (volumes["metrics-tls"], volumes["metrics-token"]) == ("metrics-tls", "metrics-token")
    (service,) = of_kind(objects, "Service")
    (port,) = service["spec"]["ports"]
    assert (port["name"], port["port"], port["targetPort"]) == ("metrics", 8443, "metrics")
    (policy,) = of_kind(objects, "NetworkPolicy")
    assert policy["spec"]["ingress"][0]["ports"] == [{"port": "metrics", "protocol": "TCP"}]


def test_rules_become_prometheus_rules_as_they_are(helm: Helm, chart: Path, schemas: Path) -> None:
    objects = helm.render(monitoring(labels={"release": "prom"}), chart=chart)
    rules = by_name(objects, "PrometheusRule")
    assert rules.keys() == {"-some-alerts"}
    assert rules["-some-alerts"]["spec"] == yaml.safe_load(RULES), "Prometheus' templates are not Helm's"
    assert rules["-some-alerts"]["metadata"]["labels"]["release"] == "prom"
    conform(schemas, objects)
    assert not of_kind(helm.render(monitoring(rules=False), chart=chart), "PrometheusRule")


def test_alerts_link_to_their_runbooks_where_docs_can_be_read(helm: Helm, chart: Path, schemas: Path) -> None:
    objects = helm.render(monitoring(runbookUrl="https://git.example/docs/"), chart=chart)
    ((rule,),) = (
        group["rules"] for group in by_name(objects, "PrometheusRule")["-some-alerts"]["spec"]["groups"]
    )
    assert rule["annotations"] == {
        "summary": "{{ $labels.model }} is down",
        "runbook_url": "https://git.example/docs/runbooks/ModelDown.md",
    }
    conform(schemas, objects)


@pytest.mark.parametrize("price", [3, 0.25, 1234567.5])
def test_price_of_a_node_becomes_a_constant(helm: Helm, chart: Path, schemas: Path, price: float) -> None:
    found = by_name(helm.render(monitoring(pricePerNodeHour=price), chart=chart), "PrometheusRule")["-price"]
    ((rule,),) = (group["rules"] for group in found["spec"]["groups"])
    assert rule["record"] == "ttsp:node_price_per_hour"
    assert float(rule["expr"].removeprefix("vector(").removesuffix(")")) == price
    conform(schemas, [found])


def test_dashboards_are_found_by_the_sidecar_and_by_the_grafana_operator(
    helm: Helm, chart: Path, schemas: Path
) -> None:
    selector = {"matchLabels": {"dashboards": "grafana"}}
    grafana = {"grafanaOperator": {"enabled": True, "instanceSelector": selector}}
    objects = helm.render(monitoring(dashboards=grafana), chart=chart)
    maps, dashboards = by_name(objects, "ConfigMap"), by_name(objects, "GrafanaDashboard")
    assert maps.keys() == dashboards.keys() == {"-dashboard-ttsp-service", "-dashboard-ray-serve-llm"}
    for name, found in maps.items():
        assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert found["metadata"]["annotations"] == {"grafana_folder": "TextToSpeech Playground"}
        spec = dashboards[name]["spec"]
        assert spec["configMapRef"]["name"] == found["metadata"]["name"]
        assert spec["configMapRef"]["key"] in found["data"]
        assert spec["instanceSelector"] == selector
    assert json.loads(maps["-dashboard-ttsp-service"]["data"]["ttsp-service.json"]) == DASHBOARD
    assert json.loads(maps["-dashboard-ray-serve-llm"]["data"]["ray-serve_llm.json"])["title"][:2] == "{{"
    conform(schemas, objects)
    assert not of_kind(helm.render(monitoring(), chart=chart), "GrafanaDashboard")
    assert not of_kind(helm.render(monitoring(dashboards={"enabled": False}), chart=chart), "ConfigMap")


def test_dashboards_and_rules_of_the_chart_are_all_there(helm: Helm) -> None:
    objects = helm.render(monitoring())
    folder = CHART / "files" / "monitoring"
    dashboards = {path.name for path in folder.glob("dashboards/*.json")}
    assert {file for found in of_kind(objects, "ConfigMap") for file in found["data"]} == dashboards
    assert len(of_kind(objects, "PrometheusRule")) == len(list(folder.glob("rules/*.yaml")))
    sizes = [len(text.encode()) for found in of_kind(objects, "ConfigMap") for text in found["data"].values()]
    assert max(sizes, default=0) < 1 << 20, "no API server takes a larger ConfigMap"


def test_monitored_chart_has_ours_with_monitoring_on(helm: Helm, tmp_path: Path, schemas: Path) -> None:
    chart = with_stand_ins(helm, MONITORED, tmp_path)
    assert "0 chart(s) failed" in helm("lint", "--strict", str(chart))
    ours = helm.render(monitoring(ownNamespace=True))
    objects = helm.render(chart=chart)
    stand_ins = [found for found in objects if found["metadata"]["name"] == "kube-prometheus-stack"]
    assert len(stand_ins) == 1
    assert [found for found in objects if found not in stand_ins] == ours
    assert helm.render({"kube-prometheus-stack": {"enabled": False}}, chart=chart) == ours
    assert conform(schemas, ours) == {"valid": len(ours), "invalid": 0, "errors": 0, "skipped": 0}
    with pytest.raises(ProgramError, match="'replica' not allowed"):
        helm.render({"tts-playground": {"replica": 1}}, chart=chart)


def test_monitored_chart_says_that_it_was_not_run(helm: Helm, tmp_path: Path) -> None:
    chart = with_stand_ins(helm, MONITORED, tmp_path)
    assert "NOT BEEN RUN" in helm("install", "tts-playground", str(chart), "--dry-run=client")
    readme = (MONITORED / "README.md").read_text(encoding="utf-8")
    assert "**Not run.**" in readme
    assert "**unchecked**" in readme
    values = (MONITORED / "values.yaml").read_text(encoding="utf-8")
    assert "NOT CHECKED" in values.partition("\ntts-playground:")[2]
    described = yaml.safe_load((MONITORED / "Chart.yaml").read_text(encoding="utf-8"))
    versions = {dependency["name"]: dependency["version"] for dependency in described["dependencies"]}
    assert versions["tts-playground"] == described["version"]
    assert versions["kube-prometheus-stack"] in readme


@pytest.fixture
def protected(operator_factory: Any, tmp_path: Path) -> Operator:
    """Return an operator whose metrics are behind TLS and a token, as the chart's Deployment sets it up."""
    files = write_certificate(tmp_path)
    (tmp_path / "token").write_text(TOKEN, encoding="utf-8")
    made: Operator = operator_factory(
        metrics_port="0",
        metrics_certificate=str(files.chain),
        metrics_key=str(files.key),
        metrics_token=str(tmp_path / "token"),
    )
    made.start()
    return made


def test_operator_gives_its_metrics_to_who_has_the_token(
    helm: Helm, protected: Operator, tmp_path: Path
) -> None:
    port = next(record["metrics_port"] for record in protected.records if "metrics_port" in record)
    url = f"https://localhost:{port}"
    context = ssl.create_default_context(cafile=tmp_path / "tls.crt")
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    asked = urllib.request.Request(f"{url}/metrics", headers=bearer)  # noqa: S310
    with urllib.request.urlopen(asked, timeout=PATIENCE, context=context) as answer:  # noqa: S310
        assert "tts_operator_leader" in answer.read().decode()
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{url}/metrics", timeout=PATIENCE, context=context)  # noqa: S310
    with pytest.raises(urllib.error.HTTPError, match="404"):
        protected.fetch("/metrics")
    assert protected.fetch("/readyz") == "ok\n"
    values = {"monitoring": PROTECTED}
    (pod,) = of_kind(helm.render(values), "Pod")
    (variable,) = pod["spec"]["containers"][0]["env"]
    assert variable["value"] == "https://tts-playground-metrics.tts-system.svc:8443"
    done = helm_test(helm, url, PATIENCE, values)
    assert (done.returncode, done.stderr) == (0, "")


def test_operator_says_what_is_wrong_with_the_files_of_its_metrics(
    operator_factory: Any, tmp_path: Path
) -> None:
    files = write_certificate(tmp_path)
    (tmp_path / "token").write_text("short", encoding="utf-8")
    broken: Operator = operator_factory(
        metrics_certificate=str(files.chain),
        metrics_key=str(files.key),
        metrics_token=str(tmp_path / "token"),
    )
    with pytest.raises(AssertionError, match=r"ended with 2: .*it needs 16 at least"):
        broken.start()
