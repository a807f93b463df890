"""`/v1/audio/speech/stream`: a WebSocket for text that is still being written, as voice agents have it."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import MappingProxyType
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from pydantic import StringConstraints, ValidationError
from starlette.datastructures import Headers
from starlette.responses import Response

from tts_app.api.deps import Caller, Context, Playground
from tts_app.api.door import bearer_of, principal_of
from tts_app.api.errors import ApiError, as_api_error, error_body
from tts_app.api.meter import Meter, Metered
from tts_app.api.openai_speech import chosen_voice
from tts_app.api.requests import Strict
from tts_app.api.schemas import SpokenRequest, Text
from tts_app.api.scopes import need
from tts_app.api.speech_options import follows, options_of
from tts_app.api.websockets import (
    BROKEN,
    GOING_AWAY,
    PATH,
    POLICY,
    Socket,
    SocketClosedError,
    Upgraded,
    is_handshake,
)
from tts_app.language.split import Sentences
from tts_app.security.principal import Principal, Scope
from tts_app.speech import Utterance
from tts_app.telemetry.about import note
from tts_app.telemetry.logs import log

router = APIRouter(tags=["speech"], dependencies=[need(Scope.SPEAK)])

MESSAGE = 65_536
"""Most bytes of a caller's message."""
TURN_IDLE = 10.0
"""Seconds without words after which a turn that was begun is ended as by `flush`: it holds a model's slot."""
TURN = 600.0
"""Seconds in which a turn is written, after which it is ended in the same way."""
SESSION = 3600.0
"""Seconds that a session may last."""
TURNS = 8
"""Turns that may be unspoken at a time."""


class Start(SpokenRequest):
    """How what follows is spoken; the fields are those of `POST /v1/audio/speech`."""

    type: Literal["start"]


class Written(Strict):
    """Text of the turn; it may break off anywhere."""

    type: Literal["text"]
    text: Annotated[Text, StringConstraints(max_length=MESSAGE)]


class Command(Strict):
    """`flush`: the turn's text is whole. `cancel`: forget all turns. `end`: flush, speak all, and close."""

    type: Literal["flush", "cancel", "end"]


_KINDS: MappingProxyType[str, type[Start | Written | Command]] = MappingProxyType(
    {"start": Start, "text": Written, "flush": Command, "cancel": Command, "end": Command}
)


@router.get(
    PATH,
    include_in_schema=False,  # OpenAPI knows no WebSockets: docs/api.md has the messages
)
async def stream_speech(request: Request, caller: Caller, playground: Playground, meter: Metered) -> Response:
    """Speak text that is still being written: messages in, audio out, until either side closes."""
    if not is_handshake(request.scope):
        raise ApiError(
            426,
            "This address speaks WebSocket alone: connect to it with ws:// or wss://.",
            code="upgrade_required",
            headers={"Upgrade": "websocket", "Connection": "Upgrade"},
        )

    async def session(socket: Socket) -> None:
        await _Session(request, caller, playground, meter, socket).run()

    return Upgraded(session)


class _Turn:
    """A text that is being written, and spoken into one file."""

    def __init__(self, now: float) -> None:
        """`now` is the loop's time, in seconds."""
        self.ends = now + TURN_IDLE
        """When it is ended if no further words come, in the loop's time."""
        self._longest = now + TURN
        self.characters = 0
        """Of the text that has arrived."""
        self.taken = 0
        """Characters of the sentences that are spoken or being spoken."""
        self.task: asyncio.Task[None] | None = None
        self._sentences: asyncio.Queue[str | None] = asyncio.Queue()
        self._cutter = Sentences()

    @property
    def has_sentences(self) -> bool:
        """Whether a sentence of it waits to be spoken."""
        return not self._sentences.empty()

    def add(self, text: str, now: float) -> None:
        """Take more of the text, at the loop's time `now`; blanks alone keep no turn alive."""
        if text.strip():
            self.ends = min(now + TURN_IDLE, self._longest)
        self.characters += len(text)
        for sentence in self._cutter.push(text):
            self._sentences.put_nowait(sentence)

    def end(self) -> None:
        """Take the text as whole."""
        for sentence in self._cutter.end():
            self._sentences.put_nowait(sentence)
        self._sentences.put_nowait(None)

    async def texts(self) -> AsyncGenerator[str, None]:
        """Yield the sentences as they become whole."""
        while (sentence := await self._sentences.get()) is not None:
            self.taken += len(sentence)
            yield sentence


class _Session:
    """One caller's socket. Turns are spoken one after another."""

    def __init__(
        self, request: Request, caller: Principal, playground: Context, meter: Meter, socket: Socket
    ) -> None:
        self._request = request
        self._caller = caller
        self._playground = playground
        self._meter = meter
        self._socket = socket
        self._utterance: Utterance | None = None
        self._open: _Turn | None = None
        """The turn whose text is being written."""
        self._speaking: list[asyncio.Task[None]] = []
        """What speaks the turns, in order; the last one may be that of the open turn."""

    async def run(self) -> None:
        """Talk with the caller until one side ends it."""
        try:
            async with asyncio.timeout(SESSION) as whole:
                while await self._step():
                    pass
        except SocketClosedError:
            raise
        except Exception as error:  # noqa: BLE001 - the socket has begun: there is no status to answer with
            if whole.expired():
                await self._socket.tell({"type": "end", "reason": f"A session lasts {SESSION:.0f} seconds."})
                await self._socket.close(GOING_AWAY)
            else:
                await self._tell_failure(error)
        finally:
            await self._cancel()

    async def _step(self) -> bool:
        """Do what the next message says; return whether there may be another.

        Raises:
            ApiError: it cannot be done; the session ends.
            SocketClosedError: the caller has left.
        """
        patience = self._playground.settings.idle_timeout
        if self._open is not None:
            patience = self._open.ends - self._now
            if patience <= 0:  # whatever else is said
                return await self._heard_nothing()
        try:
            message = _parsed(await asyncio.wait_for(self._socket.read(), patience))
        except TimeoutError:
            return await self._heard_nothing()
        match message:
            case Start():
                await self._start(message)
            case Written():
                await self._add(message.text)
            case Command(type="flush"):
                self._flush()
            case Command(type="cancel"):
                await self._cancel()
                await self._socket.tell({"type": "cancelled"})
            case Command():
                self._flush()
                await asyncio.gather(*self._speaking)
                return False
        return True

    async def _heard_nothing(self) -> bool:
        if self._open is not None:
            self._flush()
        elif all(task.done() for task in self._speaking):
            await self._socket.tell({"type": "end", "reason": "Nothing was sent for too long."})
            await self._socket.close(GOING_AWAY)
            return False
        return True

    async def _start(self, asked: Start) -> None:
        self._flush()
        if asked.input_format != "text":
            message = "Text that is still being written has the input_format 'text'."
            raise ApiError(400, message, param="input_format", code="unsupported_parameter")
        voice, ignored, warnings = await chosen_voice(asked, "", self._caller.tenant, self._playground)
        if not follows(asked, voice):
            ignored.append("instructions")
        options = options_of(asked, voice)
        self._utterance = Utterance("", voice, options)
        note(model=voice.model)
        await self._socket.tell(
            {
                "type": "started",
                "voice": voice.id,
                "model": voice.model,
                "response_format": options.format,
                "ignored": [*ignored, *asked.ignored],
                "warnings": warnings,
            }
        )

    async def _add(self, text: str) -> None:
        if self._utterance is None:
            message = "Send a message of type 'start' first, which says the voice."
            raise ApiError(400, message, param="type", code="not_started")
        if self._open is None:
            await self._check_caller()
            self._speaking = [task for task in self._speaking if not task.done()]
            if len(self._speaking) >= TURNS:
                raise ApiError(400, f"At most {TURNS} turns may wait to be spoken.", code="too_many_turns")
            self._open = _Turn(self._now)
        limit = self._playground.settings.max_text
        if self._open.characters + len(text) > limit:
            message = f"A turn has at most {limit} characters: send 'flush' between turns."
            raise ApiError(400, message, param="text", code="text_too_long")
        self._open.add(text, self._now)
        self._begin(self._open, self._utterance)

    def _begin(self, turn: _Turn, utterance: Utterance) -> None:
        """Speak a turn from its first whole sentence on: until then it needs no slot of the model."""
        if turn.task is None and turn.has_sentences:
            before = self._speaking[-1] if self._speaking else None
            turn.task = asyncio.create_task(self._speak(turn, utterance, before))
            self._speaking.append(turn.task)

    def _flush(self) -> None:
        turn, self._open = self._open, None
        if turn is not None and self._utterance is not None:
            turn.end()
            self._begin(turn, self._utterance)

    async def _cancel(self) -> None:
        self._open = None
        tasks, self._speaking = self._speaking, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _speak(self, turn: _Turn, utterance: Utterance, before: asyncio.Task[None] | None) -> None:
        """Send the audio of a turn, after that of the turn before; tell what went wrong, and close then."""
        if before is not None:
            await asyncio.wait([before])
            if self._socket.is_closed:  # what went wrong with it
                return
        seconds, begun = 0.0, False
        spoken = self._playground.service.speak(self._caller.tenant, utterance, turn.texts())
        chunks = self._meter.as_written(utterance, lambda: turn.taken, spoken)
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    if not begun:
                        voice = utterance.voice
                        await self._playground.recording.write(self._request, f"{voice.model}/{voice.id}")
                        begun = True
                    seconds += chunk.seconds
                    await self._socket.send_audio(chunk.data)
            log("speech", voice=utterance.voice.id, characters=turn.characters)
            done = {"type": "done", "characters": turn.characters, "seconds": round(seconds, 3)}
            await self._socket.tell(done)
        except SocketClosedError:
            return
        except Exception as error:  # noqa: BLE001 - the socket has begun: there is no status to answer with
            await self._tell_failure(error)

    async def _tell_failure(self, error: Exception) -> None:
        """Tell what went wrong, and close."""
        known = as_api_error(error)
        if known is None:
            log("socket crashed", level=logging.ERROR, error=error)
            known = ApiError(500, "Something went wrong here; the log has the request id.")
        await self._socket.tell({"type": "error", **error_body(known)})
        await self._socket.close(BROKEN if known.status >= 500 else POLICY)

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _check_caller(self) -> None:
        """Refuse a caller whose key or token no longer counts: a session may outlive it.

        Raises:
            ApiError: 401; 503, nobody can tell.
        """
        key = bearer_of(self._request.url.path, Headers(scope=self._request.scope))
        found, _ = await principal_of(self._playground.authenticator, key)
        if found is None or found.tenant != self._caller.tenant or not found.may([Scope.SPEAK]):
            raise ApiError(401, "The key or token no longer counts: connect with a new one.")


def _parsed(message: str | bytes) -> Start | Written | Command:
    """Return a caller's message.

    Raises:
        ApiError: it is none; with what would be right.
    """
    if isinstance(message, bytes):
        raise ApiError(400, "Messages are JSON in text frames.", code="invalid_json")
    if len(message) > MESSAGE:
        raise ApiError(400, f"A message has at most {MESSAGE} bytes.", code="body_too_large")
    try:
        said = json.loads(message)
    except (ValueError, RecursionError):
        raise ApiError(400, "The message is not valid JSON.", code="invalid_json") from None
    kind = said.get("type") if isinstance(said, dict) else None
    if not isinstance(kind, str) or kind not in _KINDS:
        allowed = ", ".join(_KINDS)
        message = f"A message is a JSON object with a 'type'. Allowed: {allowed}."
        raise ApiError(400, message, param="type", code="invalid_value")
    try:
        return _KINDS[kind].model_validate(said)
    except ValidationError as error:
        faults = [{**fault, "loc": ("message", *fault["loc"])} for fault in error.errors()]
        known = as_api_error(RequestValidationError(faults))
        assert known is not None  # noqa: S101 - a caller's fault has an answer
        raise known from None
