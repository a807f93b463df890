"""What the API server was asked, by whom, and what it refused: its own audit log."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        # Kubernetes' own controllers, which would be most of it.
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"},
    ],
}
_CREATED = 201


class Right(NamedTuple):
    """To do something with a resource."""

    verb: str
    group: str
    resource: str
    """With its subresource: pods/log."""


class Audit:
    """The audit log of an API server that was started with `api_arguments`."""

    def __init__(self, folder: Path) -> None:
        self._policy, self._log = folder / "policy.json", folder / "audit.log"
        self._policy.write_text(json.dumps(_POLICY), encoding="utf-8")
        self._seen = 0
        self._by_user: dict[str, list[dict[str, Any]]] = {}

    @property
    def api_arguments(self) -> list[str]:
        """What the API server is started with."""
        return [f"--audit-policy-file={self._policy}", f"--audit-log-path={self._log}"]

    def refused(self, user: str) -> list[str]:
        """Return the requests of a user that RBAC refused, and their like always.

        A server that has just started refuses some that it allows a moment later, when it has read the roles.
        """
        entries = self._entries(user)
        allowed = {_kind_of(entry) for entry in entries if _decision(entry) == "allow"}
        return [
            f"{entry['verb']} {entry['requestURI']}"
            for entry in entries
            if _decision(entry) == "forbid" and _kind_of(entry) not in allowed
        ]

    def used(self, user: str) -> set[Right]:
        """Return the rights that a user's requests needed, and had."""
        return {right for entry in self._entries(user) for right in _rights(entry)}

    def _entries(self, user: str) -> list[dict[str, Any]]:
        if self._log.exists():
            with self._log.open(encoding="utf-8") as log:
                log.seek(self._seen)
                while (line := log.readline()).endswith("\n"):
                    self._seen = log.tell()
                    entry = json.loads(line)
                    self._by_user.setdefault(entry["user"]["username"], []).append(entry)
        return self._by_user.get(user, [])


def _decision(entry: dict[str, Any]) -> str:
    return str(entry.get("annotations", {}).get("authorization.k8s.io/decision", ""))


def _kind_of(entry: dict[str, Any]) -> tuple[str, ...]:
    target = entry.get("objectRef", {})
    parts = ("apiGroup", "resource", "subresource", "namespace")
    return (entry["verb"], *(target.get(part, "") for part in parts))


def _rights(entry: dict[str, Any]) -> Iterator[Right]:
    target = entry.get("objectRef", {})
    if "resource" not in target or _decision(entry) != "allow":
        return
    resource = "/".join(filter(None, [target["resource"], target.get("subresource")]))
    group = target.get("apiGroup", "")
    yield Right(entry["verb"], group, resource)
    if entry["verb"] == "patch" and entry.get("responseStatus", {}).get("code") == _CREATED:
        yield Right("create", group, resource)  # an apply that made the object
