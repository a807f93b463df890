"""`ttsp` as a user types it. What needs the real model is in tests/app/test_say.py."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tts_app import __version__
from tts_app.cli import app


@pytest.fixture
def ttsp():
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments))

    return run


def test_help_and_version(ttsp) -> None:
    assert "say" in ttsp("--help").output
    assert ttsp("--version").output.strip() == __version__


def test_voices_as_a_table_without_colours(ttsp) -> None:
    result = ttsp("voices", "--language", "en")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == [
        "VOICE",
        *(f"{g}_en-{region}" for region in ("US", "GB", "AU") for g in ("female", "male")),
    ]
    assert "\x1b" not in result.output


def test_voices_as_json_are_what_the_api_tells(ttsp) -> None:
    found = json.loads(ttsp("voices", "--json", "--locale", "ar-EG").stdout)
    assert [v["id"] for v in found] == ["female_ar-EG", "male_ar-EG"]
    assert {"quality", "measured", "license", "approximation"} <= set(found[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["voices", "--language", "fr"], "No voice matches"),
        (["voices", "-f", "none.yaml"], "Cannot read none.yaml"),
        (["say", "hi", "--voice", "female_fr-FR"], "Allowed: female_en-US"),
        (["say", "hi", "--format", "ogg"], "Allowed: mp3"),
        (["say", "hi", "-o", "hello.txt"], "Unknown format 'txt'"),
        (["say", "hi", "--speed", "5"], "--speed must be 0.25 to 4"),
        (["say", "hi", "--speed", "nan"], "--speed must be 0.25 to 4"),
        (["say"], "Missing argument"),
        (["serve", "--port", "0"], "greater than or equal to 1"),
        (["sing"], "No such command"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_says_what_is_right(ttsp, arguments: list[str], message: str) -> None:
    result = ttsp(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_a_model_that_cannot_be_had_is_exit_code_3(ttsp, tmp_path: Path) -> None:
    models = tmp_path / "models.yaml"
    models.write_text(
        """
kind: VoiceModel
metadata: {name: mine}
spec:
  engine: kokoro
  source: {uri: "file:///no/such/model"}
  license: {spdx: MIT, commercialUse: true}
  voices: [{locale: en-US, gender: female, speaker: af_heart}]
"""
    )
    for command in (["models", "fetch"], ["say", "hello", "-o", str(tmp_path / "a.mp3")], ["serve"]):
        result = ttsp(*command, "-f", str(models))
        assert result.exit_code == 3, result.output
        assert "there is no folder /no/such/model" in result.stderr
    assert not (tmp_path / "a.mp3").exists()
