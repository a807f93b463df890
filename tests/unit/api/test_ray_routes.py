"""Ray's dashboard behind our API: every route of the installed Ray, and what becomes of it."""

import base64
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import ray

from tts_app.api.ray_proxy import RayDashboard
from tts_app.api.ray_routes import AUTHENTICATION_MODE, ray_address
from tts_app.security.principal import Scope
from tts_app.storage.audit import Filter

Start = Callable[..., Awaitable[Any]]
_DECORATOR = re.compile(r"""@routes\.(\w+)\(\s*["']([^"']+)["']""")
_HEX = "0" * 32
SHOWN = {
    "/": "the page",
    "/favicon.ico": "its icon",
    "/timezone": "the clock of the page",
    "/api/authentication_mode": "answered by us",
    "/api/version": "Ray's version",
    "/nodes": "the nodes",
    "/nodes/{node_id}": "a node and its processes",
    "/logical/actors": "the actors",
    "/logical/actors/{actor_id}": "an actor",
    "/api/cluster_status": "the resources",
    "/api/serve/applications/": "what Serve runs",
    "/api/v0/cluster_metadata": "versions",
    "/api/v0/runtime_env_redaction": "whether variables are hidden",
    "/api/v0/nodes": "the nodes",
    "/api/v0/placement_groups": "the placement groups",
    "/api/v0/tasks/summarize": "numbers of tasks by function",
}
REFUSED = {
    "/api/jobs/": "messages of jobs have lines of their logs",
    "/api/jobs/{job_or_submission_id}": "as all jobs",
    "/api/jobs/{job_or_submission_id}/logs": "a log",
    "/api/jobs/{job_or_submission_id}/logs/tail": "a log",
    "/api/job_agent/jobs/{job_or_submission_id}/logs": "a log",
    "/api/job_agent/jobs/{job_or_submission_id}/logs/tail": "a log",
    "/api/packages/{protocol}/{package_name}": "pins the package: it changes something",
    "/api/component_activities": "runs a hook of the environment",
    "/api/v0/logs": "names of logs",
    "/api/v0/logs/{media_type}": "a log",
    "/events": "messages of errors",
    "/api/v0/cluster_events": "messages of errors",
    "/api/v0/platform_events": "messages of Kubernetes",
    "/api/v0/tasks": "its details have messages of errors, which may have words of callers",
    "/api/v0/tasks/timeline": "a download",
    "/api/v0/actors": "its details have messages of errors; /logical/actors shows the actors",
    "/api/v0/actors/summarize": "no page needs it",
    "/api/v0/jobs": "as /api/jobs/",
    "/api/v0/workers": "no page needs it",
    "/api/v0/objects": "asks every process",
    "/api/v0/objects/summarize": "asks every process",
    "/api/v0/runtime_envs": "has variables of the environment",
    "/api/v0/delay/{delay_s}": "for tests of Ray: holds a connection",
    "/test/dump": "for tests of Ray: everything that it knows",
    "/task/traceback": "stops a process to read its stack",
    "/task/cpu_profile": "starts a profiler",
    "/worker/traceback": "stops a process to read its stack",
    "/worker/cpu_profile": "starts a profiler",
    "/worker/gpu_profile": "starts a profiler",
    "/worker/jax_profile": "starts a profiler",
    "/memory_profile": "starts a profiler",
    "/api/profiling_enabled": "profiling is refused",
    "/api/grafana_health": "makes Ray call another address",
    "/api/prometheus_health": "makes Ray call another address",
    "/api/prometheus/sd": "Prometheus reads it, not people",
    "/api/gcs_healthz": "probes are not for people",
    "/api/healthz": "probes are not for people",
    "/api/local_raylet_healthz": "probes are not for people",
    "/api/ray/version": "/api/version has it",
    "/api/data/datasets/{job_id}": "we run no Ray Data",
    "/api/train/v2/runs": "we run no Ray Train",
    "/api/train/v2/runs/v1": "we run no Ray Train",
    "/usage_stats_enabled": "we send no usage",
    "/cluster_id": "for reports of usage",
}


def ray_routes() -> set[tuple[str, str]]:
    """Method and path of every route in the source of Ray's dashboard and its agents."""
    sources = (Path(ray.__file__).parent / "dashboard").rglob("*.py")
    found = {pair for source in sources for pair in _DECORATOR.findall(source.read_text(encoding="utf-8"))}
    # The example of a docstring.
    return {(method.upper(), path) for method, path in found if path != "/{path}"}


def filled(path: str) -> str:
    return re.sub(r"\{[^}]*\}", _HEX, path)


def test_every_route_of_ray_is_judged() -> None:
    found = ray_routes()
    assert len(found) > 60, "the expression above finds Ray's routes"
    assert {method for method, _ in found} == {"GET", "POST", "PUT", "DELETE"}
    assert {path for method, path in found if method == "GET"} == SHOWN.keys() | REFUSED.keys()


@pytest.mark.parametrize("path", sorted(SHOWN))
def test_list_has_what_is_shown(path: str) -> None:
    address = ray_address(filled(path).removeprefix("/"), ())
    assert address == (None if path == f"/{AUTHENTICATION_MODE}" else filled(path))


@pytest.mark.parametrize("path", sorted(REFUSED))
def test_list_lacks_what_is_refused(path: str) -> None:
    assert ray_address(filled(path).removeprefix("/"), ()) is None


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("static/js/main.abc.js", ()),
        ("nodes", (("view", "summary"),)),
        ("logical/actors", (("ids", "a,b&c"),)),
        ("api/v0/placement_groups", (("detail", "1"), ("limit", "10000"))),
    ],
)
def test_list_lets_the_pages_parameters_pass(path: str, query: Any) -> None:
    assert httpx.URL(ray_address(path, query) or "").path == f"/{path}"
    assert tuple(httpx.URL(ray_address(path, query) or "").params.multi_items()) == query


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("static/js/../../api/jobs/", ()),
        ("static/js/..", ()),
        ("static/../api/jobs/", ()),
        ("static/js/main.js/x", ()),
        ("/api/jobs/", ()),
        ("//other.example/", ()),
        ("nodes/../api/jobs/", ()),
        ("nodes/%2e%2e", ()),
        ("nodes\n", ()),
        ("api/serve/applications", ()),
        ("api/serve/applications/", (("name", "x"),)),
        ("api/v0/tasks/summarize", (("detail", "1"),)),
        ("worker/traceback", (("pid", "1"),)),
        ("api/actors/kill", (("actor_id", _HEX), ("force_kill", "1"))),  # of earlier versions of Ray
        ("logical/kill_actor", ()),
    ],
)
def test_list_refuses(path: str, query: Any) -> None:
    assert ray_address(path, query) is None


class SimulatedRay:
    """Stands for Ray's dashboard: notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.down = False

    async def get(self, address: str) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("nothing listens")
        self.asked.append(address)
        headers = {"content-type": "text/html", "set-cookie": "a=b", "server": "aiohttp", "location": "/x"}
        return httpx.Response(200, headers=headers, stream=httpx.ByteStream(b"<html>Ray</html>"))


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> SimulatedRay:
    made = SimulatedRay()
    monkeypatch.setattr(RayDashboard, "get", made.get)
    return made


def key_of(api: Any, *scopes: Scope, tenant: str = "default") -> str:
    key, _ = api.context.issuer.create(tenant, "test", frozenset(scopes), None, "test")
    return str(key.text)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def password(key: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'me:{key}'.encode()).decode()}"}


async def test_dashboard_is_for_administrators(start: Start, simulated: SimulatedRay) -> None:
    api = await start(ray_dashboard=True)
    nobody = await api.client.get("/ray/")
    assert nobody.status_code == 401, "also where no key is asked for elsewhere"
    assert nobody.headers["www-authenticate"].startswith('Basic realm="Ray dashboard')
    assert (await api.client.get("/ray/", headers=password("wrong"))).status_code == 401
    assert (await api.client.get("/ray/", headers={"Authorization": "Basic ?"})).status_code == 401
    speaker = key_of(api, *(set(Scope) - {Scope.ADMIN}))
    assert (await api.client.get("/ray/", headers=bearer(speaker))).status_code == 403
    other = await api.client.get("/ray/", headers=bearer(key_of(api, Scope.ADMIN, tenant="hotel")))
    assert (other.status_code, other.json()["error"]["code"]) == (403, "foreign_tenant")
    assert simulated.asked == []
    admin = key_of(api, Scope.ADMIN)
    for headers in (bearer(admin), password(admin)):
        assert (await api.client.get("/ray/", headers=headers)).status_code == 200
        assert (await api.client.head("/ray/", headers=headers)).content == b""
    assert (await api.client.get("/v1/keys", headers=password(admin))).status_code == 403, "only for /ray"
    assert simulated.asked == ["/"] * 4


async def test_dashboard_passes_no_change_on(start: Start, simulated: SimulatedRay) -> None:
    api = await start(ray_dashboard=True)
    headers = bearer(key_of(api, *Scope))
    for method, path in sorted(ray_routes()):
        for verb in {method, "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - {"GET"}:
            answer = await api.client.request(verb, f"/ray{filled(path)}", headers=headers)
            assert answer.status_code == 405, (verb, path)
        if method == "GET" and path in REFUSED:
            answer = await api.client.get(f"/ray{filled(path)}", headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_shown"), path
    assert simulated.asked == []


async def test_dashboard_answers_with_few_headers(start: Start, simulated: SimulatedRay) -> None:
    api = await start(ray_dashboard=True)
    headers = bearer(key_of(api, Scope.ADMIN))
    answer = await api.client.get("/ray/", headers=headers)
    assert answer.text == "<html>Ray</html>"
    assert not {"set-cookie", "server", "location"} & answer.headers.keys()
    assert "script-src" not in answer.headers["content-security-policy"], "as default: files of ours alone"
    assert "unsafe-inline" not in (await api.client.get("/voices")).headers["content-security-policy"]
    mode = await api.client.get(f"/ray/{AUTHENTICATION_MODE}", headers=headers)
    assert mode.json() == {"authentication_mode": "disabled"}, "the page asks for no token of Ray's"
    moved = await api.client.get("/ray", headers=headers)
    assert (moved.status_code, moved.headers["location"]) == (307, "/ray/")
    simulated.down = True
    away = await api.client.get("/ray/nodes?view=summary", headers=headers)
    assert (away.status_code, away.headers["retry-after"]) == (503, "5")


async def test_dashboard_is_off_by_default(start: Start) -> None:
    api = await start()
    answer = await api.client.get("/ray/", headers=bearer(key_of(api, Scope.ADMIN)))
    assert answer.status_code == 404
    assert "TTSP_RAY_DASHBOARD" in answer.json()["error"]["message"]


async def test_a_look_at_the_dashboard_is_recorded_once(start: Start, simulated: SimulatedRay) -> None:
    api = await start(ray_dashboard=True, audit=True)
    headers = bearer(key_of(api, Scope.ADMIN))
    for path in ("", "nodes?view=summary", "logical/actors", "nodes?view=summary"):
        assert (await api.client.get(f"/ray/{path}", headers=headers)).status_code == 200
    found = [(row.action, row.object_kind, row.outcome) for row in api.context.audit.find(Filter())]
    assert found.count(("dashboard.look", "dashboard", "began")) == 1
    assert (await api.client.get("/ray/", headers=bearer(key_of(api, Scope.READ)))).status_code == 403
    refused = [row for row in api.context.audit.find(Filter()) if row.action == "access.refused"]
    assert [row.object_id for row in refused] == ["GET /ray/{path:path}"]


async def test_nothing_is_shown_that_cannot_be_recorded(
    start: Start, simulated: SimulatedRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = await start(ray_dashboard=True, audit=True)
    headers = bearer(key_of(api, Scope.ADMIN))

    async def unwritten(*_given: Any) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(api.context.recording, "write", unwritten)
        assert (await api.client.get("/ray/", headers=headers)).status_code == 500
    assert simulated.asked == []
    assert (await api.client.get("/ray/", headers=headers)).status_code == 200
    assert [row.action for row in api.context.audit.find(Filter())].count("dashboard.look") == 1
