"""`/v1/batches` on the real playground, and `ttsp render` with the real engine."""

import hashlib
import io
import json
import os
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import simulated_voice
from examine import faults, manifest
from trials import trials

POSTS = [
    {"id": 1, "text": {"en": "Your room is ready.", "es": "Su habitación está lista."}},
    {"id": 2, "text": {"en": "Breakfast until 10:30.", "es": "Desayuno hasta las 10:30."}},
]
BODY = {"posts": POSTS, "avatars": {"locales": ["en-US", "es-ES"]}}
LONG = "The rooms were clean, the breakfast was rich, and the view was splendid. "


def ended(client: httpx.Client, batch: dict[str, Any], within: float = 240) -> dict[str, Any]:
    """Wait until a batch has ended."""
    until = time.monotonic() + within
    while True:
        found: dict[str, Any] = client.get(batch["links"]["self"]).raise_for_status().json()
        if found["status"] not in ("queued", "running"):
            return found
        assert time.monotonic() < until, found
        time.sleep(0.2)


@pytest.fixture
def folder(playground: Any) -> Path:
    """Where the playground's batches are."""
    found: Path = playground.folder / "audio-output" / "batches"
    return found


def test_batch_is_created_once_followed_and_fetched(client: httpx.Client, folder: Path) -> None:
    key = {"Idempotency-Key": f"hotel-{uuid.uuid4()}"}
    answer = client.post("/v1/batches", json=BODY, headers=key)
    assert answer.status_code == 202, answer.text
    batch = answer.json()
    assert answer.headers["location"] == batch["links"]["self"]
    again = client.post("/v1/batches", json=BODY, headers=key)
    assert (again.status_code, again.json()["id"]) == (200, batch["id"])
    other = client.post("/v1/batches", json={**BODY, "retries": 1}, headers=key)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")

    with client.stream("GET", batch["links"]["events"]) as events:
        reported = [json.loads(line[6:]) for line in events.iter_lines() if line.startswith("data: ")]
    assert reported[-1]["status"] == "succeeded"
    assert reported[-1]["counts"] == {"total": 8, "done": 8, "failed": 0, "skipped": 0, "percent": 100}
    assert [state["counts"]["done"] for state in reported] == sorted(
        state["counts"]["done"] for state in reported
    )

    files = {path.name: path.read_bytes() for path in (folder / batch["id"]).glob("*.mp3")}
    assert len(files) == 8
    archive = client.get(batch["links"]["archive"])
    assert archive.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(archive.content)) as zipped:
        manifest = [json.loads(line) for line in zipped.read("manifest.jsonl").splitlines()]
        assert {n: zipped.read(n) for n in zipped.namelist() if n != "manifest.jsonl"} == files
    assert {m["file"]: m["sha256"] for m in manifest} == {
        name: hashlib.sha256(data).hexdigest() for name, data in files.items()
    }
    assert client.get("/v1/batches", params={"limit": 1}).json()["data"][0]["id"] == batch["id"]


def test_batch_items_are_filtered_and_paged(client: httpx.Client) -> None:
    batch = ended(client, client.post("/v1/batches", json=BODY).json())
    found, after = [], -1
    while after is not None:
        query = {"locale": "es-ES", "limit": 3, "after": after}
        page = client.get(batch["links"]["items"], params=query).json()
        found += [item["file"] for item in page["data"]]
        after = page["next"]
    assert found == [f"post_0{n}_{g}_es-ES.mp3" for n in (1, 2) for g in ("female", "male")]
    assert client.get(batch["links"]["items"], params={"status": "failed"}).json()["data"] == []
    wrong = client.get(batch["links"]["items"], params={"status": "lost"})
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "status")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({**BODY, "posts": [*POSTS, POSTS[0]]}, ["id"]),
        ({**BODY, "posts": [{"id": 1, "text": {"en": "!", "es": "?"}}]}, ["post 1", "nothing to speak"]),
        (
            {"posts": [{"id": 4, "text": {"en": "Hi."}}, {"id": 5, "text": {"es": "Hola."}}],
             "avatars": {"locales": ["en-US", "es-ES"]}},
            ["post 4", "no text for es-ES", "post 5", "no text for en-US"],
        ),
        ({**BODY, "output": {"name_template": "../{post}_{gender}_{locale}"}}, ["nameTemplate"]),
        ({**BODY, "output": {"name_template": "{post}_{locale}"}}, ["{gender}"]),
        ({**BODY, "posts": [{"id": 1, "text": {"french": "Bonjour."}}]}, ["it has french"]),
        ({**BODY, "surprise": 1}, ["surprise"]),
    ],
)  # fmt: skip
def test_create_batch_reports_every_error_and_keeps_nothing(
    client: httpx.Client, folder: Path, body: dict[str, Any], words: list[str]
) -> None:
    folders = sorted(folder.glob("*"))
    before = client.get("/v1/batches", params={"limit": 100}).json()["data"]
    answer = client.post("/v1/batches", json=body)
    assert answer.status_code == 400, answer.text
    for word in words:
        assert word in answer.json()["error"]["message"]
    assert client.get("/v1/batches", params={"limit": 100}).json()["data"] == before
    assert sorted(folder.glob("*")) == folders


def test_batch_is_cancelled_and_retried_while_speech_is_served(client: httpx.Client) -> None:
    posts = [{"id": n, "text": {"en": f"{n}. {LONG}"}} for n in range(1, 7)]
    # Two at a time, so that much is left when it is cancelled.
    body = {"posts": posts, "avatars": {"locales": ["en-GB"]}, "parallelism": 2}
    batch = client.post("/v1/batches", json=body).json()
    until = time.monotonic() + 120
    while client.get(batch["links"]["self"]).json()["counts"]["done"] < 1:
        assert time.monotonic() < until
        time.sleep(0.2)
    assert client.get(batch["links"]["archive"]).status_code == 409
    spoken = client.post("/v1/audio/speech", json={"input": "Me too, please.", "voice": "alloy"})
    assert spoken.status_code == 200, "a batch leaves room for callers"
    cancelled = client.post(f"{batch['links']['self']}/cancel").json()
    assert cancelled["status"] == "cancelled"
    assert client.post(f"{batch['links']['self']}/cancel").status_code == 200, "it is cancelled"
    assert client.post(f"{batch['links']['self']}/retry").status_code == 202
    assert client.delete(batch["links"]["self"]).status_code == 409
    whole = ended(client, batch)
    assert whole["status"] == "succeeded"
    assert whole["counts"]["done"] == 12
    assert 0 < whole["counts"]["skipped"] < 12, "what was done before is not done again"
    assert client.post(f"{batch['links']['self']}/retry").status_code == 409
    assert client.get("/v1/batches/batch_0").status_code == 404


@pytest.fixture
def refusing(playground: Any) -> Iterator[None]:
    """A model whose name comes first, and which therefore speaks male_en-GB: it refuses some texts, once."""
    with playground.serving(simulated_voice.model("a-refusing-one"), simulated_voice.config):
        yield


@pytest.mark.usefixtures("refusing")
def test_batch_lists_failed_items_and_retries_them(client: httpx.Client) -> None:
    posts = [
        {"id": 1, "text": {"en": "This one is spoken."}},
        {"id": 2, "text": {"en": "This one fails just once."}},
    ]
    body = {"posts": posts, "avatars": {"locales": ["en-GB"], "genders": ["male"]}, "retries": 0}
    batch = client.post("/v1/batches", json=body).raise_for_status().json()
    whole = ended(client, batch)
    assert (whole["status"], whole["counts"]["done"], whole["counts"]["failed"]) == ("partially_failed", 1, 1)
    (failed,) = client.get(batch["links"]["items"], params={"status": "failed"}).json()["data"]
    assert (failed["file"], failed["reason"]) == ("post_02_male_en-GB.mp3", "EngineRefused")
    assert failed["message"] == "It refuses, just once."
    assert client.post(f"{batch['links']['self']}/retry").status_code == 202
    whole = ended(client, batch)
    assert (whole["status"], whole["counts"]["done"], whole["counts"]["failed"]) == ("succeeded", 2, 0)
    assert client.get(batch["links"]["items"], params={"status": "failed"}).json()["data"] == []


def test_batch_is_deleted_with_its_files(client: httpx.Client, folder: Path) -> None:
    batch = ended(client, client.post("/v1/batches", json=BODY).json())
    assert len(list((folder / batch["id"]).glob("*.mp3"))) == 8
    assert client.delete(batch["links"]["self"]).status_code == 204
    assert not (folder / batch["id"]).exists()
    for path in ("self", "items", "events", "archive"):
        assert client.get(batch["links"][path]).status_code == 404
    assert client.delete(batch["links"]["self"]).status_code == 404


def test_batch_resumes_after_the_server_is_killed(
    playground: Any, client: httpx.Client, folder: Path
) -> None:
    posts = [
        {"id": n, "text": {"en": f"Room {n} is ready for you, and so is your table."}} for n in range(1, 8)
    ]
    body = {"posts": posts, "avatars": {"locales": ["en-US"]}, "parallelism": 2}
    batch = client.post("/v1/batches", json=body).raise_for_status().json()
    until = time.monotonic() + 240
    while client.get(batch["links"]["self"]).json()["counts"]["done"] < 2:
        assert time.monotonic() < until
        time.sleep(0.1)
    playground.restart_killed()
    whole = ended(client, batch)
    assert (whole["status"], whole["counts"]["done"]) == ("succeeded", 14)
    assert whole["counts"]["skipped"] >= 2
    assert len(list((folder / batch["id"]).glob("*.mp3"))) == 14


def test_render_speaks_posts_by_every_avatar_with_the_real_engine(tmp_path: Path) -> None:
    """`ttsp render`: each file decodes, lasts as long as it says, is not silent, and names its language."""
    number = trials(1, 3)
    texts = [
        {"en": "Welcome.", "es": "Bienvenidos.", "hi": "स्वागत है।", "ur": "خوش آمدید۔", "ar": "أهلا وسهلا."},
        {
            "en": "Good night.",
            "es": "Buenas noches.",
            "hi": "शुभ रात्रि।",
            "ur": "شب بخیر۔",
            "ar": "ليلة سعيدة.",
        },
        {"en": "Room 12.", "es": "Habitación 12.", "hi": "कमरा 12.", "ur": "کمرہ 12۔", "ar": "غرفة 12."},
    ][:number]
    posts = [json.dumps({"id": n, "text": text}, ensure_ascii=False) for n, text in enumerate(texts, 1)]
    (tmp_path / "posts.jsonl").write_text("\n".join(posts), encoding="utf-8")
    command = [sys.executable, "-m", "tts_app.cli", "render", "--posts", "posts.jsonl", "--output", "out"]
    environment = os.environ | {"TTSP_STATE_DIR": str(tmp_path / "state"), "TTSP_LOG_LEVEL": "DEBUG"}
    names = subprocess.run([*command, "--dry-run"], cwd=tmp_path, check=True, capture_output=True, text=True)
    ran = subprocess.run(
        [*command, "--json", "--utilisation", "1"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stderr
    reported = json.loads(ran.stdout.splitlines()[-1])
    assert reported["progress"] == {"total": 18 * number, "done": 18 * number, "failed": 0, "skipped": 0}
    out = tmp_path / "out"
    assert sorted(path.name for path in out.glob("*.mp3")) == sorted(names.stdout.split())
    said = {}
    for record in manifest(out):
        said[record["file"]] = texts[record["post"] - 1][record["avatar"].partition("_")[2][:2]]
    assert len(said) == 18 * number
    assert faults(out, manifest(out), said) == []
    logs = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "state/logs").glob("*.jsonl")}
    assert logs.keys() == {"batch-driver.jsonl", "batch-kokoro.jsonl"}
    lines = [json.loads(line) for line in "".join(logs.values()).splitlines()]
    assert {line["batch"] for line in lines if "batch" in line} == {"hospitality-100"}
    spoken = [line["item"] for line in lines if line["event"] == "item spoken"]
    assert sorted(spoken) == list(range(18 * number))
    assert [line["event"] for line in lines if line["component"] == "batch-driver"] == [
        "batch",
        "batch ended",
    ]
    assert not [text for post in texts for text in post.values() if text in "".join(logs.values())]
