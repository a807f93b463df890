"""The only peers of a service's pods: which may connect to them, and to which they may connect."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from tts_app.resources import Playground
from tts_app.resources.playground import Oidc, Peer
from tts_operator.desired.loading import CONTAINER
from tts_operator.desired.monitoring import METRICS_PORTS
from tts_operator.desired.ray_service import DASHBOARD_PORT, SERVE_PORT, Defaults
from tts_operator.objects import COMPONENT_LABEL, JOB_LABEL, SERVICE_LABEL

DNS_PORT = 53
LINK_LOCAL = "169.254.0.0/16"
"""Where clouds serve credentials, at several addresses (169.254.169.254, 169.254.170.2): a pod that loads
third-party weights must never reach them. A node's own DNS, which may be there too, is reached by port."""
SUBMITTER = "submitter"
"""Component and container of the pod that submits a TTSJob's batch to Ray."""
KUBERAY = {"app.kubernetes.io/name": "kuberay-operator"}
"""Label of KubeRay's operator pod: it submits the Serve config through the dashboard's port."""

_DASHBOARD = {"port": DASHBOARD_PORT, "protocol": "TCP"}
_SERVE = {"port": SERVE_PORT, "protocol": "TCP"}
_METRICS = [{"port": port, "protocol": "TCP"} for port in METRICS_PORTS.values()]
_DNS = {"ports": [{"port": DNS_PORT, "protocol": "UDP"}, {"port": DNS_PORT, "protocol": "TCP"}]}


def _outside(*ports: int) -> dict[str, Any]:
    """Return the rule that lets pods reach ports at any address except link-local ones."""
    return {
        "to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": [LINK_LOCAL]}}],
        "ports": [{"port": port, "protocol": "TCP"} for port in ports],
    }


def _pods_of(namespace: str, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the peer that is the pods of a namespace. The API server alone gives a namespace its name."""
    peer: dict[str, Any] = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    return peer if labels is None else {**peer, "podSelector": {"matchLabels": dict(labels)}}


def network_policy(playground: Playground, defaults: Defaults) -> dict[str, Any]:
    """Return the body of the service's NetworkPolicy.

    In: the service's own pods; KubeRay to the dashboard, and to the API, because it routes callers to the
    head only while the API is healthy; submitters of TTSJobs to the dashboard; the pods of the namespace and
    the peers that the Playground allows to the API; to the metrics the monitoring namespace or, where none is
    named, the same callers. Out: the service's own pods and DNS.
    """
    own = {"podSelector": {"matchLabels": {SERVICE_LABEL: playground.name}}}
    callers = [{"podSelector": {}}, *map(_peer, playground.spec.network_policy.allow_from)]
    monitoring = defaults.monitoring_namespace
    return {
        "spec": {
            "podSelector": own["podSelector"],
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {"from": [own]},
                {"from": [_pods_of(defaults.kuberay_namespace, KUBERAY)], "ports": [_DASHBOARD, _SERVE]},
                {
                    "from": [{"podSelector": {"matchLabels": {COMPONENT_LABEL: SUBMITTER}}}],
                    "ports": [_DASHBOARD],
                },
                {"from": callers, "ports": [_SERVE]},
                {"from": [_pods_of(monitoring)] if monitoring else callers, "ports": _METRICS},
            ],
            "egress": [
                {"to": [own]},
                _DNS,
            ],
        }
    }


def loader_policy(playground: Playground) -> dict[str, Any]:
    """Return the body of the NetworkPolicy that lets loaders, and no other pod, reach `outsidePorts`."""
    return {
        "spec": {
            "podSelector": {"matchLabels": {SERVICE_LABEL: playground.name, COMPONENT_LABEL: CONTAINER}},
            "policyTypes": ["Egress"],
            "egress": [_outside(*playground.spec.network_policy.outside_ports)],
        }
    }


def database_policy(playground: Playground, port: int) -> dict[str, Any]:
    """Return the body of the NetworkPolicy that lets the head, where the gateway runs, reach its database."""
    return _head_policy(playground, port)


def quota_policy(playground: Playground, port: int) -> dict[str, Any]:
    """Return the body of the NetworkPolicy that lets the head reach the store of its quotas."""
    return _head_policy(playground, port)


def provider_policy(playground: Playground, oidc: Oidc) -> dict[str, Any]:
    """Return the body of the NetworkPolicy that lets the head reach the identity provider, for its keys."""
    addresses = [oidc.issuer, *([oidc.jwks_url] if oidc.jwks_url else [])]
    return _head_policy(playground, *sorted({urlsplit(address).port or 443 for address in addresses}))


def collector_policy(playground: Playground, port: int) -> dict[str, Any]:
    """Return the body of the NetworkPolicy that lets the service's pods reach their traces' collector."""
    return {
        "spec": {
            "podSelector": {"matchLabels": {SERVICE_LABEL: playground.name}},
            "policyTypes": ["Egress"],
            "egress": [_outside(port)],
        }
    }


def job_policy(job: str, service: str | None, outside: Sequence[int], defaults: Defaults) -> dict[str, Any]:
    """Return the body of a TTSJob's NetworkPolicy: its pods can reach each other.

    Also in: KubeRay to the dashboard; the monitoring namespace, where one is named, to the metrics. Also
    out: DNS; the dashboard of the head of `service`, if the job runs on one; the ports `outside`.
    """
    own = {"podSelector": {"matchLabels": {JOB_LABEL: job}}}
    egress: list[dict[str, Any]] = [{"to": [own]}, _DNS]
    if service is not None:
        egress.append({"to": [{"podSelector": {"matchLabels": _head_of(service)}}], "ports": [_DASHBOARD]})
    if outside:
        egress.append(_outside(*outside))
    ingress: list[dict[str, Any]] = [
        {"from": [own]},
        {"from": [_pods_of(defaults.kuberay_namespace, KUBERAY)], "ports": [_DASHBOARD]},
    ]
    if defaults.monitoring_namespace:
        ingress.append({"from": [_pods_of(defaults.monitoring_namespace)], "ports": _METRICS})
    return {
        "spec": {
            "podSelector": own["podSelector"],
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        }
    }


def _head_policy(playground: Playground, *ports: int) -> dict[str, Any]:
    return {
        "spec": {
            "podSelector": {"matchLabels": _head_of(playground.name)},
            "policyTypes": ["Egress"],
            "egress": [_outside(*ports)],
        }
    }


def _head_of(service: str) -> dict[str, str]:
    return {SERVICE_LABEL: service, "ray.io/node-type": "head"}


def _peer(peer: Peer) -> dict[str, Any]:
    selectors = {"namespaceSelector": peer.namespace_selector, "podSelector": peer.pod_selector}
    return {
        name: {"matchLabels": dict(sorted(wanted.items()))} if wanted else {}
        for name, wanted in selectors.items()
        if wanted is not None
    }
