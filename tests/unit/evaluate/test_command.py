"""`ttsp models evaluate` as a user types it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from tts_app.cli import app


def evaluate(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, ["models", "evaluate", *arguments], env=environment)


def words(text: str) -> str:
    return " ".join(text.split())


def test_evaluate_embedded_kokoro_on_one_sentence_of_each_kind() -> None:
    result = evaluate("kokoro", "--voices", "female_en-US", "--sentences", "1")
    assert result.exit_code == 0, result.output
    document = yaml.safe_load(result.stdout)
    assert document["metadata"] == {"name": "kokoro"}
    (voice,) = document["spec"]["voices"]
    assert voice["quality"] == "preview"
    assert "it spoke 2 sentences, not all of them" in result.stdout
    assert voice["measured"]["plain"] <= 0.1
    assert voice["measured"]["dnsmos"] >= 3
    assert 165 <= voice["measured"]["f0"] <= 255
    assert "female_en-US preview WER 0.0%" in words(result.stderr)


def test_evaluate_a_simulated_service_by_its_own_names(simulated_service: Any) -> None:
    result = evaluate(
        *("hum-1", "--url", simulated_service.url, "--voices", "hummer=male_en-US", "--sentences", "1"),
        *("--api-key-env", "MY_KEY"),
        MY_KEY="secret",
    )
    assert result.exit_code == 0, result.output
    assert {(sent["model"], sent["voice"]) for sent in simulated_service.requests} == {("hum-1", "hummer")}
    assert set(simulated_service.keys) == {"Bearer secret"}
    document = yaml.safe_load(result.stdout)
    assert list(document) == ["spec"], "the name of a service's model is no VoiceModel's"
    (voice,) = document["spec"]["voices"]
    assert voice["quality"] == "preview"
    assert voice["measured"]["plain"] >= 0.8, "a hum has none of the words, or a chance one"
    assert voice["measured"]["f0"] == pytest.approx(120, abs=2)


def test_evaluate_a_service_that_refuses_exits_with_1(simulated_service: Any) -> None:
    kind = type(simulated_service.answers[0])
    simulated_service.answer(kind(401, b'{"error": {"message": "Wrong key."}}'))
    result = evaluate("m", "--url", simulated_service.url, "--voices", "a=male_en-US", "--sentences", "1")
    assert result.exit_code == 1
    assert "401 Unauthorized: Wrong key. Name the environment variable" in words(result.stderr)
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nobody"], "There is no VoiceModel 'nobody'; there are: kokoro."),
        (["kokoro", "--voices", "female_fr-FR"], "Allowed: female_en-US"),
        (["kokoro", "--voices", "a=female_en-US"], "only a service (--url) has other names"),
        (["kokoro", "--voices", "female_en-US,female_en"], "--voices has female_en-US twice"),
        (["kokoro", "--sentences", "0"], "greater than or equal to 1"),
        (["m", "--url", "http://127.0.0.1:9"], "Which voices of 'm'?"),
        (["m", "--url", "http://127.0.0.1:9", "--voices", "alloy"], "'alloy' is no avatar"),
        (
            ["m", "--url", "http://127.0.0.1:9", "--voices", "a=male_en-US", "--api-key-env", "NO_SUCH_KEY"],
            "the environment has no NO_SUCH_KEY",
        ),
        (["m", "--url", "nothing", "--voices", "a=male_en-US"], "'nothing' is no address"),
        (
            ["m", "--url", "http://127.0.0.1:9", "--voices", "a=male_de-DE"],
            "There are no sentences to measure de-DE with; there are of: ar-AE, ar-EG",
        ),
    ],
)
def test_evaluate_wrong_usage_exits_with_2_and_says_what_is_right(arguments: list[str], message: str) -> None:
    result = evaluate(*arguments)
    assert result.exit_code == 2, result.output
    assert message in words(result.stderr)


def test_evaluate_without_the_extra_says_what_to_install(tmp_path: Path) -> None:
    # In a process of its own: here the packages were imported long ago.
    code = (
        "import sys; sys.modules['jiwer'] = None; from tts_app.cli import main; "
        "sys.argv = ['ttsp', 'models', 'evaluate', 'kokoro', '--sentences', '1']; main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert "needs the package jiwer: pip install 'tts-playground[evaluate]'" in words(ran.stderr)
