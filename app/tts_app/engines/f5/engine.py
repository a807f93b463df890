"""F5-TTS by the package f5-tts. Text in, speech in the voice of a clip out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

from tts_app.audio.samples import Audio
from tts_app.engines.base import Capabilities, Clip, EngineError, Segment, Size
from tts_app.engines.clips import ComputedOfClips
from tts_app.engines.f5.files import VOCABULARY, VOCODER
from tts_app.engines.f5.prompt import HOP, RATE, Prompt, Sampling, clip_words, prompt
from tts_app.engines.parameters import checked_parameters, max_batch_on
from tts_app.engines.registry import needed_packages
from tts_app.resources.engines.f5 import DIALECTS, F5Parameters, F5VoiceParameters

if TYPE_CHECKING:  # f5-tts and torch are needed to load a model, not to know the engine
    from tts_app.engines.f5.model import LoadedF5, Voice

MAX_CHARACTERS = 200
MAX_CLIP = 15.0
"""Seconds. The model was trained on pieces of 30 s, of which the clip takes its part."""
MAX_FRAMES = 4096
"""Of an item, its clip included: SILMA's table of positions has no more."""
MAX_CALL = 32_768
"""Frames of a call, padding included: an estimate for a GPU of 16 GB, which nobody has measured."""
MAX_BATCH = 8
"""Segments of a call on a GPU, unless the model's parameters say otherwise."""
SPEEDS = (0.5, 2.0)
"""Speech gets the time that the clip's pace and the tempo give it. Not measured how well that sounds."""


class F5Engine:
    """The `f5` SpeechEngine, which batches and clones."""

    def __init__(self, loaded: LoadedF5, settings: F5Parameters) -> None:
        self._loaded: LoadedF5 | None = loaded
        self._dialects = settings.dialects
        self._voices: ComputedOfClips[Voice] = ComputedOfClips(self._voice)
        self._lock = Lock()
        self._capabilities = Capabilities(
            sample_rate=RATE,
            takes="text",
            max_input=MAX_CHARACTERS,
            speeds=SPEEDS,
            parallel=False,  # torch uses all cores for one call
            max_batch=max_batch_on(loaded.device, settings.max_batch, MAX_BATCH),
            max_frames=MAX_CALL,
        )

    @classmethod
    def load(cls, files: Path, quantization: str, parameters: Mapping[str, Any]) -> Self:
        """Load a folder with a checkpoint, its vocab.txt and its vocoder. `parameters`: see F5Parameters.

        Raises:
            EngineError: a file is missing or damaged, they do not belong together, a parameter is wrong, or a
                package is missing.
        """
        settings = checked_parameters("f5", F5Parameters, parameters)
        with needed_packages("f5"):
            import torch  # noqa: PLC0415 - as above

            from tts_app.engines.f5.model import load_model  # noqa: PLC0415
        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        return cls(load_model(files, quantization, settings.dialects), settings)

    @staticmethod
    def hub_patterns(quantization: str) -> list[str]:
        """Return the patterns of the files. No public repository has them all; `hack/f5-files` does."""
        return ["*.safetensors", VOCABULARY, VOCODER]

    @property
    def capabilities(self) -> Capabilities:
        """What this engine can do."""
        return self._capabilities

    def check_speaker(self, speaker: str) -> None:
        """Raise EngineError: the model has no speakers."""
        raise EngineError(f"f5 has no speaker {speaker!r}: it imitates a clip. Give the voice a `reference`.")

    def size(self, segment: Segment) -> Size:
        """Return the frames of clip and speech together. Segments of different sampling do not mix."""
        own, clip = _settings(segment), _clip(segment)
        # Counted from the clip's length: what the model hears of it is computed in the call.
        frames = round(len(clip.audio) / clip.rate * RATE) // HOP
        return Size(self._prompt(segment, own, clip_words(clip.transcript), frames).frames, _sampling(own))

    def synthesise(self, segments: Sequence[Segment], alone: bool = False) -> list[Audio]:
        """Speak segments that share their sampling (steps, cfg_strength, sway, seed).

        Each item's noise is seeded anew and nothing of its padding reaches it, so the same segment gives the
        same samples in any batch, but for rounding.

        Raises:
            EngineError: there are too many segments, or their sampling differs; one is too long, has no clip
                or nothing to speak; a clip is too long, a parameter is wrong, or the engine is closed.
        """
        if len(segments) > self._capabilities.max_batch:
            most = self._capabilities.max_batch
            raise EngineError(f"{len(segments)} segments are too many for one call: at most {most}.")
        settings = [_settings(segment) for segment in segments]
        samplings = {_sampling(voice) for voice in settings}
        if len(samplings) > 1:
            raise EngineError(
                "A call has one steps, cfg_strength, sway and seed: these segments have several."
            )
        with self._lock:
            loaded = self._open()
            voices = [self._voices.of(_clip(segment)) for segment in segments]
            prompts = [
                self._prompt(segment, own, voice.words, voice.frames)
                for segment, own, voice in zip(segments, settings, voices, strict=True)
            ]
            return loaded.speak(voices, prompts, samplings.pop()) if prompts else []

    def forget(self, digest: str) -> None:
        """Destroy what was computed of the clip with that digest."""
        self._voices.forget(digest)

    def close(self) -> None:
        """Release the model; a call under way ends first. Idempotent."""
        with self._lock:
            self._loaded = None
            self._voices.forget_all()

    def _open(self) -> LoadedF5:
        if self._loaded is None:
            raise EngineError("This F5 engine is closed.")
        return self._loaded

    def _voice(self, clip: Clip) -> Voice:
        voice: Voice = self._open().voice(clip)
        return voice

    def _prompt(self, segment: Segment, own: F5VoiceParameters, words: str, clip_frames: int) -> Prompt:
        if len(segment.text) > MAX_CHARACTERS:
            raise EngineError(
                f"{len(segment.text)} characters are too many for one segment: at most {MAX_CHARACTERS}."
            )
        asked = prompt(
            words,
            segment.text,
            self._dialect(segment.locale, own),
            self._open().vocabulary,
            clip_frames,
            segment.speed * own.speed,
        )
        if asked.frames > MAX_FRAMES:
            raise EngineError(
                f"Clip and speech would take {asked.frames * HOP / RATE:.0f} s: at most "
                f"{MAX_FRAMES * HOP / RATE:.0f} s. Use a shorter clip, or one that is spoken faster."
            )
        return asked

    def _dialect(self, locale: str, own: F5VoiceParameters) -> str | None:
        if self._dialects:
            return own.dialect or DIALECTS.get(locale, "UNK")
        if own.dialect:
            raise EngineError(
                f"dialect {own.dialect} needs a checkpoint that reads marks of dialects: set the model's "
                "parameters.dialects: true if it does."
            )
        return None


def _settings(segment: Segment) -> F5VoiceParameters:
    return checked_parameters("an f5 voice", F5VoiceParameters, segment.parameters)


def _sampling(voice: F5VoiceParameters) -> Sampling:
    return Sampling(voice.steps, voice.cfg_strength, voice.sway, voice.seed)


def _clip(segment: Segment) -> Clip:
    clip = segment.clip
    if clip is None:
        raise EngineError("f5 speaks in the voice of a clip: the voice needs a `reference`.")
    if not clip.transcript.strip():
        raise EngineError("f5 needs the words that are spoken in the clip: give its transcript.")
    seconds = len(clip.audio) / clip.rate
    if seconds > MAX_CLIP:
        raise EngineError(f"The clip is {seconds:.1f} s long: f5 takes at most {MAX_CLIP:g} s.")
    return clip
