"""The CRDs: as their types are, structural, and told in full."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cases import GOOD
from pydantic import Field

from tts_app.resources import KINDS
from tts_app.resources.base import CustomResource, Resource
from tts_app.resources.crd import definition

ROOT = Path(__file__).parents[3]
GENERATE = [sys.executable, str(ROOT / "hack" / "generate-crds")]


def schema_of(kind: type[CustomResource]) -> dict[str, Any]:
    schema: dict[str, Any] = definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema below `schema`, itself included, with its path."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            yield from nodes(schema[keyword], f"{path}[]")


def test_crds_match_their_types() -> None:
    checked = subprocess.run([*GENERATE, "--check"], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_generate_crds_check_names_stale_files_and_a_second_run_repairs_them(tmp_path: Path) -> None:
    here = [*GENERATE, "--folder", str(tmp_path)]
    subprocess.run(here, check=True)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(written) == [
        f"{kind.plural}.ttsplayground.dev.yaml" for kind in sorted(KINDS.values(), key=lambda k: k.plural)
    ]

    changed, left_over = tmp_path / "ttsjobs.ttsplayground.dev.yaml", tmp_path / "old.ttsplayground.dev.yaml"
    changed.write_text(changed.read_text().replace("maximum: 10\n", "maximum: 11\n"))
    left_over.write_text("")
    checked = subprocess.run([*here, "--check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 1
    assert str(changed) in checked.stderr
    assert str(left_over) in checked.stderr
    assert "voicemodels" not in checked.stderr

    subprocess.run(here, check=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == written


def test_generate_crds_is_the_same_for_any_hash_seed(tmp_path: Path) -> None:
    outputs = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        subprocess.run([*GENERATE, "--folder", str(folder)], check=True, env={"PYTHONHASHSEED": seed})
        outputs.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_crd_fields_all_have_a_type_and_a_description(kind: type[CustomResource]) -> None:
    for path, node in nodes(schema_of(kind)):
        assert "type" in node or node.get("x-kubernetes-int-or-string"), path
        if not path.endswith("[]") and path != ".metadata":
            assert re.search(r"[.]$", node.get("description", "")), (
                f"{path} has no description that is a sentence"
            )
            assert len(node["description"]) < 150, path


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_crd_allows_unknown_fields_only_in_parameters(kind: type[CustomResource]) -> None:
    free = {p for p, node in nodes(schema_of(kind)) if node.get("x-kubernetes-preserve-unknown-fields")}
    assert all(path.endswith(".parameters") for path in free)
    assert bool(free) == (kind.__name__ in {"VoiceModel", "TextModel", "TTSJob"})


@pytest.mark.parametrize("name", GOOD)
def test_crd_defaults_of_the_api_server_change_nothing(name: str) -> None:
    kind = KINDS[GOOD[name]["kind"]]
    assert kind.model_validate(filled(schema_of(kind), GOOD[name])) == kind.model_validate(GOOD[name])


@pytest.mark.parametrize("name", ["fetched", "text", "job", "job-of-its-own", "defaults"])
def test_crd_defaults_are_those_of_python(name: str) -> None:
    kind = KINDS[GOOD[name]["kind"]]
    dumped = kind.model_validate(GOOD[name]).model_dump(mode="json", by_alias=True, exclude_none=True)
    assert without_empty(filled(schema_of(kind), GOOD[name])) == without_empty(dumped)


def filled(schema: dict[str, Any], value: Any) -> Any:
    """Return `value` with the schema's defaults, as an API server fills them in: parents first."""
    if isinstance(value, list):
        return [filled(schema["items"], item) for item in value]
    if not isinstance(value, dict) or "properties" not in schema:
        return value
    fields = schema["properties"]
    given = {name: field["default"] for name, field in fields.items() if "default" in field} | value
    return {name: filled(fields[name], item) for name, item in given.items()}


def without_empty(value: Any) -> Any:
    """Return `value` without the empty lists and maps in it: absent ones mean the same."""
    if isinstance(value, list):
        return [without_empty(item) for item in value]
    if not isinstance(value, dict):
        return value
    inner = {key: without_empty(item) for key, item in value.items()}
    return {key: item for key, item in inner.items() if item not in ([], {})}


def test_crd_printer_columns_and_names() -> None:
    reported = {}
    for name, kind in KINDS.items():
        crd = definition(kind)
        assert crd["metadata"]["name"] == f"{crd['spec']['names']['plural']}.ttsplayground.dev"
        version = crd["spec"]["versions"][0]
        assert version["subresources"] == {"status": {}}
        columns = [c["name"].upper() for c in version["additionalPrinterColumns"] if "priority" not in c]
        reported[name] = (" ".join(crd["spec"]["names"]["shortNames"]), " ".join(columns))
        assert crd["spec"]["names"]["categories"] == ["tts"]
    assert reported == {
        "VoiceModel": ("voice", "SERVICE ENGINE READY REASON REPLICAS AVATARS AGE"),
        "TextModel": ("tm", "SERVICE ENGINE READY REASON REPLICAS CONTEXT AGE"),
        "TTSJob": ("ttsj", "PHASE DONE/TOTAL FAILED AGE"),
        "Playground": ("pg", "READY REASON MODELS URL AGE"),
    }


def test_definition_refuses_a_default_that_its_fields_do_not_make() -> None:
    class Inner(Resource):
        size: int = 1

    class Outer(Resource):
        inner: Inner = Inner(size=2)

    class Odd(CustomResource):
        plural = "odds"
        short_name = "odd"
        columns = ()
        kind: str = "Odd"
        spec: Outer

    with pytest.raises(ValueError, match="is not what its fields' defaults make"):
        definition(Odd)


def test_definition_refuses_a_keyword_that_is_not_structural() -> None:
    class Spec(Resource):
        even: int = Field(multiple_of=2)

    class Odd(CustomResource):
        plural = "odds"
        short_name = "odd"
        columns = ()
        kind: str = "Odd"
        spec: Spec

    with pytest.raises(ValueError, match="multipleOf"):
        definition(Odd)


def test_crd_yaml_has_no_anchors_and_names_its_generator() -> None:
    for path in (ROOT / "crds").iterdir():
        text = path.read_text(encoding="utf-8")
        assert text.startswith("# Made by hack/generate-crds")
        assert not re.search(r"[&*]id\d", text)
        assert yaml.safe_load(text)["kind"] == "CustomResourceDefinition"
