"""Change of sample rate, by libswresample's polyphase filters."""

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from tts_app.audio.frames import to_frame, to_samples
from tts_app.audio.samples import Audio, AudioError, checked, checked_rate, joined


class Resampler:
    """Turns a stream of `source` Hz into one of `target` Hz. Equal rates pass it through unchanged.

    The result does not depend on how the audio is cut into pushes.
    """

    def __init__(self, source: int, target: int) -> None:
        self._source, self._target = checked_rate(source), checked_rate(target)
        self._resampler = AudioResampler(format="fltp", layout="mono", rate=self._target)
        self._position = 0

    def push(self, audio: Audio) -> Audio:
        """Take samples, shape (n,), and return those that are ready.

        Raises:
            AudioError: a sample is not a finite number.
        """
        samples = checked(audio)
        if self._source == self._target or not samples.size:
            return samples
        frame = to_frame(samples, self._source, self._position)
        self._position += samples.size
        return self._run(frame)

    def flush(self) -> Audio:
        """Return the samples that were held back."""
        return self._run(None)

    def _run(self, frame: AudioFrame | None) -> Audio:
        try:
            frames = self._resampler.resample(frame)
        except (av.FFmpegError, ValueError) as error:
            message = f"Cannot resample from {self._source} to {self._target} Hz: {error}."
            raise AudioError(message) from error
        return joined([to_samples(out) for out in frames])


def resample(audio: Audio, source: int, target: int) -> Audio:
    """Return a whole signal of `source` Hz, shape (n,), at `target` Hz.

    Raises:
        AudioError: a sample is not a finite number, or a rate is out of range.
    """
    resampler = Resampler(source, target)
    return joined([resampler.push(audio), resampler.flush()])
