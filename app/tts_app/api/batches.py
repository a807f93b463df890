"""`/v1/batches`: posts times avatars, rendered in the background into files with agreed names."""

import json
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from starlette.responses import JSONResponse, Response, StreamingResponse

from tts_app.api.answers import BatchFailure, BatchItem
from tts_app.api.contents import binary, events_of
from tts_app.api.deps import Context, Playground, Tenant, json_only
from tts_app.api.errors import ApiError
from tts_app.api.examples import BATCH
from tts_app.api.idempotency import REPEATED, IdempotencyKey
from tts_app.api.meter import Metered
from tts_app.api.schemas import ERRORS, ErrorAnswer
from tts_app.api.scopes import need
from tts_app.api.sse import event
from tts_app.api.streams import kept_alive
from tts_app.api.uninterrupted import uninterrupted
from tts_app.batch.items import Filter
from tts_app.batch.plan import PlanError
from tts_app.batch.spool import SpoolError
from tts_app.resources.base import Resource
from tts_app.resources.tts_job import Avatars, Post, Reading, TTSJobSpec
from tts_app.security.principal import Scope
from tts_app.storage.batches import Batch, BatchStatus
from tts_app.storage.output import LockedError, OutputError, describe

router = APIRouter(prefix="/v1/batches", tags=["batches"])

_SILENCE = 15.0
"""Seconds without news of a batch after which its followers get a sign of life."""
_FAULTS_REPORTED = 100
_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": ErrorAnswer, "description": "No such batch."}}
_CONFLICT: dict[int | str, dict[str, Any]] = {409: {"model": ErrorAnswer, "description": "It does not fit."}}
_UNAVAILABLE: dict[int | str, dict[str, Any]] = {
    503: {"model": ErrorAnswer, "description": "Its files cannot be reached now."}
}


class BatchOutput(Resource):
    """Format and names of the files; the server decides where they are."""

    format: Literal["mp3", "opus", "aac", "flac", "wav"] = "mp3"
    """Format of the audio."""
    name_template: str = "post_{post:02d}_{gender}_{locale}"
    """Name of a file, without extension, from {post} (with zeros: {post:02d}), {gender} and {locale}."""


class BatchRequest(Resource):
    """A TTSJob's posts and avatars."""

    posts: Annotated[list[Post], Field(min_length=1, max_length=500)]
    """Each with an id, and its text by language or locale."""
    avatars: Avatars = Avatars()
    """Which avatars speak; default: all."""
    output: BatchOutput = BatchOutput()
    """Format and names of the files."""
    parameters: dict[str, JsonValue] | None = None
    """Settings of the voices' engines, as `/v1/models/{id}` has them."""
    reading: Reading = Reading()
    """How the texts are read; default: as plain text."""
    on_missing_text: Literal["fail", "skip"] = "fail"
    """What a post means that has no text for a wanted locale."""
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    """How often an item that failed is tried again."""
    parallelism: Annotated[int, Field(ge=1, le=64)] = 8
    """Items that are spoken at a time, at most."""
    text_ttl: Annotated[float, Field(ge=0, le=10 * 366 * 86_400)] | None = None
    """Seconds after its end for which its texts are kept, and it can be retried; default: the service's."""


class BatchCounts(BaseModel):
    """How many of the batch's items are through."""

    total: int
    done: int
    failed: int
    skipped: int
    percent: int


class BatchLinks(BaseModel):
    """Where the rest of a batch is."""

    self: str
    items: str
    events: str
    archive: str


class BatchAnswer(BaseModel):
    """A batch."""

    id: str
    object: Literal["batch"] = "batch"
    status: Literal["queued", "running", "succeeded", "partially_failed", "failed", "cancelled"]
    created: str
    started: str | None
    finished: str | None
    counts: BatchCounts
    failures: list[BatchFailure]
    """The first ten, while it runs; `items?status=failed` has all."""
    waiting: str | None
    """What it waits for, while it does."""
    message: str | None
    links: BatchLinks


class BatchPage(BaseModel):
    """Batches, newest first."""

    object: Literal["list"] = "list"
    data: list[BatchAnswer]
    has_more: bool
    next: str | None
    """`cursor` of the next page."""


class ItemPage(BaseModel):
    """Items, in the order of the posts."""

    object: Literal["list"] = "list"
    data: list[BatchItem]
    has_more: bool
    next: int | None
    """`after` of the next page."""


class ItemQuery(BaseModel):
    """Filters and page of the items."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Literal["pending", "done", "failed"] | None = None
    locale: str | None = None
    gender: Literal["female", "male"] | None = None
    post: Annotated[int | None, Field(ge=0)] = None
    after: Annotated[int, Field(ge=-1)] = -1
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


@router.post(
    "",
    dependencies=[need(Scope.BATCH), Depends(json_only)],
    status_code=202,
    response_model=BatchAnswer,
    responses={200: {"model": BatchAnswer, "description": REPEATED}, **_CONFLICT, **ERRORS},
    summary="Create batch",
)
async def create_batch(
    body: Annotated[BatchRequest, Body(openapi_examples=BATCH)],
    request: Request,
    tenant: Tenant,
    playground: Playground,
    meter: Metered,
    key: IdempotencyKey = None,
) -> JSONResponse:
    """Accept a batch. All posts are looked at first: every fault is listed, and then nothing is rendered.

    A request with an `Idempotency-Key` that was sent before answers with the batch that it made then.
    """
    job = _job(body)
    batch = Batch(
        id=f"batch_{secrets.token_hex(12)}",
        status=BatchStatus.QUEUED.value,
        created=time.time(),
        idempotency_key=key,
        request_hash=playground.fingerprint(job),
        job=job,
        text_ttl=body.text_ttl,
    )
    act = playground.recording.act(request)

    async def accept() -> Batch:
        async with meter.accepting_batch(batch) as allow:
            return await playground.batches.submit(tenant, batch, act, allow)

    try:
        kept = await uninterrupted(accept())
    except PlanError as error:
        raise _faults(error) from None
    headers = {"Location": f"/v1/batches/{kept.id}"}
    status = 202 if kept.id == batch.id else 200
    return JSONResponse(_answer(kept, playground).model_dump(), status, headers)


@router.get(
    "",
    dependencies=[need(Scope.READ, Scope.BATCH)],
    response_model=BatchPage,
    summary="List batches",
)
async def list_batches(
    tenant: Tenant,
    playground: Playground,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
) -> BatchPage:
    """List batches, newest first; `cursor` is the `next` of the page before."""
    page = await playground.batches.page(tenant, limit, cursor)
    data = [_answer(batch, playground) for batch in page.rows]
    return BatchPage(data=data, has_more=page.next is not None, next=page.next)


@router.get(
    "/{batch_id}",
    dependencies=[need(Scope.READ, Scope.BATCH)],
    response_model=BatchAnswer,
    responses=_UNKNOWN,
    summary="Get status",
)
async def get_batch(batch_id: str, tenant: Tenant, playground: Playground) -> BatchAnswer:
    """Return the status of a batch."""
    return _answer(await _find(tenant, batch_id, playground), playground)


@router.get(
    "/{batch_id}/items",
    dependencies=[need(Scope.READ, Scope.BATCH)],
    response_model=ItemPage,
    responses={**_UNKNOWN, **_UNAVAILABLE},
    summary="List items",
)
async def list_batch_items(
    batch_id: str, query: Annotated[ItemQuery, Query()], tenant: Tenant, playground: Playground
) -> ItemPage:
    """List the items, filtered, a page at a time."""
    batch = await _find(tenant, batch_id, playground)
    wanted = Filter(query.status, query.locale, query.gender, query.post)
    try:
        found = await playground.batches.items(batch, wanted, query.after, query.limit + 1)
    except OSError as error:
        raise _unavailable(error, "read") from error
    data, more = found[: query.limit], len(found) > query.limit
    return ItemPage(
        data=[BatchItem(**item) for item in data], has_more=more, next=data[-1]["number"] if more else None
    )


@router.get(
    "/{batch_id}/events",
    dependencies=[need(Scope.READ, Scope.BATCH)],
    response_class=StreamingResponse,
    responses={
        **_UNKNOWN,
        200: {"description": "The batch, now and after each change.", "content": events_of(BatchAnswer)},
    },
    summary="Stream progress",
)
async def stream_batch_events(batch_id: str, tenant: Tenant, playground: Playground) -> StreamingResponse:
    """Send an event `batch` now and after each change, until the batch has ended."""
    await _find(tenant, batch_id, playground)
    events = kept_alive(_events(tenant, batch_id, playground), _SILENCE)
    return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


@router.get(
    "/{batch_id}/archive",
    dependencies=[need(Scope.EXPORT)],
    response_class=StreamingResponse,
    responses={
        **_UNKNOWN,
        **_CONFLICT,
        **_UNAVAILABLE,
        200: {"description": "A zip of the audio.", "content": binary("application/zip")},
    },
    summary="Download archive of audio",
)
async def get_batch_archive(
    batch_id: str, request: Request, tenant: Tenant, playground: Playground
) -> Response:
    """Send a zip of the files that are done, and a manifest; the batch must have ended."""
    batch = await _find(tenant, batch_id, playground)
    if not BatchStatus(batch.status).final:
        raise ApiError(409, f"The batch is {batch.status}; ask again when it has ended.")
    try:
        blocks = await playground.batches.archive(batch)
    except SpoolError as error:
        raise ApiError(503, str(error), code="output_unavailable") from error
    except OSError as error:
        raise _unavailable(error, "read") from error
    if blocks is None:
        raise ApiError(409, "The batch has no audio.", code="empty")
    await playground.recording.write(request, batch.id, blocks)
    headers = {"Content-Disposition": f'attachment; filename="{batch.id}.zip"'}
    return StreamingResponse(blocks, 200, headers, "application/zip")


@router.delete(
    "/{batch_id}",
    dependencies=[need(Scope.DELETE)],
    status_code=204,
    responses={**_UNKNOWN, **_CONFLICT, **_UNAVAILABLE},
    summary="Delete batch and its files",
)
async def delete_batch(batch_id: str, request: Request, tenant: Tenant, playground: Playground) -> Response:
    """Remove an ended batch: its texts, its record and its audio. One that runs must be cancelled before."""
    batch = await _find(tenant, batch_id, playground)
    deleted = False
    try:
        with suppress(LockedError):
            act = playground.recording.act(request)
            deleted = await uninterrupted(playground.batches.delete(batch, act))
    except OutputError as error:
        raise ApiError(503, str(error), code="output_unavailable") from error
    except OSError as error:
        raise _unavailable(error, "removed") from error
    if not deleted:
        now = await _find(tenant, batch_id, playground)  # another caller may have removed it meanwhile
        if BatchStatus(now.status).final:
            raise ApiError(409, "Its last items are still being spoken; ask again in some seconds.")
        raise ApiError(409, f"The batch has not ended: it is {now.status}. POST {batch_id}/cancel first.")
    return Response(status_code=204)


@router.post(
    "/{batch_id}/cancel",
    dependencies=[need(Scope.BATCH)],
    response_model=BatchAnswer,
    responses={**_UNKNOWN, **_CONFLICT},
    summary="Cancel batch",
)
async def cancel_batch(
    batch_id: str, request: Request, tenant: Tenant, playground: Playground
) -> BatchAnswer:
    """End the batch after the items in hand. What is done stays."""
    batch = await _find(tenant, batch_id, playground)
    act = playground.recording.act(request)
    cancelled = await uninterrupted(playground.batches.cancel(batch, act))
    if not cancelled and batch.status != BatchStatus.CANCELLED:
        raise ApiError(409, f"The batch has ended already: it is {batch.status}.", code="ended")
    return _answer(await _find(tenant, batch_id, playground), playground)


@router.post(
    "/{batch_id}/retry",
    dependencies=[need(Scope.BATCH)],
    status_code=202,
    response_model=BatchAnswer,
    responses={**_UNKNOWN, **_CONFLICT},
    summary="Retry failed items",
)
async def retry_batch(
    batch_id: str, request: Request, tenant: Tenant, playground: Playground, meter: Metered
) -> BatchAnswer:
    """Render what failed, or was not done when the batch was cancelled. What is done stays."""
    batch = await _find(tenant, batch_id, playground)
    act = playground.recording.act(request)

    async def reopen() -> None:
        async with meter.reopening(batch):
            if not await playground.batches.retry(batch, act):
                raise _not_retried(await _find(tenant, batch_id, playground))

    await uninterrupted(reopen())
    return _answer(await _find(tenant, batch_id, playground), playground)


async def _events(tenant: str, batch_id: str, playground: Context) -> AsyncGenerator[bytes, None]:
    async with aclosing(playground.batches.follow(tenant, batch_id)) as states:
        async for batch in states:
            data = _answer(batch, playground).model_dump()
            yield event(data, "batch")


def _job(body: BatchRequest) -> str:
    """Return the body as the part of a TTSJob that is stored.

    Raises:
        RequestValidationError: the body is not valid in a TTSJob.
    """
    spec = body.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"text_ttl"})
    spec["posts"] = {"inline": spec["posts"]}
    if body.reading == Reading():  # a version that had no `reading` stored the same request without it
        spec.pop("reading")
    try:
        TTSJobSpec.model_validate({**spec, "output": {**spec["output"], "uri": "file:///nowhere-yet"}})
    except ValidationError as error:
        raise RequestValidationError([{**e, "loc": ("body", *e["loc"])} for e in error.errors()]) from None
    return json.dumps(spec, ensure_ascii=False, sort_keys=True)


def _faults(error: PlanError) -> ApiError:
    faults = [str(fault) for fault in error.faults[:_FAULTS_REPORTED]]
    more = len(error.faults) - len(faults)
    return ApiError(
        400,
        "; ".join([*faults, *([f"and {more} more"] if more else [])]) + ". Nothing was rendered.",
        param=error.faults[0].where.partition(" ")[0],
        code="invalid_batch",
    )


def _not_retried(batch: Batch) -> ApiError:
    """Return why a batch cannot be retried."""
    if batch.status == BatchStatus.SUCCEEDED:
        message, code = "Nothing of the batch has failed: there is nothing to render.", "nothing_failed"
    elif batch.texts_gone:
        message = "The batch's texts are forgotten, some time after its end (text_ttl): make a new batch."
        code = "texts_forgotten"
    else:
        return ApiError(409, f"The batch has not ended: it is {batch.status}.")
    return ApiError(409, message, code=code)


def _unavailable(error: OSError, what: str) -> ApiError:
    message = f"The batch's files cannot be {what}: {describe(error)}."
    return ApiError(503, message, code="output_unavailable")


async def _find(tenant: str, batch_id: str, playground: Context) -> Batch:
    batch = await playground.batches.get(tenant, batch_id)
    if batch is None:
        raise ApiError(404, f"There is no batch {batch_id[:60]!r}.", param="id", code="unknown_batch")
    return batch


def _moment(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds")


def _answer(batch: Batch, playground: Context) -> BatchAnswer:
    progress = playground.batches.progress(batch)
    now = progress if progress and progress.known else batch
    through = now.done + now.failed
    address = f"/v1/batches/{batch.id}"
    return BatchAnswer(
        id=batch.id,
        status=BatchStatus(batch.status).value,
        created=_moment(batch.created_at),
        started=batch.started_at and _moment(batch.started_at),
        finished=batch.finished_at and _moment(batch.finished_at),
        counts=BatchCounts(
            total=now.total,
            done=now.done,
            failed=now.failed,
            skipped=now.skipped,
            percent=100 * through // now.total if now.total else 0,
        ),
        failures=[BatchFailure(**failure) for failure in progress.failures] if progress else [],
        waiting=(progress.waiting or None) if progress else None,
        message=batch.message,
        links=BatchLinks(
            self=address,
            items=f"{address}/items",
            events=f"{address}/events",
            archive=f"{address}/archive",
        ),
    )
