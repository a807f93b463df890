"""Metrics of a speech engine: what it computed, for what, and how long segments waited for that."""

from collections.abc import Mapping
from enum import StrEnum

from tts_app.engines.watch import SegmentOutcome
from tts_app.telemetry.metrics.instruments import SECONDS, SHARES, Counter, Gauge, Histogram

_SEGMENTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)


class Device(StrEnum):
    """What computes."""

    CPU = "cpu"
    GPU = "gpu"


class Memory(StrEnum):
    """Where memory is."""

    HOST = "host"
    GPU = "gpu"


class EngineMetrics:
    """A speech model's figures in one process: an EngineWatch. Make one per process and model."""

    def __init__(self, model: str, device: Device) -> None:
        self._model = model
        self._device = device
        self._compute = Counter("ttsp_engine_compute_seconds", "Seconds of computing.", "model", "device")
        self._wait = Histogram(
            "ttsp_engine_wait_seconds", "Seconds that a segment waited for its call.", SECONDS, "model"
        )
        self._audio = Counter("ttsp_engine_audio_seconds", "Seconds of audio returned.", "model")
        self._segments = Counter("ttsp_engine_segments", "Segments that ended.", "model", "outcome")
        self._batch = Histogram("ttsp_engine_batch_segments", "Segments of a call.", _SEGMENTS, "model")
        self._padding = Histogram(
            "ttsp_engine_padding_ratio", "Share of a call's frames that is padding.", SHARES, "model"
        )

    def waited(self, seconds: float) -> None:
        """Record how long a segment waited for its call."""
        self._wait.observe(seconds, self._model)

    def called(self, segments: int, seconds: float, audio: float, padding: float) -> None:
        """Record a call; a call that failed has no audio."""
        self._compute.add(seconds, self._model, self._device)
        self._audio.add(audio, self._model)
        self._batch.observe(segments, self._model)
        self._padding.observe(padding, self._model)

    def ended(self, outcome: SegmentOutcome) -> None:
        """Record that a segment ended."""
        self._segments.inc(self._model, outcome)


class MemoryMetrics:
    """The memory of a process that has loaded a model. Make one per process."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._memory = Gauge("ttsp_engine_memory_bytes", "Memory of the process.", "model", "memory")

    def show(self, sizes: Mapping[Memory, int]) -> None:
        """Show how many bytes the process has."""
        for kind, size in sizes.items():
            self._memory.set(size, self._model, kind)
