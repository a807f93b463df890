"""VITS by transformers. Text in, speech out; a checkpoint is a language, and reads its own letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

from tts_app.audio.samples import Audio
from tts_app.engines.base import Capabilities, EngineError, Segment, Size
from tts_app.engines.parameters import checked_parameters, max_batch_on
from tts_app.engines.registry import needed_packages
from tts_app.engines.vits.item import Item
from tts_app.resources.engines.vits import VitsParameters, VitsVoiceParameters

if TYPE_CHECKING:  # torch and transformers are needed to load a model, not to know the engine
    from tts_app.engines.vits.model import LoadedVits

MAX_CHARACTERS = 500
MAX_BATCH = 16
"""Segments of a call on a GPU, unless the model's parameters say otherwise."""
SPEEDS = (0.5, 2.0)
"""Durations are scaled before the sound is made. Not measured how well that sounds."""


class VitsEngine:
    """The `vits` SpeechEngine, which batches."""

    def __init__(self, loaded: LoadedVits, max_batch: int) -> None:
        self._loaded: LoadedVits | None = loaded
        self._lock = Lock()
        self._capabilities = Capabilities(
            sample_rate=loaded.rate,
            takes="text",
            max_input=MAX_CHARACTERS,
            speeds=SPEEDS,
            parallel=False,  # torch uses all cores for one call
            max_batch=max_batch if loaded.batches else 1,
        )

    @classmethod
    def load(cls, files: Path, quantization: str, parameters: Mapping[str, Any]) -> Self:
        """Load a checkpoint in transformers' form. `parameters`: see VitsParameters.

        Raises:
            EngineError: a file or a package is missing, a file is damaged, it is no VITS, or a parameter is
                wrong.
        """
        settings = checked_parameters("vits", VitsParameters, parameters)
        with needed_packages("vits"):
            import torch  # noqa: PLC0415 - as above

            from tts_app.engines.vits.model import load_model  # noqa: PLC0415
        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        loaded = load_model(files)
        return cls(loaded, max_batch_on(loaded.device, settings.max_batch, MAX_BATCH))

    @staticmethod
    def hub_patterns(quantization: str) -> list[str]:
        """Return the patterns of a hub repository's files: weights without code, and the tokenizer."""
        return ["*.json", "*.safetensors"]

    @property
    def capabilities(self) -> Capabilities:
        """What this checkpoint can do."""
        return self._capabilities

    def check_speaker(self, speaker: str) -> None:
        """Raise EngineError unless `speaker` is the number of one of the checkpoint's speakers."""
        self._speaker(speaker)

    def size(self, segment: Segment) -> Size:
        """Return a segment's tokens: its frames are known only once it is spoken. Speakers do not mix."""
        return Size(len(self._open().tokens(segment.text)), self._speaker(segment.speaker))

    def synthesise(self, segments: Sequence[Segment], alone: bool = False) -> list[Audio]:
        """Speak segments of one speaker.

        Noise comes from each segment's own seed, so the same segment gives the same samples in any batch, but
        for rounding.

        Raises:
            EngineError: there are too many segments, or their speakers differ; one is too long, or has
                nothing to speak; a parameter is wrong, or the engine is closed.
        """
        if len(segments) > self._capabilities.max_batch:
            most = self._capabilities.max_batch
            raise EngineError(f"{len(segments)} segments are too many for one call: at most {most}.")
        speakers = {self._speaker(segment.speaker) for segment in segments}
        if len(speakers) > 1:
            raise EngineError("A call speaks by one speaker: these segments have several.")
        with self._lock:
            loaded = self._open()
            items = [_item(loaded, segment) for segment in segments]
            return loaded.speak(items, speakers.pop()) if items else []

    def close(self) -> None:
        """Release the model; a call under way ends first. Idempotent."""
        with self._lock:
            self._loaded = None

    def _open(self) -> LoadedVits:
        if self._loaded is None:
            raise EngineError("This VITS engine is closed.")
        return self._loaded

    def _speaker(self, speaker: str) -> int:
        count = self._open().speakers
        if not (speaker.isascii() and speaker.isdigit() and int(speaker) < count):
            known = "0" if count == 1 else f"0 to {count - 1}"
            raise EngineError(
                f"This checkpoint has no speaker {speaker!r}. Its speakers are numbers: {known}."
            )
        return int(speaker)


def _item(loaded: LoadedVits, segment: Segment) -> Item:
    if len(segment.text) > MAX_CHARACTERS:
        raise EngineError(
            f"{len(segment.text)} characters are too many for one segment: at most {MAX_CHARACTERS}."
        )
    voice = checked_parameters("a vits voice", VitsVoiceParameters, segment.parameters)
    return Item(
        tokens=loaded.tokens(segment.text),
        speed=segment.speed * voice.speed,
        seed=voice.seed,
        noise_scale=voice.noise_scale,
        noise_scale_duration=voice.noise_scale_duration,
    )
