"""The `kokoro` SpeechEngine: phonemes and a voice in, 24 kHz speech out, by onnxruntime or by torch."""

import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from tts_app.audio.samples import Audio
from tts_app.engines.base import Capabilities, EngineError, Pronounced, Segment, Size
from tts_app.engines.kokoro.alphabet import arabic_symbols, kokoro_symbols
from tts_app.engines.kokoro.files import KokoroFiles, Voices, find_checkpoint, find_files, hub_names
from tts_app.engines.kokoro.model import MAX_TOKENS, SAMPLE_RATE, Model, Phrase
from tts_app.engines.parameters import checked_parameters
from tts_app.resources.engines.kokoro import KokoroParameters, KokoroVoiceParameters

SPEEDS = (0.5, 2.0)
"""Tempo that the model follows within a tenth; measured from 0.4 to 3: above 2 it is too slow."""
FRAMES_PER_TOKEN = 2.3
"""Frames that a phoneme lasts, about: fitted to 37 segments, and off by a twelfth on average."""
EDGE_FRAMES = 26
"""Frames of silence around a segment, about."""

_MODELS = {
    "onnxruntime": "tts_app.engines.kokoro.onnx_model",
    "torch": "tts_app.engines.kokoro.torch_model",
}
"""The module that loads a runtime's model. Only the one that is asked for is imported."""


class KokoroEngine:
    """The `kokoro` SpeechEngine."""

    def __init__(self, files: KokoroFiles, model: Model, alphabet: str = "kokoro") -> None:
        self._vocabulary = files.vocabulary
        self._voices = Voices(files.voices)
        self._model = model
        self._arabic = arabic_symbols(files.vocabulary) if alphabet == "arabic" else None

    @classmethod
    def load(cls, files: Path, quantization: str, parameters: Mapping[str, Any]) -> Self:
        """Load the model of a release folder. `parameters`: see KokoroParameters.

        `runtime: auto` is onnxruntime here: what knows of the GPUs has resolved it before
        (EngineSpec.loaded_parameters).

        Raises:
            EngineError: a file is missing or damaged, a parameter is unknown or out of range, or the
                runtime's packages are not installed.
        """
        settings = checked_parameters("kokoro", KokoroParameters, parameters)
        runtime = "onnxruntime" if settings.runtime == "auto" else settings.runtime
        found = find_checkpoint(files) if runtime == "torch" else find_files(files, quantization)
        try:
            module = import_module(_MODELS[runtime])
        except ImportError as error:
            raise EngineError(
                f"The runtime {runtime} of kokoro needs a package that is not installed: {error}."
            ) from error
        return cls(found, module.load(found, quantization, settings), settings.alphabet)

    @staticmethod
    def hub_patterns(quantization: str) -> list[str]:
        """Return the patterns of the files that a release on the Hub has for `quantization`.

        A release is an ONNX export or a checkpoint of torch; what the other one would have is not there.

        Raises:
            EngineError: Kokoro has no such quantization.
        """
        return hub_names(quantization)

    @property
    def capabilities(self) -> Capabilities:
        """What this engine can do."""
        return Capabilities(
            sample_rate=SAMPLE_RATE,
            takes="phonemes",
            max_input=MAX_TOKENS,
            speeds=SPEEDS,
            parallel=self._model.parallel,
            max_batch=self._model.max_batch,
            max_frames=self._model.max_frames,
            speakers=self._voices.names,
        )

    def check_speaker(self, speaker: str) -> None:
        """Raise EngineError unless `speaker` is a voice or a blend of voices (see `Voices`)."""
        self._voices.check(speaker)

    def size(self, segment: Segment) -> Size:
        """Return about how many frames, of 600 samples, the segment takes.

        Raises:
            EngineError: too many phonemes or none, or an unknown parameter.
        """
        tokens = self._tokenise(segment)
        return Size((FRAMES_PER_TOKEN * len(tokens) + EDGE_FRAMES) / _read_speed(segment))

    def synthesise(self, segments: Sequence[Segment], alone: bool = False) -> list[Audio]:
        """Speak segments: one a call on onnxruntime, up to `max_batch` in torch.

        On onnxruntime a call that is `alone`, with no other call at the time, uses all cores and so returns
        soonest. A voice's parameter `speed` multiplies the segment's. Phonemes outside the vocabulary are
        dropped. Neither runtime uses random numbers: the same segments give the same samples.

        Raises:
            EngineError: too many segments, too many phonemes or none, or an unknown voice or parameter.
        """
        most = self._model.max_batch
        if len(segments) > most:
            at_a_time = "one segment" if most == 1 else f"up to {most} segments"
            raise EngineError(f"Kokoro speaks {at_a_time} at a time, not {len(segments)}.")
        return self._model.speak([self._phrase(segment) for segment in segments], alone)

    def close(self) -> None:
        """Release the model; a call under way ends first. Idempotent."""
        self._model.close()

    def _phrase(self, segment: Segment) -> Phrase:
        """Return what the model speaks. A voice's row n - 1 is its style for n tokens."""
        tokens = self._tokenise(segment)
        styles = self._voices.styles(segment.speaker)
        return Phrase(tuple(tokens), styles[min(len(tokens), len(styles)) - 1], _read_speed(segment))

    def _tokenise(self, segment: Segment) -> list[int]:
        phonemes = self._symbols(segment)
        tokens = [token for p in phonemes if (token := self._vocabulary.get(p)) is not None]
        if not tokens:
            # Without the phonemes themselves: they are a user's text, and errors are logged.
            raise EngineError(
                f"Nothing to speak: none of {len(phonemes)} phonemes is in Kokoro's vocabulary."
            )
        if len(tokens) > MAX_TOKENS:
            raise EngineError(f"{len(tokens)} phonemes are too many for one segment: at most {MAX_TOKENS}.")
        return tokens

    def _symbols(self, segment: Segment) -> str:
        parts = segment.parts or (Pronounced(segment.phonemes, segment.locale),)
        return " ".join(self._symbols_of(part) for part in parts)

    def _symbols_of(self, part: Pronounced) -> str:
        if self._arabic is not None and part.locale.partition("-")[0] == "ar":
            return self._arabic(part.phonemes)
        return kokoro_symbols(part.phonemes, part.locale)


def _read_speed(segment: Segment) -> float:
    """Return the tempo of a segment: its own times its voice's."""
    own = checked_parameters("a kokoro voice", KokoroVoiceParameters, segment.parameters).speed
    speed = float(segment.speed * own)
    if not (math.isfinite(speed) and speed > 0):
        raise EngineError(f"A speed of {speed} cannot be spoken: it must be above 0.")
    return speed
