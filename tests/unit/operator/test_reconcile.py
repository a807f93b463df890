"""The reconcile, where no API server is needed to see what it would write."""

from datetime import UTC, datetime

import pytest

from tts_operator.desired.ray_service import Defaults
from tts_operator.objects import MANAGED_LABEL, RAY_SERVICE, VOICE_MODEL
from tts_operator.reconcile.queue import Key
from tts_operator.reconcile.service import Reconciler

RUNNING = {
    "metadata": {"name": "playground", "generation": 1, "labels": {MANAGED_LABEL: "tts-operator"}},
    "spec": {"serveConfigV2": "", "rayClusterConfig": {}},
}


class FakeKube:
    """An API server of two kinds, which remembers what was written."""

    def __init__(self, models, ray_service):
        self._lists = {VOICE_MODEL: models}
        self._ray_service = ray_service
        self.written = []

    async def get(self, ref, namespace):
        return self._ray_service if ref.kind is RAY_SERVICE else None

    async def list(self, kind, namespace, labels=None, fields=None):
        return self._lists.get(kind, [])

    async def apply(self, manifest, namespace):
        self.written.append(manifest["kind"])
        return {**manifest, "metadata": {**manifest["metadata"], "generation": 1}}

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
