"""The queries that a playground at the desk leaves empty: a Prometheus scrapes an operator and KubeRay."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from dashboard_queries import EMPTY, FOLDER, has_data, known_empty, queries, reason
from prometheus_server import PrometheusMissingError, PrometheusServer, Target, find_program
from resources import voice_model
from running import PATIENCE, eventually
from test_jobs import POSTS, tts_job

from tts_operator.objects import RAY_JOB, VOICE_MODEL

SHOWN_HERE = {"needs the operator", "needs KubeRay"}
"""Reasons in the list of empty queries that do not hold here."""


@pytest.fixture(scope="module")
def prometheus_found() -> None:
    """Have a Prometheus, or say how it is had."""
    try:
        find_program("prometheus")
    except PrometheusMissingError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.mark.usefixtures("prometheus_found")
def test_queries_that_need_the_operator_or_kuberay_have_data(
    api: Any, operator: Any, control_plane: Any, tmp_path: Path
) -> None:
    listed = known_empty(EMPTY)
    wanted = [
        query
        for path in sorted(FOLDER.glob("*.json"))
        for query in queries(path)
        if reason(query, listed) in SHOWN_HERE
    ]
    targets = [
        Target("operator", f"127.0.0.1:{operator.port}", labels={"namespace": api.namespace}),
        Target("kuberay", control_plane.kuberay_metrics),
    ]
    start = time.time()
    with PrometheusServer(tmp_path, targets, interval=1) as server:
        api.apply(voice_model())
        api.apply(tts_job(ephemeral={}, posts={"inline": POSTS}))
        api.await_condition("kokoro", "Progressing", "True", "ClusterStarting", VOICE_MODEL)
        eventually(lambda: api.get(RAY_JOB, "welcome"), "KubeRay has the RayJob")

        def without_data() -> list[str]:
            now = time.time()
            return [q.name for q in wanted if not has_data(server, q.promql, start=start, end=now)]

        until = time.monotonic() + PATIENCE
        while (empty := without_data()) and time.monotonic() < until:
            time.sleep(1)  # until the next scrape
        assert empty == []
