"""The operator as a process of its own, and a client with which tests look at the cluster."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Self

import httpx2
import yaml
from forked import Fork
from lightkube import Client, KubeConfig
from lightkube.core.exceptions import ApiError
from lightkube.models.authentication_v1 import TokenRequestSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, ServiceAccount, ServiceAccountToken
from lightkube.resources.rbac_authorization_v1 import Role, RoleBinding
from lightkube.types import CascadeType, PatchType
from resources import pod

from tts_operator.desired.ray_service import Defaults
from tts_operator.kube import Kube, resource_class
from tts_operator.objects import EVENT, KINDS, POD, VOICE_MODEL, Kind, Ref
from tts_operator.plan.service import Policy
from tts_operator.reconcile.read import LiveReader
from tts_operator.reconcile.service import Reconciler
from tts_operator.reconcile.statuses import StatusWriter

PATIENCE = 180.0
"""Seconds that anything may take before a test fails: generous, for machines are shared."""
STEP = 0.05
ELECTION = {"leader_election": "true", "lease_renewal_seconds": "0.5"}
"""Settings of operators of which one leads: what changes is seen soon."""

Object = dict[str, Any]
# Not by lightkube's `from_dict`: it would register them, and the operator's classes of the same kinds, which
# are of plain dicts, could not be made.
_RIGHTS = {"ServiceAccount": ServiceAccount, "Role": Role, "RoleBinding": RoleBinding}


def eventually(look: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Return the first true value that `look` returns; fail with what was found last when it never is."""
    deadline = time.monotonic() + patience
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {patience:.0f} s; found {found!r}")
        time.sleep(STEP)


def _client(kubeconfig: Path, namespace: str | None = None) -> Client:
    config = KubeConfig.from_file(kubeconfig).get()
    timeout = httpx2.Timeout(PATIENCE)
    return Client(config, timeout=timeout, namespace=namespace, field_manager="a-test", trust_env=False)


class Administrator:
    """Makes what tests need in a cluster; asked directly, the API server is quicker than by kubectl."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._client = _client(kubeconfig)

    def make_namespace(self, name: str) -> None:
        """Make a namespace in which pods can be made."""
        self._client.create(Namespace(metadata=ObjectMeta(name=name)))

        def has_account() -> bool:
            accounts = self._client.list(ServiceAccount, namespace=name)
            return any(account.metadata.name == "default" for account in accounts)

        # Without it there is no pod; its controller comes back a while after the API server was away.
        eventually(has_account, f"the ServiceAccount default of {name}")

    def remove_namespace(self, name: str) -> None:
        """Have a namespace go; what is in it goes in the background."""
        self._client.delete(Namespace, name)

    def apply(self, manifests: Iterable[Object], namespace: str) -> None:
        """Apply manifests of ServiceAccounts, Roles and RoleBindings in a namespace."""
        for manifest in manifests:
            made = _RIGHTS[manifest["kind"]].from_dict(manifest)
            self._client.apply(made, namespace=namespace, force=True)

    def kubeconfig_for(self, account: str, namespace: str, path: Path) -> Path:
        """Write a kubeconfig with a token of a ServiceAccount, which holds for a day; return its path."""
        lifetime = TokenRequestSpec(audiences=[], expirationSeconds=24 * 60 * 60)
        asked = ServiceAccountToken(metadata=ObjectMeta(), spec=lifetime)
        token = self._client.create(asked, account, namespace=namespace).status.token
        config = yaml.safe_load(self._kubeconfig.read_text(encoding="utf-8"))
        config["users"][0]["user"] = {"token": token}
        config["contexts"][0]["context"]["namespace"] = namespace
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path


class Api:
    """The API server, as an administrator sees it in one namespace; objects are dicts."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self.namespace = namespace
        self._client = _client(kubeconfig, namespace)

    def get(self, kind: Kind, name: str) -> Object | None:
        """Return an object, None where there is none."""
        try:
            return dict(self._client.get(resource_class(kind), name))
        except ApiError as error:
            if error.status.code == 404:
                return None
            raise

    def list(self, kind: Kind) -> list[Object]:
        """Return all objects of the namespace."""
        return [dict(item) for item in self._client.list(resource_class(kind))]

    def apply(self, manifest: Object, manager: str = "a-test") -> Object:
        """Apply a manifest, as `kubectl apply --server-side` does."""
        kind = KINDS[manifest["kind"]]
        name = manifest["metadata"]["name"]
        return dict(
            self._client.patch(
                resource_class(kind),
                name,
                manifest,
                patch_type=PatchType.APPLY,
                field_manager=manager,
                force=True,
            )
        )

    def merge(self, kind: Kind, name: str, patch: Object) -> Object:
        """Apply a merge patch."""
        return dict(self._client.patch(resource_class(kind), name, patch, patch_type=PatchType.MERGE))

    def merge_status(self, kind: Kind, name: str, status: Object) -> None:
        """Write a part of the status, as the object's own controller would."""
        self._client.patch(resource_class(kind).Status, name, {"status": status}, patch_type=PatchType.MERGE)

    def delete(self, kind: Kind, name: str) -> None:
        """Delete an object, and what it owns after it, as kubectl does."""
        self._client.delete(resource_class(kind), name, cascade=CascadeType.BACKGROUND)

    def condition(self, kind: Kind, name: str, type_: str) -> Object:
        """Return a condition of an object, an empty one where it has none."""
        found = self.get(kind, name) or {}
        conditions = found.get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == type_), {})

    def await_condition(
        self, name: str, type_: str, status: str, reason: str, kind: Kind = VOICE_MODEL
    ) -> Object:
        """Wait for a condition of that status and reason; return it."""
        seen: list[tuple[str, str]] = []

        def look() -> Object | None:
            found = self.condition(kind, name, type_)
            state = found.get("status", ""), found.get("reason", "")
            if not seen or seen[-1] != state:
                seen.append(state)
            return found if state == (status, reason) else None

        try:
            return eventually(look, f"{type_}={status} {reason} of {name}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it went {seen}") from None

    def await_events(self, ref: Ref, reasons: set[str]) -> dict[str, str]:
        """Wait until Events of these reasons regard an object, which may come after its status.

        Return what the last of each reason says.
        """

        def reported() -> dict[str, str]:
            about = [(event, event.get("regarding", {})) for event in self.list(EVENT)]
            wanted = (ref.kind.name, ref.name)
            return {
                event["reason"]: event.get("note", "")
                for event, it in about
                if (it.get("kind"), it.get("name")) == wanted
            }

        try:
            eventually(lambda: reasons <= reported().keys(), f"Events {sorted(reasons)} of {ref.name}")
        except AssertionError as error:
            raise AssertionError(f"{error}; there are {sorted(reported())}") from None
        return reported()

    def await_ray_cluster(self, *refs: Ref) -> None:
        """Wait until the statuses name KubeRay's cluster: without nodes, no more is written to them."""

        def named() -> bool:
            found = [self.get(ref.kind, ref.name) or {} for ref in refs]
            return all(item.get("status", {}).get("rayCluster") for item in found)

        eventually(named, f"the Ray cluster in the status of {', '.join(ref.name for ref in refs)}")

    def await_object(self, ref: Ref) -> Object:
        """Wait until an object is there; return it."""
        return eventually(lambda: self.get(ref.kind, ref.name), f"{ref.kind.name} {ref.name}")

    def await_absence(self, ref: Ref) -> None:
        """Wait until an object is gone."""
        eventually(lambda: self.get(ref.kind, ref.name) is None, f"{ref.kind.name} {ref.name} gone")


def run_pods(api: Api, *groups: str) -> None:
    """Have a head, and a pod of each group, that are ready, as a kubelet would say."""
    for group in ("headgroup", *groups):
        api.apply(pod(f"{group}-0", group))
        api.merge_status(POD, f"{group}-0", {"conditions": [{"type": "Ready", "status": "True"}]})


def reconciler(kube: Kube, now: Callable[[], datetime]) -> Reconciler:
    """Return a reconciler of services that runs in the test's own process and reads the API server."""
    defaults = Defaults(
        "registry/app:1", {"kokoro": "registry/kokoro:1"}, "2.60.0", "kuberay", profile="development"
    )
    policy = Policy(defaults, poll_seconds=5, resync_seconds=300)
    return Reconciler(kube, LiveReader(kube), policy, now, StatusWriter(kube, now, "tests"))


class Operator:
    """A process of the operator, for the namespaces that it is given."""

    def __init__(self, kubeconfig: Path, log: Path, **settings: str) -> None:
        self._log = log
        self._environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "TTSP_OPERATOR_HOST": "127.0.0.1",
            "TTSP_OPERATOR_PORT": "0",
            "TTSP_OPERATOR_LEADER_ELECTION": "false",
            "TTSP_OPERATOR_POLL_SECONDS": "0.5",
            "TTSP_OPERATOR_RESYNC_SECONDS": "3",
            "TTSP_OPERATOR_PROFILE": "development",
            **{f"TTSP_OPERATOR_{name.upper()}": value for name, value in settings.items()},
        }
        self._process: subprocess.Popen[bytes] | Fork | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it; return when it answers."""
        with self._log.open("ab") as log:
            self._start = log.tell()
            self._process = self._launch(log)
        eventually(lambda: self.port, "the operator's port")

    def _launch(self, log: BinaryIO) -> subprocess.Popen[bytes] | Fork:
        return subprocess.Popen(
            [sys.executable, "-m", "tts_operator"],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self.wait()

    def stop(self) -> int:
        """End it as Kubernetes does; return its exit status."""
        assert self._process is not None
        self._process.terminate()
        return self.wait()

    def reconciles(self) -> float:
        """Return how many reconciles it has ended, failed ones included."""
        pattern = r"^tts_operator_reconciles_total\{.*\} (\S+)$"
        return sum(map(float, re.findall(pattern, self.fetch("/metrics"), re.MULTILINE)))

    def await_reconciles(self, count: int) -> None:
        """Wait until it has ended so many more reconciles; the first of them may have begun before."""
        before = self.reconciles()
        eventually(lambda: self.reconciles() >= before + count, f"{count} more reconciles")

    def wait(self) -> int:
        """Wait until it ends by itself; return its exit status."""
        process, self._process = self._process, None
        assert process is not None
        return process.wait(timeout=PATIENCE)

    @property
    def log(self) -> str:
        """What it wrote since it was started."""
        with self._log.open("rb") as log:
            log.seek(self._start)
            return log.read().decode()

    @property
    def port(self) -> int | None:
        """Where it serves its health and metrics."""
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"the operator ended with {self._process.returncode}: {self.log[-2000:]}")
        found = re.search(r'"port": (\d+)', self.log)
        return int(found[1]) if found else None

    @property
    def records(self) -> list[Object]:
        """What it logged since it was started; every line must be JSON, but one that it is just writing."""
        whole, _, _ = self.log.rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def fetch(self, path: str) -> str:
        """Return what it serves at `path`."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE) as response:
            return str(response.read().decode())

    def requests(self) -> dict[str, float]:
        """Return how many requests it has made, by their verb; renewals of its Lease are none of them."""
        pattern = r'^tts_operator_api_calls_total\{.*kind="(\w+)",verb="(\w+)"\} (\S+)$'
        made: dict[str, float] = {}
        for kind, verb, count in re.findall(pattern, self.fetch("/metrics"), re.MULTILINE):
            if kind != "Lease":
                made[verb] = made.get(verb, 0.0) + float(count)
        return made

    def writes(self) -> float:
        """Return how many requests that write it has made."""
        return sum(count for verb, count in self.requests().items() if verb not in ("get", "list", "log"))


class ForkedOperator(Operator):
    """One whose start is quicker: see `forked`."""

    def _launch(self, log: BinaryIO) -> Fork:
        return Fork(self._log, self._environment)
