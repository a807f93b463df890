"""Decides what NetworkPolicies allow, as Kubernetes documents it: no test cluster here enforces them.

https://kubernetes.io/docs/concepts/services-networking/network-policies/: a pod that no policy selects may do
all; one that some select may do what any of them allows. Source and target must both allow a connection.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Pod:
    """A pod, with the numbers of its named ports."""

    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Outside:
    """An address that is no pod's."""

    address: str


End = Pod | Outside


class Network:
    """Namespaces and the policies in them."""

    def __init__(
        self, namespaces: Mapping[str, Mapping[str, str]], policies: Iterable[tuple[str, Spec]]
    ) -> None:
        """`namespaces` are labels by name; `policies` are (namespace, spec)."""
        self._namespaces = {
            name: {**labels, "kubernetes.io/metadata.name": name} for name, labels in namespaces.items()
        }
        self._policies = list(policies)

    def allows(self, source: End, target: End, port: int, protocol: str = "TCP") -> bool:
        """Return whether `source` may connect to `port` of `target`."""
        return self._lets("Egress", source, target, target, port, protocol) and self._lets(
            "Ingress", target, source, target, port, protocol
        )

    def _lets(self, way: str, pod: End, peer: End, target: End, port: int, protocol: str) -> bool:
        """Return whether the policies of `pod` let a connection to or from `peer` go its `way`."""
        if isinstance(pod, Outside):
            return True
        selecting = [
            (namespace, spec)
            for namespace, spec in self._policies
            if namespace == pod.namespace
            and way in _ways(spec)
            and selects(spec.get("podSelector") or {}, pod.labels)
        ]
        peers = "to" if way == "Egress" else "from"
        return not selecting or any(
            self._is_peer(rule.get(peers), peer, namespace)
            and _is_port(rule.get("ports"), target, port, protocol)
            for namespace, spec in selecting
            for rule in spec.get(way.lower()) or ()
        )

    def _is_peer(self, peers: Iterable[Spec] | None, end: End, namespace: str) -> bool:
        """Return whether `end` is one of the peers of a policy in `namespace`; none given means everybody."""
        return not peers or any(self._matches(peer, end, namespace) for peer in peers)

    def _matches(self, peer: Spec, end: End, namespace: str) -> bool:
        if "ipBlock" in peer:
            return isinstance(end, Outside) and _in_block(peer["ipBlock"], end.address)
        if isinstance(end, Outside) or not selects(peer.get("podSelector") or {}, end.labels):
            return False
        if "namespaceSelector" not in peer:
            return end.namespace == namespace
        return selects(peer["namespaceSelector"], self._namespaces[end.namespace])


def selects(selector: Spec, labels: Mapping[str, str]) -> bool:
    """Return whether a label selector selects labels; an empty one selects all.

    Raises:
        NotImplementedError: it has expressions, which nothing here writes.
    """
    if unknown := selector.keys() - {"matchLabels"}:
        raise NotImplementedError(f"selectors with {', '.join(sorted(unknown))}")
    return (selector.get("matchLabels") or {}).items() <= labels.items()


def _ways(spec: Spec) -> list[str]:
    """Return what a policy is about: by default Ingress, and Egress where it has such rules."""
    return list(spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])])


def _is_port(ports: Iterable[Spec] | None, target: End, port: int, protocol: str) -> bool:
    """Return whether a rule is about a port; none given means every port."""
    return not ports or any(
        entry.get("protocol", "TCP") == protocol and _covers(entry, target, port) for entry in ports
    )


def _covers(entry: Spec, target: End, port: int) -> bool:
    first = entry.get("port")
    if isinstance(first, str):
        return isinstance(target, Pod) and target.ports.get(first) == port
    return first is None or first <= port <= entry.get("endPort", first)


def _in_block(block: Spec, address: str) -> bool:
    there = ipaddress.ip_address(address)
    return there in ipaddress.ip_network(block["cidr"]) and not any(
        there in ipaddress.ip_network(part) for part in block.get("except") or ()
    )
