"""`kubectl ttsp` on a real API server, run by a real kubectl: tests write what operator and kubelet would."""

import json
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from kubelet import Kubelet
from resources import playground, pod, text_model, voice_model
from running import PATIENCE, Api, eventually

from cluster.build import path_of
from cluster.control_plane import ControlPlane
from tts_operator.objects import PLAYGROUND, POD, TTS_JOB, VOICE_MODEL, Ref

WORD = "zanzibarquokka"
METRICS = """# TYPE ray_ttsp_queue_waiting gauge
ray_ttsp_queue_waiting{kind="speech",model="kokoro",priority="interactive"} %d
# TYPE ray_ttsp_speech_requests_total counter
ray_ttsp_speech_requests_total{model="kokoro",outcome="finished"} %d
"""
JOB = f"""apiVersion: ttsplayground.dev/v1alpha1
kind: TTSJob
metadata: {{name: welcome}}
spec:
  posts:
    inline:
      - {{id: 1, text: {{en: "{WORD}"}}}}
  avatars: {{locales: [en-US]}}
  output: {{uri: "pvc://audio-output"}}
"""


class Plugin:
    """Runs `kubectl ttsp` in a namespace."""

    def __init__(self, kubeconfig: Path, namespace: str, folder: Path) -> None:
        (folder / "kubectl").symlink_to(path_of("kubectl"))
        # kubectl finds `kubectl-ttsp` on the path, where it is installed beside this Python.
        path = os.pathsep.join([str(folder), str(Path(sys.executable).parent)])
        self._environment = {**os.environ, "PATH": f"{path}{os.pathsep}{os.environ['PATH']}"}
        self._where = (f"--kubeconfig={kubeconfig}", f"--namespace={namespace}")

    def start(self, command: str, *arguments: str) -> "subprocess.Popen[str]":
        """Start it; its output is read by `communicate`."""
        return subprocess.Popen(
            ["kubectl", "ttsp", command, *self._where, *arguments],
            env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __call__(self, command: str, *arguments: str, fails: int = 0) -> str:
        """Return what it prints; it must end with `fails`."""
        process = self.start(command, *arguments)
        output, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == fails, output + errors
        return output if not fails else errors


@pytest.fixture
def plugin(control_plane: ControlPlane, api: Api, tmp_path: Path) -> Plugin:
    folder = tmp_path / "programs"
    folder.mkdir()
    return Plugin(control_plane.kubeconfig, api.namespace, folder)


def condition(type_: str, status: str, reason: str, message: str) -> dict[str, str]:
    return {
        "type": type_, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip


class Endpoint:
    """Answers as a Ray node's metrics do, at an address that the API server may call: not loopback."""

    def __init__(self) -> None:
        asked: list[int] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(1)
                body = (METRICS % (3, 10 * len(asked))).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self.address = _own_address()
        self._server = ThreadingHTTPServer((self.address, 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _own_address() -> str:
    addresses = [one.address for found in psutil.net_if_addrs().values() for one in found]
    usable = [one for one in addresses if one.count(".") == 3 and not one.startswith(("127.", "169.254."))]
    if not usable:
        pytest.skip("this machine has no address but loopback, which the API server's proxy refuses")
    return usable[0]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    started = Endpoint()
    yield started
    started.stop()


def ray_pod(api: Api, name: str, address: str, port: int) -> None:
    made = pod(name, "headgroup")
    made["metadata"]["labels"]["ray.io/node-type"] = "head"
    made["spec"]["containers"][0]["ports"] = [{"name": "metrics", "containerPort": port}]
    api.apply(made)
    api.merge_status(POD, name, {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]})


def report(api: Api, ref: Ref, conditions: Sequence[dict[str, str]], **status: Any) -> None:
    api.merge_status(ref.kind, ref.name, {"conditions": list(conditions), **status})


def test_status_has_causes_and_links(plugin: Plugin, api: Api) -> None:
    for resource in (playground(), voice_model(), text_model()):
        api.apply(resource)
    url = "http://playground-serve-svc.speech.svc:8000"
    report(
        api,
        Ref(PLAYGROUND, "playground"),
        [condition("Ready", "True", "Serving", "It runs.")],
        url=url,
        dashboardUrl=f"{url}/ray/",
        models={"total": 2, "ready": 1, "summary": "1/2"},
    )
    report(api, Ref(VOICE_MODEL, "kokoro"), [condition("Ready", "False", "ImagePullFailed", "No image x:1.")])
    text = plugin("status")
    assert "Playground playground  Ready  1/2 models ready" in text
    assert f"ray dashboard: {url}/ray/" in text
    assert "VoiceModel kokoro  Not ready\n    ImagePullFailed: No image x:1." in text
    assert "TextModel smollm  Unknown\n    The operator has not looked at it yet." in text
    rows = json.loads(plugin("status", "--json"))
    assert [(row["kind"], row["state"]) for row in rows] == [
        ("Playground", "Ready"), ("VoiceModel", "Not ready"), ("TextModel", "Unknown"),
    ]  # fmt: skip
    assert f"{api.namespace}/kokoro" in plugin("status", "--all-namespaces")
    assert "context" in plugin("status", "--context=nowhere", fails=1), "kubectl's own words"


def test_top_reads_pods_through_the_api_server(
    plugin: Plugin, api: Api, endpoint: Endpoint, tmp_path: Path
) -> None:
    assert "No pod" in plugin("top", "--once", fails=1)
    api.apply(voice_model())
    report(api, Ref(VOICE_MODEL, "kokoro"), [condition("Ready", "False", "Deploying", "It loads.")])
    ray_pod(api, "head", endpoint.address, endpoint.port)
    found = json.loads(plugin("top", "--once", "--json", "--interval=1"))
    (kokoro,) = found["models"]
    assert (kokoro["model"], kokoro["waiting"]) == ("kokoro", 3)
    assert 0 < kokoro["requests_per_second"] <= 10, "ten between two scrapes, a second or more apart"
    assert found["notes"] == ["VoiceModel kokoro: Deploying: It loads."]
    job = tmp_path / "job.yaml"
    job.write_text(JOB)
    plugin("render", "-f", str(job), "--no-follow")
    progress = {"total": 2, "done": 1, "failed": 0, "percent": 50, "summary": "1/2"}
    report(api, Ref(TTS_JOB, "welcome"), [], phase="Running", progress=progress)
    page = plugin("top", "--once", "--interval=1", "--service=playground")
    assert "job welcome: Running 1/2 items" in page
    assert "kokoro" in page
    assert "Deploying" in page
    ray_pod(api, "worker", endpoint.address, 1)
    notes = json.loads(plugin("top", "--once", "--json", "--interval=1"))["notes"]
    assert [note.partition(" gives")[0] for note in notes[1:]] == ["Pod worker"], "the others still count"


@pytest.mark.parametrize(
    ("phase", "code", "failures"),
    [
        ("Succeeded", 0, []),
        ("PartiallyFailed", 1, [{"post": 1, "avatar": "male_en-US", "reason": "Engine", "message": "No."}]),
    ],
)
def test_render_follows_a_job_to_its_end(
    plugin: Plugin, api: Api, tmp_path: Path, phase: str, code: int, failures: list[dict[str, Any]]
) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(JOB)
    process = plugin.start("render", "-f", str(path))
    api.await_object(Ref(TTS_JOB, "welcome"))
    progress = {"total": 2, "done": 1, "failed": 0, "percent": 50, "summary": "1/2"}
    report(api, Ref(TTS_JOB, "welcome"), [], phase="Running", progress=progress)
    seen: list[str] = []
    assert process.stdout is not None

    def says_running() -> bool:
        assert process.stdout is not None
        seen.append(process.stdout.readline())
        return "Running 1/2 items" in seen[-1]

    eventually(says_running, "a line with the progress")
    report(api, Ref(TTS_JOB, "welcome"), [], phase=phase, progress=progress, failures=failures)
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, errors
    assert f"welcome: {phase}" in output
    assert ("post 1, male_en-US: Engine: No." in errors) is bool(failures)


def test_render_refuses_a_file_without_a_job(plugin: Plugin, api: Api, tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(json.dumps(voice_model()))
    assert "There is no TTSJob in it, only: VoiceModel." in plugin("render", "-f", str(path), fails=2)
    assert api.get(VOICE_MODEL, "kokoro") is None, "nothing was applied"


@pytest.fixture
def kubelet(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Kubelet]:
    with Kubelet(control_plane, tmp_path) as made:
        yield made


def test_support_bundle_has_conditions_and_logs_and_no_texts(
    plugin: Plugin, api: Api, endpoint: Endpoint, kubelet: Kubelet, tmp_path: Path
) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(JOB)
    plugin("render", "-f", str(path), "--no-follow")
    api.apply(voice_model())
    report(api, Ref(VOICE_MODEL, "kokoro"), [condition("Ready", "False", "Deploying", "It loads.")])
    ray_pod(api, "head", endpoint.address, endpoint.port)
    loader = pod("loader", "none")
    loader["spec"]["nodeName"] = kubelet.node
    api.apply(loader)
    ours = {"time": "t", "level": "INFO", "component": "loader", "event": "fetched"}
    kubelet.logs[api.namespace, "loader"] = f"{json.dumps(ours)}\nTraceback of {WORD}\n"
    bundle = tmp_path / "bundle.tar.gz"
    assert plugin("support-bundle", "-o", str(bundle)).strip() == str(bundle)
    assert bundle.stat().st_mode & 0o077 == 0
    with tarfile.open(bundle) as archive:
        files = {
            member.name.partition("/")[2]: file.read().decode()
            for member in archive
            if (file := archive.extractfile(member)) is not None
        }
    assert {
        "README.txt",
        "versions.json",
        "conditions.json",
        "pods.json",
        "metrics/head.prom",
    } <= files.keys()
    assert "gitVersion" in json.loads(files["versions.json"])["kubernetes"]["serverVersion"]
    rows = {row["name"]: row["cause"] for row in json.loads(files["conditions.json"])}
    assert rows["kokoro"] == "Deploying: It loads."
    assert "welcome" in rows
    assert "ray_ttsp_queue_waiting" in files["metrics/head.prom"]
    assert json.loads(files["logs/loader.jsonl"]) == ours
    assert "logs/head.jsonl: 0 lines" in files["README.txt"], "it is on no node"
    assert WORD not in "".join(files.values())
