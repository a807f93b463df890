"""What a support bundle must not hold."""

import json

import pytest

from tts_app.desk.redaction import HIDDEN, Redactor, plain_settings
from tts_app.settings import Settings

CANARY = "zanzibarquokka"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key ttsp_3f9c1a2b4d5e6f70_Zm9vYmFy-_x came", f"key {HIDDEN} came"),
        ("Authorization: Bearer abc.def-123", f"Authorization: Bearer {HIDDEN}"),
        ("authorization: Basic bWU6c2VjcmV0", f"authorization: Basic {HIDDEN}"),
        (f"token {JWT} is wrong", f"token {HIDDEN} is wrong"),
        ("postgresql://tts:hush@db/tts", f"postgresql://{HIDDEN}@db/tts"),
        ("HF_TOKEN=hf_abcdefghijklmnop", f"HF_TOKEN={HIDDEN}"),
        ("AKIAABCDEFGHIJKLMNOP", HIDDEN),
        ("connect password=hush host=db", f"connect password={HIDDEN} host=db"),
        (
            "http://playground-serve-svc.speech.svc:8000/ray/",
            "http://playground-serve-svc.speech.svc:8000/ray/",
        ),
    ],
)
def test_what_has_the_shape_of_a_secret_is_hidden(text, shown) -> None:
    assert Redactor().text(text) == shown


def test_known_secrets_are_hidden_everywhere_but_short_ones() -> None:
    redactor = Redactor(frozenset({"a-key-without-shape", "a-key-without-shape-longer", "db", ""}))
    assert redactor.text("a-key-without-shape-longer a-key-without-shape db") == f"{HIDDEN} {HIDDEN} db"
    assert redactor.value({"a-key-without-shape": ["x a-key-without-shape", 1, None, {"b": True}]}) == {
        HIDDEN: [f"x {HIDDEN}", 1, None, {"b": True}]
    }


def test_our_lines_pass_and_all_others_are_counted() -> None:
    app = {"time": "t", "level": "INFO", "component": "gateway", "event": "request", "request_id": "r"}
    operator = {**app, "component": "operator", "event": "reconciled", "service": "playground"}
    lines = [
        json.dumps(app),
        json.dumps(operator),
        json.dumps({**app, "reason": f"Bearer {JWT}"}),
        f"Traceback: {CANARY}",
        json.dumps({"message": CANARY, "levelname": "ERROR"}),
        json.dumps(CANARY),
        f'{{"time": "{CANARY}',
        "",
    ]
    kept, left_out = Redactor().our_lines(lines)
    assert [json.loads(line) for line in kept] == [app, operator, {**app, "reason": f"Bearer {HIDDEN}"}]
    assert left_out == 4


def test_of_rays_lines_warnings_and_errors_of_its_own_pass() -> None:
    lines = [
        "[2026-11-30 20:00:00,123 I 12 34] (raylet) node.cc:1: started",
        "[2026-11-30 20:00:00,124 W 12 34] (raylet) node.cc:2: slow",
        "[2026-11-30 20:00:00,125 E 12 34] (raylet) node.cc:3: lost postgresql://a:b@c/d",
        f"2026-11-30 20:00:00,126\tINFO head.py:1 -- {CANARY}",
        "2026-11-30 20:00:00,127\tERROR head.py:2 -- away",
        '{"asctime":"2026-11-30 20:00:00,128","levelname":"E","message": gone',
        f'{{"asctime":"2026-11-30 20:00:00,128","levelname":"I","message":"{CANARY}"}}',
        f"  text {CANARY}",
        "2026-11-30 21:54:31,787\tWARNING __init__.py:160 -- DeprecationWarning: "
        "`ray.ray_constants.DASHBOARD_CLIENT_MAX_SIZE` is a private attribute and will be removed.",
        "2026-11-30 21:54:31,787\tWARNING gpu_profile_manager.py:135 -- [GpuProfilingManager] "
        "GPU profiling is disabled, skipping daemon setup.",
    ]
    kept, left_out = Redactor().ray_lines(lines)
    assert [line.rpartition(": ")[2].rpartition("-- ")[2] for line in kept] == [
        "slow", f"lost postgresql://{HIDDEN}@c/d", "away", "gone",
    ]  # fmt: skip
    assert left_out == 6


def test_of_settings_only_numbers_and_switches_are_shown() -> None:
    settings = Settings(api_key="k" * 16, database_url="postgresql://a:hush@b/c", port=9000, audit=True)
    values = {name: getattr(settings, name) for name in Settings.model_fields}
    found = plain_settings(values, ("host",))
    assert (found["port"], found["audit"], found["host"]) == (9000, True, "127.0.0.1")
    assert (found["api_key"], found["database_url"], found["audio_output"]) == ("set", "set", "set")
    assert (found["audit_anchor"], found["cors_origins"], found["tls_cert"]) == ("not set", "not set", None)
    assert "hush" not in json.dumps(found)
