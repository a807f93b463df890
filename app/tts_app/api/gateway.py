"""The application of the gateway, as the Serve config names it."""

from typing import Any

from ray import serve

from tts_app.serving.applications import application
from tts_app.serving.names import GATEWAY_DEPLOYMENT


def build(args: dict[str, Any]) -> serve.Application:
    """Return the gateway's application (the Serve config's `import_path`).

    `args` has the `host` and `port` where it listens itself. If it is empty, requests come through Serve's
    proxies.
    """
    return application(GATEWAY_DEPLOYMENT, "tts_app.api.gateway_replica.GatewayIngress", args)
