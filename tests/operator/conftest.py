"""A real control plane with KubeRay, once for all tests here, and a namespace for each test."""

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running import Api, Operator

from cluster.binaries import CONTROL_PLANE
from cluster.build import PrerequisiteError, build
from cluster.control_plane import ControlPlane

OperatorFactory = Callable[..., Operator]


@pytest.fixture(scope="session")
def built() -> None:
    """Have the control plane's programs, or say why they cannot be had."""
    try:
        build(CONTROL_PLANE)
    except PrerequisiteError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def control_plane(built: None) -> Iterator[ControlPlane]:
    """Etcd, API server, controller manager and KubeRay."""
    with ControlPlane() as plane:
        yield plane


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """Make a namespace that goes with the test; what is in it goes in the background."""
    name = f"test-{secrets.token_hex(4)}"
    control_plane.kubectl("create", "namespace", name)
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def crds(control_plane: ControlPlane) -> None:
    """Have the playground's own kinds."""
    folder = str(Path(__file__).parents[2] / "crds")
    control_plane.kubectl("apply", "--server-side", "-f", folder)
    control_plane.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", folder)


@pytest.fixture
def api(control_plane: ControlPlane, crds: None, namespace: str) -> Api:
    """Return a client for the test's namespace."""
    return Api(control_plane.kubeconfig, namespace)


@pytest.fixture
def operator_factory(control_plane: ControlPlane, api: Api, tmp_path: Path) -> Iterator[OperatorFactory]:
    """Return a maker of operators for the test's namespace; none of them outlives the test."""
    made: list[Operator] = []

    def make(name: str = "operator", kubeconfig: Path | None = None, **settings: str) -> Operator:
        made.append(
            Operator(
                kubeconfig or control_plane.kubeconfig,
                tmp_path / f"{name}.log",
                **{"namespaces": api.namespace, **settings},
            )
        )
        return made[-1]

    yield make
    for operator in made:
        operator.kill()


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
