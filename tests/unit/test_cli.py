"""`ttsp` as a user types it. What speaks with the real model is in test_say.py."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tts_app import __version__
from tts_app.cli import app
from tts_app.cli.console import steps
from tts_app.manifests import samples_folder
from tts_app.serving.embedded_ray import ServingError


@pytest.fixture
def ttsp():
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments))

    return run


def test_ttsp_help_and_version(ttsp) -> None:
    assert "say" in ttsp("--help").output
    assert ttsp("--version").output.strip() == __version__


def test_voices_prints_a_table_without_colors(ttsp) -> None:
    result = ttsp("voices", "--language", "en")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == [
        "VOICE",
        *(f"{g}_en-{region}" for region in ("US", "GB", "AU") for g in ("female", "male")),
    ]
    assert "\x1b" not in result.output


def test_voices_json_is_what_the_api_returns(ttsp) -> None:
    found = json.loads(ttsp("voices", "--json", "--locale", "ar-EG").stdout)
    assert [v["id"] for v in found] == ["female_ar-EG", "male_ar-EG"]
    assert {"quality", "measured", "license", "approximation"} <= set(found[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["voices", "--language", "fr"], "No voice matches"),
        (["voices", "-f", "none.yaml"], "Cannot read none.yaml"),
        (["say", "hi", "--voice", "female_fr-FR"], "Allowed: female_en-US"),
        (["say", "hi", "--format", "ogg"], "Allowed: mp3"),
        (["say", "hi", "-o", "hello.txt"], "Unknown format 'txt'"),
        (["say", "hi", "--speed", "5"], "--speed must be 0.25 to 4"),
        (["say", "hi", "--speed", "nan"], "--speed must be 0.25 to 4"),
        (["say"], "Missing argument"),
        (["serve", "--port", "0"], "greater than or equal to 1"),
        (["sing"], "No such command"),
    ],
)
def test_ttsp_wrong_usage_exits_with_2_and_says_what_is_right(
    ttsp, arguments: list[str], message: str
) -> None:
    result = ttsp(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_ttsp_missing_model_exits_with_3(ttsp, tmp_path: Path) -> None:
    models = tmp_path / "models.yaml"
    models.write_text(
        """
kind: VoiceModel
metadata: {name: mine}
spec:
  engine: kokoro
  source: {uri: "file:///no/such/model"}
  license: {spdx: MIT, commercialUse: true}
  voices: [{locale: en-US, gender: female, speaker: af_heart}]
"""
    )
    for command in (["models", "fetch"], ["say", "hello", "-o", str(tmp_path / "a.mp3")], ["serve"]):
        result = ttsp(*command, "-f", str(models))
        assert result.exit_code == 3, result.output
        assert "there is no folder /no/such/model" in result.stderr
    assert not (tmp_path / "a.mp3").exists()


def test_models_fetch_and_serve_take_a_text_model(ttsp, tmp_path: Path) -> None:
    models = tmp_path / "models.yaml"
    models.write_text(
        """
kind: TextModel
metadata: {name: mine}
spec:
  engine: vllm
  source: {uri: "file:///no/such/model"}
  license: {spdx: MIT, commercialUse: true}
  resources: {gpu: "1"}
"""
    )
    for command in (["models", "fetch"], ["serve"]):
        result = ttsp(*command, "-f", str(models))
        assert result.exit_code == 3, result.output
        assert "there is no folder /no/such/model" in " ".join(result.stderr.split())
    result = ttsp("say", "hello", "-f", str(models))
    assert result.exit_code == 2
    assert "there is no VoiceModel" in " ".join(result.stderr.split())


def test_models_fetch_takes_a_text_model_in_json(
    ttsp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SimulatedEngine:
        @staticmethod
        def hub_patterns(quantization: str) -> list[str]:
            return []

    monkeypatch.setattr("tts_app.engines.loading.text_engine", lambda name: SimulatedEngine)
    (tmp_path / "mine.gguf").write_bytes(b"GGUF")
    manifest = {
        "kind": "TextModel",
        "metadata": {"name": "mine"},
        "spec": {
            "engine": "llamacpp",
            "source": {"uri": tmp_path.as_uri()},
            "license": {"spdx": "MIT", "commercialUse": True},
        },
    }
    result = ttsp("models", "fetch", "--json", "--manifest", json.dumps(manifest))
    assert result.exit_code == 0, result.output
    assert f"mine: {tmp_path}" in result.stderr.replace("\n", "")
    assert json.loads(result.stdout.splitlines()[-1]) == {"bytes": 0, "total_bytes": None}


# A batch, up to the point where it would speak. What speaks is in tests/app.

JOB = """
kind: TTSJob
metadata: {name: welcome}
spec:
  posts: {uri: "POSTS"}
  avatars: {locales: [en-US, es-ES]}
  output: {uri: "OUTPUT"}
"""


class Batch:
    """A TTSJob of two posts in a folder, and `ttsp render` on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.posts = folder / "posts.jsonl"
        self.posts.write_text(
            "".join(f'{{"id": {i}, "text": {{"en": "Hello.", "es": "Hola."}}}}\n' for i in (1, 100))
        )
        self.output = folder / "out"
        self.job = folder / "job.yaml"
        self.job.write_text(JOB.replace("POSTS", self.posts.as_uri()).replace("OUTPUT", self.output.as_uri()))

    def render(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["render", "-f", str(self.job), *arguments])

    def audio(self) -> list[str]:
        return [path.name for path in self.output.glob("[!.]*")]


@pytest.fixture
def batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Batch:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TTSP_CLAIMS", str(tmp_path / "claims"))
    return Batch(tmp_path)


NAMES = [
    f"post_{post}_{gender}_{locale}.mp3"
    for post in ("01", "100")
    for locale in ("en-US", "es-ES")
    for gender in ("female", "male")
]


def test_render_dry_run_prints_the_names_and_renders_nothing(batch: Batch) -> None:
    result = batch.render("--dry-run", "--price", "0.5")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == NAMES
    first, second = result.stderr.splitlines()
    assert first == f"2 posts x 4 avatars: 8 files in {batch.output.as_uri()}."
    assert second.startswith("To render: 8 files of 44 characters, about 3 s of audio, 1 MB; about ")
    assert second.endswith(" at 0.5 an hour.")
    assert not batch.output.exists()


def test_render_posts_and_output_replace_those_of_the_job(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    (batch.folder / "other posts.csv").write_text("id,en,es\n7,Hello.,Hola.\n")
    result = batch.render("--dry-run", "--posts", "other posts.csv", "--output", "elsewhere")
    assert result.stdout.splitlines()[0] == "post_07_female_en-US.mp3"
    assert not batch.output.exists()
    assert [path.name for path in (batch.folder / "elsewhere").glob("*")] in ([], [".ttsp"])


def test_render_locales_and_genders_replace_those_of_the_job(batch: Batch) -> None:
    """With commas, repeated, each once, in any case; a bare language means its default locale."""
    for options in (
        ["--locales", "en-US,es-ES", "--genders", "female"],
        ["--locales", "es-ES", "--locales", "EN_us, en", "--genders", "Female,female"],
    ):
        result = batch.render("--dry-run", *options)
        assert result.exit_code == 0, result.output
        assert result.stdout.splitlines() == [name for name in NAMES if "_female_" in name]
    one = batch.render("--dry-run", "--locales", "es-ES")
    assert one.stdout.splitlines() == [name for name in NAMES if "es-ES" in name]


@pytest.mark.parametrize("source", ["posts.csv", "posts.jsonl"])
def test_render_takes_posts_without_any_yaml(ttsp, batch: Batch, source: str) -> None:
    (batch.folder / "posts.csv").write_text("id,en,es\n7,Hello.,Hola.\n8,,Hola.\n")
    batch.posts.write_text(
        '{"id": 7, "text": {"en": "Hello.", "es": "Hola."}}\n{"id": 8, "text": {"es": "Hola."}}\n'
    )
    asked = ["render", "--posts", source, "--output", "out", "--dry-run"]
    asked += ["--locales", "en-GB,es-ES", "--genders", "male"]
    lacking = ttsp(*asked)
    assert lacking.exit_code == 2
    assert "post 8: it has no text for en-GB (it has es); or set onMissingText: skip" in lacking.stderr
    skipped = ttsp(*asked, "--on-missing-text", "skip")
    assert skipped.exit_code == 0, skipped.output
    assert skipped.stdout.splitlines() == [
        "post_07_male_en-GB.mp3",
        "post_07_male_es-ES.mp3",
        "post_08_male_es-ES.mp3",
    ]
    assert "3 files in" in skipped.stderr
    assert "left out for lack of a text: 1" in skipped.stderr


def test_render_names_what_it_keeps_aside_unless_it_is_strict(ttsp, batch: Batch) -> None:
    (batch.folder / "posts.csv").write_text("ID;Title;EN\n7;Late arrival;Hello.\n", encoding="utf-16")
    asked = ["render", "--posts", "posts.csv", "--output", "out", "--dry-run", "--locales", "en-GB"]
    taken = ttsp(*asked, "--genders", "male")
    assert taken.exit_code == 0, taken.output
    assert taken.stdout.splitlines() == ["post_07_male_en-GB.mp3"]
    assert "Not spoken, but kept aside in kept_aside.jsonl: Title." in taken.stderr
    refused = ttsp(*asked, "--genders", "male", "--strict")
    assert refused.exit_code == 2
    assert "it has Title" in refused.stderr


def test_posts_check_takes_a_spreadsheets_table(ttsp, batch: Batch) -> None:
    text = "The table for four is ready at half past seven, and the kitchen knows about the birthday cake."
    (batch.folder / "posts.csv").write_text(f"id\ttitle\ten\n7\tLate\t{text}\n", encoding="utf-16")
    assert ttsp("posts", "check", "posts.csv").exit_code == 0
    assert ttsp("posts", "check", "posts.csv", "--strict").exit_code == 2


def test_render_on_missing_text_replaces_that_of_the_job(batch: Batch) -> None:
    batch.job.write_text(f"{batch.job.read_text()}  onMissingText: skip\n")
    batch.posts.write_text('{"id": 1, "text": {"en": "Hello."}}\n')
    assert batch.render("--dry-run").exit_code == 0
    assert "it has no text for es-ES" in batch.render("--dry-run", "--on-missing-text", "fail").stderr


def test_render_takes_the_sample_of_a_hundred_posts_as_it_is(ttsp, batch: Batch, monkeypatch) -> None:
    """Its ConfigMap lies beside it; its claim is a folder here, and a dry run does not leave one."""
    monkeypatch.delenv("TTSP_CLAIMS")
    monkeypatch.setattr("tts_app.cli.render_batch.claims_folder", lambda: batch.folder / "no claims")
    result = ttsp("render", "-f", str(samples_folder() / "ttsjob-hospitality-100.yaml"), "--dry-run")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 1800
    audio = batch.folder / "playground-audio" / "hospitality-100"
    assert f"100 posts x 18 avatars: 1,800 files in {audio.as_uri()}." in result.stderr
    assert not audio.parent.exists()


def test_render_refuses_a_claim_that_cannot_be_a_folder_here(ttsp, batch: Batch, monkeypatch) -> None:
    monkeypatch.delenv("TTSP_CLAIMS")
    monkeypatch.setattr("tts_app.cli.render_batch.claims_folder", lambda: batch.folder / "no claims")
    (batch.folder / "playground-audio").write_text("a file")
    result = ttsp("render", "-f", str(samples_folder() / "ttsjob-welcome.yaml"), "--dry-run")
    assert result.exit_code == 2, result.output
    reported = " ".join(result.stderr.split())
    assert "playground-audio of the working directory cannot be made a folder: File exists" in reported


def test_render_takes_a_folder_of_yaml_files(ttsp, batch: Batch) -> None:
    (batch.folder / "audio.yml").write_text((samples_folder() / "embedded.yaml").read_text())
    result = ttsp("render", "-f", str(batch.folder), "--dry-run")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == NAMES
    (batch.folder / "empty").mkdir()
    assert "empty has no YAML file" in " ".join(batch.render("-f", "empty").stderr.split())


def test_render_json_reports_a_missing_config_map(batch: Batch) -> None:
    posts = f'{{uri: "{batch.posts.as_uri()}"}}'
    batch.job.write_text(batch.job.read_text().replace(posts, "{configMapRef: {name: campaign}}"))
    result = batch.render("--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["message"].startswith("There is no ConfigMap 'campaign'")
    assert not batch.output.exists()
    assert batch.render("--dry-run", "--posts", "posts.jsonl").stdout.splitlines() == NAMES


@pytest.mark.usefixtures("batch")
def test_render_plans_the_embedded_batch_without_files(ttsp, tmp_path: Path) -> None:
    result = ttsp("render", "--dry-run", "--output", str(tmp_path / "out"))
    assert result.exit_code == 0, result.output
    assert "post_01_female_en-US.mp3" in result.stdout.splitlines()
    assert "post_100_male_ur-PK.mp3" in result.stdout.splitlines()


def test_render_lists_all_faults_and_renders_nothing(batch: Batch) -> None:
    batch.posts.write_text(
        'nonsense\n{"id": 1, "text": {"en": "..."}}\n{"id": 2, "text": {"french": "[/] [red]"}}\n'
    )
    result = batch.render()
    assert result.exit_code == 2
    reported = " ".join(result.stderr.split())
    for words in (
        "faults; nothing was rendered",
        "line 1: it is not JSON",
        "post 1: its text in en has nothing to speak",
        "post 1: it has no text for es-ES",
        "line 3 (post 2): text must be keyed by a language or locale",
    ):
        assert words in reported
    assert batch.audio() == []


def test_render_lists_faults_of_the_output_and_the_posts(batch: Batch) -> None:
    batch.output.write_text("a file")
    batch.posts.write_text("nonsense\n")
    reported = " ".join(batch.render().stderr.split())
    assert "line 1: it is not JSON" in reported
    assert "output: " in reported
    assert "cannot be written" in reported


@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]])
def test_render_json_prints_faults_in_one_line(batch: Batch, dry_run: list[str]) -> None:
    batch.posts.write_text("nonsense\n" * 3000)
    result = batch.render("--json", *dry_run)
    assert result.exit_code == 2
    (line,) = result.stdout.splitlines()
    reported = json.loads(line)
    assert reported["outcome"] == "Failed"
    assert reported["message"].startswith("3000 faults; nothing was rendered:\n  line 1: it is not JSON")
    assert len(line) < 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--speaker", "nobody"], "Unknown --speaker 'nobody'. Allowed: engine, service"),
        (["--place", "kokoro"], "--place is MODEL=RESOURCE"),
        (["--place", "=gpu"], "--place is MODEL=RESOURCE"),
        (["--place", "kokoro="], "--place is MODEL=RESOURCE"),
        (["--utilisation", "0"], "greater than or equal to 0.05"),
        (["--utilisation", "1.1"], "less than or equal to 1"),
        (["--price", "-1"], "greater than or equal to 0"),
        (["--posts", "none.jsonl"], "none.jsonl cannot be read: FileNotFoundError"),
        (["--posts", "ftp://host/x"], "--posts: 'ftp://host/x': "),
        (["--posts", "ftp://host/x"], "a path, or an address of file, pvc, s3 or gs"),
        (["--output", "http://host/x"], "--output: 'http://host/x': "),
        (["--locales", "en-US,fr"], "--locales: Unknown language 'fr'. Allowed: en, ar, es, hi, ur"),
        (["--locales", "en-US,"], "--locales: Unknown language ''. Allowed: "),
        (["--locales", ""], "--locales: Unknown language ''. Allowed: "),
        (["--genders", "woman"], "--genders: Unknown gender 'woman'. Allowed: female, male"),
        (["--genders", ""], "--genders: Unknown gender ''. Allowed: female, male"),
        (["--on-missing-text", "ignore"], "'ignore' is not one of 'fail', 'skip'"),
        (["--output", "pvc://other/x"], "no claim 'other' is mounted"),
        (["--output", "file://out"], "absolute path"),
        (["--posts", "pvc://../secret"], "a pvc:// address is pvc://claim/path"),
        (["-f", "none.yaml"], "Cannot read none.yaml"),
        (["-f", "job.yaml"], "A batch is one TTSJob; the files have 2"),
    ],
)
def test_render_refuses_wrong_options(batch: Batch, arguments: list[str], message: str) -> None:
    result = batch.render("--dry-run", *arguments)
    assert result.exit_code == 2, result.output
    reported = " ".join(result.stderr.replace("│", " ").split())
    assert message in reported
    assert result.stdout == ""
    assert not isinstance(result.exception, Exception) or isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    ("command", "start"),
    [("serve", "tts_app.serving.embedded.serve"), ("render", "tts_app.cli.render_batch.render_batch")],
)
def test_ttsp_reports_a_ray_that_does_not_start_in_one_sentence(
    ttsp, monkeypatch: pytest.MonkeyPatch, command: str, start: str
) -> None:
    def fails(*_arguments: object, **_options: object) -> None:
        raise ServingError("Ray does not start, tried 3 times: it is late.")

    monkeypatch.setattr(start, fails)
    monkeypatch.setattr(sys.modules["tts_app.cli.serve"], "fetch_files", lambda _models: None)
    result = ttsp(command)
    assert result.exit_code == 1
    assert " ".join(result.stderr.split()) == "ttsp: Ray does not start, tried 3 times: it is late."


def test_steps_are_printed_with_their_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    tell = steps()
    tell("starting [Ray]")
    tell("x" * 300)
    first, second = capsys.readouterr().err.splitlines()
    assert first == "  0.0 s  starting [Ray]"
    assert second.endswith("s  " + "x" * 300)
