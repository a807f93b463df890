"""What is told of a batch before it starts: what is left to do, its audio, its size and its time."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tts_app.batch import estimate as module
from tts_app.batch.command import Command
from tts_app.batch.estimate import BYTES_A_SECOND, Settled, estimate, settled, speed_here
from tts_app.batch.ledger import Done, Failed, Ledger
from tts_app.batch.options import Options
from tts_app.batch.plan import Plan, plan_batch
from tts_app.cli.batch_report import estimate_lines
from tts_app.manifests import embedded_posts, load_batch
from tts_app.resources import TTSJob, VoiceModel
from tts_app.resources.engines import ENGINES
from tts_app.resources.tts_job import AudioFormat, TTSJobSpec
from tts_app.storage.output import Output, open_output

MakePlan = Callable[..., Plan]
MakeModel = Callable[..., VoiceModel]
MEASURED = json.loads((Path(__file__).parents[3] / "docs" / "benchmarks-posts.json").read_text())
FOUR = [{"id": 1, "text": {"en": "Hello there.", "es": "Hola a todos."}}]


def commit(plan: Plan, output: Output, done: int, failed: int = 0, job: str = "job") -> None:
    """Make the first files of a plan, and have the next ones failed in `job`."""
    ledger = Ledger(output, plan)
    records: list[Done | Failed] = []
    for item in list(plan)[: done + failed]:
        if len(records) < done:
            output.put(item.file, b"audio")
            records.append(
                Done(item.file, item.key, "", 5, 1.0, item.post, item.voice.id, item.voice.model, "")
            )
        else:
            records.append(Failed(item.file, item.key, item.post, item.voice.id, "Bad", "It is.", job))
    ledger.commit(records)
    ledger.close()


@pytest.fixture
def sample_plan() -> Iterator[Callable[[str], tuple[Plan, list[VoiceModel]]]]:
    """Make the plan of the sample posts, for the locales of a language, or for all."""
    made: list[Plan] = []

    def make(language: str = "") -> tuple[Plan, list[VoiceModel]]:
        job, models = load_batch()
        spec = job.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
        spec["posts"] = {"uri": embedded_posts().as_uri()}
        spoken = {voice.locale for model in models for voice in model.spec.voices}
        spec["avatars"] = {"locales": sorted(locale for locale in spoken if locale.startswith(language))}
        made.append(plan_batch(TTSJobSpec.model_validate(spec), models, Path("none"), secret=b""))
        return made[-1], models

    yield make
    for plan in made:
        plan.close()


def test_estimate_of_the_sample_posts_matches_the_measurement(sample_plan: Any) -> None:
    """Within a fiftieth; the time is that of the windows in which nothing else ran."""
    plan, models = sample_plan()
    seconds = sum(sum(post["seconds"].values()) for post in MEASURED["posts"].values())
    reported = estimate(plan, Settled(), speed_here(plan, models, Options("job", utilisation=1.0)))
    assert reported.files == 1800
    assert reported.seconds == pytest.approx(seconds, rel=0.02)
    assert reported.bytes == pytest.approx(
        sum(post["bytes"] for post in MEASURED["posts"].values()), rel=0.02
    )
    quiet = [window for window in MEASURED["windows"] if window["others"] <= 0.05]
    speed = sum(window["audio"] for window in quiet) / sum(window["wall"] for window in quiet)
    assert reported.duration is not None
    assert reported.duration * min(8, module.cores_here()) / 2 == pytest.approx(seconds / speed, rel=0.02)


@pytest.mark.parametrize("language", ["en", "es", "hi", "ur", "ar"])
def test_plan_seconds_of_each_language_match_the_measurement(sample_plan: Any, language: str) -> None:
    plan, _ = sample_plan(language)
    found = [post["seconds"].items() for post in MEASURED["posts"].values()]
    seconds = sum(s for post in found for avatar, s in post if f"_{language}-" in avatar)
    assert plan.seconds == pytest.approx(seconds, rel=0.02)


def test_bytes_a_second_has_every_format() -> None:
    assert set(BYTES_A_SECOND) == set(AudioFormat.__args__)
    assert all(BYTES_A_SECOND.values())


def test_settled_is_read_from_the_output(make_plan: MakePlan, output: Output) -> None:
    plan = make_plan(FOUR)
    assert settled(plan, output, Options("job")) == Settled()
    commit(plan, output, done=2, failed=1)
    assert settled(plan, output, Options("job")) == Settled(there=2, failed=1)
    assert settled(plan, output, Options("job", retry_failed=True)) == Settled(there=2)
    assert settled(plan, output, Options("another")) == Settled(there=2)


def test_settled_of_a_missing_output_is_empty(make_plan: MakePlan, tmp_path: Path) -> None:
    assert settled(make_plan(FOUR), open_output(str(tmp_path / "none")), Options("job")) == Settled()
    assert not (tmp_path / "none").exists()


def test_estimate_scales_by_what_is_left(make_plan: MakePlan) -> None:
    plan = make_plan(FOUR)
    whole = estimate(plan, Settled(), speed=2.0)
    assert (whole.files, whole.characters, whole.seconds) == (4, plan.characters, plan.seconds)
    assert whole.bytes == round(plan.seconds * 12_060)
    assert whole.duration == 15 + plan.seconds / 2
    half = estimate(plan, Settled(there=1, failed=1), speed=None)
    assert (half.files, half.characters) == (2, plan.characters / 2)
    assert (half.seconds, half.duration) == (plan.seconds / 2, None)
    assert estimate(plan, Settled(there=4), speed=2.0) == module.Estimate(0, 0, 0.0, 0, 15.0)


@pytest.mark.parametrize(
    ("cores", "options", "speed"),
    [
        (2, Options("job", utilisation=1.0), 2.74),
        (2, Options("job"), 2 * 0.8 * 1.37),
        (64, Options("job", parallelism=8), 8 * 1.37),
        (4, Options("job", speaker="service"), None),
    ],
)
def test_speed_here_uses_the_allowed_cores(
    make_plan: MakePlan,
    make_model: MakeModel,
    monkeypatch: pytest.MonkeyPatch,
    cores: int,
    options: Options,
    speed: float | None,
) -> None:
    monkeypatch.setattr(module, "cores_here", lambda: cores)
    found = speed_here(make_plan(FOUR), [make_model()], options)
    assert found == (None if speed is None else pytest.approx(speed))


def test_speed_here_is_unknown_for_a_cluster_and_an_unmeasured_engine(
    make_plan: MakePlan, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model()
    unmeasured = replace(ENGINES["kokoro"], audio_per_core=None)
    with monkeypatch.context() as patch:
        patch.setattr("tts_app.batch.estimate.ENGINES", {"kokoro": unmeasured})
        assert speed_here(make_plan(FOUR), [model], Options("job")) is None
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:6379")
    assert speed_here(make_plan(FOUR), [model], Options("job")) is None


# In words


@pytest.fixture
def command(make_model: MakeModel) -> Command:
    spec = {"posts": {"inline": FOUR}, "output": {"uri": "file:///nowhere"}}
    job = TTSJob.model_validate({"kind": "TTSJob", "metadata": {"name": "job"}, "spec": spec})
    return Command(job, [make_model()], Path("none"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Output:
    """An empty output on a machine with two cores and room enough."""
    monkeypatch.setattr(module, "cores_here", lambda: 2)
    monkeypatch.setattr("tts_app.cli.batch_report.cores_here", lambda: 2)
    disk(monkeypatch, 10**12)
    output = open_output(str(tmp_path / "out"))
    output.prepare()
    return output


def disk(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))


def test_estimate_lines_of_a_new_batch(make_plan: MakePlan, command: Command, folder: Output) -> None:
    posts = [{"id": n, "text": {"en": "a" * 143, "es": "b" * 148}} for n in range(500)]
    assert list(estimate_lines(make_plan(posts), folder, command, 0)) == [
        f"500 posts x 4 avatars: 2,000 files in {folder.url}.",
        "To render: 2,000 files of 291,000 characters, about 5 h 33 min of audio, 242 MB; "
        "about 2 h 32 min on this machine's 2 cores.",
    ]


def test_estimate_lines_of_a_resumed_batch(make_plan: MakePlan, command: Command, folder: Output) -> None:
    plan = make_plan([*FOUR, {"id": 2, "text": {"es": "Adiós."}}], onMissingText="skip")
    commit(plan, folder, done=2, failed=1)
    first, second = estimate_lines(plan, folder, command, 2)
    assert first == (
        f"2 posts x 4 avatars: 6 files in {folder.url}; 2 of them are there already; "
        "1 failed before (--retry-failed tries them again); left out for lack of a text: 2."
    )
    assert second.startswith("To render: 3 files of ")
    assert second.endswith("on this machine's 2 cores, 0.01 at 2 an hour.")
    again = replace(command, retry_failed=True)
    assert "failed before" not in "".join(estimate_lines(plan, folder, again, 0))


def test_estimate_lines_of_a_finished_batch(make_plan: MakePlan, command: Command, folder: Output) -> None:
    plan = make_plan(FOUR)
    commit(plan, folder, done=4)
    assert list(estimate_lines(plan, folder, command, 0)) == [
        f"1 post x 4 avatars: 4 files in {folder.url}; 4 of them are there already.",
        "Nothing is left to render.",
    ]


def test_estimate_lines_without_a_known_speed(make_plan: MakePlan, command: Command, folder: Output) -> None:
    reported = list(estimate_lines(make_plan(FOUR), folder, replace(command, speaker="service"), 2))
    assert reported[1].endswith("; the time left is shown while it runs.")


@pytest.mark.parametrize(("archive", "free", "warned"), [(False, 51_000, False), (True, 51_000, True)])
def test_estimate_lines_warn_of_a_disk_without_room(
    make_plan: MakePlan,
    command: Command,
    folder: Output,
    monkeypatch: pytest.MonkeyPatch,
    archive: bool,
    free: int,
    warned: bool,
) -> None:
    """An archive has every file once more. Four short files are 42 kB."""
    disk(monkeypatch, free)
    reported = list(estimate_lines(make_plan(FOUR), folder, replace(command, archive=archive), 0))
    assert (
        any("has 1 MB free, and the audio takes about 1 MB: make room" in line for line in reported) == warned
    )


def test_estimate_lines_check_the_parent_of_a_missing_folder_for_room(
    make_plan: MakePlan, command: Command, folder: Output, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: asked.append(path) or SimpleNamespace(free=0))
    reported = list(estimate_lines(make_plan(FOUR), open_output(str(tmp_path / "a" / "b")), command, 0))
    assert asked == [tmp_path]
    assert "make room" in reported[-1]


def test_estimate_lines_of_an_unreadable_output(
    make_plan: MakePlan, command: Command, folder: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Ledger, "load", away)
    first, second = estimate_lines(make_plan(FOUR), folder, command, 0)
    assert "it is not known which of them exist (Permission denied" in first
    assert second.startswith("To render: 4 files")
