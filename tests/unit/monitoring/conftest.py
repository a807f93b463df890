"""Prometheus' programs, or the reason why tests that need them are skipped."""

import os

import pytest
from prometheus_server import PrometheusMissingError, find_program


def _found(*names: str) -> str:
    try:
        return find_program(*names)
    except PrometheusMissingError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def prometheus() -> str:
    """The path of Prometheus."""
    return _found("prometheus")


@pytest.fixture(scope="session")
def promtool() -> str:
    """The path of promtool, which checks and tests rules."""
    return _found("promtool")


@pytest.fixture(scope="session")
def node_exporter() -> str:
    """The path of Prometheus' node exporter, which measures this machine."""
    return _found("node_exporter", "prometheus-node-exporter")
