"""Metrics of speech as callers hear it."""

from tts_app.catalogue import CatalogueVoice
from tts_app.telemetry.metrics.instruments import AUDIO_SECONDS, SECONDS, Counter, Histogram
from tts_app.telemetry.metrics.labels import Failure, Outcome, Priority

CLONED = "cloned"
"""The name that all cloned voices share: there is no bound to their number."""
SPEAKER = "speaker"
"""The label of the models' own speakers, and of mixes of them."""
_FACTORS = (
    0.02,
    0.05,
    0.1,
    0.15,
    0.2,
    0.3,
    0.4,
    0.5,
    0.6,
    0.7,
    0.8,
    0.9,
    1.0,
    1.25,
    1.5,
    2.0,
    3.0,
    5.0,
    10.0,
)
_SILENCE = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0)


def metered_voice(voice: CatalogueVoice) -> str:
    """Return the name of a voice in metrics: its avatar, CLONED, or SPEAKER: callers make up mixes."""
    return CLONED if voice.clone else SPEAKER if voice.speaker else voice.id


class SpokenMetrics:
    """What was spoken, by voice: only here a voice is a label. Make one per process."""

    def __init__(self) -> None:
        self._characters = Counter("ttsp_speech_characters", "Characters spoken.", "model", "voice")
        self._audio = Counter("ttsp_speech_audio_seconds", "Seconds of audio made.", "model", "voice")

    def audio(self, model: str, voice: str, seconds: float) -> None:
        """Record `seconds` of audio made. `voice` is from `metered_voice`."""
        self._audio.add(seconds, model, voice)

    def characters(self, model: str, voice: str, number: int) -> None:
        """Record that a text of so many characters was spoken to its end."""
        self._characters.add(number, model, voice)


class SpeechMetrics(SpokenMetrics):
    """The gateway's figures about speech. Make one per replica."""

    def __init__(self) -> None:
        super().__init__()
        by = ("model", "priority")
        self._requests = Counter("ttsp_speech_requests", "Requests for speech that ended.", *by, "outcome")
        self._failures = Counter("ttsp_speech_failures", "Requests that failed.", "model", "reason")
        self._first = Histogram(
            "ttsp_speech_first_audio_seconds", "Seconds from request to first audio.", SECONDS, *by
        )
        self._request = Histogram(
            "ttsp_speech_request_seconds", "Seconds from request to last byte.", SECONDS, *by
        )
        self._duration = Histogram(
            "ttsp_speech_duration_seconds", "Seconds of audio that a request made.", AUDIO_SECONDS, *by
        )
        self._factor = Histogram(
            "ttsp_speech_real_time_factor", "Seconds of making for a second of audio.", _FACTORS, *by
        )
        self._underrun = Histogram(
            "ttsp_speech_underrun_seconds",
            "Seconds of silence for a listener who plays from the first audio on.",
            _SILENCE,
            *by,
        )

    def first_audio(self, model: str, priority: Priority, seconds: float) -> None:
        """Record that a request's first audio was ready after `seconds`."""
        self._first.observe(seconds, model, priority)

    def finished(
        self, model: str, priority: Priority, *, request: float, making: float, audio: float, silence: float
    ) -> None:
        """Record a request that finished, in seconds.

        It took `request` from its beginning, and `making` from its admission without the time in which its
        caller took nothing. It made `audio`, and its listener heard `silence` in between.
        """
        self._requests.inc(model, priority, Outcome.FINISHED)
        self._request.observe(request, model, priority)
        self._duration.observe(audio, model, priority)
        if priority is Priority.INTERACTIVE:  # nobody listens to a stored speech while it is made
            self._underrun.observe(silence, model, priority)
        if audio > 0:
            self._factor.observe(making / audio, model, priority)

    def failed(self, model: str, priority: Priority, reason: Failure) -> None:
        """Record a request that failed."""
        self._requests.inc(model, priority, Outcome.FAILED)
        self._failures.inc(model, reason)

    def ended(self, model: str, priority: Priority, outcome: Outcome) -> None:
        """Record a request that was abandoned or refused."""
        self._requests.inc(model, priority, outcome)
