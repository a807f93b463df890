"""The playground on the cluster that is up, from images to an MP3, by commands that a person can type."""

import io
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np

from cluster import background, node
from cluster.control_plane import CommandError
from cluster.listening import listening

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ("operator", "app", "kokoro")
"""The images that the sample needs, by hack/images' names."""
SYSTEM = "tts-system"
NAMESPACE = "speech"
SAMPLE = "manifests/samples/laptop.yaml"
_MODEL = "kokoro"
_SPEECH = {"model": _MODEL, "voice": "female_en-GB", "input": "Spoken by a pod."}
_RELEASE = ("tts-playground", "charts/tts-playground", "-n", SYSTEM, "--create-namespace")
_STEPS = 6
_ANSWER = 120.0
_SILENCE = 0.001
"""Fraction of full scale below which audio is inaudible."""


class DemoError(Exception):
    """The demo failed; the message says why, and where to look."""


def run(target: Path) -> None:
    """Install the playground, wait until a model is Ready, and write its speech to `target`.

    A second run repeats the same steps on what exists.

    Raises:
        CommandError: kubectl or Helm failed.
        DemoError: images cannot be built, the model does not become Ready, or its audio is silent.
    """
    for line in background.exports():
        _tell(f"$ {line}")
    path = f"{background.programs()}:{os.environ['PATH']}"
    Demo({"KUBECONFIG": str(background.kubeconfig()), "PATH": path}).run(target)


class Demo:
    """The steps. Each command is printed before it runs.

    The model may take `patience` seconds to become Ready: pods of Ray start slowly on a busy machine.
    """

    def __init__(self, environment: Mapping[str, str], patience: float = 600.0) -> None:
        self._environment = os.environ | environment
        self._patience = patience

    def run(self, target: Path) -> None:
        """Run all steps."""
        _title(1, "images: what is missing is built, which takes minutes the first time")
        images = self._images()
        _title(2, "the node gets them")
        for image in images:
            _show(sys.executable, "hack/cluster", "import", image)
            node.import_image(Path(image))
        _title(3, "the operator, from its chart")
        self._do("helm", "upgrade", "--install", *_RELEASE)
        self._await_operator()
        _title(4, f"a service: {SAMPLE}")
        namespaces = self._read("get", "namespaces", "-o", "jsonpath={.items[*].metadata.name}")
        if NAMESPACE not in namespaces.split():
            self._do("kubectl", "create", "namespace", NAMESPACE)
        self._do("kubectl", "apply", "-n", NAMESPACE, "-f", SAMPLE)
        _title(5, "its pods start, in about a minute; the operator says how far it is")
        self._await_ready()
        _title(6, "a pod speaks")
        sound = self._speak()
        seconds = check_sound(sound)
        write(target, sound)
        _tell(f"{target.resolve()}: {seconds:.1f} s of speech")
        _tell(_NEXT)

    def _images(self) -> list[str]:
        command = [sys.executable, "hack/images", *IMAGES]
        _show(*command)
        done = subprocess.run(
            command, cwd=ROOT, env=self._environment, stdout=subprocess.PIPE, text=True, check=False
        )
        if done.returncode:
            raise DemoError("the images could not be built: hack/images says why above")
        return done.stdout.splitlines()

    def _await_operator(self) -> None:
        try:
            self._do("kubectl", "rollout", "status", "deployment", "-n", SYSTEM, "--timeout=120s")
        except CommandError:
            self._do("kubectl", "describe", "pods", "-n", SYSTEM)  # the output says why
            raise

    def _await_ready(self) -> None:
        _show("kubectl", "get", "voicemodel", _MODEL, "-n", NAMESPACE, "--watch")
        begin = time.monotonic()
        before = ""
        while True:
            model = json.loads(self._read("get", "voicemodel", _MODEL, "-n", NAMESPACE, "-o", "json"))
            said = state(model)
            if said != before:
                _tell(f"{time.monotonic() - begin:4.0f} s  {said}")
            before = said
            if is_ready(model):
                return
            if time.monotonic() - begin > self._patience:
                self._do("kubectl", "get", "pods", "-n", NAMESPACE, "-o", "wide")
                raise DemoError(
                    f"{_MODEL} is not Ready after {self._patience:.0f} s. Its status says: {said}. "
                    f"More: `kubectl describe voicemodel {_MODEL} -n {NAMESPACE}`; "
                    "docs/operations.md has the reasons."
                )
            time.sleep(2)

    def _speak(self) -> bytes:
        forward = ("kubectl", "port-forward", "-n", NAMESPACE, "svc/playground-serve-svc", ":8000")
        _show(*forward)
        with listening(forward, self._environment) as address:
            url = f"http://{address}/v1/audio/speech"
            body = json.dumps(_SPEECH)
            _show("curl", url, "-H", "Content-Type: application/json", "-o", "hello.mp3", "-d", body)
            try:
                answer = httpx.post(url, json=_SPEECH, timeout=_ANSWER)
            except httpx.TransportError as error:
                raise DemoError(f"{url} did not answer: {error!r}") from error
        if answer.status_code != httpx.codes.OK:
            raise DemoError(f"{url} answered {answer.status_code}: {answer.text}")
        return answer.content

    def _do(self, *command: str) -> None:
        """Print a command and run it with visible output."""
        _show(*command)
        done = subprocess.run(command, cwd=ROOT, env=self._environment, check=False)
        if done.returncode:
            raise CommandError(shlex.join(command), done.returncode, "", "see what it said above")

    def _read(self, *arguments: str) -> str:
        """Return kubectl's output."""
        command = ["kubectl", *arguments]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CommandError(shlex.join(command), done.returncode, done.stdout, done.stderr)
        return done.stdout


_NEXT = f"""
What now, in a shell that has the two exports above:
  kubectl get voice,pg,pods -n {NAMESPACE}
  kubectl edit voice {_MODEL} -n {NAMESPACE}                   # remove a voice, and watch it go
  kubectl port-forward -n {NAMESPACE} svc/playground-serve-svc 8000    # then http://127.0.0.1:8000/voices
  kubectl delete -n {NAMESPACE} -f {SAMPLE}
`make cluster-down` ends it all. docs/operations.md tells the rest."""


def is_ready(model: Mapping[str, Any]) -> bool:
    """Return whether the current generation of a model is Ready, not only an older one."""
    ready = _conditions(model).get("Ready", {})
    is_current = ready.get("observedGeneration") == model["metadata"]["generation"]
    return ready.get("status") == "True" and is_current


def state(model: Mapping[str, Any]) -> str:
    """Return a line about a model: what is wrong, else what is in progress, else whether it is ready."""
    conditions = _conditions(model)
    for type_ in ("Degraded", "Progressing"):
        if conditions.get(type_, {}).get("status") == "True":
            return _line(conditions[type_])
    return _line(conditions["Ready"]) if "Ready" in conditions else "the operator has not looked at it yet"


def check_sound(mp3: bytes) -> float:
    """Return the seconds of an MP3.

    Raises:
        DemoError: it is no MP3, or it is silent.
    """
    seconds, peak = 0.0, 0.0
    try:
        with av.open(io.BytesIO(mp3), mode="r", format="mp3") as container:
            for frame in container.decode(audio=0):
                seconds += frame.samples / frame.sample_rate
                peak = max(peak, float(np.abs(frame.to_ndarray()).max()))
    except av.FFmpegError as error:
        raise DemoError(f"what came is no MP3 ({error}): {mp3[:200]!r}") from error
    if not seconds or peak < _SILENCE:
        raise DemoError(f"the MP3 that came has no sound: {seconds:.1f} s, and a peak of {peak:.4f}")
    return seconds


def write(target: Path, content: bytes) -> None:
    """Write a file atomically."""
    unfinished = target.with_name(f".{target.name}.unfinished")
    unfinished.write_bytes(content)
    unfinished.replace(target)


def _conditions(model: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {condition["type"]: condition for condition in model.get("status", {}).get("conditions", [])}


def _line(condition: Mapping[str, Any]) -> str:
    return f"{condition['type']} is {condition['status']}, {condition['reason']}: {condition['message']}"


def _title(number: int, text: str) -> None:
    _tell(f"\n[{number}/{_STEPS}] {text}")


def _show(*command: str) -> None:
    _tell(f"$ {shlex.join(command)}")


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
