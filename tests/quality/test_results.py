"""Sums, targets, the report, and the figures that go back into the YAML."""

import json
from dataclasses import replace

import pytest
from report import to_json, to_markdown
from sample import update_sample

from tts_app.evaluate.metrics import Measures
from tts_app.evaluate.results import Result, error_rate, judge_targets, summarise
from tts_app.evaluate.scoring import Score
from tts_app.resources import VoiceModel

FINE = Measures(
    seconds=4.0,
    dnsmos=3.4,
    f0=200.0,
    loudness=-16.2,
    true_peak=-1.2,
    clipped=0,
    clicks=0,
    bursts=0,
    leading=0.1,
    trailing=0.2,
)
SAMPLE = """\
# What is served.
kind: VoiceModel
spec:
  voices:
    - {locale: en-US, gender: female, speaker: af_heart}  # the best one
    - {locale: en-US, gender: male, speaker: am_michael, approximation: "an accent"}
    - {locale: es-ES, gender: female, speaker: ef_dora}
"""


def result(gender: str = "female", kind: str = "plain", errors: float = 0, **changes: object) -> Result:
    measures = replace(FINE, f0=200.0 if gender == "female" else 120.0)
    made = Result(
        avatar=f"{gender}_en-US",
        locale="en-US",
        gender=gender,
        kind=kind,  # type: ignore[arg-type]
        text="Hello | there",
        read_as="Hello there.",
        heard="hello there",
        score=Score(errors, 10),
        measures=measures,
        raw_loudness=-22.0,
        segments=1,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def run() -> list[Result]:
    return [result(g, k) for g in ("female", "male") for k in ("plain", "stress")]


def missed(results: list[Result]) -> list[str]:
    return [target.name for target in judge_targets(results) if not target.met]


def test_error_rate_is_all_errors_over_all_words() -> None:
    results = [result(errors=1), result(errors=0, score=Score(0, 30)), result(kind="stress", errors=5)]
    assert error_rate(results, "plain") == pytest.approx(1 / 40)
    assert error_rate(results) == pytest.approx(6 / 50)
    assert error_rate([], "plain") is None


def test_targets_are_all_met_by_a_good_run() -> None:
    assert missed(run()) == []


@pytest.mark.parametrize(
    ("change", "target"),
    [
        ({"score": Score(1, 10)}, "en-US plain, WER"),
        ({"measures": replace(FINE, f0=150.0)}, "en-US, female F0 over male"),
        ({"measures": replace(FINE, dnsmos=2.0)}, "DNSMOS overall, each voice"),
        ({"measures": replace(FINE, loudness=-17.1)}, "Loudness, each utterance"),
        ({"measures": replace(FINE, clipped=2)}, "Clipped samples, all utterances"),
        ({"measures": replace(FINE, clicks=1)}, "Clicks at joins, all utterances"),
    ],
)
def test_target_is_missed_by_its_own_fault(change: dict[str, object], target: str) -> None:
    results = [replace(r, **change) if r.gender == "female" else r for r in run()]  # type: ignore[arg-type]
    assert missed(results) == [target]


def test_targets_judge_arabic_dialects_together() -> None:
    dialects = [
        result(avatar=f"female_{locale}", locale=locale, errors=errors)
        for locale, errors in (("ar-SA", 1), ("ar-EG", 4), ("ar-AE", 2))
    ]
    (target,) = [t for t in judge_targets(dialects) if t.name.startswith("ar")]
    assert (target.found, target.met) == ("23.3%", True)


def test_summary_gain_brings_the_engine_to_the_target() -> None:
    assert summarise(run())[0].gain == pytest.approx(6.0)


def test_report_names_targets_voices_and_what_was_heard() -> None:
    page = to_markdown([*run(), result(errors=3)], {"Date": "2026-11-22"})
    assert "| `female_en-US` | WER |" in page
    assert "**missed**" in page
    assert "Hello \\| there" in page
    assert "- Date: 2026-11-22" in page
    content = json.loads(to_json(run(), {}))
    assert [voice["avatar"] for voice in content["voices"]] == ["female_en-US", "male_en-US"]
    assert all(target["met"] for target in content["targets"])
    assert len(content["utterances"]) == 4


def test_update_sample_writes_the_figures_and_keeps_the_rest() -> None:
    updated = update_sample(SAMPLE, run())
    assert updated.startswith("# What is served.\n")
    assert "# the best one" in updated
    assert '"an accent"' in updated
    lines = updated.splitlines()
    female, male, spanish = (line for line in lines if "locale:" in line)
    assert "quality: production, gain: 6.0, measured: {metric: wer, plain: 0.0" in female
    assert "quality: preview" in male, "an accent is never called production"
    assert spanish.strip() == "- {locale: es-ES, gender: female, speaker: ef_dora}"


def test_update_sample_leaves_a_valid_resource() -> None:
    import yaml

    head = "apiVersion: ttsplayground.dev/v1alpha1\nmetadata: {name: kokoro}\n"
    spec = (
        '  engine: kokoro\n  source: {uri: "file:///models"}\n  license: {spdx: MIT, commercialUse: true}\n'
    )
    whole = head + SAMPLE.replace("spec:\n", "spec:\n" + spec)
    model = VoiceModel.model_validate(yaml.safe_load(update_sample(whole, run())))
    assert model.spec.voices[0].quality == "production"
    assert model.spec.voices[0].gain == 6.0
    assert model.spec.voices[0].measured is not None
    assert model.spec.voices[2].measured is None


def test_update_sample_changes_nothing_a_second_time() -> None:
    once = update_sample(SAMPLE, run())
    assert update_sample(once, run()) == once
