"""What the NetworkPolicies allow, by the evaluator of tests/support; and that evaluator itself."""

import pytest
from network_policies import Network, Outside, Pod, selects

from tts_app.resources.playground import Oidc
from tts_operator.desired.network import (
    KUBERAY,
    SUBMITTER,
    collector_policy,
    database_policy,
    job_policy,
    loader_policy,
    network_policy,
    provider_policy,
)
from tts_operator.desired.ray_service import Defaults
from tts_operator.objects import COMPONENT_LABEL, JOB_LABEL, SERVICE_LABEL

NAMESPACES = {
    "speech": {},
    "web": {"team": "web"},
    "kuberay": {},
    "monitoring": {},
    "evil": {"team": "web-2"},
}
OWN = {SERVICE_LABEL: "playground"}
HEAD = Pod("speech", {**OWN, "ray.io/node-type": "head"})
WORKER = Pod("speech", {**OWN, "ray.io/node-type": "worker"})
LOADER = Pod("speech", {**OWN, COMPONENT_LABEL: "loader"})
NEIGHBOUR = Pod("speech", {"app": "site"})
OPERATOR = Pod("kuberay", KUBERAY)
PROMETHEUS = Pod("monitoring", {"app": "prometheus"})
WEB = Pod("web", {"app": "site"})
DISGUISED = Pod("evil", KUBERAY)
"""A pod of somebody else's namespace, with the labels of KubeRay's operator."""
API, DASHBOARD, METRICS, GCS = 8000, 8265, 8080, 6379
METADATA = ["169.254.169.254", "169.254.170.2", "169.254.170.23", "169.254.0.1"]


def defaults(monitoring=""):
    return Defaults("app:1", {}, "2.60.0", "kuberay", monitoring, "development")


@pytest.fixture
def service(playground):
    """Return a builder of the network of a service, with all the policies that it can have."""

    def build(monitoring="", **network):
        made = playground(networkPolicy=network)
        bodies = [
            network_policy(made, defaults(monitoring)),
            loader_policy(made),
            database_policy(made, 5432),
            provider_policy(made, Oidc(issuer="https://login.example:8443", audience="speech")),
        ]
        return Network(NAMESPACES, [("speech", body["spec"]) for body in bodies])

    return build


@pytest.mark.parametrize(
    ("port", "allowed"), [(DASHBOARD, True), (API, True), (GCS, False), (METRICS, False)]
)
def test_service_lets_kuberay_in_at_the_dashboard_and_the_api(service, port, allowed):
    assert service().allows(OPERATOR, HEAD, port) is allowed


@pytest.mark.parametrize("port", [DASHBOARD, API, GCS, METRICS])
def test_service_lets_nobody_in_by_the_labels_of_kuberay(service, port):
    assert not service().allows(DISGUISED, HEAD, port)
    assert not service("monitoring").allows(DISGUISED, HEAD, port)


def test_service_lets_no_other_pod_of_kuberays_namespace_in(service):
    other = Pod("kuberay", {"app": "other"})
    assert not any(service().allows(other, HEAD, port) for port in (DASHBOARD, API, GCS, METRICS))


def test_service_lets_its_own_pods_reach_each_other_at_any_port(service):
    assert all(service().allows(WORKER, HEAD, port) for port in (DASHBOARD, API, GCS, 40000))


def test_service_lets_pods_of_its_namespace_call_the_api_alone(service):
    network = service()
    assert network.allows(NEIGHBOUR, HEAD, API)
    assert not network.allows(NEIGHBOUR, HEAD, DASHBOARD)
    assert not network.allows(NEIGHBOUR, HEAD, GCS)


def test_service_lets_named_peers_call_the_api(service):
    assert not service().allows(WEB, HEAD, API)
    network = service(allowFrom=[{"namespaceSelector": {"team": "web"}, "podSelector": {"app": "site"}}])
    assert network.allows(WEB, HEAD, API)
    assert not network.allows(WEB, HEAD, DASHBOARD)
    assert not network.allows(Pod("web", {"app": "other"}), HEAD, API)
    assert not network.allows(Pod("evil", {"app": "site"}), HEAD, API)


def test_service_gives_its_metrics_to_the_monitoring_namespace_that_is_named(service):
    assert service().allows(NEIGHBOUR, HEAD, METRICS)
    assert not service().allows(PROMETHEUS, HEAD, METRICS)
    network = service("monitoring")
    assert network.allows(PROMETHEUS, WORKER, METRICS)
    assert not network.allows(PROMETHEUS, HEAD, API)
    assert not network.allows(NEIGHBOUR, HEAD, METRICS)


@pytest.mark.parametrize("port", [METRICS, 44217, 44227])
def test_service_gives_each_of_rays_metrics_ports_to_the_monitoring_namespace_alone(service, port):
    network = service("monitoring")
    assert network.allows(PROMETHEUS, HEAD, port)
    for other in (NEIGHBOUR, OPERATOR, DISGUISED, WEB):
        assert not network.allows(other, HEAD, port)


@pytest.mark.parametrize("port", [METRICS, 44217, 44227])
def test_job_gives_its_metrics_to_the_monitoring_namespace_alone(port):
    def network(monitoring):
        body = job_policy("welcome", None, [], defaults(monitoring))
        return Network(NAMESPACES, [("speech", body["spec"])])

    driver = Pod("speech", {JOB_LABEL: "welcome"})
    assert network("monitoring").allows(PROMETHEUS, driver, port)
    assert not network("monitoring").allows(PROMETHEUS, driver, DASHBOARD)
    assert not network("monitoring").allows(NEIGHBOUR, driver, port)
    assert not network("").allows(PROMETHEUS, driver, port)


def test_submitter_reaches_the_dashboard_of_its_service_alone(service):
    submitter = Pod("speech", {COMPONENT_LABEL: SUBMITTER})
    assert service().allows(submitter, HEAD, DASHBOARD)
    assert not service().allows(submitter, HEAD, GCS)


@pytest.mark.parametrize("address", ["203.0.113.1", "10.0.0.1", *METADATA])
@pytest.mark.parametrize("port", [443, 80, 5432])
def test_service_lets_a_worker_reach_nothing_outside_but_dns(service, address, port):
    assert not service().allows(WORKER, Outside(address), port)
    assert service().allows(WORKER, Outside(address), 53, "UDP")


@pytest.mark.parametrize(("pod", "port"), [(LOADER, 443), (LOADER, 80), (HEAD, 5432), (HEAD, 8443)])
def test_egress_that_is_open_is_shut_to_where_clouds_serve_credentials(service, pod, port):
    network = service(outsidePorts=[443, 80])
    assert network.allows(pod, Outside("203.0.113.1"), port)
    assert not any(network.allows(pod, Outside(address), port) for address in METADATA)


def test_egress_of_the_head_is_to_the_ports_of_its_database_and_provider_alone(service):
    assert not service().allows(HEAD, Outside("203.0.113.1"), 443)
    assert not service().allows(WORKER, Outside("203.0.113.1"), 5432)
    assert not service().allows(WORKER, Outside("203.0.113.1"), 8443)


def test_service_lets_all_its_pods_reach_the_collector_of_its_traces(playground):
    policy = collector_policy(playground(), 4318)
    network = Network(NAMESPACES, [("speech", policy["spec"])])
    assert all(network.allows(pod, Outside("203.0.113.1"), 4318) for pod in (HEAD, WORKER))
    assert not network.allows(WORKER, Outside("203.0.113.1"), 443)
    assert not any(network.allows(HEAD, Outside(address), 4318) for address in METADATA)


def test_job_lets_kuberay_and_its_own_pods_in():
    driver, other = Pod("speech", {JOB_LABEL: "welcome"}), Pod("speech", {JOB_LABEL: "other"})
    network = Network(
        NAMESPACES, [("speech", job_policy("welcome", "playground", [443], defaults())["spec"])]
    )
    assert network.allows(OPERATOR, driver, DASHBOARD)
    assert not network.allows(OPERATOR, driver, API)
    assert not network.allows(DISGUISED, driver, DASHBOARD)
    assert network.allows(driver, driver, GCS)
    assert not network.allows(other, driver, GCS)
    assert network.allows(driver, HEAD, DASHBOARD)
    assert not network.allows(driver, HEAD, GCS)
    assert network.allows(driver, Outside("203.0.113.1"), 443)
    assert not any(network.allows(driver, Outside(address), 443) for address in METADATA)


class TestEvaluator:
    """tests/support/network_policies.py, against what Kubernetes documents."""

    A, B, OTHER = Pod("a", {"x": "1"}, {"metrics": 8080}), Pod("a", {"x": "2"}), Pod("b", {"x": "1"})

    def network(self, *specs):
        return Network({"a": {"env": "test"}, "b": {}}, [("a", spec) for spec in specs])

    def test_without_policy_all_is_allowed(self):
        assert self.network().allows(self.B, self.A, 1)
        assert self.network().allows(self.A, Outside("192.0.2.1"), 1)

    def test_a_policy_is_of_its_namespace(self):
        network = self.network({"podSelector": {}})
        assert not network.allows(self.OTHER, self.A, 1)
        assert network.allows(self.A, self.OTHER, 1)

    def test_a_policy_without_types_is_of_ingress_and_of_egress_if_it_has_some(self):
        assert self.network({"podSelector": {}}).allows(self.A, self.OTHER, 1)
        assert not self.network({"podSelector": {}, "egress": []}).allows(self.A, self.OTHER, 1)

    def test_policies_add_up(self):
        shut = {"podSelector": {}, "policyTypes": ["Ingress"]}
        opened = {"podSelector": {"matchLabels": {"x": "1"}}, "ingress": [{"from": [{"podSelector": {}}]}]}
        network = self.network(shut, opened)
        assert network.allows(self.B, self.A, 1)
        assert not network.allows(self.A, self.B, 1)

    def test_an_empty_from_is_everybody_and_a_rule_without_ports_every_port(self):
        network = self.network({"podSelector": {}, "ingress": [{}]})
        assert network.allows(Outside("192.0.2.1"), self.A, 9)
        assert network.allows(self.OTHER, self.A, 9)

    def test_selectors_of_one_peer_hold_together_and_peers_one_by_one(self):
        both = [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"x": "2"}}}]
        either = [{"namespaceSelector": {}}, {"podSelector": {"matchLabels": {"x": "2"}}}]
        assert not self.network({"podSelector": {}, "ingress": [{"from": both}]}).allows(
            self.OTHER, self.A, 1
        )
        assert self.network({"podSelector": {}, "ingress": [{"from": either}]}).allows(self.OTHER, self.A, 1)

    def test_a_pod_selector_alone_is_of_the_policys_namespace(self):
        network = self.network({"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]})
        assert network.allows(self.B, self.A, 1)
        assert not network.allows(self.OTHER, self.A, 1)

    def test_a_namespace_is_selected_by_its_labels_and_by_its_name(self):
        for wanted in ({"env": "test"}, {"kubernetes.io/metadata.name": "a"}):
            peer = {"namespaceSelector": {"matchLabels": wanted}}
            network = self.network({"podSelector": {}, "ingress": [{"from": [peer]}]})
            assert network.allows(self.B, self.A, 1)
            assert not network.allows(self.OTHER, self.A, 1)

    def test_nobody_names_a_namespace_but_kubernetes(self):
        peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "a"}}}
        spec = {"podSelector": {}, "ingress": [{"from": [peer]}]}
        network = Network({"a": {}, "b": {"kubernetes.io/metadata.name": "a"}}, [("a", spec)])
        assert not network.allows(self.OTHER, self.A, 1)

    @pytest.mark.parametrize(
        ("entry", "port", "protocol", "allowed"),
        [
            ({"port": 80}, 80, "TCP", True),
            ({"port": 80}, 81, "TCP", False),
            ({"port": 80}, 80, "UDP", False),
            ({"port": 80, "endPort": 90}, 85, "TCP", True),
            ({"port": 80, "endPort": 90}, 91, "TCP", False),
            ({"protocol": "UDP"}, 5, "UDP", True),
            ({"port": "metrics"}, 8080, "TCP", True),
            ({"port": "metrics"}, 8081, "TCP", False),
        ],
    )
    def test_a_port_is_one_a_range_or_a_name_of_the_target(self, entry, port, protocol, allowed):
        network = self.network({"podSelector": {}, "ingress": [{"ports": [entry]}]})
        assert network.allows(self.B, self.A, port, protocol) is allowed

    @pytest.mark.parametrize(
        ("address", "allowed"),
        [("10.1.2.3", True), ("10.9.0.1", False), ("192.0.2.1", False), ("2001:db8::1", False)],
    )
    def test_an_address_is_in_a_block_and_not_in_its_exceptions(self, address, allowed):
        block = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.9.0.0/16"]}}
        network = self.network({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [block]}]})
        assert network.allows(self.A, Outside(address), 1) is allowed
        assert not network.allows(self.A, self.B, 1), "a pod is no address"

    def test_selects_refuses_what_it_does_not_know(self):
        with pytest.raises(NotImplementedError, match="matchExpressions"):
            selects({"matchExpressions": []}, {})
