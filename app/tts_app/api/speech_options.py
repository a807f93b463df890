"""How a request wants its text to be spoken, checked against what the voice's engine takes."""

import asyncio
from collections.abc import Sequence

from starlette.responses import Response

from tts_app.api.errors import ApiError
from tts_app.api.schemas import WithOptions
from tts_app.audio.formats import FORMATS
from tts_app.audio.samples import AudioError
from tts_app.catalogue import CatalogueVoice
from tts_app.language.markup import MarkupError
from tts_app.resources.engines import ENGINES
from tts_app.speech import SpeechOptions, Utterance, warnings_of

WARNINGS = "x-warnings"


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
        volume=request.factor,
        input_format=request.input_format,
        urls=request.urls,
        normalize=request.is_normalized,
    )


async def warnings_about(utterance: Utterance, param: str) -> list[str]:
    """Return the codes of what is not spoken as the text, the request's `param`, asks.

    Raises:
        ApiError: the text is not of its format.
    """
    try:
        return await asyncio.to_thread(warnings_of, utterance)
    except MarkupError as error:
        raise ApiError(400, str(error), param=param, code="invalid_markup") from None


def tell_warnings(answer: Response, codes: Sequence[str]) -> None:
    """Name the codes in a header of an answer. They are few, short and ASCII: far below 1 KiB."""
    if codes:
        answer.headers[WARNINGS] = ", ".join(codes)


def follows(request: WithOptions, voice: CatalogueVoice) -> bool:
    """Return whether the request's instructions, if it has any, are followed."""
    return ENGINES[voice.engine].follows_instructions or not (request.instructions or "").strip()
