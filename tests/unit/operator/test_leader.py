"""The leader's Lease, where the API server does not answer."""

import asyncio
from datetime import UTC, datetime

import pytest
from fake_kube import FakeKube
from pydantic import ValidationError

from tts_operator.kube import KubeError
from tts_operator.leader import Leader, LeaseLostError
from tts_operator.objects import LEASE, Ref, rfc3339
from tts_operator.settings import Settings

LEASE_REF = Ref(LEASE, "tts-operator")


@pytest.fixture
def kube() -> FakeKube:
    return FakeKube()


def test_settings_refuse_a_lease_that_runs_out_before_it_is_renewed() -> None:
    with pytest.raises(ValidationError, match=r"lease_renewal_seconds \(15\) must be less"):
        Settings(lease_renewal_seconds=15)
    assert Settings(lease_seconds=30, lease_renewal_seconds=15).lease_seconds == 30


async def holding(kube: FakeKube) -> "asyncio.Task[None]":
    """Return a leader at work that has renewed its Lease."""
    leader = Leader(
        kube,
        "tts-system",
        "first",
        lease_seconds=1,
        renewal_seconds=0.02,
    )
    await leader.acquire()
    task = asyncio.create_task(leader.hold())
    async with asyncio.timeout(60):
        while ("replace", "Lease") not in kube.requests:  # noqa: ASYNC110 - a list has no event
            await asyncio.sleep(0.01)
    return task


async def test_leader_gives_up_without_an_answer(kube: FakeKube) -> None:
    """An answer may take longer than the Lease holds, and another operator would lead beside it."""
    task = await holding(kube)
    kube.answers.clear()
    async with asyncio.timeout(60):
        with pytest.raises(LeaseLostError):
            await task


async def test_leader_gives_up_after_refusals(kube: FakeKube) -> None:
    task = await holding(kube)
    kube.error = KubeError("away", None)
    async with asyncio.timeout(60):
        with pytest.raises(LeaseLostError):
            await task


async def test_leader_gives_up_a_lease_that_another_one_took(kube: FakeKube) -> None:
    task = await holding(kube)
    taken = {"holderIdentity": "second", "renewTime": rfc3339(datetime.now(UTC))}
    kube.change(LEASE_REF, lambda lease: lease["spec"].update(taken), "tts-system")
    async with asyncio.timeout(60):
        with pytest.raises(LeaseLostError):
            await task
