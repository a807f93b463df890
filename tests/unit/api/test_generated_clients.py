"""Clients that generators make of the OpenAPI document: one in TypeScript, one in Python, which speaks."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from openapi_client import CLIENT, generate, generators, models, route, run


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the Python client, which is made once."""
    return tmp_path_factory.mktemp("clients")


@pytest.fixture
async def client(api: Any, clients: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The Python client, which speaks with the app."""
    if not (clients / CLIENT).exists():
        generate((await api.client.get("/openapi.json")).text, clients)
    monkeypatch.syspath_prepend(clients)
    made = importlib.import_module(CLIENT)
    return made.Client(base_url="http://playground").set_async_httpx_client(api.client)


def call(tag: str, name: str) -> Any:
    """The function of the generated client that calls a route, and gives status and parsed answer."""
    return route(tag, name).asyncio_detailed


async def test_a_python_client_speaks(client: Any) -> None:
    body = models().SpeechRequest(input_="Good evening.", voice="female_en-US")
    answer = await call("speech", "create_speech")(client=client, body=body)
    assert answer.status_code == 200
    assert answer.parsed.payload.read() == b"Good@heart;evening.@heart;"


async def test_a_python_client_reads_errors(client: Any) -> None:
    body = models().SpeechRequest(input_="Good evening.", voice="nobody")
    answer = await call("speech", "create_speech")(client=client, body=body)
    assert answer.status_code == 400
    assert answer.parsed.error.code == "unknown_voice"
    assert answer.parsed.error.param == "voice"
    missing = await call("durable_speech", "get_speech")("speech_none", client=client)
    assert missing.parsed.error.code == "unknown_speech"


async def test_a_python_client_keeps_a_speech_and_fetches_its_audio(client: Any) -> None:
    body = models().DurableRequest(
        text="Good evening.", language="en", gender=models().DurableRequestGenderType0.FEMALE
    )
    made = await call("durable_speech", "create_stored_speech")(client=client, body=body)
    assert made.status_code == 202
    followed = await call("durable_speech", "stream_speech_events")(made.parsed.id, client=client)
    states = [json.loads(data) for data in re.findall(r"^data: (.*)$", followed.parsed, re.MULTILINE)]
    assert states[-1]["status"] == "done"
    found = await call("durable_speech", "get_speech")(made.parsed.id, client=client)
    assert found.parsed.status == "done"
    audio = await call("durable_speech", "get_speech_audio")(made.parsed.id, client=client)
    assert len(audio.parsed.payload.read()) == found.parsed.bytes_
    gone = await call("durable_speech", "delete_speech")(made.parsed.id, client=client)
    assert gone.status_code == 204


async def test_a_python_client_writes_and_lists(client: Any) -> None:
    message = models().Message.from_dict({"role": "user", "content": "Hello"})
    body = models().ChatRequest(model="writer", messages=[message])
    answer = await call("text", "create_chat_completion")(client=client, body=body)
    assert answer.parsed.choices[0].message.content == "Hello there!"
    voices = await call("catalogue", "list_voices")(client=client)
    assert "female_en-US" in [voice.id for voice in voices.parsed.data]
    listed = await call("catalogue", "list_models")(client=client)
    assert "writer" in [model.id for model in listed.parsed.data]
    kept = await call("durable_speech", "list_speeches")(client=client, limit=5)
    assert kept.parsed.data == []
    batches = await call("batches", "list_batches")(client=client)
    assert batches.parsed.data == []


async def test_a_typescript_client_has_every_route(api: Any, tmp_path: Path) -> None:
    made, served = tmp_path / "api.ts", tmp_path / "openapi.json"
    served.write_text((await api.client.get("/openapi.json")).text, encoding="utf-8")
    binaries = generators() / "node_modules" / ".bin"
    run(binaries / "openapi-typescript", served, "-o", made)
    types = made.read_text(encoding="utf-8")
    document = json.loads(served.read_text(encoding="utf-8"))
    for path, methods in document["paths"].items():
        assert f'"{path}": {{' in types
        for operation in methods.values():
            assert re.search(rf"^ {{4}}{operation['operationId']}: \{{", types, re.MULTILINE), path
    asked = tmp_path / "ask.ts"
    asked.write_text(
        'import type { operations, components } from "./api";\n'
        'type Made = operations["create_stored_speech"]["responses"]["202"]["content"]["application/json"];\n'
        'const status: Made["status"] = "queued";\n'
        'const error: components["schemas"]["ErrorAnswer"]["error"]["code"] = status;\n'
        "export { error };\n"
    )
    run(binaries / "tsc", "--noEmit", "--strict", asked)
    asked.write_text(asked.read_text().replace('"queued"', '"sung"'))
    with pytest.raises(AssertionError, match="sung"):
        run(binaries / "tsc", "--noEmit", "--strict", asked)
