"""Caches and the reflectors that keep them: whatever happens to a watch, memory ends as the API server is."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fake_kube import FakeKube

from tts_app.backoff import Backoff
from tts_operator import reflector
from tts_operator.cache import Cache
from tts_operator.kube import KubeError
from tts_operator.objects import (
    HTTP_ROUTE,
    POD,
    RAY_CLUSTER,
    RAY_SERVICE,
    SERVICE_LABEL,
    TTS_JOB,
    VOICE_MODEL,
    JobKey,
    Key,
    Ref,
)
from tts_operator.reconcile.read import LiveReader
from tts_operator.reflector import Reflector

KEY = Key("speech", "playground")
PLAYGROUND = Ref(RAY_SERVICE, "playground")


def model(name="kokoro", service="playground", **metadata):
    return {"metadata": {"name": name, **metadata}, "spec": {"service": service}}


def labelled(name="playground", service="playground", **more):
    return {"metadata": {"name": name, "labels": {SERVICE_LABEL: service}}, **more}


class World:
    """An API server, a cache that reflectors keep, and whom it notified."""

    def __init__(self, namespaces=()):
        self.notified = []
        self.cache = Cache(namespaces, self.notified.append)
        self.kube = FakeKube(learn=self.cache.learn)
        self.reflectors = [Reflector(self.kube, store) for store in self.cache.stores]
        self.tasks = []

    async def start(self):
        self.tasks = [asyncio.create_task(one.run()) for one in self.reflectors]
        for one in self.reflectors:
            await one.tried.wait()
        await self.settle()

    async def settle(self):
        """Let everything happen that can happen at once; return who was notified since the last time."""
        for _ in range(20):
            await asyncio.sleep(0)
        notified = list(self.notified)
        self.notified.clear()
        return notified

    async def stop(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def names(self, kind, key=KEY):
        return [found["metadata"]["name"] for found in await self.cache.of(kind, key)]


@pytest.fixture
async def world(monkeypatch) -> AsyncIterator[World]:
    monkeypatch.setattr(reflector, "RETRY", Backoff(0.0, 60.0))
    made = World()
    yield made
    await made.stop()


async def test_cache_has_what_was_there_before_it_began(world):
    world.kube.put(VOICE_MODEL, model())
    world.kube.put(VOICE_MODEL, model("other", "another"))
    await world.start()
    assert await world.names(VOICE_MODEL) == ["kokoro"]
    assert await world.names(VOICE_MODEL, Key("speech", "another")) == ["other"]
    assert (await world.cache.get(Ref(VOICE_MODEL, "kokoro"), KEY))["spec"] == {"service": "playground"}
    assert await world.cache.get(Ref(VOICE_MODEL, "other"), KEY) is None


async def test_cache_follows_created_changed_and_deleted_objects(world):
    await world.start()
    world.kube.put(RAY_SERVICE, labelled())
    assert await world.settle() == [KEY]
    world.kube.change(PLAYGROUND, lambda service: service.update(status={"a": 1}))
    assert await world.settle() == [KEY]
    assert (await world.cache.get(PLAYGROUND, KEY))["status"] == {"a": 1}
    world.kube.drop(PLAYGROUND)
    assert await world.settle() == [KEY]
    assert await world.names(RAY_SERVICE) == []


async def test_cache_has_only_what_carries_a_label(world):
    world.kube.put(RAY_SERVICE, {"metadata": {"name": "theirs"}})
    world.kube.put(POD, labelled("a"))
    job_pod = {"metadata": {"name": "b", "labels": {"ttsplayground.dev/ttsjob": "playground"}}}
    world.kube.put(POD, job_pod)
    await world.start()
    assert await world.cache.get(Ref(RAY_SERVICE, "theirs"), Key("speech", "theirs")) is None
    assert await world.names(POD) == ["a"]
    assert await world.names(POD, JobKey("speech", "playground")) == ["b"]


async def test_cache_gives_each_reader_a_copy(world):
    world.kube.put(VOICE_MODEL, model(managedFields=[{"manager": "kubectl"}]))
    await world.start()
    (one,) = await world.cache.of(VOICE_MODEL, KEY)
    assert "managedFields" not in one["metadata"]
    one["spec"].clear()
    assert (await world.cache.of(VOICE_MODEL, KEY))[0]["spec"]


async def test_cache_notifies_both_services_of_a_model_that_moves(world):
    world.kube.put(VOICE_MODEL, model())
    await world.start()
    other = Key("speech", "another")
    world.kube.change(Ref(VOICE_MODEL, "kokoro"), lambda found: found["spec"].update(service="another"))
    assert await world.settle() == [KEY, other]
    assert (await world.names(VOICE_MODEL), await world.names(VOICE_MODEL, other)) == ([], ["kokoro"])


@pytest.mark.parametrize("compact", [False, True])
async def test_reflector_catches_up_after_its_watch_was_down(world, compact):
    for name in ("a", "b", "c"):
        world.kube.put(VOICE_MODEL, model(name, name))
    await world.start()
    world.kube.answers.clear()
    world.kube.break_watches()
    await world.settle()
    world.kube.drop(Ref(VOICE_MODEL, "a"))
    world.kube.change(Ref(VOICE_MODEL, "b"), lambda found: found["spec"].update(engine="x"))
    world.kube.put(VOICE_MODEL, model("d", "d"))
    if compact:
        world.kube.break_watches(compact=True)
    world.kube.take_requests()
    world.kube.answers.set()
    await asyncio.sleep(0.01)
    keys = [Key("speech", name) for name in "abcd"]
    assert [await world.names(VOICE_MODEL, key) for key in keys] == [[], ["b"], ["c"], ["d"]]
    assert set(await world.settle()) == {keys[0], keys[1], keys[3]}, "of what is as it was nobody is notified"
    assert (("list", "VoiceModel") in world.kube.requests) == compact


async def test_reflector_forgets_objects_of_a_removed_kind(world):
    world.kube.put(HTTP_ROUTE, labelled("r"))
    await world.start()
    assert await world.names(HTTP_ROUTE) == ["r"]
    world.kube.refused = {("list", HTTP_ROUTE.name): 404, ("watch", HTTP_ROUTE.name): 404}
    world.kube.break_watches()
    await asyncio.sleep(0.05)
    assert await world.names(HTTP_ROUTE) == []


async def test_reflector_looks_for_a_missing_kind_that_users_write(world, monkeypatch):
    monkeypatch.setattr(reflector, "MISSING_SECONDS", 0.01)
    world.kube.refused = {("list", VOICE_MODEL.name): 404}
    await world.start()
    with pytest.raises(KubeError, match="voicemodels of the cluster are not known"):
        await world.names(VOICE_MODEL)
    world.kube.put(VOICE_MODEL, model())
    world.kube.refused = {}
    await asyncio.sleep(0.05)
    assert await world.names(VOICE_MODEL) == ["kokoro"]


async def test_reflector_forgets_no_model_whose_kind_is_away_for_a_moment(world, monkeypatch):
    """Else all models of a service would be gone at once, and the service be deleted."""
    monkeypatch.setattr(reflector, "MISSING_SECONDS", 0.01)
    world.kube.put(VOICE_MODEL, model())
    await world.start()
    world.kube.refused = {("list", VOICE_MODEL.name): 404, ("watch", VOICE_MODEL.name): 404}
    world.kube.break_watches()
    assert await world.settle() == []
    with pytest.raises(KubeError, match="are not known"):
        await world.names(VOICE_MODEL)
    with pytest.raises(KubeError, match="list is refused"):
        await LiveReader(world.kube).of(VOICE_MODEL, KEY)
    world.kube.refused = {}
    await asyncio.sleep(0.05)
    assert await world.names(VOICE_MODEL) == ["kokoro"]


async def test_reflector_looks_for_a_missing_kind_when_the_operator_meets_its_group(world, monkeypatch):
    monkeypatch.setattr(reflector, "MISSING_SECONDS", 0.01)
    world.kube.refused = {("list", RAY_SERVICE.name): 404, ("list", RAY_CLUSTER.name): 404}
    await world.start()
    world.kube.refused = {}
    world.kube.put(RAY_SERVICE, labelled())
    world.kube.put(RAY_CLUSTER, labelled("c"))
    await world.kube.get(PLAYGROUND, "speech")
    await asyncio.sleep(0.05)
    assert await world.names(RAY_CLUSTER) == ["c"]
    world.kube.change(PLAYGROUND, lambda service: service.update(status={"a": 2}))
    await world.settle()
    assert (await world.cache.get(PLAYGROUND, KEY))["status"] == {"a": 2}, "it is watched"


async def test_reflector_looks_for_a_missing_kind_when_the_operator_writes(world, monkeypatch):
    monkeypatch.setattr(reflector, "MISSING_SECONDS", 0.01)
    world.kube.refused = {("list", RAY_SERVICE.name): 404, ("list", RAY_CLUSTER.name): 404}
    await world.start()
    world.kube.take_requests()
    await asyncio.sleep(0.05)
    assert world.kube.take_requests() == [], "nobody else makes objects of them"
    world.kube.refused = {}
    world.kube.put(RAY_CLUSTER, labelled("c"))
    await world.kube.apply({"apiVersion": "ray.io/v1", "kind": "RayService", **labelled()}, "speech")
    await asyncio.sleep(0.05)
    assert await world.names(RAY_SERVICE) == ["playground"]
    assert await world.names(RAY_CLUSTER) == ["c"]


async def test_cache_says_which_kind_it_does_not_know_and_why(world):
    world.kube.refused = {("list", RAY_SERVICE.name): 403}
    await world.start()
    with pytest.raises(KubeError, match=r"rayservices of the cluster are not known: list is refused"):
        await world.cache.of(RAY_SERVICE, KEY)
    world.kube.refused = {}
    await asyncio.sleep(0.01)
    assert await world.names(RAY_SERVICE) == []


async def test_cache_of_some_namespaces_knows_nothing_of_others():
    one = World(["speech"])
    one.kube.put(VOICE_MODEL, model(), "elsewhere")
    await one.start()
    assert await one.names(VOICE_MODEL) == []
    with pytest.raises(KubeError, match="voicemodels of namespace elsewhere are not watched"):
        await one.cache.of(VOICE_MODEL, Key("elsewhere", "playground"))
    await one.stop()


async def test_cache_knows_at_once_what_the_operator_wrote_and_notifies_nobody(world):
    await world.start()
    world.kube.break_watches()
    world.kube.answers.clear()
    await world.settle()
    world.kube.answers.set()
    manifest = {"apiVersion": "ray.io/v1", "kind": "RayService", **labelled(spec={"a": 1})}
    await world.kube.apply(manifest, "speech")
    assert (await world.cache.get(PLAYGROUND, KEY))["spec"] == {"a": 1}
    assert await world.settle() == []
    await asyncio.sleep(0.01)
    assert await world.settle() == [], "the watch came to it"


async def test_cache_notifies_of_what_was_read_before_the_watch_came_to_it(world):
    await world.start()
    world.kube.put(RAY_SERVICE, labelled())
    assert await world.kube.get(PLAYGROUND, "speech")
    assert await world.names(RAY_SERVICE) == ["playground"]
    assert await world.settle() == [KEY]


async def test_cache_notifies_of_a_change_that_came_before_its_own_write(world):
    world.kube.put(TTS_JOB, {"metadata": {"name": "welcome"}, "spec": {}})
    await world.start()
    ref = Ref(TTS_JOB, "welcome")
    world.kube.change(ref, lambda job: job["spec"].update(suspend=True))
    body = {"apiVersion": TTS_JOB.api_version, "kind": TTS_JOB.name, "metadata": {"name": "welcome"}}
    await world.kube.apply_status({**body, "status": {"phase": "Running"}}, "speech")
    assert await world.settle() == [JobKey("speech", "welcome")]
    found = await world.cache.get(ref, JobKey("speech", "welcome"))
    assert (found["spec"], found["status"]) == ({"suspend": True}, {"phase": "Running"})


async def test_cache_does_not_keep_what_was_deleted_before_the_answer_to_a_write_came(world):
    await world.start()
    made = world.kube.put(RAY_SERVICE, labelled())
    world.kube.drop(PLAYGROUND)
    await world.settle()
    world.cache.learn(RAY_SERVICE, made, is_own=True)
    assert await world.names(RAY_SERVICE) == []
