"""What the commands share: settings, errors, progress."""

import io
import json

import pytest
import typer
from rich.console import Console

from tts_app.cli import console
from tts_app.engines.base import EngineError
from tts_app.sources import SourceError
from tts_app.speech import TextError


@pytest.fixture
def err(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Where the commands write what is not output; no terminal."""
    written = io.StringIO()
    monkeypatch.setattr(console, "err", Console(file=written, width=200))
    return written


def test_settings_of_a_wrong_variable_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, err: io.StringIO
) -> None:
    monkeypatch.setenv("TTSP_QUEUE", "many")
    with pytest.raises(typer.Exit) as ended:
        console.settings_of()
    assert ended.value.exit_code == console.WRONG_USAGE
    assert "A setting is not valid. TTSP_QUEUE: Input should be a valid integer" in err.getvalue()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SourceError("no files"), console.NO_MODEL),
        (TextError("no words"), console.WRONG_USAGE),
        (EngineError("no voice"), console.FAILED),
        (PermissionError("no right"), console.FAILED),
    ],
)
def test_reported_error_is_a_line_and_an_exit_code(err: io.StringIO, error: Exception, code: int) -> None:
    with pytest.raises(typer.Exit) as ended, console.reported():
        raise error
    assert ended.value.exit_code == code
    assert err.getvalue().splitlines() == [f"ttsp: {error}"]


def test_reported_leaves_a_broken_pipe_to_the_command(err: io.StringIO) -> None:
    with pytest.raises(BrokenPipeError), console.reported():
        raise BrokenPipeError
    assert err.getvalue() == ""


def test_progress_without_a_terminal_names_each_file_once(err: io.StringIO) -> None:
    with console.progress() as progress:
        for done in (0, 1_000_000, 2_000_000):
            progress("model.onnx", done, 2_000_000)
        progress("vocab.json", 1, None)
    assert err.getvalue().splitlines() == ["fetching model.onnx (2.0 MB)", "fetching vocab.json"]


def test_progress_on_a_terminal_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    screen = Console(file=written, width=120, force_terminal=True, color_system=None)
    monkeypatch.setattr(console, "err", screen)
    with console.progress() as progress:
        progress("model.onnx", 0, 2_000_000)
        progress("model.onnx", 2_000_000, 2_000_000)
    assert "model.onnx" in written.getvalue()
    assert "2.0/2.0 MB" in written.getvalue()


def test_json_progress_sums_the_files(capsys: pytest.CaptureFixture[str]) -> None:
    with console.json_progress() as progress:
        progress("a", 1, 10)
        progress("b", 2, 20)
        progress("b", 20, 20)
    *_, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert last == {"bytes": 21, "total_bytes": 30}


def test_json_progress_knows_no_total_while_a_file_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    with console.json_progress() as progress:
        progress("a", 1, 10)
        progress("b", 2, None)
    *_, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert last == {"bytes": 3, "total_bytes": None}
