"""Ray Serve's own tracing: its proxies and replicas call `span_processors` when they start.

Serve then has a span for each request that its proxy takes, each call of a handle, and each call that a
replica gets, and passes W3C Trace Context between them. Its TracingConfig has the function's name from the
environment (`serve_config.TRACED`).
"""

import logging
from typing import Any

from ray import serve
from ray.serve.exceptions import RayServeException

from tts_app.serving.names import TEXT_DEPLOYMENT, VOICE_DEPLOYMENT
from tts_app.telemetry import traces


def span_processors() -> list[Any]:
    """Set up the traces of this process of Serve's; return no processor, for ours is there by then.

    Serve would make a provider whose replicas begin traces, so ours is there before.
    """
    logging.getLogger("opentelemetry.trace").addFilter(_is_not_about_two_providers)
    traces.set_up(_component())
    return []


def _component() -> str:
    """Return the name of this process, as in the logs; `proxy` where it is no replica."""
    try:
        replica = serve.get_replica_context()
    except RayServeException:
        return "proxy"
    kind = {VOICE_DEPLOYMENT: "voice-", TEXT_DEPLOYMENT: "text-"}.get(replica.deployment, "")
    return f"{kind}{replica.app_name}"


def _is_not_about_two_providers(record: logging.LogRecord) -> bool:
    return "Overriding of current TracerProvider" not in record.getMessage()
