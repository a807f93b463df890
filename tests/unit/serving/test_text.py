"""The text deployment and its client, without Ray between them: streams, cancelling, and lost replicas."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from itertools import chain, cycle, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest
from ray.exceptions import ActorDiedError
from ray.serve._private.constants import SERVE_LOGGER_NAME

from tts_app.engines.text import (
    ContextLengthError,
    Delta,
    EngineError,
    EngineStoppedError,
    TextCapabilities,
    TextLoad,
    TextRequest,
    UnreadableAnswerError,
    Usage,
)
from tts_app.resources import Source, TextModel
from tts_app.serving.client import ModelUnavailableError
from tts_app.serving.readiness import Readiness
from tts_app.serving.text_client import PATIENCE, TextClient
from tts_app.serving.text_replica import FAILURES, Text, TextArgs
from tts_app.serving.writing import TextService
from tts_app.telemetry.logs import set_up
from tts_app.telemetry.metrics.text import TextMetrics
from tts_app.telemetry.text import Recorder


class SimulatedEngine:
    """Writes the prompt's letters, one whenever the loop turns."""

    def __init__(self) -> None:
        self.running = 0
        self.written = 0
        self.broken: str | None = None

    @classmethod
    def load(
        cls, files: Path, quantization: str, context_length: int, slots: int, parameters: Mapping[str, Any]
    ) -> Self:
        return cls()

    @staticmethod
    def hub_patterns(quantization: str) -> list[str]:
        return []

    @property
    def capabilities(self) -> TextCapabilities:
        return TextCapabilities(100, 4)

    @property
    def load_now(self) -> TextLoad:
        return TextLoad(self.running, 0, 0.0)

    async def generate(self, request: TextRequest) -> AsyncGenerator[Delta, None]:
        prompt = request.prompt or ""
        if prompt == "refuse":
            raise EngineError("not this")
        self.running += 1
        try:
            for letter in prompt:
                await asyncio.sleep(0.001)
                if letter == "!":
                    raise RuntimeError("simulated")
                if letter == "~":
                    raise UnreadableAnswerError("a broken call")
                if letter in "?%":
                    raise EngineStoppedError("its thread died" if letter == "?" else "")
                self.written += 1
                yield Delta(text=letter, tokens=1)
            yield Delta(finish="stop", usage=Usage(1, len(prompt)))
        finally:
            self.running -= 1

    def close(self) -> None:
        return


class Response:
    """A call in a replica, as Serve's handle gives it."""

    def __init__(self, call: Any, replica: "Replica") -> None:
        self._task = asyncio.ensure_future(call)
        replica.calls.add(self._task)
        self._task.add_done_callback(replica.calls.discard)
        self._replica = replica

    def __await__(self) -> Any:
        return self._wait().__await__()

    async def _wait(self) -> Any:
        try:
            return await asyncio.shield(self._task)
        except asyncio.CancelledError:
            if self._replica.dead:
                raise ActorDiedError from None
            raise

    def cancel(self) -> None:
        self._task.cancel()


class Messages:
    """A streaming call in a replica, as a thread of the gateway reads it."""

    def __init__(self, messages: AsyncGenerator[Any, None], replica: "Replica") -> None:
        self._messages = messages
        self._replica = replica
        self._loop = asyncio.get_running_loop()
        self._next: asyncio.Future[Any] | None = None

    def __iter__(self) -> "Messages":
        return self

    def __next__(self) -> Any:
        try:
            return asyncio.run_coroutine_threadsafe(self._message(), self._loop).result()
        except StopAsyncIteration:
            raise StopIteration from None

    async def _message(self) -> Any:
        self._next = asyncio.ensure_future(anext(self._messages))
        return await Response(self._next, self._replica)

    def cancel(self) -> None:
        self._replica.lines -= 1
        if self._next is not None:
            self._next.cancel()


class Replica:
    """A replica that can be lost."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.calls: set[asyncio.Future[Any]] = set()
        self.lines = 0
        self.dead = False

    @property
    def engine(self) -> SimulatedEngine:
        engine = self.text._engine
        assert isinstance(engine, SimulatedEngine)
        return engine

    def die(self) -> None:
        self.dead = True
        for call in list(self.calls):
            call.cancel()


class Handle:
    """Chooses the replicas in turn, those that live; without one it waits, as Serve does."""

    def __init__(self, replicas: dict[str, Replica], method: str) -> None:
        self._replicas = replicas
        self._method = method
        self._turn = cycle(list(replicas))
        self.waiting = 0

    @asynccontextmanager
    async def choose_replica(self) -> AsyncIterator[Any]:
        await asyncio.sleep(0)
        while all(replica.dead for replica in self._replicas.values()):
            self.waiting += 1
            try:
                await asyncio.sleep(0.01)
            finally:
                self.waiting -= 1
        name = next(name for name in self._turn if not self._replicas[name].dead)
        yield SimpleNamespace(replica_id=name)

    def dispatch(self, chosen: Any, *args: Any) -> Any:
        replica = self._replicas[chosen.replica_id]
        if self._method == "listen":
            replica.lines += 1
            return Messages(replica.text.listen(*args), replica)
        return Response(replica.text.write(*args), replica)


ARGS = TextArgs(
    model="m",
    engine="simulated",
    source=Source(uri="file:///x"),
    quantization="none",
    context_length=100,
    slots=4,
)


@pytest.fixture
def replicas(monkeypatch: pytest.MonkeyPatch) -> dict[str, Replica]:
    monkeypatch.setattr("tts_app.serving.text_replica.text_engine", lambda _name: SimulatedEngine)
    monkeypatch.setattr("tts_app.serving.text_replica.fetch", lambda *_args: Path())
    monkeypatch.delenv("TTSP_LOG_DIR", raising=False)
    return {name: Replica(Text(ARGS)) for name in ("a", "b")}


@pytest.fixture
def client(replicas: dict[str, Replica]) -> TextClient:
    return client_of(replicas, PATIENCE)


@pytest.fixture
def impatient(replicas: dict[str, Replica]) -> TextClient:
    """A client that hardly waits for a replica."""
    return client_of(replicas, 0.02)


def client_of(replicas: dict[str, Replica], patience: float) -> TextClient:
    client = TextClient("m", patience, idle=0.05, reason_seconds=0.0)
    listen = Handle(replicas, "listen")
    client._handle = SimpleNamespace(  # type: ignore[assignment]
        write=Handle(replicas, "write"), options=lambda **_options: listen
    )
    return client


async def written(client: TextClient, prompt: str) -> str:
    async with aclosing(client.write(TextRequest(prompt=prompt))) as deltas:
        return "".join([delta.text async for delta in deltas])


def says(patch: pytest.MonkeyPatch, *reported: Readiness) -> None:
    """Have Serve say these of the model, the last of them again and again."""
    answers = chain(reported, repeat(reported[-1]))

    async def look(_model: str) -> Readiness:
        return next(answers)

    patch.setattr("tts_app.serving.client.look", look)


async def test_text_client_reads_many_answers_over_one_line_per_replica(
    client: TextClient, replicas: dict[str, Replica], until: Any
) -> None:
    prompts = ["x" * 20 + str(number) for number in range(30)]
    assert await asyncio.gather(*(written(client, prompt) for prompt in prompts)) == prompts
    assert all(replica.engine.written > 0 for replica in replicas.values())
    assert [replica.lines for replica in replicas.values()] == [1, 1]
    await until(lambda: [replica.lines for replica in replicas.values()] == [0, 0])
    assert await written(client, "again") == "again"


async def test_text_client_that_leaves_stops_the_writing(
    client: TextClient, replicas: dict[str, Replica], until: Any
) -> None:
    deltas = client.write(TextRequest(prompt="x" * 10_000))
    await anext(deltas)
    assert sum(replica.engine.running for replica in replicas.values()) == 1
    await deltas.aclose()
    await until(lambda: all(replica.engine.running == 0 for replica in replicas.values()))
    assert sum(replica.engine.written for replica in replicas.values()) < 1000


async def test_text_client_loses_only_the_streams_of_a_lost_replica(
    client: TextClient, replicas: dict[str, Replica]
) -> None:
    streams = [client.write(TextRequest(prompt="x" * 200)) for _ in range(4)]
    for stream in streams:
        await anext(stream)
    replicas["a"].die()

    async def rest(stream: AsyncGenerator[Delta, None]) -> bool:
        try:
            return bool([delta async for delta in stream])
        except ModelUnavailableError as error:
            assert "was lost" in str(error)
            return False

    assert sorted(await asyncio.gather(*map(rest, streams))) == [False, False, True, True]
    assert await written(client, "still") == "still"


@pytest.mark.parametrize(
    ("prompt", "message"), [("?", "has broken down: its thread died"), ("%", "is not ready: no reason")]
)
async def test_text_client_tries_once_more_when_an_engine_stopped(
    client: TextClient,
    replicas: dict[str, Replica],
    monkeypatch: pytest.MonkeyPatch,
    prompt: str,
    message: str,
) -> None:
    """What the engine says is told; where it says nothing, what Serve says."""

    says(monkeypatch, Readiness(True, "no reason."))
    with pytest.raises(ModelUnavailableError, match=message):
        await written(client, prompt)
    assert sum(replica.text._failures for replica in replicas.values()) == 2


async def test_text_client_reports_why_an_engine_stopped_during_an_answer(client: TextClient) -> None:
    with pytest.raises(ModelUnavailableError, match="was lost while it wrote the answer: its thread died"):
        await written(client, "a?")


async def test_text_replica_does_not_count_an_unreadable_answer_as_a_failure(
    client: TextClient, replicas: dict[str, Replica]
) -> None:
    with pytest.raises(UnreadableAnswerError, match="a broken call"):
        await written(client, "a~")
    assert [replica.text._failures for replica in replicas.values()] == [0, 0]


async def test_text_client_says_why_a_model_has_no_replicas(
    impatient: TextClient, replicas: dict[str, Replica], monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    """It was lost, or scaled to zero: Serve would wait for a replica for ever."""
    says(monkeypatch, Readiness(False, "it is being started again."))
    for replica in replicas.values():
        replica.die()
    async with asyncio.timeout(5):
        with pytest.raises(ModelUnavailableError, match="'m' is not ready: it is being started again"):
            await written(impatient, "x")
    write = impatient.handle.write
    await until(lambda: write.waiting == 0)


async def test_text_service_gets_the_slot_of_a_refused_caller_back(
    impatient: TextClient, replicas: dict[str, Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, Readiness(False, "it is being started again."))
    monkeypatch.setattr("tts_app.serving.writing.TextClient", lambda _name: impatient)
    for replica in replicas.values():
        replica.die()
    service = TextService(0, TextMetrics())
    spec = {
        "engine": "llamacpp",
        "source": {"uri": "file:///m.gguf"},
        "license": {"spdx": "Apache-2.0", "commercialUse": True},
        "replicas": {"min": 0, "targetOngoingRequests": 1},
    }
    service.reconfigure([TextModel.model_validate({"metadata": {"name": "m"}, "spec": spec})])
    async with asyncio.timeout(5):
        for _ in range(2):
            with pytest.raises(ModelUnavailableError):
                await anext(service.write("hotel", "m", TextRequest(prompt="x")))
    assert service.served.load() == {"m": (0, 0)}


async def test_text_client_does_not_wait_for_a_line_to_a_replica_that_went(
    impatient: TextClient, replicas: dict[str, Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, Readiness(False, "it is being started again."))
    listen: Any = impatient.handle.options(method_name="listen")
    monkeypatch.setattr(listen, "choose_replica", Handle({}, "listen").choose_replica)
    async with asyncio.timeout(5):
        with pytest.raises(ModelUnavailableError, match="being started again"):
            await written(impatient, "x")


async def test_text_client_waits_for_a_place_at_a_busy_model(
    impatient: TextClient, replicas: dict[str, Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, Readiness(True, "its replicas are busy."))
    for replica in replicas.values():
        replica.dead = True
    answer = asyncio.create_task(written(impatient, "x"))
    await asyncio.sleep(0.1)
    assert not answer.done()
    replicas["a"].dead = False
    assert await answer == "x"


@pytest.mark.usefixtures("replicas")
async def test_text_replica_drops_what_is_written_for_a_line_that_is_gone(
    until: Any,
) -> None:
    text = Text(ARGS, connection_seconds=2.0)
    await text.write("later", 1, TextRequest(prompt="x"))
    await text.write("gone", 1, TextRequest(prompt="x"))
    message = await anext(text.listen("later"))
    assert [frame[2] for frame in message if frame[2]] == ["x"], "a line may come after what it is to carry"
    assert set(text._muxes) == {"later", "gone"}
    await until(lambda: not text._muxes)


async def test_text_client_passes_on_the_refusal_of_the_engine(client: TextClient) -> None:
    with pytest.raises(EngineError, match="not this"):
        await written(client, "refuse")


def test_serve_logger_has_no_refusals_and_no_messages_of_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """They would have parts of what was asked."""
    logger = logging.getLogger(SERVE_LOGGER_NAME)
    logged: list[logging.LogRecord] = []
    monkeypatch.setattr(logger, "filters", [])
    monkeypatch.setattr(logger, "handlers", [SimpleNamespace(level=0, handle=logged.append)])
    for _ in range(2):
        set_up("text-m", "INFO", None)
    for error in (
        EngineError("no"),
        ContextLengthError("too long"),
        EngineStoppedError("quoted"),
        ValueError("quoted"),
    ):
        try:
            raise error
        except Exception:
            logger.exception("Request failed.")
    logger.error("Something else.")
    assert [record.exc_info for record in logged] == [None, None, None]
    stopped, failed, other = (record.getMessage() for record in logged)
    where = "test_text.py:"
    assert stopped.startswith(f"Request failed. tts_app.engines.text.EngineStoppedError at {where}")
    assert failed.startswith(f"Request failed. builtins.ValueError at {where}")
    assert other == "Something else."


async def test_text_replica_is_unhealthy_after_repeated_engine_failures(
    client: TextClient, replicas: dict[str, Replica]
) -> None:
    replicas["b"].die()
    text = replicas["a"].text
    for _ in range(FAILURES - 1):
        with pytest.raises(RuntimeError, match="simulated"):
            await written(client, "a!")
    text.check_health()
    assert await written(client, "well") == "well"
    for _ in range(FAILURES):
        with pytest.raises(RuntimeError):
            await written(client, "a!")
    with pytest.raises(EngineError, match="3 requests in a row"):
        text.check_health()


async def test_text_replica_is_unhealthy_at_once_with_a_broken_engine(
    client: TextClient, replicas: dict[str, Replica]
) -> None:
    """Whatever it was asked last: some of what it is asked may still be written."""
    replicas["b"].die()
    replica = replicas["a"]
    replica.engine.broken = "its thread has died"
    assert await written(client, "well") == "well"
    with pytest.raises(EngineError, match="its thread has died"):
        replica.text.check_health()


class Published:
    """Stands for Ray's metrics: what was given to each by name."""

    def __init__(self) -> None:
        self.given: dict[str, list[float]] = {}

    def metric(self, name: str, *_args: Any, **_options: Any) -> Any:
        values = self.given.setdefault(name, [])

        def take(value: float, tags: dict[str, str] | None = None) -> None:
            values.append(value)

        return SimpleNamespace(set_default_tags=lambda _tags: None, inc=take, set=take, observe=take)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Published:
    published = Published()
    for kind in ("Counter", "Gauge", "Histogram"):
        monkeypatch.setattr(f"tts_app.telemetry.text.{kind}", published.metric)
    return published


async def test_text_replica_publishes_engine_metrics(
    published: Published, replicas: dict[str, Replica]
) -> None:
    text = replicas["a"].text
    await text.write("line", 1, TextRequest(prompt="abc"))
    with pytest.raises(EngineError):
        await text.write("line", 2, TextRequest(prompt="refuse"))
    text.check_health()
    given = published.given
    assert given["vllm_prompt_tokens"] == [1]
    assert sum(given["vllm_generation_tokens"]) == 3
    assert given["vllm_request_success"] == [1, 1]
    assert (
        len(given["vllm_time_to_first_token_seconds"]) == len(given["vllm_e2e_request_latency_seconds"]) == 1
    )
    assert given["vllm_num_requests_running"][-1] == 0


def test_recorder_measures_the_gap_between_tokens_of_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 1.0, 3.0, 4.0, 7.0])
    monkeypatch.setattr("tts_app.telemetry.text.time", SimpleNamespace(monotonic=lambda: next(times)))
    gaps: list[float | None] = []
    firsts: list[float] = []
    metrics: Any = SimpleNamespace(first=firsts.append, tokens=lambda _number, gap: gaps.append(gap))
    recorder = Recorder(metrics)
    assert [recorder.delta(Delta(index, "x", tokens=1)) for index in (0, 1, 0, 1)] == [True] + [False] * 3
    assert firsts == [1.0]
    assert gaps == [None, None, 3.0, 4.0]


async def test_text_replica_publishes_nothing_that_the_engine_publishes_itself(
    published: Published, replicas: dict[str, Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    """vLLM publishes its own metrics, under the same names, in the same process."""
    published.given.clear()
    monkeypatch.setattr(SimulatedEngine, "load_now", None)
    text = Text(ARGS)
    await text.write("line", 1, TextRequest(prompt="abc"))
    text.check_health()
    assert published.given == {}
