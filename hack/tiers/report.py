"""The report at the end of a run: which tiers failed, and how long each took."""

from collections.abc import Sequence

from tiers.run import Result
from tiers.table import TIERS


def failures(results: Sequence[Result], strict: bool) -> list[str]:
    """Return a line for each failed test and command; tiers that only prepare count only if `strict`.

    The last lines of a run are often all that is kept of it: they name the tests.
    """
    counted = [result for result in results if strict or not TIERS[result.tier].prepares]
    return [f"{result.tier}: {line}" for result in counted for line in (*result.failures, *result.failed)]


def table(results: Sequence[Result]) -> str:
    """Return the tiers as a Markdown table: minutes of wall-clock time and of processor time."""
    lines = ["| Tier | Result | Minutes | Processor minutes | Tests |", "|---|---|---|---|---|"]
    for result in results:
        word = "failed" if result.failed else "passed"
        cells = [result.tier, word, f"{result.wall / 60:.1f}", f"{result.cpu / 60:.1f}", result.tests]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
