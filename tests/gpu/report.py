"""Lines of Markdown about what was measured, which are on the disk at once: a lent machine's time may end."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Report:
    """What was measured so far."""

    path: Path | None = None
    lines: list[str] = field(default_factory=list)

    def add(self, *lines: str) -> None:
        """Add lines, to the file as well if there is one."""
        self.lines += lines
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
