"""What crosses processes fits the app of an earlier release: commit cd75feb, taken from Git."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tts_app import speech
from tts_app.batch.estimate import settled
from tts_app.batch.options import Options
from tts_app.batch.prepare import prepare
from tts_app.manifests import load_models, load_voice_models
from tts_app.resources.tts_job import TTSJobSpec
from tts_app.serve_config import serve_config

ROOT = Path(__file__).parents[2]
OLDER = "cd75feb"
OLDER_VERSION = 1
"""The version of its sound (`speech.VERSION`)."""
TAKES_UP = """
import importlib, json, sys
from tts_app.api.gateway import _models
from tts_app.serving.text import TextArgs
from tts_app.serving.voice import VoiceArgs
from ray import serve
for application in json.load(sys.stdin)["applications"]:
    module, _, name = application["import_path"].partition(":")
    args = application["args"]
    built = getattr(importlib.import_module(module), name)(args)
    assert isinstance(built, serve.Application)
    (deployment,) = application["deployments"]
    assert built._bound_deployment.name == deployment["name"]
    if application["name"] == "gateway":
        print(*(model.name for model in _models(deployment["user_config"])))
    else:
        (TextArgs if "context_length" in args else VoiceArgs).model_validate(args)
"""
RENDERS = """
import hashlib, json, sys
from pathlib import Path
from tts_app.batch.ledger import Done, Ledger, text_hash
from tts_app.batch.prepare import prepare
from tts_app.manifests import load_voice_models
from tts_app.resources.tts_job import TTSJobSpec
plan, output = prepare(TTSJobSpec.model_validate(json.load(sys.stdin)), load_voice_models(), Path("none"))
ledger = Ledger(output, plan)
ledger.load()
for item in plan:
    data = item.file.encode()
    output.put(item.file, data)
    ledger.commit([Done(
        file=item.file, key=item.key, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data), seconds=1.0,
        post=item.post, avatar=item.voice.id, model=item.voice.model, text_sha256=text_hash(item.text),
    )])
ledger.close()
print(plan.total)
"""


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the earlier app's code."""
    folder = tmp_path_factory.mktemp("older")
    command = ["git", "archive", OLDER, "app/tts_app", "manifests/samples"]
    archive = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if archive.returncode != 0:
        pytest.skip(f"this checkout lacks commit {OLDER}: {archive.stderr.decode().strip()}")
    subprocess.run(["tar", "-x"], cwd=folder, input=archive.stdout, check=True)
    return folder / "app"


def run_older(older: Path, script: str, given: Any) -> str:
    """Run a script with the earlier app; return what it printed."""
    environment = os.environ | {"PYTHONPATH": str(older)}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import tts_app; assert tts_app.__file__.startswith({str(older)!r})\n{script}",
        ],
        input=json.dumps(given),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


def test_older_app_accepts_the_serve_config(older: Path) -> None:
    models = load_models()
    placement = {model.name: f"ttsp-{model.name}" for model in models}
    names = sorted(model.name for model in models)
    assert run_older(older, TAKES_UP, serve_config(models, direct=True)).split() == names
    assert run_older(older, TAKES_UP, serve_config(models, placement=placement)).split() == names


def test_output_folder_of_an_older_app_is_rendered_again_only_if_it_sounds_different(
    older: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {"en": "Breakfast is served from 7.", "es": "Hola.", "ar": "أهلا.", "hi": "नमस्ते।", "ur": "سلام۔"}
    others = {language: f"{text} 2" for language, text in texts.items()} | {"en": texts["en"]}
    spec = {
        "posts": {"inline": [{"id": 1, "text": texts}, {"id": 2, "text": others}]},
        "output": {"uri": (tmp_path / "audio").as_uri()},
    }
    total = int(run_older(older, RENDERS, spec))
    assert total == 36, "18 avatars"

    def there() -> tuple[int, int]:
        plan, output = prepare(TTSJobSpec.model_validate(spec), load_voice_models(), tmp_path)
        found = settled(plan, output, Options("job"))
        plan.close()
        return found.there, found.failed

    assert speech.VERSION > OLDER_VERSION
    assert there() == (0, 0)
    monkeypatch.setattr(speech, "VERSION", OLDER_VERSION)
    assert there() == (total, 0)
