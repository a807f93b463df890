"""Words of callers are nowhere but where they are needed, and nowhere once they are deleted.

Each place of each request has a word of its own, so a word that is found says where it comes from.
"""

import itertools
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from otel_collector import OtelCollector

MANIFESTS = Path(__file__).parents[2] / "manifests/monitoring"
PATIENCE = 120.0
"""Seconds to wait on a busy machine."""
WORD = "zanzibarquokka"


@pytest.fixture(scope="module")
def temporary() -> Iterator[Path]:
    """The folder for temporary files; its path is short, because Ray's sockets are in it."""
    folder = Path(tempfile.mkdtemp(prefix="canary-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def watched(starting: Any, temporary: Path) -> Iterator[Any]:
    with starting("canary", TMPDIR=str(temporary)) as started:
        yield started


def files_with(word: str, *folders: Path) -> list[str]:
    """Return the files that hold a word: logs, databases, Ray's files, shared memory."""
    found = []
    for path in itertools.chain.from_iterable(folder.rglob("*") for folder in folders):
        try:
            if path.is_file() and (word.encode() in path.read_bytes() or word in path.name):
                found.append(str(path))
        except OSError:
            continue  # it was removed meanwhile, or is a socket
    return found


def words() -> Iterator[str]:
    return (f"{WORD}{number:02d}" for number in itertools.count())


def wait_done(client: httpx.Client, address: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while (status := client.get(address).json()["status"]) not in ("done", "succeeded", "completed"):
        assert status not in ("failed", "partially_failed"), client.get(address).text
        assert time.monotonic() < deadline, status
        time.sleep(0.3)


def gather_logs(watched: Any) -> None:
    """Have a collector gather all logs into the folder that is watched; make sure that they are there."""
    logs = watched.folder / "state/logs"
    written = {path.name for path in logs.glob("*.jsonl")}
    assert written == {f"{name}.jsonl" for name in ("gateway", "voice-kokoro", "text-smollm", "batch-kokoro")}
    of_ray = {path.name.partition("_")[0] for path in watched.ray_logs.rglob("*")}
    assert of_ray >= {"raylet.out", "gcs", "controller", "replica"}
    places = {
        "TTSP_LOG_DIR": str(logs),
        "TTSP_LOGS_COLLECTED": str(watched.folder),
        "TTSP_RAY_LOGS": str(watched.ray_logs),
    }
    with OtelCollector(watched.folder, MANIFESTS / "logs-desk.yaml", environment=places):
        deadline = time.monotonic() + PATIENCE
        while '"batch ended"' not in read(watched.folder / "logs.jsonl"):
            assert time.monotonic() < deadline, "the collector gathers the logs"
            time.sleep(0.2)


def read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


@pytest.mark.usefixtures("collector_built")
def test_words_of_callers_are_gone_once_deleted(watched: Any, temporary: Path) -> None:
    new = words()
    folders = (watched.folder, temporary, Path("/dev/shm"))  # noqa: S108
    chat = {"model": next(new), "messages": [{"role": "user", "content": next(new)}]}
    refused = [
        ("/v1/audio/speech", {"input": next(new), "voice": next(new)}),
        ("/v1/chat/completions", chat),
        ("/v1/speech", {"text": next(new), "language": next(new)}),
        (
            "/v1/batches",
            {"posts": [{"id": 1, "text": {"xx": next(new)}}], "avatars": {"locales": [next(new)]}},
        ),
        (f"/v1/{next(new)}", {"text": next(new)}),
    ]
    with httpx.Client(base_url=watched.url, timeout=PATIENCE) as client:
        for path, body in refused:
            headers = {"X-Request-ID": "canary", "User-Agent": next(new), "X-Whatever": next(new)}
            answer = client.post(path, json=body, params={"query": next(new)}, headers=headers)
            assert 400 <= answer.status_code < 500, (path, answer.text)
        ignored = {"instructions": next(new), next(new): 1}
        said = {"input": f"One {next(new)}.", "voice": "alloy", **ignored}
        assert client.post("/v1/audio/speech", json=said).status_code == 200
        told = {"messages": [{"role": "user", "content": f"Say {next(new)}."}], "max_tokens": 4}
        writer = next(m["id"] for m in client.get("/v1/models").json()["data"] if m["id"] == "smollm")
        assert client.post("/v1/chat/completions", json={"model": writer, **told}).status_code == 200
        assert files_with(WORD, *folders) == [], "what is answered at once leaves nothing"

        speech = client.post(
            "/v1/speech",
            json={"text": f"Two {next(new)}.", "language": "en"},
            headers={"Idempotency-Key": "canary-1"},
        )
        assert speech.status_code in (201, 202)
        posts = {"posts": [{"id": 1, "text": {"en": f"Three {next(new)}."}}]}
        some = {"avatars": {"locales": ["en-US"], "genders": ["female"]}}
        batch = client.post("/v1/batches", json={**posts, **some}, headers={"Idempotency-Key": "canary-2"})
        assert batch.status_code in (201, 202), batch.text
        made = [answer.headers["location"] for answer in (speech, batch)]
        for address in made:
            wait_done(client, address)
        gather_logs(watched)
        kept = {Path(path).name.partition("-")[0] for path in files_with(WORD, *folders)}
        assert kept == {"metadata.sqlite"}, "the database alone knows a text, as long as it is needed"
        for address in made:
            assert client.delete(address).status_code in (202, 204)
        deadline = time.monotonic() + PATIENCE
        while left := files_with(WORD, *folders):
            assert time.monotonic() < deadline, left
            time.sleep(0.5)
