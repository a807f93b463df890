"""The samples for Argo CD: they name what there is, and their health checks judge our conditions."""

from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from lupa.lua51 import LuaRuntime

from cluster.binaries import KUBERAY, VERSIONS
from tts_app.resources import KINDS
from tts_app.resources.status import Phase

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "manifests" / "argocd"
HEALTH = "resource.customizations.health.ttsplayground.dev_"
GENERATION = 4


def load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return document


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.name)
def test_argocd_sample_begins_with_a_comment(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert [document["kind"] for document in yaml.safe_load_all(text)] in (["Application"], ["ConfigMap"])


@pytest.mark.parametrize("name", ["kuberay", "tts-playground", "models"])
def test_argocd_application_is_synced_on_the_server(name: str) -> None:
    spec = load(name)["spec"]
    assert "ServerSideApply=true" in spec["syncPolicy"]["syncOptions"]
    assert spec["destination"]["namespace"]


def test_argocd_applications_name_existing_versions_and_values() -> None:
    assert load("kuberay")["spec"]["source"]["targetRevision"] == VERSIONS[KUBERAY].removeprefix("v")
    chart = ROOT / load("tts-playground")["spec"]["source"]["path"]
    version = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))["version"]
    assert load("tts-playground")["spec"]["source"]["targetRevision"] == f"v{version}"
    values = yaml.safe_load((chart / "values.yaml").read_text(encoding="utf-8"))
    given = load("tts-playground")["spec"]["source"]["helm"]["valuesObject"]
    assert given["image"].keys() <= values["image"].keys()


def test_argocd_health_has_a_check_of_every_kind() -> None:
    assert load("health")["data"].keys() == {f"{HEALTH}{kind}" for kind in KINDS}


def judge(kind: str, **resource: Any) -> tuple[str, str]:
    """Return the health and the message that Argo CD's Lua finds for a resource."""
    runtime = LuaRuntime()
    table = runtime.table_from({"metadata": {"generation": GENERATION}, **resource}, recursive=True)
    script = load("health")["data"][f"{HEALTH}{kind}"]
    found = runtime.execute(f"local obj = ...\n{script}", table)
    return found["status"], found["message"]


def conditions(**states: bool) -> dict[str, Any]:
    return {
        "observedGeneration": GENERATION,
        "conditions": [
            {"type": name, "status": str(state), "reason": "R", "message": f"{name} it is."}
            for name, state in states.items()
        ],
    }


@pytest.mark.parametrize("kind", ["VoiceModel", "TextModel", "Playground"])
@pytest.mark.parametrize(
    ("status", "health", "message"),
    [
        (None, "Progressing", "The operator has not seen it yet."),
        ({"observedGeneration": GENERATION}, "Progressing", "The operator has not seen it yet."),
        (
            {**conditions(Ready=True, Progressing=False, Degraded=False), "observedGeneration": 3},
            "Progressing",
            "The operator has not seen the latest change yet.",
        ),
        (conditions(Ready=True, Progressing=False, Degraded=False), "Healthy", "Ready it is."),
        (conditions(Ready=False, Progressing=True, Degraded=False), "Progressing", "Progressing it is."),
        (conditions(Ready=True, Progressing=True, Degraded=False), "Progressing", "Progressing it is."),
        (conditions(Ready=False, Progressing=True, Degraded=True), "Degraded", "Degraded it is."),
        (conditions(Ready=True, Progressing=False, Degraded=True), "Degraded", "Degraded it is."),
        (conditions(Ready=False, Progressing=False, Degraded=False), "Healthy", "Ready it is."),
    ],
)
def test_argocd_health_judges_conditions(kind: str, status: Any, health: str, message: str) -> None:
    resource = {} if status is None else {"status": status}
    assert judge(kind, **resource) == (health, message)


@pytest.mark.parametrize(
    ("status", "health", "message"),
    [
        (None, "Progressing", ""),
        ({"phase": "Pending"}, "Progressing", ""),
        ({"phase": "Running", "progress": {"summary": "3/8"}}, "Progressing", "3/8 done"),
        ({"phase": "Suspended", "progress": {"summary": "3/8"}}, "Suspended", "3/8 done"),
        ({"phase": "Succeeded", "progress": {"summary": "8/8"}}, "Healthy", "8/8 done"),
        (
            {"phase": "Failed", "progress": {"summary": "7/8"}, "failures": [{"message": "No such voice."}]},
            "Degraded",
            "7/8 done: No such voice.",
        ),
        ({"phase": "PartiallyFailed", "progress": {"summary": "7/8"}}, "Degraded", "7/8 done"),
        ({"phase": "Failed"}, "Degraded", ""),
    ],
)
def test_argocd_health_judges_the_phase_of_a_tts_job(status: Any, health: str, message: str) -> None:
    assert status is None or status["phase"] in get_args(Phase)
    resource = {} if status is None else {"status": status}
    assert judge("TTSJob", spec={"suspend": False}, **resource) == (health, message)


def test_argocd_health_of_a_waiting_tts_job_is_suspended() -> None:
    assert judge("TTSJob", spec={"suspend": True}) == ("Suspended", "")
