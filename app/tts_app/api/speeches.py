"""`/v1/speech`: durable speeches, made in the background and kept."""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import asdict
from datetime import datetime
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from tts_app.api.contents import audio, events_of
from tts_app.api.deps import Context, Playground, Tenant, json_only
from tts_app.api.disconnect import CallerLeftError, left_response, unless_left
from tts_app.api.errors import ApiError
from tts_app.api.examples import DURABLE
from tts_app.api.idempotency import REPEATED, IdempotencyKey
from tts_app.api.meter import Meter, Metered
from tts_app.api.ranges import byte_range
from tts_app.api.resolve import (
    AUTO,
    by_description,
    in_language,
    language_of_text,
    voice_of,
    voices_of,
)
from tts_app.api.schemas import (
    ERRORS,
    DurableRequest,
    ErrorAnswer,
    SpeechAnswer,
    SpeechLinks,
    SpeechPage,
    SpeechQuery,
)
from tts_app.api.scopes import need
from tts_app.api.speech_options import follows, options_of, warnings_about
from tts_app.api.sse import event
from tts_app.api.streams import ClosingStream, PrimedStream, kept_alive
from tts_app.api.uninterrupted import uninterrupted
from tts_app.audio.formats import FORMATS
from tts_app.catalogue import Catalogue, CatalogueVoice
from tts_app.security.principal import Scope
from tts_app.serving.durable import BrokenOffError, file_name
from tts_app.speech import SpeechOptions, TextError, Utterance
from tts_app.storage.audio import DamagedError, Stored
from tts_app.storage.speeches import Speech, Status, Wanted
from tts_app.telemetry.about import note
from tts_app.telemetry.logs import log

router = APIRouter(prefix="/v1/speech", tags=["durable speech"])

_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,6})\"?\s*(?=$|[,;])", re.IGNORECASE)
_SILENCE = 15.0
"""Seconds without news of a speech after which its followers get a sign of life."""
_UNKNOWN: dict[int | str, dict[str, object]] = {404: {"model": ErrorAnswer, "description": "No such speech."}}


@router.post(
    "",
    dependencies=[need(Scope.SPEAK), Depends(json_only)],
    status_code=202,
    response_model=SpeechAnswer,
    responses={
        200: {"model": SpeechAnswer, "description": REPEATED},
        201: {"model": SpeechAnswer, "description": "Done within `Prefer: wait=`."},
        409: {"model": ErrorAnswer, "description": "The Idempotency-Key was used for another request."},
        **ERRORS,
    },
    summary="Create stored speech",
)
async def create_stored_speech(
    body: Annotated[DurableRequest, Body(openapi_examples=DURABLE)],
    request: Request,
    tenant: Tenant,
    playground: Playground,
    meter: Metered,
    key: IdempotencyKey = None,
) -> Response:
    """Accept up to 100,000 characters. With `Prefer: wait=N`, wait up to N seconds for the audio.

    A request with an `Idempotency-Key` that was sent before answers with the speech that it made then.
    """
    asked = Speech(
        id=f"speech_{secrets.token_hex(12)}",
        idempotency_key=key,
        request_hash=playground.fingerprint(body.model_dump_json()) if key else None,
    )
    speech = await playground.durable.repeated(tenant, asked)
    if speech is None:
        _check_length(body.text, playground.settings.max_text)
        voice = await _voice(tenant, body, playground)
        utterance = Utterance(body.text, voice, _options(body, voice))
        warnings = await warnings_about(utterance, "text")
        try:
            await unless_left(_check_text(tenant, utterance, playground), request)
        except CallerLeftError:
            return left_response()
        _fill(asked, body, utterance, warnings, playground)
        note(model=asked.model, speech=asked.id)
        speech = await uninterrupted(_accept(asked, utterance, request, tenant, playground, meter))
    is_new = speech.id == asked.id
    headers = {"Location": f"/v1/speech/{speech.id}"}
    wait = _preferred_wait(request, playground.settings.max_wait)
    if wait is not None:
        headers["Preference-Applied"] = f"wait={wait:g}"
        speech = await playground.durable.wait(tenant, speech.id, wait) or speech
    status = (201 if speech.status == Status.DONE else 202) if is_new else 200
    return JSONResponse(_answer(speech, playground).model_dump(), status, headers)


@router.get(
    "",
    dependencies=[need(Scope.READ, Scope.SPEAK)],
    response_model=SpeechPage,
    summary="List stored speeches",
)
async def list_speeches(
    query: Annotated[SpeechQuery, Query()], tenant: Tenant, playground: Playground
) -> SpeechPage:
    """List your speeches, newest first; `cursor` is the `next` of the page before."""
    wanted = Wanted(query.status, query.model, query.voice, _seconds(query.start), _seconds(query.end))
    page = await playground.durable.page(tenant, wanted, query.limit, query.cursor)
    data = [_answer(speech, playground) for speech in page.rows]
    return SpeechPage(data=data, has_more=page.next is not None, next=page.next)


@router.get(
    "/{speech_id}",
    dependencies=[need(Scope.READ, Scope.SPEAK)],
    response_model=SpeechAnswer,
    responses=_UNKNOWN,
    summary="Get status",
)
async def get_speech(speech_id: str, tenant: Tenant, playground: Playground) -> SpeechAnswer:
    """Return the status of a speech."""
    return _answer(await _find(tenant, speech_id, playground), playground)


@router.get(
    "/{speech_id}/audio",
    dependencies=[need(Scope.READ)],
    response_class=StreamingResponse,
    responses={
        **_UNKNOWN,
        200: {"description": "The audio.", "content": audio()},
        206: {"description": "The part that `Range` asked for.", "content": audio()},
        304: {"description": "It is what `If-None-Match` names."},
        409: {"model": ErrorAnswer, "description": "Not done yet, or failed."},
        503: {"model": ErrorAnswer, "description": "The file is damaged."},
        416: {"model": ErrorAnswer, "description": "The file is shorter than that."},
    },
    summary="Download audio",
)
async def get_speech_audio(
    speech_id: str, request: Request, tenant: Tenant, playground: Playground
) -> Response:
    """Send the audio, or the part of it that `Range` asks for.

    While the gateway that is asked makes the speech, mp3, aac and opus are sent as they grow, to their end:
    with 200, without a length, and without parts. If the making fails, the connection breaks off.
    """
    speech = await _find(tenant, speech_id, playground)
    growing = playground.durable.follow_audio(speech) if speech.status == Status.RUNNING else None
    if growing is not None:
        return await _growing(growing, speech, request, playground)
    if speech.status != Status.DONE or speech.bytes is None:
        failed = speech.status == Status.FAILED
        reason = f"has failed: {speech.error}" if failed else f"is {speech.status}; ask again later."
        raise _not_ready(reason, code="failed" if failed else "not_ready")
    if not await asyncio.to_thread(playground.store.exists, tenant, file_name(speech)):
        raise _gone()
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": f'"{speech.sha256}"',
        "Content-Disposition": f'inline; filename="{file_name(speech)}"',
        "Cache-Control": "private, no-cache",
    }
    if headers["ETag"] in _tags(request.headers.get("if-none-match")):
        return Response(status_code=304, headers=headers)
    start, end = 0, speech.bytes
    status = 200
    condition = request.headers.get("if-range")
    if (wanted := request.headers.get("range")) and condition in (None, headers["ETag"]):
        part = byte_range(wanted, speech.bytes)
        if part is not None:
            (start, end), status = part, 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{speech.bytes}"
    headers["Content-Length"] = str(end - start)
    media_type = FORMATS[speech.format].media_type
    stored = Stored(speech.bytes, str(speech.sha256), speech.frames)
    blocks = _told(playground.store.read(tenant, file_name(speech), stored, start, end), speech)
    try:
        first = await asyncio.to_thread(next, blocks, b"")
    except FileNotFoundError:
        raise _gone() from None
    except DamagedError:
        message = (
            "The speech's file is not what was stored: restore it, or delete the speech and order it again."
        )
        raise ApiError(503, message, param="id", code="file_damaged") from None
    await playground.recording.write(request, speech.id)
    return StreamingResponse(chain([first], blocks), status, headers, media_type)


async def _growing(
    pieces: AsyncGenerator[bytes, None], speech: Speech, request: Request, playground: Context
) -> Response:
    """Return the audio of a speech that is being made."""
    try:
        audio = await unless_left(PrimedStream.prime(pieces), request)
    except CallerLeftError:
        return left_response()
    except (BrokenOffError, StopAsyncIteration):
        raise _not_ready("could not be made to its end just now; ask for its status.") from None
    await playground.recording.write(request, speech.id)
    answer = ClosingStream(audio, audio, FORMATS[speech.format].media_type)
    answer.headers["Accept-Ranges"] = "none"
    answer.headers["Content-Disposition"] = f'inline; filename="{file_name(speech)}"'
    return answer


@router.get(
    "/{speech_id}/events",
    dependencies=[need(Scope.READ, Scope.SPEAK)],
    response_class=StreamingResponse,
    responses={
        **_UNKNOWN,
        200: {"description": "The speech, now and after each change.", "content": events_of(SpeechAnswer)},
    },
    summary="Stream progress",
)
async def stream_speech_events(speech_id: str, tenant: Tenant, playground: Playground) -> StreamingResponse:
    """Send an event `speech` now and after each change, until it is done or failed."""
    await _find(tenant, speech_id, playground)
    events = kept_alive(_events(tenant, speech_id, playground), _SILENCE)
    return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


@router.delete(
    "/{speech_id}",
    dependencies=[need(Scope.DELETE)],
    status_code=204,
    responses=_UNKNOWN,
    summary="Delete speech",
)
async def delete_speech(speech_id: str, request: Request, tenant: Tenant, playground: Playground) -> Response:
    """Stop making the speech, if that is in progress, and remove its record and its file."""
    act = playground.recording.act(request)
    if not await uninterrupted(playground.durable.delete(tenant, speech_id, act)):
        raise _no_such(speech_id)
    return Response(status_code=204)


class _MadeBeforeError(Exception):
    """Another request with the same key has made this speech meanwhile."""

    def __init__(self, speech: Speech) -> None:
        super().__init__()
        self.speech = speech


async def _accept(
    speech: Speech, utterance: Utterance, request: Request, tenant: str, playground: Context, meter: Meter
) -> Speech:
    """Reserve for the speech, store it and have it made; return it, or what its key has made meanwhile."""
    act = playground.recording.act(request)
    try:
        async with meter.accepting(speech, utterance):
            kept = await playground.durable.submit(tenant, speech, act)
            if kept.id != speech.id:
                raise _MadeBeforeError(kept)  # so that nothing stays reserved
    except _MadeBeforeError as before:
        return before.speech
    log(
        "durable speech",
        speech=speech.id,
        voice=speech.voice,
        characters=speech.characters,
        text=speech.text_hash,
    )
    return kept


def _fill(
    speech: Speech, body: DurableRequest, utterance: Utterance, warnings: Sequence[str], playground: Context
) -> None:
    """Put into a new speech what is asked for."""
    voice = utterance.voice
    speech.status = Status.QUEUED.value
    speech.created = time.time()
    speech.model, speech.voice, speech.locale = voice.model, voice.id, voice.voice.locale
    speech.format, speech.speed = body.response_format, body.speed
    speech.options = asdict(utterance.options)
    speech.warnings = list(warnings)
    speech.text, speech.characters = body.text, len(body.text)
    speech.text_hash = playground.fingerprint(body.text)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


async def _events(tenant: str, speech_id: str, playground: Context) -> AsyncGenerator[bytes, None]:
    async with aclosing(playground.durable.follow(tenant, speech_id)) as states:
        async for speech in states:
            data = _answer(speech, playground).model_dump()
            yield event(data, "speech")


async def _voice(tenant: str, body: DurableRequest, playground: Context) -> CatalogueVoice:
    catalogue = voices_of(playground.service, body.model)
    auto = (body.language or "").strip().lower() == AUTO
    language = await _language(body, catalogue) if auto else body.language
    if body.voice is None:
        return by_description(catalogue, language, body.dialect, body.gender)
    for name in ("language", "dialect", "gender"):
        if getattr(body, name) is not None and not (auto and name == "language"):
            raise ApiError(
                400,
                f"Parameter {name!r} must be left out where 'voice' is given: a voice has its own.",
                param=name,
                code="conflicting_parameter",
            )
    voice = await voice_of(playground, tenant, body.model, body.voice)
    return in_language(catalogue, voice, language) or voice if auto and language else voice


async def _language(body: DurableRequest, catalogue: Catalogue) -> str:
    """Return the language of the text.

    Raises:
        ApiError: it cannot be told.
    """
    found = await language_of_text(body.text, body.input_format, catalogue)
    if found is None:
        message = "The language of the text cannot be told: name it in 'language', such as en."
        raise ApiError(400, message, param="language", code="unknown_language")
    return found


def _options(body: DurableRequest, voice: CatalogueVoice) -> SpeechOptions:
    if not follows(body, voice):
        raise ApiError(
            400,
            f"The voice {voice.id} does not follow 'instructions': leave them out.",
            param="instructions",
            code="unsupported_parameter",
        )
    return options_of(body, voice)


def _check_length(text: str, limit: int) -> None:
    if len(text) > limit:
        message = f"Parameter 'text' has {len(text)} characters, and {limit} are allowed."
        raise ApiError(400, message, param="text", code="text_too_long")


async def _check_text(tenant: str, utterance: Utterance, playground: Context) -> None:
    try:
        await playground.service.check(tenant, utterance)
    except TextError as error:
        raise ApiError(400, str(error), param="text", code="nothing_to_speak") from None


def _preferred_wait(request: Request, longest: float) -> float | None:
    """Return the seconds of `Prefer: wait=` (RFC 7240), at most `longest`; what cannot be read is ignored."""
    found = _WAIT.search(",".join(request.headers.getlist("prefer")))
    return None if found is None else min(float(found[1]), longest)


async def _find(tenant: str, speech_id: str, playground: Context) -> Speech:
    speech = await playground.durable.get(tenant, speech_id)
    if speech is None:
        raise _no_such(speech_id)
    return speech


def _told(blocks: Iterator[bytes], speech: Speech) -> Iterator[bytes]:
    """Yield the blocks; log where the file is not what was stored."""
    try:
        yield from blocks
    except DamagedError as error:
        log("audio damaged", level=logging.ERROR, speech=speech.id, error=error)
        raise


def _not_ready(reason: str, code: str = "not_ready") -> ApiError:
    return ApiError(409, f"The speech {reason}", code=code)


def _gone() -> ApiError:
    message = "The speech's file is gone from the audio store."
    return ApiError(404, message, param="id", code="file_gone")


def _no_such(speech_id: str) -> ApiError:
    return ApiError(404, f"There is no speech {speech_id[:60]!r}.", param="id", code="unknown_speech")


def _tags(header: str | None) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in (header or "").split(",")}


def _answer(speech: Speech, playground: Context) -> SpeechAnswer:
    progress = playground.durable.progress(speech)
    finished = speech.finished_at
    seconds = progress.seconds if progress and speech.seconds is None else speech.seconds
    size = progress.bytes if progress and speech.bytes is None else speech.bytes
    address = f"/v1/speech/{speech.id}"
    return SpeechAnswer(
        id=speech.id,
        status=Status(speech.status).value,
        created=speech.created_at.isoformat(timespec="milliseconds"),
        finished=finished.isoformat(timespec="milliseconds") if finished else None,
        model=speech.model,
        voice=speech.voice,
        locale=speech.locale,
        response_format=speech.format,
        speed=speech.speed,
        characters=speech.characters,
        seconds=None if seconds is None else round(seconds, 3),
        bytes=size,
        sha256=speech.sha256,
        error=speech.error,
        warnings=speech.warnings or [],
        links=SpeechLinks(self=address, audio=f"{address}/audio", events=f"{address}/events"),
    )
