"""VoxCPM2. Text in, 48 kHz speech out, whole or in pieces: a voice is a clip, or described in any words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

from tts_app.audio.samples import Audio
from tts_app.engines.base import Capabilities, Clip, EngineError, Segment
from tts_app.engines.clips import ComputedOfClips
from tts_app.engines.parameters import checked_parameters
from tts_app.engines.quantization import chosen_quantization
from tts_app.engines.registry import needed_packages
from tts_app.engines.voxcpm.call import Call
from tts_app.resources.engines.voxcpm import SPEC, VoxCpmParameters, VoxCpmVoiceParameters

if TYPE_CHECKING:  # the engine's packages are needed to load a model, not to know the engine
    from tts_app.engines.voxcpm.model import LoadedVoxCpm, Prompt

MAX_CHARACTERS = 500
MAX_STYLE = 500
"""Characters of a description and instructions together."""
_PARENTHESES = str.maketrans("()（）", ",,,,")


class VoxCpmEngine:
    """The `voxcpm` SpeechEngine, which streams and clones. One call at a time: the model has one cache."""

    def __init__(self, loaded: LoadedVoxCpm) -> None:
        self._loaded: LoadedVoxCpm | None = loaded
        self._prompts = ComputedOfClips(self._prompt)
        self._lock = Lock()
        self._capabilities = Capabilities(
            sample_rate=loaded.rate,
            takes="text",
            max_input=MAX_CHARACTERS,
            speeds=(1.0, 1.0),
            parallel=False,
        )

    @classmethod
    def load(cls, files: Path, quantization: str, parameters: Mapping[str, Any]) -> Self:
        """Load a model's folder, and speak once. `parameters`: see VoxCpmParameters.

        Raises:
            EngineError: a file or a package is missing, a file is damaged, a parameter is wrong, or the model
                does not fit into the GPU's memory.
        """
        settings = checked_parameters("voxcpm", VoxCpmParameters, parameters)
        with needed_packages("voxcpm"):
            import torch  # noqa: PLC0415 - as above

            from tts_app.engines.voxcpm.model import load_model  # noqa: PLC0415
        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        chosen = chosen_quantization(quantization, SPEC.gpu_memory)
        return cls(load_model(files, chosen, settings.compile))

    @staticmethod
    def hub_patterns(quantization: str) -> list[str]:
        """Return the patterns of a hub repository's files: weights without code, codec and tokenizer."""
        return ["*.json", "model.safetensors", "audiovae.*", "tokenizer.model"]

    @property
    def capabilities(self) -> Capabilities:
        """What the engine can do."""
        return self._capabilities

    def check_speaker(self, speaker: str) -> None:
        """Raise EngineError if `speaker`, a description in any words, is too long."""
        if len(speaker) > MAX_STYLE:
            raise EngineError(f"A description of {len(speaker)} characters is too long: at most {MAX_STYLE}.")

    def synthesise(self, segments: Sequence[Segment], alone: bool = False) -> list[Audio]:
        """Speak at most one segment.

        Chance comes from the segment's own seed, so the same segment gives the same samples.

        Raises:
            EngineError: there are several segments; one is too long; its locale or parameters are wrong; or
                the engine is closed.
        """
        if len(segments) > 1:
            raise EngineError(f"VoxCPM speaks one segment at a time, not {len(segments)}.")
        with self._lock:
            loaded = self._open()
            return [loaded.speak(self._call(segment)) for segment in segments]

    def stream(self, segment: Segment) -> Iterator[Audio]:
        """Yield the samples of a segment, piece by piece. Other calls wait until it ends or is closed.

        Raises:
            EngineError: as `synthesise`.
        """
        with self._lock:
            pieces = self._open().stream(self._call(segment))
            try:
                yield from pieces
            finally:
                pieces.close()

    def forget(self, digest: str) -> None:
        """Destroy what was computed of the clip with that digest."""
        self._prompts.forget(digest)

    def close(self) -> None:
        """Release the model; a call under way ends first. Idempotent."""
        with self._lock:
            self._loaded = None
            self._prompts.forget_all()

    def _prompt(self, clip: Clip) -> Prompt:
        return self._open().prompt(clip)

    def _open(self) -> LoadedVoxCpm:
        if self._loaded is None:
            raise EngineError("This VoxCPM engine is closed.")
        return self._loaded

    def _call(self, segment: Segment) -> Call:
        if faults := SPEC.locale_faults(segment.locale):
            raise EngineError("; ".join(faults))
        if len(segment.text) > MAX_CHARACTERS:
            raise EngineError(
                f"{len(segment.text)} characters are too many for one segment: at most {MAX_CHARACTERS}."
            )
        voice = checked_parameters("a voxcpm voice", VoxCpmVoiceParameters, segment.parameters)
        style = _style(segment)
        prompt = self._prompts.of(segment.clip) if segment.clip else None
        return Call(
            text=_marked(segment.text, style),
            prompt=prompt and (prompt.styled if style else prompt.continued),
            steps=voice.steps,
            guidance_scale=voice.guidance_scale,
            seed=voice.seed,
        )


def _style(segment: Segment) -> str:
    """Return what is said of the voice and of how it speaks.

    Raises:
        EngineError: it is too long.
    """
    style = ", ".join(filter(None, (segment.speaker.strip(), segment.instructions.strip())))
    if len(style) > MAX_STYLE:
        raise EngineError(
            f"Description and instructions of {len(style)} characters are too long: at most {MAX_STYLE}."
        )
    return style


def _marked(text: str, style: str) -> str:
    """Return the text as the model takes it: with `style` in parentheses before it, and no others."""
    spoken = text.translate(_PARENTHESES)
    return f"({style.translate(_PARENTHESES)}){spoken}" if style else spoken
