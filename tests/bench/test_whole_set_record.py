"""The record of the whole set outlives the machine that it was made on."""

from dataclasses import replace
from pathlib import Path

from whole_set_record import Examined, Record, Window, page, targets

WINDOW = Window("2026-11-26 07:37 UTC", "a CPU, 2 cores", 20, 300.0, 150.0, 2.0, 0.01, 1 << 20, 9 << 20)
GOOD = Examined("0123", {"female_en-US": 10.5, "male_ar-EG": 12.0}, 1000, [])


def met(record: Record) -> list[bool]:
    return [reached for *_, reached in targets(record)]


def test_record_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    assert Record.load(path) == Record()
    record = Record(
        [WINDOW, replace(WINDOW, others=0.5)], {10: replace(GOOD, faults=["a.mp3: missing"]), 2: GOOD}
    )
    record.save(path)
    assert Record.load(path) == record
    Record().save(path)
    assert Record.load(path) == Record()


def test_record_judges_speed_by_quiet_windows_only() -> None:
    slow = replace(WINDOW, audio=30.0, others=0.4)
    assert met(Record([WINDOW, slow], {1: GOOD})) == [True, True, True]
    assert met(Record([slow], {1: GOOD})) == [False, True, True]
    assert met(Record([replace(slow, others=0.0)], {1: GOOD})) == [False, True, True]


def test_record_misses_targets_by_growth_and_faults() -> None:
    grown = replace(WINDOW, workers=20 << 20)
    bad = replace(GOOD, faults=["post_01_female_en-US.mp3: it is silent"])
    assert met(Record([WINDOW, grown], {1: bad})) == [True, False, False]
    assert "- post_01_female_en-US.mp3: it is silent" in page(Record([WINDOW], {1: bad}), 1)


def test_record_page_shows_the_progress() -> None:
    record = Record([WINDOW], {1: GOOD, 2: GOOD})
    assert "2 posts, 4 files, 45 s of audio" in page(record, 100)
    assert "**Unfinished**: 2 of 100 posts" in page(record, 100)
    assert "Unfinished" not in page(record, 2)
    assert "| female_en-US | 2 | 21 |" in page(record, 2)
