"""`/v1/batches`: accepted once, kept readable, taken up again. All is real but the workers."""

import asyncio
import errno
import hashlib
import io
import json
import secrets
import shutil
import tempfile
import time
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simulated_pool import OpenGovernor, Pool
from sqlalchemy import text as sql
from sqlalchemy.exc import OperationalError, ProgrammingError

from tts_app.api.batches import BatchRequest, _job
from tts_app.batch import driver, hosted
from tts_app.resources import VoiceModel
from tts_app.serving.clones import NewVoice, Record
from tts_app.storage.batches import Batches, BatchStatus
from tts_app.storage.output import FolderOutput, open_output

PATH = "/v1/batches"
TEXTS = ("Welcome.", "Goodbye.")
POSTS = [{"id": number, "text": {"en": text}} for number, text in enumerate(TEXTS, 1)]
BODY = {"posts": POSTS, "avatars": {"locales": ["en-US"]}, "retries": 0}
KEY = {"Idempotency-Key": "hotel"}
GOODBYES = ("female_en-US Goodbye.", "male_en-US Goodbye.")


@pytest.fixture(autouse=True)
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    made = Pool()
    monkeypatch.setattr(driver, "WorkerHandle", made.worker)
    monkeypatch.setattr(driver, "Governor", OpenGovernor)
    return made


async def ended(api: Any, batch: dict[str, Any]) -> dict[str, Any]:
    """Wait until a batch has ended."""
    async with asyncio.timeout(20):
        while True:
            found: dict[str, Any] = (await api.client.get(batch["links"]["self"])).json()
            if found["status"] not in ("queued", "running"):
                return found
            await asyncio.sleep(0.01)


async def items(api: Any, batch: dict[str, Any]) -> list[tuple[int, str, str]]:
    """Number, file and status of each item."""
    page = (await api.client.get(batch["links"]["items"])).raise_for_status().json()
    return [(item["number"], item["file"], item["status"]) for item in page["data"]]


async def archive(api: Any, batch: dict[str, Any]) -> dict[str, bytes]:
    answer = (await api.client.get(batch["links"]["archive"])).raise_for_status()
    with zipfile.ZipFile(io.BytesIO(answer.content)) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist()}


def change(api: Any, voices: Sequence[dict[str, str]], revision: str = "2.0") -> None:
    """Let the model have another revision and these voices."""
    (model,) = api.context.service.models
    whole = model.written()
    whole["spec"]["source"]["revision"] = revision
    whole["spec"]["voices"] = [{**voice, "speaker": "someone"} for voice in voices]
    api.context.service.reconfigure([VoiceModel.model_validate(whole)])


def folders(tmp_path: Path) -> list[str]:
    """The batches that have a folder."""
    return sorted(path.name for path in (tmp_path / "out" / "batches").glob("*"))


# Accepted


async def test_one_is_rendered(api: Any, pool: Pool) -> None:
    answer = await api.client.post(PATH, json=BODY)
    assert answer.status_code == 202, answer.text
    whole = await ended(api, answer.json())
    assert (whole["status"], whole["counts"]["done"]) == ("succeeded", 4)
    assert len(pool.spoken) == 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"avatars": {"locales": ["ur-PK"]}},
        {"posts": [*POSTS, {"id": 3, "text": {"en": "!"}}]},
    ],
)
async def test_one_that_is_refused_leaves_nothing(api: Any, tmp_path: Path, wrong: dict[str, Any]) -> None:
    assert (await api.client.post(PATH, json={**BODY, **wrong})).status_code == 400
    assert folders(tmp_path) == []
    assert (await api.client.get(PATH)).json()["data"] == []


async def test_the_files_of_one_are_their_owners_only(api: Any, pool: Pool, tmp_path: Path) -> None:
    await ended(api, (await api.client.post(PATH, json=BODY)).json())
    audio = tmp_path / "out"
    files = [path for path in audio.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".mp3", ".jsonl", ".json"}
    open_to_others = [path.name for path in (*files, audio, audio / "batches") if path.stat().st_mode & 0o077]
    assert open_to_others == []


async def test_one_whose_folder_cannot_be_made_is_refused(api: Any, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(exist_ok=True)
    (tmp_path / "out" / "batches").write_text("a file, where the folder should be")
    answer = await api.client.post(PATH, json=BODY)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "output")
    assert "the service's output cannot be written; its log says why" in answer.json()["error"]["message"]
    assert "/" not in answer.json()["error"]["message"]


async def test_a_repeated_request_gets_its_batch_though_its_model_has_gone(api: Any, tmp_path: Path) -> None:
    batch = (await api.client.post(PATH, json=BODY, headers=KEY)).json()
    await ended(api, batch)
    api.context.service.reconfigure([])
    again = await api.client.post(PATH, json=BODY, headers=KEY)
    assert (again.status_code, again.json()["id"]) == (200, batch["id"])
    other = await api.client.post(PATH, json={**BODY, "retries": 1}, headers=KEY)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")
    assert folders(tmp_path) == [batch["id"]]


async def test_what_is_stored_of_one_is_as_a_version_without_reading_had_it() -> None:
    plain = BatchRequest.model_validate(BODY)
    assert "reading" not in json.loads(_job(plain))
    marked = BatchRequest.model_validate({**BODY, "reading": {"input_format": "ssml"}})
    assert json.loads(_job(marked))["reading"]["inputFormat"] == "ssml"


async def test_of_requests_with_one_key_at_the_same_time_one_makes_the_batch(
    api: Any, tmp_path: Path
) -> None:
    answers = await asyncio.gather(*(api.client.post(PATH, json=BODY, headers=KEY) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [202]
    (batch_id,) = {answer.json()["id"] for answer in answers}
    assert folders(tmp_path) == [batch_id]
    assert (await ended(api, answers[0].json()))["status"] == "succeeded"


# Retried


async def test_what_failed_is_told_and_spoken_once_more(api: Any, pool: Pool) -> None:
    pool.broken = set(GOODBYES)
    batch = (await api.client.post(PATH, json=BODY)).json()
    whole = await ended(api, batch)
    assert (whole["status"], whole["counts"]["done"], whole["counts"]["failed"]) == ("partially_failed", 2, 2)
    failed = (await api.client.get(batch["links"]["items"], params={"status": "failed"})).json()["data"]
    assert [(item["file"], item["reason"], item["message"]) for item in failed] == [
        ("post_02_female_en-US.mp3", "EngineRefused", "it refuses"),
        ("post_02_male_en-US.mp3", "EngineRefused", "it refuses"),
    ]
    assert (await api.client.post(f"{batch['links']['self']}/retry")).status_code == 202
    whole = await ended(api, batch)
    assert (whole["status"], whole["counts"]["done"], whole["counts"]["failed"]) == ("succeeded", 4, 0)
    assert sorted(pool.spoken) == sorted(["female_en-US Welcome.", "male_en-US Welcome.", *GOODBYES])


async def test_of_one_that_succeeded_there_is_nothing_to_retry(api: Any) -> None:
    batch = (await api.client.post(PATH, json=BODY)).json()
    await ended(api, batch)
    answer = await api.client.post(f"{batch['links']['self']}/retry")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "nothing_failed")
    assert answer.json()["error"]["message"].startswith("Nothing of the batch has failed")


async def test_one_whose_texts_are_forgotten_is_heard_but_not_retried(
    api: Any, pool: Pool, until: Any
) -> None:
    pool.gate.clear()
    batch = (await api.client.post(PATH, json=BODY | {"text_ttl": 0})).json()
    await until(lambda: pool.asked == 4)
    await api.client.post(f"{batch['links']['self']}/cancel")
    pool.gate.set()
    forget = partial(
        Batches(api.context.database).forget_texts, now=time.time(), text_ttl=1e9, fingerprint=str
    )
    assert await asyncio.to_thread(forget) == 1
    answer = await api.client.post(f"{batch['links']['self']}/retry")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "texts_forgotten")
    items = (await api.client.get(batch["links"]["items"])).json()["data"]
    assert len(items) == 4


async def test_one_that_runs_cannot_be_retried(api: Any, pool: Pool, until: Any) -> None:
    pool.gate.clear()
    batch = (await api.client.post(PATH, json=BODY)).json()
    await until(lambda: pool.asked == 4)
    answer = await api.client.post(f"{batch['links']['self']}/retry")
    assert answer.status_code == 409
    assert answer.json()["error"]["message"] == "The batch has not ended: it is running."
    pool.gate.set()
    await ended(api, batch)


async def test_one_that_runs_cannot_be_removed_and_says_what_to_do(api: Any, pool: Pool, until: Any) -> None:
    pool.gate.clear()
    batch = (await api.client.post(PATH, json=BODY)).json()
    await until(lambda: pool.asked == 4)
    path = batch["links"]["self"]
    answer = await api.client.delete(path)
    assert answer.status_code == 409
    assert answer.json()["error"]["message"].startswith("The batch has not ended: it is running. POST")
    await api.client.post(f"{path}/cancel")
    answer = await api.client.delete(path)
    assert answer.status_code == 409
    assert answer.json()["error"]["message"].startswith("Its last items are still being spoken")
    pool.gate.set()
    await until(lambda: api.context.batches._running is None)
    assert (await api.client.delete(path)).status_code == 204


async def test_what_another_gateway_cancels_is_not_rendered_by_this_one(
    api: Any, pool: Pool, until: Any
) -> None:
    """While a cluster replaces another one both gateways know the batch, and one of them holds its output."""
    pool.broken = set(GOODBYES)
    batch = (await api.client.post(PATH, json=BODY)).json()
    await ended(api, batch)
    asked, path = pool.asked, batch["links"]["self"]
    with open_output(api.context.batches.output_of("default", batch["id"])).lock():
        await api.client.post(f"{path}/retry")
        await until(lambda: batch["id"] in api.context.batches._progress)
        records = api.context.batches._batches
        await asyncio.to_thread(records.finish, "default", batch["id"], BatchStatus.CANCELLED, finished=1.0)
    await until(lambda: api.context.batches._running is None)
    assert pool.asked == asked
    assert (await ended(api, batch))["status"] == "cancelled"


async def test_one_whose_output_is_away_when_it_is_taken_up_waits_for_it(
    api: Any, pool: Pool, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could be written when the batch was accepted."""
    pool.gate.clear()
    batch = (await api.client.post(PATH, json=BODY)).json()
    await api.context.batches.stop()
    looks, probe, make = 3, FolderOutput.probe, FolderOutput._make

    def away(*_: Any) -> None:
        nonlocal looks
        if looks > 0:
            looks -= 1
            raise OSError(errno.EIO, "it is away")

    monkeypatch.setattr(FolderOutput, "probe", lambda output: away() or probe(output))
    monkeypatch.setattr(FolderOutput, "_make", lambda output: away() or make(output))
    pool.gate.set()
    whole = await ended(await start(), batch)
    assert (whole["status"], whole["counts"]["done"], looks) == ("succeeded", 4, 0)


async def test_a_retry_survives_that_the_server_is_restarted(api: Any, pool: Pool, start: Any) -> None:
    pool.broken = set(GOODBYES)
    batch = (await api.client.post(PATH, json=BODY)).json()
    await ended(api, batch)
    pool.gate.clear()
    assert (await api.client.post(f"{batch['links']['self']}/retry")).status_code == 202
    await api.context.batches.stop()
    pool.gate.set()
    whole = await ended(await start(), batch)
    assert (whole["status"], whole["counts"]["done"]) == ("succeeded", 4)


async def test_a_retry_is_not_lost_to_the_run_that_it_follows(api: Any, pool: Pool, until: Any) -> None:
    """The run was cancelled, but what it has in hand is spoken to its end, and fails."""
    pool.broken = set(GOODBYES)
    pool.gate.clear()
    batch = (await api.client.post(PATH, json=BODY)).json()
    await until(lambda: pool.asked == 4)
    assert (await api.client.post(f"{batch['links']['self']}/cancel")).status_code == 200
    assert (await api.client.post(f"{batch['links']['self']}/retry")).status_code == 202
    pool.gate.set()
    assert (await ended(api, batch))["status"] == "succeeded"
    assert pool.broken == set()


async def test_one_that_is_cancelled_before_it_began_again_keeps_its_counts(
    api: Any, pool: Pool, until: Any
) -> None:
    pool.broken = set(GOODBYES)
    batch = (await api.client.post(PATH, json=BODY)).json()
    before = (await ended(api, batch))["counts"]
    path = batch["links"]["self"]
    with open_output(api.context.batches.output_of("default", batch["id"])).lock():
        await api.client.post(f"{path}/retry")
        await until(lambda: batch["id"] in api.context.batches._progress)
        waiting = (await api.client.get(path)).json()
        assert "another driver" in waiting["waiting"]
        await api.client.post(f"{path}/cancel")
        await until(lambda: api.context.batches._running is None)
    whole = await ended(api, batch)
    assert whole["status"] == "cancelled"
    assert whole["counts"] == waiting["counts"] == before == {**before, "done": 2, "failed": 2}


# While the database is away


async def test_batches_wait_for_a_database_that_is_away(
    api: Any, pool: Pool, outage: Any, until: Any
) -> None:
    pool.gate.clear()
    first = (await api.client.post(PATH, json=BODY)).json()
    second = (await api.client.post(PATH, json=BODY)).json()
    await until(lambda: pool.asked == 4)
    outage.on = True
    pool.gate.set()
    await until(lambda: outage.asked > 5)
    assert (await api.client.get(first["links"]["self"])).status_code == 503
    outage.on = False
    for batch in (first, second):
        whole = await ended(api, batch)
        assert (whole["status"], whole["message"]) == ("succeeded", None)
        assert (whole["counts"]["done"], whole["counts"]["skipped"]) == (4, 0)
    assert len(pool.spoken) == 8, "nothing is spoken twice"


async def test_that_a_batch_crashed_is_recorded_when_the_database_is_back(
    api: Any, outage: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: Any, **__: Any) -> None:
        outage.on = True
        raise RuntimeError("simulated")

    with monkeypatch.context() as patch:
        patch.setattr(hosted, "run", crash)
        batch = (await api.client.post(PATH, json=BODY)).json()
        await until(lambda: outage.asked > 5)
        outage.on = False
        whole = await ended(api, batch)
    assert (whole["status"], whole["message"]) == ("failed", "It crashed: RuntimeError.")
    after = (await api.client.post(PATH, json=BODY)).json()
    assert (await ended(api, after))["status"] == "succeeded"


@pytest.mark.parametrize("call", ["add", "reopen"])
async def test_one_that_was_stored_before_the_connection_broke_is_taken_up(
    api: Any, pool: Pool, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    stored = getattr(Batches, call)

    def break_after(*given: Any) -> None:
        stored(*given)
        raise OperationalError("COMMIT", {}, ConnectionError("it broke"))

    pool.broken = set(GOODBYES)
    if call == "reopen":
        batch = (await api.client.post(PATH, json=BODY)).json()
        await ended(api, batch)
    with monkeypatch.context() as patch:
        patch.setattr(Batches, call, break_after)
        path = PATH if call == "add" else f"{batch['links']['self']}/retry"
        assert (await api.client.post(path, json=BODY)).status_code == 503
    (batch,) = (await api.client.get(PATH)).json()["data"]
    whole = await ended(api, batch)
    assert whole["status"] == ("partially_failed" if call == "add" else "succeeded")


async def test_a_batch_whose_end_cannot_be_recorded_does_not_stop_the_others(
    api: Any, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    refused: list[BatchStatus] = []

    def refuse(_: Batches, _tenant: str, _id: str, status: BatchStatus, **__: Any) -> bool:
        refused.append(status)
        raise ProgrammingError("UPDATE", {}, ValueError("no such column"))

    with monkeypatch.context() as patch:
        patch.setattr(Batches, "finish", refuse)
        await api.client.post(PATH, json=BODY)
        await until(lambda: refused == [BatchStatus.SUCCEEDED, BatchStatus.FAILED])
    after = (await api.client.post(PATH, json=BODY)).json()
    assert (await ended(api, after))["status"] == "succeeded"


# Read, whatever becomes of the models

EVERYBODY = {"posts": POSTS, "on_missing_text": "skip", "retries": 0}
SPOKEN = [
    (1, "post_01_female_en-GB.mp3"),
    (2, "post_01_female_en-US.mp3"),
    (3, "post_01_male_en-US.mp3"),
    (5, "post_02_female_en-GB.mp3"),
    (6, "post_02_female_en-US.mp3"),
    (7, "post_02_male_en-US.mp3"),
]
"""The model has male_ar-EG too, which has nothing to say."""
OTHERS = [{"locale": "en-AU", "gender": "male"}, {"locale": "en-US", "gender": "female"}]


@pytest.mark.parametrize("voices", [OTHERS, []], ids=["others", "none"])
async def test_what_a_batch_has_made_stays_readable(api: Any, voices: list[dict[str, str]]) -> None:
    batch = (await api.client.post(PATH, json=EVERYBODY)).json()
    await ended(api, batch)
    listed, zipped = await items(api, batch), await archive(api, batch)
    assert listed == [(number, file, "done") for number, file in SPOKEN]
    assert list(zipped) == [*(file for _, file in SPOKEN), "manifest.jsonl"]
    assert zipped["post_01_female_en-GB.mp3"] == b"1.0 female_en-GB Welcome."
    manifest = [json.loads(line) for line in zipped["manifest.jsonl"].splitlines()]
    assert [(record["file"], record["sha256"]) for record in manifest] == [
        (file, hashlib.sha256(zipped[file]).hexdigest()) for _, file in SPOKEN
    ]
    if voices:
        change(api, voices)
    else:
        api.context.service.reconfigure([])
    assert (await items(api, batch), await archive(api, batch)) == (listed, zipped)


async def test_one_that_waits_is_spoken_by_the_avatars_there_were(api: Any, pool: Pool, until: Any) -> None:
    pool.gate.clear()
    await api.client.post(PATH, json=BODY)
    await until(lambda: pool.asked == 4)
    batch = (await api.client.post(PATH, json={**EVERYBODY, "avatars": {"genders": ["female"]}})).json()
    women = [{"locale": locale, "gender": "female"} for locale in ("en-AU", "en-GB", "en-US")]
    change(api, women)
    assert [status for *_, status in await items(api, batch)] == ["pending"] * 4
    pool.gate.set()
    whole = await ended(api, batch)
    assert (whole["status"], whole["counts"]["total"], whole["counts"]["done"]) == ("succeeded", 4, 4)
    assert not any("en-AU" in what for what in pool.spoken)


async def test_one_whose_avatar_has_gone_is_not_retried_but_stays_as_it_is(api: Any, pool: Pool) -> None:
    pool.broken = {GOODBYES[0]}
    batch = (await api.client.post(PATH, json=EVERYBODY)).json()
    await ended(api, batch)
    listed, zipped = await items(api, batch), await archive(api, batch)
    change(api, OTHERS)
    assert (await api.client.post(f"{batch['links']['self']}/retry")).status_code == 202
    whole = await ended(api, batch)
    assert (whole["status"], whole["counts"]["done"]) == ("failed", 5)
    assert "no model offers female_en-GB" in whole["message"]
    assert (await items(api, batch), await archive(api, batch)) == (listed, zipped)
    assert [status for *_, status in listed].count("failed") == 1


async def test_what_a_cancelled_batch_has_made_is_in_its_archive(api: Any, pool: Pool, until: Any) -> None:
    pool.gate.clear()
    posts = [{"id": n, "text": {"en": f"Post {n}."}} for n in range(1, 9)]
    batch = (await api.client.post(PATH, json={**BODY, "posts": posts, "parallelism": 2})).json()
    await until(lambda: pool.asked == 2)
    await api.client.post(f"{batch['links']['self']}/cancel")
    pool.gate.set()
    await until(lambda: len(pool.spoken) == 2 and api.context.batches._running is None)
    assert [status for *_, status in await items(api, batch)] == ["done"] * 2 + ["pending"] * 14
    zipped = await archive(api, batch)
    assert list(zipped) == ["post_01_female_en-US.mp3", "post_01_male_en-US.mp3", "manifest.jsonl"]
    assert len(zipped["manifest.jsonl"].splitlines()) == 2


async def test_a_batch_of_an_earlier_version_has_the_avatars_that_its_ledger_names(api: Any) -> None:
    batch = (await api.client.post(PATH, json=EVERYBODY)).json()
    await ended(api, batch)
    with api.context.database.session() as session:
        session.execute(sql("UPDATE batches SET avatars = NULL"))
    api.context.service.reconfigure([])
    assert [(file, status) for _, file, status in await items(api, batch)] == [
        (file, "done") for _, file in SPOKEN
    ]
    assert len(await archive(api, batch)) == 7


async def test_an_archive_that_cannot_be_read_is_told_in_the_one_form(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    batch = (await api.client.post(PATH, json=BODY)).json()
    await ended(api, batch)
    for method, path in (("open", "archive"), ("sizes", "archive"), ("sizes", "items")):
        with monkeypatch.context() as patch:
            patch.setattr(FolderOutput, method, refuse)
            answer = await api.client.get(batch["links"][path])
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "output_unavailable")
        assert "Input/output error" in answer.json()["error"]["message"]


async def test_an_archive_for_which_there_is_no_temporary_file(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    batch = (await api.client.post(PATH, json=BODY)).json()
    await ended(api, batch)
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    answer = await api.client.get(batch["links"]["archive"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "output_unavailable")
    assert tempfile.gettempdir() in answer.json()["error"]["message"]


@pytest.mark.parametrize("method", ["lock", "remove_all"])
async def test_one_whose_files_cannot_be_removed_stays(
    api: Any, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    batch = (await api.client.post(PATH, json=BODY)).json()
    await ended(api, batch)
    with monkeypatch.context() as patch:
        patch.setattr(FolderOutput, method, refuse)
        answer = await api.client.delete(batch["links"]["self"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "output_unavailable")
    assert "Input/output error" in answer.json()["error"]["message"]
    assert len(await items(api, batch)) == 4
    assert (await api.client.delete(batch["links"]["self"])).status_code == 204
    assert (await api.client.get(batch["links"]["self"])).status_code == 404


async def test_where_there_is_no_audio_there_is_no_archive(api: Any, pool: Pool, tmp_path: Path) -> None:
    pool.broken = {f"{gender}_en-US {text}" for gender in ("female", "male") for text in TEXTS}
    batch = (await api.client.post(PATH, json=BODY)).json()
    assert (await ended(api, batch))["status"] == "failed"
    answer = await api.client.get(batch["links"]["archive"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "empty")
    shutil.rmtree(tmp_path / "out" / "batches" / batch["id"])
    assert (await api.client.get(batch["links"]["archive"])).status_code == 409
    assert len(await items(api, batch)) == 4


async def test_usage_and_size_of_a_batch_are_recorded_and_its_reservation_is_settled(
    start: Any, pool: Pool, until: Any, tmp_path: Path
) -> None:
    """The second run speaks what failed in the first."""
    api = await start(quotas="characters=100/day,stored_bytes=1GiB")
    pool.broken.add("female_en-US Goodbye.")
    made = (await api.client.post(PATH, json=BODY)).json()
    assert (await ended(api, made))["status"] == "partially_failed"
    counts = api.context.metering.guard._counts._local.storage
    await until(lambda: list(counts.values()) == [3 * len("Welcome.")])  # what failed was given back
    assert (await api.client.post(f"{PATH}/{made['id']}/retry")).status_code == 202
    assert (await ended(api, made))["status"] == "succeeded"
    await api.context.metering._usage.flush()
    rows = (await api.client.get("/v1/usage")).json()["data"]
    assert [(row["voice"], row["requests"], row["characters"], row["audio_seconds"]) for row in rows] == [
        ("female_en-US", 2, 16, 2.0), ("male_en-US", 2, 16, 2.0),
    ]  # fmt: skip
    stored = Batches(api.context.database).stored_bytes("default")
    files = list((tmp_path / "out" / "batches" / made["id"]).glob("*.mp3"))
    assert (len(files), stored) == (4, sum(file.stat().st_size for file in files))
    assert (await api.client.delete(made["links"]["self"])).status_code == 204
    assert Batches(api.context.database).stored_bytes("default") == 0


# With cloned voices


def cloned(api: Any, tenant: str = "default", locale: str = "en-GB") -> str:
    """Make a cloned voice; return its id."""
    sound = np.ones(9, np.float32)
    consent = {"id": "1", "by": "Somebody", "date": "2026-01-01"}
    voice = f"voice_{secrets.token_hex(12)}"
    record = Record("Somebody", "Words.", consent, {}, {})
    new = NewVoice(voice, "kokoro", locale, "male", None, record, sound, sound)
    api.context.clones.add(tenant, new)
    return voice


def of_voices(*voices: str, template: str = "{post:02d}_{voice}", **avatars: Any) -> dict[str, Any]:
    named = {"voices": list(voices), **avatars}
    return {"posts": POSTS, "avatars": named, "output": {"name_template": template}, "retries": 0}


async def test_cloned_voices_speak_and_name_the_files(api: Any, pool: Pool) -> None:
    first, second = sorted([cloned(api), cloned(api)])
    batch = (await api.client.post(PATH, json=of_voices(first, second))).json()
    assert (await ended(api, batch))["status"] == "succeeded"
    names = [f"0{post}_{voice}.mp3" for post in (1, 2) for voice in (first, second)]
    assert await items(api, batch) == [(number, name, "done") for number, name in enumerate(names)]
    assert {name.rpartition("/")[2] for name in await archive(api, batch)} >= set(names)
    assert pool.clips == ["Words."] * 4
    page = (await api.client.get(batch["links"]["items"], params={"gender": "male"})).json()["data"]
    assert [(item["voice"], item["locale"]) for item in page] == [(first, "en-GB"), (second, "en-GB")] * 2


async def test_cloned_voices_and_avatars_speak_together(api: Any, pool: Pool) -> None:
    voice = cloned(api)
    batch = (await api.client.post(PATH, json=of_voices(voice, locales=["en-US"]))).json()
    assert (await ended(api, batch))["counts"]["done"] == 6
    assert sorted({spoken.partition(" ")[0] for spoken in pool.spoken}) == [
        "female_en-US",
        "male_en-US",
        voice,
    ]


async def test_cloned_voice_needs_its_place_in_the_template(api: Any) -> None:
    body = of_voices(cloned(api), template="{post}_{gender}_{locale}")
    answer = await api.client.post(PATH, json=body)
    assert answer.status_code == 400
    assert "nameTemplate needs {voice}" in answer.json()["error"]["message"]


async def test_cloned_voice_of_another_tenant_is_like_an_unknown_one(api: Any) -> None:
    foreign, unknown = cloned(api, "hotel"), "voice_" + "0" * 24
    said = []
    for voice in (foreign, unknown):
        answer = await api.client.post(PATH, json=of_voices(voice))
        assert answer.status_code == 400
        said.append(answer.json()["error"]["message"].replace(voice, "ID"))
    assert said[0] == said[1]
    assert "There is no voice" in said[0]


async def test_cloned_voice_that_is_revoked_ends_its_items(api: Any, pool: Pool, until: Any) -> None:
    kept, revoked = cloned(api), cloned(api)
    body = {**of_voices(kept, revoked), "parallelism": 1}
    pool.gate.clear()
    batch = (await api.client.post(PATH, json=body)).json()
    await until(lambda: pool.asked)
    assert (await api.client.delete(f"/v1/voices/{revoked}")).status_code == 204
    pool.gate.set()
    whole = await ended(api, batch)
    assert whole["status"] == "partially_failed"
    failed = (await api.client.get(batch["links"]["items"], params={"status": "failed"})).json()["data"]
    reasons = {(item["voice"], item["reason"], "was revoked" in item["message"]) for item in failed}
    assert reasons == {(revoked, "VoiceRevoked", True)}
    assert {spoken.partition(" ")[0] for spoken in pool.spoken} >= {kept}
    again = await api.client.post(PATH, json=of_voices(revoked))
    assert "was revoked" in again.json()["error"]["message"]
