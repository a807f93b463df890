"""What a listener hears who plays a speech while it is made: pure."""


class Listener:
    """Plays from the first audio on, and hears silence whenever the next audio is late.

    It is what vLLM-Omni calls an underrun: the sum of the gaps.
    """

    def __init__(self) -> None:
        self.silence = 0.0
        """Seconds of silence between the first audio and what was taken last."""
        self._end: float | None = None
        """When everything that was taken is played; None before the first audio."""

    def take(self, now: float, seconds: float) -> None:
        """Take `seconds` of audio that are ready at the time `now`."""
        if seconds <= 0:
            return
        if self._end is None:
            self._end = now
        elif now > self._end:
            self.silence += now - self._end
            self._end = now
        self._end += seconds
