"""Tables of the benchmark pages: pure."""

from collections.abc import Iterable, Sequence


def section(title: str, rows: Sequence[Sequence[str]], note: str = "") -> str:
    """Return a heading, what to know of it, and a table whose first row is its header; empty without more."""
    if len(rows) < 2:
        return ""
    header, *body = rows
    table = [_row(header), _row(["---"] * len(header)), *map(_row, body)]
    return "\n\n".join([f"## {title}", *([note] if note else []), "\n".join(table)])


def figure(value: float | None, digits: int = 2) -> str:
    """Return a number as the tables show it, with a comma for thousands; empty where there is none."""
    return "" if value is None else f"{value:,.{digits}f}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
