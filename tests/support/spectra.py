"""How far two sounds are from each other."""

import numpy as np


def spectral_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Mean over frames of the root mean square difference of the log spectra, in dB."""
    return float(np.sqrt(((_log_spectra(a) - _log_spectra(b)) ** 2).mean(axis=1)).mean())


def signal_to_noise(signal: np.ndarray, other: np.ndarray) -> float:
    """The power of a signal beside that of its difference from another, in dB."""
    return decibels(signal) - decibels(signal - other)


def decibels(audio: np.ndarray) -> float:
    """The root mean square, in dB beside full scale."""
    return float(10 * np.log10(np.mean(audio.astype(np.float64) ** 2) + 1e-30))


def _log_spectra(audio: np.ndarray) -> np.ndarray:
    frames = np.lib.stride_tricks.sliding_window_view(audio, 512)[::128] * np.hanning(512)
    return 20 * np.log10(np.abs(np.fft.rfft(frames)) + 1e-3)
