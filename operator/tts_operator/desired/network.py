"""Who may talk to a service's pods, and whom they may talk to: nobody but those named here."""

from typing import Any

from tts_app.resources import Playground
from tts_app.resources.playground import Peer
from tts_operator.desired.loading import COMPONENT_LABEL, CONTAINER
from tts_operator.desired.ray_service import DASHBOARD_PORT, METRICS_PORT, SERVE_PORT
from tts_operator.objects import JOB_LABEL, SERVICE_LABEL

DNS_PORT = 53
HTTPS_PORT = 443
METADATA_ADDRESS = "169.254.169.254/32"
"""Where clouds hand out the node's credentials: never reached from a pod that loads foreign weights."""
SUBMITTER = "submitter"
"""Component, and container, of the pod that hands a TTSJob's batch to Ray."""
KUBERAY = {"app.kubernetes.io/name": "kuberay-operator"}
"""Label of KubeRay's operator pod: it submits the Serve config through the dashboard's port."""

_DASHBOARD = {"port": DASHBOARD_PORT, "protocol": "TCP"}
_DNS = {"ports": [{"port": DNS_PORT, "protocol": "UDP"}, {"port": DNS_PORT, "protocol": "TCP"}]}
_OUTSIDE = {
    "to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": [METADATA_ADDRESS]}}],
    "ports": [{"port": HTTPS_PORT, "protocol": "TCP"}],
}


def network_policy(playground: Playground) -> dict[str, Any]:
    """Return the body of the service's NetworkPolicy.

    In: the service's own pods, KubeRay and submitters of TTSJobs to the dashboard, and to the API and the
    metrics the pods of the namespace and whoever the Playground allows. Out: the service's own pods and DNS.
    """
    own = {"podSelector": {"matchLabels": {SERVICE_LABEL: playground.name}}}
    callers = [{"podSelector": {}}, *map(_peer, playground.spec.network_policy.allow_from)]
    return {
        "spec": {
            "podSelector": own["podSelector"],
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {"from": [own]},
                {
                    "from": [
                        {"namespaceSelector": {}, "podSelector": {"matchLabels": KUBERAY}},
                        {"podSelector": {"matchLabels": {COMPONENT_LABEL: SUBMITTER}}},
                    ],
                    "ports": [_DASHBOARD],
                },
                {
                    "from": callers,
                    "ports": [
                        {"port": SERVE_PORT, "protocol": "TCP"},
                        {"port": METRICS_PORT, "protocol": "TCP"},
                    ],
                },
            ],
            "egress": [
                {"to": [own]},
                _DNS,
            ],
        }
    }


def loader_policy(playground: Playground) -> dict[str, Any]:
    """Return the body of the NetworkPolicy that lets loaders, and no other pod, reach HTTPS outside."""
    return {
        "spec": {
            "podSelector": {"matchLabels": {SERVICE_LABEL: playground.name, COMPONENT_LABEL: CONTAINER}},
            "policyTypes": ["Egress"],
            "egress": [_OUTSIDE],
        }
    }


def job_policy(job: str, service: str | None, *, outside: bool) -> dict[str, Any]:
    """Return the body of a TTSJob's NetworkPolicy: its pods talk to one another.

    In, beside that: KubeRay to the dashboard. Out: DNS; the dashboard of the head of `service`, if it runs on
    one; HTTPS where its files are `outside`.
    """
    own = {"podSelector": {"matchLabels": {JOB_LABEL: job}}}
    egress: list[dict[str, Any]] = [{"to": [own]}, _DNS]
    if service is not None:
        head = {"podSelector": {"matchLabels": {SERVICE_LABEL: service, "ray.io/node-type": "head"}}}
        egress.append({"to": [head], "ports": [_DASHBOARD]})
    if outside:
        egress.append(_OUTSIDE)
    kuberay = {"namespaceSelector": {}, "podSelector": {"matchLabels": KUBERAY}}
    return {
        "spec": {
            "podSelector": own["podSelector"],
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [own]}, {"from": [kuberay], "ports": [_DASHBOARD]}],
            "egress": egress,
        }
    }


def _peer(peer: Peer) -> dict[str, Any]:
    selectors = {"namespaceSelector": peer.namespace_selector, "podSelector": peer.pod_selector}
    return {
        name: {"matchLabels": dict(sorted(wanted.items()))} if wanted else {}
        for name, wanted in selectors.items()
        if wanted is not None
    }
