"""JSON logs: what each line says, files that several processes write, and `ttsp logs`, which reads them."""

import asyncio
import errno
import json
import logging
import multiprocessing
import os
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TextIO

import pytest
from ray.serve._private import replica
from ray.serve._private.logging_utils import StreamToLogger
from typer.testing import CliRunner, Result

from tts_app.cli import app
from tts_app.desk.log_sources import FollowedFolder
from tts_app.telemetry import log_lines
from tts_app.telemetry.about import about, carried, note, request_id
from tts_app.telemetry.log_file import SharedFile
from tts_app.telemetry.logs import log, set_up


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[Any]:
    """Log into a file during the test; return what reads its lines."""
    serve = logging.getLogger("ray.serve")
    level = serve.level
    serve.setLevel("INFO")
    set_up("voice-m", "DEBUG", tmp_path, model="m")
    yield lambda: [json.loads(line) for line in (tmp_path / "voice-m.jsonl").read_text().splitlines()]
    set_up("test", "INFO", None)
    serve.setLevel(level)


def test_line_of_an_error_names_the_one_that_led_to_it(logged: Any, tmp_path: Path) -> None:
    path = tmp_path / "metadata.sqlite"
    with closing(sqlite3.connect(path)) as holder, closing(sqlite3.connect(path, timeout=0)) as other:
        holder.execute("BEGIN EXCLUSIVE")
        try:
            try:
                other.execute("CREATE TABLE rows (secret)")
            except sqlite3.OperationalError as error:
                raise ValueError("a secret") from error
        except ValueError as error:
            log("row not written", error=error)
    (line,) = logged()
    assert (line["error"], line["cause"]) == ("builtins.ValueError", "sqlite3.OperationalError SQLITE_BUSY")
    assert "secret" not in json.dumps(line)


def of_serve(message: str, *arguments: object, **more: Any) -> None:
    """Log as Serve's own code does."""
    serve = logging.getLogger("ray.serve")
    exc_info, extra = more.get("exc_info") and sys.exc_info(), more.get("extra")
    record = serve.makeRecord(
        serve.name, logging.INFO, replica.__file__, 1, message, arguments, exc_info or None, None, extra
    )
    serve.handle(record)


async def test_lines_say_what_the_task_works_for(logged: Any) -> None:
    async def elsewhere() -> None:
        log("task")
        await asyncio.to_thread(log, "thread")

    with about({"request_id": "r", "tenant": "t"}, batch="b"):
        note(item=3)
        task = asyncio.create_task(elsewhere())
        with about(item=4):
            log("inner")
        log("outer", item=9)
        assert (request_id(), carried()) == ("r", {"request_id": "r", "tenant": "t", "batch": "b", "item": 3})
    await task
    log("after")
    said = {line["event"]: line for line in logged()}
    work = {"request_id": "r", "tenant": "t", "batch": "b"}
    assert {name: line.get("item") for name, line in said.items()} == {
        "task": 3,
        "thread": 3,
        "inner": 4,
        "outer": 9,
        "after": None,
    }
    assert all(work.items() <= said[name].items() for name in said if name != "after")
    assert work.keys().isdisjoint(said["after"])
    assert {(line["component"], line["model"], line["pid"]) for line in said.values()} == {
        ("voice-m", "m", os.getpid())
    }


def test_model_of_a_process_is_its_own_and_not_that_of_its_caller(logged: Any) -> None:
    with about({"model": "writer"}):
        log("spoken")
    assert [line["model"] for line in logged()] == ["m"]


def test_lines_of_serve_are_there_with_the_id_that_serve_knows(logged: Any) -> None:
    of_serve("Replica %s.", "started", extra={"request_id": "of-serve"})
    try:
        raise ValueError("quoted text")
    except ValueError:
        of_serve("Request failed.", exc_info=True)
    started, failed = logged()
    assert (started["event"], started["request_id"]) == ("Replica started.", "of-serve")
    assert (started["logger"], started["component"]) == ("ray.serve", "voice-m")
    assert failed["error"] == "builtins.ValueError"
    assert "quoted" not in json.dumps(failed)


def test_what_libraries_print_is_not_there(logged: Any) -> None:
    """Serve redirects it into its logger, as of the place that printed it or of its own module."""
    serve = logging.getLogger("ray.serve")
    serve.info("printed by a library")
    StreamToLogger(serve, logging.INFO, None).write("written to standard error\n")
    of_serve("GET /v1/speech/words 200", extra={"serve_access_log": True})
    assert logged() == []


def _write(path: Path, name: str, lines: int) -> None:
    handler = SharedFile(path, file_bytes=2000, files=500)
    for number in range(lines):
        handler.emit(logging.makeLogRecord({"msg": f"{name}-{number}"}))
    handler.close()


def test_processes_that_rotate_one_file_lose_and_repeat_no_line(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("fork")
    writers = [spawn.Process(target=_write, args=(tmp_path / "x.jsonl", name, 400)) for name in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    files = list(tmp_path.glob("x.jsonl*"))
    lines = [line for file in files for line in file.read_text().splitlines()]
    assert sorted(lines) == sorted(f"{name}-{number}" for name in "abc" for number in range(400))
    assert len(files) > 3, "it was rotated"
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


class _IntoLogger:
    """As Serve redirects a replica's standard error."""

    def write(self, text: str) -> None:
        logging.getLogger("ray.serve").info(text)

    def flush(self) -> None:
        return


class _Full:
    """An open file of a full disk."""

    def __init__(self, file: TextIO) -> None:
        self.fileno = file.fileno

    def tell(self) -> int:
        return 0

    def seek(self, *_: int) -> None:
        return

    def write(self, _text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_line_that_cannot_be_written_is_told_once_and_goes_in_no_circle(
    logged: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr", _IntoLogger())
    (handler,) = [one for one in logging.getLogger("tts_app").handlers if isinstance(one, SharedFile)]
    log("before")
    with monkeypatch.context() as patch:
        patch.setattr(handler, "stream", _Full(handler.stream))
        log("lost")
    assert capfd.readouterr().err == "a log line is lost: OSError\n"
    log("after")
    assert [line["event"] for line in logged()] == ["before", "after"]


def entry(second: int, **fields: Any) -> str:
    line = {"time": f"2026-11-30T20:00:{second:02d}.000+00:00", "level": "INFO", "event": "e", **fields}
    return f"{json.dumps(line)}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Logs of a gateway that was rotated, and of a model."""
    (tmp_path / "gateway.jsonl.1").write_text(entry(1, component="gateway", event="old", request_id="r1"))
    (tmp_path / "gateway.jsonl").write_text(
        entry(3, component="gateway", event="request", request_id="r1", pid=1, status=200)
        + entry(4, component="gateway", event="request", request_id="r2")
        + "not JSON\n"
        + '{"time": "2026-11-30T20:00:05.000+00:00", "request_id": "r1", "event": "half'
    )
    (tmp_path / "voice-m.jsonl").write_text(
        entry(2, component="voice-m", event="segments spoken", request_id="r1", batch="b", item=7)
        + entry(6, component="voice-m", event="segments spoken", request_id="", batch="b", item=17)
    )
    (tmp_path / ".gateway.jsonl.lock").touch()
    return tmp_path


def ttsp(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["logs", *arguments])


def of_cluster(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["cluster", "logs", *arguments])


def test_logs_finds_a_request_across_processes_in_the_order_of_time(folder: Path) -> None:
    done = ttsp("--folder", str(folder), "--request", "r1")
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "2026-11-30 20:00:01.000 INFO    gateway         old",
        "2026-11-30 20:00:02.000 INFO    voice-m         segments spoken  batch=b item=7",
        "2026-11-30 20:00:03.000 INFO    gateway         request  status=200 pid=1",
    ]


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ([], [1, 2, 3, 4, 6]),
        (["--batch", "b"], [2, 6]),
        (["--batch", "b", "--item", "7"], [2]),
        (["--component", "gateway", "--since", "2026-11-30T20:00:03Z"], [3, 4]),
        (["--request", "r1", "--since", "2026-11-30T20:00:02"], [2, 3]),
    ],
)
def test_logs_prints_what_is_asked_for(folder: Path, options: list[str], seconds: list[int]) -> None:
    done = ttsp("--folder", str(folder), "--json", *options)
    printed = [json.loads(line) for line in done.output.splitlines()]
    assert [log_lines.moment(line).second for line in printed] == seconds


@pytest.mark.parametrize(
    ("level", "seconds"),
    [
        ("debug", [1, 2, 3, 4, 5]),
        ("INFO", [2, 3, 4, 5]),
        ("WARNING", [3, 4, 5]),
        ("error", [4, 5]),
        ("CRITICAL", [5]),
    ],
)
def test_logs_level_is_the_least_serious_one(tmp_path: Path, level: str, seconds: list[int]) -> None:
    levels = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
    lines = [entry(second, component="c", level=name) for second, name in enumerate(levels, start=1)]
    (tmp_path / "c.jsonl").write_text("".join(lines) + entry(6, component="c", level="TRACE"))
    done = ttsp("--folder", str(tmp_path), "--json", "--level", level)
    printed = [json.loads(line) for line in done.output.splitlines()]
    assert [log_lines.moment(line).second for line in printed] == seconds


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--level", "WARN"], 2, r"--level 'WARN': give one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        (["--level", "ERROR"], 1, r"No line in .* has level ERROR or a more serious one"),
        (["--request", "none"], 1, r"No line in .* has request_id none"),
        (["--since", "yesterday"], 2, r"--since 'yesterday': give 30s, 10m, 2h or 1d"),
        (["--folder", "/nowhere"], 1, r"There is no log folder /nowhere"),
    ],
)
def test_logs_says_what_is_wrong(folder: Path, options: list[str], code: int, said: str) -> None:
    done = ttsp("--folder", str(folder), *options)
    assert done.exit_code == code
    assert re.search(said, " ".join(done.output.split()))


def test_logs_shows_no_character_that_a_terminal_obeys() -> None:
    shown = log_lines.shown(json.loads(entry(1, component="c", event="\x1b[2J", why="a\n\x1b[31m b")), {})
    assert shown.isprintable()


def test_followed_files_give_each_line_once_across_rotations(folder: Path) -> None:
    file = folder / "gateway.jsonl"
    with FollowedFolder(folder) as followed:
        lines = followed.lines()
        older, now = next(lines), next(lines)
        assert [json.loads(line.text)["event"] for line in older] == ["old"]
        assert len(now) == 5, "the half line is not there yet"
        with file.open("a") as more:
            more.write('"}\n')
        (whole,) = next(lines)
        assert json.loads(whole.text)["event"] == "half"
        with file.open("a") as more:
            more.write(entry(7, event="before"))
        file.rename(folder / "gateway.jsonl.2")
        file.write_text(entry(8, event="after"))
        (folder / "batch-m.jsonl").write_text(entry(9, event="new"))
        assert {json.loads(line.text)["event"] for line in next(lines)} == {"before", "after", "new"}
        assert next(lines) == []


_SIMULATED_KUBECTL = """#!/bin/sh
echo "$@" > {said}
echo '[pod/playground-head/ray-head] {{"time": "2026-11-30T20:00:02+00:00", "event": "b", "request_id": "r"}}'
echo '[pod/playground-worker/ray-worker] (raylet) not of ours r'
echo '[pod/playground-worker/ray-worker] {{"time": "2026-11-30T20:00:01Z", "event": "a", "request_id": "r"}}'
"""


def test_logs_of_a_cluster_are_read_by_kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl, said = tmp_path / "kubectl", tmp_path / "said"
    kubectl.write_text(_SIMULATED_KUBECTL.format(said=said))
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    options = ["-n", "speech", "--request", "r", "--json", "--context", "c", "--since", "2026-11-30T19:00Z"]
    done = of_cluster(*options)
    assert [(line["event"], line["pod"]) for line in map(json.loads, done.output.splitlines())] == [
        ("a", "playground-worker"),
        ("b", "playground-head"),
    ]
    assert said.read_text().split() == [
        *("--context=c", "logs", "--namespace=speech", "--selector=app.kubernetes.io/name=tts-playground"),
        *("--all-containers", "--prefix", "--ignore-errors", "--tail=-1"),
        "--since-time=2026-11-30T19:00:00Z",
    ]
    followed = of_cluster("--service", "s", "--follow", "--json")
    printed = [json.loads(line)["event"] for line in followed.output.splitlines()]
    assert printed == ["b", "a"], "as they come"
    assert "--selector=app.kubernetes.io/name=tts-playground,ttsplayground.dev/service=s" in said.read_text()
    kubectl.write_text("#!/bin/sh\necho 'pods is forbidden' >&2\nexit 1\n")
    failed = of_cluster()
    assert (failed.exit_code, failed.output.strip()) == (1, "ttsp: pods is forbidden")
    kubectl.write_text("#!/bin/sh\necho 'No resources found' >&2\n")
    empty = of_cluster()
    assert empty.exit_code == 1
    assert "No pod has logged anything" in empty.output
