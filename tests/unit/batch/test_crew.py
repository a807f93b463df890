"""A worker that is lost: the batch makes another one, whatever Ray calls it."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray import exceptions

from tts_app.batch.crew import Member, Staffing, WorkerDiedError
from tts_app.batch.worker import Order
from tts_app.resources import VoiceModel

ORDERS = [Order(0, "Hello.", "female_en-US", "mp3", "post_01_female_en-US.mp3")]


def actor(answer: Any) -> Any:
    """An actor that is ready, and whose `render` gives or raises `answer`."""

    async def ready() -> int:
        return 1

    async def render(_orders: list[Order]) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return SimpleNamespace(ready=SimpleNamespace(remote=ready), render=SimpleNamespace(remote=render))


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []
    monkeypatch.setattr(ray, "kill", found.append)
    return found


def member_of(model: VoiceModel, actors: list[Any], monkeypatch: pytest.MonkeyPatch) -> Member:
    monkeypatch.setattr(Member, "_make", lambda _self: actors.pop(0))
    return Member(model, "engine", Staffing(1, 1), "file:///nowhere")


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
async def test_the_next_items_go_to_another_worker(
    make_model: Callable[..., VoiceModel],
    killed: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    first, second = actor(error), actor(["spoken"])
    member = member_of(make_model(), [first, second], monkeypatch)
    with pytest.raises(WorkerDiedError):
        await member.render(ORDERS)
    assert killed == [first]
    found: list[Any] = list(await member.render(ORDERS))
    assert found == ["spoken"]


async def test_a_mistake_in_a_worker_is_not_a_lost_one(
    make_model: Callable[..., VoiceModel], killed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    mistake = exceptions.RayTaskError("render", "a traceback", ValueError("a mistake"))
    member = member_of(make_model(), [actor(mistake)], monkeypatch)
    with pytest.raises(exceptions.RayTaskError, match="a traceback"):
        await member.render(ORDERS)
    assert not killed


async def test_two_that_lose_a_worker_end_it_once(
    make_model: Callable[..., VoiceModel], killed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = actor(exceptions.OutOfMemoryError("killed by the memory monitor"))
    member = member_of(make_model(), [lost], monkeypatch)
    ended = await asyncio.gather(member.render(ORDERS), member.render(ORDERS), return_exceptions=True)
    assert [type(error) for error in ended] == [WorkerDiedError, WorkerDiedError]
    assert killed == [lost]
