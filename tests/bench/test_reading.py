"""The comparison with a peer's pairs: what counts as the same reading, and what is written of it."""

from pathlib import Path

import pytest
import reading
from argued import Argued
from reading import BEGIN, END, Count, Pair, files_of, fold, is_argued, put, read_pairs, same, table, words


@pytest.mark.parametrize(
    ("ours", "theirs", "language"),
    [
        ("One hundred and five.", "one hundred five", "en"),
        ("ten A M", "ten am", "en"),
        ("cinco euros con diez céntimos", "cinco euros diez céntimos", "es"),
        ("سَبْعَةٌ", "سبعة", "ar"),
        ("مائة وأحد", "مئه واحد", "ar"),
        ("पाँच रुपए", "पांच रुपये", "hi"),
        ("well-known", "well known", "en"),
    ],
)
def test_readings_of_the_same_words_agree(ours: str, theirs: str, language: str) -> None:
    assert same(ours, theirs, language)


@pytest.mark.parametrize(
    ("ours", "theirs", "language"),
    [
        ("one hundred and five", "one hundred four", "en"),
        ("cinco y diez", "cinco diez once", "es"),
        ("a la una", "a las una", "es"),
        ("one and two", "one und two", "en"),
        ("de diez", "diez", "es"),
    ],
)
def test_readings_of_other_words_do_not(ours: str, theirs: str, language: str) -> None:
    assert not same(ours, theirs, language)


def test_only_a_language_s_own_words_are_at_will() -> None:
    assert words("uno and dos", "es") == ["uno", "and", "dos"]
    assert words("one y two", "en") == ["one", "y", "two"]


def test_fold_leaves_words_alone() -> None:
    assert fold("¡Qué  niño! (sí)") == "qué niño sí"


def test_read_pairs_takes_every_reading_of_a_line() -> None:
    lines = ["7~siete", "", "~", "8 ~ ocho ~ ocho cosas", "9~"]
    assert list(read_pairs(lines)) == [Pair("7", ("siete",)), Pair("8", ("ocho", "ocho cosas"))]


def test_files_of_finds_the_languages_that_we_have(tmp_path: Path) -> None:
    for name in ("en/date.txt", "en/money.txt", "es/date.txt", "xx/date.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("", encoding="utf-8")
    found = [f"{path.parent.name}/{path.name}" for path in files_of(tmp_path)]
    assert found == ["en/date.txt", "en/money.txt", "es/date.txt"]
    assert [path.name for path in files_of(tmp_path, "es")] == ["date.txt"]


def test_a_rule_covers_the_pairs_of_its_kind() -> None:
    rules = [Argued("es", "time", "why", written=r"\bEST$", spoken="e s t")]
    assert is_argued(rules, "es", "time", Pair("5:02 EST", ("x", "cinco y dos e s t")))
    assert not is_argued(rules, "es", "time", Pair("5:02 EST", ("cinco y dos",)))
    assert not is_argued(rules, "es", "date", Pair("5:02 EST", ("e s t",)))
    assert not is_argued(rules, "en", "time", Pair("5:02 EST", ("e s t",)))


def test_compare_counts_what_agrees_and_shows_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "es").mkdir()
    (tmp_path / "es" / "cardinal.txt").write_text("7~siete\n8~eight\n9~neuf\n", encoding="utf-8")
    monkeypatch.setattr(reading, "ARGUED", (Argued("es", "cardinal", "why", spoken="neuf"),))
    shown: list[str] = []
    counts = reading.compare(files_of(tmp_path), shown.append)
    assert counts == {("es", "cardinal"): Count(3, 1, 1)}
    assert len(shown) == 1
    assert "eight" in shown[0]


def test_table_tells_classes_languages_and_all() -> None:
    lines = table({("en", "date"): Count(10, 7, 2), ("es", "time"): Count(4, 4)}).splitlines()
    assert "| en | date | 10 | 70% | 2 | 88% |" in lines
    assert "| es | **all** | 4 | 100% |  | 100% |" in lines
    assert "| **all** |  | 14 | 79% | 2 | 92% |" in lines


def test_put_replaces_what_is_between_the_markers() -> None:
    assert put("new", f"a\n{BEGIN}\nold\n{END}\nb") == f"a\n{BEGIN}\n\nnew\n\n{END}\nb"
    with pytest.raises(ValueError, match="no <!--"):
        put("new", "a page")


def test_without_pairs_it_says_where_some_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["reading.py"])
    assert reading.main() == 0
    assert "NeMo-text-processing" in capsys.readouterr().out


def test_a_folder_without_pairs_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["reading.py", str(tmp_path)])
    assert reading.main() == 1
    assert "<language>/<class>.txt" in capsys.readouterr().err
