"""`ttsp say` with the real model, in this process."""

import io
from pathlib import Path

import av
import pytest
from typer.testing import CliRunner, Result

from tts_app.cli import app
from tts_app.manifests import samples_folder


def say(*arguments: str, **options: str) -> Result:
    return CliRunner().invoke(app, ["say", *arguments], **options)


def seconds_of(data: bytes) -> float:
    with av.open(io.BytesIO(data)) as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


def test_say_writes_a_whole_file(tmp_path: Path) -> None:
    output = tmp_path / "hello.mp3"
    result = say("Hello from the playground.", "--voice", "female_en-GB", "-o", str(output))
    assert result.exit_code == 0, result.output
    assert 1 < seconds_of(output.read_bytes()) < 4
    assert "s of female_en-GB" in " ".join(result.stderr.split())
    assert [path.name for path in tmp_path.iterdir()] == ["hello.mp3"], "nothing else is left"


def test_say_writes_standard_input_to_standard_output() -> None:
    result = say("-", "-o", "-", "--format", "wav", input="Good evening.")
    assert result.exit_code == 0, result.output
    assert result.stdout_bytes.startswith(b"RIFF")
    assert 0.5 < seconds_of(result.stdout_bytes) < 3


def test_say_speaks_a_language_that_one_yaml_added(tmp_path: Path) -> None:
    output = tmp_path / "bonjour.wav"
    models = str(samples_folder() / "more-languages.yaml")
    text = "Bonjour ! Notre hôtel a 21 chambres."
    result = say(text, "--voice", "female_fr", "-f", models, "-o", str(output))
    assert result.exit_code == 0, result.output
    assert 2 < seconds_of(output.read_bytes()) < 6


@pytest.mark.parametrize(
    ("text", "message"), [("...", "nothing that can be spoken"), ("", "nothing that can be spoken")]
)
def test_say_of_nothing_leaves_no_file(tmp_path: Path, text: str, message: str) -> None:
    output = tmp_path / "hello.mp3"
    output.write_bytes(b"before")
    result = say(text, "-o", str(output))
    assert result.exit_code == 2
    assert "nothing that can be spoken" in " ".join(result.stderr.split())
    assert output.read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["hello.mp3"]
