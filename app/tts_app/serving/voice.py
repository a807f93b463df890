"""The application of a VoiceModel, as the Serve config names it."""

from typing import Any

from ray import serve

from tts_app.serving.applications import application
from tts_app.serving.names import VOICE_DEPLOYMENT


def build(args: dict[str, Any]) -> serve.Application:
    """Return the application of one VoiceModel (the Serve config's `import_path`); `args` are `VoiceArgs`."""
    return application(VOICE_DEPLOYMENT, "tts_app.serving.voice_replica.Voice", args)
