"""A simulated speaker, and a driver that renders a folder's posts with it: `python simulated.py FOLDER`.

It speaks nothing: what it "renders" is a function of text and avatar, and it notes each item that it renders.
"""

import asyncio
import hashlib
import math
import os
import random
import signal
import sys
from pathlib import Path

from tts_app.engines.base import Clip
from tts_app.resources import VoiceModel
from tts_app.speech import TextError, Utterance


def audio(text: str, avatar: str) -> bytes:
    """Return what is "spoken": of some kB, never the same for two items."""
    seed = hashlib.sha256(f"{avatar}\n{text}".encode()).digest()
    return seed * (1 + seed[0])


class SimulatedSpeaker:
    """Speaks in a moment. Words in a text make it fail: KILL, REFUSE, and ONCE only the first time.

    Its model's annotation `folder` names the batch's folder: in `rendered.txt` it notes what it renders, and
    `seconds.txt` holds the seconds that an item takes on average; the same item always takes as long. Where
    `renderings.txt` holds a number, renderings that were noted after so many others wait.
    """

    def __init__(self, model: VoiceModel, slots: int) -> None:
        folder = Path(str(model.metadata.annotations["folder"]))
        self._rendered, seconds = folder / "rendered.txt", folder / "seconds.txt"
        self._limit = folder / "renderings.txt"
        self._seconds = float(seconds.read_text()) if seconds.exists() else 0.02

    async def speak(self, utterance: Utterance, clip: Clip | None = None) -> tuple[bytes, float]:
        text, voice = utterance.text, utterance.voice
        with self._rendered.open("ab", buffering=0) as file:  # a line is whole where several write
            file.write(f"{os.getpid()} {voice.id} {text}\n".encode())
            end = file.tell()
        chance = random.Random(f"{voice.id} {text}")  # noqa: S311
        await asyncio.sleep(chance.expovariate(1 / self._seconds))
        number = self._rendered.read_bytes()[:end].count(b"\n")
        while number > self._most():  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.02)
        if "REFUSE" in text:
            raise TextError("it refuses")
        if "KILL" in text:
            os.kill(os.getpid(), signal.SIGKILL)
        if "ONCE" in text and self._rendered.read_text().count(f" {voice.id} {text}\n") == 1:
            raise ConnectionError("this once")
        return audio(text, voice.id), 1.0

    def _most(self) -> float:
        """How many renderings may end."""
        try:
            return int(self._limit.read_text())
        except FileNotFoundError:
            return math.inf


def main() -> int:
    """Render, as `ttsp render --json` does."""
    import typer
    from rich.console import Console

    from tts_app.batch.command import Command
    from tts_app.cli.render_batch import render_batch
    from tts_app.manifests import load_voice_models
    from tts_app.resources import TTSJob
    from tts_app.storage.output import LEASE_SECONDS

    folder = Path(sys.argv[1])
    job = TTSJob.model_validate(
        {
            "apiVersion": "ttsplayground.dev/v1alpha1",
            "kind": "TTSJob",
            "metadata": {"name": "simulated"},
            "spec": {
                "posts": {"uri": (folder / "posts.jsonl").as_uri()},
                "avatars": {"locales": ["en-US", "ar-EG"]},
                "output": {"uri": os.environ.get("OUTPUT") or (folder / "audio").as_uri()},
                "parallelism": 2,
                "retries": int(os.environ.get("RETRIES", "2")),
            },
        }
    )
    models = []
    for model in load_voice_models():
        manifest = model.written()
        manifest["metadata"]["annotations"] = {"folder": str(folder)}
        models.append(VoiceModel.model_validate(manifest))
    command = Command(
        job,
        models,
        folder,
        speaker="simulated:SimulatedSpeaker",
        utilisation=1.0,
        lease_seconds=float(os.environ.get("LEASE_SECONDS", LEASE_SECONDS)),
    )
    state = render_batch(command, Console(stderr=True), typer.echo, as_json=True)
    return {"Succeeded": 0, "PartiallyFailed": 1, "Failed": 1, "Stopped": 130}[state]


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    sys.exit(main())
