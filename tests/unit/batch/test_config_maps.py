"""Where the ConfigMap of a job's posts is found without a cluster: with it, in a folder, or beside it."""

import base64
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tts_app.batch.config_maps import mounted
from tts_app.manifests import ManifestError
from tts_app.resources import TTSJob

POSTS = '{"id": 1, "text": {"en": "Hello.", "ur": "سلام۔ ⛴️"}}\n'
NOWHERE = Path("no-config-maps")


def job(namespace: str | None = None, key: str = "posts.jsonl") -> TTSJob:
    metadata = {"name": "welcome"} | ({"namespace": namespace} if namespace else {})
    posts = {"configMapRef": {"name": "campaign", "key": key}}
    spec = {"posts": posts, "output": {"uri": "file:///out"}}
    return TTSJob.model_validate({"kind": "TTSJob", "metadata": metadata, "spec": spec})


def config_map(text: str = POSTS, name: str = "campaign", **more: Any) -> dict[str, Any]:
    namespace = more.pop("namespace", None)
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {"posts.jsonl": text},
    } | more


def write(path: Path, *documents: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump_all(documents, allow_unicode=True), encoding="utf-8")
    return path


def found(job: TTSJob, *files: Path, folder: Path = NOWHERE) -> str:
    reference = job.spec.posts.config_map_ref
    assert reference
    with mounted(job, files, folder) as place:
        return (place / reference.name / reference.key).read_text(encoding="utf-8")


def refusal(job: TTSJob, *files: Path, folder: Path = NOWHERE) -> str:
    with pytest.raises(ManifestError) as caught:
        found(job, *files, folder=folder)
    return str(caught.value)


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """A job's file in a folder of its own."""
    return write(tmp_path / "alone" / "job.yaml", job().written())


def test_config_map_is_found_in_the_file_of_the_job(tmp_path: Path) -> None:
    assert found(job(), write(tmp_path / "job.yaml", job().written(), config_map())) == POSTS


def test_config_map_is_found_in_another_given_file(alone: Path, tmp_path: Path) -> None:
    assert found(job(), alone, write(tmp_path / "posts.yaml", config_map())) == POSTS


def test_config_map_is_found_in_a_list(alone: Path, tmp_path: Path) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [config_map("other", "other"), config_map()]}
    assert found(job(), alone, write(tmp_path / "all.yaml", listed)) == POSTS


@pytest.mark.parametrize("name", ["posts.yaml", "posts.yml"])
def test_config_map_is_found_beside_the_job(alone: Path, name: str) -> None:
    write(alone.with_name(name), config_map())
    assert found(job(), alone) == POSTS


def test_config_map_of_a_given_file_precedes_folder_and_neighbors(alone: Path, tmp_path: Path) -> None:
    write(alone.with_name("beside.yaml"), config_map("beside"))
    folder = tmp_path / "config-maps"
    (folder / "campaign").mkdir(parents=True)
    (folder / "campaign" / "posts.jsonl").write_text("folder")
    assert found(job(), alone, folder=NOWHERE) == "beside"
    assert found(job(), alone, folder=folder) == "folder"
    assert found(job(), alone, write(tmp_path / "given.yaml", config_map("given")), folder=folder) == "given"


def test_config_map_binary_data_is_decoded(alone: Path) -> None:
    coded = base64.encodebytes(POSTS.encode()).decode()  # in lines, as some tools write it
    write(alone.with_name("posts.yaml"), config_map(binaryData={"all.jsonl": coded}))
    assert found(job(key="all.jsonl"), alone) == POSTS


def test_config_map_folder_is_removed_afterwards(alone: Path) -> None:
    write(alone.with_name("posts.yaml"), config_map())
    with mounted(job(), [alone], NOWHERE) as place:
        assert place.is_dir()
    assert not place.exists()


def test_config_map_reports_an_unwritable_temporary_folder(
    alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(alone.with_name("posts.yaml"), config_map())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    assert "The folder for temporary files cannot be written (TMPDIR may" in refusal(job(), alone)


def test_config_map_is_not_searched_for_posts_of_a_uri(tmp_path: Path) -> None:
    spec = {"posts": {"uri": "file:///posts.jsonl"}, "output": {"uri": "file:///out"}}
    other = TTSJob.model_validate({"kind": "TTSJob", "metadata": {"name": "other"}, "spec": spec})
    with mounted(other, [tmp_path / "none.yaml"], NOWHERE) as place:
        assert place == NOWHERE


@pytest.mark.parametrize(
    ("job_s", "its", "fits"),
    [
        (None, None, True),
        (None, "hotel", True),
        ("hotel", None, True),
        ("hotel", "hotel", True),
        ("hotel", "other", False),
    ],
)
def test_config_map_namespace_must_match_the_job(
    alone: Path, job_s: str | None, its: str | None, fits: bool
) -> None:
    write(alone.with_name("posts.yaml"), config_map(namespace=its))
    if fits:
        assert found(job(job_s), alone) == POSTS
    else:
        reported = refusal(job(job_s), alone)
        assert f"It is of namespace other, and the job of hotel: {alone.with_name('posts.yaml')}" in reported


def test_config_map_in_the_namespace_of_the_job_is_preferred(alone: Path) -> None:
    write(alone.with_name("posts.yaml"), config_map("no", namespace="other"), config_map(namespace="hotel"))
    assert found(job("hotel"), alone) == POSTS


@pytest.mark.parametrize("given", [True, False])
def test_config_map_given_twice_is_refused_with_its_places(alone: Path, tmp_path: Path, given: bool) -> None:
    folder = tmp_path if given else alone.parent
    first = write(folder / "first.yaml", config_map("first"))
    second = write(folder / "second.yaml", config_map("name", "other"), config_map("second"))
    reported = refusal(job(), alone, *([first, second] if given else []))
    assert f"it is in: {first}, document 1; {second}, document 2." in reported


def test_config_map_without_the_key_names_its_keys(alone: Path) -> None:
    path = write(alone.with_name("posts.yaml"), config_map(binaryData={"logo": "AA=="}))
    reported = refusal(job(key="none.jsonl"), alone)
    assert (
        f"{path}, document 1: the ConfigMap has no key 'none.jsonl'; its keys: logo, posts.jsonl." in reported
    )
    write(path, {"kind": "ConfigMap", "metadata": {"name": "campaign"}})
    assert "its keys: none." in refusal(job(), alone)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"data": {"posts.jsonl": 5}}, "'posts.jsonl' of the ConfigMap must be text"),
        ({"data": [1]}, "data of the ConfigMap must map keys to text"),
        ({"data": {}, "binaryData": {"posts.jsonl": "A"}}, "'posts.jsonl' in binaryData is not Base64"),
        ({"data": {}, "binaryData": {"posts.jsonl": "ü"}}, "'posts.jsonl' in binaryData is not Base64"),
    ],
)
def test_config_map_without_text_is_refused(alone: Path, more: dict[str, Any], message: str) -> None:
    path = write(alone.with_name("posts.yaml"), config_map(**more))
    assert refusal(job(), alone).startswith(f"{path}, document 1: {message}")


def test_config_map_search_ignores_broken_neighbors(alone: Path) -> None:
    write(alone.with_name("posts.yaml"), config_map())
    alone.with_name("broken.yaml").write_text("kind: [")
    alone.with_name("bytes.yaml").write_bytes(b"\xff\xfe\x00")
    alone.with_name("empty.yaml").write_text("")
    alone.with_name("template.yaml").write_text("kind: ConfigMap\nmetadata: {name: {{ campaign }}")
    alone.with_name("list.yaml").write_text(
        "[campaign, ConfigMap]\n---\n5\n---\nkind: ConfigMap\nmetadata: campaign"
    )
    alone.with_name("folder.yaml").mkdir()
    alone.with_name("link.yaml").symlink_to("nowhere")
    assert found(job(), alone) == POSTS


def test_config_map_search_refuses_a_given_file_that_is_not_yaml(alone: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("kind: [")
    assert f"{broken} is not YAML" in refusal(job(), alone, broken)


def test_config_map_error_names_each_searched_place(alone: Path) -> None:
    template = alone.with_name("template.yaml")
    template.write_text("kind: ConfigMap\nmetadata: {name: {{ campaign }}")
    write(alone.with_name("other.yaml"), config_map(name="campaign-2"))
    reported = refusal(job(), alone)
    for words in (
        "There is no ConfigMap 'campaign', which posts.configMapRef names",
        str(alone),
        "no-config-maps, the folder of --config-maps",
        f"{alone.parent}, its YAML files",
        f"{template} is not YAML",
        "Give the file that has it with another -f",
    ):
        assert words in reported


def test_config_map_search_reads_a_given_file_once(alone: Path, monkeypatch: Any) -> None:
    """Neither twice, where two files of one folder are given by different paths."""
    write(alone.with_name("posts.yaml"), config_map())
    voices = write(alone.with_name("voices.yaml"), {})
    monkeypatch.chdir(alone.parent)
    assert found(job(), Path("job.yaml"), Path("..", "alone", voices.name)) == POSTS
