"""What the demo says of a model, and what it takes for speech; its way through, with simulated programs."""

import io
import json
import os
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from cluster import demo
from cluster.control_plane import CommandError
from cluster.demo import Demo, DemoError, check_sound, is_ready, state

RATE = 24_000
SIMULATED = """#!/usr/bin/env -S python3 -S -E
# kubectl and helm: what they were told is noted, and answered as on a cluster where all goes well.
import pathlib, sys

here = pathlib.Path(__file__).parent
with (here / "told").open("a") as told:
    print(pathlib.Path(sys.argv[0]).name, *sys.argv[1:], file=told)

def speak():
    from http.server import BaseHTTPRequestHandler, HTTPServer  # half a second, which one of them needs

    class Speaks(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(int((here / "status").read_text()))
            self.end_headers()
            self.wfile.write((here / "answer").read_bytes())

    server = HTTPServer(("127.0.0.1", 0), Speaks)
    print(f"Forwarding from 127.0.0.1:{server.server_port} -> 8000", flush=True)
    server.serve_forever()

match sys.argv[1:3]:
    case ["get", "namespaces"]:
        print("default", end="")
    case ["get", "voicemodel"]:
        print((here / "model").read_text())
    case ["rollout", _]:
        sys.exit(int((here / "rollout").read_text()))
    case ["port-forward", _]:
        speak()
"""


def condition(type_: str, status: str, reason: str, generation: int = 2) -> dict[str, Any]:
    message = f"the message of {reason}"
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
    }


def model(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"generation": 2}, "status": {"conditions": list(conditions)}}


READY = condition("Ready", "True", "Serving")


def mp3(wave: "np.ndarray[Any, np.dtype[np.float32]]") -> bytes:
    target = io.BytesIO()
    with av.open(target, mode="w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(wave[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate = RATE
        for each in (frame, None):
            container.mux(stream.encode(each))
    return target.getvalue()


TONE = mp3(0.5 * np.sin(np.arange(RATE, dtype=np.float32) / 10))


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        ({"metadata": {"generation": 1}}, "the operator has not looked at it yet"),
        (
            model(condition("Ready", "False", "Waits"), condition("Progressing", "True", "Creating")),
            "Progressing is True, Creating: the message of Creating",
        ),
        (
            model(
                condition("Degraded", "True", "ImageMissing"), condition("Progressing", "True", "Creating")
            ),
            "Degraded is True, ImageMissing: the message of ImageMissing",
        ),
        (
            model(READY, condition("Degraded", "False", "Fine"), condition("Progressing", "False", "Done")),
            "Ready is True, Serving: the message of Serving",
        ),
    ],
)
def test_state_names_errors_before_progress(resource: dict[str, Any], said: str) -> None:
    assert state(resource) == said


def test_is_ready_judges_the_current_generation() -> None:
    assert is_ready(model(READY))
    assert not is_ready(model(READY | {"observedGeneration": 1}))
    assert not is_ready(model(condition("Ready", "False", "Waits")))
    assert not is_ready({"metadata": {"generation": 1}})


def test_check_sound_returns_the_seconds_of_an_mp3() -> None:
    assert check_sound(TONE) == pytest.approx(1, abs=0.1)


def test_check_sound_refuses_silence() -> None:
    with pytest.raises(DemoError, match="has no sound: 1"):
        check_sound(mp3(np.zeros(RATE, dtype=np.float32)))


@pytest.mark.parametrize("content", [b"", b'{"error": {"message": "no"}}', TONE[:20]])
def test_check_sound_refuses_data_that_is_not_mp3(content: bytes) -> None:
    with pytest.raises(DemoError, match=r"no MP3|has no sound"):
        check_sound(content)


class TestTheWay:
    """All steps, with a simulated kubectl, helm and hack/images; nothing is imported anywhere."""

    @pytest.fixture(autouse=True)
    def _simulated(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("kubectl", "helm"):
            program = tmp_path / name
            program.write_text(SIMULATED)
            program.chmod(0o755)
        self.folder = tmp_path
        self.imported: list[Path] = []
        self.write(model=json.dumps(model(READY)), rollout="0", status="200")
        (tmp_path / "answer").write_bytes(TONE)
        monkeypatch.setattr(Demo, "_images", lambda self: ["one", "two"])
        monkeypatch.setattr(demo.node, "import_image", self.imported.append)
        self.demo = Demo({"PATH": f"{tmp_path}:{os.environ['PATH']}"}, patience=0.0)

    def write(self, **files: str) -> None:
        for name, content in files.items():
            (self.folder / name).write_text(content)

    def test_demo_shows_each_command_and_writes_the_speech(self, capfd: pytest.CaptureFixture[str]) -> None:
        target = self.folder / "hello.mp3"
        self.demo.run(target)
        assert target.read_bytes() == TONE
        assert self.imported == [Path("one"), Path("two")]
        shown = [line[2:] for line in capfd.readouterr().err.splitlines() if line.startswith("$ ")]
        reported = (self.folder / "told").read_text().splitlines()
        changing = [line for line in reported if line.split()[1] != "get"]
        assert changing == [
            "helm upgrade --install tts-playground charts/tts-playground -n tts-system --create-namespace",
            "kubectl rollout status deployment -n tts-system --timeout=120s",
            "kubectl create namespace speech",
            "kubectl apply -n speech -f manifests/samples/laptop.yaml",
            "kubectl port-forward -n speech svc/playground-serve-svc :8000",
        ]
        assert set(changing) <= set(shown)

    def test_demo_reports_the_status_of_a_model_that_is_not_ready(self) -> None:
        self.write(model=json.dumps(model(condition("Degraded", "True", "Unschedulable"))))
        with pytest.raises(
            DemoError, match=r"not Ready after .*Unschedulable: the message of Unsched.*describe"
        ):
            self.demo.run(self.folder / "hello.mp3")
        assert "kubectl get pods -n speech" in (self.folder / "told").read_text()

    def test_demo_reports_a_refusal_and_writes_nothing(self) -> None:
        self.write(status="429", answer="too busy")
        with pytest.raises(DemoError, match="answered 429: too busy"):
            self.demo.run(self.folder / "hello.mp3")
        assert not list(self.folder.glob("*hello*"))

    def test_demo_describes_an_operator_that_does_not_start(self) -> None:
        self.write(rollout="1")
        with pytest.raises(CommandError, match=r"`kubectl rollout status .*` exited with 1"):
            self.demo.run(self.folder / "hello.mp3")
        assert (self.folder / "told").read_text().endswith("kubectl describe pods -n tts-system\n")
