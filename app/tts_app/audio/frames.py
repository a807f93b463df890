"""Converts samples to libav's frames and back, and cuts a stream into frames of one size."""

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from tts_app.audio.samples import SILENCE, Audio


def to_pcm16(audio: Audio) -> NDArray[np.int16]:
    """Return samples as little-endian 16-bit integers, full scale at ±1; values beyond it saturate."""
    pcm: NDArray[np.int16] = np.clip(np.rint(audio * 32_768.0), -32_768, 32_767).astype("<i2")
    return pcm


def to_frame(audio: Audio, rate: int, position: int, sample_format: str = "fltp") -> AudioFrame:
    """Return samples, shape (n,), as a mono frame of `rate` Hz that starts at sample `position`.

    `sample_format` is `s16`, `flt` or `fltp`, whichever the codec takes: one channel has the same memory
    layout packed and planar. Samples beyond ±1 saturate in s16 and stay as they are in the others.
    """
    samples = to_pcm16(audio) if sample_format == "s16" else audio
    frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format=sample_format, layout="mono")
    frame.sample_rate = rate
    frame.pts = position
    return frame


def to_samples(frame: AudioFrame) -> Audio:
    """Return a float frame as mono samples, shape (n,): the mean of its channels, which are planar."""
    mono: Audio = frame.to_ndarray().mean(axis=0, dtype=np.float32)
    return mono


class Blocks:
    """Cuts a stream into blocks of one size, so that results do not depend on the length of a push."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._rest = SILENCE

    def push(self, audio: Audio) -> list[Audio]:
        """Take samples, shape (n,), and return the blocks that are full."""
        held = np.concatenate([self._rest, audio])
        whole = held.size - held.size % self._size
        self._rest = held[whole:].copy()
        return list(held[:whole].reshape(-1, self._size))

    def flush(self) -> list[Audio]:
        """Return the last block, shorter than the others, unless nothing is left."""
        rest, self._rest = self._rest, SILENCE
        return [rest] if rest.size else []
