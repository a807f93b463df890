"""What is checked of a request by its headers: host, origin, key. Nothing of its body is read before."""

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message

from tts_app.api.callers import Callers, networks
from tts_app.api.door import Door, Rules
from tts_app.api.scopes import caller_is_known
from tts_app.api.wrong_keys import WrongKeys
from tts_app.security.authenticator import Authenticator

KEY = "a-key-of-some-length"


class NoRecords:
    def get(self, key_id: str) -> None:
        return None


def known_by(key: str | None) -> Authenticator:
    return Authenticator(NoRecords(), b"pepper", api_key=key)


def client(
    rules: Rules | None = None, *, key: str | None = None, base: str = "http://tts.example"
) -> httpx.AsyncClient:
    async def answer(request: Request) -> Response:
        return PlainTextResponse("known" if caller_is_known(request.scope) else "unknown")

    inner = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST", "DELETE", "OPTIONS"])])
    transport = httpx.ASGITransport(Door(inner, rules or Rules(), known_by(key)), client=("192.0.2.1", 1234))
    return httpx.AsyncClient(transport=transport, base_url=base)


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1", "/v1/no/such", "/docs", "/openapi.json", "/docs/oauth2"]
)
async def test_door_asks_for_the_key(path: str) -> None:
    async with client(key=KEY) as http:
        for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {KEY}"},
                       {"Authorization": KEY}, {"Authorization": "Bearer "}):  # fmt: skip
            answer = await http.get(path, headers=header)
            assert answer.status_code == 401, header
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["error"]["code"] == "invalid_api_key"
        for scheme in ("Bearer", "bearer", "BEARER"):
            answer = await http.get(path, headers={"Authorization": f"{scheme} {KEY}"})
            assert (answer.status_code, answer.text) == (200, "known")


@pytest.mark.parametrize("path", ["/readyz", "/", "/voices", "/v1x"])
async def test_door_lets_everybody_in_elsewhere_and_says_who_is_known(path: str) -> None:
    async with client(key=KEY) as http:
        assert (await http.get(path)).text == "unknown"
        assert (await http.get(path, headers={"Authorization": f"Bearer {KEY}"})).text == "known"
    async with client() as http:
        assert (await http.get(path)).text == "known"


async def test_door_reads_no_body_before_the_key() -> None:
    async def never(*_: Any) -> None:
        raise AssertionError("the app was called")

    async def receive() -> Message:
        raise AssertionError("the body was read")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/speech",
        "headers": [(b"content-length", b"900000")],
    }
    await Door(never, Rules(), known_by(KEY))(scope, receive, send)
    assert sent[0]["status"] == 401


async def test_door_slows_wrong_keys_of_one_address_and_no_right_ones() -> None:
    waited: list[float] = []

    class Counted(WrongKeys):
        def delay(self, address: str) -> float | None:
            wait = super().delay(address)
            waited.append(-1 if wait is None else round(wait))
            return None if wait is None else wait / 1000

    async def answer(request: Request) -> Response:
        return PlainTextResponse("in")

    rules = Rules(callers=Callers(networks(["10.0.0.0/8"])))
    door = Door(Starlette(routes=[Route("/v1/x", answer)]), rules, known_by(KEY), Counted())
    transport = httpx.ASGITransport(door, client=("10.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        wrong = {"Authorization": "Bearer wrong", "X-Forwarded-For": "198.51.100.9"}
        answers = [await http.get("/v1/x", headers=wrong) for _ in range(18)]
        assert [a.status_code for a in answers] == [401] * 15 + [429] * 3
        assert answers[-1].headers["retry-after"] == "10"
        assert waited[9:16] == [0, 1, 2, 3, 4, 5, -1]
        other = {"Authorization": "Bearer wrong", "X-Forwarded-For": "198.51.100.10"}
        assert (await http.get("/v1/x", headers=other)).status_code == 401
        right = {"Authorization": f"Bearer {KEY}", "X-Forwarded-For": "198.51.100.9"}
        assert (await http.get("/v1/x", headers=right)).text == "in"
        assert (await http.get("/v1/x")).status_code == 401  # without a key nothing is counted
        assert len(waited) == 19


async def test_door_waits_for_one_caller_while_others_come_in() -> None:
    async with client(key=KEY) as http:
        wrong = {"Authorization": "Bearer wrong"}
        for _ in range(10):
            await http.get("/v1/x", headers=wrong)
        slowed = asyncio.create_task(http.get("/v1/x", headers=wrong))
        await asyncio.sleep(0)
        assert (await http.get("/v1/x", headers={"Authorization": f"Bearer {KEY}"})).text == "known"
        assert not slowed.done()
        slowed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slowed


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("localhost", 200),
        ("127.0.0.1:8100", 200),
        ("[::1]:8000", 200),
        ("LOCALHOST", 200),
        ("evil.example:8100", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("evil@localhost", 421),
        ("localhost/x", 421),
        ("[", 421),
        ("[localhost", 421),
        ("", 421),
    ],
)
async def test_door_refuses_a_foreign_host(host: str, status: int) -> None:
    async with client(Rules(hosts=("localhost", "127.0.0.1", "::1"))) as http:
        headers = [(b"Host", host.encode("latin-1"))]
        assert (await http.get("/voices", headers=headers)).status_code == status
        assert (await http.get("/healthz", headers=headers)).status_code == 200  # a load balancer's check


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://tts.example"}, 200),
        ({"Origin": "https://tts.example"}, 200),  # a proxy in front may end TLS
        ({"Origin": "http://tts.example:8080"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://tts.example.evil.example"}, 403),
        ({"Origin": "http://tts.example:bad"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}, 200),
        ({"Origin": "https://outer.example", "Sec-Fetch-Site": "same-origin"}, 200),  # a proxy changed Host
        ({"Origin": "http://evil.example", "Sec-Fetch-Site": "none"}, 403),
    ],
)
async def test_door_refuses_changes_from_foreign_pages(headers: dict[str, str], status: int) -> None:
    async with client(Rules(origins=("https://app.example",))) as http:
        assert (await http.post("/v1/batches/x/cancel", headers=headers)).status_code == status
        assert (await http.delete("/v1/speech/x", headers=headers)).status_code == status
        assert (await http.get("/v1/models", headers=headers)).status_code == 200


async def test_door_knows_the_site_behind_a_proxy_that_ends_tls() -> None:
    async with client(base="http://tts.example:443") as http:
        headers = {"Origin": "https://tts.example", "Host": "tts.example:443"}
        assert (await http.post("/v1/x", headers=headers)).status_code == 200
