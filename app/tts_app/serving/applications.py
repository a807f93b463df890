"""The applications of the Serve config, by its `import_path`s.

Serve builds each in a process of its own, which ends after it. So nothing is imported here but what names a
deployment's class: the replica alone imports that.
"""

from typing import Any

from ray import serve

from tts_app.serving.names import GATEWAY_DEPLOYMENT, TEXT_DEPLOYMENT, VOICE_DEPLOYMENT


def gateway(args: dict[str, Any]) -> serve.Application:
    """Return the gateway's application.

    `args` is where it listens itself, `host` and `port`; without it requests come through Serve's proxies.
    """
    return _application(GATEWAY_DEPLOYMENT, "tts_app.api.gateway.GatewayIngress", args)


def voice(args: dict[str, Any]) -> serve.Application:
    """Return the application of one VoiceModel; `args` are those of `VoiceArgs`."""
    return _application(VOICE_DEPLOYMENT, "tts_app.serving.voice.Voice", args)


def text(args: dict[str, Any]) -> serve.Application:
    """Return the application of one TextModel; `args` are those of `TextArgs`."""
    return _application(TEXT_DEPLOYMENT, "tts_app.serving.text.Text", args)


def _application(deployment: str, path: str, args: dict[str, Any]) -> serve.Application:
    # A path is taken as well (`ReplicaConfig.create`); the replica imports it.
    return serve.deployment(name=deployment)(path).bind(args)  # type: ignore[arg-type]
