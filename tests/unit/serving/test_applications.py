"""The applications, each built in a process of its own: it imports nothing of what the replica needs."""

import subprocess
import sys

import pytest
from ray import serve
from ray.serve._private.replica import _load_deployment_def_from_import_path

from tts_app.serving import applications

HEAVY = ["numpy", "sqlalchemy", "tts_app.resources", "tts_app.engines", "tts_app.api", "tts_app.sources"]


@pytest.mark.parametrize(
    ("build", "name", "path"),
    [
        (applications.gateway, "Gateway", "tts_app.api.gateway.GatewayIngress"),
        (applications.voice, "Voice", "tts_app.serving.voice.Voice"),
        (applications.text, "Text", "tts_app.serving.text.Text"),
    ],
)
def test_an_application_names_its_replicas_class(build, name: str, path: str) -> None:
    application = build({"model": "kokoro"})
    assert isinstance(application, serve.Application)
    deployment = application._bound_deployment
    assert (deployment.name, deployment.func_or_class) == (name, path)
    assert deployment.init_args == ({"model": "kokoro"},)
    found = _load_deployment_def_from_import_path(path)  # as Serve's replica does
    assert found.__name__ == path.rpartition(".")[2].replace("GatewayIngress", "Gateway")


def test_building_imports_nothing_heavy() -> None:
    code = (
        "import sys; import ray.serve; before = set(sys.modules); import tts_app.serving.applications; "
        f"print(*(m for m in {HEAVY} if m in set(sys.modules) - before))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.split() == []
