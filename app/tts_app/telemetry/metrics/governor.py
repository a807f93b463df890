"""Metrics of the governor, which holds background work back while the nodes are busy."""

from enum import StrEnum

from tts_app.telemetry.metrics.instruments import Gauge


class Resource(StrEnum):
    """What the governor measures of a node."""

    CPU = "cpu"
    MEMORY = "memory"
    DISK = "disk"
    NETWORK = "network"
    GPU = "gpu"


class GovernorMetrics:
    """What the governor of a batch measures and allows."""

    def __init__(self) -> None:
        self._slots = Gauge("ttsp_governor_slots", "Items that may be spoken at a time now.")
        self._utilization = Gauge(
            "ttsp_governor_utilization_ratio", "Share in use on the busiest node, averaged.", "resource"
        )

    def slots(self, number: int) -> None:
        """Show how many items may be spoken at a time now: 0 while the nodes are busy."""
        self._slots.set(number)

    def utilization(self, resource: Resource, share: float) -> None:
        """Show the share of a resource that is in use, 0 to 1, on the node where it is highest."""
        self._utilization.set(share, resource)
