"""Markup, warnings and the language of a text, on both endpoints of speech."""

from typing import Any

import pytest

PATH = "/v1/audio/speech"
NOBODY = ["af_nobody", "af_heart+af_nobody", "af_heart*0+af_sky", "xf_heart", "af_heart+"]


def body(text: str, **changes: Any) -> dict[str, Any]:
    return {"input": text, "voice": "female_en-US", **changes}


@pytest.mark.parametrize(
    ("text", "changes", "codes"),
    [
        ("مرحبا بكم في الفندق", {}, "other-script"),
        ("Come [pause 60s] in", {}, "pause-shortened"),
        ("<speak><emphasis>Come</emphasis> in</speak>", {"input_format": "ssml"}, "emphasis-ignored"),
        ("12", {"language": "auto"}, "language-unsure"),
        ("歡迎 to the hotel", {}, "script-not-spoken"),
    ],
)
async def test_what_is_not_spoken_as_asked_is_told(
    api: Any, text: str, changes: dict[str, Any], codes: str
) -> None:
    answer = await api.client.post(PATH, json=body(text, **changes))
    assert (answer.status_code, answer.headers["x-warnings"]) == (200, codes)


async def test_warnings_of_a_stored_speech_are_kept_when_it_is_done(api: Any) -> None:
    body = {"voice": "female_en-US", "text": "Come [pause 60s] in"}
    stored = await api.client.post("/v1/speech", json=body, headers={"Prefer": "wait=30"})
    assert (stored.status_code, stored.json()["warnings"]) == (201, ["pause-shortened"])
    again = await api.client.get(stored.headers["location"])
    assert again.json()["warnings"] == ["pause-shortened"]
    assert (await api.client.get("/v1/speech")).json()["data"][0] == again.json()


@pytest.mark.parametrize(
    ("path", "name", "voice"), [(PATH, "input", "alloy"), ("/v1/speech", "text", "female_en-US")]
)
async def test_wrong_markup_is_refused_with_its_place(api: Any, path: str, name: str, voice: str) -> None:
    request = {name: "<speak>\n<audio/></speak>", "voice": voice, "input_format": "ssml"}
    answer = await api.client.post(path, json=request)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, name, "invalid_markup")
    assert "line 2, column 1" in error["message"]


@pytest.mark.parametrize(
    ("text", "voice", "speaks"),
    [
        ("مرحبا بكم في فندقنا", "male_en-US", "male_ar-EG"),
        ("مرحبا بكم في فندقنا", "male_ar-EG", "male_ar-EG"),
        ("Welcome to our hotel, dear guests", "female_en-GB", "female_en-GB"),
    ],
)
async def test_the_language_of_the_text_chooses_the_avatar(
    api: Any, text: str, voice: str, speaks: str
) -> None:
    request = {"text": text, "voice": voice, "language": "auto"}
    answer = await api.client.post("/v1/speech", json=request)
    assert answer.status_code == 202, answer.text
    assert answer.json()["voice"] == speaks
    direct = await api.client.post(PATH, json=body(text, voice=voice, language="auto"))
    assert direct.status_code == 200
    assert "x-warnings" not in direct.headers


async def test_a_text_without_words_has_no_language(api: Any) -> None:
    answer = await api.client.post("/v1/speech", json={"text": "12", "language": "auto"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "language")


@pytest.mark.parametrize(
    ("field", "value"), [("volume", 2.5), ("volume", -1), ("input_format", "html"), ("urls", "spell")]
)
async def test_values_out_of_range_are_refused(api: Any, field: str, value: Any) -> None:
    answer = await api.client.post(PATH, json=body("Come in", **{field: value}))
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)


@pytest.mark.parametrize(
    ("voice", "expression"),
    [
        ("af_heart", "af_heart"),
        ("AF_heart", "af_heart"),
        ("af_heart*0.6+af_sky*0.4", "af_heart*0.6+af_sky*0.4"),
        ("af_heart+af_sky", "af_heart*0.5+af_sky*0.5"),
        ("af_heart(3)+af_sky(1)", "af_heart*0.75+af_sky*0.25"),
    ],
)
async def test_kokoros_speakers_and_mixes_are_voices(api: Any, voice: str, expression: str) -> None:
    answer = await api.client.post(PATH, json=body("Come in", voice=voice))
    assert answer.content.endswith(f"@{expression};".encode()), answer.text
    stored = await api.client.post("/v1/speech", json={"text": "Come in", "voice": voice})
    assert (stored.status_code, stored.json()["voice"], stored.json()["locale"]) == (202, expression, "en-US")


@pytest.mark.parametrize("voice", NOBODY)
async def test_speakers_that_do_not_exist_are_refused_with_the_voices(api: Any, voice: str) -> None:
    answer = await api.client.post(PATH, json=body("Come in", voice=voice))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unknown_voice")
    assert "female_en-US" in answer.json()["error"]["message"]
