"""The output of a batch: whole files or none, one driver at a time, and a ledger that loses nothing."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError

from tts_app.storage.output import (
    FolderOutput,
    LockedError,
    ObjectOutput,
    Output,
    OutputError,
    describe,
    open_output,
)

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
AWAY = EndpointConnectionError(endpoint_url="http://store")


@pytest.fixture(params=["folder", "s3", "gs"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return (tmp_path / "out").as_uri()
    return f"{request.getfixturevalue(f'{request.param}_bucket')}/out"


@pytest.fixture
def output(address: str) -> Output:
    made = open_output(address)
    made.prepare()
    return made


@pytest.fixture
def store(s3_bucket: str) -> ObjectOutput:
    made = open_output(f"{s3_bucket}/out")
    assert isinstance(made, ObjectOutput)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> FolderOutput:
    made = open_output(str(tmp_path / "out"))
    assert isinstance(made, FolderOutput)
    made.prepare()
    return made


def lines(output: Output) -> list[bytes]:
    return [line for segment in output.segments() for line in segment]


def leftovers(root: Path) -> list[Path]:
    return list((root / ".ttsp" / "unfinished").iterdir())


def subprocess_of(code: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        **options,
    )


# Files


def test_output_put_is_read_listed_and_replaces(output: Output, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(3 << 20))
    output.put("a.mp3", b"a longer first one")
    output.put("a.mp3", b"second")
    output.put_file("b.mp3", source)
    assert output.read("a.mp3") == b"second"
    with output.open("b.mp3") as file:
        assert file.read() == source.read_bytes()
    assert sorted(output.sizes()) == [("a.mp3", 6), ("b.mp3", 3 << 20)]


def test_output_sizes_lists_audio_only(output: Output) -> None:
    segment = output.new_segment()
    segment.append([b"1\n"])
    segment.close()
    with output.lock():
        assert list(output.sizes()) == []
        output.put("post_01.mp3", b"x")
        assert list(output.sizes()) == [("post_01.mp3", 1)]


def test_output_read_of_a_missing_file_raises(output: Output) -> None:
    with pytest.raises(FileNotFoundError):
        output.read("none.mp3")


def test_output_prepare_again_changes_nothing(output: Output) -> None:
    output.put("a.mp3", b"x")
    output.prepare()
    assert list(output.sizes()) == [("a.mp3", 1)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(mount)], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("no file system can be mounted here")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


def test_output_on_a_full_disk_keeps_the_old_file(small_disk: Path) -> None:
    output = FolderOutput(small_disk / "out")
    output.prepare()
    output.put("a.mp3", b"old")
    source = small_disk.parent / "large"
    source.write_bytes(bytes(1 << 20))
    writes: list[Callable[[], None]] = [
        lambda: output.put("a.mp3", bytes(1 << 20)),
        lambda: output.put_file("a.mp3", source),
    ]
    for write in writes:
        with pytest.raises(OSError, match="No space left") as caught:
            write()
        assert "the disk is full" in describe(caught.value)
    assert output.read("a.mp3") == b"old"
    assert leftovers(small_disk / "out") == []
    output.put("a.mp3", b"there is room for this")


def test_segment_on_a_full_disk_loses_no_accepted_line(small_disk: Path) -> None:
    output = FolderOutput(small_disk / "out")
    output.prepare()
    segment = output.new_segment()
    segment.append([b'"before"\n'])
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match=r"No space|full"), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    long = b'"' + b"x" * 6000 + b'"\n'
    with pytest.raises(OSError, match=r"No space|full"):
        segment.append([long])
    with pytest.raises(OSError, match=r"No space|full"):
        segment.append([long])
    ballast.unlink()
    segment.append([long, b'"after"\n'])
    segment.close()
    found = lines(output)
    assert found[0] == b'"before"\n'
    assert found[-2:] == [long, b'"after"\n']


def test_output_leaves_no_file_that_could_not_be_written_whole(tmp_path: Path) -> None:
    FolderOutput(tmp_path / "out").prepare()
    code = """
import resource, signal, sys
from pathlib import Path
from tts_app.storage.output import FolderOutput
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
output = FolderOutput(Path(sys.argv[1]))
for limit in (0, 1, 100, 4095):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        output.put(f"{limit}.mp3", bytes(4096))
    except OSError as error:
        print(error.errno)
"""
    reported, _ = subprocess_of(code, str(tmp_path / "out")).communicate()
    assert reported.split() == [str(errno.EFBIG)] * 4
    assert list(FolderOutput(tmp_path / "out").sizes()) == []
    assert leftovers(tmp_path / "out") == []


def test_output_reader_always_sees_a_whole_file(folder: FolderOutput) -> None:
    folder.put("a.mp3", b"0" * 4096)
    seen: set[bytes] = set()
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            seen.add(folder.read("a.mp3"))

    reader = threading.Thread(target=read)
    reader.start()
    for digit in b"123456789":
        folder.put("a.mp3", bytes([digit]) * 4096)
    ended.set()
    reader.join()
    assert all(len(content) == 4096 and len(set(content)) == 1 for content in seen)


@AS_ROOT
def test_output_without_permission_says_what_to_give(tmp_path: Path) -> None:
    code = """
import os, sys
from tts_app.storage.output import OutputError, open_output
os.setuid(65534)
try:
    open_output(sys.argv[1]).prepare()
except OutputError as error:
    print(error)
"""
    for part in tmp_path.parents:  # whom pytest lets nobody else look into
        if part.stat().st_uid == 0 and part.name.startswith("pytest-"):
            part.chmod(0o755)
    tmp_path.chmod(0o755)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    reported, _ = subprocess_of(code, str(closed / "out")).communicate()
    assert "cannot be written: Permission denied; give write permission, or choose another output" in reported
    assert str(closed / "out") in reported


def test_output_prepare_refuses_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match=r"out cannot be written: Not a directory|File exists"):
        open_output(str(tmp_path / "out")).prepare()


def test_output_prepare_works_in_two_threads_at_once(tmp_path: Path) -> None:
    faults: list[BaseException] = []

    def prepare() -> None:
        try:
            for _ in range(150):
                FolderOutput(tmp_path / "out").prepare()
        except OutputError as error:
            faults.append(error)

    threads = [threading.Thread(target=prepare) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


# Addresses


def test_output_probe_survives_a_concurrent_cleanup(
    folder: FolderOutput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second driver looks at the output at the moment at which the first one removes what was left."""

    def tidy(descriptor: int) -> None:
        folder._tidy()
        fsync(descriptor)

    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", tidy)
    before = sorted(tmp_path.rglob("*"))
    folder.prepare()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.fixture
def claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "claims"
    (made / "audio").mkdir(parents=True)
    monkeypatch.setenv("TTSP_CLAIMS", str(made))
    return made


def test_output_on_a_claim_writes_to_its_folder(claims: Path) -> None:
    made = open_output("pvc://audio/deep/down")
    made.prepare()
    made.put("a.mp3", b"x")
    assert (claims / "audio" / "deep" / "down" / "a.mp3").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("pvc://other/x", "no claim 'other' is mounted"),
        ("pvc://audio/../other", "leads out of the claim 'audio'"),
        ("pvc://audio/x/../../..", "leads out of the claim 'audio'"),
        ("pvc://../elsewhere", "no claim's name"),
        ("pvc://./audio", "no claim's name"),
        ("pvc:///audio", "no claim's name"),
        ("file://out", "absolute path"),
        ("file://out/deep", "absolute path"),
        ("nowhere://bucket/x", "Use file://, pvc://, s3:// or gs://"),
    ],
)
def test_output_refuses_a_wrong_address_and_writes_nothing(
    claims: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match=words):
        open_output(url).prepare()
    assert sorted(tmp_path.rglob("*")) == before


def test_output_follows_no_link_out_of_a_claim(claims: Path, tmp_path: Path) -> None:
    (claims / "audio" / "link").symlink_to(tmp_path)
    with pytest.raises(OutputError, match="leads out"):
        open_output("pvc://audio/link/x")


def test_output_url_names_the_same_place_again(tmp_path: Path, s3_bucket: str) -> None:
    for url in ((tmp_path / "with space # and ?").as_uri(), f"{s3_bucket}/a/b/"):
        first = open_output(url)
        first.prepare()
        first.put("a.mp3", b"x")
        assert list(open_output(first.url).sizes()) == [("a.mp3", 1)]


# One driver


def test_output_lock_refuses_a_second_driver_until_the_first_has_ended(output: Output, address: str) -> None:
    second = open_output(address)
    for _ in range(3):
        with output.lock(), pytest.raises(LockedError, match="another driver"), second.lock():
            pass
    with second.lock():
        pass


def test_output_remove_all_removes_nothing_beside_it(output: Output, address: str) -> None:
    beside = open_output(f"{address}2")
    beside.prepare()
    for one in (output, beside):
        one.put("a.mp3", b"a")
        segment = one.new_segment()
        segment.append([b"{}\n"])
        segment.close()
    with output.lock():
        output.remove_all()
    assert list(beside.sizes()) == [("a.mp3", 1)]
    again = open_output(address)
    again.prepare()
    assert list(again.sizes()) == []
    assert [list(lines) for lines in again.segments()] == []


def test_output_lock_leaves_a_neighboring_output_free(output: Output, address: str) -> None:
    beside = open_output(f"{address}2")
    beside.prepare()
    with output.lock(), beside.lock():
        pass


def test_output_lock_is_freed_when_the_driver_fails(output: Output) -> None:
    with pytest.raises(RuntimeError), output.lock():
        raise RuntimeError
    with output.lock():
        pass


def test_output_lock_is_freed_when_the_driver_is_killed(folder: FolderOutput, tmp_path: Path) -> None:
    code = """
import sys, time
from tts_app.storage.output import open_output
with open_output(sys.argv[1]).lock():
    print("held", flush=True)
    sys.stdin.read()
"""
    process = subprocess_of(code, str(tmp_path / "out"))
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(LockedError, match=r"another driver is at work in .*out"), folder.lock():
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.communicate()
    (tmp_path / "out" / ".ttsp" / "unfinished" / "half").write_bytes(b"half a file")
    with folder.lock():
        assert leftovers(tmp_path / "out") == []


def test_output_lock_end_survives_a_failed_cleanup(folder: FolderOutput, tmp_path: Path) -> None:
    """What a driver has done is done; the next one tidies up."""
    with folder.lock():
        (tmp_path / "out" / ".ttsp" / "unfinished" / "in the way").mkdir()
    with pytest.raises(IsADirectoryError), folder.lock():
        pass


def leases(store: ObjectOutput) -> dict[str, float]:
    found = store.objects.list(".ttsp/leases")
    return {
        e["name"].rpartition("/")[2]: json.loads(store.read(f".ttsp/leases/{e['name'].rpartition('/')[2]}"))[
            "until"
        ]
        for e in found
    }


def leave_lease(store: ObjectOutput, number: int, seconds: float) -> None:
    content = json.dumps({"until": time.time() + seconds}).encode()
    store.put(f".ttsp/leases/{number:08d}.json", content)


def test_lease_that_was_left_is_held_until_it_ends(store: ObjectOutput) -> None:
    leave_lease(store, 4, 30)
    with pytest.raises(LockedError, match=r"its lease ends in ([12]?\d|30) s"), store.lock():
        pass
    leave_lease(store, 4, -1)
    with store.lock():
        assert len(leases(store)) == 1
        assert min(leases(store).values()) > time.time() + 30
    assert leases(store) == {}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"until": "soon"}', b"\xff"])
def test_lease_without_valid_content_is_held_by_nobody(store: ObjectOutput, content: bytes) -> None:
    store.put(".ttsp/leases/00000001.json", content)
    with store.lock():
        pass


def test_lease_is_renewed(store: ObjectOutput) -> None:
    with ObjectOutput(store.url, lease_seconds=0.4).lock():
        first, end = max(leases(store).values()), time.monotonic() + 60
        while max(leases(store).values()) <= first:
            assert time.monotonic() < end, "it was not renewed"


def test_lease_of_a_driver_that_slept_does_not_disturb_the_next_one(
    store: ObjectOutput, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that was suspended wakes up: it renews and ends its own lease, never the other's."""
    sleeper = ObjectOutput(store.url, lease_seconds=0.4)
    asleep, awake, renewed = threading.Event(), threading.Event(), threading.Event()
    put = sleeper.objects.put

    def sleep(name: str, data: bytes) -> None:
        asleep.set()
        awake.wait()
        put(name, data)
        renewed.set()

    monkeypatch.setattr(sleeper.objects, "put", sleep)
    with ExitStack() as slept:
        slept.enter_context(sleeper.lock())
        assert asleep.wait(60)
        (mine,) = leases(store)
        leave_lease(ObjectOutput(store.url), int(mine.partition(".")[0]), -1)
        with ObjectOutput(store.url).lock():
            (held,) = leases(store)
            awake.set()
            assert renewed.wait(60)
            slept.close()
            assert list(leases(store)) == [held] != [mine]
            with pytest.raises(LockedError), ObjectOutput(store.url).lock():
                pass


def test_segment_commits_nothing_after_the_lease_is_lost(
    store: ObjectOutput, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease has not been renewed for long, and another driver has begun meanwhile."""

    def away(name: str, data: bytes) -> None:
        raise OSError(errno.EIO, "away")

    with store.lock():
        segment = store.new_segment()
        segment.append([b"1\n"])
        monkeypatch.setattr(store.lease, "renewed", 0.0)
        with monkeypatch.context() as patched:
            patched.setattr(store.objects, "put", away)
            with pytest.raises(OSError, match="away"):
                segment.append([b"2\n"])
        segment.append([b"2\n"])  # nobody came, so it has its lease again
        (mine,) = leases(store)
        monkeypatch.setattr(store.lease, "renewed", 0.0)
        leave_lease(ObjectOutput(store.url), int(mine.partition(".")[0]) + 1, 60)
        with pytest.raises(LockedError, match="another driver"):
            segment.append([b"3\n"])
    assert lines(store) == [b"1\n", b"2\n"]


class OneTurn(threading.Event):
    """Lets a keeper renew once."""

    def wait(self, timeout: float | None = None) -> bool:
        ended = self.is_set()
        self.set()
        return ended


def test_lease_is_not_taken_back_by_a_driver_that_wakes_up(store: ObjectOutput) -> None:
    """Its keeper is the first to go on: another driver works, then it has ended, then a third one works."""
    with store.lock():
        segment = store.new_segment()
        (mine,) = leases(store)
        number = int(mine.partition(".")[0])
        leave_lease(ObjectOutput(store.url), number, -1)
        store.lease.renewed = 0.0
        with ObjectOutput(store.url).lock():
            (theirs,) = leases(store)
            store.lease.keep(OneTurn())
            assert list(leases(store)) == [theirs] != [mine]
            with pytest.raises(LockedError, match="another driver"):
                segment.append([b"1\n"])
        store.lease.keep(OneTurn())
        assert leases(store) == {}
        with pytest.raises(LockedError, match="has taken over"):
            segment.append([b"1\n"])
        third = ObjectOutput(store.url).lock()
        third.__enter__()
        assert list(leases(store)) == [mine], "of the same number"
        before = leases(store)
        store.lease.keep(OneTurn())
        with pytest.raises(LockedError, match="has taken over"):
            segment.append([b"1\n"])
    assert leases(store) == before
    third.__exit__(None, None, None)
    assert leases(store) == {}
    assert lines(store) == []


def test_lease_that_expired_is_followed_by_only_one_driver(
    store: ObjectOutput, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever two drivers saw, and in whatever order they go on, not both of them have the output."""
    leave_lease(store, 1, -1)
    late, quick = ObjectOutput(store.url), ObjectOutput(store.url)
    with ExitStack() as stack:
        seen = late.lease.refuse_beside
        calls = 0

        def overtaken(leases: list[str]) -> None:
            nonlocal calls
            seen(leases)
            calls += 1
            if calls == 1:  # it has seen the expired lease; now the other one is quicker
                stack.enter_context(quick.lock())

        monkeypatch.setattr(late.lease, "refuse_beside", overtaken)
        with pytest.raises(LockedError), late.lock():
            pass
        assert len(leases(store)) == 1
    assert leases(store) == {}


# The ledger's segments


def test_segments_come_in_the_order_of_their_creation(output: Output) -> None:
    for driver in range(12):
        segment = output.new_segment()
        segment.append([f"{driver}.{line}\n".encode() for line in range(2)])
        segment.append([f"{driver}.2\n".encode()])
        segment.close()
    assert lines(output) == [f"{driver}.{line}\n".encode() for driver in range(12) for line in range(3)]


def test_segments_of_two_drivers_do_not_overwrite_each_other(rolling: ObjectOutput) -> None:
    """One that has lost its lease finds out only with its next commit but one."""
    one, other = rolling.new_segment(), ObjectOutput(rolling.url, roll_up=4).new_segment()
    for number in range(5):
        one.append([f"{number}\n".encode()])
        other.append([f"other {number}\n".encode()])
    one.close()
    other.close()
    assert sorted(lines(rolling)) == sorted(
        f"{who}{number}\n".encode() for who in ("", "other ") for number in range(5)
    )


def test_segments_of_an_earlier_version_come_first(store: ObjectOutput) -> None:
    for number in (1, 9):
        store.put(f".ttsp/ledger/{number:08d}.jsonl", f"{number}\n".encode())
    segment = store.new_segment()
    segment.append([b"10\n"])
    assert lines(store) == [b"1\n", b"9\n", b"10\n"]


def test_segment_without_lines_is_not_written(output: Output) -> None:
    output.new_segment().close()
    assert lines(output) == []


def test_segment_of_a_killed_driver_is_left_alone(output: Output) -> None:
    killed = output.new_segment()
    killed.append([b"1\n"])
    following = output.new_segment()
    following.append([b"2\n"])
    following.close()
    assert lines(output) == [b"1\n", b"2\n"]


def test_segments_ignore_foreign_files_in_the_ledger(output: Output) -> None:
    for name in ("00000003 (copy).jsonl", "notes.jsonl", "README"):
        output.put(f".ttsp/ledger/{name}", b"what is this\n")
    segment = output.new_segment()
    segment.append([b"1\n"])
    segment.close()
    assert b"1\n" in lines(output)


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files and folders that were synced, in order."""
    found: list[str] = []
    fsync = os.fsync

    def noted(number: int) -> None:
        found.append(Path(f"/proc/self/fd/{number}").readlink().name)
        fsync(number)

    monkeypatch.setattr(os, "fsync", noted)
    return found


def test_segment_syncs_folder_names_before_a_record(folder: FolderOutput, synced: list[str]) -> None:
    """A power cut may not leave a record of audio whose rename it undid, nor lose the segment's own name."""
    segment = folder.new_segment()
    segment.append([b"1\n"])
    assert synced == ["ledger", ".ttsp", "out", "00000001.jsonl"]
    synced.clear()
    segment.append([b"2\n", b"3\n"])
    assert synced == ["out", "00000001.jsonl"]
    segment.close()


def test_segment_syncs_a_folder_at_the_next_commit_after_a_failure(
    folder: FolderOutput, synced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_number: int) -> None:
        raise OSError(errno.EIO, "away")

    segment = folder.new_segment()
    with monkeypatch.context() as patched, pytest.raises(OSError, match="away"):
        patched.setattr(os, "fsync", broken)
        segment.append([b"1\n"])
    segment.append([b"1\n"])
    segment.close()
    assert synced == ["ledger", ".ttsp", "out", "00000001.jsonl"]
    assert lines(folder) == [b"1\n"]


def test_segment_works_on_a_file_system_that_syncs_no_folders(
    folder: FolderOutput, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def of_files(number: int) -> None:
        if Path(f"/proc/self/fd/{number}").is_dir():
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(number)

    monkeypatch.setattr(os, "fsync", of_files)
    segment = folder.new_segment()
    segment.append([b"1\n"])
    segment.close()
    assert lines(folder) == [b"1\n"]


@pytest.fixture
def rolling(store: ObjectOutput) -> ObjectOutput:
    return ObjectOutput(store.url, roll_up=4)


def objects(store: ObjectOutput) -> int:
    return len(store.objects.list(".ttsp/ledger"))


def test_segments_are_rolled_up_into_one(rolling: ObjectOutput) -> None:
    segment = rolling.new_segment()
    for number in range(10):
        segment.append([f"{number}\n".encode()])
    assert objects(rolling) == 4  # two of four each, and two that are not yet
    segment.close()
    assert objects(rolling) == 3
    assert lines(rolling) == [f"{number}\n".encode() for number in range(10)]


class Killed(BaseException):
    """The process has ended here."""


@pytest.mark.parametrize("steps", range(9))
def test_roll_up_loses_no_line_when_killed_at_any_step(
    rolling: ObjectOutput, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    left = steps

    def killing(step: Callable[..., None]) -> Callable[..., None]:
        def counted(*arguments: Any) -> None:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            step(*arguments)

        return counted

    monkeypatch.setattr(rolling.objects, "put", killing(rolling.objects.put))
    monkeypatch.setattr(rolling.objects, "remove", killing(rolling.objects.remove))
    segment = rolling.new_segment()
    durable: list[bytes] = []
    try:
        for number in range(5):
            line = f"{number}\n".encode()
            segment.append([line])
            durable.append(line)
        segment.close()
    except Killed:
        pass
    found = lines(ObjectOutput(rolling.url))
    assert set(durable) <= set(found)
    last_words = list(dict.fromkeys(reversed(found)))[::-1]
    assert last_words == sorted(set(found))


def test_roll_up_resumes_after_a_failure(rolling: ObjectOutput, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = rolling.new_segment()
    remove = rolling.objects._fs.rm_file
    broken = True

    def flaky(path: str) -> None:
        if broken and "/00000002-" in path:
            raise AWAY
        if not rolling.objects._fs.exists(path):  # S3 does not mind; Google's store does
            raise FileNotFoundError(path)
        remove(path)

    monkeypatch.setattr(rolling.objects._fs, "rm_file", flaky)
    for number in range(3):
        segment.append([f"{number}\n".encode()])
    with pytest.raises(OSError, match="EndpointConnectionError"):
        segment.append([b"3\n"])
    broken = False
    segment.append([b"3\n"])  # the driver says it again
    segment.close()
    assert set(lines(rolling)) == {b"0\n", b"1\n", b"2\n", b"3\n"}
    assert objects(rolling) == 1


# A store that is away


@pytest.mark.parametrize(
    "fault", [AWAY, NoCredentialsError(), ConnectionError("reset"), ValueError("no bucket")]
)
def test_object_output_raises_only_os_errors(
    store: ObjectOutput, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: Exception
) -> None:
    """The driver waits for an output that is away, and knows it by that."""
    (tmp_path / "source").write_bytes(b"x")
    segment = store.new_segment()

    def away(*_arguments: object, **_options: object) -> None:
        raise fault

    for name in ("pipe_file", "put_file", "cat_file", "rm_file", "ls", "open"):
        monkeypatch.setattr(store.objects._fs, name, away)
    calls: list[Callable[[], object]] = [
        store.probe,
        lambda: store.put("a.mp3", b"x"),
        lambda: store.put_file("a.mp3", tmp_path / "source"),
        lambda: store.read("a.mp3"),
        lambda: store.open("a.mp3"),
        lambda: list(store.sizes()),
        lambda: list(store.segments()),
        lambda: segment.append([b"1\n"]),
        lambda: store.lock().__enter__(),
    ]
    for call in calls:
        with pytest.raises(OSError, match=r"Could not connect|credentials|reset|no bucket"):
            call()
    with pytest.raises(OutputError, match=r"cannot be written: .*Check the address, the credentials"):
        store.prepare()


def test_object_output_raises_when_the_store_goes_away_during_a_read(
    store: ObjectOutput, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("a.mp3", bytes(100))

    def away(*_arguments: object, **_options: object) -> None:
        raise AWAY

    monkeypatch.setattr("s3fs.core.S3File.read", away)
    with store.open("a.mp3") as file, pytest.raises(OSError, match="Could not connect"):
        file.read()


def test_output_prepare_refuses_a_missing_bucket(s3_bucket: str) -> None:
    with pytest.raises(OutputError, match=r"no-such-bucket/x cannot be written"):
        open_output("s3://no-such-bucket/x").prepare()


def test_output_has_one_secret(address: str) -> None:
    passing = open_output(address).secret(make=False)
    assert passing != open_output(address).secret(make=False), "it is not kept"
    made = open_output(address)
    made.prepare()
    secret = made.secret(make=True)
    assert len(secret) == 32
    assert open_output(address).secret(make=True) == open_output(address).secret(make=False) == secret


def test_output_secret_is_its_owners_only(tmp_path: Path) -> None:
    made = open_output(str(tmp_path / "out"))
    made.prepare()
    made.secret(make=True)
    path = tmp_path / "out" / ".ttsp" / "hashes.key"
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b"short")
    with pytest.raises(OSError, match="5 bytes instead of 32"):
        made.secret(make=True)


def test_output_rewrites_its_segments(address: str) -> None:
    made = open_output(address)
    made.prepare()
    for line in (b"one\n", b"two\n"):
        segment = made.new_segment()
        segment.append([line])
        segment.close()
    made.rewrite_segments(bytes.upper)
    assert [list(segment) for segment in made.segments()] == [[b"ONE\n", b"TWO\n"]]
    segment = made.new_segment()
    segment.append([b"three\n"])
    segment.close()
    assert [list(segment) for segment in made.segments()] == [[b"ONE\n", b"TWO\n"], [b"three\n"]]


def test_output_secret_is_durable_before_anything_relies_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = open_output(str(tmp_path / "out"))
    made.prepare()
    synced: list[str] = []
    sync = os.fsync

    def noted(number: int) -> None:
        synced.append(Path(f"/proc/self/fd/{number}").readlink().name)
        sync(number)

    monkeypatch.setattr(os, "fsync", noted)
    made.secret(make=True)
    assert synced[0].startswith("hashes.key-")
    assert synced[-1] == ".ttsp"


def test_output_makes_its_secret_on_a_file_system_without_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    made = open_output(str(tmp_path / "out"))
    made.prepare()
    secret = made.secret(make=True)
    assert open_output(str(tmp_path / "out")).secret(make=True) == secret
    assert [path.name for path in (tmp_path / "out" / ".ttsp").glob("hashes*")] == ["hashes.key"]


def test_object_output_keeps_a_segment_that_comes_while_it_rewrites(s3_bucket: str) -> None:
    made = open_output(f"{s3_bucket}/out")
    late = open_output(f"{s3_bucket}/out")

    def put(output: Output, line: bytes) -> None:
        segment = output.new_segment()
        segment.append([line])
        segment.close()

    def convert(line: bytes) -> bytes:
        put(late, b"late\n")
        return line.upper()

    put(made, b"old\n")
    made.rewrite_segments(convert)
    assert {line for segment in made.segments() for line in segment} == {b"OLD\n", b"late\n"}
