"""`ttsp serve` with a simulated engine in place of each voice model's own: a tone, which takes no time."""

from typing import Any

import paths  # noqa: F401 - where the simulated engine is
from simulated_voice import SimulatedVoiceEngine

from tts_app.cli import main
from tts_app.serve_config import serve_config
from tts_app.serving import embedded


def simulated(*args: Any, **kwargs: Any) -> dict[str, Any]:
    """Return the Serve config with the simulated engine."""
    config = serve_config(*args, **kwargs)
    for application in config["applications"]:
        if application["import_path"] == "tts_app.serving.voice:build":
            application["args"]["engine"] = f"simulated_voice:{SimulatedVoiceEngine.__name__}"
    return config


if __name__ == "__main__":
    embedded.serve_config = simulated
    main()
