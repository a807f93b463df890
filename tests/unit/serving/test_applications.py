"""The applications, each built in a process of its own: it imports nothing of what the replica needs."""

import importlib
import subprocess
import sys

import pytest
from ray import serve
from ray.serve._private.replica import _load_deployment_def_from_import_path

HEAVY = ["numpy", "sqlalchemy", "tts_app.resources", "tts_app.engines", "tts_app.batch", "tts_app.sources"]
MODULES = ["tts_app.api.gateway", "tts_app.serving.voice", "tts_app.serving.text"]


@pytest.mark.parametrize(
    ("module", "name", "path"),
    [
        ("tts_app.api.gateway", "Gateway", "tts_app.api.gateway_replica.GatewayIngress"),
        ("tts_app.serving.voice", "Voice", "tts_app.serving.voice_replica.Voice"),
        ("tts_app.serving.text", "Text", "tts_app.serving.text_replica.Text"),
    ],
)
def test_application_names_the_class_of_its_replica(module: str, name: str, path: str) -> None:
    application = importlib.import_module(module).build({"model": "kokoro"})
    assert isinstance(application, serve.Application)
    deployment = application._bound_deployment
    assert (deployment.name, deployment.func_or_class) == (name, path)
    assert deployment.init_args == ({"model": "kokoro"},)
    found = _load_deployment_def_from_import_path(path)  # as Serve's replica does
    assert found.__name__ == path.rpartition(".")[2].replace("GatewayIngress", "Gateway")


@pytest.mark.parametrize("module", MODULES)
def test_application_build_imports_nothing_heavy(module: str) -> None:
    code = (
        f"import sys; import ray.serve; before = set(sys.modules); import {module}; "
        f"print(*(m for m in {HEAVY} if m in set(sys.modules) - before))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.split() == []
