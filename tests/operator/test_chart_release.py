"""The chart in a cluster of its own: installed, upgraded from older definitions, removed, installed again."""

import json
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from charts import CHART, RELEASE, Object
from resources import voice_model
from running import ELECTION, Api, Operator, eventually

from cluster.control_plane import CommandError, ControlPlane
from tts_app.resources import KINDS
from tts_operator.objects import LEASE, RAY_SERVICE, VOICE_MODEL, Ref

NAMES = [f"crd/{kind.plural}.ttsplayground.dev" for kind in KINDS.values()]
FINALIZER = "ray.io/rayservice-finalizer"
OLD_COLUMN = "Speaks"
NEW_FIELD = "approximation"
"""Of a voice: a field that the older definitions have not."""
OLD_FIELD = "pitch"
"""Of a voice: a field that only the older definitions have."""
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"


@pytest.fixture(scope="module")
def plane(built: None) -> Iterator[ControlPlane]:
    """A control plane whose custom resource definitions nobody else needs."""
    with ControlPlane() as plane:
        yield plane


class Release:
    """The chart's release in one namespace."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self._plane = plane
        self.namespace = namespace

    def helm(self, *arguments: str) -> str:
        """Run Helm in the release's namespace."""
        return self._plane.helm(*arguments, f"--namespace={self.namespace}")

    def install(self, *arguments: str, chart: Path = CHART) -> None:
        self.helm("install", RELEASE, str(chart), *arguments)

    def upgrade(self) -> None:
        self.helm("upgrade", RELEASE, str(CHART))

    def uninstall(self) -> str:
        return self.helm("uninstall", RELEASE, "--ignore-not-found")

    def operator(self, log: Path, identity: str = "a-pod") -> Operator:
        """Return an operator that has the release's rights."""
        kubeconfig = self._plane.kubeconfig_for(RELEASE, self.namespace)
        settings = {**ELECTION, "namespace": self.namespace, "identity": identity}
        return Operator(kubeconfig, log, **settings)


def namespace(plane: ControlPlane, name: str) -> Iterator[str]:
    """Make a namespace, for a while."""
    name = f"{name}-{secrets.token_hex(3)}"
    plane.kubectl("create", "namespace", name)
    yield name
    plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def release(plane: ControlPlane) -> Iterator[Release]:
    """Return a release that is not installed yet; nothing of it stays after the test."""
    for name in namespace(plane, "tts-system"):
        plane.kubectl("label", "namespace", name, RESTRICTED)
        made = Release(plane, name)
        yield made
        made.uninstall()
        plane.kubectl("delete", "--ignore-not-found", "--wait=false", *NAMES)
        eventually(lambda: gone(plane), "the definitions gone")


@pytest.fixture
def api(plane: ControlPlane) -> Iterator[Api]:
    """Return a client for a namespace of models."""
    for name in namespace(plane, "speech"):
        yield Api(plane.kubeconfig, name)


@pytest.fixture
def older_chart(tmp_path: Path) -> Path:
    """Return the chart as an older version of it was: with other definitions of VoiceModel."""
    shutil.copytree(CHART, tmp_path / "older")
    path = tmp_path / "older" / "files" / "crds" / "voicemodels.ttsplayground.dev.yaml"
    definition = yaml.safe_load(path.read_text(encoding="utf-8"))
    (version,) = definition["spec"]["versions"]
    voice = voice_of(definition)
    del voice["properties"][NEW_FIELD]
    voice["properties"][OLD_FIELD] = {"type": "integer"}
    version["additionalPrinterColumns"][0] = {
        "name": OLD_COLUMN,
        "type": "string",
        "jsonPath": ".spec.engine",
    }
    text = yaml.safe_dump(definition)
    assert "\nmetadata:\n" in text, "where the chart's template puts its labels"
    path.write_text(text, encoding="utf-8")
    return tmp_path / "older"


def voice_of(definition: Object) -> dict[str, Any]:
    """Return the schema of a VoiceModel's voice."""
    (version,) = definition["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    schema: dict[str, Any] = spec["properties"]["voices"]["items"]
    return schema


def definition(plane: ControlPlane) -> Object:
    found: Object = json.loads(plane.kubectl("get", "crd", "voicemodels.ttsplayground.dev", "--output=json"))
    return found


def taken_up(api: Api) -> Object | None:
    """Return the RayService once KubeRay has marked it as its own: that write is a generation of it."""
    found = api.get(RAY_SERVICE, "playground") or {}
    return found if FINALIZER in found.get("metadata", {}).get("finalizers", []) else None


def voices(api: Api, name: str) -> list[dict[str, Any]]:
    stored: list[dict[str, Any]] = api.await_object(Ref(VOICE_MODEL, name))["spec"]["voices"]
    return stored


def with_field(field: str, value: Any, name: str, **spec: Any) -> Object:
    """Return a VoiceModel whose voice has the field."""
    model = voice_model(name, **spec)
    model["spec"]["voices"][0][field] = value
    return model


def gone(plane: ControlPlane) -> bool:
    """Return whether there is no definition left.

    One that is deleted a second after it was made can stay for ever ("storage is (re)initializing"), unless
    somebody touches it: then the API server tries again.
    """
    left = plane.kubectl("get", "--ignore-not-found", "--output=name", *NAMES).split()
    with suppress(CommandError):  # it went just now
        if left:
            plane.kubectl("annotate", "--overwrite", *left, f"touched={time.time()}")
    return not left


def test_release_pods_are_admitted_to_a_restricted_namespace(plane: ControlPlane, release: Release) -> None:
    release.install("--set=replicas=2")

    def pods() -> list[str]:
        selector = "--selector=app.kubernetes.io/component=operator"
        return plane.kubectl(
            "get", "pods", f"--namespace={release.namespace}", selector, "--output=name"
        ).split()

    eventually(lambda: len(pods()) == 2, "the operators' pods")
    hook = release.helm("get", "hooks", RELEASE)
    tried = plane.kubectl("apply", "--dry-run=server", "--filename=-", input=hook)
    assert f"pod/{RELEASE}-test created" in tried


def test_release_manifest_is_valid_and_unchanged_by_an_upgrade(plane: ControlPlane, release: Release) -> None:
    """Every field is one that the API server knows, and a second upgrade changes nothing."""
    release.install()
    manifest = release.helm("get", "manifest", RELEASE)
    plane.kubectl("apply", "--dry-run=server", "--validate=strict", "--server-side", "--force-conflicts",
                  "--filename=-", input=manifest)  # fmt: skip
    before = generations(plane, release)
    release.upgrade()
    assert generations(plane, release) == before


def generations(plane: ControlPlane, release: Release) -> list[tuple[str, int]]:
    text = plane.kubectl(
        "get", f"--namespace={release.namespace}", "--output=json", "deployment,networkpolicy"
    )
    crds = plane.kubectl("get", "--output=json", *NAMES)
    found = json.loads(text)["items"] + json.loads(crds)["items"]
    return [(item["metadata"]["name"], item["metadata"]["generation"]) for item in found]


def test_release_upgrade_from_older_crds_keeps_what_is_stored_and_runs(
    plane: ControlPlane, release: Release, api: Api, older_chart: Path, tmp_path: Path
) -> None:
    release.install(chart=older_chart)
    plane.await_established(*NAMES)
    with release.operator(tmp_path / "log") as operator:
        api.apply(voice_model())
        api.apply(with_field(OLD_FIELD, 3, "older", service="theirs"))
        assert voices(api, "older")[0][OLD_FIELD] == 3
        with pytest.raises(CommandError, match=NEW_FIELD):
            plane.kubectl("create", "--dry-run=server", f"--namespace={api.namespace}", "--filename=-",
                          input=json.dumps(with_field(NEW_FIELD, "an accent", "newer")))  # fmt: skip
        assert OLD_COLUMN.upper() in plane.kubectl("get", "voicemodels", f"--namespace={api.namespace}")
        api.await_condition("kokoro", "Progressing", "True", "ClusterStarting")
        running = eventually(lambda: taken_up(api), "the RayService taken up by KubeRay")
        stored = {name: api.await_object(Ref(VOICE_MODEL, name)) for name in ("kokoro", "older")}

        release.upgrade()

        eventually(lambda: NEW_FIELD in voice_of(definition(plane))["properties"], "the new definitions")
        eventually(lambda: OLD_FIELD not in voices(api, "older")[0], "the old field dropped")
        header = plane.kubectl("get", "voicemodels", f"--namespace={api.namespace}").splitlines()[0]
        assert "ENGINE" in header
        assert OLD_COLUMN.upper() not in header
        for name, before in stored.items():
            before["spec"]["voices"][0].pop(OLD_FIELD, None)
            after = api.await_object(Ref(VOICE_MODEL, name))
            assert after["spec"] == before["spec"], "nothing else is dropped"
            for key in ("uid", "generation", "creationTimestamp"):
                assert after["metadata"][key] == before["metadata"][key]

        assert operator.stop() == 0  # the new one takes over, as in a rolling update
        operator.start()
        api.await_condition("older", "Progressing", "True", "ClusterStarting")
        now = api.await_object(Ref(RAY_SERVICE, "playground"))
        for key in ("uid", "generation"):
            assert now["metadata"][key] == running["metadata"][key], "what runs is not touched"

        api.apply(with_field(NEW_FIELD, "an accent", "kokoro"))
        assert voices(api, "kokoro")[0][NEW_FIELD] == "an accent"

        def served() -> bool:
            return "an accent" in api.await_object(Ref(RAY_SERVICE, "playground"))["spec"]["serveConfigV2"]

        eventually(served, "the new field served")


def test_release_uninstall_keeps_crds_and_stored_objects(
    plane: ControlPlane, release: Release, api: Api
) -> None:
    release.install()
    plane.await_established(*NAMES)
    api.apply(voice_model())
    reported = release.uninstall()
    assert "voicemodels.ttsplayground.dev" in reported, "Helm says what it keeps"
    left = plane.kubectl(
        "get", "deployments,roles,serviceaccounts", f"--namespace={release.namespace}", "--output=name"
    )
    assert RELEASE not in left
    assert release.namespace not in plane.kubectl("get", "clusterroles", "--output=name")
    assert api.get(VOICE_MODEL, "kokoro") is not None

    release.install()
    assert api.get(VOICE_MODEL, "kokoro") is not None, "the same release takes its definitions up again"


def test_release_takes_over_applied_crds_on_request(plane: ControlPlane, release: Release, api: Api) -> None:
    plane.kubectl("apply", "--server-side", f"--filename={CHART / 'files' / 'crds'}")
    plane.await_established(*NAMES)
    api.apply(voice_model())
    with pytest.raises(CommandError, match="invalid ownership metadata"):
        release.install()
    release.uninstall()
    release.install("--take-ownership")
    labels = definition(plane)["metadata"]["labels"]
    assert labels["app.kubernetes.io/managed-by"] == "Helm"
    assert api.get(VOICE_MODEL, "kokoro") is not None


def test_release_uninstall_removes_crds_without_keep(plane: ControlPlane, release: Release) -> None:
    release.install("--set=crds.keep=false")
    release.uninstall()
    eventually(lambda: gone(plane), "no definition")


def test_operator_watches_kinds_that_are_added_while_it_runs(
    plane: ControlPlane, release: Release, api: Api, tmp_path: Path
) -> None:
    release.install("--set=crds.install=false")
    with release.operator(tmp_path / "log") as operator:
        eventually(lambda: "tts_operator_leader 1.0" in operator.fetch("/metrics"), "it leads")
        eventually(lambda: '"reconciling"' in operator.log, "it has looked what there is")
        plane.kubectl("apply", "--server-side", f"--filename={CHART / 'files' / 'crds'}")
        plane.await_established(*NAMES)
        api.apply(voice_model())
        api.await_object(Ref(RAY_SERVICE, "playground"))


def test_operator_takes_over_when_the_old_one_gives_its_lease_back(
    plane: ControlPlane, release: Release, api: Api, tmp_path: Path
) -> None:
    """As in a rolling update: the new pod is up before the old one goes."""
    release.install()
    plane.await_established(*NAMES)
    with release.operator(tmp_path / "old", "old") as old:
        eventually(lambda: "tts_operator_leader 1.0" in old.fetch("/metrics"), "the old one leads")
        with release.operator(tmp_path / "new", "new") as new:
            assert new.fetch("/readyz") == "ok\n"
            assert old.stop() == 0
            lease = Api(plane.kubeconfig, release.namespace).get(LEASE, "tts-operator")
            assert lease is not None
            assert lease["spec"].get("holderIdentity") != "old", "it need not wait until the Lease runs out"
            eventually(lambda: "tts_operator_leader 1.0" in new.fetch("/metrics"), "the new one leads")
            api.apply(voice_model())
            api.await_object(Ref(RAY_SERVICE, "playground"))
