"""`/v1/voices`: voices that are cloned from a recording, with the consent of whoever speaks in it."""

import asyncio
import datetime as dt
import hashlib
import json
import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field, StringConstraints, ValidationError, field_validator
from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.responses import JSONResponse, Response

from tts_app.api.deps import Context, Playground, Tenant
from tts_app.api.errors import ApiError
from tts_app.api.idempotency import REPEATED, IdempotencyKey
from tts_app.api.requests import Strict
from tts_app.api.schemas import ERRORS, ErrorAnswer, Text
from tts_app.api.scopes import need
from tts_app.api.uninterrupted import uninterrupted
from tts_app.cloning.checks import Checked, check_recording
from tts_app.cloning.recordings import RecordingError
from tts_app.cloning.sandbox import CLIP_RATE, Limits, decode_recording
from tts_app.cloning.speakers import Comparison, compare_speakers
from tts_app.resources import VoiceModel
from tts_app.resources.engines import ENGINES
from tts_app.security.principal import Scope
from tts_app.serving.admission import Admission
from tts_app.serving.client import LOST
from tts_app.serving.clones import NewVoice, Record
from tts_app.settings import Settings
from tts_app.storage.voices import ClonedVoice
from tts_app.telemetry.logs import log

PATH = "/v1/voices"
router = APIRouter(prefix=PATH, tags=["cloned voices"])

_FILES = ("audio_sample", "consent_sample")
_FIELDS = ("name", "transcript", "consent", "model", "locale", "gender")
_OPTIONAL = ("model", "locale", "gender")
_MOST_TRANSCRIPT = 4096
_DECODED_AT_A_TIME = 2
_DECODING_QUEUE = 16
_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": ErrorAnswer, "description": "No such voice."}}
Line = Annotated[Text, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]


def decoding_of(settings: Settings) -> Admission:
    """Return who may have recordings decoded now: a few at a time, for each takes a core for seconds."""
    full = "Too many recordings are waiting to be decoded."
    return Admission(_DECODED_AT_A_TIME, _DECODING_QUEUE, weights=settings.weights, full=full)


class ConsentRecord(Strict):
    """What proves that the speaker agreed to be cloned."""

    id: Line
    """Where the proof can be found: the number of a contract or form."""
    by: Line
    """Who agreed: the speaker, or who may decide for them."""
    date: Annotated[dt.date, Field(strict=False)]
    """When, as year-month-day."""
    purpose: Line | None = None
    """What the voice may be used for."""
    expires: Annotated[dt.date, Field(strict=False)] | None = None
    """The last day on which the voice may be used."""
    statement: Annotated[Text, StringConstraints(max_length=_MOST_TRANSCRIPT)] | None = None
    """The words that are spoken in `consent_sample`."""

    @field_validator("date")
    @classmethod
    def _not_to_come(cls, given: dt.date) -> dt.date:
        tomorrow = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)  # it may be that already elsewhere
        if given > tomorrow:
            raise ValueError("it is a day to come: give the day on which the speaker agreed")
        return given

    @field_validator("expires")
    @classmethod
    def _not_over(cls, given: dt.date | None) -> dt.date | None:
        if given is not None and given < dt.datetime.now(dt.UTC).date():
            raise ValueError("it is over: the speaker must agree anew")
        return given


class VoiceForm(Strict):
    """The text fields of the form."""

    name: Line
    """What you call the voice."""
    transcript: Annotated[Text, StringConstraints(min_length=1, max_length=_MOST_TRANSCRIPT)]
    """The words that are spoken in `audio_sample`."""
    model: Line | None = None
    """VoiceModel that speaks with it; default: the first that clones."""
    locale: Line | None = None
    """Locale that it speaks; needed where the model speaks several."""
    gender: Literal["female", "male"] | None = None
    """For lists and file names; default: by the pitch of the clip."""


class VoiceAnswer(Strict):
    """A cloned voice."""

    id: str
    object: Literal["voice"] = "voice"
    name: str
    created: str
    model: str
    locale: str
    gender: str
    consent: dict[str, str]
    measured: dict[str, float]
    """Of the clip: seconds, signal-to-noise ratio in dB, share of clipped samples, pitch in Hz."""
    speakers: dict[str, bool | float | str | None]
    """Whether the speakers of clip and consent were compared, and how alike they are (-1 to 1)."""


class VoicesAnswer(Strict):
    """Cloned voices."""

    object: Literal["list"] = "list"
    data: list[VoiceAnswer]


def _form_schema() -> dict[str, Any]:
    """Return what OpenAPI says of the form: it is read here, so that no recording is written to a disk."""
    fields = VoiceForm.model_json_schema()["properties"]
    consent = {"type": "string", "description": f"JSON: {', '.join(ConsentRecord.model_fields)}."}
    file = {"type": "string", "format": "binary"}
    properties = {**fields, "consent": consent, **dict.fromkeys(_FILES, file)}
    required = [*_FILES, *(name for name in _FIELDS if name not in _OPTIONAL)]
    schema = {"type": "object", "properties": properties, "required": required}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


@router.post(
    "",
    dependencies=[need(Scope.CLONE)],
    status_code=201,
    response_model=VoiceAnswer,
    responses={
        200: {"model": VoiceAnswer, "description": REPEATED},
        409: {"model": ErrorAnswer, "description": "The Idempotency-Key was used for another request."},
        **ERRORS,
    },
    openapi_extra=_form_schema(),
    summary="Clone voice",
)
async def clone_voice(
    request: Request, tenant: Tenant, playground: Playground, key: IdempotencyKey = None
) -> JSONResponse:
    """Make a voice of a recording of 3 to 30 s, with its transcript and the speaker's consent.

    `consent_sample` is the speaker saying that they agree. Both recordings are decoded apart, checked and
    stored encrypted. A request with an `Idempotency-Key` that was sent before answers with the voice that it
    made then.
    """
    cloning = _cloning_models(playground)
    playground.clones.vault  # noqa: B018 - raises where there is no key: before the body is read
    if key is None:
        await _check_room(tenant, playground)
    form = await _form(request)
    said, consent = _said(form)
    recordings = [await _content(form, name) for name in _FILES]
    request_hash = _hash(said, consent, recordings, playground) if key else None
    if key and request_hash:
        before = await asyncio.to_thread(playground.clones.repeated, tenant, key, request_hash)
        if before is not None:
            return _made(*before, 200)
        await _check_room(tenant, playground)
    model = _model(said, cloning)
    locale = _locale(said, model)
    limits = Limits(bytes=playground.settings.max_recording)
    async with playground.decoding.slot(tenant):
        clip, spoken = [
            await asyncio.to_thread(_checked, name, data, limits)
            for name, data in zip(_FILES, recordings, strict=True)
        ]
        comparison = await asyncio.to_thread(_compared, clip, spoken)
    new = NewVoice(
        id=f"voice_{secrets.token_hex(12)}",
        model=model.name,
        locale=locale,
        gender=said.gender or clip.gender,
        expires=_end_of(consent.expires),
        record=Record(
            name=said.name,
            transcript=said.transcript,
            consent=consent.model_dump(mode="json", exclude_none=True),
            measured={name: value for name, value in asdict(clip).items() if name != "audio"},
            speakers=comparison.written(),
        ),
        clip=clip.audio,
        consent_clip=spoken.audio,
        idempotency_key=key,
        request_hash=request_hash,
    )
    act = playground.recording.act(request)
    voice = await uninterrupted(asyncio.to_thread(playground.clones.add, tenant, new, act))
    log("voice cloned", voice=voice.id, model=voice.model, seconds=clip.seconds, compared=comparison.checked)
    return _made(voice, new.record, 201 if voice.id == new.id else 200)


def _made(voice: ClonedVoice, record: Record, status: int) -> JSONResponse:
    return JSONResponse(_answer(voice, record).model_dump(), status, {"Location": f"{PATH}/{voice.id}"})


def _hash(said: VoiceForm, consent: ConsentRecord, recordings: Sequence[bytes], playground: Context) -> str:
    """Return the keyed hash of a request, by which a repeated one is known."""
    digests = [hashlib.sha256(recording).hexdigest() for recording in recordings]
    return playground.fingerprint(
        json.dumps([said.model_dump(mode="json"), consent.model_dump(mode="json"), *digests])
    )


@router.get("", dependencies=[need(Scope.READ, Scope.CLONE)], summary="List cloned voices")
async def list_cloned_voices(tenant: Tenant, playground: Playground) -> VoicesAnswer:
    """Return your cloned voices, oldest first."""
    found = await asyncio.to_thread(playground.clones.list, tenant)
    return VoicesAnswer(data=[_answer(voice, record) for voice, record in found])


@router.get(
    "/{voice_id}",
    dependencies=[need(Scope.READ, Scope.CLONE)],
    response_model=VoiceAnswer,
    responses=_UNKNOWN,
    summary="Get cloned voice",
)
async def get_cloned_voice(voice_id: str, tenant: Tenant, playground: Playground) -> VoiceAnswer:
    """Return a cloned voice."""
    found = await asyncio.to_thread(playground.clones.get, tenant, voice_id)
    if found is None:
        raise _no_such(voice_id)
    return _answer(*found)


@router.delete(
    "/{voice_id}",
    dependencies=[need(Scope.DELETE, Scope.CLONE)],
    status_code=204,
    responses=_UNKNOWN,
    summary="Revoke cloned voice",
)
async def revoke_cloned_voice(
    voice_id: str, request: Request, tenant: Tenant, playground: Playground
) -> Response:
    """Destroy the voice's key, its clip and the consent's; have every replica forget it. For good."""
    act = playground.recording.act(request)

    async def revoke() -> ClonedVoice | None:
        voice = await asyncio.to_thread(playground.clones.revoke, tenant, voice_id, act)
        if voice is not None:
            await _forget(voice, playground)
        return voice

    if await uninterrupted(revoke()) is None:
        raise _no_such(voice_id)
    log("voice revoked", voice=voice_id)
    return Response(status_code=204)


async def _forget(voice: ClonedVoice, playground: Context) -> None:
    """Have the replicas forget the clip at once. One that does not answer drops it when its lease ends."""
    if voice.model not in [model.name for model in playground.service.models]:
        return
    try:
        await playground.service.served.find(voice.model).client.forget(voice.digest)
    except (*LOST, TimeoutError) as error:
        log("clip not forgotten everywhere yet", level=logging.WARNING, voice=voice.id, error=error)


def _cloning_models(playground: Context) -> dict[str, VoiceModel]:
    """Return the models that clone, by name. Raises ApiError."""
    cloning = {m.name: m for m in playground.service.models if ENGINES[m.spec.engine].clones}
    if not cloning:
        able = ", ".join(sorted(name for name, engine in ENGINES.items() if engine.clones))
        raise ApiError(
            400,
            f"No model here can clone a voice. Engines that can: {able or 'none in this version'}. "
            "Serve a VoiceModel of one of them.",
            code="no_cloning_model",
        )
    return cloning


async def _check_room(tenant: str, playground: Context) -> None:
    most = playground.settings.max_voices
    if await asyncio.to_thread(playground.clones.count, tenant) >= most:
        raise ApiError(
            429,
            f"Your tenant has as many cloned voices as it may have: {most}. Revoke one first.",
            code="insufficient_quota",
            headers={"x-should-retry": "false"},
        )


class _InMemory(MultiPartParser):
    """Reads a form without writing its files to a disk, as starlette's does with those above a size."""

    spool_max_size = 1 << 40


async def _form(request: Request) -> FormData:
    """Return the form of a request's body. Raises ApiError."""
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != "multipart/form-data":
        raise ApiError(415, "The body must be a form, with `Content-Type: multipart/form-data`.")
    parser = _InMemory(
        request.headers,
        request.stream(),
        max_files=len(_FILES),
        max_fields=len(_FIELDS),
        max_part_size=1 << 16,
    )
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError, KeyError) as error:
        reason = getattr(error, "message", "") or "it is damaged"
        raise ApiError(400, f"The form cannot be read: {reason}", code="invalid_form") from error
    unknown = next((name for name in form if name not in (*_FILES, *_FIELDS)), None)
    if unknown is not None:
        raise ApiError(
            400, f"There is no parameter {unknown[:60]!r} here.", param=unknown[:60], code="unknown_parameter"
        )
    return form


def _said(form: FormData) -> tuple[VoiceForm, ConsentRecord]:
    """Return the form's texts and the consent. Raises ApiError."""
    texts: dict[str, str] = {}
    for name in _FIELDS:
        value = form.get(name)
        if isinstance(value, UploadFile):
            raise ApiError(400, f"Parameter {name!r} must be a text, not a file.", param=name)
        if value is not None and len(form.getlist(name)) > 1:
            raise ApiError(400, f"Parameter {name!r} is given twice.", param=name)
        if value is None and name not in _OPTIONAL:
            raise ApiError(400, f"Parameter {name!r} is required.", param=name, code="missing_parameter")
        if value is not None:
            texts[name] = value
    consent = texts.pop("consent")
    try:
        said = VoiceForm.model_validate(texts)
    except ValidationError as error:
        raise _wrong(error, "") from None
    try:
        return said, ConsentRecord.model_validate_json(consent)
    except ValidationError as error:
        raise _wrong(error, "consent") from None


def _wrong(error: ValidationError, inside: str) -> ApiError:
    """Return the error of the first fault of some fields, or of the JSON `inside` a field."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(filter(None, [inside, *map(str, first["loc"])]))
    shape = f" It is JSON with {', '.join(ConsentRecord.model_fields)}." if inside else ""
    return ApiError(
        400,
        f"Parameter {where!r} is wrong: {first['msg'].removeprefix('Value error, ')}.{shape}",
        param=where,
        code="missing_parameter" if first["type"] == "missing" else "invalid_value",
    )


async def _content(form: FormData, name: str) -> bytes:
    """Return the content of a file of the form. Raises ApiError."""
    file = form.get(name)
    if file is None:
        raise ApiError(400, f"Parameter {name!r} is required.", param=name, code="missing_parameter")
    if not isinstance(file, UploadFile) or len(form.getlist(name)) > 1:
        raise ApiError(400, f"Parameter {name!r} must be one file.", param=name)
    return await file.read()


def _model(said: VoiceForm, cloning: Mapping[str, VoiceModel]) -> VoiceModel:
    if said.model is None:
        return next(iter(cloning.values()))
    if said.model not in cloning:
        raise ApiError(
            400,
            f"There is no model {said.model!r} that clones voices. Allowed: {', '.join(cloning)}.",
            param="model",
            code="unknown_model",
        )
    return cloning[said.model]


def _locale(said: VoiceForm, model: VoiceModel) -> str:
    spoken = {voice.locale.lower(): voice.locale for voice in model.spec.voices}
    if said.locale is None and len(spoken) == 1:
        return next(iter(spoken.values()))
    allowed = ", ".join(sorted(spoken.values()))
    if said.locale is None:
        raise ApiError(
            400,
            f"Parameter 'locale' is required: the model {model.name!r} speaks {allowed}.",
            param="locale",
            code="missing_parameter",
        )
    if said.locale.lower() not in spoken:
        raise ApiError(
            400,
            f"The model {model.name!r} does not speak {said.locale!r}. Allowed: {allowed}.",
            param="locale",
            code="unknown_locale",
        )
    return spoken[said.locale.lower()]


def _checked(name: str, data: bytes, limits: Limits) -> Checked:
    """Return the clip of a recording, decoded apart. Blocks for seconds. Raises ApiError."""
    try:
        return check_recording(decode_recording(data, limits), CLIP_RATE)
    except RecordingError as error:
        raise ApiError(400, f"{name}: {error}", param=name, code="unfit_recording") from None


def _compared(clip: Checked, spoken: Checked) -> Comparison:
    try:
        return compare_speakers(clip.audio, spoken.audio, CLIP_RATE)
    except RecordingError as error:
        raise ApiError(400, str(error), param="consent_sample", code="other_speaker") from None


def _end_of(day: dt.date | None) -> float | None:
    """Return when a day ends, in dt.UTC."""
    if day is None:
        return None
    return dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), dt.UTC).timestamp()


def _answer(voice: ClonedVoice, record: Record) -> VoiceAnswer:
    return VoiceAnswer(
        id=voice.id,
        name=record.name,
        created=dt.datetime.fromtimestamp(voice.created, dt.UTC).isoformat(timespec="milliseconds"),
        model=voice.model,
        locale=voice.locale,
        gender=voice.gender,
        consent=record.consent,
        measured=record.measured,
        speakers=record.speakers,
    )


def _no_such(voice_id: str) -> ApiError:
    return ApiError(404, f"There is no voice {voice_id[:60]!r}.", param="id", code="unknown_voice")
