"""The API over ASGI, with everything real but the model, the language and the audio."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi.dependencies import models
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from tts_app import speech
from tts_app.api.app import create_app
from tts_app.api.deps import Context
from tts_app.api.metering import metering_of
from tts_app.api.ray_proxy import dashboard_of
from tts_app.api.recording import recording_of
from tts_app.api.voices import decoding_of
from tts_app.audio.samples import Audio
from tts_app.backoff import Backoff
from tts_app.batch.hosted import HostedBatches
from tts_app.batch.waits import Waits
from tts_app.cloning.clips import GetClip
from tts_app.engines.base import Capabilities, Clip, Segment
from tts_app.engines.text import Delta, TextCapabilities, TextRequest, Usage
from tts_app.resources import TextModel, VoiceModel
from tts_app.security.authenticator import Authenticator
from tts_app.security.issuing import Issuer
from tts_app.security.provider import provider_of
from tts_app.serving import service as service_module
from tts_app.serving import writing as writing_module
from tts_app.serving.client import ModelUnavailableError
from tts_app.serving.clones import clones_of
from tts_app.serving.durable import DurableSpeeches
from tts_app.serving.service import SpeechService
from tts_app.serving.writing import TextService
from tts_app.settings import Settings
from tts_app.speech import Chunk, TextError, Utterance
from tts_app.storage.api_keys import ApiKeys
from tts_app.storage.audio import AudioStore
from tts_app.storage.audit import AuditRows
from tts_app.storage.batches import Batches
from tts_app.storage.database import Database
from tts_app.storage.speeches import Speeches
from tts_app.telemetry.logs import Fingerprint
from tts_app.telemetry.metrics.speech import SpeechMetrics
from tts_app.telemetry.metrics.text import TextMetrics
from tts_app.telemetry.showing import Showing

CAPABILITIES = Capabilities(24_000, "text", 100, (1.0, 1.0), speakers=("af_heart", "af_sky"))


@dataclass
class SimulatedModel:
    """Stands for a voice deployment: counts what it speaks, and can be held up, lost or broken."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    spoken: list[str] = field(default_factory=list)
    cancelled: int = 0
    down: bool = False
    error: Exception | None = None
    asked: int = 0
    within: float | None = None
    """How long the last call wanted to wait for a replica."""
    clips: list[Clip] = field(default_factory=list)
    """Of cloned voices, one for each segment that was spoken with one."""
    forgotten: list[str] = field(default_factory=list)
    running: bool = False
    """Whether Serve has a replica of it."""

    def __post_init__(self) -> None:
        self.gate.set()

    async def capabilities(self, _within: float | None = None) -> Capabilities:
        return await self.probe(None)

    async def probe(self, _within: float | None) -> Capabilities:
        self.asked += 1
        if self.down:
            raise ModelUnavailableError("Model 'kokoro' is not ready.")
        return CAPABILITIES

    async def runs(self) -> bool:
        return self.running

    def close(self) -> None:
        return

    async def forget(self, digest: str) -> None:
        if self.down:
            raise TimeoutError("no replica answers")
        self.forgotten.append(digest)

    async def synthesise(
        self, segment: Segment, within: float | None = None, clip: GetClip | None = None
    ) -> Audio:
        self.within = within
        if clip is not None:
            self.clips.append(await clip())
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        self.spoken.append(segment.text)
        return np.zeros(10, np.float32)


@dataclass
class SimulatedWriter:
    """Stands for a text deployment: writes the words it is told, and can be held up, lost or broken."""

    deltas: list[Delta] = field(default_factory=list)
    capabilities_: TextCapabilities = field(
        default_factory=lambda: TextCapabilities(1000, 4, logprobs=5, json=True, tools=True)
    )
    requests: list[TextRequest] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    closed: int = 0
    down: bool = False
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.gate.set()
        self.say("Hello", " there", "!")

    def say(self, *texts: str, prompt: int = 7, finish: str = "stop") -> None:
        """Write these deltas, a token each, from now on."""
        self.deltas = [Delta(text=text, tokens=1) for text in texts]
        self.deltas.append(Delta(finish=finish, usage=Usage(prompt, len(texts))))  # type: ignore[arg-type]

    async def capabilities(self, _within: float | None = None) -> TextCapabilities:
        return await self.probe(None)

    async def probe(self, _within: float | None) -> TextCapabilities:
        if self.down:
            raise ModelUnavailableError("Model 'writer' is not ready: it is still being loaded.")
        return self.capabilities_

    async def runs(self) -> bool:
        return not self.down

    def close(self) -> None:
        return

    async def write(self, request: TextRequest) -> AsyncIterator[Delta]:
        self.requests.append(request)
        try:
            for number, delta in enumerate(self.deltas):
                if number == 1:
                    await self.gate.wait()
                    if self.error is not None:
                        raise self.error
                yield delta
        finally:
            self.closed += 1


def plan(utterance: Utterance, _capabilities: Capabilities) -> Iterator[Segment]:
    """A segment a word that has a letter."""
    words = [word for word in utterance.text.split() if any(map(str.isalnum, word))]
    if not words:
        raise TextError("The text holds nothing that can be spoken: give at least one word or number.")
    for word in words:
        yield Segment(word, "", utterance.voice.voice.locale, utterance.voice.voice.speaker or "")


async def check(utterance: Utterance, capabilities: Capabilities) -> None:
    """Something can be spoken, or that is an error."""
    next(plan(utterance, capabilities))


async def speak(
    utterance: Utterance, capabilities: Capabilities, synthesise: Any, texts: AsyncIterator[str] | None = None
) -> AsyncIterator[Chunk]:
    """Bytes that tell what was spoken and how."""
    if texts is not None:
        async for text in texts:
            async for chunk in speak(replace(utterance, text=text), capabilities, synthesise):
                yield chunk
        return
    try:
        segments = list(plan(utterance, capabilities))
    except TextError:
        if not utterance.or_silence:
            raise
        yield Chunk(b"silence;", 0.25)
        return
    for segment in segments:
        await synthesise(segment)
        yield Chunk(f"{segment.text}@{segment.speaker};".encode(), 0.5)


def voice_model(name: str, voices: list[dict[str, Any]], **spec: Any) -> VoiceModel:
    return VoiceModel.model_validate(
        {
            "metadata": {"name": name},
            "spec": {
                "engine": "kokoro",
                "source": {"uri": "package://kokoro-82m/int8", "revision": "1.0"},
                "license": {"spdx": "Apache-2.0", "commercialUse": True},
                "replicas": {"targetOngoingRequests": 2},
                "voices": voices,
                **spec,
            },
        }
    )


MODEL = voice_model(
    "kokoro",
    [
        {"locale": "en-US", "gender": "female", "speaker": "heart"},
        {"locale": "en-US", "gender": "male", "speaker": "michael"},
        {"locale": "en-GB", "gender": "female", "speaker": "emma"},
        {"locale": "ar-EG", "gender": "male", "speaker": "omega", "approximation": "an accent"},
    ],
)


WRITER = TextModel.model_validate(
    {
        "metadata": {"name": "writer"},
        "spec": {
            "engine": "llamacpp",
            "source": {"uri": "file:///writer.gguf"},
            "license": {"spdx": "Apache-2.0", "commercialUse": True},
            "replicas": {"targetOngoingRequests": 2},
        },
    }
)


@dataclass
class Api:
    """An API that is up, and what is behind it."""

    client: httpx.AsyncClient
    model: SimulatedModel
    writer: SimulatedWriter
    context: Context

    @property
    def load(self) -> tuple[int, int]:
        """Requests running and waiting."""
        return self.context.service.served.load()["kokoro"]

    @property
    def text_load(self) -> tuple[int, int]:
        """Requests for text running and waiting."""
        return self.context.text.served.load()["writer"]


Start = Callable[..., Any]


@pytest.fixture(autouse=True, scope="module")
def forgotten_apps() -> Iterator[None]:
    """Forget the apps of a file's tests: FastAPI's caches of callables keep each with its 2 MB."""
    yield
    for cached in vars(models).values():
        if hasattr(cached, "cache_clear"):
            cached.cache_clear()


@pytest.fixture
async def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    """Start APIs that share a database and an audio store."""
    for module in (speech, service_module.speech):
        monkeypatch.setattr(module, "check", check)
        monkeypatch.setattr(module, "speak", speak)
    # Nobody looks at the models but whom a test lets look; tests of the gauges show them themselves.
    monkeypatch.setattr("tts_app.api.app.showing_of", lambda _context: Showing())
    async with AsyncExitStack() as stack:

        async def begin(
            reported: bool = True,
            model_retry: Backoff = Backoff(0.01, 0.01),
            proxied: bool = False,
            **settings: Any,
        ) -> Api:
            begun = _api(tmp_path, monkeypatch, reported, model_retry, settings, proxied)
            return await stack.enter_async_context(begun)

        yield begin


@pytest.fixture
async def api(start: Start) -> Api:
    """An API with the default settings."""
    started: Api = await start()
    return started


@dataclass
class Outage:
    """A database that is away while it is `on`; how often it was asked meanwhile."""

    session: Callable[..., Any]
    on: bool = False
    asked: int = 0

    @contextmanager
    def begin(self, *given: Any) -> Iterator[Session]:
        if self.on:
            self.asked += 1
            raise OperationalError("SELECT", {}, ConnectionError("it is away"))
        with self.session(*given) as session:
            yield session


@pytest.fixture
def outage(api: Api, monkeypatch: pytest.MonkeyPatch) -> Outage:
    """The database of `api`, that can go away."""
    made = Outage(api.context.database.session)
    monkeypatch.setattr(api.context.database, "session", made.begin)
    return made


@asynccontextmanager
async def _api(
    folder: Path,
    patch: pytest.MonkeyPatch,
    reported: bool,
    model_retry: Backoff,
    changes: dict[str, Any],
    proxied: bool,
) -> AsyncIterator[Api]:
    """Start an API; `reported`: it knows its voices at once, not only when Ray Serve reports them."""
    defaults = {"state_dir": folder, "audio_output": str(folder / "out"), "queue": 2}
    settings = Settings(**{**defaults, **changes})
    model = SimulatedModel()
    patch.setattr(service_module, "VoiceClient", lambda _name: model)
    writer = SimulatedWriter()
    patch.setattr(writing_module, "TextClient", lambda _name: writer)
    text = TextService(settings.queue, TextMetrics(), settings.weights)
    text.reconfigure([WRITER])
    database, database_retry = Database(settings.database), Backoff(0.01, 0.02)
    clones = clones_of(settings, database, proxied=proxied)
    service = SpeechService(settings.queue, SpeechMetrics(), settings.weights, clones)
    if reported:
        service.reconfigure([MODEL])
    store = AudioStore(settings.audio_output)
    metering = metering_of(settings, database)
    durable = DurableSpeeches(
        service,
        Speeches(database),
        store,
        workers=settings.durable_workers,
        limit=settings.durable_queue,
        weights=settings.weights,
        model_retry=model_retry,
        database_retry=database_retry,
        ended=metering.speech_ended,
    )
    waits = Waits(output_probe=Backoff(0.02, 0.02))
    fingerprint = Fingerprint(b"key")
    stored, ran = Batches(database), metering.batch_ran
    batches = HostedBatches(
        lambda: service.models, stored, settings, fingerprint, waits, database_retry, ran=ran, clones=clones
    )
    keys = ApiKeys(database)
    authenticator = Authenticator(
        keys,
        b"pepper",
        api_key=settings.api_key.get_secret_value() if settings.api_key else None,
        key_required=settings.key_required,
        provider=provider_of(settings),
    )
    context = Context(
        settings,
        service,
        text,
        durable,
        batches,
        store,
        database,
        fingerprint,
        keys,
        Issuer(keys, b"pepper"),
        authenticator,
        metering,
        AuditRows(database),
        recording_of(settings, database),
        clones,
        decoding_of(settings),
        dashboard=dashboard_of(settings),
    )
    app = create_app(context)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://playground") as client,
    ):
        yield Api(client, model, writer, context)
