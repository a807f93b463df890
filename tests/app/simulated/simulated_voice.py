"""A simulated speech engine: a tone for a segment, in a replica like any other."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from tts_app.audio.samples import Audio
from tts_app.engines.base import Capabilities, EngineError, Segment
from tts_app.manifests import load_voice_models
from tts_app.resources import VoiceModel

HERTZ = 24_000
SPEAKER = "somebody"


def model(name: str) -> VoiceModel:
    """A VoiceModel that speaks male_en-GB alone."""
    (kokoro,) = load_voice_models(())
    manifest = kokoro.written()
    manifest["metadata"]["name"] = name
    manifest["spec"]["voices"] = [{"locale": "en-GB", "gender": "male", "speaker": SPEAKER}]
    return VoiceModel.model_validate(manifest)


def config(serve: dict[str, Any]) -> dict[str, Any]:
    """The Serve config with the simulated engine in place of each such model's own."""
    for application in serve["applications"]:
        if application["deployments"][0]["user_config"].get("speakers") == [SPEAKER]:
            application["args"]["engine"] = f"{__name__}:{SimulatedVoiceEngine.__name__}"
    return serve


class SimulatedVoiceEngine:
    """Refuses a text that holds `just once` the first time that it sees it."""

    def __init__(self) -> None:
        self._refused: set[str] = set()

    @classmethod
    def load(cls, files: Path, quantization: str, parameters: Mapping[str, Any]) -> Self:
        return cls()

    @staticmethod
    def hub_patterns(quantization: str) -> list[str]:
        return []

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(HERTZ, "text", 500, (1.0, 1.0))

    def check_speaker(self, speaker: str) -> None:
        return

    def synthesise(self, segments: Sequence[Segment], alone: bool = False) -> list[Audio]:
        return [self._tone(segment.text) for segment in segments]

    def _tone(self, text: str) -> Audio:
        if "just once" in text and text not in self._refused:
            self._refused.add(text)
            raise EngineError("It refuses, just once.")
        return np.sin(np.arange(HERTZ) * (2 * np.pi * 440 / HERTZ)).astype(np.float32) * 0.3

    def close(self) -> None:
        return
