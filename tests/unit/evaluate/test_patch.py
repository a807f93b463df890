"""The YAML that an evaluation prints: valid, mergeable, and honest about what is missing."""

from typing import Any

import yaml

from tts_app.evaluate.patch import Evaluated, to_patch
from tts_app.evaluate.results import Summary, Verdict
from tts_app.manifests import load_voice_models
from tts_app.resources import VoiceModel

(KOKORO,) = load_voice_models()
FINE = Verdict("production")
POOR = Verdict("preview", ("DNSMOS overall, each voice: lowest 2.90 (male_en-US), wanted >= 3.0",))


def summary(gender: str = "female", **changes: Any) -> Summary:
    figures: dict[str, Any] = {
        "avatar": f"{gender}_en-US",
        "locale": "en-US",
        "gender": gender,
        "plain": 0.01234,
        "stress": 0.05,
        "dnsmos": 3.456,
        "f0": 187.6,
        "quietest": -16.4,
        "loudest": -15.9,
        "true_peak": -1.2,
        "clipped": 0,
        "clicks": 0,
        "bursts": 0,
        "leading": 0.1,
        "trailing": 0.2,
        "gain": 3.21,
        "seconds": 9.0,
    }
    return Summary(**figures | changes)


def voices_of(patch: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(patch)["spec"]["voices"]
    return found


def test_patch_is_a_voice_model_with_what_was_measured_alone() -> None:
    patch = to_patch("kokoro", [Evaluated(summary(), FINE, similarity=0.876)])
    assert yaml.safe_load(patch) == {
        "apiVersion": "ttsplayground.dev/v1alpha1",
        "kind": "VoiceModel",
        "metadata": {"name": "kokoro"},
        "spec": {
            "voices": [
                {
                    "locale": "en-US",
                    "gender": "female",
                    "quality": "production",
                    "gain": 3.2,
                    "measured": {
                        "metric": "wer",
                        "plain": 0.012,
                        "stress": 0.05,
                        "dnsmos": 3.46,
                        "f0": 188,
                        "similarity": 0.88,
                    },
                }
            ]
        },
    }
    assert "kubectl apply --server-side" in patch


def test_patch_pasted_into_the_model_is_a_valid_resource() -> None:
    """The voices are merged by gender and locale, as the API server merges them."""
    patch = to_patch("kokoro", [Evaluated(summary(), FINE), Evaluated(summary("male"), POOR)])
    document = KOKORO.written()
    found = {(voice["gender"], voice["locale"]): voice for voice in voices_of(patch)}
    for voice in document["spec"]["voices"]:  # type: ignore[index, call-overload, union-attr]
        voice.update(found.get((voice["gender"], voice["locale"]), {}))  # type: ignore[index, union-attr, arg-type]
    model = VoiceModel.model_validate(document)
    female, male = model.spec.voices[:2]
    assert (female.quality, female.gain) == ("production", 3.2)
    assert male.quality == "preview"
    assert male.measured is not None
    assert male.measured.dnsmos == 3.46
    assert model.spec.voices[2:] == KOKORO.spec.voices[2:]


def test_patch_says_why_a_voice_is_a_preview() -> None:
    patch = to_patch("kokoro", [Evaluated(summary("male"), POOR)])
    assert f"# male_en-US is a preview: {POOR.reasons[0]}\n" in patch


def test_patch_of_a_service_has_no_resource_and_no_gain() -> None:
    patch = to_patch(None, [Evaluated(summary(gain=None), FINE)])
    document = yaml.safe_load(patch)
    assert list(document) == ["spec"]
    assert "gain" not in document["spec"]["voices"][0]


def test_patch_of_a_voice_without_a_voiced_sound_has_no_figures() -> None:
    (voice,) = voices_of(to_patch("kokoro", [Evaluated(summary(f0=0.0), POOR)]))
    assert "measured" not in voice
    assert voice["quality"] == "preview"


def test_arabic_is_measured_by_characters() -> None:
    (voice,) = voices_of(to_patch("kokoro", [Evaluated(summary(locale="ar-EG"), POOR)]))
    assert voice["measured"]["metric"] == "cer"
