"""Whether a service may serve a model, by its licence. Said once for `ttsp serve`, batches and operator."""

from tts_app.resources.base import License
from tts_app.resources.text_model import TextModel
from tts_app.resources.voice_model import VoiceModel


def license_fault(model: VoiceModel | TextModel, *, commercial: bool) -> str:
    """Return why a service must not serve `model`, a sentence; empty if it may.

    `commercial`: whether the service is used commercially. What the licence says counts, not who wrote it: a
    model that was made from a non-commercial one must say `commercialUse: false`, and name that in `base`.
    """
    if not commercial:
        return ""
    if not model.spec.license.commercial_use:
        return _sentence(f"The model {model.name!r}", model.spec.license)
    if isinstance(model, VoiceModel):
        for voice in model.spec.voices:
            if voice.license is not None and not voice.license.commercial_use:
                return _sentence(f"The voice {voice.avatar} of the model {model.name!r}", voice.license)
    return ""


def _sentence(what: str, found: License) -> str:
    base = f", as it is made from {found.base}" if found.base else ""
    return (
        f"{what} may not be used commercially by its licence, {found.spdx}{base}, and this service is "
        "commercial: take another one, or set commercial to false where nothing is earned with it."
    )
