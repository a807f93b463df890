"""A worker that is lost: the batch makes another one, whatever Ray calls it."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray import exceptions

from tts_app.backoff import Backoff
from tts_app.batch.worker import Order
from tts_app.batch.worker_pool import (
    NoWorkerError,
    PoolSize,
    WorkerDiedError,
    WorkerHandle,
    WorkerPoolError,
    pool_size,
)
from tts_app.catalogue import Catalogue
from tts_app.manifests import load_voice_models
from tts_app.resources import VoiceModel

VOICE = Catalogue(load_voice_models()).find("female_en-US")
ORDERS = [Order(0, "Hello.", VOICE, "mp3", "post_01_female_en-US.mp3")]


def actor(answer: Any) -> Any:
    """An actor that is ready, and whose `render` gives or raises `answer`."""

    async def ready() -> int:
        return 1

    async def render(_orders: list[Order], _work: Any) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return SimpleNamespace(ready=SimpleNamespace(remote=ready), render=SimpleNamespace(remote=render))


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []
    monkeypatch.setattr(ray, "kill", found.append)
    return found


def worker_of(model: VoiceModel, actors: list[Any], monkeypatch: pytest.MonkeyPatch) -> WorkerHandle:
    monkeypatch.setattr(WorkerHandle, "_make", lambda _self: actors.pop(0))
    return WorkerHandle(model, "engine", PoolSize(1, 1), "file:///nowhere")


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ActorDiedError(),
        exceptions.ActorUnavailableError("away", None),
        exceptions.OutOfMemoryError("killed by the memory monitor"),
        exceptions.NodeDiedError("its node has gone"),
        exceptions.WorkerCrashedError(),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_worker_that_died_is_replaced_at_the_next_start(
    make_model: Callable[..., VoiceModel],
    killed: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    first, second = actor(error), actor(["spoken"])
    worker = worker_of(make_model(), [first, second], monkeypatch)
    await worker.start()
    with pytest.raises(WorkerDiedError):
        await worker.render(ORDERS)
    assert killed == [first]
    with pytest.raises(NoWorkerError):
        await worker.render(ORDERS)
    await worker.start()
    found: list[Any] = list(await worker.render(ORDERS))
    assert found == ["spoken"]


async def test_worker_that_cannot_start_is_not_tried_again(
    make_model: Callable[..., VoiceModel], killed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of its lanes asks for it."""
    broken = actor([])

    async def ready() -> int:
        raise exceptions.RayTaskError("ready", "a traceback", ValueError("no such file"))

    broken.ready.remote = ready
    worker = worker_of(make_model(), [broken], monkeypatch)
    for _ in range(2):
        with pytest.raises(WorkerPoolError, match="does not start: no such file"):
            await worker.start()
    assert killed == [broken]


async def test_worker_start_tries_three_times_when_ray_fails(
    make_model: Callable[..., VoiceModel], killed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost() -> Any:
        made = actor([])

        async def ready() -> int:
            raise exceptions.ActorDiedError

        made.ready.remote = ready
        return made

    third = actor(["spoken"])
    worker = worker_of(make_model(), [lost(), lost(), third], monkeypatch)
    worker.retry = Backoff(0.0)
    await worker.start()
    assert worker.actor is third
    assert len(killed) == 2
    worker = worker_of(make_model(), [lost(), lost(), lost()], monkeypatch)
    worker.retry = Backoff(0.0)
    with pytest.raises(WorkerPoolError, match="does not start: The actor died"):
        await worker.start()


@pytest.mark.parametrize(
    ("nodes", "parallelism", "size"),
    [(3, 64, PoolSize(3, 4, "gpus")), (3, 5, PoolSize(2, 4, "gpus")), (0, 2, PoolSize(1, 2, "gpus"))],
)
def test_pool_size_on_nodes_of_the_models_own(
    make_model: Callable[..., VoiceModel],
    monkeypatch: pytest.MonkeyPatch,
    nodes: int,
    parallelism: int,
    size: PoolSize,
) -> None:
    model = make_model(resources={"cpu": "4"})
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"gpus": float(nodes)})
    assert pool_size(model, "engine", parallelism, {model.name: "gpus"}, 1) == size


def test_pool_size_on_a_gpu_is_what_a_replica_serves_at_a_time(
    make_model: Callable[..., VoiceModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model(
        resources={"cpu": "4", "gpu": 1}, replicas={"min": 1, "max": 1, "targetOngoingRequests": 32}
    )
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"gpus": 2.0})
    assert pool_size(model, "engine", 1024, {model.name: "gpus"}, 1) == PoolSize(2, 32, "gpus")


async def test_worker_start_that_times_out_ends_the_actor(
    make_model: Callable[..., VoiceModel], killed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    late = actor([])
    late.ready.remote = lambda: asyncio.sleep(3600)
    worker = worker_of(make_model(), [late], monkeypatch)
    worker.soon_seconds = 60.0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            starting = asyncio.create_task(worker.start())
            worker.expect()
            assert worker.is_expected
            worker.soon_seconds = 0.0
            assert not worker.is_expected
            await starting
    assert killed == [late]


@pytest.mark.parametrize(
    ("parallelism", "models", "workers", "slots"),
    [(1, 1, 1, 1), (8, 1, 1, 8), (64, 1, 4, 16), (64, 3, 1, 64), (1024, 2, 2, 64), (9, 2, 1, 9)],
)
def test_pool_size_of_service_callers_is_small(
    make_model: Callable[..., VoiceModel], parallelism: int, models: int, workers: int, slots: int
) -> None:
    """They are in the pod of the service's gateway, whose memory is its own."""
    assert pool_size(make_model(), "service", parallelism, {}, models) == PoolSize(workers, slots)


async def test_worker_error_in_render_does_not_end_the_worker(
    make_model: Callable[..., VoiceModel], killed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    mistake = exceptions.RayTaskError("render", "a traceback", ValueError("a mistake"))
    worker = worker_of(make_model(), [actor(mistake)], monkeypatch)
    await worker.start()
    with pytest.raises(exceptions.RayTaskError, match="a traceback"):
        await worker.render(ORDERS)
    assert not killed


async def test_worker_lost_by_two_callers_is_ended_once(
    make_model: Callable[..., VoiceModel], killed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = actor(exceptions.OutOfMemoryError("killed by the memory monitor"))
    worker = worker_of(make_model(), [lost], monkeypatch)
    await worker.start()
    ended = await asyncio.gather(worker.render(ORDERS), worker.render(ORDERS), return_exceptions=True)
    assert [type(error) for error in ended] == [WorkerDiedError, WorkerDiedError]
    assert killed == [lost]
