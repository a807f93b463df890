"""The driver, with a simulated speaker in this process: an output that goes away, copies, retries."""

import asyncio
import errno
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tts_app.batch import command, patience
from tts_app.batch import driver as module
from tts_app.batch.crew import Staffing
from tts_app.batch.driver import Driver
from tts_app.batch.options import Options
from tts_app.batch.outcome import Outcome, Progress
from tts_app.batch.plan import Plan
from tts_app.batch.run import run
from tts_app.batch.worker import Fault, Order, Spoken, Worker
from tts_app.catalogue import CatalogueVoice
from tts_app.cli import app
from tts_app.resources import VoiceModel
from tts_app.serving import governor
from tts_app.storage.output import FolderOutput, Segment

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

    async def speak(self, text: str, voice: CatalogueVoice, format: str) -> tuple[bytes, float]:  # noqa: A002
        await asyncio.sleep(self.seconds)
        said = f"{voice.id}: {text}"
        if self.fails.get(said, 0):
            self.fails[said] -= 1
            raise ConnectionError("this once")
        self.spoken.append(said)
        return said.encode(), len(text) / 10


@pytest.fixture
def shaky(tmp_path: Path) -> Shaky:
    return Shaky(tmp_path / "out")


@pytest.fixture
def speaker(shaky: Shaky, monkeypatch: pytest.MonkeyPatch) -> Speaker:
    """The speaker of every worker; nothing takes long, and nothing is waited for long."""
    made = Speaker()

    class Member:
        def __init__(self, model: VoiceModel, _speaker: str, staff: Staffing, output: str) -> None:
            self.model, self.staffing, self.chunk = model, staff, 2
            self._worker = Worker("", model, staff.slots, output)
            self._worker._speaker = made
            if output == shaky.url:  # a worker that is a process opens its own
                self._worker._output = shaky

        async def render(self, orders: Sequence[Order], _alone: bool) -> list[Spoken | Fault]:
            return await self._worker.render(orders)

        def stop(self) -> None:
            pass

    monkeypatch.setattr(module, "Member", Member)
    monkeypatch.setattr(module, "staffing", lambda *_: Staffing(1, 2))
    monkeypatch.setattr(module, "TELL_SECONDS", 0.01)
    monkeypatch.setattr(module, "_BACK_OFF", (0.01, 0.01))
    monkeypatch.setattr(patience, "_PAUSES", (0.02, 0.02))
    return made


@dataclass
class Batch:
    """A batch of two posts in two languages by two voices, in an output that may go away."""

    output: Shaky
    model: VoiceModel
    make_plan: MakePlan
    told: list[dict[str, Any]] = field(default_factory=list)
    driver: Driver | None = None

    async def run(
        self, tell: Callable[[Progress], None] = lambda _: None, posts: Any = POSTS, **options: Any
    ) -> Outcome:
        def telling(progress: Progress) -> None:
            self.told.append(progress.told())
            tell(progress)

        def started(made: Driver) -> None:
            self.driver = made

        chosen = Options(**{"job": "welcome", "utilisation": 1.0, **options})
        plan = self.make_plan(posts, [self.model])
        return await run(plan, self.output, [self.model], chosen, tell=telling, started=started)

    def stop(self, _progress: Progress) -> None:
        assert self.driver is not None
        self.driver.stop()

    @property
    def manifest(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.read("manifest.jsonl").splitlines()]


@pytest.fixture
def batch(shaky: Shaky, speaker: Speaker, make_model: MakeModel, make_plan: MakePlan) -> Batch:
    return Batch(shaky, make_model(), make_plan)


# An output that goes away


@pytest.mark.parametrize("step", STEPS)
async def test_an_output_that_is_away_for_a_while_is_waited_for(batch: Batch, step: str) -> None:
    batch.output.step, batch.output.looks = step, 3
    ended = await batch.run()
    assert (ended.state, ended.message) == ("Succeeded", "")
    assert not batch.output.step, "it was not away at all"
    assert "the output cannot be written: it is away" in [told.get("waiting") for told in batch.told]
    assert "waiting" not in ended.told()
    assert len(batch.manifest) == len(list(batch.output.sizes())) - 2 == 8


@pytest.mark.parametrize("step", STEPS)
async def test_stopped_while_the_output_is_away_it_has_stopped_and_another_run_goes_on(
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
async def test_an_output_that_cannot_be_written_any_more_ends_the_batch_when_patience_does(
    batch: Batch, monkeypatch: pytest.MonkeyPatch, step: str, fault: int, words: str
) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.1)
    batch.output.step, batch.output.looks, batch.output.fault = step, sys.maxsize, fault
    async with asyncio.timeout(30):
        ended = await batch.run()
    assert ended.state == "Failed"
    assert ended.message.startswith("The output cannot be written: ")
    assert words in ended.message


async def test_an_output_that_was_away_leaves_an_item_its_retries(
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


# Texts that are the same


def post(number: int, text: str = "Hello.") -> dict[str, Any]:
    return {"id": number, "text": {"en": text, "es": text}}


@pytest.mark.parametrize("posts", [[post(1), post(2)], [post(2), post(1)]], ids=["after", "before"])
async def test_a_new_post_whose_text_was_spoken_in_an_earlier_run_is_copied(
    batch: Batch, speaker: Speaker, posts: list[Any]
) -> None:
    await batch.run(posts=[post(1)])
    speaker.spoken.clear()
    ended = await batch.run(posts=posts)
    assert ended.told()["progress"] == {"total": 8, "done": 8, "failed": 0, "skipped": 4}
    assert not speaker.spoken
    for record in batch.manifest:
        assert batch.output.read(record["file"]) == f"{record['avatar']}: Hello.".encode()
    assert {(record["post"], record["seconds"]) for record in batch.manifest} == {(1, 0.6), (2, 0.6)}


@pytest.mark.parametrize("left", [None, b"shorter"], ids=["removed", "changed"])
async def test_audio_that_is_not_there_any_more_is_no_original(
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


async def test_a_text_that_has_changed_since_is_no_original(batch: Batch, speaker: Speaker) -> None:
    await batch.run(posts=[post(1)])
    await batch.run(posts=[post(1, "Goodbye.")])
    speaker.spoken.clear()
    assert (await batch.run(posts=[post(1, "Goodbye."), post(2), post(3)])).state == "Succeeded"
    assert sorted(speaker.spoken) == sorted(f"{record['avatar']}: Hello." for record in batch.manifest[:4])


async def test_audio_that_is_about_to_be_replaced_is_no_original(batch: Batch, speaker: Speaker) -> None:
    await batch.run(posts=[post(1)])
    speaker.spoken.clear()
    await batch.run(posts=[post(1, "Goodbye."), post(2), post(3)])
    assert sorted(speaker.spoken) == sorted(
        f"{record['avatar']}: {text}" for record in batch.manifest[:4] for text in ("Goodbye.", "Hello.")
    )
    texts = {record["post"]: batch.output.read(record["file"])[-8:] for record in batch.manifest}
    assert texts == {1: b"Goodbye.", 2: b": Hello.", 3: b": Hello."}


async def test_audio_that_is_removed_at_the_last_moment_is_spoken(
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


async def test_what_failed_is_left_so_until_it_is_asked_for(batch: Batch, speaker: Speaker) -> None:
    speaker.fails = {"female_en-US: Hello 1.": 1, "male_en-US: Hello 1.": 1}
    first = await batch.run(retries=0)
    assert (first.state, first.progress.done, first.progress.failed) == ("PartiallyFailed", 6, 2)
    again = await batch.run(retries=0)
    assert (again.state, again.progress.skipped, again.progress.failed) == ("PartiallyFailed", 6, 2)
    asked = await batch.run(retries=0, retry_failed=True)
    assert (asked.state, asked.progress.skipped, asked.progress.failed) == ("Succeeded", 6, 0)


async def test_nothing_is_added_while_a_node_is_busy(
    batch: Batch, speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as the load has fallen, the batch goes on by itself."""
    samples: list[int] = []

    async def usage(_governor: governor.Governor, _node: str) -> dict[str, float]:
        samples.append(len(speaker.spoken))
        return {"cpu": 0.95 if len(samples) <= 60 else 0.5}

    monkeypatch.setattr(governor, "_nodes", lambda: ["node"])
    monkeypatch.setattr(governor, "SAMPLE_SECONDS", 0.01)
    monkeypatch.setattr(governor, "AVERAGE_SECONDS", 0.001)
    monkeypatch.setattr(governor.Governor, "_usage", usage)
    speaker.seconds = 0.05
    ended = await batch.run(utilisation=0.8)
    assert "node/cpu is 95% in use" in [told.get("waiting") for told in batch.told]
    assert samples[40] == samples[60] < 8, "it goes on although the node is busy"
    assert (ended.state, len(speaker.spoken)) == ("Succeeded", 8)


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


def test_the_command_renders_what_failed_when_it_is_asked_to(
    speaker: Speaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def render(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["render", "-f", str(job), "--utilisation", "1", *arguments])

    monkeypatch.setattr(command, "_ray", nullcontext)
    job = tmp_path / "job.yaml"
    job.write_text(JOB.replace("OUTPUT", (tmp_path / "audio").as_uri()))
    speaker.fails = {"female_es-ES: Hola.": 1, "male_es-ES: Hola.": 1}
    first = render()
    assert first.exit_code == 1, first.output
    assert "post 1, female_es-ES: ConnectionError: this once" in first.stderr
    assert "PartiallyFailed: 2 of 4 files" in first.stderr
    assert render().exit_code == 1
    again = render("--retry-failed")
    assert again.exit_code == 0, again.output
    assert "Succeeded: 4 of 4 files, 2 of them were there before" in again.stderr
