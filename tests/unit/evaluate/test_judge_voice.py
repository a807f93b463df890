"""`production` is said of figures alone."""

from dataclasses import replace

import pytest

from tts_app.evaluate.metrics import Measures
from tts_app.evaluate.results import Result, Verdict, judge_voice, summarise
from tts_app.evaluate.scoring import Score

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
PLAIN = Result(
    avatar="female_en-US",
    locale="en-US",
    gender="female",
    kind="plain",
    text="Hello there",
    read_as="Hello there.",
    heard="hello there",
    score=Score(0, 10),
    measures=FINE,
    raw_loudness=-22.0,
    segments=1,
)
STRESS = replace(PLAIN, kind="stress")


def verdict(*results: Result, approximation: str | None = None, whole: bool = True) -> Verdict:
    return judge_voice(summarise(results)[0], results, approximation, whole)


def changed(**measures: float) -> list[Result]:
    return [replace(result, measures=replace(FINE, **measures)) for result in (PLAIN, STRESS)]


def test_voice_that_meets_every_target_is_production() -> None:
    assert verdict(PLAIN, STRESS) == Verdict("production")


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        ([replace(PLAIN, score=Score(1, 10)), STRESS], "en-US plain, WER: 10.0%, wanted <= 3%"),
        ([PLAIN, replace(STRESS, score=Score(1, 10))], "en-US stress, WER: 10.0%, wanted <= 8%"),
        (changed(dnsmos=2.9), "DNSMOS overall, each voice: lowest 2.90 (female_en-US), wanted >= 3.0"),
        (changed(loudness=-18.0), "Loudness, each utterance"),
        (changed(clipped=1), "Clipped samples, all utterances: 2, wanted 0"),
        (changed(clicks=1), "Clicks at joins, all utterances: 2, wanted 0"),
        (changed(f0=120.0), "F0 of a female voice: 120 Hz, wanted 165 to 255 Hz"),
        (changed(f0=0.0), "F0 of a female voice: 0 Hz"),
    ],
)
def test_voice_that_misses_a_target_is_a_preview(results: list[Result], reason: str) -> None:
    found = verdict(*results)
    assert found.quality == "preview"
    assert [r for r in found.reasons if r.startswith(reason)] == list(found.reasons)


def test_voice_too_near_to_the_other_gender_is_a_preview() -> None:
    male = replace(PLAIN, avatar="male_en-US", gender="male", measures=replace(FINE, f0=165.0))
    assert verdict(PLAIN, STRESS, male).reasons == ("en-US, female F0 over male: 35 Hz, wanted >= 40 Hz",)


def test_faults_of_another_voice_do_not_count() -> None:
    other = replace(
        PLAIN, avatar="male_en-US", gender="male", score=Score(9, 10), measures=replace(FINE, f0=100)
    )
    assert verdict(PLAIN, STRESS, other).quality == "production"


@pytest.mark.parametrize("gender", ["female", "male"])
def test_male_and_female_pitch_are_held_against_their_own_range(gender: str) -> None:
    results = [replace(r, gender=gender, measures=replace(FINE, f0=110.0)) for r in (PLAIN, STRESS)]
    assert verdict(*results).quality == ("production" if gender == "male" else "preview")


def test_approximated_accent_is_a_preview_whatever_its_figures() -> None:
    assert verdict(PLAIN, STRESS, approximation="a British voice").reasons == (
        "it only approximates the locale: a British voice",
    )


def test_part_of_the_sentences_is_a_preview_whatever_its_figures() -> None:
    assert verdict(PLAIN, STRESS, whole=False).reasons == ("it spoke 2 sentences, not all of them",)


def test_locale_without_a_front_end_is_a_preview() -> None:
    results = [replace(r, avatar="female_fr-FR", locale="fr-FR") for r in (PLAIN, STRESS)]
    assert verdict(*results).reasons == ("fr-FR has no front-end of its own, and no target",)
