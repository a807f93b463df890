"""Crashes, outages, races, rights: whatever happens, the operator ends where it should, and nothing twice."""

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from lightkube import KubeConfig
from metrics_page import documented_metrics
from prometheus_client.parser import text_string_to_metric_families
from resources import playground, voice_model
from running import ELECTION, PATIENCE, STEP, ForkedOperator, Operator, eventually, reconciler
from trials import ALL

from tts_operator.cache import Store
from tts_operator.kube import KubeError, LightKube
from tts_operator.objects import LEASE, NETWORK_POLICY, PLAYGROUND, RAY_SERVICE, VOICE_MODEL, Key, Ref
from tts_operator.reflector import Reflector
from tts_operator.watched import BY_OWNER


class CrashError(Exception):
    """The operator was killed, in a test."""


class CrashingKube(LightKube):
    """Is killed after some writes: the last one has happened, and nobody saw its answer."""

    def __init__(self, config: KubeConfig, writes: int) -> None:
        super().__init__(config, PATIENCE)
        self.left = writes
        self.written: list[str] = []
        self._one_at_a_time = asyncio.Lock()

    async def _write(self, name, call):
        async with self._one_at_a_time:
            if self.left == 0:
                call.close()
                raise CrashError
            self.left -= 1
            result = await call
            self.written.append(name)
            if self.left == 0:
                raise CrashError
            return result

    async def apply(self, manifest, namespace):
        return await self._write(manifest["kind"], super().apply(manifest, namespace))

    async def apply_status(self, manifest, namespace):
        return await self._write("status", super().apply_status(manifest, namespace))

    async def create(self, manifest, namespace):
        return await self._write(manifest["kind"], super().create(manifest, namespace))

    async def patch(self, ref, namespace, operations):
        return await self._write(ref.kind.name, super().patch(ref, namespace, operations))

    async def delete(self, ref, namespace):
        return await self._write(f"-{ref.kind.name}", super().delete(ref, namespace))


def now():
    return datetime.now(UTC)


def reconcile(control_plane, namespace, writes=-1):
    """Reconcile the service once, in this process; return what was written before it ended or crashed."""

    async def once():
        kube = CrashingKube(KubeConfig.from_file(control_plane.kubeconfig), writes)
        try:
            await reconciler(kube, now).reconcile(Key(namespace, "playground"))
        except CrashError:
            pass
        finally:
            await kube.close()
        return kube.written

    return asyncio.run(once())


def snapshot(api):
    """Return all that the operator wrote, without what is of the moment."""
    ray = api.get(RAY_SERVICE, "playground")
    policy = api.get(NETWORK_POLICY, "playground")
    models = [model.get("status", {}) for model in api.list(VOICE_MODEL)]
    conditions = [
        [(c["type"], c["status"], c["reason"]) for c in status.get("conditions", [])] for status in models
    ]
    return ray and ray["spec"], policy and policy["spec"], conditions, len(api.list(RAY_SERVICE))


@pytest.mark.usefixtures("kuberay_stopped")
@pytest.mark.parametrize("writes", range(1, 8) if ALL else [1, 3, 6])
def test_reconcile_converges_after_a_kill_at_any_write(api, control_plane, writes):
    api.apply(voice_model())
    api.apply(voice_model("second", ("male_en-US",)))
    written = reconcile(control_plane, api.namespace, writes)
    assert len(written) <= writes
    rest = reconcile(control_plane, api.namespace)
    assert reconcile(control_plane, api.namespace) == [], "a third time there is nothing to write"
    assert sorted(written + rest) == [
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "RayService",
        "ServiceAccount",
        "status",
        "status",
    ], "each thing was written once"


@pytest.mark.usefixtures("kuberay_stopped")
@pytest.mark.parametrize("writes", range(1, 5) if ALL else [1, 3])
def test_reconcile_removes_the_rest_of_a_service_after_a_kill(api, control_plane, writes):
    api.apply(voice_model())
    reconcile(control_plane, api.namespace)
    api.delete(VOICE_MODEL, "kokoro")
    reconcile(control_plane, api.namespace, writes)
    reconcile(control_plane, api.namespace)
    assert snapshot(api) == (None, None, [], 0)
    assert reconcile(control_plane, api.namespace) == []


@pytest.mark.usefixtures("kuberay_stopped")
def test_reconcile_by_several_operators_makes_one_of_each(api, control_plane):
    api.apply(voice_model())
    with ThreadPoolExecutor(4) as threads:
        at_once = [threads.submit(reconcile, control_plane, api.namespace) for _ in range(4)]
    for one in at_once:
        one.result()
    assert reconcile(control_plane, api.namespace) == []
    assert len(api.list(RAY_SERVICE)) == 1


@pytest.mark.usefixtures("kuberay_stopped")
def test_operator_restart_writes_nothing(api, operator):
    api.apply(voice_model())
    api.apply(playground())
    api.await_condition("kokoro", "Progressing", "True", "ClusterStarting")
    api.await_condition("playground", "Progressing", "True", "ClusterStarting", PLAYGROUND)
    assert operator.stop() == 0
    operator.start()
    eventually(lambda: operator.reconciles() >= 2, "two reconciles after the restart")
    assert operator.writes() == 0


def test_operator_catches_up_on_changes_made_while_it_was_down(api, operator):
    api.apply(voice_model())
    api.await_object(Ref(RAY_SERVICE, "playground"))
    operator.kill()
    api.apply(voice_model("another", ("male_en-US",)))
    api.delete(VOICE_MODEL, "kokoro")
    operator.start()

    def config():
        return api.get(RAY_SERVICE, "playground")["spec"]["serveConfigV2"]

    eventually(
        lambda: "name: another" in config() and "name: kokoro" not in config(), "the other model alone"
    )


@pytest.mark.parametrize("seconds", [5, 30] if ALL else [5])
def test_operator_resumes_after_an_api_server_outage(api, operator, control_plane, seconds):
    api.apply(voice_model())
    api.await_object(Ref(RAY_SERVICE, "playground"))
    control_plane.stop_api()
    time.sleep(seconds)
    control_plane.start_api()
    api.apply(voice_model("another", ("male_en-US",)))
    eventually(
        lambda: "another" in api.get(RAY_SERVICE, "playground")["spec"]["serveConfigV2"], "the watch resumed"
    )
    assert operator.fetch("/healthz") == "ok\n"


def test_reflector_lists_again_when_its_version_is_too_old(api, control_plane):
    """What was deleted while its watch was down goes: no event says so any more."""
    watched = BY_OWNER[PLAYGROUND, Key]
    store = Store(watched, api.namespace, lambda key: None)
    for name in ("stays", "goes"):
        api.apply(playground(name))

    def known():
        if store.trouble:
            return None
        return {name for name in ("stays", "goes") if store.get(name, Key(api.namespace, name))}

    async def keep_until(reflector, names):
        """Run a reflector until its store has these objects."""
        keeping = asyncio.create_task(reflector.run())
        async with asyncio.timeout(PATIENCE):
            while known() != names:  # noqa: ASYNC110 - what is waited for is in the API server
                await asyncio.sleep(STEP)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)

    async def scenario():
        kube = LightKube(KubeConfig.from_file(control_plane.kubeconfig), PATIENCE)
        with pytest.raises(KubeError) as too_old:
            await kube.watch(watched.kind, api.namespace, None, 1, lambda type_, found: None)
        assert too_old.value.status == 410
        reflector = Reflector(kube, store)
        await keep_until(reflector, {"stays", "goes"})
        api.delete(PLAYGROUND, "goes")
        api.await_absence(Ref(PLAYGROUND, "goes"))
        store.version = 1
        await keep_until(reflector, {"stays"})
        await kube.close()

    asyncio.run(scenario())


def test_operator_restores_what_another_writer_keeps_changing(api, operator):
    api.apply(voice_model())
    api.await_object(Ref(RAY_SERVICE, "playground"))
    for n in range(20):
        api.merge(RAY_SERVICE, "playground", {"spec": {"serveConfigV2": f"applications: [] # {n}"}})
    eventually(
        lambda: "kokoro" in api.get(RAY_SERVICE, "playground")["spec"]["serveConfigV2"], "the operator's word"
    )


def test_operator_standby_takes_over_when_the_leader_stops(api, operator_factory):
    settings = {**ELECTION, "namespace": api.namespace}
    first = operator_factory("first", identity="first", **settings)
    first.start()

    def holder():
        lease = api.get(LEASE, "tts-operator")
        return lease and lease["spec"]["holderIdentity"]

    eventually(lambda: holder() == "first", "the first leads")
    second = operator_factory("second", identity="second", **settings)
    second.start()
    api.apply(voice_model())
    api.await_object(Ref(RAY_SERVICE, "playground"))
    assert second.writes() == 0
    assert "tts_operator_leader 0.0" in second.fetch("/metrics")
    assert first.stop() == 0
    eventually(lambda: holder() == "second", "the second leads")
    api.apply(voice_model("another", ("male_en-US",)))
    eventually(lambda: "another" in api.get(RAY_SERVICE, "playground")["spec"]["serveConfigV2"], "its work")


def test_operator_stops_when_it_loses_its_lease(api, operator_factory):
    first = operator_factory("first", identity="first", namespace=api.namespace, **ELECTION)
    first.start()
    eventually(lambda: api.get(LEASE, "tts-operator"), "the Lease")
    api.merge(LEASE, "tts-operator", {"spec": {"holderIdentity": "an-usurper"}})
    assert first.wait() == 1
    assert "is lost" in first.log


def test_status_names_missing_rights(api, control_plane, operator_factory):
    control_plane.kubectl("create", "serviceaccount", "weak", "-n", api.namespace)
    rights = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"weak-{api.namespace}"},
        "rules": [
            {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": ["ttsplayground.dev"], "resources": ["*"], "verbs": ["*"]},
            {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"]},
        ],
    }

    control_plane.kubectl("apply", "-f", "-", input=json.dumps(rights))
    control_plane.kubectl(
        "create", "clusterrolebinding", f"weak-{api.namespace}", f"--clusterrole=weak-{api.namespace}",
        f"--serviceaccount={api.namespace}:weak",
    )  # fmt: skip
    kubeconfig = control_plane.kubeconfig_for("weak", api.namespace)
    with operator_factory("weak", kubeconfig=kubeconfig):
        api.apply(voice_model())
        degraded = api.await_condition("kokoro", "Degraded", "True", "Forbidden")
    assert "cannot patch" in degraded["message"] or "cannot create" in degraded["message"]


def test_operator_logs_are_json(api, operator):
    api.apply(voice_model())
    api.await_condition("kokoro", "Progressing", "True", "ClusterStarting")
    assert all(isinstance(record, dict) for record in operator.records)


def test_operator_exports_its_metrics(api, operator):
    api.apply(voice_model())
    api.await_condition("kokoro", "Progressing", "True", "ClusterStarting")
    found = {
        metric.name: metric.samples
        for metric in text_string_to_metric_families(operator.fetch("/metrics"))
        if metric.name.startswith("tts_operator_") and not metric.name.endswith("_created")
    }
    assert found.keys() == documented_metrics("Operator")
    applied = {"verb": "apply", "kind": "RayService", "code": "200"}
    assert applied in [sample.labels for sample in found["tts_operator_api_calls"]]
    ages = {sample.labels["kind"]: sample.value for sample in found["tts_operator_cache_age_seconds"]}
    assert {"VoiceModel", "RayService", "Pod"} <= ages.keys()
    assert "PodMonitor" not in ages, "the cluster has no such kind"
    assert all(age >= 0 for age in ages.values())
    reasons = {s.labels["reason"] for s in found["tts_operator_conditions"] if s.value}
    assert "ClusterStarting" in reasons
    assert "Other" not in reasons


@pytest.mark.parametrize("kind", [Operator, ForkedOperator])
def test_operator_without_a_cluster_says_what_to_do(tmp_path, kind):
    broken = kind(tmp_path / "none", tmp_path / "log")
    with pytest.raises(AssertionError, match=r"ended with 2: .*KUBECONFIG"):
        broken.start()
