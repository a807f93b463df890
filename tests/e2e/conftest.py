"""A real cluster that runs pods, once for all tests here: with the playground installed, and namespaces."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import chain
import pytest
from trials import ALL
from unchanged import LeavesOut

from cluster import base_image, build, kueue
from cluster.build import PrerequisiteError, cache_folder
from cluster.control_plane import ControlPlane
from cluster.kind import KindCluster
from cluster.listening import listening
from cluster.node import Cluster
from images.build import places
from images.levels import IMAGES
from tiers.digest import digest

ROOT = Path(__file__).parents[2]
SYSTEM = "tts-system"


def cannot_run(reason: str) -> NoReturn:
    """End the test that lacks something: in CI it fails, elsewhere it is skipped."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster | KindCluster]:
    """One node: this machine's containerd or, with KIND=1, one in a container of Docker."""
    made = KindCluster() if os.environ.get("KIND") == "1" else Cluster()
    try:
        made.start()
    except PrerequisiteError as error:
        cannot_run(str(error))
    yield made
    made.stop()


@pytest.fixture
def namespace(cluster: ControlPlane) -> Iterator[str]:
    """Make a namespace that goes with the test; what is in it goes in the background."""
    name = f"test-{secrets.token_hex(4)}"
    cluster.kubectl("create", "namespace", name)
    # Without it no pod can be made.
    cluster.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=180s", "-n", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def base(cluster: ControlPlane) -> None:
    """Have the base image on the node; kind's nodes are not ours to test."""
    if not isinstance(cluster, Cluster):
        pytest.skip("these test the node form of hack/cluster")
    archive = base_image.place()
    if not archive.is_file():
        cannot_run("The base image is not there. Make it first: .venv/bin/python hack/cluster base-image")
    cluster.import_image(archive)


@pytest.fixture(scope="session")
def proxy(cluster: ControlPlane) -> Iterator[str]:
    """Return an address on loopback where the API server answers the administrator."""
    command = [str(build.path_of("kubectl")), "proxy", "--port=0"]
    with listening(command, {"KUBECONFIG": str(cluster.kubeconfig)}) as address:
        yield f"http://{address}"


@pytest.fixture(scope="session")
def built() -> dict[str, Path]:
    """Return the layouts of the images of this checkout, by level; no test builds one."""
    found = dict(zip(IMAGES, places(IMAGES), strict=True))
    missing = [name for name, layout in found.items() if not layout.is_dir()]
    if missing:
        cannot_run(
            f"Images are missing, or older than this checkout: {', '.join(missing)}. "
            "Build them first: .venv/bin/python hack/images"
        )
    return found


@pytest.fixture(scope="session")
def installed(cluster: Cluster | KindCluster, built: dict[str, Path]) -> ControlPlane:
    """Return the cluster with the chart installed, on images built from this checkout."""
    for layout in built.values():
        cluster.import_image(layout)
    chart = str(ROOT / "charts" / "tts-playground")
    cluster.helm("install", "tts-playground", chart, "-n", SYSTEM, "--create-namespace")
    cluster.kubectl("rollout", "status", "deploy", "-n", SYSTEM, "--timeout=120s")
    return cluster


@pytest.fixture(scope="session")
def kueue_installed(cluster: Cluster | KindCluster) -> None:
    """Have Kueue on the cluster; it stays until the cluster ends."""
    kueue.install(cluster)


KUEUES = (
    "operator",
    "charts",
    "crds",
    "hack/cluster",
    "app/tts_app/batch",
    "tests/e2e/conftest.py",
    "tests/e2e/test_playground.py",
)
"""What a test with Kueue covers that the others do not, and the test itself. It takes minutes: it is left out
where none of this has changed since it passed."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{chain.MARK}: the first failure of a module's tests ends the module")
    config.pluginmanager.register(chain)
    if not ALL:
        form = "kind" if os.environ.get("KIND") == "1" else "node"
        folder = cache_folder() / "tested" / form
        config.pluginmanager.register(LeavesOut("kueue_installed", folder, digest(ROOT, KUEUES)))
