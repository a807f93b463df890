"""How the traces of a service reach their collector: variables of its pods, by OpenTelemetry's own names."""

from typing import Any
from urllib.parse import urlsplit

from tts_app.resources import Playground
from tts_app.serve_config import TRACED

_PORTS = {"http": 80, "https": 443}


def tracing_variables(playground: Playground) -> list[dict[str, Any]]:
    """Return the variables of Ray's pods with which traces are on; none where the Playground has them off."""
    tracing = playground.spec.monitoring.tracing
    if tracing is None:
        return []
    values = {
        **TRACED,
        "OTEL_EXPORTER_OTLP_ENDPOINT": tracing.endpoint,
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": f"{tracing.sample_ratio:g}",
        "OTEL_RESOURCE_ATTRIBUTES": f"service.namespace={playground.name}",
    }
    return [{"name": name, "value": value} for name, value in values.items()]


def collector_port(playground: Playground) -> int | None:
    """Return the port of the collector; None where there are no traces."""
    tracing = playground.spec.monitoring.tracing
    if tracing is None:
        return None
    address = urlsplit(tracing.endpoint)
    return address.port or _PORTS[address.scheme]
