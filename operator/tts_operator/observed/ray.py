"""What a RayService reports about its clusters, applications and models, as far as that can be trusted."""

import copy
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import yaml
from pydantic import ValidationError

from tts_app.resources import Model, served_model
from tts_app.serve_config import GATEWAY
from tts_operator.objects import KINDS, Manifest, Ref, differences

SETTLE_SECONDS = 5.0
"""Age, in seconds, from which KubeRay's report counts.

KubeRay 1.6 reads Serve's state, sends it the change, and then reports the state from before the change
(`reconcileServe`). Two seconds later it reads again, and reports the new state.
"""


@dataclass(frozen=True, slots=True)
class Application:
    """One Serve application, as KubeRay last reported it."""

    status: str
    """Ray Serve's: RUNNING, DEPLOYING, DEPLOY_FAILED, UNHEALTHY ...; empty where Serve has none yet."""
    message: str
    healthy: bool
    """Whether it is running, and each of its deployments has as many healthy replicas as it should."""


NOT_THERE = Application("", "", False)


@dataclass(frozen=True, slots=True)
class Service:
    """The state of a RayService."""

    exists: bool
    current: bool
    """Whether the status belongs to the current spec, and has for a while."""
    active_cluster: str
    pending_cluster: str
    """The new cluster that will take over, or be the first; empty where there is none."""
    applications: dict[str, Application]
    """Those of the active cluster or, while there is none, of the pending one."""

    @property
    def replacing(self) -> bool:
        """Whether a new cluster will take over from a running one."""
        return bool(self.active_cluster and self.pending_cluster)

    @property
    def cluster(self) -> str:
        """The cluster that serves or will serve first."""
        return self.active_cluster or self.pending_cluster

    def application(self, name: str) -> Application:
        """Return the application called `name`."""
        return self.applications.get(name, NOT_THERE)

    def is_healthy(self, name: str, previously_ready: Collection[str]) -> bool:
        """Return whether an application is healthy. `previously_ready` are those that were Ready before.

        As soon as a new cluster is due, KubeRay stops reporting the active one's applications, which serve
        until the new one takes over: what was Ready stays Ready. The gateway stays Ready if any application
        was, because the change that makes the new cluster is mostly in the gateway's own resource.
        """
        if self.replacing and not self.applications:
            return bool(previously_ready) if name == GATEWAY else name in previously_ready
        return self.application(name).healthy


def read_service(live: Manifest | None, now: datetime) -> Service:
    """Return the state that `live`, a RayService or None, reports. `now` is the time, with its zone."""
    if live is None:
        return Service(False, False, "", "", {})
    status = live.get("status", {})
    active, pending = status.get("activeServiceStatus") or {}, status.get("pendingServiceStatus") or {}
    serving = active if active.get("rayClusterName") else pending
    return Service(
        exists=True,
        current=status.get("observedGeneration", 0) == live["metadata"].get("generation")
        and _seconds_since(status.get("lastUpdateTime"), now) >= SETTLE_SECONDS,
        active_cluster=active.get("rayClusterName", ""),
        pending_cluster=pending.get("rayClusterName", ""),
        applications={
            name: _application(app) for name, app in (serving.get("applicationStatuses") or {}).items()
        },
    )


def _seconds_since(moment: str | None, now: datetime) -> float:
    """Return the seconds since an RFC 3339 `moment`; infinity where there is none."""
    return (now - datetime.fromisoformat(moment)).total_seconds() if moment else math.inf


def _application(status: dict[str, Any]) -> Application:
    deployments = (status.get("serveDeploymentStatuses") or {}).values()
    messages = [status.get("message") or "", *(d.get("message") or "" for d in deployments)]
    return Application(
        status=status.get("status", ""),
        message=" ".join(dict.fromkeys(message for message in messages if message)),
        healthy=status.get("status") == "RUNNING"
        and bool(deployments)
        and all(deployment.get("status") == "HEALTHY" for deployment in deployments),
    )


class ServedModels(Mapping[Ref, Model]):
    """The models that a RayService serves, as its gateway knows them; parsed at first use."""

    def __init__(self, live: Manifest | None) -> None:
        """`live` is the RayService as it is now, None where there is none."""
        self._live = live

    def __getitem__(self, ref: Ref) -> Model:
        return self._models[ref]

    def __iter__(self) -> Iterator[Ref]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    @cached_property
    def _models(self) -> Mapping[Ref, Model]:
        if self._live is None:
            return {}
        config = yaml.load(self._live["spec"].get("serveConfigV2", ""), Loader=yaml.CSafeLoader) or {}
        gateway = next((app for app in config.get("applications", ()) if app["name"] == GATEWAY), None)
        if gateway is None:
            return {}
        found: dict[Ref, Model] = {}
        for written in gateway["deployments"][0]["user_config"]["models"]:
            try:
                model = served_model(written)
            except (KeyError, ValidationError):  # another version of the operator wrote it: ignore it
                continue
            found[Ref(KINDS[model.kind], model.name)] = model
        return found


def worker_groups(live: Manifest | None) -> Sequence[Manifest]:
    """Return the worker groups of a RayService; none where `live` is None."""
    groups: Sequence[Manifest] = live["spec"]["rayClusterConfig"].get("workerGroupSpecs", ()) if live else ()
    return groups


def disruptive_changes(desired: Manifest, live: Manifest) -> list[str]:
    """Return the paths whose change from `live` to `desired` makes KubeRay start a new cluster.

    It applies appended worker groups and the Serve config in place, and ignores numbers of replicas.
    """
    before, after = live["spec"]["rayClusterConfig"], desired["spec"]["rayClusterConfig"]
    groups_before, groups_after = before.get("workerGroupSpecs", []), after["workerGroupSpecs"]
    paths = [
        path
        for name in sorted((before.keys() | after.keys()) - {"workerGroupSpecs"})
        if name in after or name in _OURS
        for path in differences(after.get(name), before.get(name), name)
    ]
    for old, new in zip(groups_before, groups_after, strict=False):
        paths += [
            path
            for name in sorted(new.keys() - _OVERLOOKED)
            for path in differences(new[name], old.get(name), f"workerGroupSpecs[{new['groupName']}].{name}")
        ]
    return paths


_HEAD_PORTS = "headGroupSpec.template.spec.containers[0].ports"


def with_running_ports(desired: Manifest, live: Manifest) -> Manifest:
    """Return the desired RayService with the head's ports as they are, if nothing else makes a new cluster.

    Ports are only named there. The ports that a version of the operator adds come with the next new cluster.
    """
    if disruptive_changes(desired, live) != [_HEAD_PORTS]:
        return desired
    ports = live["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]["containers"][0]["ports"]
    kept: dict[str, Any] = copy.deepcopy(dict(desired))
    kept["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]["containers"][0]["ports"] = ports
    return kept


_OURS = {"authOptions"}
"""Fields of a cluster that the builder sometimes leaves out."""
_OVERLOOKED = {"replicas", "minReplicas", "maxReplicas"}
