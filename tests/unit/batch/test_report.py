"""What a batch leaves beside its audio: true, whole, and the same for the same audio."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tts_app.batch.hashes import text_mac
from tts_app.batch.ledger import Done, Failed, Ledger
from tts_app.batch.outcome import Outcome, Progress, State
from tts_app.batch.plan import Item, Plan
from tts_app.batch.report import ARCHIVE, KEPT_ASIDE, MANIFEST, SUMMARY, archive_blocks, write_report
from tts_app.storage.output import Output, open_output

MakePlan = Callable[..., Plan]
KEY = b"k" * 32
POSTS = [{"id": post, "text": {"en": f"Hello {post}.", "es": f"Hola {post}, ¿qué tal?"}} for post in (7, 1)]


def audio(item: Item) -> bytes:
    return item.file.encode() * 3


def done(item: Item) -> Done:
    return Done(
        file=item.file,
        key=item.key,
        sha256=hashlib.sha256(audio(item)).hexdigest(),
        bytes=len(audio(item)),
        seconds=1.25,
        post=item.post,
        avatar=item.voice.id,
        model=item.voice.model,
        text_hmac=text_mac(KEY, item.text),
    )


def rendered(
    output: Output,
    plan: Plan,
    items: list[Item] | None = None,
    archive: bool = True,
    state: State = "Succeeded",
    **progress: Any,
) -> None:
    """Do what a driver does with these items, and write the report."""
    ledger = Ledger(output, plan)
    ledger.load()
    made = list(plan) if items is None else items
    for item in made:
        output.put(item.file, audio(item))
        ledger.commit([done(item)])
    reported = Progress(plan.total, done=len(made), **progress)
    write_report(output, ledger, Outcome(state, reported), "welcome", plan.aside, archive)
    ledger.close()


def manifest(output: Output) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.read(MANIFEST).splitlines()]


def members(output: Output) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(output.read(ARCHIVE))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_manifest_has_a_line_per_file_in_plan_order(output: Output, make_plan: MakePlan) -> None:
    plan = make_plan(POSTS)
    rendered(output, plan, items=list(plan)[::-1])
    assert [line["file"] for line in manifest(output)] == [item.file for item in plan]
    first, item = manifest(output)[0], next(iter(plan))
    assert first == {
        "file": "post_07_female_en-US.mp3",
        "key": item.key,
        "sha256": hashlib.sha256(audio(item)).hexdigest(),
        "bytes": len(audio(item)),
        "seconds": 1.25,
        "post": 7,
        "avatar": "female_en-US",
        "model": "kokoro",
        "text_hmac": text_mac(KEY, "Hello 7."),
    }


def test_summary_counts_what_is_there(output: Output, make_plan: MakePlan) -> None:
    plan = make_plan(POSTS)
    items = list(plan)
    failure = {"post": 1, "avatar": "male_es-ES", "reason": "EngineRefused", "message": "‘why’? \x00 \udcff"}
    rendered(output, plan, items[:-1], state="PartiallyFailed", failed=1, skipped=2, failures=[failure])
    assert json.loads(output.read(SUMMARY)) == {
        "job": "welcome",
        "outcome": "PartiallyFailed",
        "total": 8,
        "done": 7,
        "failed": 1,
        "skipped": 2,
        "seconds": 8.75,
        "bytes": sum(len(audio(item)) for item in items[:-1]),
        "avatars": {
            "female_en-US": {"files": 2, "seconds": 2.5},
            "female_es-ES": {"files": 2, "seconds": 2.5},
            "male_en-US": {"files": 2, "seconds": 2.5},
            "male_es-ES": {"files": 1, "seconds": 1.25},
        },
        "failures": [failure],
    }


def test_archive_holds_the_audio_and_the_manifest(output: Output, make_plan: MakePlan) -> None:
    plan = make_plan(POSTS)
    rendered(output, plan)
    found = members(output)
    assert list(found) == [*(item.file for item in plan), MANIFEST]
    assert all(found[item.file] == audio(item) for item in plan)
    assert found[MANIFEST] == output.read(MANIFEST)


def test_write_report_writes_an_archive_only_on_request(output: Output, make_plan: MakePlan) -> None:
    rendered(output, make_plan(POSTS), archive=False)
    assert {MANIFEST, SUMMARY} == {name for name, _ in output.sizes() if not name.startswith("post_")}


def test_write_report_is_the_same_for_the_same_audio(make_plan: MakePlan, tmp_path: Path) -> None:
    """In whatever order it was made, in one run or in several."""
    plan = make_plan(POSTS)
    items = list(plan)
    outputs = [open_output(str(tmp_path / name)) for name in ("once", "backwards", "twice")]
    for output in outputs:
        output.prepare()
    once, backwards, twice = outputs
    rendered(once, plan)
    rendered(backwards, plan, items[::-1])
    rendered(twice, plan, items[3:5], state="PartiallyFailed")
    rendered(twice, plan, [*items[:3], *items[5:]])
    for name in (MANIFEST, ARCHIVE, SUMMARY):
        wanted = once.read(name)
        assert backwards.read(name) == wanted, name
        assert name == SUMMARY or twice.read(name) == wanted, name


def test_archive_files_are_readable_when_unpacked(output: Output, make_plan: MakePlan) -> None:
    rendered(output, make_plan(POSTS))
    with zipfile.ZipFile(io.BytesIO(output.read(ARCHIVE))) as archive:
        assert all(info.external_attr >> 16 & 0o400 for info in archive.infolist())


def test_write_report_is_empty_and_whole_when_nothing_is_done(output: Output, make_plan: MakePlan) -> None:
    rendered(output, make_plan(POSTS), items=[], state="Failed", failed=8)
    assert manifest(output) == []
    assert members(output) == {MANIFEST: b""}
    summary = json.loads(output.read(SUMMARY))
    assert (summary["outcome"], summary["seconds"], summary["bytes"]) == ("Failed", 0, 0)


def test_write_report_leaves_out_removed_files(output: Output, make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan(POSTS)
    items = list(plan)
    rendered(output, plan)
    output.put(items[0].file, b"cut off")
    output.put(items[1].file, b"")
    rendered(output, plan, items[2:3], state="Failed")
    assert [line["file"] for line in manifest(output)] == [item.file for item in items[2:]]
    assert set(members(output)) == {MANIFEST, *(item.file for item in items[2:])}


def test_manifest_leaves_out_items_that_failed_last(output: Output, make_plan: MakePlan) -> None:
    plan = make_plan(POSTS)
    item = next(iter(plan))
    rendered(output, plan)
    ledger = Ledger(output, plan)
    ledger.load()
    failed = Failed(item.file, item.key, item.post, item.voice.id, "WorkerDied", "It died.", "welcome")
    ledger.commit([failed])
    write_report(
        output, ledger, Outcome("PartiallyFailed", Progress(plan.total)), "welcome", plan.aside, False
    )
    assert item.file not in [line["file"] for line in manifest(output)]


def test_write_report_of_a_smaller_job_has_only_its_files(output: Output, make_plan: MakePlan) -> None:
    rendered(output, make_plan(POSTS))
    small = make_plan(POSTS[:1], avatars={"locales": ["es-ES"]})
    rendered(output, small, items=[])
    assert [line["file"] for line in manifest(output)] == [
        "post_07_female_es-ES.mp3",
        "post_07_male_es-ES.mp3",
    ]


def test_fields_that_were_kept_aside_are_in_the_output_by_post(
    output: Output, make_plan: MakePlan, tmp_path: Path
) -> None:
    table = tmp_path / "posts.csv"
    table.write_text("id;en;es;url\n7;Hello.;Hola.;https://x.example\n8;Bye.;Adiós.;\n", encoding="utf-8")
    rendered(output, make_plan(uri=table.as_uri()))
    lines = output.read(KEPT_ASIDE).splitlines()
    assert [json.loads(line) for line in lines] == [{"post": 7, "fields": {"url": "https://x.example"}}]
    assert json.loads(output.read(SUMMARY))["kept_aside"] == ["url"]


def test_posts_without_other_fields_have_nothing_kept_aside(output: Output, make_plan: MakePlan) -> None:
    rendered(output, make_plan(POSTS))
    assert "kept_aside" not in json.loads(output.read(SUMMARY))
    with pytest.raises(FileNotFoundError):
        output.read(KEPT_ASIDE)


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (3 << 20) + 1])
def test_archive_holds_audio_of_any_size(make_plan: MakePlan, tmp_path: Path, size: int) -> None:
    plan = make_plan(POSTS[:1], avatars={"locales": ["en-US"], "genders": ["male"]})
    (item,) = plan
    output = open_output(str(tmp_path / "out"))
    output.prepare()
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    output.put(item.file, content)
    ledger = Ledger(output, plan)
    record = {name: getattr(done(item), name) for name in Done.__dataclass_fields__}
    ledger.commit([Done(**record | {"bytes": size, "sha256": hashlib.sha256(content).hexdigest()})])
    write_report(output, ledger, Outcome("Succeeded", Progress(1, done=1)), "welcome", plan.aside, True)
    assert members(output)[item.file] == content


def test_archive_names_a_damaged_file_and_does_not_have_it(output: Output, make_plan: MakePlan) -> None:
    plan = make_plan(POSTS)
    first, *others = plan
    rendered(output, plan, archive=False)
    output.put(first.file, b"X" + audio(first)[1:])
    ledger = Ledger(output, plan)
    with zipfile.ZipFile(io.BytesIO(b"".join(archive_blocks(output, ledger.finished())))) as archive:
        assert archive.namelist() == [*(item.file for item in others), MANIFEST, "damaged.txt"]
        assert archive.read("damaged.txt").decode() == f"{first.file}\n"
        listed = [json.loads(line)["file"] for line in archive.read(MANIFEST).splitlines()]
    assert listed == [item.file for item in others]
