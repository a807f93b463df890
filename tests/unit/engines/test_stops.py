from itertools import pairwise

import pytest

from tts_app.engines.stops import StopStrings


@pytest.mark.parametrize(
    ("stops", "text", "expected"),
    [
        ([], "all of it", "all of it"),
        (["###"], "a # b ## c", "a # b ## c"),
        (["###"], "a ### b", "a "),
        (["END", "ND"], "the END", "the "),
        (["ab", "abc"], "xabc", "x"),
        (["aab"], "aaab", "a"),
        (["مع"], "سلام مع", "سلام "),
        ([""], "an empty one stops nothing", "an empty one stops nothing"),
    ],
)
def test_stop_strings_never_leak_however_the_text_is_cut(stops: list[str], text: str, expected: str) -> None:
    for first in range(len(text)):
        for second in range(first, len(text)):
            held, out, stopped = StopStrings(stops), "", False
            for start, end in pairwise((0, first, second, len(text))):
                piece, stopped = held.take(text[start:end])
                out += piece
                assert expected.startswith(out)
                if stopped:
                    break
            assert out + held.rest() == expected
            assert stopped == (expected != text)


def test_stop_strings_hold_back_no_more_than_needed() -> None:
    stops = StopStrings(["stop"])
    assert stops.take("a st") == ("a ", False)
    assert stops.take("ar") == ("star", False)
    assert stops.rest() == ""
