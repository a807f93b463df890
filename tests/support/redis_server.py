"""A real Redis server of the tests' own, on a free port of loopback, that can be stopped and started."""

import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from cluster.process import free_port


class RedisMissingError(Exception):
    """There is no Redis on this machine."""


class RedisServer:
    """A server while the block lasts; it forgets everything when it stops."""

    def __init__(self, folder: Path) -> None:
        found = shutil.which("redis-server") or shutil.which("valkey-server")
        if found is None:
            raise RedisMissingError("there is no Redis server here (Debian: apt-get install redis-server)")
        self._program = found
        self._folder = folder
        self._port = free_port("127.0.0.1")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ["--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [
                self._program,
                *options,
                "--dir",
                str(self._folder),
                "--logfile",
                str(self._folder / "redis.log"),
            ]
        )
        client = redis.Redis.from_url(self.url)
        while True:
            try:
                client.ping()
                break
            except redis.ConnectionError as error:
                if self._process.poll() is not None:
                    log = (self._folder / "redis.log").read_text(encoding="utf-8")
                    raise RuntimeError(f"redis-server ended: {log}") from error
        client.close()

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
