"""Metrics of the audit."""

from tts_app.telemetry.metrics.instruments import Counter


class AuditMetrics:
    """The gateway's figures about the audit. Make one per replica."""

    def __init__(self) -> None:
        self._written = Counter("ttsp_audit_writes", "Rows written.")
        self._unwritten = Counter("ttsp_audit_write_failures", "Requests refused: no row could be written.")
        self._unanchored = Counter("ttsp_audit_anchor_failures", "Heads of chains that could not be kept.")

    def written(self, rows: int) -> None:
        """Record that rows were written."""
        self._written.add(rows)

    def unwritten(self) -> None:
        """Record a request that was refused because it could not be recorded."""
        self._unwritten.inc()

    def unanchored(self) -> None:
        """Record a head that could not be anchored."""
        self._unanchored.inc()
