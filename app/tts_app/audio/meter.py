"""Loudness as ITU-R BS.1770-5 and EBU R 128 measure it, of a whole signal or a stream."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from tts_app.audio.samples import Audio, checked, checked_rate

_STEP_S = 0.1
_STEPS_A_BLOCK = 4
"""Blocks of 400 ms, one every 100 ms."""
_OFFSET = -0.691
_ABSOLUTE_GATE = -70.0
_RELATIVE_GATE = -10.0
_FILTER_S = 0.1
"""The length of the K filter's impulse response: after this time its slower pole has decayed by 200 dB."""


@cache
def _k_filter(rate: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return numerator and denominator, shape (5,), of the K weighting at `rate` Hz.

    BS.1770 gives coefficients for 48 kHz only. Its two stages are bilinear transforms of analogue filters,
    which are used here: a shelf of +4 dB above 1.7 kHz and a high-pass at 38 Hz.
    """
    shelf_gain = 10 ** (3.999843853973347 / 20)
    middle = shelf_gain**0.4996667741545416
    k, q = np.tan(np.pi * 1681.974450955533 / rate), 0.7071752369554196
    shelf = [
        shelf_gain + middle * k / q + k * k,
        2 * (k * k - shelf_gain),
        shelf_gain - middle * k / q + k * k,
    ]
    shelf_poles = np.array([1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k])
    k, q = np.tan(np.pi * 38.13547087602444 / rate), 0.5003270373238773
    pass_poles = np.array([1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k])
    # The standard leaves the high-pass's numerator at 1, -2, 1 without the gain of its denominator.
    zeros = np.convolve(shelf / shelf_poles[0], [1.0, -2.0, 1.0])
    return zeros, np.convolve(shelf_poles / shelf_poles[0], pass_poles / pass_poles[0])


@cache
def _k_response(rate: int) -> NDArray[np.float64]:
    """Return a tenth of a second of the K filter's impulse response.

    A convolution needs no recursion, which numpy lacks, and its state is just the last samples.
    """
    taps = round(rate * _FILTER_S)
    zeros, poles = _k_filter(rate)
    size = 8 * taps
    response: NDArray[np.float64] = np.fft.irfft(np.fft.rfft(zeros, size) / np.fft.rfft(poles, size), size)
    return response[:taps]


@cache
def _k_spectrum(rate: int) -> tuple[int, int, NDArray[np.complex128]]:
    """Return the number of taps of the response, the size of the transforms, and its own transform."""
    response = _k_response(rate)
    size = 1 << (4 * response.size - 1).bit_length()
    return response.size, size, np.fft.rfft(response, size)


def _weighted(signal: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """Return the K-weighted signal from the first sample that the whole response covers.

    Uses overlap-save with transforms that fit into the processor's cache.
    """
    taps, size, spectrum = _k_spectrum(rate)
    wanted = signal.size - taps + 1
    hop = size - taps + 1
    count = -(-wanted // hop)
    padded = np.pad(signal, (0, taps - 1 + count * hop - signal.size))
    rows = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    weighted: NDArray[np.float64] = np.fft.irfft(np.fft.rfft(rows) * spectrum, size)[:, taps - 1 :]
    return weighted.reshape(-1)[:wanted]


class Meter:
    """Integrated loudness of a stream; after each push, that of all audio so far."""

    def __init__(self, rate: int) -> None:
        """Measure audio of `rate` Hz.

        Raises:
            AudioError: the rate is out of range.
        """
        self._rate = checked_rate(rate)
        self._step = round(rate * _STEP_S)
        self._before = np.zeros(_k_spectrum(rate)[0] - 1)
        self._weighted = np.zeros(0)
        self._steps: list[float] = []

    def push(self, audio: Audio) -> None:
        """Take samples, shape (n,).

        Raises:
            AudioError: a sample is not a finite number.
        """
        samples = checked(audio).astype(np.float64)
        if not samples.size:
            return
        signal = np.concatenate([self._before, samples])
        self._before = signal[-self._before.size :]
        weighted = np.concatenate([self._weighted, _weighted(signal, self._rate)])
        whole = weighted.size - weighted.size % self._step
        self._steps.extend(np.square(weighted[:whole].reshape(-1, self._step)).mean(axis=1).tolist())
        self._weighted = weighted[whole:]

    def blocks(self) -> NDArray[np.float64]:
        """Return the mean squares of the blocks that pass both gates, shape (blocks,).

        Audio shorter than a block counts as one block of its own length: the standard does not define
        this case, and a single word must have a level too.
        """
        if len(self._steps) >= _STEPS_A_BLOCK:
            kernel = np.full(_STEPS_A_BLOCK, 1 / _STEPS_A_BLOCK)
            powers = np.convolve(np.array(self._steps), kernel, "valid")
        else:
            total = sum(self._steps) * self._step + float(np.square(self._weighted).sum())
            length = len(self._steps) * self._step + self._weighted.size
            powers = np.array([total / length]) if length else np.zeros(0)
        heard: NDArray[np.float64] = powers[powers > power(_ABSOLUTE_GATE)]
        if heard.size:
            heard = heard[heard > heard.mean() * 10 ** (_RELATIVE_GATE / 10)]
        return heard

    def loudness(self) -> float:
        """Return the integrated loudness in LUFS; minus infinity for silence."""
        blocks = self.blocks()
        return lufs(float(blocks.mean())) if blocks.size else float("-inf")


def power(lufs: float) -> float:
    """Return the K-weighted mean square of audio of that loudness."""
    return float(10 ** ((lufs - _OFFSET) / 10))


def lufs(mean_square: float) -> float:
    """Return the loudness of audio of that K-weighted mean square, which is above 0."""
    return _OFFSET + 10 * float(np.log10(mean_square))


def measure(audio: Audio, rate: int) -> float:
    """Return the integrated loudness of a whole signal, shape (n,), in LUFS; minus infinity for silence.

    Raises:
        AudioError: a sample is not a finite number, or the rate is out of range.
    """
    meter = Meter(rate)
    meter.push(audio)
    return meter.loudness()
