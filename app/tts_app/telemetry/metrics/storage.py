"""Metrics of the file systems on which the service keeps its things."""

from enum import StrEnum

from tts_app.telemetry.metrics.instruments import Gauge


class Store(StrEnum):
    """What is kept there. One that is not on a local file system has no figures."""

    AUDIO = "audio"
    DATABASE = "database"
    LOGS = "logs"


class StorageMetrics:
    """How much room stores have. Make one per replica."""

    def __init__(self) -> None:
        self._free = Gauge("ttsp_storage_free_bytes", "Bytes that are free for the service.", "store")
        self._size = Gauge("ttsp_storage_size_bytes", "Bytes of the whole file system.", "store")

    def room(self, store: Store, free: int, size: int) -> None:
        """Show the room of a store's file system, in bytes."""
        self._free.set(free, store)
        self._size.set(size, store)
