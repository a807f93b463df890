"""The driver, with a simulated speaker in this process: an output that goes away, copies, retries."""

import asyncio
import errno
import json
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from measured import Measured
from typer.testing import CliRunner, Result

from tts_app.backoff import Backoff
from tts_app.batch import driver as module
from tts_app.batch.driver import Driver
from tts_app.batch.options import Options
from tts_app.batch.outcome import Outcome, Progress
from tts_app.batch.plan import Plan
from tts_app.batch.run import run
from tts_app.batch.waits import Waits
from tts_app.batch.worker import Fault, Order, Spoken, Worker
from tts_app.batch.worker_pool import NoWorkerError, PoolSize, WorkerPoolError
from tts_app.cli import app, render_batch
from tts_app.engines.base import Clip
from tts_app.resources import VoiceModel
from tts_app.serving import governor
from tts_app.speech import Utterance
from tts_app.storage.output import FolderOutput, LockedError, Segment
from tts_app.telemetry.showing import Showing

MakePlan = Callable[..., Plan]
MakeModel = Callable[..., VoiceModel]
POSTS = [{"id": post, "text": {"en": f"Hello {post}.", "es": f"Hola {post}."}} for post in (1, 2)]
STEPS = ["lock", "load", "audio", "commit", "end", "report"]


class Shaky(FolderOutput):
    """An output that goes away at a step, until it was looked at so many times."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.step, self.looks, self.fault = "", 0, errno.EIO
        self.away = False
        self.prepare()

    def reach(self, step: str) -> None:
        if step == self.step:
            self.away = True
        if self.away:
            raise OSError(self.fault, "it is away")

    def probe(self) -> None:
        if self.away and self.looks > 0:
            self.looks -= 1
            raise OSError(self.fault, "it is away")
        self.away, self.step = False, ""
        super().probe()

    @contextmanager
    def lock(self) -> Iterator[None]:
        self.reach("lock")
        with super().lock():
            yield

    def sizes(self) -> Iterator[tuple[str, int]]:
        self.reach("load")
        return super().sizes()

    def put(self, name: str, data: bytes) -> None:
        if name.endswith(".mp3"):
            self.reach("audio")
        super().put(name, data)

    def put_file(self, name: str, path: Path) -> None:
        self.reach("report")
        super().put_file(name, path)

    def new_segment(self) -> Any:
        return ShakySegment(self, super().new_segment())


class ShakySegment:
    """A segment of such an output."""

    def __init__(self, output: Shaky, segment: Segment) -> None:
        self._output, self._segment = output, segment

    def append(self, lines: Sequence[bytes]) -> None:
        self._output.reach("commit")
        self._segment.append(lines)

    def close(self) -> None:
        self._output.reach("end")
        self._segment.close()


@dataclass
class Speaker:
    """Notes what each voice says; of that, what is in `fails` fails so many times."""

    spoken: list[str] = field(default_factory=list)
    fails: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    begun: int = 0
    ended: int = 0
    most: int = 0
    """At a time."""

    async def speak(self, utterance: Utterance, clip: Clip | None = None) -> tuple[bytes, float]:
        self.begun += 1
        self.most = max(self.most, self.begun - self.ended)
        await asyncio.sleep(self.seconds)
        self.ended += 1
        said = f"{utterance.voice.id}: {utterance.text}"
        if self.fails.get(said, 0):
            self.fails[said] -= 1
            raise ConnectionError("this once")
        self.spoken.append(said)
        return said.encode(), len(utterance.text) / 10


@pytest.fixture
def shaky(tmp_path: Path) -> Shaky:
    return Shaky(tmp_path / "out")


@pytest.fixture
def speaker(shaky: Shaky, monkeypatch: pytest.MonkeyPatch) -> Speaker:
    """The speaker of every worker; nothing takes long."""
    made = Speaker()

    class WorkerHandle:
        def __init__(self, model: VoiceModel, _speaker: str, staff: PoolSize, output: str) -> None:
            self.model, self.size, self.chunk = model, staff, 2
            self.actor: object = None
            self.lost = ""
            self.is_expected = False
            self._worker = Worker("", model, staff.slots, output)
            self._worker._speaker = made
            if output == shaky.url:  # a worker that is a process opens its own
                self._worker._output = shaky

        def expect(self) -> None:
            self.is_expected = True

        async def start(self) -> None:
            self.actor = self._worker

        async def render(self, orders: Sequence[Order], _alone: bool) -> list[Spoken | Fault]:
            return await self._worker.render(orders)

        def stop(self) -> None:
            pass

    monkeypatch.setattr(module, "WorkerHandle", WorkerHandle)
    monkeypatch.setattr(module, "pool_size", lambda *_: PoolSize(1, 2))
    return made


SHORT = Waits(
    output_probe=Backoff(0.02, 0.02), retry=Backoff(0.01, 0.01), progress=0.01, sample=0.01, average=0.001
)


@dataclass
class Batch:
    """A batch of two posts in two languages by two voices, in an output that may go away."""

    output: Shaky
    models: list[VoiceModel]
    make_plan: MakePlan
    reported: list[dict[str, Any]] = field(default_factory=list)
    driver: Driver | None = None
    waits: Waits = SHORT

    async def run(
        self, tell: Callable[[Progress], None] = lambda _: None, posts: Any = POSTS, **options: Any
    ) -> Outcome:
        def telling(progress: Progress) -> None:
            self.reported.append(progress.as_dict())
            tell(progress)

        def started(made: Driver) -> None:
            self.driver = made

        chosen = Options(**{"job": "welcome", "utilisation": 1.0, **options})
        plan = self.make_plan(posts, self.models)
        return await run(
            plan, self.output, self.models, chosen, report=telling, started=started, waits=self.waits
        )

    def stop(self, _progress: Progress) -> None:
        assert self.driver is not None
        self.driver.stop()

    @property
    def manifest(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.read("manifest.jsonl").splitlines()]


@pytest.fixture
def batch(shaky: Shaky, speaker: Speaker, make_model: MakeModel, make_plan: MakePlan) -> Batch:
    return Batch(shaky, [make_model()], make_plan)


# An output that goes away


@pytest.mark.parametrize("step", STEPS)
async def test_driver_waits_while_the_output_is_away(batch: Batch, step: str) -> None:
    batch.output.step, batch.output.looks = step, 3
    ended = await batch.run()
    assert (ended.state, ended.message) == ("Succeeded", "")
    assert not batch.output.step, "it was not away at all"
    assert "the output cannot be written: it is away" in [
        reported.get("waiting") for reported in batch.reported
    ]
    assert "waiting" not in ended.as_dict()
    assert len(batch.manifest) == len(list(batch.output.sizes())) - 2 == 8


@pytest.mark.parametrize("step", STEPS)
async def test_driver_stops_while_the_output_is_away_and_can_resume(
    batch: Batch, speaker: Speaker, step: str
) -> None:
    def stop(progress: Progress) -> None:
        if progress.waiting:
            batch.stop(progress)

    batch.output.step, batch.output.looks = step, sys.maxsize
    async with asyncio.timeout(30):  # sooner than its patience is at an end
        ended = await batch.run(stop)
    assert ended.state == "Stopped"
    assert ended.message == "The output cannot be written: it is away."
    batch.output.looks = 0
    batch.output.probe()
    assert (await batch.run()).state == "Succeeded"
    assert len(batch.manifest) == 8


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("fault", "words"),
    [(errno.EACCES, "give write permission"), (errno.ENOSPC, "the disk is full")],
    ids=["permission lost", "disk full"],
)
async def test_driver_fails_when_the_output_stays_away_too_long(
    batch: Batch, step: str, fault: int, words: str
) -> None:
    batch.waits = replace(batch.waits, output=0.1)
    batch.output.step, batch.output.looks, batch.output.fault = step, sys.maxsize, fault
    async with asyncio.timeout(30):
        ended = await batch.run()
    assert ended.state == "Failed"
    assert ended.message.startswith("The output cannot be written: ")
    assert words in ended.message


async def test_driver_counts_items_retries_and_what_was_spoken(
    batch: Batch, speaker: Speaker, measured: Measured
) -> None:
    first, never = "female_en-US: Hello 1.", "male_en-US: Hello 2."
    speaker.fails = {first: 1, never: 100}
    assert (await batch.run(retries=2)).state == "PartiallyFailed"
    assert measured.total("ttsp_batch_items", outcome="done") == 7
    assert measured.total("ttsp_batch_items", outcome="failed") == 1
    assert measured.total("ttsp_batch_items", outcome="skipped") == 0
    assert measured.total("ttsp_batch_retries") == 1 + 2
    assert measured.total("ttsp_speech_characters", voice="female_en-US") == 2 * len("Hello 1.")
    assert measured.total("ttsp_speech_audio_seconds", voice="male_en-US") == pytest.approx(0.8)
    assert (await batch.run(retries=0)).state == "PartiallyFailed"
    assert measured.total("ttsp_batch_items", outcome="skipped") == 7


async def test_driver_shows_the_items_that_wait_and_those_that_are_spoken(
    batch: Batch, speaker: Speaker, measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Showing", partial(Showing, every=0.001))
    speaker.seconds = 0.02
    assert (await batch.run(parallelism=2)).state == "Succeeded"
    waiting = measured.all("ttsp_batch_items_open", state="waiting")
    running = measured.all("ttsp_batch_items_open", state="running")
    assert max(running) >= 1
    assert max(waiting) >= 4
    assert all(0 <= one + other <= 8 for one, other in zip(waiting, running, strict=True))
    assert measured.all("ttsp_governor_slots")[0] == 2


async def test_driver_writes_no_report_when_another_has_taken_over(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_segment: ShakySegment, _lines: Sequence[bytes]) -> None:
        raise LockedError("another driver has taken over")

    monkeypatch.setattr(ShakySegment, "append", refuse)
    ended = await batch.run()
    assert (ended.state, ended.message) == ("Failed", "another driver has taken over")
    assert ended.progress.done == 0
    assert not {"manifest.jsonl", "summary.json"} & {name for name, _ in batch.output.sizes()}


@pytest.fixture
def full() -> Iterator[Any]:
    """A file that nothing can be written to."""
    if not Path("/dev/full").exists():
        pytest.skip("a disk that is always full is Linux's")
    with Path("/dev/full").open("r+b", buffering=0) as file:
        yield file


async def test_driver_names_a_full_temporary_folder(
    batch: Batch, monkeypatch: pytest.MonkeyPatch, full: Any
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "NamedTemporaryFile", lambda: full)
        ended = await batch.run()
    folder = tempfile.gettempdir()
    message = (
        f"{folder} cannot be written: No space left on device; make room, or name another folder in TMPDIR."
    )
    assert (ended.state, ended.message) == ("Failed", message)
    assert not any("waiting" in reported for reported in batch.reported)
    again = await batch.run()
    assert (again.state, again.progress.skipped) == ("Succeeded", 8)


async def test_driver_keeps_the_retries_of_an_item_when_the_output_was_away(
    batch: Batch, speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch.output.step, batch.output.looks = "audio", 1
    reach = batch.output.reach

    def reach_and_fail(step: str) -> None:
        try:
            reach(step)
        except OSError:
            speaker.fails = dict.fromkeys(speaker.spoken, 1)
            raise

    monkeypatch.setattr(batch.output, "reach", reach_and_fail)
    assert (await batch.run(retries=1)).state == "Succeeded"
    assert len(speaker.spoken) > 8, "nothing was spoken again"
    assert not any(speaker.fails.values())


async def test_driver_does_not_block_while_the_output_is_unlocked(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store may take long to answer."""
    lock = batch.output.lock
    others_go_on: list[bool] = []

    @contextmanager
    def slow() -> Iterator[None]:
        with lock():
            yield
            begun.set()
            others_go_on.append(answered.wait(5))

    begun, answered = threading.Event(), threading.Event()
    monkeypatch.setattr(batch.output, "lock", slow)
    running = asyncio.create_task(batch.run())
    while not running.done():
        await asyncio.sleep(0.01)
        if begun.is_set():
            answered.set()
    assert (await running).state == "Succeeded"
    assert others_go_on == [True]
    with lock():  # which is free again
        pass


# Texts that are the same


def post(number: int, text: str = "Hello.") -> dict[str, Any]:
    return {"id": number, "text": {"en": text, "es": text}}


@pytest.mark.parametrize("posts", [[post(1), post(2)], [post(2), post(1)]], ids=["after", "before"])
async def test_driver_copies_a_text_rendered_in_an_earlier_run(
    batch: Batch, speaker: Speaker, posts: list[Any]
) -> None:
    await batch.run(posts=[post(1)])
    speaker.spoken.clear()
    ended = await batch.run(posts=posts)
    assert ended.as_dict()["progress"] == {"total": 8, "done": 8, "failed": 0, "skipped": 4}
    assert not speaker.spoken
    for record in batch.manifest:
        assert batch.output.read(record["file"]) == f"{record['avatar']}: Hello.".encode()
    assert {(record["post"], record["seconds"]) for record in batch.manifest} == {(1, 0.6), (2, 0.6)}


@pytest.mark.parametrize("gone", [1, 7])
async def test_driver_copies_any_existing_file_with_the_same_audio(
    batch: Batch, speaker: Speaker, tmp_path: Path, gone: int
) -> None:
    posts = [post(1), post(2, "Goodbye."), post(7)]
    await batch.run(posts=posts)
    speaker.spoken.clear()
    for audio in (tmp_path / "out").glob(f"post_{gone:02d}_*.mp3"):
        audio.unlink()
    assert (await batch.run(posts=posts)).progress.skipped == 8
    assert not speaker.spoken
    for record in batch.manifest:
        said = "Goodbye." if record["post"] == 2 else "Hello."
        assert batch.output.read(record["file"]) == f"{record['avatar']}: {said}".encode()


@pytest.mark.parametrize("left", [None, b"shorter"], ids=["removed", "changed"])
async def test_driver_does_not_copy_missing_or_damaged_audio(
    batch: Batch, speaker: Speaker, tmp_path: Path, left: bytes | None
) -> None:
    await batch.run(posts=[post(1)])
    speaker.spoken.clear()
    audio = tmp_path / "out" / "post_01_male_en-US.mp3"
    audio.unlink()
    if left:
        audio.write_bytes(left)
    assert (await batch.run(posts=[post(1), post(2)])).state == "Succeeded"
    assert speaker.spoken == ["male_en-US: Hello."]


async def test_driver_does_not_copy_audio_of_an_earlier_text(batch: Batch, speaker: Speaker) -> None:
    await batch.run(posts=[post(1)])
    await batch.run(posts=[post(1, "Goodbye.")])
    speaker.spoken.clear()
    assert (await batch.run(posts=[post(1, "Goodbye."), post(2), post(3)])).state == "Succeeded"
    assert sorted(speaker.spoken) == sorted(f"{record['avatar']}: Hello." for record in batch.manifest[:4])


async def test_driver_does_not_copy_audio_that_is_about_to_be_replaced(
    batch: Batch, speaker: Speaker
) -> None:
    await batch.run(posts=[post(1)])
    speaker.spoken.clear()
    await batch.run(posts=[post(1, "Goodbye."), post(2), post(3)])
    assert sorted(speaker.spoken) == sorted(
        f"{record['avatar']}: {text}" for record in batch.manifest[:4] for text in ("Goodbye.", "Hello.")
    )
    texts = {record["post"]: batch.output.read(record["file"])[-8:] for record in batch.manifest}
    assert texts == {1: b"Goodbye.", 2: b": Hello.", 3: b": Hello."}


async def test_driver_renders_audio_that_is_removed_before_the_copy(
    batch: Batch, speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await batch.run(posts=[post(1)])
    speaker.spoken.clear()
    read = batch.output.read

    def gone(name: str) -> bytes:
        if name.endswith(".mp3"):
            raise FileNotFoundError(name)
        return read(name)

    monkeypatch.setattr(batch.output, "read", gone)
    assert (await batch.run(posts=[post(1), post(2), post(3)])).state == "Succeeded"
    assert set(speaker.spoken) == {f"{record['avatar']}: Hello." for record in batch.manifest}


# What failed, and busy machines


async def test_driver_retries_failed_items_only_on_request(batch: Batch, speaker: Speaker) -> None:
    speaker.fails = {"female_en-US: Hello 1.": 1, "male_en-US: Hello 1.": 1}
    first = await batch.run(retries=0)
    assert (first.state, first.progress.done, first.progress.failed) == ("PartiallyFailed", 6, 2)
    again = await batch.run(retries=0)
    assert (again.state, again.progress.skipped, again.progress.failed) == ("PartiallyFailed", 6, 2)
    asked = await batch.run(retries=0, retry_failed=True)
    assert (asked.state, asked.progress.skipped, asked.progress.failed) == ("Succeeded", 6, 0)


async def test_driver_counts_finished_items_before_it_renders(batch: Batch, speaker: Speaker) -> None:
    """Also what comes late in the plan: whoever stops the batch at once is told the truth."""

    def stop(progress: Progress) -> None:
        if speaker.begun:
            batch.stop(progress)

    speaker.fails = {"female_en-US: Hello 2.": 1}
    await batch.run(posts=POSTS[1:], retries=0)
    speaker.spoken.clear()
    speaker.begun, speaker.seconds = 0, 0.1
    before = [{"id": post, "text": {"en": f"Hello {post}.", "es": f"Hola {post}."}} for post in range(3, 10)]
    ended = await batch.run(stop, posts=[*before, *POSTS])
    reported = ended.as_dict()
    assert ended.state == "Stopped"
    assert reported["progress"] == {"total": 36, "done": 3 + len(speaker.spoken), "failed": 1, "skipped": 3}
    assert [failure["post"] for failure in reported["failures"]] == [2]


@pytest.mark.parametrize("models", [1, 2])
async def test_driver_renders_no_more_items_at_a_time_than_parallelism(
    batch: Batch, speaker: Speaker, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch, models: int
) -> None:
    """Whole workers make more lanes than that, and each model has its own."""
    monkeypatch.setattr(module, "pool_size", lambda *_: PoolSize(2, 2))
    if models == 2:
        batch.models = [
            make_model(name, voices=[{"locale": locale, "gender": "male", "speaker": "x"}])
            for name, locale in (("one", "en-US"), ("two", "es-ES"))
        ]
    speaker.seconds = 0.05
    posts = [{"id": n, "text": {"en": f"Hello {n}.", "es": f"Hola {n}."}} for n in range(1, 9)]
    assert (await batch.run(posts=posts, parallelism=3)).state == "Succeeded"
    assert speaker.most == 3
    assert len(speaker.spoken) == len(set(speaker.spoken)) == (32 if models == 1 else 16)


async def test_driver_renders_other_models_while_one_waits_for_a_node(
    batch: Batch, speaker: Speaker, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def start(worker: Any) -> None:
        if worker.model.name == "absent":
            async with asyncio.timeout(10):
                await others_spoken.wait()
        worker.actor = worker

    def tell(progress: Progress) -> None:
        if progress.done == 2:
            others_spoken.set()

    others_spoken = asyncio.Event()
    monkeypatch.setattr(module.WorkerHandle, "start", start)
    batch.models = [
        make_model(name, voices=[{"locale": locale, "gender": "male", "speaker": "x"}])
        for name, locale in (("absent", "en-US"), ("there", "es-ES"))
    ]
    assert (await batch.run(tell, parallelism=1)).state == "Succeeded"


async def test_driver_starts_no_more_workers_than_items(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One post was changed: nobody loads a model for nothing."""
    started: list[Any] = []

    async def start(worker: Any) -> None:
        if worker not in started:
            started.append(worker)
        await asyncio.sleep(0.3)
        worker.actor = worker

    monkeypatch.setattr(module, "pool_size", lambda *_: PoolSize(6, 2))
    monkeypatch.setattr(module.WorkerHandle, "start", start)
    changed = [{"id": 1, "text": {"en": "Hello again.", "es": "Hola otra vez."}}, POSTS[1]]
    assert (await batch.run()).state == "Succeeded"
    assert len(started) == 6
    started.clear()
    ended = await batch.run(posts=changed)
    assert (ended.state, ended.progress.skipped) == ("Succeeded", 4)
    assert len(started) == 4


@pytest.mark.parametrize("lost", ["at once", "for ever"])
async def test_driver_renders_everything_without_a_worker_that_does_not_start(
    batch: Batch, speaker: Speaker, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """Neither where it fails nor where it is waited for: the others speak everything."""
    started: list[Any] = []

    async def start(worker: Any) -> None:
        if worker not in started:
            started.append(worker)
        if worker is not started[0]:
            worker.actor = worker
            return
        if lost == "for ever":
            await asyncio.sleep(3600)
        worker.lost = "its node has gone"
        raise WorkerPoolError(worker.lost)

    monkeypatch.setattr(module, "pool_size", lambda *_: PoolSize(2, 2))
    monkeypatch.setattr(module.WorkerHandle, "start", start)
    async with asyncio.timeout(30):
        ended = await batch.run()
    assert ended.state == "Succeeded"
    assert len(speaker.spoken) == 8


async def test_driver_fails_when_no_worker_of_a_model_starts(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def start(worker: Any) -> None:
        worker.lost = "its model does not load"
        raise WorkerPoolError(worker.lost)

    monkeypatch.setattr(module, "pool_size", lambda *_: PoolSize(2, 2))
    monkeypatch.setattr(module.WorkerHandle, "start", start)
    ended = await batch.run()
    assert (ended.state, ended.message) == ("Failed", "its model does not load")


async def test_driver_sends_orders_that_a_worker_never_had_to_the_next_one(
    batch: Batch, speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had died between two chunks."""
    render, gone = module.WorkerHandle.render, []

    async def once(worker: Any, orders: Any, alone: bool) -> Any:
        assert not alone
        if not gone:
            gone.append(orders)
            worker.actor = None
            raise NoWorkerError
        return await render(worker, orders, alone)

    monkeypatch.setattr(module.WorkerHandle, "render", once)
    assert (await batch.run()).state == "Succeeded"
    assert len(speaker.spoken) == 8


async def test_driver_reports_no_counts_before_it_has_read_the_output(batch: Batch) -> None:
    with batch.output.lock():
        task = asyncio.create_task(batch.run())
        async with asyncio.timeout(10):
            while not batch.reported:  # noqa: ASYNC110 - a list has no event
                await asyncio.sleep(0.01)
    ended = await task
    assert "progress" not in batch.reported[0]
    assert "another driver" in batch.reported[0]["waiting"]
    assert (ended.state, ended.progress.done) == ("Succeeded", 8)


Node = Callable[[Callable[[], float]], None]


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    """Let the only node's CPUs be as busy as is told, looked at every hundredth of a second."""

    def make(busy: Callable[[], float]) -> None:
        async def usage(_governor: governor.Governor, _node: str) -> dict[str, float]:
            return {"cpu": busy()}

        monkeypatch.setattr(governor, "_nodes", lambda: ["node"])
        monkeypatch.setattr(governor.Governor, "_usage", usage)

    return make


async def test_driver_retries_failures_of_an_earlier_job_of_the_same_name(
    batch: Batch, speaker: Speaker
) -> None:
    speaker.fails = {"female_en-US: Hello 1.": 1}
    assert (await batch.run(retries=0, uid="first")).progress.failed == 1
    assert (await batch.run(retries=0, uid="first")).progress.failed == 1
    applied_again = await batch.run(retries=0, uid="second")
    assert (applied_again.state, applied_again.progress.skipped) == ("Succeeded", 7)
    assert json.loads(batch.output.read("summary.json"))["job"] == "welcome"


async def test_driver_adds_nothing_while_a_node_is_busy(batch: Batch, speaker: Speaker, node: Node) -> None:
    """As soon as the load has fallen, the batch goes on by itself."""
    samples: list[int] = []

    def busy() -> float:
        samples.append(len(speaker.spoken))
        return 0.95 if len(samples) <= 60 else 0.5

    node(busy)
    speaker.seconds = 0.05
    ended = await batch.run(utilisation=0.8)
    assert "node/cpu is 95% in use" in [reported.get("waiting") for reported in batch.reported]
    assert samples[40] == samples[60] < 8, "it goes on although the node is busy"
    assert (ended.state, len(speaker.spoken)) == ("Succeeded", 8)


async def test_driver_finishes_the_last_items_on_a_busy_node(
    batch: Batch, speaker: Speaker, node: Node
) -> None:
    speaker.seconds = 0.1
    node(lambda: 0.95 if speaker.begun == 8 else 0.5)
    async with asyncio.timeout(10):
        ended = await batch.run(utilisation=0.8)
    assert (ended.state, len(speaker.spoken)) == ("Succeeded", 8)


async def test_driver_stops_on_a_busy_node_and_can_resume(batch: Batch, speaker: Speaker, node: Node) -> None:
    def stop(progress: Progress) -> None:
        if progress.waiting:
            batch.stop(progress)

    speaker.seconds = 0.05
    node(lambda: 0.95 if speaker.spoken else 0.5)
    async with asyncio.timeout(10):
        ended = await batch.run(stop, utilisation=0.8)
    assert ended.state == "Stopped"
    assert ended.progress.done == len(speaker.spoken) < 8
    assert (await batch.run()).progress.skipped == ended.progress.done
    assert len(speaker.spoken) == len(set(speaker.spoken)) == 8


# The command


JOB = """
kind: TTSJob
metadata: {name: welcome}
spec:
  posts: {inline: [{id: 1, text: {en: Hello., es: Hola.}}]}
  avatars: {locales: [en-US, es-ES]}
  output: {uri: "OUTPUT"}
  retries: 0
"""


@pytest.mark.parametrize("again_with", [["--retry-failed"], ["--uid", "another"]], ids=" ".join)
def test_render_retries_failed_items_on_request(
    speaker: Speaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again_with: list[str]
) -> None:
    def render(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["render", "-f", str(job), "--utilisation", "1", *arguments])

    monkeypatch.setattr(render_batch, "_ray", nullcontext)
    job = tmp_path / "job.yaml"
    job.write_text(JOB.replace("OUTPUT", (tmp_path / "audio").as_uri()))
    speaker.fails = {"female_es-ES: Hola.": 1, "male_es-ES: Hola.": 1}
    first = render()
    assert first.exit_code == 1, first.output
    assert "post 1, female_es-ES: ConnectionError: this once" in first.stderr
    assert "PartiallyFailed: 2 of 4 files" in first.stderr
    assert render().exit_code == 1
    again = render(*again_with)
    assert again.exit_code == 0, again.output
    assert "Succeeded: 4 of 4 files, 2 of them were there before" in again.stderr
