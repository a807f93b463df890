import copy
import re
from typing import Any

import pytest
from pydantic import ValidationError

from tts_app.manifests import load_voice_models
from tts_app.resources import LOCALES, Resources, Voice, VoiceModel, resolve_locale
from tts_app.resources.engines import engines_of

VOICE_ENGINES = ", ".join(engines_of("speech"))


@pytest.fixture
def manifest() -> dict[str, Any]:
    return {
        "apiVersion": "ttsplayground.dev/v1alpha1",
        "kind": "VoiceModel",
        "metadata": {"name": "kokoro"},
        "spec": {
            "engine": "kokoro",
            "source": {"uri": "package://kokoro-82m/int8"},
            "quantization": "int8",
            "license": {"spdx": "Apache-2.0", "commercialUse": True},
            "voices": [{"locale": "en-US", "gender": "female", "speaker": "af_heart"}],
        },
    }


def test_voice_model_round_trips_with_defaults_in_camel_case(manifest: dict[str, Any]) -> None:
    model = VoiceModel.model_validate(manifest)
    assert (model.spec.service, model.spec.replicas.max) == ("playground", 1)
    dumped = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert dumped["spec"]["replicas"]["targetOngoingRequests"] == 2
    assert VoiceModel.model_validate(dumped) == model


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("metadata", "name"), "Kokoro", "pattern"),
        (("metadata", "name"), "k" * 48, "pattern"),
        (("spec", "engine"), "espeak", f"there is no engine 'espeak'; there are: {VOICE_ENGINES}"),
        (("spec", "quantization"), "fp8", "allowed: fp16, int8, none"),
        (("spec", "source", "uri"), "ftp://x", "pattern"),
        (("spec", "source"), {"uri": "hf://a/b"}, "needs `revision`"),
        (("spec", "source", "sha256"), {"model.onnx": "abc"}, "pattern"),
        (("spec", "voices"), [], "at least 1"),
        (("spec", "voices", 0, "locale"), "french", "such as fr-FR"),
        (("spec", "voices", 0, "gender"), "neutral", "'female' or 'male'"),
        (
            ("spec", "voices", 0, "speaker"),
            None,
            "exactly one of speaker, reference, description; it has none",
        ),
        (("spec", "voices", 0, "description"), "warm", "speaker and description"),
        (("spec", "replicas"), {"min": 3, "max": 2}, "must not exceed"),
        (("spec", "resources"), {"cpu": "two"}, "pattern"),
        (("spec", "colour"), "red", "Extra inputs are not permitted"),
    ],
)
def test_voice_model_faults_are_named(
    manifest: dict[str, Any], path: tuple[Any, ...], value: Any, message: str
) -> None:
    broken = copy.deepcopy(manifest)
    part = broken
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    with pytest.raises(ValidationError) as caught:
        VoiceModel.model_validate(broken)
    assert message in str(caught.value)


def test_voice_model_refuses_an_avatar_given_twice(manifest: dict[str, Any]) -> None:
    manifest["spec"]["voices"] *= 2
    with pytest.raises(ValidationError, match="given twice: female_en-US"):
        VoiceModel.model_validate(manifest)


def test_voice_locale_is_kept_in_canonical_case(manifest: dict[str, Any]) -> None:
    manifest["spec"]["voices"][0]["locale"] = "fr-fr"
    assert VoiceModel.model_validate(manifest).spec.voices[0].avatar == "female_fr-FR"
    manifest["spec"]["voices"].append({**manifest["spec"]["voices"][0], "locale": "fr-FR"})
    with pytest.raises(ValidationError, match="given twice: female_fr-FR"):
        VoiceModel.model_validate(manifest)


def test_voice_locale_of_a_bare_language_is_its_default(manifest: dict[str, Any]) -> None:
    manifest["spec"]["voices"][0]["locale"] = "en"
    assert VoiceModel.model_validate(manifest).spec.voices[0].avatar == "female_en-US"
    manifest["spec"]["voices"][0]["locale"] = "fr"
    assert VoiceModel.model_validate(manifest).spec.voices[0].avatar == "female_fr"


def test_voice_refuses_a_reference_clip_without_consent() -> None:
    clip = {"uri": "file:///a.wav", "transcript": "hello"}
    with pytest.raises(ValidationError, match="consent"):
        Voice.model_validate({"locale": "en-US", "gender": "male", "reference": clip})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"parameters": {"speakers": 2}},
            "speakers: Extra inputs are not permitted; kokoro has: runtime, alphabet, threads, max_batch, "
            "cuda_graphs",
        ),
        ({"parameters": {"threads": 0}}, "parameters.threads: Input should be greater than or equal to 1"),
    ],
)
def test_voice_model_refuses_parameters_that_the_engine_lacks(
    manifest: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    manifest["spec"] |= change
    with pytest.raises(ValidationError, match=re.escape(message)):
        VoiceModel.model_validate(manifest)


def test_voice_refuses_parameters_that_the_engine_lacks(manifest: dict[str, Any]) -> None:
    manifest["spec"]["voices"][0]["parameters"] = {"pitch": 2}
    message = (
        "voice female_en-US: parameters.pitch: Extra inputs are not permitted; a voice of kokoro has: speed"
    )
    with pytest.raises(ValidationError, match=re.escape(message)):
        VoiceModel.model_validate(manifest)


@pytest.mark.parametrize(
    ("resources", "cpus", "memory"),
    [
        ({"cpu": "500m"}, 0.5, 1 << 30),
        ({"cpu": "4", "memory": "16Gi"}, 4, 16 << 30),
        ({"memory": "2G"}, 1, 2 * 10**9),
    ],
)
def test_resources_parse_quantities(resources: dict[str, str], cpus: float, memory: int) -> None:
    found = Resources.model_validate(resources)
    assert (found.cpus, found.memory_bytes) == (cpus, memory)


@pytest.mark.parametrize(
    ("language", "dialect", "locale"),
    [
        ("en", None, "en-US"),
        ("EN_gb", None, "en-GB"),
        ("en", "AU", "en-AU"),
        ("en", "en-gb", "en-GB"),
        ("ar", "EG", "ar-EG"),
        ("ur", None, "ur-PK"),
        ("es-ES", "ES", "es-ES"),
    ],
)
def test_resolve_locale_of_language_and_dialect(language: str, dialect: str | None, locale: str) -> None:
    assert resolve_locale(language, dialect) == locale


@pytest.mark.parametrize(
    ("language", "dialect", "parameter"),
    [("fr", None, "language"), ("", None, "language"), ("en-IN", None, "language"), ("en", "EG", "dialect"),
     ("en", "ar-EG", "dialect"), ("en-GB", "US", "dialect"), ("en", "", "dialect")],
)  # fmt: skip
def test_resolve_locale_error_names_the_parameter(language: str, dialect: str | None, parameter: str) -> None:
    with pytest.raises(ValueError, match="Allowed: ") as caught:
        resolve_locale(language, dialect)
    assert caught.value.args[1] == parameter


def test_embedded_sample_speaks_every_avatar_once() -> None:
    nine = ("en-US", "en-GB", "en-AU", "ar-SA", "ar-EG", "ar-AE", "es-ES", "hi-IN", "ur-PK")
    avatars = [voice.avatar for model in load_voice_models() for voice in model.spec.voices]
    assert sorted(avatars) == sorted(f"{g}_{locale}" for locale in nine for g in ("female", "male"))
    assert set(nine) <= set(LOCALES), "each has a front-end of its own"


def test_embedded_sample_marks_approximated_locales() -> None:
    (model,) = load_voice_models()
    approximated = {v.locale for v in model.spec.voices if v.approximation}
    assert approximated == {"en-AU", "ur-PK", "ar-SA", "ar-EG", "ar-AE"}
