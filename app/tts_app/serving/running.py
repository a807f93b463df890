"""What a playground says of itself in its state folder while it runs, for the commands beside it."""

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from tts_app.files import private_folder
from tts_app.settings import Settings

_NAME = "running.json"


class RunningError(Exception):
    """What a playground says of itself cannot be read; the message says what would help."""


@dataclass(frozen=True, slots=True)
class Running:
    """A playground that runs, or ended without tidying up."""

    pid: int
    started: float
    """When the process began, in seconds since 1970: another one may have its number later."""
    url: str
    """Address of the API."""
    metrics: str
    """Address of the metrics."""
    ray: str
    """Folder of its Ray alone."""
    logs: str
    """Folder of its logs."""
    settings: dict[str, Any]
    """Its settings, without secrets."""

    @property
    def is_alive(self) -> bool:
        """Whether its process runs."""
        try:
            return abs(psutil.Process(self.pid).create_time() - self.started) < 1
        except psutil.Error:
            return False


def running_of(settings: Settings, url: str, metrics: str, ray: Path) -> Running:
    """Return what this process says of the playground that it runs with `settings`."""
    values = settings.model_dump(mode="json")  # a SecretStr is dumped as stars
    values["database_url"] = "set" if settings.database_url else ""
    logs = (settings.log_dir or settings.state / "logs").absolute()
    return Running(
        pid=os.getpid(),
        started=psutil.Process().create_time(),
        url=url,
        metrics=metrics,
        ray=str(ray),
        logs=str(logs),
        settings=values,
    )


def write(state: Path, running: Running) -> None:
    """Write it for its owner alone; it replaces what another playground left.

    Raises:
        OSError: it cannot be written.
    """
    private_folder(state)
    descriptor, path = tempfile.mkstemp(prefix=f".{_NAME}.", dir=state)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(running), file)
        Path(path).replace(state / _NAME)
    finally:
        Path(path).unlink(missing_ok=True)


def read(state: Path) -> Running | None:
    """Return what the playground of a state folder wrote; None: none runs, or it ended well.

    Raises:
        RunningError: the file is not one of ours.
    """
    path = state / _NAME
    try:
        return Running(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunningError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError) as error:
        raise RunningError(
            f"{path} is not what this version writes: remove it and start the playground again."
        ) from error


def remove(state: Path) -> None:
    """Remove what this process wrote; what another playground wrote stays."""
    with suppress(RunningError):
        found = read(state)
        if found is not None and found.pid == os.getpid():
            (state / _NAME).unlink(missing_ok=True)
