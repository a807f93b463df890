"""How OmniVoice is told what a voice is like."""

import pytest

from tts_app.engines.base import EngineError
from tts_app.engines.omnivoice.description import check_description, described


@pytest.mark.parametrize(
    ("description", "instructions", "locale", "cloned", "expected"),
    [
        ("female", "", "es-ES", False, "female"),
        ("Low pitch , FEMALE", "", "hi-IN", False, "female, low pitch"),
        ("female", "", "en-AU", False, "female, australian accent"),
        ("female, indian accent", "", "en-US", False, "female, indian accent"),
        ("female, low pitch", "whisper, high pitch", "ur-PK", False, "female, high pitch, whisper"),
        ("", "", "en-GB", True, None),
        ("", "whisper", "en-GB", True, "whisper"),
        ("", "", "ar-EG", False, None),
    ],
)
def test_described(
    description: str, instructions: str, locale: str, cloned: bool, expected: str | None
) -> None:
    assert described(description, instructions, locale, cloned) == expected


@pytest.mark.parametrize(
    ("description", "instructions", "locale", "says"),
    [
        (
            "a calm voice",
            "",
            "en-US",
            "a word of the description. Give some of these, with commas: male, female",
        ),
        ("female", "be quick", "en-US", "a word of the instructions"),
        ("male, female", "", "en-US", "both 'male' and 'female'"),
        ("female, british accent", "", "es-ES", "remove 'british accent' for es-ES"),
    ],
)
def test_described_refuses(description: str, instructions: str, locale: str, says: str) -> None:
    with pytest.raises(EngineError, match=says) as raised:
        described(description, instructions, locale, cloned=False)
    assert "calm" not in str(raised.value)
    assert "quick" not in str(raised.value)


def test_check_description() -> None:
    check_description("elderly, male, very low pitch")
    with pytest.raises(EngineError, match="does not know a word"):
        check_description("old")
