"""The ledger: of what a killed driver or a changed job left, nothing is lost and nothing is believed."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tts_app.batch.ledger import Done, Failed, Ledger
from tts_app.batch.plan import Item, Plan
from tts_app.storage.output import Output, open_output

MakePlan = Callable[..., Plan]
POSTS = [{"id": post, "text": {"en": f"Hello {post}.", "es": f"Hola {post}."}} for post in (3, 1, 2)]


@pytest.fixture
def plan(make_plan: MakePlan) -> Plan:
    return make_plan(POSTS)


@pytest.fixture
def folder(tmp_path: Path) -> Output:
    made = open_output(str(tmp_path / "out"))
    made.prepare()
    return made


def audio(item: Item) -> bytes:
    return f"audio of {item.text} by {item.voice.id}".encode()


def done(item: Item, **changes: Any) -> Done:
    record: dict[str, Any] = {
        "file": item.file,
        "key": item.key,
        "sha256": "0" * 64,
        "bytes": len(audio(item)),
        "seconds": 1.5,
        "post": item.post,
        "avatar": item.voice.id,
        "model": item.voice.model,
        "text_hmac": "hmac:0",
    }
    return Done(**record | changes)


def failed(item: Item, **changes: Any) -> Failed:
    record: dict[str, Any] = {
        "file": item.file,
        "key": item.key,
        "post": item.post,
        "avatar": item.voice.id,
        "reason": "EngineRefused",
        "message": "It refused: ‘why’?",
        "job": "welcome",
    }
    return Failed(**record | changes)


def run(output: Output, plan: Plan, *records: Done | Failed, items: list[Item] | None = None) -> None:
    """Do what a driver does: the audio, then its record, and the end of the segment."""
    for item in plan if items is None else items:
        output.put(item.file, audio(item))
    ledger = Ledger(output, plan)
    ledger.load()
    for record in records or [done(item) for item in plan]:
        ledger.commit([record])
    ledger.close()


def load(output: Output, plan: Plan) -> Ledger:
    ledger = Ledger(output, plan)
    ledger.load()
    return ledger


def have(output: Output, plan: Plan) -> list[bool]:
    """Whether each item is done, in the plan's order."""
    ledger = load(output, plan)
    return [ledger.has(item) for item in plan]


def manifest(output: Output, plan: Plan) -> list[str]:
    return [record["file"] for _, record in load(output, plan).finished()]


def test_ledger_of_an_empty_output_has_nothing(output: Output, plan: Plan) -> None:
    assert not any(have(output, plan))
    assert manifest(output, plan) == []


def test_ledger_knows_what_an_earlier_driver_has_done(output: Output, plan: Plan) -> None:
    first, second, *others = plan
    run(output, plan, done(first), failed(second), items=[first])
    ledger = load(output, plan)
    assert ledger.has(first)
    assert not ledger.has(second)
    assert ledger.failure(first) is None
    assert ledger.failure(second) == failed(second)
    assert not any(ledger.has(item) or ledger.failure(item) for item in others)


def test_ledger_finished_is_in_plan_order_and_has_new_commits(output: Output, plan: Plan) -> None:
    items = list(plan)
    for item in items:
        output.put(item.file, audio(item))
    ledger = load(output, plan)
    for item in reversed(items):
        ledger.commit([done(item)])
    found = list(ledger.finished())
    assert [record for _, record in found] == [json.loads(line) for line, _ in found]
    assert [record["file"] for _, record in found] == [item.file for item in items]
    ledger.close()
    assert manifest(output, plan) == [item.file for item in items]


def test_ledger_commits_many_records_at_once(output: Output, plan: Plan) -> None:
    ledger = load(output, plan)
    for item in plan:
        output.put(item.file, audio(item))
    ledger.commit([done(item) for item in plan])
    assert all(have(output, plan))  # before the segment has ended: this is where a driver may be killed


def test_ledger_believes_the_last_record(output: Output, plan: Plan) -> None:
    item = next(iter(plan))
    words: list[tuple[Done | Failed, bool]] = [
        (failed(item), False),
        (done(item), True),
        (failed(item), False),
        (done(item, bytes=1), False),
        (done(item), True),
        (done(item, key="1" * 64), False),
        (done(item), True),
    ]
    for record, is_done in words:
        run(output, plan, record, items=[item])
        assert have(output, plan)[0] is is_done
        assert (manifest(output, plan) == [item.file]) is is_done


def test_ledger_has_no_file_that_is_missing_or_of_another_size(
    output: Output, plan: Plan, tmp_path: Path
) -> None:
    items = list(plan)
    run(output, plan, *map(done, items), items=[*items[:3], *items[5:]])
    output.put(items[2].file, audio(items[2]) + b"x")
    output.put(items[0].file, b"")
    expected = [number not in (0, 2, 3, 4) for number in range(len(items))]
    assert have(output, plan) == expected
    assert manifest(output, plan) == [
        item.file for item, is_done in zip(items, expected, strict=True) if is_done
    ]


def test_ledger_counts_only_valid_files(output: Output, make_plan: MakePlan) -> None:
    """Records of other texts, files that are missing or cut off, posts without a text: of them none is."""
    posts = [*POSTS, {"id": 4, "text": {"es": "Solo."}}]
    plan = make_plan(posts, onMissingText="skip")
    assert load(output, plan).count() == 0
    items = list(plan)
    records = [failed(items[0]), failed(items[1], job="other"), done(items[2], key="1" * 64)]
    run(output, plan, *records, *map(done, items[3:]), items=items[:12])
    output.put(items[5].file, b"cut off")
    ledger = load(output, plan)
    assert ledger.count() == sum(map(ledger.has, items)) == 8
    assert ledger.failures("welcome") == [failed(items[0])]
    assert ledger.failures("other") == [failed(items[1], job="other")]
    changed = make_plan([{"id": 3, "text": {"en": "Hello 3!", "es": "Hola 3."}}])
    assert load(output, changed).failures("welcome") == []


def test_ledger_ignores_files_whose_names_are_not_utf_8(folder: Output, plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "out" / os.fsdecode(b"caf\xe9.mp3")).write_bytes(b"x")
    run(folder, plan)
    assert all(have(folder, plan))
    assert manifest(folder, plan) == [item.file for item in plan]


def test_ledger_has_no_file_without_a_record(output: Output, plan: Plan) -> None:
    """A driver died between the two: the audio may be of another text."""
    for item in plan:
        output.put(item.file, audio(item))
    assert not any(have(output, plan))


def test_ledger_has_no_file_of_a_changed_text(output: Output, make_plan: MakePlan) -> None:
    run(output, make_plan(POSTS))
    changed = [dict(post) for post in POSTS]
    changed[1] = {"id": 1, "text": {"en": "Hello 1!", "es": "Hola 1."}}
    plan = make_plan(changed)
    items = list(plan)
    ledger = load(output, plan)
    assert [item.file for item in items if not ledger.has(item)] == [
        "post_01_female_en-US.mp3",
        "post_01_male_en-US.mp3",
    ]


def test_ledger_forgets_a_failure_of_another_text(output: Output, make_plan: MakePlan) -> None:
    before = make_plan(POSTS)
    run(output, before, *map(failed, before), items=[])
    after = make_plan([{"id": 3, "text": {"en": "Hello 3!", "es": "Hola 3."}}])
    ledger = load(output, after)
    assert [ledger.failure(item) is not None for item in after] == [False, False, True, True]


def test_ledger_has_no_file_of_a_text_changed_and_changed_back(output: Output, make_plan: MakePlan) -> None:
    """The file holds the audio of the text between: the manifest must not tell that it is the first one's."""
    first, second = make_plan(POSTS), make_plan([{"id": 3, "text": {"en": "Bye.", "es": "Adiós."}}])
    run(output, first)
    run(output, second)
    assert have(output, first) == [False] * 4 + [True] * 8
    assert len(manifest(output, first)) == 8


def test_ledger_finds_posts_in_another_order_with_new_ones_between(
    output: Output, make_plan: MakePlan
) -> None:
    run(output, make_plan(POSTS))
    more = [POSTS[2], {"id": 9, "text": {"en": "New.", "es": "Nuevo."}}, POSTS[0], POSTS[1]]
    assert have(output, make_plan(more)) == [True] * 4 + [False] * 4 + [True] * 8


def test_ledger_finds_files_of_fewer_posts_and_avatars(output: Output, make_plan: MakePlan) -> None:
    run(output, make_plan(POSTS))
    plan = make_plan(POSTS[:1], avatars={"locales": ["es-ES"], "genders": ["male"]})
    assert have(output, plan) == [True]
    assert manifest(output, plan) == ["post_03_male_es-ES.mp3"]


def test_ledger_has_no_file_under_another_name_template(output: Output, make_plan: MakePlan) -> None:
    """The audio is there, but not under the names that are asked for now."""
    before = make_plan(POSTS)
    run(output, before)
    plan = make_plan(POSTS, output={"nameTemplate": "{gender}_{locale}_{post}"})
    assert not any(have(output, plan))
    assert manifest(output, plan) == []
    run(output, plan)
    assert all(have(output, plan))
    assert all(have(output, before))


def test_ledger_keeps_two_formats_in_one_folder(output: Output, make_plan: MakePlan) -> None:
    plans = [make_plan(POSTS, output={"format": form}) for form in ("mp3", "opus")]
    for plan in plans:
        run(output, plan)
    for plan, extension in zip(plans, (".mp3", ".opus"), strict=True):
        assert all(have(output, plan))
        assert all(name.endswith(extension) for name in manifest(output, plan))


def test_ledger_failure_in_one_format_is_none_in_the_other(output: Output, make_plan: MakePlan) -> None:
    mp3, opus = (make_plan(POSTS, output={"format": form}) for form in ("mp3", "opus"))
    run(output, mp3)
    run(output, opus, *map(failed, opus), items=[])
    assert all(have(output, mp3))


# What a driver that was killed leaves


def test_ledger_survives_a_last_line_torn_at_any_byte(folder: Output, plan: Plan, tmp_path: Path) -> None:
    first, second, third, *_ = plan
    run(folder, plan, done(first), done(second), failed(third), items=[first, second])
    path = tmp_path / "out" / ".ttsp" / "ledger" / "00000001.jsonl"
    whole = path.read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
    assert len(ends) == 3
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        ledger = load(folder, plan)
        lines = sum(length >= end for end in ends)
        assert [ledger.has(first), ledger.has(second)] == [lines >= 1, lines >= 2]
        assert (ledger.failure(third) is not None) is (lines == 3)
        assert len(list(ledger.finished())) == min(lines, 2)


@pytest.mark.parametrize("length", [1, 40, -1])
def test_ledger_reads_segments_after_a_torn_line(output: Output, plan: Plan, length: int) -> None:
    first, second, *_ = plan
    run(output, plan, done(first), items=[first, second])
    output.put(".ttsp/ledger/00000002.jsonl", _line(done(second))[:length])
    run(output, plan, done(second), items=[])
    assert have(output, plan)[:2] == [True, True]


def _line(record: Done | Failed) -> bytes:
    return json.dumps({name: getattr(record, name) for name in record.__dataclass_fields__}).encode() + b"\n"


GARBAGE: dict[str, bytes] = {
    "empty": b"\n",
    "spaces": b"   \n",
    "zeros": bytes(4096) + b"\n",
    "not-utf-8": b"\xff\xfe\xfd\n",
    "half": b'{"file": "post_03_fem\n',
    "two-in-one": b'{"file":"a"}{"file":"b"}\n',
    "list": b"[1, 2]\n",
    "number": b"7\n",
    "null": b"null\n",
    "deep": b"[" * 200_000 + b"\n",
    "other-fields": b'{"a": 1}\n',
    "long-number": b"9" * 5000 + b"\n",
    "carriage-returns": b"\r\r\r\n",
}
CHANGES: list[dict[str, Any]] = [
    {"post": [3]},
    {"post": {"a": 1}},
    {"post": "3"},
    {"post": None},
    {"avatar": []},
    {"key": "not hexadecimal"},
    {"key": ""},
    {"key": 5},
    {"key": None},
    {"bytes": None},
    {"bytes": "many"},
    {"file": 5},
    {"file": None},
]


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
def test_ledger_ignores_garbage_between_records(output: Output, plan: Plan, garbage: bytes) -> None:
    first, second, *_ = plan
    for item in (first, second):
        output.put(item.file, audio(item))
    output.put(".ttsp/ledger/00000001.jsonl", _line(done(first)) + garbage + _line(done(second)))
    assert have(output, plan)[:2] == [True, True]
    assert manifest(output, plan) == [first.file, second.file]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_ledger_ignores_an_edited_record(folder: Output, plan: Plan, change: dict[str, Any]) -> None:
    first, second, *_ = plan
    for item in (first, second):
        folder.put(item.file, audio(item))
    edited = _line(done(first, **change))
    folder.put(".ttsp/ledger/00000001.jsonl", edited + _line(done(second)))
    assert have(folder, plan)[:2] == [False, True]
    assert manifest(folder, plan) == [second.file]


@pytest.mark.parametrize(
    "change",
    [{"post": 77}, {"post": -1}, {"avatar": "female_ur-PK"}, {"avatar": ""}, {"post": 10**30}],
    ids=str,
)
@pytest.mark.parametrize("kind", [done, failed])
def test_ledger_ignores_records_outside_the_plan(
    folder: Output, plan: Plan, change: dict[str, Any], kind: Callable[..., Done | Failed]
) -> None:
    run(folder, plan)
    run(folder, plan, kind(next(iter(plan)), **change), items=[])
    assert all(have(folder, plan))
    assert len(manifest(folder, plan)) == 12


def test_ledger_keeps_messages_of_any_characters(output: Output, plan: Plan) -> None:
    item = next(iter(plan))
    message = "line\nline\r\nline \u2028 \x00 \x85 \udcff أهلا 😀 \\ \" '"
    run(output, plan, failed(item, message=message), items=[])
    found = load(output, plan).failure(item)
    assert found is not None
    assert found.message == message


def test_ledger_uses_the_secret_of_an_output_that_was_away_when_the_plan_was_made(
    output: Output, make_plan: MakePlan
) -> None:
    plan = make_plan(POSTS)
    secret = output.secret(make=True)
    assert plan.secret != secret
    before = list(plan.keys)
    ledger = Ledger(output, plan)
    ledger.key_hashes()
    assert plan.secret == secret
    assert all(now != then for now, then in zip(plan.keys, before, strict=True))
    item = next(iter(plan))
    output.put(item.file, audio(item))
    ledger.load()
    ledger.commit([done(item)])
    ledger.close()
    again = Ledger(output, plan)
    again.load()
    assert again.has(item)


def of_before(record: Done) -> bytes:
    """Return the line of a record as a version with plain hashes wrote it: with this one's MACs as hashes."""
    known = asdict(record)
    known["text_sha256"] = hashlib.sha256(known.pop("text_hmac").encode()).hexdigest()
    return json.dumps(known).encode() + b"\n"


@pytest.mark.parametrize("output", ["folder", "s3"], indirect=True)
def test_ledger_takes_records_with_plain_hashes_once_and_writes_them_anew(
    output: Output, make_plan: MakePlan
) -> None:
    plan = make_plan(POSTS)
    plain = {item.number: plain_key(plan, item) for item in plan}
    segment = output.new_segment()
    for item in plan:
        output.put(item.file, audio(item))
        segment.append([of_before(done(item, key=plain[item.number]))])
    segment.append([of_before(done(next(iter(plan)), post=99, file="of another plan", key="ab" * 32))])
    segment.close()
    unchanged = Ledger(output, plan)
    unchanged.load()
    assert unchanged.count() == plan.total
    assert b"text_sha256" in ledger_bytes(output), "who only looks changes nothing"
    ledger = Ledger(output, plan)
    ledger.key_hashes()
    ledger.load()
    assert all(ledger.has(item) for item in plan)
    now = ledger_bytes(output)
    assert now.count(b"text_hmac") == plan.total + 1
    for secret in (b"text_sha256", *(key.encode() for key in plain.values())):
        assert secret not in now
    ledger.key_hashes()
    assert ledger_bytes(output) == now
    ledger.commit([done(next(iter(plan)))])
    assert ledger_bytes(output).startswith(now)


def plain_key(plan: Plan, item: Item) -> str:
    """Return the item's key as a version with plain hashes had it."""
    seed = plan._seeds[[voice.id for voice in plan.voices].index(item.voice.id)].copy()
    seed.update(item.text.encode())
    return seed.hexdigest()


def ledger_bytes(output: Output) -> bytes:
    return b"".join(line for segment in output.segments() for line in segment)
