"""Whether models can be used."""

from tts_app.telemetry.metrics.instruments import Gauge
from tts_app.telemetry.metrics.labels import Kind


class ModelMetrics:
    """The gateway's figures about the models that it serves. Make one per replica."""

    def __init__(self) -> None:
        self._ready = Gauge("ttsp_model_ready", "1 if the model can be used, else 0.", "kind", "model")

    def ready(self, kind: Kind, model: str, ready: bool) -> None:
        """Show whether a model can be used; one that was scaled to zero on purpose can."""
        self._ready.set(int(ready), kind, model)
