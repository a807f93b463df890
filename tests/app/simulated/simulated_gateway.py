"""The gateway, for the simulated engine that clones: it takes Kokoro's name for such an engine's."""

from dataclasses import replace
from typing import Any

from ray import serve

from tts_app.api import voices
from tts_app.api.gateway_replica import GatewayIngress as RealIngress
from tts_app.resources.engines import ENGINES
from tts_app.serving.applications import application
from tts_app.serving.names import GATEWAY_DEPLOYMENT

voices.ENGINES = {**ENGINES, "kokoro": replace(ENGINES["kokoro"], voice_kinds=("speaker", "reference"))}
GatewayIngress = RealIngress


def build(args: dict[str, Any]) -> serve.Application:
    return application(GATEWAY_DEPLOYMENT, f"{__name__}.GatewayIngress", args)
