"""What each route asks of its caller, and keys for administrators."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from sqlalchemy.exc import OperationalError

from tts_app.api.app import ROUTERS
from tts_app.api.scopes import Needs
from tts_app.security.principal import Scope
from tts_app.storage.database import Database

Start = Callable[..., Awaitable[Any]]
STATIC = "a-static-key-of-16"
SOCKET = "/v1/audio/speech/stream"
"""A route that OpenAPI cannot list."""
DOCS = Path(__file__).parents[3] / "docs" / "security.md"


def needs_of(route: APIRoute) -> list[tuple[Scope, ...]]:
    return [one.call.scopes for one in route.dependant.dependencies if isinstance(one.call, Needs)]


ROUTES = [
    route
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and route.path.startswith(("/v1", "/ray"))
]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_every_route_has_one_scope(start: Start) -> None:
    api = await start()
    document = (await api.client.get("/openapi.json")).json()
    served = {path for path in document["paths"] if path.startswith("/v1")}
    assert served == {route.path for route in ROUTES if route.include_in_schema}
    assert {route.path: needs_of(route) for route in ROUTES if len(needs_of(route)) != 1} == {}
    assert SOCKET in {route.path for route in ROUTES}
    assert all(isinstance(route, APIRoute) for router in ROUTERS for route in router.routes), (
        "no bare sockets"
    )


def test_docs_have_the_scope_of_every_route() -> None:
    rows = [
        f"| `{method} {route.path}` | {' or '.join(f'`{scope}`' for scope in needs_of(route)[0])} |"
        for route in ROUTES
        if route.include_in_schema or route.path.startswith("/ray") or route.path == SOCKET
        for method in sorted(route.methods)
    ]
    table = "\n".join(rows)
    assert table in DOCS.read_text(encoding="utf-8"), f"docs/security.md needs:\n{table}"


async def test_routes_refuse_a_key_without_their_scope(start: Start) -> None:
    api = await start(api_key=STATIC)
    for route in ROUTES:
        (wanted,) = needs_of(route)
        others = frozenset(Scope) - set(wanted)
        key, _ = api.context.issuer.create("default", "test", others, None, "test")
        method = min(route.methods - {"OPTIONS"})
        path = route.path.replace("{path:path}", "x").replace("{", "").replace("}", "")
        content = {"content": b"{}", "headers": {**bearer(key.text), "Content-Type": "application/json"}}
        answer = await api.client.request(method, path, **content)
        assert answer.status_code == 403, (method, path)
        error = answer.json()["error"]
        assert error["code"] == "insufficient_scope"
        assert all(scope in error["message"] for scope in wanted)


async def test_spoken_answers_need_both_scopes(start: Start) -> None:
    api = await start(api_key=STATIC)
    body = {
        "model": "writer",
        "messages": [{"role": "user", "content": "Hi."}],
        "modalities": ["text", "audio"],
        "audio": {"voice": "alloy", "format": "mp3"},
    }
    text, _ = api.context.issuer.create("default", "text", [Scope.TEXT], None, "test")
    both, _ = api.context.issuer.create("default", "both", [Scope.TEXT, Scope.SPEAK], None, "test")
    model = (await api.client.get("/v1/models", headers=bearer(both.text))).json()["data"]
    body["model"] = next(one["id"] for one in model if "text" in one.get("capabilities", []))
    refused = await api.client.post("/v1/chat/completions", json=body, headers=bearer(text.text))
    assert refused.status_code == 403, refused.text
    allowed = await api.client.post("/v1/chat/completions", json=body, headers=bearer(both.text))
    assert allowed.status_code == 200, allowed.text


async def test_keys_route_makes_rotates_and_revokes(start: Start) -> None:
    api = await start(key_required=True)
    assert (await api.client.get("/v1/models")).status_code == 401
    admin, _ = api.context.issuer.create("default", "admin", [Scope.ADMIN], None, "test")
    body = {"name": "the site", "tenant": "hotel", "scopes": ["speak", "read"], "days": 1}
    answer = await api.client.post("/v1/keys", json=body, headers=bearer(admin.text))
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["created_by"] == f"admin ({admin.id})"
    assert round(made["expires"] - made["created"]) == 86_400
    assert (await api.client.get("/v1/models", headers=bearer(made["key"]))).status_code == 200
    assert (await api.client.get("/v1/keys", headers=bearer(made["key"]))).status_code == 403
    listed = await api.client.get("/v1/keys", headers=bearer(admin.text))
    assert made["key"] not in listed.text
    assert {one["id"] for one in listed.json()["data"]} == {admin.id, made["id"]}
    path = f"/v1/keys/{made['id']}"
    answer = await api.client.post(f"{path}/rotate", json={"overlap_hours": 1}, headers=bearer(admin.text))
    rotated = answer.json()
    assert (rotated["tenant"], sorted(rotated["scopes"])) == ("hotel", ["read", "speak"])
    for key in (made["key"], rotated["key"]):
        assert (await api.client.get("/v1/models", headers=bearer(key))).status_code == 200
    assert (await api.client.delete(path, headers=bearer(admin.text))).status_code == 204
    for again in (api.client.delete(path, headers=bearer(admin.text)),
                  api.client.post(f"{path}/rotate", json={}, headers=bearer(admin.text))):  # fmt: skip
        answer = await again
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_key")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"name": "x"}, "scopes"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": ["write"]}, "scopes.0"),
        ({"name": "", "scopes": ["speak"]}, "name"),
        ({"name": "x", "scopes": ["speak"], "tenant": "Hotel Group"}, "tenant"),
        ({"name": "x", "scopes": ["speak"], "days": 0}, "days"),
        ({"name": "x", "scopes": ["speak"], "secret": "mine"}, "secret"),
    ],
)
async def test_keys_route_refuses(start: Start, body: dict[str, Any], param: str) -> None:
    api = await start(key_required=True)
    admin, _ = api.context.issuer.create("default", "admin", [Scope.ADMIN], None, "test")
    answer = await api.client.post("/v1/keys", json=body, headers=bearer(admin.text))
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


async def test_door_answers_503_while_the_database_of_the_keys_is_away(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = await start(key_required=True)
    admin, _ = api.context.issuer.create("default", "admin", [Scope.ADMIN], None, "test")

    def away(_self: Database) -> None:
        raise OperationalError("select", {}, Exception("away"))

    monkeypatch.setattr(Database, "session", away)
    answer = await api.client.get("/v1/keys", headers=bearer(admin.text))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert (await api.client.get("/healthz")).status_code == 200
