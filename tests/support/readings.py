"""Tables of texts and how they are read: a row is `text => words`, the words maybe on a line of their own."""

from collections.abc import Iterator


def rows_of(table: str) -> Iterator[tuple[str, str]]:
    """Yield the text and the words of each row; lines without an arrow are headings."""
    for row in table.replace("\n    =>", " =>").splitlines():
        text, arrow, words = row.partition(" => ")
        if arrow:
            yield text, words


def without_marks(words: str) -> str:
    """Return words without their marks."""
    return " ".join(words.translate(str.maketrans(".,;:?!", "      ")).split())
