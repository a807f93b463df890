"""The reconciles on a cache that reflectors keep: what they ask the API server, and when."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from fake_kube import FakeKube

from tts_operator.cache import Cache
from tts_operator.objects import PLAYGROUND, RAY_SERVICE, TTS_JOB, VOICE_MODEL, JobKey, Key, Ref
from tts_operator.reconcile.jobs import JobReconciler
from tts_operator.reconcile.service import Reconciler
from tts_operator.reconcile.statuses import StatusWriter
from tts_operator.reflector import Reflector

KEY = Key("speech", "playground")
JOB_KEY = JobKey("speech", "welcome")
TTSJOB = {
    "metadata": {"name": "welcome"},
    "spec": {
        "posts": {"inline": [{"id": 1, "text": {"en": "Hello"}}]},
        "output": {"uri": "pvc://playground-audio/welcome"},
        "suspend": True,
    },
}


def now():
    return datetime(2026, 1, 1, tzinfo=UTC)


class World:
    """A service and a TTSJob, an operator that reads its cache, and what was due since the last time."""

    def __init__(self, policy):
        self.due = []
        self.cache = Cache((), self.due.append)
        self.kube = FakeKube(learn=self.cache.learn)
        writer = StatusWriter(self.kube, now, "tests")
        self.services = Reconciler(self.kube, self.cache, policy, now, writer)
        self.jobs = JobReconciler(self.kube, self.cache, policy, now, writer)
        self.tasks = []

    async def start(self):
        reflectors = [Reflector(self.kube, store) for store in self.cache.stores]
        self.tasks = [asyncio.create_task(one.run()) for one in reflectors]
        for one in reflectors:
            await one.tried.wait()
        await self.settle()
        self.kube.take_requests()

    async def settle(self):
        """Let the watches deliver what happened; return what is due."""
        for _ in range(20):
            await asyncio.sleep(0)
        due = set(self.due)
        self.due.clear()
        return due


@pytest.fixture
async def world(policy) -> AsyncIterator[World]:
    made = World(policy)
    yield made
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)


async def test_reconcile_of_a_settled_service_makes_no_request(world, voice_model):
    world.kube.put(VOICE_MODEL, voice_model())
    world.kube.put(TTS_JOB, TTSJOB)
    await world.start()
    await world.services.reconcile(KEY)
    await world.jobs.reconcile(JOB_KEY)
    assert world.kube.take_writes()
    assert await world.settle() == set(), "its own writes make nothing due"
    await world.services.reconcile(KEY)
    await world.jobs.reconcile(JOB_KEY)
    assert world.kube.take_requests() == []


async def test_reconcile_after_a_restart_makes_no_request(world, policy, voice_model):
    world.kube.put(VOICE_MODEL, voice_model())
    world.kube.put(TTS_JOB, TTSJOB)
    await world.start()
    await world.services.reconcile(KEY)
    await world.jobs.reconcile(JOB_KEY)
    again = World(policy)
    again.kube = world.kube
    again.services = Reconciler(world.kube, again.cache, policy, now, world.services.writer)
    again.jobs = JobReconciler(world.kube, again.cache, policy, now, world.services.writer)
    await again.start()
    await again.services.reconcile(KEY)
    await again.jobs.reconcile(JOB_KEY)
    requests = world.kube.take_requests()
    for task in again.tasks:
        task.cancel()
    await asyncio.gather(*again.tasks, return_exceptions=True)
    assert requests == []


async def test_reconcile_on_a_stale_cache_deletes_nothing(world, voice_model):
    """A model is deleted and made again; the watch of models has come to the deletion only."""
    world.kube.put(VOICE_MODEL, voice_model())
    await world.start()
    await world.services.reconcile(KEY)
    world.kube.drop(Ref(VOICE_MODEL, "kokoro"))
    await world.settle()
    world.kube.put(VOICE_MODEL, voice_model(creationTimestamp="2026-01-01T00:00:00Z"))
    world.kube.take_requests()
    await world.services.reconcile(KEY)
    assert not [request for request in world.kube.take_writes() if request.startswith("delete")]


async def test_reconcile_of_one_status_asks_for_that_resource_alone(world, voice_model):
    world.kube.put(VOICE_MODEL, voice_model())
    await world.start()
    await world.services.reconcile(KEY)
    status = {"pendingServiceStatus": {"rayClusterName": "playground-abcde"}}
    world.kube.change(Ref(RAY_SERVICE, "playground"), lambda service: service.update(status=status))
    assert await world.settle() == {KEY}
    world.kube.take_requests()
    await world.services.reconcile(KEY)
    assert world.kube.take_requests() == [("get", "VoiceModel"), ("status", "VoiceModel")]


async def test_reconcile_is_due_when_a_playground_is_created(world, voice_model):
    world.kube.put(VOICE_MODEL, voice_model())
    await world.start()
    world.kube.put(PLAYGROUND, {"metadata": {"name": "playground"}, "spec": {}})
    assert await world.settle() == {KEY}
