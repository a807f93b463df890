"""`POST /v1/audio/speech`: speech as OpenAI's clients ask for it, streamed while it is made."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated

import regex
from fastapi import APIRouter, Body, Depends, Request
from starlette.responses import Response, StreamingResponse

from tts_app.api.answers import SpeechAudioEvent
from tts_app.api.contents import audio, events_of
from tts_app.api.deps import Context, Playground, Tenant, json_only
from tts_app.api.disconnect import CancelOnDisconnect
from tts_app.api.errors import ApiError
from tts_app.api.examples import SPEECH
from tts_app.api.meter import Metered
from tts_app.api.requests import tell_ignored
from tts_app.api.resolve import AUTO, in_language, language_of_text, voice_of, voices_of
from tts_app.api.schemas import ERRORS, SpeechRequest, SpokenRequest
from tts_app.api.scopes import need
from tts_app.api.speech_options import follows, options_of, tell_warnings, warnings_about
from tts_app.api.sse import event
from tts_app.api.streams import ClosingStream, PrimedStream
from tts_app.audio.encode import completed
from tts_app.audio.formats import FORMATS
from tts_app.catalogue import CatalogueVoice
from tts_app.security.principal import Scope
from tts_app.speech import Chunk, Utterance
from tts_app.telemetry.about import note
from tts_app.telemetry.logs import log

router = APIRouter(tags=["speech"], route_class=CancelOnDisconnect, dependencies=[need(Scope.SPEAK)])

_MARK = regex.compile(r"[^\p{Z}\p{C}]")
"""A character that is seen. Voice agents and chat pages cut a text into pieces, and some are a line of dashes
or an emoji: an error would end their turn. A text without any is a mistake."""


@router.post("/v1/audio/speech/", dependencies=[Depends(json_only)], include_in_schema=False)
@router.post("/audio/speech", dependencies=[Depends(json_only)], include_in_schema=False)
@router.post(
    "/v1/audio/speech",
    dependencies=[Depends(json_only)],
    response_class=StreamingResponse,
    responses={
        200: {"description": "The audio.", "content": audio() | events_of(SpeechAudioEvent)},
        **ERRORS,
    },
    summary="Create speech",
)
async def create_speech(
    request: Annotated[SpeechRequest, Body(openapi_examples=SPEECH)],
    http: Request,
    tenant: Tenant,
    playground: Playground,
    meter: Metered,
) -> Response:
    """Speak up to 4,096 characters; the answer streams while it is made, the first clause first.

    The header `x-ignored-parameters` names what was not followed: fields that are not known, `instructions`
    where the model's engine does not follow them, a `language` that the voice has no avatar of. Marks or an
    emoji alone are answered with a short silence. `x-warnings` has codes of what
    is not spoken as the text asks.
    """
    _check(request, playground)
    voice, ignored, codes = await chosen_voice(request, request.input, tenant, playground)
    marks = _MARK.search(request.input) is not None
    utterance = Utterance(request.input, voice, options_of(request, voice), or_silence=marks)
    note(model=voice.model)
    log("speech", voice=voice.id, characters=len(request.input), text=playground.fingerprint(request.input))
    codes += await warnings_about(utterance, "input")
    chunks = await PrimedStream.prime(meter.spoken(utterance, playground.service.speak(tenant, utterance)))
    await playground.recording.write(http, f"{voice.model}/{voice.id}", chunks)
    answer = await _answer(request, chunks)
    if not follows(request, voice):
        ignored.append("instructions")
    tell_ignored(answer, [*ignored, *request.ignored])
    tell_warnings(answer, codes)
    return answer


async def chosen_voice(
    request: SpokenRequest, text: str, tenant: str, playground: Context
) -> tuple[CatalogueVoice, list[str], list[str]]:
    """Return who speaks, which of the request's languages nobody speaks, and codes of warnings.

    `text` is that of which the language `auto` is found.
    """
    voice = await voice_of(playground, tenant, request.model, request.voice)
    ignored: list[str] = []
    codes: list[str] = []
    catalogue = voices_of(playground.service, request.model)
    for name in ("lang_code", "language"):
        if wanted := getattr(request, name):
            if wanted.strip().lower() == AUTO:
                wanted = await language_of_text(text, request.input_format, catalogue)
                if wanted is None:
                    codes.append("language-unsure")
                    continue
            found = in_language(catalogue, voice, wanted)
            voice = found or voice
            if found is None:
                ignored.append(name)
    return voice, ignored, codes


async def _answer(request: SpeechRequest, chunks: PrimedStream[Chunk]) -> Response:
    if request.stream_format == "sse":
        return ClosingStream(chunks, _events(chunks, len(request.input)), "text/event-stream")
    media_type = FORMATS[request.response_format].media_type
    if request.stream:
        return ClosingStream(chunks, (chunk.data async for chunk in chunks), media_type)
    async with aclosing(chunks):
        file = b"".join([chunk.data async for chunk in chunks])
    whole = await asyncio.to_thread(completed, file, request.response_format)
    return Response(whole, media_type=media_type, headers={"Cache-Control": "no-store"})


def _check(request: SpeechRequest, playground: Playground) -> None:
    limit = playground.settings.max_input
    if len(request.input) > limit:
        raise ApiError(
            400,
            f"Parameter 'input' has {len(request.input)} characters, and {limit} are allowed here; "
            f"POST /v1/speech takes up to {playground.settings.max_text}.",
            param="input",
            code="text_too_long",
        )


async def _events(chunks: PrimedStream[Chunk], characters: int) -> AsyncIterator[bytes]:
    """Yield OpenAI's events: the audio in Base64, then the end. Tokens are characters here."""
    sent = 0
    async for chunk in chunks:
        sent += len(chunk.data)
        yield event({"type": "speech.audio.delta", "audio": base64.b64encode(chunk.data).decode("ascii")})
    usage = {"input_tokens": characters, "output_tokens": sent, "total_tokens": characters + sent}
    yield event({"type": "speech.audio.done", "usage": usage})
