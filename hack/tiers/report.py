"""What a run says at its end: which tiers failed, and what each cost."""

from collections.abc import Sequence

from tiers.run import Result
from tiers.table import TIERS


def failures(results: Sequence[Result], strict: bool) -> list[str]:
    """Return a line for each command that failed; a tier that prepares counts only where `strict`."""
    counted = [result for result in results if strict or not TIERS[result.tier].prepares]
    return [f"{result.tier}: {line}" for result in counted for line in result.failed]


def table(results: Sequence[Result]) -> str:
    """Return the tiers in a table of Markdown: minutes of the clock and of processor time."""
    lines = ["| Tier | Result | Minutes | Processor minutes | Tests |", "|---|---|---|---|---|"]
    for result in results:
        word = "failed" if result.failed else "passed"
        cells = [result.tier, word, f"{result.wall / 60:.1f}", f"{result.cpu / 60:.1f}", result.tests]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
