"""A real control plane with KubeRay, once for all tests here, and a namespace for each test."""

import json
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from audit import Audit
from charts import RELEASE, Helm, account, others_definitions
from running import Administrator, Api, ForkedOperator, Operator

from cluster.binaries import CONTROL_PLANE
from cluster.build import PrerequisiteError, check
from cluster.control_plane import ControlPlane

OperatorFactory = Callable[..., Operator]


@pytest.fixture(scope="session")
def built() -> None:
    """Have the control plane's programs, or say how they are had: they are not built inside a test."""
    try:
        check(CONTROL_PLANE)
    except PrerequisiteError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """Return what the API server was asked, and what it refused."""
    return Audit(tmp_path_factory.mktemp("audit"))


@pytest.fixture(scope="session")
def control_plane(built: None, audit: Audit) -> Iterator[ControlPlane]:
    """Etcd, API server, controller manager and KubeRay."""
    with ControlPlane(api_arguments=audit.api_arguments) as plane:
        yield plane


@pytest.fixture(scope="session")
def helm(built: None, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Return Helm, without a cluster."""
    return Helm(tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def administrator(control_plane: ControlPlane) -> Administrator:
    """Return what makes things for tests."""
    return Administrator(control_plane.kubeconfig)


@pytest.fixture
def namespace(administrator: Administrator) -> Iterator[str]:
    """Make a namespace that goes with the test; what is in it goes in the background."""
    name = f"test-{secrets.token_hex(4)}"
    administrator.make_namespace(name)
    yield name
    administrator.remove_namespace(name)


@pytest.fixture(scope="session")
def crds(control_plane: ControlPlane) -> None:
    """Have the playground's own kinds."""
    folder = str(Path(__file__).parents[2] / "crds")
    control_plane.kubectl("apply", "--server-side", "-f", folder)
    control_plane.await_established("-f", folder)


@pytest.fixture
def api(control_plane: ControlPlane, crds: None, namespace: str) -> Api:
    """Return a client for the test's namespace."""
    return Api(control_plane.kubeconfig, namespace)


@pytest.fixture(scope="session")
def rights(helm: Helm) -> str:
    """Return what the chart gives an operator that serves one namespace, its own: NAMESPACE."""
    values = {"watchNamespaces": ["the-namespace"]}
    found = [
        document
        for document in helm.render(values, namespace="the-namespace")
        if document["kind"] in {"ServiceAccount", "Role", "RoleBinding"}
    ]
    return json.dumps(found).replace("the-namespace", "NAMESPACE")


@pytest.fixture
def operator_kubeconfig(administrator: Administrator, namespace: str, rights: str, tmp_path: Path) -> Path:
    """Return a kubeconfig that may do in the test's namespace what the chart says, and nothing elsewhere."""
    administrator.apply(json.loads(rights.replace("NAMESPACE", namespace)), namespace)
    return administrator.kubeconfig_for(RELEASE, namespace, tmp_path / "operator.kubeconfig")


@pytest.fixture
def operator_factory(
    operator_kubeconfig: Path, audit: Audit, api: Api, tmp_path: Path
) -> Iterator[OperatorFactory]:
    """Return a maker of operators for the test's namespace, with the chart's rights.

    None of them outlives the test, and none of them may have asked for what it has no right to.
    """
    made: list[Operator] = []

    def make(name: str = "operator", kubeconfig: Path | None = None, **settings: str) -> Operator:
        made.append(
            ForkedOperator(
                kubeconfig or operator_kubeconfig,
                tmp_path / f"{name}.log",
                **{"namespaces": api.namespace, **settings},
            )
        )
        return made[-1]

    yield make
    for operator in made:
        operator.kill()
    assert audit.refused(account(api.namespace)) == [], "refused with the chart's rights"


@pytest.fixture
def operator(operator_factory: OperatorFactory) -> Operator:
    """Return an operator that runs, for the test's namespace."""
    made = operator_factory()
    made.start()
    return made


@pytest.fixture(scope="module")
def kuberay_stopped(control_plane: ControlPlane) -> Iterator[None]:
    """Let KubeRay stand still, so that a test says what its objects' statuses are."""
    control_plane.stop_kuberay()
    yield
    control_plane.start_kuberay()


@pytest.fixture(scope="module")
def others_kinds(control_plane: ControlPlane) -> Iterator[None]:
    """Have the kinds of Prometheus', of Grafana's operator and of the Gateway API, for one module."""
    definitions = others_definitions()
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": definitions})
    control_plane.kubectl("apply", "--server-side", "--filename=-", input=text)
    names = [f"crd/{definition['metadata']['name']}" for definition in definitions]
    control_plane.await_established(*names)
    yield
    control_plane.kubectl("delete", *names)
