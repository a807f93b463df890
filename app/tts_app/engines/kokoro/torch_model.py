"""Kokoro in torch, on a GPU or a CPU: several phrases a call.

The batch is padded, and what is padded changes no phrase but by rounding. On a GPU the two parts that have
nearly all of the work are recorded as CUDA graphs, by the number of phrases and their padded length.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from tts_app.audio.samples import Audio
from tts_app.engines.base import EngineError
from tts_app.engines.kokoro.buckets import BATCHES, FRAMES, TOKENS, bucket
from tts_app.engines.kokoro.cuda_graphs import Recorded
from tts_app.engines.kokoro.files import KokoroFiles
from tts_app.engines.kokoro.model import FRAME, Phrase
from tts_app.engines.kokoro.network.layers import Convolution, TransposedConvolution
from tts_app.engines.kokoro.network.network import Network, NetworkSettings, with_weights
from tts_app.engines.kokoro.weights import read_weights
from tts_app.engines.parameters import max_batch_on
from tts_app.resources.engines.kokoro import SPEC, KokoroParameters

MAX_BATCH = 32
"""Of a call on a GPU, unless the model's parameters say otherwise."""
MAX_FRAMES = 12_000
"""Of a call on a GPU: each takes about half a megabyte, by the sizes of the generator's features."""
MAX_FRAMES_ON_CPU = 1_600
"""Of a call on a CPU, whose replicas have less memory and gain little by larger batches."""


def load(files: KokoroFiles, quantization: str, parameters: KokoroParameters) -> "TorchModel":
    """Load the weights of `files` onto the GPU, or the CPU where there is none.

    Raises:
        EngineError: torch has no such quantization of it, a file is damaged, or the memory is too small.
    """
    allowed = SPEC.runtime_of({"runtime": "torch"}, quantization, 0).quantizations or SPEC.quantizations
    if quantization not in allowed:
        raise EngineError(
            f"Kokoro in torch has no quantization {quantization!r}. Allowed: {', '.join(sorted(allowed))}."
        )
    if parameters.threads is not None:
        torch.set_num_threads(parameters.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    weights = read_weights(files.model)
    try:
        network = with_weights(read_settings(files.config), weights)
    except ValueError as error:
        raise EngineError(f"{files.model} is no checkpoint of Kokoro: {error}.") from error
    with _enough_memory(f"the weights of {files.model.name}", device):
        network = network.to(device, torch.float32)
        # A CPU's convolutions in float16 took forty times as long, so there they stay in float32.
        if quantization == "fp16" and device.type == "cuda":
            halve(network)
    graphs = parameters.cuda_graphs and device.type == "cuda"
    return TorchModel(network, device, graphs, max_batch_on(device.type, parameters.max_batch, MAX_BATCH))


def read_settings(config: Path | None) -> NetworkSettings:
    """Return the sizes of the network that a config.json says; without one, those of Kokoro-82M.

    Raises:
        EngineError: the file is damaged, or has other fields.
    """
    if config is None:
        return NetworkSettings()
    try:
        return NetworkSettings.model_validate(json.loads(config.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise EngineError(f"{config} is not the configuration of a Kokoro checkpoint: {error}") from error


def halve(network: Network) -> None:
    """Have the vocoder's convolutions compute in float16.

    Durations, pitch, norms, the phase of the hum and the transforms stay in float32: they do not bear it.
    """
    for module in network.decoder.modules():
        if isinstance(module, Convolution | TransposedConvolution):
            module.half()


class TorchModel:
    """Kokoro's network with its weights. Thread-safe: one call at a time has the device."""

    parallel = False

    def __init__(
        self, network: Network, device: torch.device, graphs: bool = False, max_batch: int = MAX_BATCH
    ) -> None:
        self.max_batch = max_batch
        if device.type == "cuda":
            # With TF32's ten bits a batch would move durations and pitch; fp16 is for speed.
            torch.backends.cudnn.allow_tf32 = False
        self._device = device
        self._pads = graphs
        self._loaded: _Loaded | None = (
            _Loaded(network, Recorded(network.features), Recorded(network.sound))
            if graphs
            else _Loaded(network, network.features, network.sound)
        )
        self._lock = Lock()

    @property
    def max_frames(self) -> float:
        """Most frames of one call, padding included."""
        return MAX_FRAMES if self._device.type == "cuda" else MAX_FRAMES_ON_CPU

    def speak(self, phrases: Sequence[Phrase], alone: bool = False) -> list[Audio]:
        """Speak the phrases in one batch; `alone` changes nothing.

        Raises:
            EngineError: the model is closed, or has too little memory for the phrases.
        """
        with self._lock, torch.inference_mode():
            if self._loaded is None:
                raise EngineError("This Kokoro engine is closed.")
            if not phrases:
                return []
            with _enough_memory(f"a batch of {len(phrases)} phrases", self._device):
                batch = _batch(phrases, self._pads).to(self._device)
                return _speak(self._loaded, batch, self._pads)[: len(phrases)]

    def close(self) -> None:
        """Release the weights; a call under way ends first. Idempotent."""
        with self._lock:
            self._loaded = None


class _Loaded(NamedTuple):
    """The network, with the two parts of it that may be recorded."""

    network: Network
    features: Callable[..., Tensor]
    sound: Callable[..., Tensor]


class _Batch(NamedTuple):
    """Phrases as the network takes them."""

    tokens: Tensor
    """Shape (batch, length), with the padding around each phrase and after it."""
    lengths: Tensor
    """Of the phrases with the padding around them, on the CPU."""
    styles: Tensor
    speeds: Tensor

    def to(self, device: torch.device) -> "_Batch":
        """Return the batch with everything but the lengths on `device`."""
        tokens, styles, speeds = (part.to(device) for part in (self.tokens, self.styles, self.speeds))
        return _Batch(tokens, self.lengths, styles, speeds)


def _batch(phrases: Sequence[Phrase], pads: bool) -> _Batch:
    """Return the batch of `phrases`; where it `pads`, in one of the sizes of `buckets`.

    What fills it up is the first phrase again, which is no longer than the longest.
    """
    lengths = [len(phrase.tokens) + 2 for phrase in phrases]
    rows, columns = len(phrases), max(lengths)
    if pads:
        rows, columns = bucket(rows, BATCHES), bucket(columns, TOKENS)
    filled = [*phrases, *[phrases[0]] * (rows - len(phrases))]
    tokens = torch.zeros(rows, columns, dtype=torch.long)
    for row, phrase in enumerate(filled):
        tokens[row, 1 : len(phrase.tokens) + 1] = torch.tensor(phrase.tokens)
    return _Batch(
        tokens,
        torch.tensor([len(phrase.tokens) + 2 for phrase in filled]),
        torch.from_numpy(np.stack([phrase.style for phrase in filled])),
        torch.tensor([phrase.speed for phrase in filled], dtype=torch.float32),
    )


def _speak(loaded: _Loaded, batch: _Batch, pads: bool) -> list[Audio]:
    """Return the samples of each phrase."""
    device = batch.tokens.device
    dtype = loaded.network.bert_encoder.weight.dtype
    styles = batch.styles.to(dtype)
    features = loaded.features(batch.tokens, batch.lengths.to(device))
    reading = loaded.network.read(features, batch.tokens, batch.lengths, styles, batch.speeds.to(dtype))
    # The CPU needs the lengths here, to lay out the frames: it waits for the device once.
    frames = reading.durations.sum(1).cpu()
    longest = int(frames.max())
    size = bucket(longest, FRAMES) if pads else longest
    sounds, prosody = loaded.network.lay_out(reading, frames, size)
    samples = loaded.sound(sounds, prosody, styles, frames.to(device)).float().cpu().numpy()
    return [row[: length * FRAME].copy() for row, length in zip(samples, frames.tolist(), strict=True)]


@contextmanager
def _enough_memory(what: str, device: torch.device) -> Iterator[None]:
    """Turn the errors of too little memory into an EngineError that says what did not fit."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise EngineError(_too_little(what, device, error)) from error
    except RuntimeError as error:
        # On a CPU torch has no exception of its own for it.
        if "allocate memory" not in str(error):
            raise
        raise EngineError(_too_little(what, device, error)) from error


def _too_little(what: str, device: torch.device, error: BaseException) -> str:
    place = "GPU" if device.type == "cuda" else "machine"
    return f"The {place} has too little memory for {what}; free some, or use a larger one. {error}"
