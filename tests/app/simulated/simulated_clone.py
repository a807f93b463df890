"""A simulated engine that clones: it plays back its clip, so that a test hears whose voice it was."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from tts_app.audio.samples import Audio
from tts_app.engines.base import Capabilities, EngineError, Segment

HERTZ = 24_000


class SimulatedCloningEngine:
    """Speaks each segment with the first second of its clip; a speaker of its own is a tone of 440 Hz."""

    def __init__(self) -> None:
        self.kept: dict[str, Audio] = {}
        """What it computed of clips, by their digest."""
        self.forgotten: list[str] = []

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
        return [self._spoken(segment) for segment in segments]

    def forget(self, digest: str) -> None:
        self.forgotten.append(digest)
        self.kept.pop(digest, None)

    def close(self) -> None:
        return

    def _spoken(self, segment: Segment) -> Audio:
        if segment.clip is None:
            return np.sin(np.arange(HERTZ) * (2 * np.pi * 440 / HERTZ)).astype(np.float32) * 0.3
        if not segment.clip.audio.size or not segment.clip.transcript:
            raise EngineError("The clip has no sound or no words.")
        return self.kept.setdefault(segment.clip.digest, segment.clip.audio[:HERTZ])
