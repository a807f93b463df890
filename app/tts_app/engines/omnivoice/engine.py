"""OmniVoice. Text in, speech out: a voice is a clip with its transcript, or a description of fixed words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from tts_app.audio.samples import Audio
from tts_app.engines.base import Capabilities, Clip, EngineError, Segment, Size
from tts_app.engines.clips import ComputedOfClips
from tts_app.engines.omnivoice.description import check_description, described
from tts_app.engines.omnivoice.item import Item
from tts_app.engines.parameters import checked_parameters, max_batch_on
from tts_app.engines.quantization import chosen_quantization
from tts_app.engines.registry import needed_packages
from tts_app.resources.engines.omnivoice import LANGUAGES, SPEC, OmniVoiceParameters, OmniVoiceVoiceParameters

if TYPE_CHECKING:  # the engine's packages are needed to load a model, not to know the engine
    from tts_app.engines.omnivoice.model import LoadedOmniVoice

MAX_CHARACTERS = 300
"""Some 20 s of speech; the model was made for at most 30 s."""
MAX_BATCH = 8
"""Segments of a call on a GPU, unless the model's parameters say otherwise."""
SPEEDS = (0.75, 1.5)
"""The model is given the length of the sound. Not measured how well others sound."""
_LONGEST_ITEM = 50.0
"""Seconds of a segment with its clip, of which a call may have `max_batch`."""


class _Group(NamedTuple):
    """What all segments of a call have in common."""

    cloned: bool
    steps: int
    guidance_scale: float
    position_temperature: float


class OmniVoiceEngine:
    """The `omnivoice` SpeechEngine, which batches and clones."""

    def __init__(self, loaded: LoadedOmniVoice, max_batch: int) -> None:
        self._loaded: LoadedOmniVoice | None = loaded
        self._prompts = ComputedOfClips(self._prompt)
        self._lock = Lock()
        self._capabilities = Capabilities(
            sample_rate=loaded.rate,
            takes="text",
            max_input=MAX_CHARACTERS,
            speeds=SPEEDS,
            parallel=False,
            max_batch=max_batch,
            max_frames=max_batch * _LONGEST_ITEM * loaded.frame_rate,
        )

    @classmethod
    def load(cls, files: Path, quantization: str, parameters: Mapping[str, Any]) -> Self:
        """Load a model's folder. `parameters`: see OmniVoiceParameters.

        Raises:
            EngineError: a file or a package is missing, a file is damaged, a parameter is wrong, or the model
                does not fit into the GPU's memory.
        """
        settings = checked_parameters("omnivoice", OmniVoiceParameters, parameters)
        with needed_packages("omnivoice"):
            import torch  # noqa: PLC0415 - as above

            from tts_app.engines.omnivoice.model import load_model  # noqa: PLC0415
        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        chosen = chosen_quantization(quantization, SPEC.gpu_memory)
        loaded = load_model(files, chosen, settings.dtype)
        return cls(loaded, max_batch_on(loaded.device, settings.max_batch, MAX_BATCH))

    @staticmethod
    def hub_patterns(quantization: str) -> list[str]:
        """Return the patterns of a hub repository's files: weights without code, tokenizers and licenses."""
        return ["*.json", "*.safetensors", "*.jinja", "*.txt", "*LICENSE*"]

    @property
    def capabilities(self) -> Capabilities:
        """What the engine can do."""
        return self._capabilities

    def check_speaker(self, speaker: str) -> None:
        """Raise EngineError unless `speaker` is a description that the model understands."""
        check_description(speaker)

    def size(self, segment: Segment) -> Size:
        """Return about how many frames the segment takes, those of its clip included."""
        voice, group = _checked(segment)
        return Size(self._open().frames(segment.text, segment.speed * voice.speed, segment.clip), group)

    def synthesise(self, segments: Sequence[Segment], alone: bool = False) -> list[Audio]:
        """Speak segments of one group (`size`), by clips or by descriptions.

        Chance comes from each segment's own seed, so the same segment gives the same samples in any batch,
        but for rounding.

        Raises:
            EngineError: there are too many segments or they are of several groups; a segment is too long, its
                locale, description, instructions or parameters are wrong, or its clip has no transcript; or
                the engine is closed.
        """
        if len(segments) > self._capabilities.max_batch:
            most = self._capabilities.max_batch
            raise EngineError(f"{len(segments)} segments are too many for one call: at most {most}.")
        checked = [_checked(segment) for segment in segments]
        groups = {group for _, group in checked}
        if len(groups) > 1:
            raise EngineError(
                "A call has segments of one group: with clips or none, and with the same parameters."
            )
        with self._lock:
            loaded = self._open()
            if not segments:
                return []
            items = [
                Item(
                    text=segment.text,
                    language=_language(segment.locale),
                    description=_described(segment),
                    prompt=self._prompts.of(segment.clip) if segment.clip else None,
                    speed=segment.speed * voice.speed,
                    seed=voice.seed,
                )
                for segment, (voice, _) in zip(segments, checked, strict=True)
            ]
            _, steps, guidance_scale, position_temperature = groups.pop()
            return loaded.speak(items, steps, guidance_scale, position_temperature)

    def forget(self, digest: str) -> None:
        """Destroy what was computed of the clip with that digest."""
        self._prompts.forget(digest)

    def close(self) -> None:
        """Release the model; a call under way ends first. Idempotent."""
        with self._lock:
            self._loaded = None
            self._prompts.forget_all()

    def _prompt(self, clip: Clip) -> Any:
        return self._open().prompt(clip)

    def _open(self) -> LoadedOmniVoice:
        if self._loaded is None:
            raise EngineError("This OmniVoice engine is closed.")
        return self._loaded


def _checked(segment: Segment) -> tuple[OmniVoiceVoiceParameters, _Group]:
    """Return the voice's settings, and what the segment must have in common with others of its call."""
    if len(segment.text) > MAX_CHARACTERS:
        raise EngineError(
            f"{len(segment.text)} characters are too many for one segment: at most {MAX_CHARACTERS}."
        )
    if segment.clip is not None and not segment.clip.transcript.strip():
        raise EngineError("OmniVoice needs the transcript of a clip: give the words that are spoken in it.")
    _language(segment.locale)
    _described(segment)
    voice = checked_parameters("an omnivoice voice", OmniVoiceVoiceParameters, segment.parameters)
    return voice, _Group(
        segment.clip is not None, voice.steps, voice.guidance_scale, voice.position_temperature
    )


def _language(locale: str) -> str:
    """Return the model's identifier of the locale, or of its language."""
    for name in (locale, locale.partition("-")[0]):
        if name in LANGUAGES:
            return LANGUAGES[name]
    raise EngineError("; ".join(SPEC.locale_faults(locale)))


def _described(segment: Segment) -> str | None:
    return described(segment.speaker, segment.instructions, segment.locale, cloned=segment.clip is not None)
