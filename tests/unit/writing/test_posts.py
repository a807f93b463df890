"""`ttsp posts` as a user types it, with a simulated engine."""

import errno
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
from simulated_playground import SimulatedPlayground, streamed
from simulated_writer import INTERRUPT, SimulatedTextEngine, as_json
from test_drafting import by_language
from test_review import ARABIC, GOOD
from typer.testing import CliRunner, Result

from tts_app.cli import app
from tts_app.engines.text import EngineError, TextRequest
from tts_app.files import whole_file
from tts_app.manifests import embedded_posts

OTHER = '{"id": 41, "text": {"en": "' + GOOD + ' Ours."}}'


@pytest.fixture
def desk(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A folder to write in, and `ttsp posts write` in it."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "posts.jsonl"

    def answers(script) -> None:
        monkeypatch.setattr(SimulatedTextEngine, "script", staticmethod(script))

    def write(*arguments: str) -> Result:
        command = ["posts", "write", "--topic", "a hotel", "-f", str(models), *arguments]
        return CliRunner().invoke(app, command)

    def posts() -> list[dict]:
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]

    answers(by_language)
    return SimpleNamespace(file=file, answers=answers, write=write, posts=posts)


def reported(result: Result) -> str:
    return " ".join(result.stderr.replace("│", " ").split())


def test_posts_write_makes_posts_that_render_accepts(desk: SimpleNamespace, tmp_path: Path) -> None:
    result = desk.write("--count", "10", "--languages", "en,ar")
    assert result.exit_code == 0, result.stderr
    assert "10 of 10 posts" in reported(result)
    assert "let somebody who knows the language read each" in reported(result)
    schema = json.loads(embedded_posts().with_name("posts.schema.json").read_text())
    for number, post in enumerate(desk.posts(), 1):
        jsonschema.validate(post, schema)
        assert (post["id"], set(post["text"])) == (number, {"en", "ar"})
    dry = ["render", "--dry-run", "--posts", "posts.jsonl", "--output", str(tmp_path / "out")]
    job = tmp_path / "job.yaml"
    job.write_text(
        'kind: TTSJob\nmetadata: {name: j}\nspec:\n  posts: {uri: "file:///none"}\n'
        '  output: {uri: "file:///none"}\n  avatars: {locales: [en-GB, ar-EG], genders: [female]}\n'
    )
    rendered = CliRunner().invoke(app, [*dry, "-f", str(job)])
    assert rendered.exit_code == 0, rendered.stderr
    assert len(rendered.stdout.splitlines()) == 20
    assert CliRunner().invoke(app, ["posts", "check", "posts.jsonl"]).exit_code == 0


def test_posts_write_prints_only_posts_to_standard_output(desk: SimpleNamespace) -> None:
    result = desk.write("--count", "2", "-o", "-")
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == [1, 2]
    assert not desk.file.exists()


def test_posts_write_changes_an_existing_file_only_on_request(desk: SimpleNamespace) -> None:
    desk.file.write_text(OTHER)
    result = desk.write()
    assert result.exit_code == 2
    assert "--append adds to it, --force replaces it" in reported(result)
    assert desk.file.read_text() == OTHER
    assert desk.write("--append", "--count", "2").exit_code == 0
    assert [post["id"] for post in desk.posts()] == [41, 42, 43]
    assert desk.posts()[0] == json.loads(OTHER)
    assert desk.write("--force", "--count", "2").exit_code == 0
    assert [post["id"] for post in desk.posts()] == [1, 2]


def test_posts_write_appends_nothing_that_is_in_the_file(desk: SimpleNamespace) -> None:
    desk.file.write_text(OTHER)
    desk.answers(lambda request: as_json(f"{GOOD} Ours."))
    result = desk.write("--append", "--count", "1")
    assert result.exit_code == 1
    assert "post 42: no text in en: it is the same as post 41 in en" in reported(result)
    assert desk.file.read_text() == OTHER


def test_posts_write_names_failed_posts_and_keeps_the_good_ones(desk: SimpleNamespace) -> None:
    def odd(request: TextRequest) -> str:
        return as_json(f"{GOOD} {request.seed}") if request.seed < 2000 else "{"

    desk.answers(odd)
    result = desk.write("--count", "2", "--seed", "0")
    assert result.exit_code == 1
    assert "1 of 2 posts" in reported(result)
    assert "post 2: no text in en: the answer is not JSON" in reported(result)
    assert [post["id"] for post in desk.posts()] == [1]


def test_posts_write_keeps_and_reports_a_post_that_lacks_a_language(desk: SimpleNamespace) -> None:
    desk.answers(lambda request: as_json(f"{GOOD} {request.seed}"))
    result = desk.write("--count", "1", "--languages", "en,ar")
    assert result.exit_code == 1
    assert "0 of 1 posts, and 1 that lacks a language" in reported(result)
    assert [set(post["text"]) for post in desk.posts()] == [{"en"}]


def test_posts_write_leaves_no_file_without_a_good_post(desk: SimpleNamespace) -> None:
    desk.answers(lambda request: "{")
    assert desk.write("--count", "2").exit_code == 1
    assert not desk.file.exists()


@pytest.mark.parametrize("ends", ["error", "interrupt"])
def test_posts_write_keeps_drafts_when_it_ends_early(desk: SimpleNamespace, ends: str) -> None:
    def early(request: TextRequest) -> str:
        if request.seed < 3000:
            return by_language(request)
        if ends == "error":
            raise EngineError("it broke")
        return f"{INTERRUPT if request.seed == 3000 else 'and'} " + "on " * 400

    desk.answers(early)
    result = desk.write("--count", "9", "--seed", "0")
    assert result.exit_code == (1 if ends == "error" else 130)
    assert "2 of 9 posts; 7 not tried" in reported(result)
    assert ("it broke" in reported(result)) == (ends == "error")
    assert [post["id"] for post in desk.posts()] == [1, 2]


def test_posts_write_keeps_a_changed_file_and_prints_the_drafts(desk: SimpleNamespace) -> None:
    def meanwhile(request: TextRequest) -> str:
        desk.file.write_text(OTHER)
        return by_language(request)

    desk.answers(meanwhile)
    result = desk.write("--count", "1")
    assert result.exit_code == 1
    assert "was changed meanwhile" in reported(result)
    assert desk.file.read_text() == OTHER
    assert json.loads(result.stdout)["id"] == 1


def test_posts_write_saves_drafts_as_it_goes(desk: SimpleNamespace) -> None:
    desk.file.write_text(OTHER)
    there: list[list[int]] = []

    def seen(request: TextRequest) -> str:
        there.append([post["id"] for post in desk.posts()])
        return by_language(request)

    desk.answers(seen)
    assert desk.write("--append", "--count", "9", "--seed", "0", "--save-every", "0").exit_code == 0
    assert there[0] == [41]
    assert [41, 42, 43] in there
    assert [post["id"] for post in desk.posts()] == list(range(41, 51))


def test_posts_write_replaces_a_file_only_with_good_posts(desk: SimpleNamespace) -> None:
    desk.file.write_text(OTHER)
    desk.answers(lambda request: "{")
    assert desk.write("--force", "--count", "3", "--save-every", "0").exit_code == 1
    assert desk.file.read_text() == OTHER


def test_posts_write_loses_nothing_on_a_disk_that_is_full_for_a_while(
    desk: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = iter([True, True])

    def file_of(path: Path) -> Any:
        if next(full, False):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return whole_file(path)

    monkeypatch.setattr("tts_app.batch.draft_file.whole_file", file_of)
    result = desk.write("--count", "5", "--save-every", "0")
    assert result.exit_code == 0
    assert reported(result).count("No space left on device") == 2
    assert [post["id"] for post in desk.posts()] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--languages", "qqq"], "--languages: Unknown language 'qqq'"),
        (["--languages", ""], "--languages: No language is named"),
        (["--topic", " "], "--topic is empty"),
        (["--append", "--force"], "--append and --force exclude each other"),
        (["-o", "none/posts.jsonl"], "there is no folder"),
        (["-o", "posts.csv"], "drafts are JSON lines"),
        (["--count", "0"], "greater than or equal to 1"),
        (["--model", "other"], "There is no TextModel 'other'"),
    ],
)
def test_posts_write_wrong_usage_exits_with_2(
    desk: SimpleNamespace, arguments: list[str], message: str
) -> None:
    result = desk.write(*arguments)
    assert result.exit_code == 2
    assert message in reported(result)
    assert not desk.file.exists()


def test_posts_write_does_not_append_to_a_file_without_posts(desk: SimpleNamespace) -> None:
    desk.file.write_text("nonsense\n")
    result = desk.write("--append")
    assert result.exit_code == 2
    assert "line 1: it is not JSON" in reported(result)
    assert desk.file.read_text() == "nonsense\n"


@pytest.mark.usefixtures("desk")
def test_posts_write_uses_a_running_playground(playground: SimulatedPlayground, tmp_path: Path) -> None:
    playground.answers = [streamed(*as_json(GOOD))]
    command = ["posts", "write", "--topic", "a hotel", "--count", "1", "--url", playground.url]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.stderr
    assert json.loads((tmp_path / "posts.jsonl").read_text())["text"] == {"en": GOOD}
    assert playground.asked[0]["response_format"]["type"] == "json_schema"


def test_posts_check_reports_every_fault(tmp_path: Path) -> None:
    good = CliRunner().invoke(app, ["posts", "check", str(embedded_posts())])
    assert (good.exit_code, good.stdout) == (0, "")
    path = tmp_path / "posts.csv"
    path.write_text(f"id,en,ar\n1,Short.,{ARABIC}\nx,,\n")
    bad = CliRunner().invoke(app, ["posts", "check", str(path)])
    assert bad.exit_code == 1
    assert bad.stdout.splitlines() == [
        "post 1 in en: it has 1 words, not 15 to 60",
        "line 3: id: it must be a number of at most nine digits, not 'x'; "
        "text: Dictionary should have at least 1 item after validation, not 0",
    ]
    assert CliRunner().invoke(app, ["posts", "check", str(tmp_path / "none")]).exit_code == 2
