"""Each tenant has its own things: every route is tried with two."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import event

from tts_app.api.app import ROUTERS
from tts_app.batch.hosted import HostedBatches
from tts_app.security.principal import Scope
from tts_app.serving.clones import Clones, NewVoice, Record
from tts_app.storage.database import Database

Start = Callable[..., Awaitable[Any]]
SPEECH = {"text": "one two", "language": "en"}
BATCH = {"posts": [{"id": 1, "text": {"en": "Welcome."}}], "avatars": {"locales": ["en-US"]}}
ROUTES = [
    (method, route.path)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and route.path.startswith("/v1") and route.include_in_schema
    for method in sorted(route.methods)
]
IDS = {
    "speech_id": "speech_" + "0" * 24,
    "batch_id": "batch_" + "0" * 24,
    "key_id": "0" * 16,
    "voice_id": "voice_" + "0" * 24,
}
"""What names something of a tenant in a path, and an id of its form that is not used."""
SHARED = {
    ("POST", "/v1/audio/speech"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/completions"),
    ("GET", "/v1/audio/voices"),
    ("GET", "/v1/audio/models"),
    ("GET", "/v1/models"),
    ("GET", "/v1/audio/models"),
    ("GET", "/v1/models/{name}"),
}
"""Routes that show and keep nothing of a tenant: the models are everybody's."""
MADE_AND_LISTED = {
    ("POST", "/v1/speech"),
    ("GET", "/v1/speech"),
    ("POST", "/v1/batches"),
    ("GET", "/v1/batches"),
    ("POST", "/v1/keys"),
    ("GET", "/v1/keys"),
    ("GET", "/v1/usage"),
    ("GET", "/v1/audit"),
    ("POST", "/v1/voices"),
    ("GET", "/v1/voices"),
}
"""Routes that name no thing, and make or list things of the caller's tenant: each has a test below; that of
the audit is in test_audit.py, those of voices are in test_voices.py."""
OF_A_THING = [route for route in ROUTES if route not in SHARED and "{" in route[1]]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}


class Tenant:
    """A tenant's administrator, who may do everything."""

    def __init__(self, api: Any, name: str) -> None:
        self.client: httpx.AsyncClient = api.client
        self.name = name
        self.clones: Clones = api.context.clones
        key, _ = api.context.issuer.create(name, f"of {name}", frozenset(Scope), None, "test")
        self.key_id, self.headers = key.id, bearer(key.text)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        content = None if method == "GET" else json.dumps(body or {}).encode()
        async with asyncio.timeout(60):  # a stream of events that is opened wrongly has no end
            return await self.client.request(method, path, content=content, headers=self.headers | headers)

    def voice(self) -> str:
        """Make a cloned voice; return its id."""
        new = NewVoice(
            f"voice_{secrets.token_hex(12)}",
            "kokoro",
            "en-US",
            "female",
            None,
            Record("Somebody", "Words.", {"id": "1", "by": "Somebody", "date": "2026-01-01"}, {}, {}),
            np.ones(9, np.float32),
            np.ones(9, np.float32),
        )
        self.clones.add(self.name, new)
        return new.id

    async def ids(self) -> dict[str, str]:
        """Make a speech, a batch and a voice; return the ids of the things of this tenant."""
        speech = (await self.ask("POST", "/v1/speech", SPEECH)).json()["id"]
        batch = (await self.ask("POST", "/v1/batches", BATCH)).json()["id"]
        voice = self.voice()
        return {"speech_id": speech, "batch_id": batch, "key_id": self.key_id, "voice_id": voice}


@pytest.fixture
async def still(start: Start) -> Any:
    """An API that accepts speeches and batches, and makes none."""
    api = await start(key_required=True)
    await api.context.durable.stop()
    await api.context.batches.stop()
    return api


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """Collect what the database is asked."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def test_every_route_is_tried_with_two_tenants() -> None:
    rest = {route for route in ROUTES if route not in OF_A_THING}
    assert rest == SHARED | MADE_AND_LISTED, "say whether a new route shows or keeps a tenant's things"
    names = {part.strip("{}") for _, path in OF_A_THING for part in path.split("/") if part.startswith("{")}
    assert names == set(IDS)


@pytest.mark.parametrize(("method", "path"), OF_A_THING)
async def test_foreign_id_is_like_an_unknown_one(still: Any, method: str, path: str) -> None:
    hotel, clinic = Tenant(still, "hotel"), Tenant(still, "clinic")
    ids = await hotel.ids()
    await clinic.ask("GET", "/v1/keys")  # from now on its key is remembered
    answers, work = [], []
    for known in (ids, IDS):
        with statements(still.context.database) as asked:
            answer = await clinic.ask(method, path.format(**known))
        (name,) = (name for name in IDS if f"{{{name}}}" in path)
        body = answer.json()
        assert answer.status_code == 404, answer.text
        assert body["error"].pop("request_id")
        headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
        answers.append((headers, json.dumps(body).replace(known[name], "ID")))
        work.append(asked)
    assert answers[0] == answers[1]
    assert work[0] == work[1], "the database is asked the same"
    assert any("tenant" in statement for statement in work[0])
    for own in (f"/v1/speech/{ids['speech_id']}", f"/v1/batches/{ids['batch_id']}"):
        found = await hotel.ask("GET", own)
        assert (found.status_code, found.json()["status"]) == (200, "queued")
    assert [key["revoked"] for key in (await hotel.ask("GET", "/v1/keys")).json()["data"]] == [None]


async def test_lists_hold_the_things_of_the_caller_s_tenant(still: Any) -> None:
    hotel, clinic = Tenant(still, "hotel"), Tenant(still, "clinic")
    of_hotel = await hotel.ids()
    assert (await clinic.ask("GET", "/v1/batches")).json() == {
        "object": "list", "data": [], "has_more": False, "next": None,
    }  # fmt: skip
    of_clinic = await clinic.ids()
    for tenant, ids in ((hotel, of_hotel), (clinic, of_clinic)):
        for path, name in (("/v1/batches", "batch_id"), ("/v1/keys", "key_id")):
            listed = (await tenant.ask("GET", path)).json()["data"]
            assert [one["id"] for one in listed] == [ids[name]]


async def test_pages_of_a_tenant_leave_out_those_of_others(still: Any) -> None:
    hotel, clinic = Tenant(still, "hotel"), Tenant(still, "clinic")
    made = []
    for _ in range(3):
        made.append((await hotel.ids())["batch_id"])
        await clinic.ids()
    seen, cursor = [], ""
    while cursor is not None:
        page = (await hotel.ask("GET", f"/v1/batches?limit=2{cursor and f'&cursor={cursor}'}")).json()
        seen += [one["id"] for one in page["data"]]
        cursor = page["next"]
    assert seen == made[::-1]


async def test_idempotency_key_of_another_tenant_is_free(still: Any) -> None:
    hotel, clinic = Tenant(still, "hotel"), Tenant(still, "clinic")
    key = {"Idempotency-Key": "monday"}
    first = await hotel.ask("POST", "/v1/batches", BATCH, **key)
    same = await clinic.ask("POST", "/v1/batches", BATCH, **key)
    again = await hotel.ask("POST", "/v1/batches", BATCH, **key)
    assert [answer.status_code for answer in (first, same, again)] == [202, 202, 200]
    assert first.json()["id"] == again.json()["id"] != same.json()["id"]
    other = await Tenant(still, "museum").ask("POST", "/v1/batches", {**BATCH, "retries": 1}, **key)
    assert other.status_code == 202, "it conflicts with nothing"


async def test_objects_of_tenants_lie_apart_and_those_of_default_where_they_were(
    start: Start, tmp_path: Path
) -> None:
    api = await start(key_required=True)
    await api.context.batches.stop()
    out = tmp_path / "out"
    for name, folder in (("hotel", out / "tenants" / "hotel"), ("default", out)):
        tenant = Tenant(api, name)
        speech = (await tenant.ask("POST", "/v1/speech", SPEECH, Prefer="wait=20")).json()
        assert speech["status"] == "done"
        assert (folder / f"{speech['id']}_female_en-US.mp3").is_file()
        audio = await tenant.ask("GET", speech["links"]["audio"])
        assert audio.content == b"one@heart;two@heart;"
        batch = (await tenant.ask("POST", "/v1/batches", BATCH)).json()
        assert (folder / "batches" / batch["id"]).is_dir()
        assert (await tenant.ask("DELETE", speech["links"]["self"])).status_code == 204
    assert not list(out.rglob("speech_*"))


async def test_writer_is_told_whose_request_it_is(start: Start) -> None:
    api = await start(key_required=True)
    chat = {"model": "writer", "messages": [{"role": "user", "content": "Hi."}]}
    spoken = {**chat, "modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "mp3"}}
    asked = [
        ("/v1/chat/completions", chat),
        ("/v1/chat/completions", spoken),
        ("/v1/completions", {"model": "writer", "prompt": "Once"}),
    ]
    for path, body in asked:
        assert (await Tenant(api, "hotel").ask("POST", path, body)).status_code == 200
    assert [request.tenant for request in api.writer.requests] == ["hotel"] * 3


async def test_administrator_of_a_tenant_makes_keys_of_that_tenant_only(still: Any) -> None:
    hotel, platform = Tenant(still, "hotel"), Tenant(still, "default")
    body = {"name": "site", "scopes": ["speak"]}
    made = await hotel.ask("POST", "/v1/keys", body)
    assert (made.status_code, made.json()["tenant"]) == (201, "hotel")
    refused = await hotel.ask("POST", "/v1/keys", {**body, "tenant": "clinic"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "foreign_tenant")
    assert (await hotel.ask("POST", "/v1/keys", {**body, "tenant": "default"})).status_code == 403
    elsewhere = await platform.ask("POST", "/v1/keys", {**body, "tenant": "clinic"})
    assert (elsewhere.status_code, elsewhere.json()["tenant"]) == (201, "clinic")
    listed = (await platform.ask("GET", "/v1/keys")).json()["data"]
    assert {one["tenant"] for one in listed} == {"hotel", "default", "clinic"}
    rotated = await platform.ask("POST", f"/v1/keys/{made.json()['id']}/rotate")
    assert (rotated.status_code, rotated.json()["tenant"]) == (201, "hotel")
    assert (await platform.ask("DELETE", f"/v1/keys/{hotel.key_id}")).status_code == 204


async def test_flood_of_one_tenant_leaves_room_for_another(start: Start, until: Any) -> None:
    """A queue of two is full of one tenant's requests: the newest of them is refused for another's."""
    api = await start(key_required=True, queue=2)
    flood, hotel = Tenant(api, "flood"), Tenant(api, "hotel")
    api.model.gate.clear()
    body = {"input": "one", "voice": "alloy"}
    requests = []
    for number in range(1, 5):
        requests.append(asyncio.create_task(flood.ask("POST", "/v1/audio/speech", body)))
        await until(lambda number=number: sum(api.load) == number)
    requests.append(asyncio.create_task(hotel.ask("POST", "/v1/audio/speech", body)))
    refused = await requests.pop(3)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert (await flood.ask("POST", "/v1/audio/speech", body)).status_code == 429
    api.model.gate.set()
    assert [answer.status_code for answer in await asyncio.gather(*requests)] == [200] * 4
    assert api.load == (0, 0)


async def test_stored_speeches_of_tenants_are_made_in_turn(start: Start, until: Any) -> None:
    api = await start(key_required=True, durable_workers=1)
    flood, hotel = Tenant(api, "flood"), Tenant(api, "hotel")
    api.model.gate.clear()
    made = [(await flood.ask("POST", "/v1/speech", {**SPEECH, "text": f"flood{n}"})).json() for n in range(4)]
    made.append((await hotel.ask("POST", "/v1/speech", {**SPEECH, "text": "hotel"})).json())
    await until(lambda: made[0]["id"] in api.context.durable._progress)
    api.model.gate.set()
    await until(lambda: len(api.model.spoken) == 5)
    assert api.model.spoken.index("hotel") <= 2, "one is being made, and one had its turn before"


async def test_batches_of_tenants_are_rendered_in_turn(
    still: Any, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    """Simulated: a batch is rendered by noting it."""
    flood, hotel = Tenant(still, "flood"), Tenant(still, "hotel")
    for tenant in (flood, flood, flood, hotel, hotel):
        assert (await tenant.ask("POST", "/v1/batches", BATCH)).status_code == 202
    rendered: list[str] = []

    async def note(_self: HostedBatches, tenant: str, _batch_id: str) -> None:
        rendered.append(tenant)

    monkeypatch.setattr(HostedBatches, "_attempt", note)
    still.context.batches._task = asyncio.create_task(still.context.batches._work())
    await until(lambda: len(rendered) == 5)
    assert rendered == ["flood", "hotel", "flood", "hotel", "flood"]


async def test_batches_of_all_tenants_are_taken_up_after_a_restart(
    still: Any, start: Start, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    """Simulated: a batch is rendered by noting it."""
    ids = {(name, (await Tenant(still, name).ids())["batch_id"]) for name in ("hotel", "clinic", "default")}
    taken: set[tuple[str, str]] = set()

    async def note(_self: HostedBatches, tenant: str, batch_id: str) -> None:
        taken.add((tenant, batch_id))

    monkeypatch.setattr(HostedBatches, "_attempt", note)
    await start(key_required=True)
    await until(lambda: taken == ids)


async def test_full_queue_of_stored_speeches_takes_another_tenant_s(start: Start) -> None:
    api = await start(key_required=True, durable_queue=3)
    await api.context.durable.stop()
    flood, hotel = Tenant(api, "flood"), Tenant(api, "hotel")
    statuses = [(await tenant.ask("POST", "/v1/speech", SPEECH)).status_code
                for tenant in (flood, flood, flood, flood, hotel, hotel, hotel)]  # fmt: skip
    assert statuses == [202, 202, 202, 429, 202, 202, 429]


async def test_speeches_and_their_keys_are_each_tenant_s_own(still: Any) -> None:
    hotel, clinic = Tenant(still, "hotel"), Tenant(still, "clinic")
    ours, theirs = [
        await tenant.ask("POST", "/v1/speech", SPEECH, **{"Idempotency-Key": "same"})
        for tenant in (hotel, clinic)
    ]
    assert (ours.status_code, theirs.status_code) == (202, 202)
    for tenant, made in ((hotel, ours), (clinic, theirs)):
        page = (await tenant.ask("GET", "/v1/speech")).json()
        assert [speech["id"] for speech in page["data"]] == [made.json()["id"]]
