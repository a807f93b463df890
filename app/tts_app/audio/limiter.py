"""A look-ahead limiter of true peaks: peaks of the signal between its samples count too."""

import numpy as np
from numpy.typing import NDArray

from tts_app.audio.samples import SILENCE, Audio, amplitude, checked, checked_rate

_OVERSAMPLING = 4
"""As ITU-R BS.1770-5, annex 2, requires."""
_HALF_TAPS = 16
"""Samples on each side that a value between two samples is interpolated from."""
_MARGIN_DB = 0.3
"""What 4x oversampling misses of a peak near the highest frequencies, such as that of a loud fricative."""
_WINDOW_S = 0.010
"""Half the time in which the gain falls and rises again: longer than a pitch period."""


def _interpolators() -> NDArray[np.float64]:
    """Return one Kaiser-windowed sinc for each point between two samples, shape (3, 32)."""
    taps = np.arange(-_HALF_TAPS + 1, _HALF_TAPS + 1)
    points = np.arange(1, _OVERSAMPLING)[:, None] / _OVERSAMPLING
    offsets = points - taps
    window = np.i0(8.0 * np.sqrt(np.clip(1 - (offsets / _HALF_TAPS) ** 2, 0, 1))) / np.i0(8.0)
    kernels = np.sinc(offsets) * window
    kernels /= kernels.sum(axis=1, keepdims=True)
    return np.asarray(kernels, np.float64)


_KERNELS = _interpolators()


def _peaks(audio: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest magnitude at each sample and up to the next one, shape as `audio`."""
    padded = np.pad(audio, (_HALF_TAPS - 1, _HALF_TAPS))
    between = [np.abs(np.correlate(padded, kernel, "valid")) for kernel in _KERNELS]
    peaks: NDArray[np.float64] = np.max([np.abs(audio), *between], axis=0)
    return peaks


def true_peak(audio: Audio) -> float:
    """Return the true peak of a signal, shape (n,), as an amplitude; 0 for no samples.

    Raises:
        AudioError: a sample is not a finite number.
    """
    samples = checked(audio).astype(np.float64)
    return float(_peaks(samples).max()) if samples.size else 0.0


def _lowest(values: NDArray[np.float64], half: int) -> NDArray[np.float64]:
    """Return the minimum over `half` values to each side of each value, shape as `values`."""
    width, reach = 2 * half + 1, 1
    lowest = np.pad(values, half, constant_values=1.0)
    while reach < width:  # double the reach of each minimum: log2(width) passes
        step = min(reach, width - reach)
        lowest = np.minimum(lowest[:-step], lowest[step:])
        reach += step
    return lowest


def _mean(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Return the running mean of `width` values; the result is `width` - 1 values shorter."""
    sums = np.cumsum(np.pad(values, (1, 0)))
    means: NDArray[np.float64] = (sums[width:] - sums[:-width]) / width
    return means


class Limiter:
    """Turns a stream down only where its true peak would pass the ceiling; elsewhere it stays unchanged.

    It takes the gain that each sample needs, the minimum over a window, then a triangular mean over the same
    window. The resulting gain is at most what each sample needs, and changes smoothly. About 21 ms are held
    back.
    """

    def __init__(self, rate: int, ceiling_db: float = -1.0) -> None:
        """Limit audio of `rate` Hz to `ceiling_db` dBTP.

        Raises:
            AudioError: the rate is out of range.
        """
        self._ceiling = amplitude(ceiling_db - _MARGIN_DB)
        self._half = round(checked_rate(rate) * _WINDOW_S)
        self._reach = 2 * self._half + _HALF_TAPS
        self._held = np.zeros(self._reach, np.float32)

    def push(self, audio: Audio) -> Audio:
        """Take samples, shape (n,), and return those that are ready, perhaps none.

        Raises:
            AudioError: a sample is not a finite number.
        """
        held = np.concatenate([self._held, checked(audio)])
        if held.size <= 2 * self._reach:
            self._held = held
            return SILENCE
        self._held = held[-2 * self._reach :].copy()
        return (held * self._gain(held))[self._reach : -self._reach]

    def flush(self) -> Audio:
        """Return the samples that were held back and reset the limiter."""
        last = self.push(np.zeros(self._reach, np.float32))
        self._held = np.zeros(self._reach, np.float32)
        return last

    def _gain(self, audio: Audio) -> NDArray[np.float32]:
        peaks = _peaks(audio.astype(np.float64))
        if peaks.max() <= self._ceiling:
            return np.ones(1, np.float32)
        needed = np.minimum(1.0, self._ceiling / np.maximum(peaks, self._ceiling))
        lowest = np.pad(_lowest(needed, self._half), self._half, mode="edge")
        return _mean(_mean(lowest, self._half + 1), self._half + 1).astype(np.float32)
