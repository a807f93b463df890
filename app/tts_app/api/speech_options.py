"""How a request wants its text to be spoken, checked against what the voice's engine takes."""

from tts_app.api.errors import ApiError
from tts_app.api.schemas import WithOptions
from tts_app.audio.formats import FORMATS
from tts_app.audio.samples import AudioError
from tts_app.catalogue import CatalogueVoice
from tts_app.resources.engines import ENGINES
from tts_app.speech import SpeechOptions


def options_of(request: WithOptions, voice: CatalogueVoice) -> SpeechOptions:
    """Return the options of a request; what OpenAI calls `response_format` is its `format`.

    Instructions that the voice's engine does not follow are not among them: see `follows`.

    Raises:
        ApiError: a parameter is not one of the engine's, or out of range; the format has no such sample rate.
    """
    engine = ENGINES[voice.engine]
    found = engine.voice_faults({**voice.voice.parameters, **request.parameters})
    if found:
        message = f"Wrong parameters for the voice {voice.id}: {'; '.join(found)}."
        raise ApiError(400, message, param="parameters", code="wrong_parameters")
    try:
        sample_rate = FORMATS[request.response_format].sample_rate(request.sample_rate)
    except AudioError as error:
        raise ApiError(400, str(error), param="sample_rate", code="invalid_value") from None
    return SpeechOptions(
        format=request.response_format,
        speed=request.speed,
        sample_rate=sample_rate,
        parameters=request.parameters,
        instructions=request.instructions or "" if engine.follows_instructions else "",
    )


def follows(request: WithOptions, voice: CatalogueVoice) -> bool:
    """Return whether the request's instructions, if it has any, are followed."""
    return ENGINES[voice.engine].follows_instructions or not (request.instructions or "").strip()
