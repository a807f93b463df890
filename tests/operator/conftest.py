"""A real control plane with KubeRay, once for all tests here, and a namespace for each test."""

import os
import secrets
from collections.abc import Iterator

import pytest

from cluster.binaries import CONTROL_PLANE
from cluster.build import PrerequisiteError, build
from cluster.control_plane import ControlPlane


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
