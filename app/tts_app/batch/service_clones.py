"""The cloned voices of a service, for a job that runs on the service's Ray cluster: its gateway is asked.

The job has neither the database nor the key of the voices. They are those of the default tenant, as jobs are.
"""

from typing import Any

from tts_app.catalogue import CatalogueVoice, UnknownVoiceError
from tts_app.engines.base import Clip, EngineError
from tts_app.serve_config import GATEWAY
from tts_app.serving.names import GATEWAY_DEPLOYMENT

_SECONDS = 60.0
"""How long the gateway may take to answer."""


class GatewayClones:
    """Asks the gateway. Blocking: call it in a thread that runs no event loop."""

    def find(self, voice_id: str) -> CatalogueVoice:
        """Return a cloned voice.

        Raises:
            UnknownVoiceError: there is none that can be used.
        """
        voice: CatalogueVoice = _asked("find_clone", voice_id, UnknownVoiceError)
        return voice

    def clip(self, voice_id: str) -> Clip:
        """Return the clip of a cloned voice.

        Raises:
            EngineError: the voice cannot be used any more.
        """
        clip: Clip = _asked("clip_of", voice_id, EngineError)
        return clip


def _asked(method: str, voice_id: str, expected: type[Exception]) -> Any:
    """Return what the gateway answers. Raises `expected` as the gateway did; others are Ray's."""
    import ray  # noqa: PLC0415 - a batch without cloned voices plans without Ray
    from ray import serve  # noqa: PLC0415
    from ray.exceptions import RayTaskError  # noqa: PLC0415

    ray.init(address="auto", log_to_driver=False, configure_logging=False, ignore_reinit_error=True)
    handle: Any = serve.get_deployment_handle(GATEWAY_DEPLOYMENT, app_name=GATEWAY)
    try:
        return getattr(handle, method).remote(voice_id).result(timeout_s=_SECONDS)
    except RayTaskError as error:
        if isinstance(error.cause, expected):
            raise error.cause from error
        raise
