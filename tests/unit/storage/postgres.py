"""A real PostgreSQL server of the tests' own, on a socket in a temporary folder."""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

_FAST = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c shared_buffers=16MB"


class PostgresMissingError(Exception):
    """There is no PostgreSQL on this machine."""


class Postgres:
    """A server while the block lasts. Who may enter the folder of its socket may use it.

    If it is `durable`, it waits for the disk as it does in production; tests need not.
    """

    def __init__(self, durable: bool = False) -> None:
        self._options = "" if durable else _FAST
        self._programs = _programs()
        self._folder = Path(tempfile.mkdtemp(prefix="ttsp-pg-"))
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:  # which PostgreSQL refuses to run as
            account = _account()
            os.chown(self._folder, account.pw_uid, account.pw_gid)
            self._user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": ()}

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(
            host=str(self._folder), user="ttsp", dbname="postgres", autocommit=True
        ) as server:
            server.execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
        return f"postgresql://ttsp@/{name}?host={self._folder}"

    def __enter__(self) -> Self:
        self._run("initdb", "-A", "trust", "-U", "ttsp", "-E", "UTF8", "--locale=C", "--no-sync")
        options = f"{self._options} -c listen_addresses='' -c unix_socket_directories='{self._folder}'"
        self._run("pg_ctl", "start", "-w", "-l", str(self._folder / "log"), "-o", options)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run("pg_ctl", "stop", "-w", "-m", "immediate")
        shutil.rmtree(self._folder)

    def _run(self, program: str, *arguments: str) -> None:
        # The server keeps what it inherits open, so its output cannot be a pipe that we read to the end.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [self._programs / program, "-D", self._folder / "data", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                check=False,
                **self._user,
            )
            output.seek(0)
            if done.returncode != 0:
                raise RuntimeError(f"{program} failed: {output.read().decode(errors='replace')}")


def _programs() -> Path:
    """Return the folder of PostgreSQL's programs; Debian keeps those of a server out of PATH."""
    if (found := shutil.which("initdb")) is not None:
        return Path(found).resolve().parent
    versions = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    if not versions:
        raise PostgresMissingError("there is no PostgreSQL server here (Debian: apt-get install postgresql)")
    return max(versions, key=lambda path: float(path.parent.name))


def _account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")
