"""What a batch survives, with a simulated speaker: processes killed at random, drivers side by side."""

import hashlib
import os
import random
import signal
import subprocess
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from drivers import PATIENCE, Batch
from killing import kill_all, kill_each
from simulated import audio
from trials import trials

AVATARS = ["female_ar-EG", "male_ar-EG", "female_en-US", "male_en-US"]


def check_whole(batch: Batch, posts: int, once: bool = True) -> None:
    """Every file is there once, correct by checksum, and no item that was done was rendered again.

    Where a commit broke off halfway, the records of one rendering may be there twice: `once` is False.
    """
    expected = {
        f"post_{post:02d}_{avatar}.mp3": hashlib.sha256(audio(f"Post number {post}.", avatar)).hexdigest()
        for post in range(1, posts + 1)
        for avatar in AVATARS
    }
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in batch.audio.glob("*.mp3")}
    assert found == expected
    done = Counter(str(record["file"]) for record in batch.records)
    assert done.keys() == expected.keys()
    assert not once or set(done.values()) == {1}, "a second rendering is committed a second time"
    assert {str(record["file"]): record["sha256"] for record in batch.records} == expected
    assert not list((batch.audio / ".ttsp" / "unfinished").iterdir())
    assert len((batch.audio / "manifest.jsonl").read_text().splitlines()) == len(expected)


def done_then(batch: Batch) -> set[tuple[str, int]]:
    return {(str(record["avatar"]), int(str(record["post"]))) for record in batch.records}


def rendered_since(batch: Batch, count: int) -> set[tuple[str, int]]:
    return {(avatar, int(text.split()[-1].rstrip("."))) for _, avatar, text in batch.rendered[count:]}


SLACK = 4
"""Renderings that may end after those that a kill waits for: so it comes while items are spoken."""


def wait_begun(batch: Batch, driver: subprocess.Popen[bytes], renderings: int) -> None:
    """Wait until so many renderings have begun. Others are held, so the driver cannot have ended."""
    batch.wait_for(lambda: len(batch.rendered) >= renderings, driver)
    assert driver.poll() is None, "it ended with items that wait"


def test_batch_succeeds_though_workers_are_killed(batch: Batch) -> None:
    """The items in hand go to a new worker, and nothing else is rendered twice."""
    kills, posts, chance = trials(6, 22), trials(30, 90), random.Random(1)  # noqa: S311
    batch.post(posts)
    batch.slow_down(0.05)
    batch.hold_after(0)
    driver = batch.start(RETRIES="10")
    killed: set[int] = set()
    while len(killed) < kills:
        until = len(batch.rendered) + chance.randint(2, 12)
        batch.hold_after(until + SLACK)
        wait_begun(batch, driver, until)
        victim = batch.rendered[-1][0]
        if victim not in killed:
            with suppress(ProcessLookupError):  # it may have ended by itself, and is none that was killed
                os.kill(victim, signal.SIGKILL)
                killed.add(victim)
    batch.let_go()
    assert batch.end(driver)["outcome"] == "Succeeded"
    check_whole(batch, posts)


def test_batch_resumes_after_each_driver_kill(batch: Batch) -> None:
    """Each new driver goes on where the one before was killed."""
    kills, posts, chance = trials(4, 20), trials(25, 110), random.Random(2)  # noqa: S311
    batch.post(posts)
    batch.slow_down(0.05)
    for _ in range(kills):
        before, seen = done_then(batch), len(batch.rendered)
        until = seen + chance.randint(1, 16)
        batch.hold_after(until + SLACK)
        driver = batch.start()
        wait_begun(batch, driver, until)
        driver.kill()
        driver.wait()
        assert not before & rendered_since(batch, seen), "what was done is rendered again"
    batch.let_go()
    assert batch.end(batch.start())["outcome"] == "Succeeded"
    check_whole(batch, posts)


@pytest.mark.parametrize("seed", range(trials(2, 5)))
def test_batch_resumes_after_every_process_is_killed(lone_batch: Batch, seed: int) -> None:
    """As a power cut: driver, Ray and workers; and the ledger's last record is torn."""
    batch, posts, chance = lone_batch, 30, random.Random(seed)  # noqa: S311
    batch.post(posts)
    batch.slow_down(0.05)
    until = chance.randint(5, 60)
    batch.hold_after(until + SLACK)
    driver = batch.start()
    wait_begun(batch, driver, until)
    batch.wait_for(lambda: bool(batch.records), driver)
    kill_all(driver)
    batch.let_go()
    (segment,) = (batch.audio / ".ttsp" / "ledger").glob("*.jsonl")
    torn = segment.read_bytes()[: -chance.randint(1, 60)]
    segment.write_bytes(torn)
    before, seen = done_then(batch), len(batch.rendered)
    assert batch.end(batch.start())["outcome"] == "Succeeded"
    assert not before & rendered_since(batch, seen)
    check_whole(batch, posts)


@pytest.mark.parametrize("seed", range(trials(1, 3)))
def test_batch_resumes_after_the_ray_head_is_killed(lone_batch: Batch, seed: int) -> None:
    """Ray's control store and node manager: the driver ends, done or not, and the next one goes on."""
    batch, posts, chance = lone_batch, 30, random.Random(100 + seed)  # noqa: S311
    batch.post(posts)
    batch.slow_down(0.05)
    until = chance.randint(5, 60)
    batch.hold_after(until + SLACK)
    driver = batch.start()
    wait_begun(batch, driver, until)
    heads = []
    for process in psutil.Process(driver.pid).children():
        with suppress(psutil.NoSuchProcess):  # others come and go meanwhile
            if process.name() in ("gcs_server", "raylet"):
                heads.append(process)
    assert len(heads) == 2
    kill_each(heads)
    batch.let_go()
    try:
        driver.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        pytest.fail("the driver does not notice that Ray is gone")
    kill_all(driver)
    before, seen = done_then(batch), len(batch.rendered)
    assert batch.end(batch.start())["outcome"] == "Succeeded"
    assert not before & rendered_since(batch, seen)
    check_whole(batch, posts)


def test_batch_is_rendered_once_by_two_drivers(batch: Batch) -> None:
    posts = 40
    batch.post(posts)
    drivers = [batch.start(), batch.start()]
    ended = [batch.end(driver) for driver in drivers]
    assert [end["outcome"] for end in ended] == ["Succeeded", "Succeeded"]
    assert len(batch.rendered) == posts * len(AVATARS)
    check_whole(batch, posts)


def test_batch_fails_only_bad_items_with_their_reasons(batch: Batch) -> None:
    """Texts that kill their worker, that are refused, and one that fails once."""
    texts = {3: "KILL the worker 3.", 5: "REFUSE this 5.", 7: "Fails ONCE 7."}
    batch.post(12, lambda n: texts.get(n, f"Post number {n}."))
    end = batch.end(batch.start(RETRIES="1"))
    assert end["outcome"] == "PartiallyFailed"
    assert end["progress"] == {"total": 48, "done": 40, "failed": 8, "skipped": 0}
    failures = [(f["post"], f["reason"]) for f in end["failures"]]  # type: ignore[attr-defined]
    assert Counter(failures) == {(3, "WorkerDied"): 4, (5, "NothingToSpeak"): 4}
    assert len([1 for _, _, text in batch.rendered if text == texts[5]]) == 4, "bad input is not retried"

    again = batch.end(batch.start(RETRIES="1"))
    assert again["progress"] == {"total": 48, "done": 40, "failed": 8, "skipped": 40}, "what failed stays so"


def test_batch_renders_only_changed_posts_and_missing_files(batch: Batch) -> None:
    batch.post(10)
    batch.end(batch.start())
    seen = len(batch.rendered)
    batch.post(10, lambda n: f"Post number {n}." if n != 4 else "Another text, post number 4.")
    (batch.audio / "post_07_male_en-US.mp3").unlink()
    end = batch.end(batch.start())
    assert end["progress"] == {"total": 40, "done": 40, "failed": 0, "skipped": 35}
    assert rendered_since(batch, seen) == {(avatar, 4) for avatar in AVATARS} | {("male_en-US", 7)}


def test_batch_renders_identical_texts_once(batch: Batch) -> None:
    batch.post(20, lambda n: "Post number 1.")
    assert batch.end(batch.start())["progress"] == {"total": 80, "done": 80, "failed": 0, "skipped": 0}
    assert len(batch.rendered) == len(AVATARS)
    files = {path.name: path.read_bytes() for path in batch.audio.glob("*.mp3")}
    assert files == {
        f"post_{n:02d}_{avatar}.mp3": audio("Post number 1.", avatar)
        for n in range(1, 21)
        for avatar in AVATARS
    }


def test_batch_driver_finishes_items_in_hand_when_stopped(batch: Batch) -> None:
    batch.post(60)
    batch.hold_after(10)
    driver = batch.start()
    wait_begun(batch, driver, 11)
    driver.send_signal(signal.SIGTERM)
    batch.let_go()
    end = batch.end(driver)
    assert (end["outcome"], driver.returncode) == ("Stopped", 130)
    assert len(batch.records) == len(batch.rendered), "what was in hand is done"
    assert batch.end(batch.start())["outcome"] == "Succeeded"
    assert len(batch.rendered) == 240


def test_batch_waits_while_the_output_disk_is_full(batch: Batch, tmp_path: Path) -> None:
    """A disk without room: the batch waits, nothing half-written is called done, and it goes on."""
    if os.geteuid() != 0:
        pytest.skip("a small disk can be mounted by root only")
    batch.audio.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(batch.audio)], check=True)
    try:
        batch.post(60)
        driver = batch.start()
        log = batch.folder / "driver-0.log"
        batch.wait_for(lambda: "disk is full" in log.read_text(), driver)
        assert driver.poll() is None, log.read_text()
        subprocess.run(["mount", "-o", "remount,size=8m", str(batch.audio)], check=True)
        assert batch.end(driver)["outcome"] == "Succeeded"
        check_whole(batch, 60, once=False)
    finally:
        subprocess.run(["umount", "-l", str(batch.audio)], check=True)
