"""`POST /v1/audio/speech`: speech as OpenAI's clients ask for it, streamed while it is made."""

import base64
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request
from starlette.responses import StreamingResponse

from tts_app.api.deps import Playground, Tenant, json_only
from tts_app.api.disconnect import CancelOnDisconnect
from tts_app.api.errors import ApiError
from tts_app.api.examples import SPEECH
from tts_app.api.meter import Metered
from tts_app.api.resolve import voice_of
from tts_app.api.schemas import ERRORS, SpeechRequest
from tts_app.api.scopes import need
from tts_app.api.speech_options import follows, options_of
from tts_app.api.sse import event
from tts_app.api.streams import ClosingStream, PrimedStream
from tts_app.audio.formats import FORMATS
from tts_app.security.principal import Scope
from tts_app.speech import Chunk, Utterance
from tts_app.telemetry.about import note
from tts_app.telemetry.logs import log

router = APIRouter(tags=["speech"], route_class=CancelOnDisconnect, dependencies=[need(Scope.SPEAK)])


@router.post(
    "/v1/audio/speech",
    dependencies=[Depends(json_only)],
    response_class=StreamingResponse,
    responses={
        200: {"description": "The audio.", "content": {f.media_type: {} for f in FORMATS.values()}},
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
) -> StreamingResponse:
    """Speak up to 4,096 characters; the answer streams while it is made, the first clause first.

    `x-ignored-parameters` names `instructions` where the model's engine does not follow them.
    """
    _check(request, playground)
    voice = await voice_of(playground, tenant, request.model, request.voice)
    utterance = Utterance(request.input, voice, options_of(request, voice))
    note(model=voice.model)
    log("speech", voice=voice.id, characters=len(request.input), text=playground.fingerprint(request.input))
    chunks = await PrimedStream.prime(meter.spoken(utterance, playground.service.speak(tenant, utterance)))
    await playground.recording.write(http, f"{voice.model}/{voice.id}", chunks)
    answer = _answer(request, chunks)
    if not follows(request, voice):
        answer.headers["x-ignored-parameters"] = "instructions"
    return answer


def _answer(request: SpeechRequest, chunks: PrimedStream[Chunk]) -> StreamingResponse:
    if request.stream_format == "sse":
        return ClosingStream(chunks, _events(chunks, len(request.input)), "text/event-stream")
    audio = (chunk.data async for chunk in chunks)
    return ClosingStream(chunks, audio, FORMATS[request.response_format].media_type)


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
