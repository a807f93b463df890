"""The reconcile of a service on an API server in memory."""

from datetime import UTC, datetime, timedelta

import pytest
from fake_kube import FakeKube

from tts_operator.desired.groups import group_of
from tts_operator.kube import KubeError
from tts_operator.objects import (
    CLAIM,
    EVENT,
    PLAYGROUND,
    POD,
    RAY_CLUSTER,
    RAY_SERVICE,
    SERVICE_ACCOUNT,
    SERVICE_LABEL,
    VOICE_MODEL,
    Key,
    Ref,
    rfc3339,
)
from tts_operator.reconcile.read import LiveReader
from tts_operator.reconcile.service import Reconciler
from tts_operator.reconcile.statuses import StatusWriter

SERVICE = Ref(RAY_SERVICE, "playground")
KOKORO = Ref(VOICE_MODEL, "kokoro")
CLUSTER = "playground-abcde"


class World:
    """A service on an API server, and a clock, moved by the test."""

    def __init__(self, policy, *models):
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.kube = FakeKube()
        self.kube.clock = lambda: rfc3339(self.now)
        for model in models:
            self.kube.put(VOICE_MODEL, model)

        def now():
            return self.now

        self.reconciler = Reconciler(
            self.kube, LiveReader(self.kube), policy, now, StatusWriter(self.kube, now, "tests")
        )

    async def step(self, seconds=0):
        """Reconcile after some seconds; return what was written and in how many seconds to look again."""
        self.now += timedelta(seconds=seconds)
        self.kube.take_requests()
        again = await self.reconciler.reconcile(Key("speech", "playground"))
        return self.kube.take_writes(), again

    def condition(self, type_, ref=KOKORO):
        return next(c for c in self.kube.found(ref)["status"]["conditions"] if c["type"] == type_)

    def kuberay_says(self, **status):
        self.kube.change(SERVICE, lambda service: service.update(status=status))

    def set_playground(self, **spec):
        self.kube.put(PLAYGROUND, {"metadata": {"name": "playground"}, "spec": spec})

    def run_cluster(self, groups, *pods):
        """Have the service's cluster and pods of it."""
        origin = {"ray.io/originated-from-crd": "RayService", "ray.io/originated-from-cr-name": "playground"}
        labels = {SERVICE_LABEL: "playground", **origin}
        cluster = {"metadata": {"name": CLUSTER, "labels": labels}, "spec": {"workerGroupSpecs": groups}}
        self.kube.put(RAY_CLUSTER, cluster)
        for pod in pods:
            pod["metadata"]["labels"] |= {SERVICE_LABEL: "playground", "ray.io/cluster": CLUSTER}
            self.kube.put(POD, pod)

    def replicas(self):
        return [g["replicas"] for g in self.kube.found(Ref(RAY_CLUSTER, CLUSTER))["spec"]["workerGroupSpecs"]]


@pytest.fixture
def world(policy):
    return lambda *models: World(policy, *models)


async def test_reconcile_makes_the_children_of_a_service_and_writes_its_status(world, voice_model):
    one = world(voice_model())
    written, again = await one.step()
    assert written == [
        "apply ServiceAccount",
        "apply PersistentVolumeClaim",
        "apply NetworkPolicy",
        "apply RayService",
        "status VoiceModel",
    ]
    assert again == 5
    assert one.condition("Progressing")["reason"] == "ClusterStarting"
    assert await one.step() == ([], 5)


async def test_reconcile_deletes_what_runs_with_the_last_model(world, voice_model):
    one = world(voice_model())
    await one.step()
    one.kube.drop(KOKORO)
    written, again = await one.step()
    assert written == ["delete RayService", "delete NetworkPolicy", "delete ServiceAccount"]
    assert again is None
    assert one.kube.of_kind(CLAIM), "audio stays"
    assert await one.step() == ([], None)


async def test_reconcile_asks_the_server_before_it_deletes(world, voice_model):
    """What was read may be older than what the API server has now: here it misses a model."""
    one = world(voice_model())
    await one.step()
    reader = one.reconciler.reader

    class Stale:
        get = reader.get

        async def of(self, kind, key):
            return [] if kind is VOICE_MODEL else await reader.of(kind, key)

    stale = Reconciler(one.kube, Stale(), one.reconciler.policy, one.reconciler.now, one.reconciler.writer)
    one.kube.take_requests()
    await stale.reconcile(Key("speech", "playground"))
    assert one.kube.take_writes() == []


async def test_reconcile_keeps_what_runs_when_every_model_becomes_invalid(world, voice_model):
    one = world(voice_model())
    await one.step()
    one.kube.change(SERVICE, lambda service: service["spec"].update(serveConfigV2=""))
    one.kube.change(KOKORO, lambda model: model["spec"].update(quantization="unheard-of"))
    written, again = await one.step(301)
    assert written == ["status VoiceModel", "create Event"]
    assert again == 300
    assert one.kube.reported == [("Warning", "InvalidSpec")]


async def test_reconcile_keeps_an_invalid_model_as_it_was_beside_others(world, voice_model):
    one = world(voice_model(), voice_model("other", avatars=[("ar-SA", "male")]))
    await one.step()
    one.kube.change(KOKORO, lambda model: model["spec"].update(quantization="unheard-of"))
    written, _ = await one.step(301)
    assert "apply RayService" not in written
    assert one.condition("Degraded")["reason"] == "InvalidSpec"


async def test_reconcile_says_which_parameter_is_not_allowed_and_keeps_the_model(world, voice_model):
    one = world(voice_model())
    await one.step()
    one.kube.change(KOKORO, lambda model: model["spec"].update(parameters={"plugin": "/claims/evil.py"}))
    written, _ = await one.step(301)
    assert "apply RayService" not in written
    ready = one.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "ParameterNotAllowed")
    assert "parameters.plugin: Extra inputs are not permitted; kokoro has: runtime" in ready["message"]


async def test_reconcile_of_an_invalid_playground_is_degraded_and_looks_again(world, voice_model):
    one = world(voice_model())
    await one.step()
    one.set_playground(images={"pullPolicy": "Sometimes"})
    _, again = await one.step(301)
    assert again >= 5
    assert one.condition("Degraded")["reason"] == "InvalidPlayground"


@pytest.mark.parametrize("status", [403, 422])
async def test_reconcile_goes_on_past_a_claim_that_cannot_be_changed(world, voice_model, status):
    one = world(voice_model())
    await one.step()
    one.kube.refused = {("apply", CLAIM.name): status}
    one.set_playground(storage={"audio": {"size": "30Gi"}})
    one.kube.put(VOICE_MODEL, voice_model("other", avatars=[("ar-SA", "male")]))
    written, _ = await one.step()
    assert "apply RayService" in written
    degraded = one.condition("Degraded")
    assert (degraded["status"], degraded["reason"]) == ("True", "ClaimRefused")
    assert "Claim playground-audio" in degraded["message"]
    assert "apply is refused" in degraded["message"]
    one.kube.refused = {}
    written, _ = await one.step(1)
    assert (one.condition("Degraded")["status"], "apply PersistentVolumeClaim" in written) == ("False", True)


@pytest.mark.parametrize("kind", ["PodMonitor", "ServiceMonitor"])
async def test_reconcile_goes_on_where_the_cluster_has_no_such_monitor(world, voice_model, kind):
    one = world(voice_model())
    one.kube.refused = {("apply", kind): 404}
    one.set_playground(monitoring={"kind": kind})
    written, _ = await one.step()
    assert "apply RayService" in written
    degraded = one.condition("Degraded")
    assert (degraded["status"], degraded["reason"]) == ("True", "MonitorKindMissing")
    assert f"no {kind} kind" in degraded["message"]
    one.kube.refused = {}
    await one.step(1)
    assert one.condition("Degraded")["status"] == "False"


@pytest.mark.parametrize(("status", "reason"), [(403, "Forbidden"), (500, "ApplyFailed")])
async def test_reconcile_reports_why_a_claim_cannot_be_made(world, voice_model, status, reason):
    one = world(voice_model())
    one.kube.refused = {("apply", CLAIM.name): status}
    written, _ = await one.step()
    assert one.condition("Degraded")["reason"] == reason
    # Of a server that is broken nobody knows whether the claim is there.
    assert ("apply RayService" in written) == (status == 403)


async def test_reconcile_raises_when_the_server_does_not_answer(world, voice_model):
    one = world(voice_model())
    one.kube.error = KubeError("away", None)
    with pytest.raises(KubeError, match="away"):
        await one.step()


async def test_reconcile_leaves_a_child_of_another_owner_alone(world, voice_model):
    one = world(voice_model())
    one.kube.put(SERVICE_ACCOUNT, {"metadata": {"name": "playground"}})
    written, _ = await one.step()
    assert written == ["status VoiceModel", "create Event"]
    degraded = one.condition("Degraded")
    assert degraded["reason"] == "NameTaken"
    assert "ServiceAccount playground" in degraded["message"]


async def test_reconcile_leaves_a_ray_service_of_another_owner_and_its_clusters_alone(world, voice_model):
    def group(replicas):
        return {"groupName": "theirs", "replicas": replicas, "minReplicas": 1, "maxReplicas": 9}

    one = world(voice_model())
    theirs = {
        "metadata": {"name": "playground"},
        "spec": {"serveConfigV2": "", "rayClusterConfig": {"workerGroupSpecs": [group(1)]}},
        "status": {"activeServiceStatus": {"rayClusterName": CLUSTER}},
    }
    one.kube.put(RAY_SERVICE, theirs)
    one.run_cluster([group(5)])
    written, _ = await one.step()
    assert written[-2:] == ["status VoiceModel", "create Event"]
    assert not {"apply RayService", "patch RayCluster"} & set(written)
    one.kube.drop(KOKORO)
    written, again = await one.step()
    assert "delete RayService" not in written
    assert again is None


@pytest.mark.parametrize(
    ("refused", "reason"), [({}, "VolumesNotReady"), ({("list", "Event"): 403}, "AsExpected")]
)
async def test_reconcile_reports_a_mount_error_where_events_may_be_read(world, voice_model, refused, reason):
    one = world(voice_model())
    await one.step()
    one.kuberay_says(pendingServiceStatus={"rayClusterName": CLUSTER})
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    waits = {"name": "ray-head", "state": {"waiting": {"reason": "ContainerCreating"}}}
    head = {
        "metadata": {"name": "head", "labels": {"ray.io/group": "headgroup"}},
        "spec": {},
        "status": {"conditions": [scheduled], "containerStatuses": [waits]},
    }
    one.run_cluster([], head)
    multi_attach = {
        "metadata": {"name": "head.1"},
        "regarding": {"kind": "Pod", "uid": "uid-head"},
        "reason": "FailedAttachVolume",
        "note": "Multi-Attach error",
        "deprecatedLastTimestamp": "2026-01-01T00:00:02Z",
    }
    one.kube.put(EVENT, multi_attach)
    one.now += timedelta(seconds=100)
    await one.reconciler.reconcile(Key("speech", "playground"))
    assert ("list", "Event") not in one.kube.requests
    one.kube.refused = refused
    await one.step(21)
    assert one.condition("Degraded")["reason"] == reason


async def test_reconcile_removes_a_pod_when_its_replica_has_ended(world, voice_model, model):
    one = world(voice_model("gone", avatars=[("en-US", "male")]), voice_model())
    await one.step()
    one.kuberay_says(activeServiceStatus={"rayClusterName": CLUSTER})
    groups = one.kube.found(SERVICE)["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    labels = {"ray.io/group": group_of(model("gone", avatars=[("en-US", "male")]))}
    pod = {"metadata": {"name": "w", "labels": labels}, "spec": {}, "status": {"conditions": [ready]}}
    one.run_cluster(groups, pod)
    one.kube.drop(Ref(VOICE_MODEL, "gone"))
    written, again = await one.step(100)
    assert ("patch RayCluster" in written, again) == (False, 5), "Serve has the model's replica end first"
    ended = {"status": "False", "lastTransitionTime": "2026-01-01T00:01:41Z"}
    one.kube.change(Ref(POD, "w"), lambda found: found["status"]["conditions"][0].update(ended))
    assert await one.step(29) == ([], 5)
    await one.step(3)
    assert one.replicas() == [0, 1]


async def test_reconcile_leaves_a_cluster_that_changed_since_it_was_read(world, voice_model):
    one = world(voice_model(replicas={"min": 2, "max": 2}))
    await one.step()
    one.kuberay_says(activeServiceStatus={"rayClusterName": CLUSTER})
    groups = one.kube.found(SERVICE)["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    one.run_cluster([{**groups[0], "replicas": 1}])
    reader = one.reconciler.reader
    older = await reader.of(RAY_CLUSTER, Key("speech", "playground"))

    class Older:
        get = reader.get

        async def of(self, kind, key):
            return older if kind is RAY_CLUSTER else await reader.of(kind, key)

    one.run_cluster([{**groups[0], "replicas": 1, "suspend": False}])
    stale = Reconciler(one.kube, Older(), one.reconciler.policy, one.reconciler.now, one.reconciler.writer)
    await stale.reconcile(Key("speech", "playground"))
    assert one.replicas() == [1]
    await one.step()
    assert one.replicas() == [2]


async def test_reconcile_delay_grows_while_nothing_changes(world, voice_model):
    one = world(voice_model())
    await one.step()
    again = [(await one.step(seconds))[1] for seconds in (4, 16, 80)]
    assert again == pytest.approx([5, 10, 50])


async def test_write_leaves_a_resource_alone_that_was_changed_since_it_was_read(world, voice_model):
    one = world(voice_model())
    get, changed = one.kube.get, []

    async def change_first(ref, namespace):
        if ref == KOKORO and not changed:
            changed.append(one.kube.change(KOKORO, lambda model: model["metadata"].update(generation=2)))
        return await get(ref, namespace)

    one.kube.get = change_first
    written, _ = await one.step()
    assert changed
    assert "status VoiceModel" not in written
    written, _ = await one.step()
    assert written == ["status VoiceModel"]
