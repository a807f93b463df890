"""The reconcile, where no API server is needed to see what it would write."""

from datetime import UTC, datetime, timedelta

import pytest

from tts_operator.desired.children import CHILDREN
from tts_operator.desired.ray_service import Defaults
from tts_operator.objects import MANAGED_LABEL, POD, RAY_CLUSTER, RAY_SERVICE, VOICE_MODEL
from tts_operator.reconcile.queue import Key
from tts_operator.reconcile.service import Reconciler

RUNNING = {
    "metadata": {"name": "playground", "generation": 1, "labels": {MANAGED_LABEL: "tts-operator"}},
    "spec": {"serveConfigV2": "", "rayClusterConfig": {}},
}


class FakeKube:
    """An API server of two kinds, which remembers what was listed and written."""

    def __init__(self, models, ray_service):
        self._lists = {VOICE_MODEL: models}
        self._ray_service = ray_service
        self.written = []
        self.listed = []

    async def get(self, ref, namespace):
        return self._ray_service if ref.kind is RAY_SERVICE else None

    async def list(self, kind, namespace, labels=None, fields=None):
        self.listed.append(kind)
        return self._lists.get(kind, [])

    async def apply(self, manifest, namespace):
        self.written.append(manifest["kind"])
        applied = {**manifest, "metadata": {**manifest["metadata"], "generation": 1}}
        if manifest["kind"] == RAY_SERVICE.name:
            self._ray_service = applied
        return applied

    async def apply_status(self, manifest, namespace):
        self.written.append("status")

    async def create(self, manifest, namespace):
        self.written.append(manifest["kind"])

    async def delete(self, ref, namespace):
        self.written.append(f"-{ref.kind.name}")


@pytest.fixture
def reconcile():
    async def run(models, ray_service=None):
        kube = FakeKube(models, ray_service)
        defaults = Defaults("registry/app:1", {"kokoro": "registry/kokoro:1"}, "2.60.0")
        again = await Reconciler(kube, defaults, 5, 300, lambda: datetime(2026, 1, 1, tzinfo=UTC)).reconcile(
            Key("speech", "playground")
        )
        return again, kube.written

    return run


async def test_what_runs_is_not_torn_down_because_every_model_became_invalid(reconcile, voice_model):
    again, written = await reconcile([voice_model(quantization="unheard-of")], RUNNING)
    assert written == ["status", "Event"]
    assert again == 300


async def test_what_runs_goes_with_its_last_model(reconcile):
    again, written = await reconcile([], RUNNING)
    assert written == ["-RayService"]
    assert again is None


async def test_a_service_that_never_was_is_forgotten(reconcile):
    assert await reconcile([]) == (None, [])


async def test_a_model_that_is_being_deleted_counts_no_more(reconcile, voice_model):
    model = voice_model()
    model["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert await reconcile([model], RUNNING) == (None, ["-RayService"])


async def test_a_service_that_is_not_ready_is_looked_at_again_soon(reconcile, voice_model):
    again, written = await reconcile([voice_model()])
    assert again == 5
    assert written[-2:] == ["RayService", "status"]


class Clock:
    """Says what time it is."""

    def __init__(self):
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self):
        return self.now


@pytest.fixture
def again():
    """Return a function that reconciles a service again and again, some seconds after the time before."""

    def of(models, ray_service=None):
        kube, clock = FakeKube(models, ray_service), Clock()
        defaults = Defaults("registry/app:1", {"kokoro": "registry/kokoro:1"}, "2.60.0")
        reconciler = Reconciler(kube, defaults, 5, 300, clock)

        async def run(seconds=0):
            clock.now += timedelta(seconds=seconds)
            kube.listed, kube.written = [], []
            return await reconciler.reconcile(Key("speech", "playground")), kube

        return run

    return of


async def test_children_that_were_right_are_read_again_when_a_resync_is_due(again, voice_model):
    run = again([voice_model()])
    _, kube = await run()
    assert "ServiceAccount" in kube.written
    for seconds in (1, 200):
        _, kube = await run(seconds)
        assert not set(kube.listed) & set(CHILDREN)
    soon, _ = await run(97)
    assert soon == pytest.approx(2), "no later than a resync is due"
    _, kube = await run(2)
    assert set(kube.listed) >= set(CHILDREN)


async def test_children_are_read_when_others_are_wanted(again, voice_model):
    model = voice_model()
    run = again([model])
    await run()
    model["spec"]["replicas"] = {"min": 2, "max": 2}  # wants a budget
    _, kube = await run()
    assert set(kube.listed) >= set(CHILDREN)
    assert "PodDisruptionBudget" in kube.written


async def test_there_are_no_pods_before_there_is_a_cluster(again, voice_model):
    run = again([voice_model()])
    _, kube = await run()
    assert not {POD, RAY_CLUSTER} & set(kube.listed)


async def test_what_stays_as_it_is_is_looked_at_later_and_later(again, voice_model):
    model = voice_model()
    run = again([model])
    await run()
    states = {"Ready": "False", "Progressing": "True", "Degraded": "False"}
    since = {"reason": "Creating", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    told = [{"type": kind, "status": status, **since} for kind, status in states.items()]
    model["status"] = {"conditions": told}
    assert [(await run(seconds))[0] for seconds in (4, 16, 80)] == pytest.approx([5, 10, 50])
