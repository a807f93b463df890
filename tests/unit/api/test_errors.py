"""Bad input: the right status, the one form, the parameter at fault, and what it may be."""

from typing import Any

import pytest

SPEECH = "/v1/audio/speech"
DURABLE = "/v1/speech"
GOOD = {
    SPEECH: {"model": "tts-1", "input": "hello", "voice": "alloy"},
    DURABLE: {"text": "hello", "language": "en"},
}

BODIES: list[tuple[str, dict[str, Any], str, str]] = [
    # path, what is changed in a good body, the parameter named, words of the message
    (SPEECH, {"input": ""}, "input", "nothing that can be spoken"),
    (SPEECH, {"input": " \n\t "}, "input", "nothing that can be spoken"),
    (SPEECH, {"input": "\x01\x02\x7f"}, "input", "nothing that can be spoken"),
    (SPEECH, {"input": "a\0b"}, "input", "null"),
    (SPEECH, {"input": "x" * 4097}, "input", "/v1/speech"),
    (SPEECH, {"input": 7}, "input", "string"),
    (SPEECH, {"input": None}, "input", "required"),
    (SPEECH, {"input": ["hello"]}, "input", "string"),
    (SPEECH, {"voice": "bob"}, "voice", "female_en-US"),
    (SPEECH, {"voice": "../../etc/passwd"}, "voice", "Allowed"),
    (SPEECH, {"voice": ""}, "voice", "Allowed"),
    (SPEECH, {"voice": 3}, "voice", "string"),
    (SPEECH, {"voice": {"id": "bob"}}, "voice", "Allowed"),
    (SPEECH, {"voice": {"name": "alloy"}}, "voice", '{"id": "<name>"}'),
    (SPEECH, {"voice": {"id": 1}}, "voice", '{"id": "<name>"}'),
    (SPEECH, {"voice": {"id": "alloy", "x": 1}}, "voice", '{"id": "<name>"}'),
    (SPEECH, {"voice": "v" * 101}, "voice", "100"),
    (SPEECH, {"model": "gpt-9"}, "model", "kokoro"),
    (SPEECH, {"response_format": "ogg"}, "response_format", "'mp3', 'opus'"),
    (SPEECH, {"response_format": "MP3"}, "response_format", "'mp3', 'opus'"),
    (SPEECH, {"speed": 0}, "speed", "0.25"),
    (SPEECH, {"speed": 4.1}, "speed", "4"),
    (SPEECH, {"speed": "1"}, "speed", "number"),
    (SPEECH, {"speed": True}, "speed", "number"),
    (SPEECH, {"stream_format": "chunks"}, "stream_format", "'audio' or 'sse'"),
    (SPEECH, {"parameters": {"speed": 0}}, "parameters", "speed: Input should be greater than 0"),
    (SPEECH, {"parameters": {"loud": True}}, "parameters", "has: speed"),
    (SPEECH, {"parameters": [1]}, "parameters", "dictionary"),
    (SPEECH, {"speed": 9, "colour": "blue"}, "speed", "4"),
    (SPEECH, {"sample_rate": 32_000}, "sample_rate", "16000, 22050, 24000, 44100, 48000"),
    (SPEECH, {"sample_rate": 8_000}, "sample_rate", "mp3's. Allowed: 16000"),
    (SPEECH, {"sample_rate": "24000"}, "sample_rate", "integer"),
    (SPEECH, {"response_format": "opus", "sample_rate": 44_100}, "sample_rate", "8000, 12000, 16000"),
    (SPEECH, {"stream": "yes"}, "stream", "boolean"),
    (SPEECH, {"volume_multiplier": 3}, "volume_multiplier", "2"),
    (SPEECH, {"normalization_options": True}, "normalization_options", "dictionary"),
    (DURABLE, {"volume_multiplier": 1}, "volume_multiplier", "no parameter"),
    (DURABLE, {"text": ""}, "text", "nothing that can be spoken"),
    (DURABLE, {"text": "\u200b\u200d"}, "text", "nothing that can be spoken"),
    (DURABLE, {"text": "\0"}, "text", "null"),
    (DURABLE, {"text": "x" * 100_001}, "text", "100000"),
    (DURABLE, {"language": "fr"}, "language", "Allowed: en, ar"),
    (DURABLE, {"language": "en-NZ"}, "language", "en-GB"),
    (DURABLE, {"language": None}, "language", "required"),
    (DURABLE, {"language": "es"}, "language", "No model here speaks es-ES"),
    (DURABLE, {"dialect": "NZ"}, "dialect", "en-GB (GB)"),
    (DURABLE, {"dialect": "ar-EG"}, "dialect", "Allowed"),
    (DURABLE, {"gender": "robot"}, "gender", "'female' or 'male'"),
    (DURABLE, {"dialect": "GB", "gender": "male"}, "gender", "Allowed: female"),
    (DURABLE, {"voice": "alloy"}, "language", "left out"),
    (DURABLE, {"instructions": "whisper"}, "instructions", "leave them out"),
    (DURABLE, {"parameters": {"loud": True}}, "parameters", "has: speed"),
    (DURABLE, {"response_format": "exe"}, "response_format", "'mp3'"),
    (DURABLE, {"input": "hello"}, "input", "no parameter 'input'"),
    (DURABLE, {"text": "!?."}, "text", "nothing that can be spoken"),
    (DURABLE, {"sample_rate": 11_025}, "sample_rate", "Allowed"),
]

RAW: list[tuple[bytes, dict[str, str], int, str]] = [
    # body, headers, status, words of the message
    (b"", {}, 400, "JSON"),
    (b"{", {}, 400, "not valid JSON"),
    (b"[]", {}, 400, "JSON object"),
    (b'"text"', {}, 400, "JSON object"),
    (b"null", {}, 400, "JSON"),
    (b'{"input": "\xff\xfe", "voice": "alloy"}', {}, 400, "not valid JSON in UTF-8"),
    (b'{"input": "\\ud800", "voice": "alloy"}', {}, 400, "surrogate"),
    (b'{"input": "a", "voice": "alloy", "speed": NaN}', {}, 400, "speed"),
    (b'{"input": "a", "voice": "alloy", "speed": Infinity}', {}, 400, "speed"),
    (b'{"input": "a", "voice": "alloy", "speed": 1e999}', {}, 400, "speed"),
    (b'{"input": "a", "voice": "alloy", "speed": ' + b"9" * 5000 + b"}", {}, 400, "JSON"),
    (b"[" * 100_000, {}, 400, "JSON"),
    (b'{"input": "' + b"x" * (1 << 20) + b'"}', {}, 413, "larger than"),
    (b"{}", {"content-length": "99999999"}, 413, "larger than"),
    (b"input=hello", {"content-type": "application/x-www-form-urlencoded"}, 415, "application/json"),
    (b'{"input": "a", "voice": "alloy"}', {"content-type": "text/plain"}, 415, "application/json"),
    (b"\x1f\x8b", {"content-encoding": "gzip"}, 415, "compressed"),
]

ADDRESSES: list[tuple[str, str, int]] = [
    ("GET", SPEECH, 405),
    ("DELETE", DURABLE, 405),
    ("PUT", "/healthz", 405),
    ("POST", "/v1/audio/voices", 405),
    ("GET", "/nowhere", 404),
    ("GET", "/v1/speech/", 404),
    ("GET", "/v1/speech/speech_none", 404),
    ("GET", "/v1/speech/..%2F..%2Fetc%2Fpasswd", 404),
    ("GET", "/v1/speech/..%5C..%5Cboot.ini/audio", 404),
    ("GET", "/v1/speech/%00/audio", 404),
    ("DELETE", "/v1/speech/%2e%2e%2f", 404),
    ("GET", "/v1/models/none", 404),
    ("GET", "/v1/audio/voices?language=xx", 400),
    ("GET", "/v1/audio/voices?locale=en-XX", 400),
    ("GET", "/v1/audio/voices?gender=x", 400),
    ("GET", "/v1/audio/voices?colour=x", 400),
    ("GET", "/v1/images/generations", 501),
    ("POST", "/v1/images/generations", 501),
    ("POST", "/v1/videos", 501),
]


def assert_one_form(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"error"}
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code", "request_id"}
    assert error["message"]
    assert error["request_id"]
    return error


@pytest.mark.parametrize(("path", "change", "param", "words"), BODIES)
async def test_a_wrong_parameter_is_named(
    api: Any, path: str, change: dict[str, Any], param: str, words: str
) -> None:
    answer = await api.client.post(path, json=GOOD[path] | change)
    error = assert_one_form(answer, 400)
    assert error["param"] == param
    assert words in error["message"]
    assert api.load == (0, 0)


@pytest.mark.parametrize("path", [SPEECH, DURABLE])
@pytest.mark.parametrize(("content", "headers", "status", "words"), RAW)
async def test_a_body_that_is_no_json_is_refused(
    api: Any, path: str, content: bytes, headers: dict[str, str], status: int, words: str
) -> None:
    content = content if path == SPEECH else content.replace(b'"input"', b'"text"')
    words = words if path == SPEECH else words.replace("input", "text")
    answer = await api.client.post(
        path, content=content, headers={"content-type": "application/json"} | headers
    )
    assert words in assert_one_form(answer, status)["message"]


@pytest.mark.parametrize(("method", "path", "status"), ADDRESSES)
async def test_a_wrong_address_or_method_has_the_one_form(
    api: Any, method: str, path: str, status: int
) -> None:
    assert_one_form(await api.client.request(method, path), status)


async def test_an_unknown_filter_lists_what_is_allowed(api: Any) -> None:
    answer = await api.client.get("/v1/audio/voices", params={"language": "xx"})
    error = assert_one_form(answer, 400)
    assert error["param"] == "language"
    assert "Allowed: ar, en." in error["message"]


@pytest.mark.parametrize("given", ["abc-123", "a" * 128])
async def test_an_id_that_is_given_is_kept(api: Any, given: str) -> None:
    answer = await api.client.get("/nowhere", headers={"x-request-id": given})
    assert answer.json()["error"]["request_id"] == given


@pytest.mark.parametrize("given", ["a" * 129, "a b", "<script>", ""])
async def test_an_id_that_is_no_id_is_replaced(api: Any, given: str) -> None:
    answer = await api.client.get("/nowhere", headers={"x-request-id": given})
    assert answer.json()["error"]["request_id"] not in ("", given)


async def test_with_a_key_set_the_key_is_asked_for(start: Any) -> None:
    api = await start(api_key="a-secret-of-16-ch")
    for header in (
        None,
        "a-secret-of-16-ch",
        "Basic a-secret-of-16-ch",
        "Bearer wrong",
        "Bearer ",
        "Bearer sécret",
    ):
        headers = {} if header is None else {"authorization": header.encode()}
        error = assert_one_form(await api.client.get("/v1/models", headers=headers), 401)
        assert error["type"] == "authentication_error"
    right = await api.client.get("/v1/models", headers={"authorization": "Bearer a-secret-of-16-ch"})
    assert right.status_code == 200
    assert (await api.client.get("/healthz")).status_code == 200
