"""The application of a TextModel, as the Serve config names it."""

from typing import Any

from ray import serve

from tts_app.serving.applications import application
from tts_app.serving.names import TEXT_DEPLOYMENT


def build(args: dict[str, Any]) -> serve.Application:
    """Return the application of one TextModel (the Serve config's `import_path`); `args` are `TextArgs`."""
    return application(TEXT_DEPLOYMENT, "tts_app.serving.text_replica.Text", args)
