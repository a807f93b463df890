"""Mixes of Kokoro's speakers, as callers write them."""

import pytest

from tts_app.resources.engines.kokoro_speakers import read_mix


@pytest.mark.parametrize(
    ("written", "expression"),
    [
        ("af_heart", "af_heart"),
        ("af_bella+af_sky", "af_bella*0.5+af_sky*0.5"),
        ("af_heart*0.6+af_sky*0.4", "af_heart*0.6+af_sky*0.4"),
        ("af_heart*0.0001+af_sky*9", "af_sky*1"),
        ("af_heart*9+af_sky*0.0001", "af_heart*1"),
    ],
)
def test_weights_sum_to_one_and_none_is_nought(written: str, expression: str) -> None:
    mix = read_mix(written)
    assert mix is not None
    assert mix.expression == expression


def test_the_rest_of_rounding_goes_to_the_largest() -> None:
    many = "+".join(f"af_{letter}" for letter in "abcdefg")
    mix = read_mix(f"{many}+af_h*0.0001")
    assert mix is not None
    weights = [float(term.partition("*")[2]) for term in mix.expression.split("+")]
    assert min(weights) > 0
    assert sum(weights) == pytest.approx(1)
