"""Counts in memory and in a real Redis, which gateways share and which may go away."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis_server import RedisMissingError, RedisServer

from tts_app.api.quota_counts import Counts
from tts_app.quotas import Measure, Rate

Start = Callable[..., Awaitable[Any]]
RATE = Rate(Measure.CHARACTERS, 100, 3600)
SPEECH = {"input": "one two", "voice": "alloy"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that runs."""
    try:
        made = RedisServer(tmp_path)
    except RedisMissingError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    with made:
        yield made


@asynccontextmanager
async def counting(url: str = "", **options: Any) -> AsyncIterator[Counts]:
    counts = Counts(url, **options)
    yield counts
    await counts.stop()


@pytest.fixture(params=["memory", "redis"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return ""
    running: RedisServer = request.getfixturevalue("server")
    return running.url


async def used(counts: Counts, owner: str = "tenant/hotel") -> tuple[int, int]:
    """What was used in the window before and in this one."""
    use, _ = await counts.add(owner, RATE, 0)
    return use.previous, use.current


async def test_counts_add_up_by_owner_and_window(url: str) -> None:
    now = 7200.0
    async with counting(url, clock=lambda: now) as counts:
        await counts.add("tenant/hotel", RATE, 30)
        before, _ = await counts.add("tenant/hotel", RATE, 12)
        assert (before.previous, before.current, before.now) == (0, 30, now)
        assert await used(counts) == (0, 42)
        assert await used(counts, "tenant/clinic") == (0, 0)
        now += 3600
        assert await used(counts) == (42, 0)
        now += 3600
        assert await used(counts) == (0, 0)


async def test_charge_is_corrected_in_the_window_that_it_was_made_in(url: str) -> None:
    now = 7200.0
    async with counting(url, clock=lambda: now) as counts:
        _, charge = await counts.add("tenant/hotel", RATE, 30)
        now += 3600
        await counts.add("tenant/hotel", RATE, 5)
        await counts.correct(charge, -10)
        assert await used(counts) == (20, 5)


async def test_counts_at_the_same_time_are_all_counted(url: str) -> None:
    async with counting(url, clock=lambda: 7200.0) as counts:
        found = await asyncio.gather(*(counts.add("tenant/hotel", RATE, 1) for _ in range(50)))
        assert sorted(use.current for use, _ in found) == list(range(50))


async def test_gateways_share_a_store(server: RedisServer) -> None:
    async with counting(server.url) as one, counting(server.url.replace("redis:", "valkey:")) as other:
        await one.add("tenant/hotel", RATE, 30)
        assert sum(await used(other)) == 30


async def test_store_that_goes_away_is_replaced_until_it_is_back(server: RedisServer, until: Any) -> None:
    async with counting(server.url, look_again=0.01) as counts:
        _, charge = await counts.add("tenant/hotel", RATE, 30)
        server.stop()
        assert sum(await used(counts)) == 0, "it counts for itself, from nothing on"
        assert counts.is_away
        await counts.correct(charge, -10)  # lost, and no error
        _, local = await counts.add("tenant/hotel", RATE, 8)
        assert sum(await used(counts)) == 8
        server.start()
        await until(lambda: not counts.is_away)
        await counts.correct(local, -8)
        assert sum(await used(counts)) == 0, "it is the store's count again, which forgot"


async def test_store_that_does_not_answer_is_away(until: Any) -> None:
    """A server that accepts and says nothing."""

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await closing.wait()
        writer.close()

    closing = asyncio.Event()
    listening = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with counting(f"redis://127.0.0.1:{port}") as counts:
        _, charge = await counts.add("tenant/hotel", RATE, 30)
        assert counts.is_away
        assert charge.store is counts._local
    closing.set()
    listening.close()


async def test_gateways_hold_a_tenant_to_one_quota_and_go_on_without_the_store(
    start: Start, server: RedisServer
) -> None:
    settings = {"quotas": "requests=3/day", "quota_store": server.url}
    first, second = await start(**settings), await start(**settings)
    answers = [await api.client.get("/v1/models") for api in (first, second, first, second)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert "quotas" not in (await first.client.get("/readyz")).json()
    server.stop()
    answer = await first.client.post("/v1/audio/speech", json=SPEECH)
    assert (answer.status_code, answer.headers["x-ratelimit-remaining-requests"]) == (200, "2")
    ready = await first.client.get("/readyz")
    assert (ready.status_code, ready.json()["quotas"]) == (
        200, "the quota store is away: each gateway counts for itself",
    )  # fmt: skip


@pytest.mark.parametrize("url", ["http://store", "redis://", "store:6379"])
async def test_wrong_store_is_refused_at_the_start(start: Start, url: str) -> None:
    with pytest.raises(ValueError, match="it must be the URL of a Redis or Valkey"):
        await start(quota_store=url)
