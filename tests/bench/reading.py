"""Compare how texts are read with a peer's pairs, and write the agreement into docs/reading.md.

Without pairs it says where some are published.
"""

import argparse
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import regex
from argued import ARGUED, Argued
from tables import section

from tts_app.language import front_end

PAGE = Path(__file__).parents[2] / "docs" / "reading.md"
BEGIN = "<!-- Written by `make bench-reading` from here ... -->"
END = "<!-- ... to here. -->"
WHERE = (
    "No pairs to compare with. NVIDIA publishes some with NeMo-text-processing (GitHub, Apache-2.0), in its "
    "folder\ntests/nemo_text_processing: lines of written~spoken. Put them into <language>/<class>.txt and "
    "run\n  make bench-reading PAIRS=FOLDER"
)
LOCALES = {"en": "en-US", "es": "es-ES", "hi": "hi-IN", "ar": "ar-SA"}
AT_WILL = {"en": frozenset({"and"}), "es": frozenset({"y", "con"})}
"""Words that are said or left out: `one hundred (and) five`, `cinco euros (con) diez céntimos`."""
SPELLINGS = {
    "آ": "ا",
    "أ": "ا",
    "إ": "ا",
    "ة": "ه",
    "مائ": "مئ",
    "ثمان مئه": "ثمانيمئه",
    "रुपए": "रुपये",
    "छः": "छह",
    "नबे": "नवे",
}
"""Spellings that writers use at will, with one for both."""
_OPTIONAL_MARKS = regex.compile(r"[\u064b-\u0652\u0670\u0640\u200b-\u200f\u2066-\u2069]")
_NUQTA, _CHANDRABINDU, _ANUSVARA = "\u093c", "\u0901", "\u0902"


@dataclass(frozen=True)
class Pair:
    """A line of a peer's data."""

    written: str
    spoken: tuple[str, ...]
    """The readings that the peer allows."""


@dataclass
class Count:
    """How many pairs of a class there are, agree, and disagree for a reason."""

    pairs: int = 0
    agree: int = 0
    argued: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.pairs + other.pairs, self.agree + other.agree, self.argued + other.argued)


Counts = Mapping[tuple[str, str], Count]
"""By language and class."""


def main() -> int:
    """Compare, write the page, return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("pairs", type=Path, nargs="?", help="the folder: <language>/<class>.txt")
    parser.add_argument("--language", choices=LOCALES, help="only this one; the page is not written")
    parser.add_argument("--show", action="store_true", help="print what neither agrees nor is argued")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page to write")
    options = parser.parse_args()
    if options.pairs is None:
        print(WHERE)
        return 0
    files = files_of(options.pairs, options.language)
    if not files:
        known = ", ".join(LOCALES)
        print(f"{options.pairs} holds no <language>/<class>.txt with a language of {known}.", file=sys.stderr)
        return 1
    counts = compare(files, show=print if options.show else None)
    written = table(counts)
    print(written)
    if not options.language:
        options.page.write_text(put(written, options.page.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def files_of(folder: Path, language: str | None = None) -> list[Path]:
    """Return the files of pairs of one language, or of all that we know."""
    languages = [language] if language else list(LOCALES)
    return [path for name in languages for path in sorted((folder / name).glob("*.txt"))]


def read_pairs(lines: Iterable[str]) -> Iterator[Pair]:
    """Yield the pairs of a file; a line without a reading is none."""
    for line in lines:
        written, *spoken = (part.strip() for part in line.split("~"))
        readings = tuple(filter(None, spoken))
        if readings:
            yield Pair(written, readings)


def compare(files: Sequence[Path], show: Callable[[str], object] | None = None) -> Counts:
    """Read every pair's text and count by language and class; `show` gets what is left to do."""
    counts: dict[tuple[str, str], Count] = defaultdict(Count)
    for path in files:
        language, kind = path.parent.name, path.stem
        normalise = front_end(LOCALES[language]).normalise
        for pair in read_pairs(path.read_text(encoding="utf-8").splitlines()):
            said = normalise(pair.written)
            agrees = any(same(said, spoken, language) for spoken in pair.spoken)
            argued = not agrees and is_argued(ARGUED, language, kind, pair)
            counts[language, kind] += Count(1, agrees, argued)
            if show and not agrees and not argued:
                show(f"{language} {kind}: {pair.written!r} is read {said!r}, by the peer {pair.spoken}")
    return counts


def is_argued(rules: Iterable[Argued], language: str, kind: str, pair: Pair) -> bool:
    """Return whether a rule says why we differ from the pair."""
    return any(rule.covers(language, kind, pair.written, spoken) for rule in rules for spoken in pair.spoken)


def same(ours: str, theirs: str, language: str) -> bool:
    """Return whether two readings are the same words."""
    return words(ours, language) == words(theirs, language)


def words(said: str, language: str) -> list[str]:
    """Return the words that count; letters that are spelled one by one are one word (`a m`, `am`)."""
    out: list[str] = []
    spelling = False
    for word in fold(said).split():
        if word in AT_WILL.get(language, ()):
            continue
        letter = len(word) == 1 and word.isascii() and word.isalpha()
        if letter and spelling:
            out[-1] += word
        else:
            out.append(word)
        spelling = letter
    return out


def fold(said: str) -> str:
    """Return a text without case, marks, and spellings that are at will."""
    text = _hindi(unicodedata.normalize("NFC", said.casefold()))
    text = _OPTIONAL_MARKS.sub("", text)
    text = "".join(" " if unicodedata.category(char)[0] in "PSZC" else char for char in text)
    for spelling, other in SPELLINGS.items():
        text = text.replace(_hindi(spelling), _hindi(other))
    return " ".join(text.split())


def _hindi(text: str) -> str:
    """Return the text without nuqta, and with one sign for a nasal vowel."""
    parts = unicodedata.normalize("NFD", text).replace(_NUQTA, "").replace(_CHANDRABINDU, _ANUSVARA)
    return unicodedata.normalize("NFC", parts)


def table(counts: Counts) -> str:
    """Return the agreement by language and class as a table, and what was argued and why."""
    rows = [["Language", "Class", "Pairs", "Agree", "Argued", "Of the rest"]]
    for language in dict.fromkeys(language for language, _ in counts):
        own = {kind: count for (other, kind), count in counts.items() if other == language}
        rows += [_row(language, kind, count) for kind, count in own.items()]
        rows.append(_row(language, "**all**", sum(own.values(), Count())))
    rows.append(_row("**all**", "", sum(counts.values(), Count())))
    reasons = [["Language", "Class", "What we do, and why"]]
    reasons += [
        [rule.language, rule.kind, rule.why] for rule in ARGUED if (rule.language, rule.kind) in counts
    ]
    tables = [section("", rows), section("", reasons)]
    return "\n\n".join(part.removeprefix("## ").strip() for part in tables if part)


def _row(language: str, kind: str, count: Count) -> list[str]:
    rest = count.pairs - count.argued
    return [
        *(language, kind, str(count.pairs), _share(count.agree, count.pairs)),
        *(str(count.argued or ""), _share(count.agree, rest)),
    ]


def _share(some: int, of: int) -> str:
    return f"{some / of:.0%}" if of else ""


def put(written: str, page: str) -> str:
    """Return the page with `written` between its markers.

    Raises:
        ValueError: it has no markers.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"The page has no {BEGIN} with {END} after it.")
    return f"{before}{BEGIN}\n\n{written}\n\n{END}{after}"


if __name__ == "__main__":
    sys.exit(main())
