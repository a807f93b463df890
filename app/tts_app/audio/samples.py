"""What every stage of the audio chain shares: the check of its input and the error it raises."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Audio = NDArray[np.float32]
"""Mono samples, shape (n,), nominally within [-1, 1]."""
SILENCE: Audio = np.zeros(0, np.float32)
"""No samples at all."""


class AudioError(Exception):
    """Audio cannot be processed, encoded or decoded as asked; the message says why."""


def checked(audio: ArrayLike) -> Audio:
    """Return `audio`, shape (n,), as float32.

    Raises:
        AudioError: it is not one-dimensional, or a sample is not a finite number.
    """
    samples = np.ascontiguousarray(audio, dtype=np.float32)
    if samples.ndim != 1:
        raise AudioError(f"Audio must be mono, of shape (n,); this has shape {samples.shape}.")
    if not np.isfinite(samples).all():
        raise AudioError("Audio has samples that are not finite numbers.")
    return samples


def checked_rate(rate: int) -> int:
    """Return `rate`, in Hz.

    Raises:
        AudioError: it is not within 8,000 to 192,000.
    """
    if not 8_000 <= rate <= 192_000:
        raise AudioError(f"Sample rate {rate} Hz is out of range. Allowed: 8000 to 192000.")
    return rate


def amplitude(gain_db: float) -> float:
    """Return a gain in dB as an amplitude ratio."""
    return float(10 ** (gain_db / 20))


def joined(pieces: list[Audio]) -> Audio:
    """Return the pieces as one array; no pieces give no samples."""
    return np.concatenate(pieces) if pieces else SILENCE
