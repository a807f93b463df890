"""A real cluster that runs pods, once for all tests here, and a namespace for each test."""

import os
import secrets
from collections.abc import Iterator

import pytest

from cluster import base_image
from cluster.build import PrerequisiteError
from cluster.node import Cluster, prepare


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One node with containerd, and the base image on it."""
    try:
        prepare()
    except PrerequisiteError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    with Cluster() as running:
        running.import_image(base_image.archive())
        yield running


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """Make a namespace that goes with the test; what is in it goes in the background."""
    name = f"test-{secrets.token_hex(4)}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")
