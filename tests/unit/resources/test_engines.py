"""The table of engines, and what is made from it."""

from importlib import import_module
from importlib.util import find_spec

import pytest

from tts_app.engines.registry import ADAPTERS
from tts_app.resources import TextModel, VoiceModel
from tts_app.resources.crd import definition
from tts_app.resources.engines import ENGINES, default_images, engines_of
from tts_app.resources.engines.spec import EngineSpec, Parameters
from tts_operator.settings import Settings


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_engine_has_its_adapter(engine: EngineSpec) -> None:
    module, _, name = engine.adapter.partition(":")
    assert find_spec(module) is not None
    if engine.name != "vllm":  # it needs a GPU to be imported
        assert hasattr(import_module(module), name)
    assert ADAPTERS[engine.name] == engine.adapter


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_engine_spec_is_complete(engine: EngineSpec) -> None:
    assert engine.runtimes
    assert "none" in engine.quantizations
    assert engine.licenses
    assert bool(engine.voice_kinds) == (engine.task == "speech")
    assert all(field.description for field in engine.parameters.model_fields.values())
    assert engine.parameter_faults({}) == []
    assert engine.voice_faults({}) == []


@pytest.mark.parametrize(("kind", "task"), [(VoiceModel, "speech"), (TextModel, "text")])
def test_schema_lists_the_engines_of_its_task(kind, task) -> None:
    (version,) = definition(kind)["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert spec["properties"]["engine"]["enum"] == list(engines_of(task))


def test_default_images_are_those_that_are_built() -> None:
    assert default_images("1.2.3") == {
        "kokoro": "tts-playground-kokoro:1.2.3",
        "llamacpp": "tts-playground-llamacpp:1.2.3",
    }
    assert Settings().engine_images.keys() == default_images("1.2.3").keys()


def test_parameter_faults_name_each_wrong_parameter_and_the_known_ones() -> None:
    found = ENGINES["kokoro"].parameter_faults({"threads": "two", "heads": 1})
    assert found == [
        "parameters.threads: Input should be a valid integer; kokoro has: threads",
        "parameters.heads: Extra inputs are not permitted; kokoro has: threads",
    ]


def test_voice_faults_of_an_engine_without_voice_parameters() -> None:
    found = ENGINES["llamacpp"].voice_faults({"speed": 1})
    assert Parameters.model_fields == {}
    assert found == ["parameters.speed: Extra inputs are not permitted; a voice of llamacpp has: none"]
