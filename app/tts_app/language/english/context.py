"""Selects the reading of a homograph: by a few rules on its neighbours, where they are cheap and safe."""

from collections.abc import Callable, Sequence

from tts_app.language.text import word_set

_DETERMINERS = word_set(
    "a an the this that these those my your our his her their its no any some each every another which "
    "what of for with in at on by from into free new first last great good best"
)
_BEFORE_VERBS = word_set(
    "to will would can could should must may might shall cannot can't won't don't didn't doesn't "
    "couldn't shouldn't wouldn't let's please i we you they who never always i'll we'll you'll they'll "
    "it'll"
)
_HAVING = word_set("have has had having i've we've you've they've been be was were is are being he's she's")
_ADVERBS = word_set("just really not also now only ever even still")
_MOST_ADVERBS = 16
"""Most adverbs between a word and the one that decides on it: what is longer is no sentence."""
_AFTER_LIVE = word_set(
    "in at on here there with by like your life the up out near well happily alone to as it"
)


def use_of(words: Sequence[str], index: int) -> str:
    """Return how `words[index]` is used: NOUN, VERB, VBN, ADV, or DEFAULT where nothing decides.

    `words` is a clause in lower case.
    """
    word = words[index]
    back = index - 1
    while back >= max(0, index - _MOST_ADVERBS) and words[back] in _ADVERBS:
        back -= 1
    before = words[back] if back >= 0 else ""
    after = words[index + 1] if index + 1 < len(words) else ""
    if word in _SPECIAL:
        return "VERB" if _SPECIAL[word](before, after) else "DEFAULT"
    rules = (
        ("VBN", before in _HAVING),
        ("NOUN", after == "of"),
        ("VERB", before in _BEFORE_VERBS or (not before and after in _DETERMINERS)),
        ("NOUN", before in _DETERMINERS),
    )
    return next((use for use, applies in rules if applies), "DEFAULT")


def _lives(before: str, after: str) -> bool:
    return before in _BEFORE_VERBS or (not before and after in _AFTER_LIVE)


def _closes(before: str, after: str) -> bool:
    return before in _BEFORE_VERBS or (after in {"at", "on", "for", "the", "your"} and before not in _HAVING)


def _never(before: str, after: str) -> bool:
    return False


_SPECIAL: dict[str, Callable[[str, str], bool]] = {
    **{"live": _lives, "lives": _lives, "close": _closes, "closes": _closes, "that": _never}
}
"""Rules by which a word's neighbours decide whether it is a verb."""
