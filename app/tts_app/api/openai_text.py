"""`POST /v1/chat/completions` and `/v1/completions`: text as OpenAI's clients ask for it."""

import asyncio
import base64
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from tts_app.api.answers import ChatCompletion, ChatCompletionChunk, TextCompletion
from tts_app.api.contents import events_of
from tts_app.api.deps import Context, Playground, Tenant, json_only
from tts_app.api.disconnect import CancelOnDisconnect
from tts_app.api.errors import ApiError, as_api_error, error_body
from tts_app.api.examples import CHAT, COMPLETION
from tts_app.api.meter import Meter, Metered
from tts_app.api.requests import tell_ignored
from tts_app.api.resolve import voice_of, writer_of
from tts_app.api.schemas import ERRORS
from tts_app.api.scopes import need, require
from tts_app.api.spoken import write_and_speak
from tts_app.api.streams import ClosingStream, PrimedStream
from tts_app.api.text_answers import DONE, Answer, Chat, Completion, event
from tts_app.api.text_schemas import ChatRequest, CompletionRequest
from tts_app.audio.encode import completed
from tts_app.engines.text import Delta, TextCapabilities, TextRequest, Usage
from tts_app.security.principal import Scope
from tts_app.serving.frames import FLUSH_INTERVAL
from tts_app.speech import Chunk, SpeechOptions, Utterance
from tts_app.telemetry.about import note
from tts_app.telemetry.logs import log

router = APIRouter(tags=["text"], route_class=CancelOnDisconnect, dependencies=[need(Scope.TEXT)])

_EVENTS = "text/event-stream"
_PROXIED_CHUNKS = 2000
"""Chunks a second that are sent through Serve's proxies: with more than about this many, a proxy falls ever
further behind. A stream that waits for its turn sends what was written meanwhile in one chunk."""


def _responses(whole: type[BaseModel], chunk: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """Return what the OpenAPI document says of the answers of a route that writes."""
    description = "The answer; with `stream: true` as events, the last of which is `[DONE]`."
    return {200: {"model": whole, "description": description, "content": events_of(chunk)}, **ERRORS}


@router.post(
    "/v1/chat/completions",
    dependencies=[Depends(json_only)],
    response_class=JSONResponse,
    responses=_responses(ChatCompletion, ChatCompletionChunk),
    summary="Create chat completion",
)
async def create_chat_completion(
    request: Annotated[ChatRequest, Body(openapi_examples=CHAT)],
    http: Request,
    tenant: Tenant,
    playground: Playground,
    meter: Metered,
) -> Response:
    """Write the next message, and speak it while it is written where `modalities` has `audio`.

    Fields that are not known are ignored; the header `x-ignored-parameters` names them.
    """
    answer = await _chat(request, http, tenant, playground, meter)
    tell_ignored(answer, request.ignored)
    return answer


async def _chat(
    request: ChatRequest, http: Request, tenant: str, playground: Context, meter: Meter
) -> Response:
    model = writer_of(playground, request.model)
    note(model=model)
    engine_request = request.engine_request
    _check(request, engine_request, await playground.text.capabilities(model))
    said = "\n".join(message.content or "" for message in request.messages)
    log(
        "chat",
        model=model,
        messages=len(request.messages),
        characters=len(said),
        text=playground.fingerprint(said),
    )
    chat = Chat(model, request.with_usage)
    if request.audio is not None:
        require(http.scope, Scope.SPEAK)
        voice = await voice_of(playground, tenant, "tts-1", request.audio.voice, "audio.voice")
        utterance = Utterance("", voice, SpeechOptions(request.audio.format.replace("pcm16", "pcm")))
        spoken = write_and_speak(
            tenant, playground.text, playground.service, model, engine_request, utterance
        )
        both = await PrimedStream.prime(meter.written(model, engine_request, spoken, voice))
        await playground.recording.write(http, model, both)
        if request.stream:
            return ClosingStream(
                both, _error_as_event(_spoken_events(both, chat, request.with_usage)), _EVENTS
            )
        return JSONResponse(await _spoken(both, chat, utterance.options.format))
    deltas = await PrimedStream.prime(
        meter.written(model, engine_request, playground.text.write(tenant, model, engine_request))
    )
    await playground.recording.write(http, model, deltas)
    if request.stream:
        return ClosingStream(
            deltas, _error_as_event(_events(deltas, chat, request.with_usage, playground)), _EVENTS
        )
    return JSONResponse(chat.whole(*await _whole(deltas)))


@router.post(
    "/v1/completions",
    dependencies=[Depends(json_only)],
    response_class=JSONResponse,
    responses=_responses(TextCompletion, TextCompletion),
    summary="Create completion",
)
async def create_completion(
    request: Annotated[CompletionRequest, Body(openapi_examples=COMPLETION)],
    http: Request,
    tenant: Tenant,
    playground: Playground,
    meter: Metered,
) -> Response:
    """Write how the prompt goes on.

    Fields that are not known are ignored; the header `x-ignored-parameters` names them.
    """
    answer = await _completion(request, http, tenant, playground, meter)
    tell_ignored(answer, request.ignored)
    return answer


async def _completion(
    request: CompletionRequest, http: Request, tenant: str, playground: Context, meter: Meter
) -> Response:
    model = writer_of(playground, request.model)
    note(model=model)
    engine_request = request.engine_request
    _check(request, engine_request, await playground.text.capabilities(model))
    text = request.prompt
    log("completion", model=model, characters=len(text), text=playground.fingerprint(text))
    completion = Completion(model, request.with_usage)
    deltas = await PrimedStream.prime(
        meter.written(model, engine_request, playground.text.write(tenant, model, engine_request))
    )
    await playground.recording.write(http, model, deltas)
    if request.stream:
        return ClosingStream(
            deltas, _error_as_event(_events(deltas, completion, request.with_usage, playground)), _EVENTS
        )
    return JSONResponse(completion.whole(*await _whole(deltas)))


def _check(
    request: ChatRequest | CompletionRequest, engine_request: TextRequest, capabilities: TextCapabilities
) -> None:
    """Refuse a parameter that the model's engine cannot honor, with its name."""
    model = request.model
    if engine_request.messages is not None and not capabilities.chat:
        raise _cannot("messages", f"Model {model!r} has no chat template: use POST /v1/completions.")
    if engine_request.n > capabilities.slots:
        at_once = f"Model {model!r} writes {capabilities.slots} answers at a time"
        raise _cannot("n", f"{at_once}, and 'n' asks for {engine_request.n}.")
    if engine_request.tools and not capabilities.tools:
        raise _cannot("tools", f"Model {model!r} cannot call tools: leave 'tools' out.")
    if engine_request.schema is not None and not capabilities.json:
        raise _cannot(
            "response_format", f"Model {model!r} cannot be held to JSON: leave 'response_format' out."
        )
    asked = engine_request.logprobs
    # 0 asks for the chosen token alone, which an engine without probabilities cannot give either.
    if asked is not None and (asked > capabilities.logprobs or not capabilities.logprobs):
        name = "top_logprobs" if capabilities.logprobs and isinstance(request, ChatRequest) else "logprobs"
        most = f"at most {capabilities.logprobs}" if capabilities.logprobs else "none"
        raise _cannot(name, f"Model {model!r} gives the probabilities of {most} alternatives a token.")


def _cannot(param: str, message: str) -> ApiError:
    return ApiError(400, message, param=param, code="unsupported_parameter")


async def _whole(deltas: PrimedStream[Delta]) -> tuple[dict[int, Answer], Usage | None]:
    """Put the whole answers together."""
    answers: dict[int, Answer] = {}
    usage: Usage | None = None
    try:
        async for delta in deltas:
            answers.setdefault(delta.index, Answer()).add(delta)
            usage = delta.usage or usage
    finally:
        await deltas.aclose()
    return answers, usage


async def _events(
    deltas: PrimedStream[Delta], answer: Chat | Completion, with_usage: bool, playground: Context
) -> AsyncGenerator[bytes, None]:
    async for delta in deltas:
        if data := answer.delta(delta):
            yield data
        if playground.proxied and delta.finish is None and (pause := _pause(playground)) > FLUSH_INTERVAL:
            await asyncio.sleep(pause)
        if delta.usage is not None and with_usage:
            yield answer.usage(delta.usage)
    yield DONE


def _pause(playground: Context) -> float:
    """Return the seconds between two chunks of a proxied stream: all streams share the chunks equally."""
    return sum(running for running, _waiting in playground.text.served.load().values()) / _PROXIED_CHUNKS


async def _spoken(both: PrimedStream[Delta | Chunk], chat: Chat, audio_format: str) -> dict[str, Any]:
    answer = Answer()
    usage: Usage | None = None
    audio: list[bytes] = []
    try:
        async for item in both:
            if isinstance(item, Delta):
                answer.add(item)
                usage = item.usage or usage
            else:
                audio.append(item.data)
    finally:
        await both.aclose()
    file = completed(b"".join(audio), audio_format) if audio else b""
    return chat.whole({0: answer}, usage, base64.b64encode(file))


async def _spoken_events(
    both: PrimedStream[Delta | Chunk], chat: Chat, with_usage: bool
) -> AsyncGenerator[bytes, None]:
    finish: str | None = None
    usage: Usage | None = None
    async for item in both:
        if isinstance(item, Chunk):
            yield chat.audio(base64.b64encode(item.data))
            continue
        finish = item.finish or finish
        usage = item.usage or usage
        if item.text:
            yield chat.transcript(item.text)
        if item.tool_calls or item.reasoning:
            yield chat.delta(Delta(tool_calls=item.tool_calls, reasoning=item.reasoning))
    yield chat.spoken(finish)
    if usage is not None and with_usage:
        yield chat.usage(usage)
    yield DONE


async def _error_as_event(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pass `events` on; if they fail, end with an event that has the error."""
    try:
        async for data in events:
            yield data
    except Exception as error:  # noqa: BLE001 - the answer has begun: its status says 200 already
        known = as_api_error(error)
        if known is None:
            log("stream crashed", level=logging.ERROR, error=error)
            known = ApiError(500, "Something went wrong here; the log has the request id.")
        yield event(error_body(known))
