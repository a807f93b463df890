"""Bad input on the real playground: the right 4xx in the one form, and the server goes on."""

import socket
from typing import Any

import httpx
import pytest

SPEECH = "/v1/audio/speech"
STORED = "/v1/speech"
JSON = {"content-type": "application/json"}


def speech(fields: str) -> bytes:
    return ('{"input": "hello", "voice": "alloy", ' + fields + "}").encode()


CASES: list[tuple[str, str, str, bytes | None, dict[str, str], int, str | None]] = [
    # name, method, path, body, headers, status, parameter named
    ("empty", "POST", SPEECH, b'{"input": "", "voice": "alloy"}', JSON, 400, "input"),
    ("blank", "POST", SPEECH, b'{"input": " \\n\\t\\u00a0", "voice": "alloy"}', JSON, 400, "input"),
    ("control", "POST", SPEECH, b'{"input": "\\u0001\\u0007\\u200b", "voice": "alloy"}', JSON, 400, "input"),
    ("punctuation", "POST", STORED, b'{"text": "?! ...", "language": "en"}', JSON, 400, "text"),
    ("null byte", "POST", SPEECH, b'{"input": "a\\u0000b", "voice": "alloy"}', JSON, 400, "input"),
    ("too long", "POST", SPEECH, b'{"input": "' + b"x" * 4097 + b'", "voice": "alloy"}', JSON, 400, "input"),
    ("no input", "POST", SPEECH, b'{"voice": "alloy"}', JSON, 400, "input"),
    ("no voice", "POST", SPEECH, b'{"input": "hello"}', JSON, 400, "voice"),
    ("voice", "POST", SPEECH, b'{"input": "hello", "voice": "bob"}', JSON, 400, "voice"),
    ("voice path", "POST", SPEECH, b'{"input": "hello", "voice": "../../x"}', JSON, 400, "voice"),
    ("model", "POST", SPEECH, speech('"model": "gpt-9"'), JSON, 400, "model"),
    ("format", "POST", SPEECH, speech('"response_format": "exe"'), JSON, 400, "response_format"),
    ("speed type", "POST", SPEECH, speech('"speed": "fast"'), JSON, 400, "speed"),
    ("speed range", "POST", SPEECH, speech('"speed": 99'), JSON, 400, "speed"),
    ("speed NaN", "POST", SPEECH, speech('"speed": NaN'), JSON, 400, "speed"),
    ("speed infinite", "POST", SPEECH, speech('"speed": -Infinity'), JSON, 400, "speed"),
    ("unknown field", "POST", STORED, b'{"text": "a", "language": "en", "colour": 1}', JSON, 400, "colour"),
    ("parameters", "POST", SPEECH, speech('"parameters": {"loud": 1}'), JSON, 400, "parameters"),
    ("JSON", "POST", SPEECH, b'{"input": ', JSON, 400, None),
    ("JSON list", "POST", SPEECH, b"[1]", JSON, 400, None),
    ("deep JSON", "POST", SPEECH, b"[" * 50_000, JSON, 400, None),
    ("no body", "POST", SPEECH, b"", JSON, 400, None),
    ("UTF-8", "POST", SPEECH, b'{"input": "\xc3\x28", "voice": "alloy"}', JSON, 400, None),
    ("surrogate", "POST", SPEECH, b'{"input": "\\ud800", "voice": "alloy"}', JSON, 400, "input"),
    ("not JSON", "POST", SPEECH, b"input=hello", {"content-type": "text/plain"}, 415, None),
    ("large", "POST", SPEECH, b'{"input": "' + b"x" * (2 << 20) + b'"}', JSON, 413, None),
    ("method", "GET", SPEECH, None, {}, 405, None),
    ("other method", "PATCH", "/v1/speech", b"{}", JSON, 405, None),
    ("language", "POST", "/v1/speech", b'{"text": "a", "language": "fr"}', JSON, 400, "language"),
    (
        "dialect",
        "POST",
        "/v1/speech",
        b'{"text": "a", "language": "en", "dialect": "NZ"}',
        JSON,
        400,
        "dialect",
    ),
    ("gender", "POST", "/v1/speech", b'{"text": "a", "language": "en", "gender": "x"}', JSON, 400, "gender"),
    ("blank text", "POST", "/v1/speech", b'{"text": " ", "language": "en"}', JSON, 400, "text"),
    (
        "long text",
        "POST",
        "/v1/speech",
        b'{"text": "' + b"x" * 100_001 + b'", "language": "en"}',
        JSON,
        400,
        "text",
    ),
    ("path", "GET", "/v1/speech/..%2f..%2f..%2fetc%2fpasswd", None, {}, 404, None),
    ("path of audio", "GET", "/v1/speech/..%5c..%5cx/audio", None, {}, 404, "id"),
    ("null in a path", "GET", "/v1/speech/%00/audio", None, {}, 404, "id"),
    ("bad UTF-8 in a path", "GET", "/v1/speech/%ff%fe", None, {}, 404, "id"),
    ("unknown id", "DELETE", "/v1/speech/speech_0", None, {}, 404, "id"),
    ("filter", "GET", "/v1/audio/voices?language=xx", None, {}, 400, "language"),
    ("filter name", "GET", "/v1/audio/voices?colour=x", None, {}, 400, "colour"),
    ("nowhere", "GET", "/v2/anything", None, {}, 404, None),
    ("images", "POST", "/v1/images/generations", b"{}", JSON, 501, None),
    ("videos", "GET", "/v1/videos", None, {}, 501, None),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_server_refuses_bad_input_with_an_error_body(client: httpx.Client, case: Any) -> None:
    _, method, path, content, headers, status, param = case
    answer = client.request(method, path, content=content, headers=headers)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code", "request_id"}
    assert error["param"] == param
    assert error["request_id"] == answer.headers["x-request-id"]


def test_server_survives_bytes_that_are_not_http(playground: Any) -> None:
    host, port = playground.url.removeprefix("http://").split(":")
    for rubbish in (b"\x00\xff\x16\x03\x01" * 100, b"POST /v1/audio/speech HTTP/9.9\r\n\r\n", b"GET"):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(rubbish)


def test_server_still_speaks_after_bad_input(client: httpx.Client, playground: Any) -> None:
    answer = client.post(SPEECH, json={"input": "Still here.", "voice": "alloy"})
    assert answer.status_code == 200
    assert answer.content[:3] == b"ID3"
    playground.wait_idle()
