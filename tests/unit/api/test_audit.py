"""What the API records in the audit; without a row nothing is done."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from simulated_pool import OpenGovernor, Pool
from sqlalchemy import text as sql

from tts_app.api import recording
from tts_app.api.app import ROUTERS
from tts_app.api.recording import ACTIONS, REFUSED, WRONG_KEY
from tts_app.batch import driver
from tts_app.security.audit import BEGIN, Head, Row, chain_key, verify
from tts_app.security.principal import ALL_BUT_ADMIN, Scope
from tts_app.storage.anchors import Anchors
from tts_app.storage.audit import Filter
from tts_app.storage.output import FolderOutput
from tts_app.tenants import DEFAULT_TENANT

Start = Callable[..., Awaitable[Any]]
DOCS = Path(__file__).parents[3] / "docs" / "security.md"
CANARY = "Platypus-confidential"
SPOKEN = {"input": f"{CANARY} one", "voice": "alloy"}
CHAT = {"model": "writer", "messages": [{"role": "user", "content": CANARY}]}
ALOUD = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "pcm16"}}
SPEECH = {"text": f"{CANARY} two", "language": "en"}
BATCH = {
    "posts": [{"id": 1, "text": {"en": f"Welcome {CANARY}."}}],
    "avatars": {"locales": ["en-US"]},
    "retries": 0,
}
SHOWN_ELSEWHERE = {"/v1/audio/speech/stream"}
"""Routes that OpenAPI cannot list: a WebSocket."""
ROUTES = [
    (
        f"{method} {route.path}",
        route.include_in_schema or route.path in SHOWN_ELSEWHERE or route.path.startswith("/ray"),
    )
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and route.path.startswith(("/v1", "/ray"))
    for method in sorted(route.methods)
]


@pytest.fixture(autouse=True)
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    made = Pool()
    monkeypatch.setattr(driver, "WorkerHandle", made.worker)
    monkeypatch.setattr(driver, "Governor", OpenGovernor)
    return made


def rows(api: Any) -> list[Row]:
    """The audit, oldest first, without the first rows of chains."""
    found = [row for row in api.context.audit.find(Filter()) if row.action != BEGIN]
    return found[::-1]


def told(api: Any) -> list[tuple[str, str, str, str]]:
    return [(row.action, row.object_kind, row.object_id, row.outcome) for row in rows(api)]


def faults(api: Any) -> list[str]:
    key = chain_key(api.context.settings.audit_key())
    heads = api.context.audit.continued(key)
    return [fault.message for fault in verify(api.context.audit.all(), heads, key)]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def key_of(api: Any, tenant: str = DEFAULT_TENANT, scopes: Any = frozenset(Scope)) -> Any:
    key, _ = api.context.issuer.create(tenant, f"named {CANARY}", scopes, None, "test")
    return key


@contextmanager
def no_audit(api: Any) -> Iterator[None]:
    """The table of the audit is away, as is a disk that is full for it alone."""
    with api.context.database.engine.begin() as connection:
        connection.execute(sql("ALTER TABLE audit RENAME TO away"))
    yield
    with api.context.database.engine.begin() as connection:
        connection.execute(sql("ALTER TABLE away RENAME TO audit"))


async def ended(api: Any, path: str, headers: dict[str, str] | None = None) -> str:
    async with asyncio.timeout(60):
        while True:
            found = (await api.client.get(path, headers=headers)).raise_for_status().json()["status"]
            if found not in ("queued", "running"):
                return str(found)
            await asyncio.sleep(0.01)


async def deleted(api: Any, batch: dict[str, Any], status: int, headers: Any = None) -> None:
    """Delete a batch, once its last items are no longer being spoken."""
    async with asyncio.timeout(60):
        while True:
            answer = await api.client.delete(batch["links"]["self"], headers=headers)
            if answer.status_code != 409:
                break
            await asyncio.sleep(0.01)
    assert answer.status_code == status, answer.text


def test_docs_have_the_action_of_every_route() -> None:
    table = "\n".join(f"| `{route}` | `{action}` | {kind} |" for route, (action, kind) in ACTIONS.items())
    assert table in DOCS.read_text(encoding="utf-8"), f"docs/security.md needs:\n{table}"


def test_routes_that_change_or_give_audio_are_audited() -> None:
    served = {route for route, shown in ROUTES if shown}
    assert ACTIONS.keys() <= served
    assert {route for route in served if not route.startswith("GET ")} <= ACTIONS.keys()
    assert {"GET /v1/speech/{speech_id}/audio", "GET /v1/batches/{batch_id}/archive"} <= ACTIONS.keys()


def test_actions_are_those_that_the_tests_below_call() -> None:
    assert {action.partition(".")[0] for action, _ in ACTIONS.values()} == {
        "speech", "text", "batch", "key", "audit", "voice", "dashboard",
    }  # fmt: skip


@dataclass
class Calls:
    """Calls routes with an administrator's key, and texts that must be in no row; notes what is expected."""

    api: Any
    key: Any
    expected: list[tuple[str, str, str, str]] = field(default_factory=list)

    async def __call__(self, method: str, path: str, status: int, **given: Any) -> Any:
        headers = {
            **bearer(self.key.text),
            "X-Request-ID": "request-1",
            "Idempotency-Key": CANARY,
            **given.pop("headers", {}),
        }
        answer = await self.api.client.request(method, path, headers=headers, **given)
        assert answer.status_code == status, answer.text
        return answer

    async def ended(self, path: str) -> str:
        return await ended(self.api, path, bearer(self.key.text))

    def expect(self, action: str, object_id: str, outcome: str = "done") -> None:
        (kind,) = {kind for name, kind in ACTIONS.values() if name == action}
        self.expected.append((action, kind, object_id, outcome))

    def check(self, *kinds: str) -> None:
        """All actions of these kinds were called, and left these rows and no other."""
        assert told(self.api) == self.expected
        wanted = {action for action, _ in ACTIONS.values() if action.startswith(kinds)}
        assert {action for action, *_ in self.expected} == wanted
        assert {(row.subject, row.tenant, row.address, row.request_id) for row in rows(self.api)} == {
            (f"key:{self.key.id}", "default", "127.0.0.1", "request-1")
        }
        assert not any(CANARY in str(row) for row in self.api.context.audit.all())
        assert faults(self.api) == []


@pytest.fixture
async def calls(start: Start) -> Calls:
    api = await start(audit=True, key_required=True)
    return Calls(api, key_of(api))


async def test_speech_and_text_are_recorded_without_their_text(calls: Calls) -> None:
    speech = "/v1/audio/speech"
    for path, changes in (
        (speech, {}),
        (speech, {"stream_format": "sse"}),
        (f"{speech}/", {}),
        (speech[3:], {}),
    ):
        await calls("POST", path, 200, json={**SPOKEN, **changes})
        calls.expect("speech.stream", "kokoro/female_en-US", "began")
    for changes in ({}, {"stream": True}, ALOUD, {**ALOUD, "stream": True}):
        await calls("POST", "/v1/chat/completions", 200, json={**CHAT, **changes})
        calls.expect("text.write", "writer", "began")
    await calls("POST", "/v1/completions", 200, json={"model": "writer", "prompt": CANARY})
    calls.expect("text.write", "writer", "began")
    await calls("POST", f"/v1/audio/speech?{CANARY}", 400, json={**SPOKEN, "voice": CANARY})
    speech = (await calls("POST", "/v1/speech", 202, json=SPEECH)).json()
    calls.expect("speech.create", speech["id"])
    assert await calls.ended(speech["links"]["self"]) == "done"
    heard = await calls("GET", speech["links"]["audio"], 200)
    calls.expect("speech.listen", speech["id"], "began")
    await calls("GET", speech["links"]["audio"], 206, headers={"Range": "bytes=0-3"})
    calls.expect("speech.listen", speech["id"], "began")
    await calls("GET", speech["links"]["audio"], 304, headers={"If-None-Match": heard.headers["etag"]})
    await calls("DELETE", speech["links"]["self"], 204)
    calls.expect("speech.delete", speech["id"])
    await calls("DELETE", f"/v1/speech/{CANARY}", 404)
    calls.check("speech", "text")


async def test_batches_are_recorded_without_their_texts(calls: Calls, pool: Pool) -> None:
    pool.gate.clear()
    batch = (await calls("POST", "/v1/batches", 202, json=BATCH)).json()
    calls.expect("batch.create", batch["id"])
    await calls("POST", "/v1/batches", 200, json=BATCH)  # the same, again
    await calls("POST", f"/v1/batches/{batch['id']}/cancel", 200)
    calls.expect("batch.cancel", batch["id"])
    await calls("POST", f"/v1/batches/{batch['id']}/retry", 202)
    calls.expect("batch.retry", batch["id"])
    pool.gate.set()
    assert await calls.ended(batch["links"]["self"]) == "succeeded"
    await calls("GET", batch["links"]["archive"], 200)
    calls.expect("batch.export", batch["id"], "began")
    await deleted(calls.api, batch, 204, bearer(calls.key.text) | {"X-Request-ID": "request-1"})
    calls.expect("batch.delete", batch["id"])
    await calls("DELETE", f"/v1/batches/{CANARY}", 404)
    calls.check("batch")


async def test_keys_and_reading_the_audit_are_recorded(calls: Calls) -> None:
    key = (await calls("POST", "/v1/keys", 201, json={"name": CANARY, "scopes": ["read"]})).json()
    calls.expect("key.create", key["id"])
    successor = (await calls("POST", f"/v1/keys/{key['id']}/rotate", 201, json={})).json()
    calls.expect("key.rotate", key["id"])
    calls.expect("key.rotate", successor["id"])
    await calls("DELETE", f"/v1/keys/{key['id']}", 204)
    calls.expect("key.revoke", key["id"])
    await calls("DELETE", f"/v1/keys/{CANARY}", 404)
    await calls("GET", "/v1/audit", 200, params={"action": CANARY})
    calls.expect("audit.read", "", "began")
    calls.check("key", "audit")


async def test_routes_that_only_look_leave_no_row(start: Start) -> None:
    api = await start(audit=True)
    for route, _ in ROUTES:
        method, path = route.split()
        if method == "GET" and route not in ACTIONS:
            path = path.replace("{path:path}", "x").replace("{", "").replace("}", "")
            assert (await api.client.get(path)).status_code in (200, 401, 403, 404, 501)
    for path in ("/healthz", "/readyz", "/voices"):
        assert (await api.client.get(path)).status_code == 200
    assert [action for action, *_ in told(api) if action != REFUSED] == []


async def test_without_the_setting_nothing_is_recorded(start: Start) -> None:
    api = await start()
    assert (await api.client.post("/v1/audio/speech", json=SPOKEN)).status_code == 200
    assert (await api.client.get("/v1/audit")).json()["data"] == []
    assert list(api.context.audit.all()) == []


async def test_nothing_is_done_that_cannot_be_recorded(start: Start, tmp_path: Path) -> None:
    api = await start(audit=True, key_required=True)
    client, headers = api.client, bearer(key_of(api).text)
    speech = (await client.post("/v1/speech", json=SPEECH, headers=headers)).json()
    assert await ended(api, speech["links"]["self"], headers) == "done"
    batch = (await client.post("/v1/batches", json=BATCH, headers=headers)).json()
    assert await ended(api, batch["links"]["self"], headers) == "succeeded"
    keys = [key.id for key in api.context.keys.list(None)]
    before = told(api)
    paths = [
        ("POST", "/v1/audio/speech", SPOKEN),
        ("POST", "/v1/chat/completions", CHAT),
        ("POST", "/v1/chat/completions", {**CHAT, "stream": True}),
        ("POST", "/v1/completions", {"model": "writer", "prompt": CANARY}),
        ("POST", "/v1/speech", SPEECH),
        ("GET", speech["links"]["audio"], None),
        ("DELETE", speech["links"]["self"], None),
        ("POST", "/v1/batches", BATCH),
        ("GET", batch["links"]["archive"], None),
        ("DELETE", batch["links"]["self"], None),
        ("POST", "/v1/keys", {"name": "x", "scopes": ["read"]}),
        ("POST", f"/v1/keys/{keys[0]}/rotate", {}),
        ("DELETE", f"/v1/keys/{keys[0]}", None),
        ("GET", "/v1/audit", None),
    ]
    with no_audit(api):
        for method, path, body in paths:
            answer = await client.request(method, path, json=body, headers=headers)
            assert answer.status_code == 503, (method, path, answer.text)
            error = answer.json()["error"]
            assert (error["code"], answer.headers["retry-after"]) == ("audit_unavailable", "5")
            assert "nothing was done" in error["message"]
        assert (await client.get(speech["links"]["self"], headers=headers)).json()["status"] == "done"
        assert (await client.get(batch["links"]["self"], headers=headers)).status_code == 200
        assert len((await client.get("/v1/batches", headers=headers)).json()["data"]) == 1
        assert [(key.id, key.revoked) for key in api.context.keys.list(None)] == [(key, None) for key in keys]
    assert (api.load, api.text_load) == ((0, 0), (0, 0))
    assert told(api) == before
    assert (await client.get(speech["links"]["audio"], headers=headers)).status_code == 200
    assert (await client.get(batch["links"]["archive"], headers=headers)).status_code == 200
    assert [path.name for path in (tmp_path / "out" / "batches").iterdir()] == [batch["id"]]
    assert faults(api) == []


async def test_a_batch_that_is_restored_is_recorded_as_undone(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = await start(audit=True)
    batch = (await api.client.post("/v1/batches", json=BATCH)).json()
    assert await ended(api, batch["links"]["self"]) == "succeeded"

    def fail(_self: FolderOutput) -> None:
        raise PermissionError(13, "denied")

    monkeypatch.setattr(FolderOutput, "remove_all", fail)
    await deleted(api, batch, 503)
    assert told(api)[1:] == [
        ("batch.delete", "batch", batch["id"], "done"),
        ("batch.delete", "batch", batch["id"], "undone"),
    ]
    assert (await api.client.get(batch["links"]["self"])).status_code == 200


async def test_refusals_are_recorded_by_route(start: Start) -> None:
    api = await start(audit=True, key_required=True)
    reader = key_of(api, scopes=[Scope.READ])
    text = key_of(api, scopes=[Scope.TEXT])
    answer = await api.client.delete(f"/v1/speech/{CANARY}", headers=bearer(reader.text))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "insufficient_scope")
    answer = await api.client.post("/v1/chat/completions", json={**CHAT, **ALOUD}, headers=bearer(text.text))
    assert answer.status_code == 403
    assert told(api) == [
        (REFUSED, "route", "DELETE /v1/speech/{speech_id}", "refused"),
        (REFUSED, "route", "POST /v1/chat/completions", "refused"),
    ]
    admin = key_of(api, "hotel", [Scope.ADMIN, Scope.AUDIT])
    body = {"name": CANARY, "scopes": ["read"], "tenant": "clinic"}
    answer = await api.client.post("/v1/keys", json=body, headers=bearer(admin.text))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_tenant")
    answer = await api.client.get("/v1/audit", params={"tenant": "clinic"}, headers=bearer(admin.text))
    assert answer.status_code == 403
    assert told(api)[2:] == [
        (REFUSED, "route", "POST /v1/keys", "refused"),
        (REFUSED, "route", "GET /v1/audit", "refused"),
    ]
    assert not any(CANARY in str(row) for row in rows(api))
    with no_audit(api):
        answer = await api.client.delete("/v1/speech/x", headers=bearer(reader.text))
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "audit_unavailable")


async def test_wrong_keys_are_counted_by_address(start: Start, until: Any) -> None:
    api = await start(audit=True, key_required=True, trusted_proxies="127.0.0.1")
    counting = api.context.recording

    async def wrong(address: str) -> None:
        headers = {**bearer(CANARY), "X-Forwarded-For": address}
        assert (await api.client.get("/v1/models", headers=headers)).status_code == 401

    for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
        await wrong(address)
    await until(lambda: sum(int(row.object_id) for row in rows(api)) == 3)
    assert {(row.action, row.address) for row in rows(api)} == {
        (WRONG_KEY, "192.0.2.1"), (WRONG_KEY, "192.0.2.2"),
    }  # fmt: skip
    assert (await api.client.get("/v1/models")).status_code == 401, "no key is no wrong key"
    with no_audit(api):
        for number in range(300):
            counting.wrong_key(f"198.51.100.{number}")
        await counting._record_wrong_keys()
    await counting._record_wrong_keys()
    attacked = rows(api)[-101:]
    assert len({row.address for row in attacked}) == 101
    counts = {row.address: int(row.object_id) for row in attacked}
    assert (counts["others"], counts["198.51.100.0"]) == (200, 1)
    assert not any(CANARY in str(row) for row in rows(api))


async def test_audit_route_shows_ones_own_tenant(start: Start) -> None:
    api = await start(audit=True, key_required=True)
    ours, theirs = key_of(api, "hotel", ALL_BUT_ADMIN), key_of(api, "clinic", ALL_BUT_ADMIN)
    everybody = key_of(api)
    for key in (ours, theirs, theirs):
        answer = await api.client.post("/v1/audio/speech", json=SPOKEN, headers=bearer(key.text))
        assert answer.status_code == 200

    async def seen(caller: Any, **query: Any) -> list[tuple[str, str]]:
        answer = await api.client.get("/v1/audit", params=query, headers=bearer(caller.text))
        assert answer.status_code == 200, answer.text
        return [(row["subject"], row["action"]) for row in answer.json()["data"]]

    stream = "speech.stream"
    assert await seen(ours, action=stream) == [(f"key:{ours.id}", stream)]
    assert await seen(ours, action=stream, key=theirs.id) == []
    assert await seen(everybody, action=stream, key=theirs.id) == [(f"key:{theirs.id}", stream)] * 2
    assert await seen(everybody, action=stream, tenant="hotel") == [(f"key:{ours.id}", stream)]
    assert await seen(everybody, action=stream, subject=f"key:{ours.id}") == [(f"key:{ours.id}", stream)]
    assert await seen(everybody, **{"to": "2020-01-01T00:00:00Z"}) == []
    assert len(await seen(everybody, **{"action": stream, "from": "2020-01-01T00:00:00+02:00"})) == 3
    answer = await api.client.get("/v1/audit", params={"tenant": "clinic"}, headers=bearer(ours.text))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_tenant")


async def test_audit_route_gives_pages(start: Start) -> None:
    api = await start(audit=True)
    for _ in range(5):
        await api.client.post("/v1/audio/speech", json=SPOKEN)
    query: dict[str, Any] = {"action": "speech.stream", "limit": 2}
    found = []
    for expected in (True, True, False):
        page = (await api.client.get("/v1/audit", params=query)).json()
        assert page["has_more"] is expected
        found += [row["seq"] for row in page["data"]]
        query["cursor"] = page["next"]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 5


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": 0}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-11-30T10:00"}, "from"),
        ({"who": "x"}, "who"),
        ({"key": "a\0b"}, "key"),
        ({"key": "1", "subject": "2"}, "subject"),
    ],
)
async def test_audit_route_refuses(start: Start, query: dict[str, Any], param: str) -> None:
    api = await start(audit=True)
    answer = await api.client.get("/v1/audit", params=query)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param


async def test_chain_is_whole_after_many_requests_at_once(start: Start) -> None:
    api = await start(audit=True, queue=1000, durable_queue=1000)
    calls = [("/v1/audio/speech", SPOKEN), ("/v1/speech", SPEECH), ("/v1/chat/completions", CHAT)]
    answers = await asyncio.gather(*(api.client.post(path, json=body) for path, body in calls * 40))
    assert {answer.status_code for answer in answers} == {200, 202}
    assert len(rows(api)) == 120
    assert faults(api) == []


async def test_what_is_not_recorded_or_anchored_is_logged(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    told: list[tuple[str, int]] = []
    monkeypatch.setattr(recording, "_ANCHOR_EVERY", 0.01)
    monkeypatch.setattr(recording, "log", lambda event, *, level, **_: told.append((event, level)))
    (tmp_path / "file").touch()
    api = await start(audit=True, audit_anchor=str(tmp_path / "file" / "anchors"))
    with no_audit(api):
        assert (await api.client.post("/v1/audio/speech", json=SPOKEN)).status_code == 503
        assert (await api.client.post("/v1/speech", json=SPEECH)).status_code == 503
    assert told == [("audit not written", logging.ERROR)] * 2
    assert (await api.client.post("/v1/audio/speech", json=SPOKEN)).status_code == 200
    await until(lambda: told[-1] == ("audit not anchored", logging.ERROR))


async def test_heads_are_anchored_after_a_turn_that_crashed(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    add = Anchors.add
    crashed: list[Head] = []

    def crash_once(self: Anchors, head: Head, time: int) -> None:
        if not crashed:
            crashed.append(head)
            raise RuntimeError("simulated")
        add(self, head, time)

    monkeypatch.setattr(recording, "_ANCHOR_EVERY", 0.01)
    monkeypatch.setattr(Anchors, "add", crash_once)
    api = await start(audit=True, audit_anchor=str(tmp_path / "anchors"))
    await api.client.post("/v1/audio/speech", json=SPOKEN)
    await until(lambda: (tmp_path / "anchors").exists() and _anchored(str(tmp_path / "anchors")) == 2)
    assert [head.seq for head in crashed] == [2]


async def test_rows_of_callers_who_leave_are_written_all_the_same(start: Start, until: Any) -> None:
    api = await start(audit=True)
    audit = api.context.recording._audit
    with audit.lock:
        posting = asyncio.create_task(api.client.post("/v1/audio/speech", json=SPOKEN))
        await until(lambda: api.context.recording._rows._writing is not None)
        posting.cancel()
        await asyncio.gather(posting, return_exceptions=True)
    await api.client.post("/v1/audio/speech", json=SPOKEN)
    assert len(rows(api)) == 2
    assert (api.load, faults(api)) == ((0, 0), [])


async def test_heads_are_anchored(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    monkeypatch.setattr(recording, "_ANCHOR_EVERY", 0.01)
    url = str(tmp_path / "anchors")
    api = await start(audit=True, audit_anchor=url)
    for number in range(1, 4):
        await api.client.post("/v1/audio/speech", json=SPOKEN)
        await until(lambda: (tmp_path / "anchors").exists() and _anchored(url) == number + 1)  # noqa: B023


def _anchored(url: str) -> int:
    return max((head.seq for head in Anchors(url).heads()), default=0)
