"""The commands with the real embedded model, whatever it writes."""

import importlib.util
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tts_app.batch.drafts import SCHEMA, draft_request, text_of
from tts_app.cli import app
from tts_app.engines.loading import load_text_model
from tts_app.manifests import load_text_models
from tts_app.sources.base import cache_folder

MODEL = cache_folder() / "models" / "smollm2-135m-instruct"


@pytest.fixture(autouse=True, scope="module")
def _is_here() -> None:
    there = {"xllamacpp": importlib.util.find_spec("xllamacpp") is not None, str(MODEL): MODEL.is_dir()}
    lacking = [what for what, found in there.items() if not found]
    if lacking:
        reason = f"without {' and '.join(lacking)} nothing can be written: run `make setup` first"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


def test_chat_with_a_seed_gives_the_same_answer() -> None:
    command = ["chat", "Write one sentence about the sea.", "--max-tokens", "12", "--seed", "3"]
    first, second = (CliRunner().invoke(app, command) for _ in range(2))
    assert first.exit_code == 0, first.stderr
    assert len(first.stdout.split()) >= 3
    assert first.stdout == second.stdout


async def test_draft_request_is_held_to_its_schema(tmp_path: Path) -> None:
    (model,) = load_text_models()
    engine = load_text_model(model)
    try:
        context = engine.capabilities.context_length
        asked = draft_request("a beach hotel", "en", None, seed=1, held=True, context=context)
        request = replace(asked, max_tokens=80)  # long enough to see the form, and half as long as a post
        answer, finish = "", None
        async for delta in engine.generate(request):
            answer += delta.text
            finish = delta.finish or finish
    finally:
        engine.close()
    assert request.schema == SCHEMA
    assert re.match(r'\s*{\s*"post"\s*:\s*"', answer)
    if finish == "stop":
        assert text_of(answer, True) == " ".join(json.loads(answer)["post"].split())
    else:
        assert finish == "length"
