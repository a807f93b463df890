"""Drivers of a batch that are started, watched and killed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
PATIENCE = 600.0


@dataclass
class Batch:
    """A batch in a folder, and what drives it."""

    folder: Path
    environment: dict[str, str]
    drivers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def audio(self) -> Path:
        return self.folder / "audio"

    @property
    def rendered(self) -> list[tuple[int, str, str]]:
        """Process, avatar and text of each rendering."""
        path = self.folder / "rendered.txt"
        # The last line may be half-written.
        whole, _, _begun = (path.read_text() if path.exists() else "").rpartition("\n")
        split = (line.split(" ", 2) for line in whole.splitlines())
        return [(int(pid), avatar, text) for pid, avatar, text in split]

    @property
    def records(self) -> list[dict[str, object]]:
        """The whole lines of the ledger; where a disk was full, or a driver was killed, there are others."""
        found = []
        for segment in sorted((self.audio / ".ttsp" / "ledger").glob("*.jsonl")):
            lines = segment.read_bytes().splitlines(keepends=True)
            found += [json.loads(x) for x in lines if x.startswith(b"{") and x.endswith(b"}\n")]
        return found

    def post(self, count: int, text: Callable[[int], str] = lambda n: f"Post number {n}.") -> None:
        """Write the posts."""
        with (self.folder / "posts.jsonl").open("w") as file:
            for number in range(1, count + 1):
                file.write(
                    json.dumps({"id": number, "text": {"en": text(number), "ar": text(number)}}) + "\n"
                )

    def slow_down(self, seconds: float) -> None:
        """Let items take so long on average, with workers that start from now on."""
        (self.folder / "seconds.txt").write_text(str(seconds))

    def hold_after(self, renderings: int) -> None:
        """Let so many renderings end, counted from the batch's first: those that begin later wait."""
        new = self.folder / "renderings.new"
        new.write_text(str(renderings))
        new.replace(self.folder / "renderings.txt")

    def let_go(self) -> None:
        """Hold nothing any more."""
        (self.folder / "renderings.txt").unlink()

    def start(self, **environment: str) -> subprocess.Popen[bytes]:
        """Start a driver, in a process group of its own."""
        log = (self.folder / f"driver-{len(self.drivers)}.log").open("wb")
        driver = subprocess.Popen(
            [sys.executable, str(HERE / "simulated.py"), str(self.folder)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**self.environment, **environment},
            start_new_session=True,
        )
        self.drivers.append(driver)
        return driver

    def end(self, driver: subprocess.Popen[bytes]) -> dict[str, object]:
        """Wait for a driver; return its last line."""
        driver.wait(PATIENCE)
        lines = (self.folder / f"driver-{self.drivers.index(driver)}.log").read_text().splitlines()
        reported = [line for line in lines if line.startswith("{")]
        assert reported, "\n".join(lines[-30:])
        last: dict[str, object] = json.loads(reported[-1])
        return last

    def wait_for(self, what: Callable[[], bool], driver: subprocess.Popen[bytes]) -> None:
        """Wait until `what` holds, or the driver has ended."""
        until = time.monotonic() + PATIENCE
        while not what() and driver.poll() is None:
            assert time.monotonic() < until, "it does not come about"
            time.sleep(0.02)


def python_path() -> str:
    """Return what lets Ray's workers import the simulated speaker."""
    return os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH", "")]))
