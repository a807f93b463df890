"""What the gateway remembers of a model's engine; replicas are a function here."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ray.serve import context as serve_context

from tts_app.engines.base import Segment
from tts_app.serving import client as module
from tts_app.serving.client import ModelClient, ModelUnavailableError, VoiceClient
from tts_app.serving.readiness import Readiness
from tts_app.telemetry.about import about


class Client(ModelClient[Any]):
    """Whose replicas answer what `answer` returns."""

    def __init__(self, answer: Callable[[], Any], memory_seconds: float = 10.0) -> None:
        super().__init__("writer", "Text", memory_seconds)
        self.answer = answer
        self.calls = 0

    async def _call(self, method: str, *args: Any) -> Any:
        assert method == "describe"
        self.calls += 1
        await asyncio.sleep(0)
        return self.answer()


def lost() -> Any:
    raise ModelUnavailableError("the replica is gone")


async def test_client_asks_once_for_all_who_want_capabilities() -> None:
    client = Client(lambda: "tools")
    assert await asyncio.gather(*(client.capabilities() for _ in range(5))) == ["tools"] * 5
    assert await client.capabilities() == "tools"
    assert client.calls == 1


async def test_client_learns_the_capabilities_of_new_replicas() -> None:
    client = Client(lambda: "old", memory_seconds=0.0)
    assert await client.capabilities() == "old"
    client.answer = lambda: "new"
    assert await client.capabilities() == "old", "nobody waits for the answer"
    await asyncio.sleep(0.01)
    assert await client.capabilities() == "new"


async def test_client_keeps_known_capabilities_when_nobody_answers() -> None:
    client = Client(lambda: "old", memory_seconds=0.0)
    assert await client.capabilities() == "old"
    client.answer = lost
    for _ in range(3):
        assert await client.capabilities() == "old"
        await asyncio.sleep(0.01)
    assert client.calls == 4


async def test_client_reports_why_there_are_no_first_capabilities() -> None:
    client = Client(lost)
    with pytest.raises(ModelUnavailableError, match="gone"):
        await client.capabilities()
    client.answer = lambda: "tools"
    assert await client.capabilities() == "tools", "it is asked again at once"


async def test_voice_client_waits_for_a_busy_model_and_not_for_a_lost_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unless somebody has all the time there is."""
    call: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
    reported = Readiness(True, "its replicas are busy.")

    async def look(_model: str) -> Readiness:
        return reported

    monkeypatch.setattr(module, "look", look)
    client = VoiceClient("kokoro", reason_seconds=0.0)
    client._handle = SimpleNamespace(synthesise=SimpleNamespace(remote=lambda *_: call))  # type: ignore[assignment]
    segment = Segment("a", "", "en-US", "heart")
    patient = asyncio.create_task(client.synthesise(segment))
    spoken = asyncio.create_task(client.synthesise(segment, within=0.01))
    await asyncio.sleep(0.1)
    assert not spoken.done()
    reported = Readiness(None, "Ray Serve does not say why.")
    await asyncio.sleep(0.1)
    assert not spoken.done(), "a controller that is busy says nothing of the replicas"
    reported = Readiness(False, "it had nothing to do and is being started again.")
    async with asyncio.timeout(5):
        with pytest.raises(ModelUnavailableError, match="'kokoro' is not ready: it had nothing to do"):
            await spoken
    assert not patient.done()
    patient.cancel()
    await asyncio.gather(patient, return_exceptions=True)


async def test_voice_client_sends_along_what_it_works_for_and_tells_serve_the_request() -> None:
    """Serve's own lines about a call have the id that it knows."""
    sent: list[Any] = []
    known: list[str] = []

    async def remote(*arguments: Any) -> list[str]:
        *_, work, trace = arguments
        assert trace == {}, "traces are off"
        sent.append(work)
        return ["audio"]

    def called(*arguments: Any) -> Any:
        known.append(serve_context._get_serve_request_context().request_id)
        return remote(*arguments)

    client = VoiceClient("kokoro")
    client._handle = SimpleNamespace(synthesise=SimpleNamespace(remote=called))  # type: ignore[assignment]
    with about(request_id="r", tenant="t"), about(batch="b", item=1):
        await asyncio.create_task(client.synthesise(Segment("a", "", "en-US", "heart")))
    assert sent == [{"request_id": "r", "tenant": "t", "batch": "b", "item": 1}]
    assert known == ["r"]
