"""What can be asked for, the pages, and that a changed catalogue is taken up while requests run."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tts_app.resources import VoiceModel

VOICES = "/v1/audio/voices"


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({}, ["female_en-US", "male_en-US", "female_en-GB", "male_ar-EG"]),
        ({"language": "en"}, ["female_en-US", "male_en-US", "female_en-GB"]),
        ({"locale": "en-gb"}, ["female_en-GB"]),
        ({"gender": "Male"}, ["male_en-US", "male_ar-EG"]),
        ({"language": "ar", "gender": "female"}, []),
        ({"language": "en", "locale": "en-US", "gender": "male"}, ["male_en-US"]),
        ({"model": "kokoro", "gender": "male"}, ["male_en-US", "male_ar-EG"]),
        ({"model": "tts-1-hd", "language": "ar"}, ["male_ar-EG"]),
    ],
)
async def test_voices_are_filtered(api: Any, filters: dict[str, str], ids: list[str]) -> None:
    answer = (await api.client.get(VOICES, params=filters)).json()
    assert [voice["id"] for voice in answer["data"]] == ids
    assert [voice["id"] for voice in answer["voices"]] == ids


async def test_voices_of_an_unknown_model_are_an_error(api: Any) -> None:
    answer = await api.client.get(VOICES, params={"model": "gpt-9"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "model")
    assert "kokoro" in answer.json()["error"]["message"]


async def test_a_voice_tells_what_it_is(api: Any) -> None:
    (voice,) = (await api.client.get(VOICES, params={"language": "ar"})).json()["data"]
    assert voice["name"] == "Arabic (ar-EG), male"
    assert voice["quality"] == "preview"
    assert voice["approximation"] == "an accent"
    assert voice["license"] == {"spdx": "Apache-2.0", "commercial_use": True}


async def test_models_are_listed_as_openai_lists_them(api: Any) -> None:
    listed = (await api.client.get("/v1/models")).json()
    model, writer, *openais = listed["data"]
    assert (listed["object"], model["object"], model["id"]) == ("list", "model", "kokoro")
    assert model["capabilities"] == ["speech"]
    assert model["locales"] == ["ar-EG", "en-GB", "en-US"]
    assert (model["clones"], model["follows_instructions"]) == (False, False)
    assert model["parameters"]["speed"]["exclusiveMinimum"] == 0
    assert (await api.client.get("/v1/models/kokoro")).json() == model
    assert (writer["id"], writer["capabilities"], writer["context_length"]) == ("writer", ["text"], 4096)
    assert (await api.client.get("/v1/models/writer")).json() == writer
    unknown = await api.client.get("/v1/models/none")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_model")
    assert "kokoro, writer, tts-1" in unknown.json()["error"]["message"]
    assert {"tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15"} <= {
        one["id"] for one in openais
    }
    speaking = (await api.client.get("/v1/audio/models")).json()
    assert speaking["data"] == [model, *openais]
    assert speaking["models"] == [{"id": one["id"]} for one in speaking["data"]]


@pytest.mark.parametrize(
    "name", ["tts-1", "tts-1-hd", "gpt-4o-mini-tts", "tts-1-1106", "gpt-4o-mini-tts-2027-01-31"]
)
async def test_openais_models_can_be_retrieved_as_long_as_one_speaks(api: Any, name: str) -> None:
    found = await api.client.get(f"/v1/models/{name}")
    assert (found.status_code, found.json()["id"], found.json()["object"]) == (200, name, "model")
    api.context.service.reconfigure([])
    assert (await api.client.get(f"/v1/models/{name}")).status_code == 404
    assert [one["id"] for one in (await api.client.get("/v1/models")).json()["data"]] == ["writer"]


@pytest.mark.parametrize("name", ["tts-2", "tts-1-hd-pro", "tts-1-2025-12", "whisper-1", "gpt-4o-mini-tts-"])
async def test_other_names_are_no_models(api: Any, name: str) -> None:
    assert (await api.client.get(f"/v1/models/{name}")).status_code == 404
    body = {"model": name, "input": "Hello", "voice": "alloy"}
    assert (await api.client.post("/v1/audio/speech", json=body)).json()["error"]["code"] == "unknown_model"


async def test_browsers_find_an_icon(api: Any) -> None:
    icon = await api.client.get("/favicon.ico")
    assert (icon.status_code, icon.headers["content-type"]) == (200, "image/svg+xml")
    assert icon.text.startswith("<svg")
    head = await api.client.head("/favicon.ico")
    assert (head.status_code, head.content) == (200, b"")


async def test_ready_is_who_answers(api: Any) -> None:
    assert (await api.client.get("/readyz")).json() == {
        "status": "ready",
        "models": {"kokoro": {"running": 0, "waiting": 0}, "writer": {"running": 0, "waiting": 0}},
    }
    api.writer.down = True
    assert "still being loaded" in (await api.client.get("/readyz")).json()["error"]["message"]
    api.writer.down = False
    api.model.down = True
    answer = await api.client.get("/readyz")
    assert answer.status_code == 503
    assert "Model 'kokoro' is not ready" in answer.json()["error"]["message"]
    assert (await api.client.get("/healthz")).status_code == 200
    api.context.service.reconfigure([])
    assert (await api.client.get("/readyz")).status_code == 200
    api.context.text.reconfigure([])
    assert (await api.client.get("/readyz")).status_code == 503


async def test_a_model_that_comes_while_the_others_are_asked_is_not_called_ready(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller who waits for it would take it for loaded."""
    (kokoro,) = api.context.service.models
    second = kokoro.model_copy(update={"metadata": kokoro.metadata.model_copy(update={"name": "second"})})
    probe = api.model.probe

    async def one_comes(within: float | None) -> Any:
        api.context.service.reconfigure([kokoro, second])
        return await probe(within)

    monkeypatch.setattr(api.model, "probe", one_comes)
    assert sorted((await api.client.get("/readyz")).json()["models"]) == ["kokoro", "writer"]
    assert sorted((await api.client.get("/readyz")).json()["models"]) == ["kokoro", "second", "writer"]


async def test_models_are_asked_once_for_all_who_ask_at_the_same_time(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether they are ready is told to everybody, also to one who asks a thousand times a second."""
    probe, gate, asked = api.model.probe, asyncio.Event(), 0

    async def counted(within: float | None) -> Any:
        nonlocal asked
        asked += 1
        await gate.wait()
        return await probe(within)

    monkeypatch.setattr(api.model, "probe", counted)
    asking = [asyncio.create_task(api.client.get("/readyz")) for _ in range(20)]
    await asyncio.sleep(0.1)
    asking[0].cancel()  # one who leaves takes the answer from nobody
    gate.set()
    assert {(await one).status_code for one in asking[1:]} == {200}
    assert asked == 1
    assert (await api.client.get("/readyz")).status_code == 200
    assert asked == 2


async def test_a_new_catalogue_is_taken_up_while_a_request_runs(api: Any, until: Any) -> None:
    from tts_app.catalogue import CatalogueVoice

    service = api.context.service
    api.model.gate.clear()
    body = {"input": "one two", "voice": "male_en-US"}
    running = asyncio.create_task(api.client.post("/v1/audio/speech", json=body))
    await until(lambda: api.load == (1, 0))
    (old,) = service.models
    spec = old.spec.model_copy(update={"voices": [v for v in old.spec.voices if v.gender == "female"]})
    fewer = old.model_copy(update={"spec": spec})
    more: VoiceModel = old.model_copy(update={"metadata": old.metadata.model_copy(update={"name": "second"})})
    service.reconfigure([fewer, more])
    assert [model.name for model in service.models] == ["kokoro", "second"]
    assert api.load == (1, 0)
    moved: CatalogueVoice = service.catalogue.find("male_en-US")
    assert moved.model == "second"
    api.model.gate.set()
    assert (await running).content == b"one@michael;two@michael;"
    assert service.served.load() == {"kokoro": (0, 0), "second": (0, 0)}


async def test_the_documentation_has_an_example_a_language(api: Any) -> None:
    schema = (await api.client.get("/openapi.json")).json()
    for path in ("/v1/audio/speech", "/v1/speech"):
        content = schema["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        assert set(content["examples"]) == {"en", "ar", "es", "hi", "ur"}
        assert content["schema"]["$ref"].startswith("#/components/schemas/")
    docs = await api.client.get("/docs")
    assert docs.status_code == 200
    scripts = re.findall(r'(?:src|href)="([^"]+)"', docs.text)
    assert scripts
    for address in scripts:
        assert address.startswith("/"), "the page must work without the internet"
        assert (await api.client.get(address)).status_code == 200


async def test_the_page_needs_nothing_from_elsewhere(api: Any) -> None:
    assert (await api.client.get("/")).headers["location"] == "/voices"
    page = await api.client.get("/voices")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "<script>" not in page.text
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert set(links) == {"/ui/voices.css", "/ui/voices.js", "/docs", "data:,"}
    for link in ("/ui/voices.css", "/ui/voices.js"):
        part = await api.client.get(link)
        assert part.status_code == 200
        assert "//" not in part.text.replace("// ", "")


async def test_logs_have_the_id_and_never_the_text(start: Any, tmp_path: Path) -> None:
    from tts_app.telemetry.logs import set_up

    set_up("gateway", "DEBUG", tmp_path / "logs")
    api = await start()
    secret = "confidential words"
    headers = {"x-request-id": "my-id"}
    await api.client.post("/v1/audio/speech", json={"input": secret, "voice": "alloy"}, headers=headers)
    api.model.error = RuntimeError(secret)
    await api.client.post("/v1/audio/speech", json={"input": secret, "voice": "alloy"}, headers=headers)
    await api.client.get(f"/v1/speech/{secret}")
    text = (tmp_path / "logs" / "gateway.jsonl").read_text()
    set_up("gateway", "INFO", None)
    lines = [json.loads(line) for line in text.splitlines()]
    assert "confidential" not in text
    assert [line["event"] for line in lines if line.get("request_id") == "my-id"] == [
        "speech",
        "request",
        "speech",
        "request crashed",
        "request",
    ]
    spoken = next(line for line in lines if line["event"] == "speech")
    assert spoken["characters"] == len(secret)
    assert re.fullmatch("[0-9a-f]{32}", spoken["text"])
