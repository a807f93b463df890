"""`ttsp chat` as a user types it, with a simulated engine: from a pipe, and on a terminal."""

import os
import pty
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from simulated_playground import SimulatedPlayground
from simulated_writer import INTERRUPT, SimulatedTextEngine
from typer.testing import CliRunner, Result

from tts_app.cli import app
from tts_app.engines.text import EngineError, TextRequest


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[TextRequest]:
    """What the engine is asked."""
    asked: list[TextRequest] = []

    def remembering(request: TextRequest) -> str:
        asked.append(request)
        return f"You said: {(request.messages or ())[-1]['content']}"

    monkeypatch.setattr(SimulatedTextEngine, "script", staticmethod(remembering))
    return asked


def chat(models: Path, *arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["chat", "-f", str(models), *arguments], input=stdin)


def test_chat_prints_only_the_answer_to_a_message(models: Path, requests: list[TextRequest]) -> None:
    options = ["--system", "Be brief.", "--max-tokens", "9", "--temperature", "0", "--seed", "5"]
    result = chat(models, "Hello there", *options)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "You said: Hello there\n", "")
    (request,) = requests
    assert (request.max_tokens, request.temperature, request.seed) == (9, 0.0, 5)
    assert (request.messages or ())[0] == {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_chat_reads_a_pipe_as_one_message(models: Path, arguments: list[str]) -> None:
    result = chat(models, *arguments, stdin="مرحبا\nhello\n".encode())
    assert (result.exit_code, result.stdout) == (0, "You said: مرحبا\nhello\n")


def test_chat_says_that_an_answer_is_cut(models: Path) -> None:
    result = chat(models, "one two three", "--max-tokens", "3")
    assert (result.exit_code, result.stdout) == (0, "You said: one\n")
    assert "cut at --max-tokens" in result.stderr


def test_chat_stops_on_ctrl_c(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        SimulatedTextEngine, "script", staticmethod(lambda r: f"begun {INTERRUPT} " + "x " * 99)
    )
    result = chat(models, "go on")
    assert result.exit_code == 130
    assert result.stdout.startswith("begun")
    assert "stopped" in result.stderr


def test_chat_exits_with_1_when_the_engine_fails(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(request: TextRequest) -> str:
        raise EngineError("the [bold] engine broke")

    monkeypatch.setattr(SimulatedTextEngine, "script", staticmethod(fails))
    result = chat(models, "hello")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the [bold] engine broke" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        ([], b" \n", "the message is empty"),
        ([" "], None, "the message is empty"),
        ([], b"\xff", "Standard input is not UTF-8"),
        (["hi", "--model", "other"], None, "There is no TextModel 'other'. There is: writer"),
        (["hi", "--url", "http://127.0.0.1:1"], None, "--url and --file exclude each other"),
        (["hi", "--temperature", "3"], None, "less than or equal to 2"),
        (["hi", "--max-tokens", "0"], None, "greater than or equal to 1"),
        (["hi", "-f", "none.yaml"], None, "Cannot read none.yaml"),
    ],
)
def test_chat_wrong_usage_exits_with_2(
    models: Path, arguments: list[str], stdin: bytes | None, message: str
) -> None:
    result = chat(models, *arguments, stdin=stdin)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_chat_requires_a_name_when_there_are_several_models(models: Path, tmp_path: Path) -> None:
    second = tmp_path / "second.yaml"
    second.write_text(models.read_text().replace("name: writer", "name: second"))
    result = chat(models, "hi", "-f", str(second))
    assert result.exit_code == 2
    assert "Name it with --model: writer, second" in " ".join(result.stderr.split())
    assert chat(models, "hi", "-f", str(second), "--model", "second").exit_code == 0


def test_chat_refuses_a_file_without_a_text_model(tmp_path: Path) -> None:
    voices = tmp_path / "voices.yaml"
    voices.write_text(
        'kind: VoiceModel\nmetadata: {name: k}\nspec:\n  engine: kokoro\n  source: {uri: "file:///x"}\n'
        "  license: {spdx: MIT, commercialUse: true}\n"
        "  voices: [{locale: en-US, gender: female, speaker: af_heart}]\n"
    )
    result = chat(voices, "hi")
    assert result.exit_code == 2
    assert "there is no TextModel" in " ".join(result.stderr.split())


def test_chat_asks_a_running_playground_with_its_key(
    playground: SimulatedPlayground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTSP_API_KEY", "secret")
    result = CliRunner().invoke(app, ["chat", "hi", "--url", playground.url])
    assert (result.exit_code, result.stdout, result.stderr) == (0, "Hello there\n", "")
    assert playground.keys == ["Bearer secret"]
    assert playground.asked[0]["model"] == "smollm"


def test_chat_exits_with_1_when_no_playground_answers() -> None:
    result = CliRunner().invoke(app, ["chat", "hi", "--url", "http://127.0.0.1:1"])
    assert result.exit_code == 1
    assert "No playground answers at http://127.0.0.1:1" in " ".join(result.stderr.split())


class Terminal:
    """`ttsp chat` on a pseudo-terminal, in a process of its own."""

    def __init__(self, models: Path) -> None:
        self.seen = ""
        code = (
            f"import sys; sys.path.append({str(Path(__file__).parent)!r})\n"
            "from tts_app.cli import main\n"
            "from tts_app.engines.registry import ADAPTERS\n"
            "import simulated_writer as s\n"
            "ADAPTERS['llamacpp'] = 'simulated_writer:SimulatedTextEngine'\n"
            "said = lambda r: r.messages[-1]['content']\n"
            "s.SimulatedTextEngine.script = staticmethod(\n"
            "    lambda r: 'on ' * 10**7 if said(r) == 'forever' else "
            "'esc\\x1b[2J' if said(r) == 'escape' else f'{len(r.messages)} heard')\n"
            f"sys.argv = ['ttsp', 'chat', '-f', {str(models)!r}]\n"
            "main()\n"
        )
        self.pid, self._file = pty.fork()
        if self.pid == 0:
            os.execv(sys.executable, [sys.executable, "-c", code])  # noqa: S606

    def type(self, text: str) -> None:
        os.write(self._file, text.encode())

    def wait_for(self, text: str, typing: str = "") -> None:
        """Read until `text` is seen, and forget what came before it; type `typing` while nothing comes."""
        end = time.monotonic() + 60
        while text not in self.seen:
            if not select.select([self._file], [], [], 1.0)[0]:
                self.type(typing)
                assert time.monotonic() < end, f"no {text!r} after a minute, but {self.seen[-500:]!r}"
                continue
            try:
                self.seen += os.read(self._file, 65536).decode(errors="replace")
            except OSError:  # the other end is closed
                raise AssertionError(f"it ended without {text!r}: {self.seen[-500:]!r}") from None
        self.seen = self.seen.partition(text)[2]

    def ended(self) -> int:
        pid, self.pid = self.pid, 0
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def close(self) -> None:
        """End it, where it has not ended."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self.ended()
        os.close(self._file)


@pytest.fixture
def terminal(models: Path) -> Iterator[Terminal]:
    terminal = Terminal(models)
    yield terminal
    terminal.close()


def test_chat_holds_a_conversation_on_a_terminal(terminal: Terminal) -> None:
    terminal.wait_for("> ")
    terminal.type("hello\n")
    terminal.wait_for("1 heard")
    terminal.wait_for("> ")
    terminal.type("again\n")
    terminal.wait_for("3 heard")
    terminal.wait_for("> ")
    terminal.type("forever\n")
    terminal.wait_for("on on on")
    terminal.type("\x03")
    terminal.wait_for("(stopped)")
    terminal.wait_for("> ")
    # Python overlooks a Ctrl-C that comes just as it begins to read a line, so this one comes a second later.
    terminal.wait_for("Ctrl-D ends", typing="\x03")
    terminal.wait_for("> ")
    terminal.type("escape\n")
    terminal.wait_for("esc[2J")  # the model's escape does not reach the terminal
    terminal.wait_for("> ")
    terminal.type("\x04")
    assert terminal.ended() == 0
