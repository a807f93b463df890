"""The leader's Lease, where the API server does not answer."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from tts_operator.leader import Leader, LeaseLostError
from tts_operator.objects import rfc3339
from tts_operator.reconcile.kube import KubeError
from tts_operator.settings import Settings


class Kube:
    """Has one Lease; answers as long as it is told to, or not at all."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.answers = asyncio.Event()
        self.answers.set()
        self.error: KubeError | None = None
        self.renewals = 0

    async def get(self, *_: Any) -> dict[str, Any] | None:
        await self.answers.wait()
        if self.error is not None:
            raise self.error
        return self.lease

    async def create(self, manifest: dict[str, Any], _namespace: str) -> None:
        self.lease = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": "1"}}

    async def replace(self, manifest: dict[str, Any], _namespace: str) -> None:
        self.lease = manifest
        self.renewals += 1


@pytest.fixture
def kube() -> Kube:
    return Kube()


def test_a_lease_that_runs_out_before_it_is_renewed_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"lease_renewal_seconds \(15\) must be less"):
        Settings(lease_renewal_seconds=15)
    assert Settings(lease_seconds=30, lease_renewal_seconds=15).lease_seconds == 30


async def holding(kube: Kube) -> "asyncio.Task[None]":
    """Return a leader at work that has renewed its Lease."""
    leader = Leader(
        kube,  # type: ignore[arg-type]
        "tts-system",
        "first",
        lease_seconds=1,
        renewal_seconds=0.02,
    )
    await leader.acquire()
    task = asyncio.create_task(leader.hold())
    async with asyncio.timeout(60):
        while not kube.renewals:  # noqa: ASYNC110 - a number has no event
            await asyncio.sleep(0.01)
    return task


async def test_a_leader_gives_up_where_no_answer_comes_at_all(kube: Kube) -> None:
    """An answer may take longer than the Lease holds, and another operator would lead beside it."""
    task = await holding(kube)
    kube.answers.clear()
    async with asyncio.timeout(60):
        with pytest.raises(LeaseLostError):
            await task


async def test_a_leader_gives_up_where_it_is_refused_for_too_long(kube: Kube) -> None:
    task = await holding(kube)
    kube.error = KubeError("away", None)
    async with asyncio.timeout(60):
        with pytest.raises(LeaseLostError):
            await task


async def test_a_leader_gives_up_a_lease_that_another_one_took(kube: Kube) -> None:
    task = await holding(kube)
    assert kube.lease is not None
    spec = {**kube.lease["spec"], "holderIdentity": "second", "renewTime": rfc3339(datetime.now(UTC))}
    kube.lease = {**kube.lease, "spec": spec}
    async with asyncio.timeout(60):
        with pytest.raises(LeaseLostError):
            await task
