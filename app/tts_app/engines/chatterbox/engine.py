"""Chatterbox Multilingual by the package chatterbox-tts: watermarked speech in the voice of a clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

from tts_app.audio.samples import Audio
from tts_app.engines.base import Capabilities, Clip, EngineError, Segment
from tts_app.engines.clips import ComputedOfClips
from tts_app.engines.parameters import checked_parameters
from tts_app.engines.registry import needed_packages
from tts_app.resources.engines.chatterbox import LANGUAGES, ChatterboxParameters, ChatterboxVoiceParameters

if TYPE_CHECKING:  # chatterbox-tts and torch are needed to load a model, not to know the engine
    from tts_app.engines.chatterbox.model import LoadedChatterbox

MAX_CHARACTERS = 300
"""A call makes 40 s at most, and drops what is behind them."""


class ChatterboxEngine:
    """The `chatterbox` SpeechEngine, which clones. One text a call, one call at a time."""

    def __init__(self, loaded: LoadedChatterbox) -> None:
        self._loaded: LoadedChatterbox | None = loaded
        self._voices: ComputedOfClips[Any] = ComputedOfClips(self._voice)
        self._lock = Lock()

    @classmethod
    def load(cls, files: Path, quantization: str, parameters: Mapping[str, Any]) -> Self:
        """Load a folder of the release's safetensors and tokenizer. `parameters`: see ChatterboxParameters.

        Raises:
            EngineError: a file is missing or damaged, a parameter is wrong, or a package is missing.
        """
        settings = checked_parameters("chatterbox", ChatterboxParameters, parameters)
        with needed_packages("chatterbox"):
            import torch  # noqa: PLC0415 - as above

            from tts_app.engines.chatterbox.model import load_model  # noqa: PLC0415
        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        return cls(load_model(files, settings.check_alignment))

    @staticmethod
    def hub_patterns(quantization: str) -> list[str]:
        """Return the patterns of a hub repository's files: version 3, or a release of one language."""
        return [
            "t3_mtl23ls_v3.safetensors",
            "t3_??.safetensors",
            "t3_??_*.safetensors",
            "s3gen.safetensors",
            "s3gen_v3.safetensors",
            "ve.safetensors",
            "grapheme_mtl_merged_expanded_v1.json",
        ]

    @property
    def capabilities(self) -> Capabilities:
        """What this engine can do."""
        return Capabilities(
            sample_rate=24_000,
            takes="text",
            max_input=MAX_CHARACTERS,
            speeds=(1.0, 1.0),  # it takes none
            parallel=False,  # the package keeps a call's state in the model
        )

    def check_speaker(self, speaker: str) -> None:
        """Raise EngineError: the model has no speakers."""
        raise EngineError(
            f"chatterbox has no speaker {speaker!r}: it imitates a clip. Give the voice a `reference`."
        )

    def synthesise(self, segments: Sequence[Segment], alone: bool = False) -> list[Audio]:
        """Speak at most one segment. The sound carries Resemble AI's watermark.

        Raises:
            EngineError: several segments, no clip, nothing to speak or too much of it, a language that it
                does not speak, a wrong parameter, or the engine is closed.
        """
        if len(segments) > 1:
            raise EngineError(f"Chatterbox speaks one segment at a time, not {len(segments)}.")
        return [self._speak(segment) for segment in segments]

    def forget(self, digest: str) -> None:
        """Destroy what was computed of the clip with that digest."""
        self._voices.forget(digest)

    def close(self) -> None:
        """Release the model; a call under way ends first. Idempotent."""
        with self._lock:
            self._loaded = None
            self._voices.forget_all()

    def _speak(self, segment: Segment) -> Audio:
        from tts_app.engines.chatterbox.model import Manner  # noqa: PLC0415 - as above

        own = checked_parameters("a chatterbox voice", ChatterboxVoiceParameters, segment.parameters)
        language = _language(segment.locale)
        text = segment.text.strip()
        if not text:
            raise EngineError("Nothing to speak: the text is empty.")
        if len(text) > MAX_CHARACTERS:
            raise EngineError(
                f"{len(text)} characters are too many for one segment: at most {MAX_CHARACTERS}."
            )
        if segment.clip is None:
            raise EngineError("chatterbox speaks in the voice of a clip: the voice needs a `reference`.")
        manner = Manner(own.exaggeration, own.cfg_weight, own.temperature, own.repetition_penalty, own.seed)
        with self._lock:
            return self._open().speak(self._voices.of(segment.clip), text, language, manner)

    def _open(self) -> LoadedChatterbox:
        if self._loaded is None:
            raise EngineError("This Chatterbox engine is closed.")
        return self._loaded

    def _voice(self, clip: Clip) -> Any:
        return self._open().voice(clip)


def _language(locale: str) -> str:
    language = locale.partition("-")[0]
    if language not in LANGUAGES:
        known = ", ".join(sorted(LANGUAGES))
        raise EngineError(f"chatterbox does not speak {locale}; it speaks: {known}.")
    return language
