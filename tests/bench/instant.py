"""A simulated speaker that takes no time: what is left is the cost of the batch itself."""

from tts_app.catalogue import CatalogueVoice
from tts_app.engines.base import Clip
from tts_app.resources import VoiceModel

BYTES = 512


class InstantSpeaker:
    """Answers with the same bytes for every text. Simulated."""

    def __init__(self, model: VoiceModel, slots: int) -> None:
        pass

    async def speak(
        self,
        text: str,
        voice: CatalogueVoice,
        format: str,  # noqa: A002
        clip: Clip | None = None,
    ) -> tuple[bytes, float]:
        return bytes(BYTES), 1.0
