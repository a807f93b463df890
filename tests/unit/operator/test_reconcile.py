"""The reconcile, where no API server is needed to see what it would write."""

import copy
from datetime import UTC, datetime, timedelta

import pytest

from tts_operator.desired.children import CHILDREN
from tts_operator.desired.ray_service import Defaults
from tts_operator.objects import (
    CLAIM,
    EVENT,
    MANAGED_LABEL,
    PLAYGROUND,
    POD,
    RAY_CLUSTER,
    RAY_SERVICE,
    VOICE_MODEL,
)
from tts_operator.reconcile.kube import KubeError
from tts_operator.reconcile.queue import Key
from tts_operator.reconcile.service import Reconciler

RUNNING = {
    "metadata": {"name": "playground", "generation": 1, "labels": {MANAGED_LABEL: "tts-operator"}},
    "spec": {"serveConfigV2": "", "rayClusterConfig": {}},
}


def playground_of(**spec):
    return {
        "apiVersion": "ttsplayground.dev/v1alpha1",
        "kind": "Playground",
        "metadata": {"name": "playground", "uid": "uid-playground", "generation": 1},
        "spec": spec,
    }


class FakeKube:
    """An API server of a few kinds, which remembers what was listed and written."""

    def __init__(self, models, ray_service):
        self.lists = {VOICE_MODEL: models}
        self._ray_service = ray_service
        self.playground = None
        self.refused = {}
        """The status that a verb on a kind is refused with."""
        self.written = []
        self.listed = []
        self.patched = []

    def _refuse(self, verb, kind):
        if (verb, kind) in self.refused:
            raise KubeError(f"{verb} is refused", self.refused[verb, kind])

    def runs(self, clusters, pods):
        """Have clusters and pods."""
        self.lists |= {RAY_CLUSTER: clusters, POD: pods}

    async def get(self, ref, namespace):
        return {RAY_SERVICE: self._ray_service, PLAYGROUND: self.playground}.get(ref.kind)

    async def list(self, kind, namespace, labels=None, fields=None):
        self.listed.append(kind)
        self._refuse("list", kind.name)
        return self.lists.get(kind, [])

    async def apply(self, manifest, namespace):
        self._refuse("apply", manifest["kind"])
        self.written.append(manifest["kind"])
        applied = {**manifest, "metadata": {**manifest["metadata"], "generation": 1}}
        if manifest["kind"] == RAY_SERVICE.name:
            applied["status"] = (self._ray_service or {}).get("status", {})
            self._ray_service = applied
        return applied

    async def apply_status(self, manifest, namespace):
        self.written.append("status")
        self.told = {condition["type"]: condition for condition in manifest["status"]["conditions"]}

    async def patch(self, ref, namespace, operations):
        self.patched += [(op["path"].rpartition("/")[2], op["value"]) for op in operations]

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


async def test_an_invalid_edit_takes_nothing_away_that_runs(again, voice_model):
    edited, other = voice_model(), voice_model("other", avatars=[("ar-SA", "male")])
    run = again([edited, other])
    await run()
    edited["spec"]["quantization"] = "unheard-of"
    _, kube = await run(301)
    assert "RayService" not in kube.written
    assert "status" in kube.written


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


async def test_a_service_that_another_operator_made_meanwhile_is_told_as_it_is(again, voice_model):
    run = again([voice_model()])
    _, kube = await run()
    kube._ray_service["status"] = {"activeServiceStatus": {"rayClusterName": "playground-abc"}}
    got, missed = kube.get, []

    async def miss_it_once(ref, namespace):
        if ref.kind is RAY_SERVICE and not missed:
            return missed.append(ref)
        return await got(ref, namespace)

    kube.get = miss_it_once
    _, kube = await run(301)
    assert missed and "RayService" not in kube.written
    assert POD in kube.listed, "what runs of it was looked at"


async def test_a_playground_that_stays_invalid_is_not_due_for_ever(again, voice_model):
    run = again([voice_model()])
    _, kube = await run()
    kube.playground = playground_of(images={"pullPolicy": "Sometimes"})
    soon, _ = await run(301)
    assert soon >= 5


@pytest.mark.parametrize("status", [403, 422])
async def test_a_claim_that_cannot_be_changed_holds_nothing_else_up(again, voice_model, status):
    run = again([voice_model()])
    _, kube = await run()
    labels = {MANAGED_LABEL: "tts-operator"}
    kube.lists[CLAIM] = [{"metadata": {"name": "playground-audio", "labels": labels}, "spec": {}}]
    kube.refused = {("apply", CLAIM.name): status}
    kube.playground = playground_of(storage={"audio": {"size": "30Gi"}})
    kube.lists[VOICE_MODEL].append(voice_model("other", avatars=[("ar-SA", "male")]))
    await run()
    assert "RayService" in kube.written
    degraded = kube.told["Degraded"]
    assert (degraded["status"], degraded["reason"]) == ("True", "ClaimRefused")
    assert "Claim playground-audio" in degraded["message"]
    assert "apply is refused" in degraded["message"]
    kube.refused = {}
    await run()
    assert (kube.told["Degraded"]["status"], CLAIM.name in kube.written) == ("False", True)


async def test_a_claim_that_cannot_be_made_is_told_as_the_api_server_refused_it(again, voice_model):
    run = again([voice_model()])
    _, kube = await run()
    kube.refused = {("apply", CLAIM.name): 403}
    await run(301)
    assert kube.told["Degraded"]["reason"] == "Forbidden"
    kube.refused = {("apply", CLAIM.name): 500}
    kube.lists[VOICE_MODEL].append(voice_model("other", avatars=[("ar-SA", "male")]))
    await run()
    assert kube.told["Degraded"]["reason"] == "ApplyFailed"
    assert "RayService" not in kube.written, "whether the claim is there is not known"


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


async def test_a_ray_service_that_is_somebody_elses_is_left_alone_and_its_clusters_too(again, voice_model):
    def group(replicas):
        return {"groupName": "theirs", "replicas": replicas, "minReplicas": 1, "maxReplicas": 9}

    theirs = {
        "metadata": {"name": "playground", "generation": 1},
        "spec": {"serveConfigV2": "", "rayClusterConfig": {"workerGroupSpecs": [group(1)]}},
        "status": {"activeServiceStatus": {"rayClusterName": "playground-abcde"}},
    }
    models = [voice_model()]
    run = again(models, theirs)
    _, kube = await run()
    kube.runs([{"metadata": {"name": "playground-abcde"}, "spec": {"workerGroupSpecs": [group(5)]}}], [])
    _, kube = await run()
    assert kube.written[-2:] == ["status", "Event"]
    assert "RayService" not in kube.written
    assert kube.patched == []
    models.clear()
    assert await run() == (None, kube), "nothing of it is the operator's"
    assert kube.written == []


@pytest.mark.parametrize(
    ("refused", "reason"), [({}, "VolumesNotReady"), ({("list", "Event"): 403}, "AsExpected")]
)
async def test_a_pod_that_waits_for_its_volumes_is_told_where_events_may_be_read(
    again, voice_model, refused, reason
):
    run = again([voice_model()])
    _, kube = await run()
    kube._ray_service["status"] = {"pendingServiceStatus": {"rayClusterName": "playground-abcde"}}
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    waits = {"name": "ray-head", "state": {"waiting": {"reason": "ContainerCreating"}}}
    head = {
        "metadata": {"name": "head", "uid": "uid-head", "labels": {"ray.io/group": "headgroup"}},
        "spec": {},
        "status": {"conditions": [scheduled], "containerStatuses": [waits]},
    }
    kube.runs([], [head])
    multi_attach = {"reason": "FailedAttachVolume", "note": "Multi-Attach error"}
    times = {"deprecatedLastTimestamp": "2026-01-01T00:00:02Z"}
    kube.lists[EVENT] = [{"metadata": {}, "regarding": {"uid": "uid-head"}, **multi_attach, **times}]
    await run(100)
    assert EVENT not in kube.listed
    kube.refused = refused
    await run(21)
    assert kube.told["Degraded"]["reason"] == reason


async def test_a_pod_goes_when_its_model_has_ended_what_it_does(again, voice_model):
    gone, stays = voice_model("gone", avatars=[("en-US", "male")]), voice_model()
    models = [gone, stays]
    run = again(models)
    _, kube = await run()
    kube._ray_service["status"] = {"activeServiceStatus": {"rayClusterName": "playground-abcde"}}
    groups = copy.deepcopy(kube._ray_service["spec"]["rayClusterConfig"]["workerGroupSpecs"])
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    labels = {"ray.io/cluster": "playground-abcde", "ray.io/group": groups[0]["groupName"]}
    pod = {"metadata": {"name": "w", "labels": labels}, "spec": {}, "status": {"conditions": [ready]}}
    cluster = {"metadata": {"name": "playground-abcde"}, "spec": {"workerGroupSpecs": groups}}
    kube.runs([cluster], [pod])
    models.remove(gone)
    soon, _ = await run(100)
    assert (kube.patched, soon) == ([], 5), "Serve has the model's replica end first"
    ready |= {"status": "False", "lastTransitionTime": "2026-01-01T00:01:41Z"}
    soon, _ = await run(29)
    assert (kube.patched, soon) == ([], 5)
    await run(3)
    assert ("replicas", 0) in kube.patched


async def test_what_stays_as_it_is_is_looked_at_later_and_later(again, voice_model):
    model = voice_model()
    run = again([model])
    await run()
    states = {"Ready": "False", "Progressing": "True", "Degraded": "False"}
    since = {"reason": "Creating", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    told = [{"type": kind, "status": status, **since} for kind, status in states.items()]
    model["status"] = {"conditions": told}
    assert [(await run(seconds))[0] for seconds in (4, 16, 80)] == pytest.approx([5, 10, 50])
