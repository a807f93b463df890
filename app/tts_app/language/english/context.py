"""Selects the reading of a homograph by the words around it: by their classes, and for some words by topic.

The rules are those of a small grammar: after a determiner or a preposition comes a noun, after `to`, a modal
or a subject pronoun a verb, and what a determiner follows is a verb. Words whose two senses are of one class
(lead, bow, bass) are decided by the company they keep.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tts_app.language.text import word_set

_DETERMINERS = word_set(
    "a an the this these those my your our his her their its no any some each every another which whose "
    "both all either neither such many several few most more two three four five six seven eight nine ten "
    "twenty thirty forty fifty hundred thousand million much enough"
)
_PREPOSITIONS = word_set(
    "of for with in at on by from into under over about against without within during per between through "
    "upon near beyond behind despite like via after before"
)
_ADJECTIVES = word_set(
    "free new first last great good best next big small old little long short high low huge main full own "
    "daily weekly annual local recent second third strong sharp fresh clear official special major minor "
    "better bad worse public private common hot cold final early late personal original one"
)
_MODALS = word_set(
    "to will would can could should must may might shall cannot can't won't don't didn't doesn't couldn't "
    "shouldn't wouldn't let's please i'll we'll you'll they'll it'll he'll she'll i'd we'd you'd they'd do "
    "did does help helps let lets make not never"
)
_SUBJECTS = word_set("i we you they who")
_SINGULAR_SUBJECTS = word_set("he she it who that which this")
_HAVING = word_set("have has had having i've we've you've they've he's she's it's")
_BEING = word_set("be been being was were is are am isn't aren't wasn't weren't i'm we're you're they're")
_ADVERBS = word_set(
    "just really not also now only ever even still always often usually never soon then well very so too "
    "quite rather more most less once sometimes already"
)
_SKIPPED = _ADVERBS - _MODALS
_LINKS = word_set(
    "feel feels felt seem seems seemed look looks looked stay stays stayed become becomes became"
)
_OBJECTS = word_set(
    "it them us him me her you yourself themselves himself herself itself everything anything"
)
_CONJUNCTIONS = word_set("and or but if when because that than as while although so where who which until")
_CLOSED = frozenset().union(
    *(_DETERMINERS, _PREPOSITIONS, _MODALS, _SUBJECTS, _SINGULAR_SUBJECTS, _HAVING, _BEING),
    *(_ADVERBS, _OBJECTS, _CONJUNCTIONS),
    word_set("to up down out off here there today tomorrow yesterday tonight again away back"),
)
_AFTER_VERBS = _PREPOSITIONS | word_set("to up down out well too that when if while because")
_MOST_ADVERBS = 16
"""Most adverbs between a word and the one that decides on it: what is longer is no sentence."""
_NEIGHBOURHOOD = 12
"""Words to each side whose topic can decide."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A word of a clause and what is around it."""

    words: Sequence[str]
    index: int
    before: str
    """The word before it; adverbs in between are skipped."""
    before_that: str
    just_before: str
    after: str

    @classmethod
    def of(cls, words: Sequence[str], index: int) -> "_Place":
        """Return the surroundings of `words[index]`."""
        back = index - 1
        while back >= max(0, index - _MOST_ADVERBS) and _is_adverb(words[back]):
            back -= 1
        return cls(
            words,
            index,
            before=words[back] if back >= 0 else "",
            before_that=words[back - 1] if back > 0 else "",
            just_before=words[index - 1] if index else "",
            after=words[index + 1] if index + 1 < len(words) else "",
        )

    def near(self, topic: frozenset[str]) -> bool:
        """Return whether a word of a topic is around."""
        around = self.words[max(0, self.index - _NEIGHBOURHOOD) : self.index + _NEIGHBOURHOOD + 1]
        return not topic.isdisjoint(around)

    @property
    def modifies(self) -> bool:
        """Whether a noun may follow."""
        return bool(self.after) and self.after not in _CLOSED

    @property
    def has_object(self) -> bool:
        """Whether what follows is what a verb acts on."""
        return self.after in _DETERMINERS or self.after in _OBJECTS

    @property
    def is_after_determiner(self) -> bool:
        """Whether the word before is one that a noun follows."""
        return self.before in _DETERMINERS or self.before in _ADJECTIVES or self.before in _PREPOSITIONS

    @property
    def is_after_verb_marker(self) -> bool:
        """Whether the word before is one that a verb follows."""
        return self.before in _MODALS or self.before in _SUBJECTS


def use_of(words: Sequence[str], index: int) -> str:
    """Return how `words[index]` is used: NOUN, VERB, ADJ, VBN, VBD, a sense, or DEFAULT.

    `words` is a clause in lower case. DEFAULT: nothing decides. The senses are
    those of `lexicon.SENSES`: METAL, FIGHT, FISH, PAPER.
    """
    word = words[index]
    place = _Place.of(words, index)
    special = _SPECIAL.get(word)
    return special(place) if special else _class_of(place, word)


def _class_of(place: _Place, word: str) -> str:
    """Return NOUN, VERB or ADJ by the classes of the neighbours."""
    ends_in_s = _is_plural(word)
    rules = (
        ("NOUN", place.before in _HAVING),
        ("ADJ", place.before in _BEING or place.before in _LINKS),
        ("NOUN", place.after == "of"),
        ("VERB", place.before in _MODALS),
        ("VERB", place.before in (_SINGULAR_SUBJECTS if ends_in_s else _SUBJECTS)),
        ("NOUN", place.is_after_determiner),
        ("VERB", place.has_object),
        ("VERB", not ends_in_s and _follows_its_subject(place)),
        ("NOUN", _ends_a_compound(place)),
    )
    return next((use for use, applies in rules if applies), "DEFAULT")


def _is_adverb(word: str) -> bool:
    return word in _SKIPPED or (word.endswith("ly") and len(word) > 4 and word not in {"family", "early"})


def _is_plural(word: str) -> bool:
    return word.endswith("s") and not word.endswith(("ss", "us", "is"))


def _follows_its_subject(place: _Place) -> bool:
    """Return whether nouns before and what follows show a verb: guests object to noise."""
    if place.before in _CLOSED or not _is_plural(place.before):
        return False
    return place.modifies or not place.after or place.after in _AFTER_VERBS


def _ends_a_compound(place: _Place) -> bool:
    """Return whether a noun in the singular is before, and none after: vanilla extract, a former convict."""
    if not place.before or place.before in _CLOSED or _is_plural(place.before):
        return False
    return not place.modifies or place.before_that in _DETERMINERS


# -- words that need more than the classes of their neighbours --------------------------------------------


def _live(place: _Place) -> str:
    if place.before in _SHOWN or place.before in _BEING:
        return "DEFAULT"
    verb = place.is_after_verb_marker or (place.before in _CONJUNCTIONS and not place.modifies)
    settled = place.after in _AFTER_LIVE and place.before not in _PREPOSITIONS | _DETERMINERS
    return "VERB" if verb or settled else "DEFAULT"


_SHOWN = word_set("go goes going went gone streamed broadcast played shown")
_AFTER_LIVE = word_set(
    "in at on here there with by like your life the up out near well happily alone to as it"
)


def _lives(place: _Place) -> str:
    noun = place.is_after_determiner or place.before in _SAVED or place.near(_LIVING)
    return "DEFAULT" if noun or not place.before else "VERB"


_SAVED = word_set("save saves saved change changes changed people's")
_LIVING = word_set("live lead led living")


def _close(place: _Place) -> str:
    if place.after in _NEAR_THINGS:
        return "DEFAULT"
    if place.before in _DETERMINERS and place.after in {"of", ""}:
        return "NOUN"
    verb = place.before in _MODALS - {"make", "not", "never"} or place.before in _SUBJECTS
    timed = place.after in _CLOSING_TIMES and place.before not in _NOT_CLOSING
    return "VERB" if verb or timed else "DEFAULT"


_NEAR_THINGS = word_set(
    "to by enough together friend friends proximity relatives range family quarters contact attention look "
    "call links view relationship game match"
)
_CLOSING_TIMES = _DETERMINERS | word_set("at on for early late around daily when")
_NOT_CLOSING = _BEING | _HAVING | _PREPOSITIONS | _DETERMINERS


def _read(place: _Place) -> str:
    if place.before in _HAVING | _BEING | {"well", "widely"}:
        return "VBN"
    if place.before in _MODALS or not place.before or place.before in _CONJUNCTIONS:
        return "DEFAULT"
    return "VBD" if place.before in {"he", "she", "it"} or place.near(_PAST) else "DEFAULT"


_PAST = word_set("yesterday ago last already once earlier previously before when was were")


def _lead(place: _Place) -> str:
    made = (
        place.before in {"of", "from", "contains", "contain", "like", "as", "molten"} and not place.modifies
    )
    metal = place.after in _OF_LEAD or place.near(_METALS) or (made and not place.near(_LEADING))
    return "METAL" if metal else "DEFAULT"


_OF_LEAD = word_set(
    "pipe pipes paint poisoning pencil pencils acid glass shot roof weights solder levels exposure"
)
_METALS = word_set(
    "metal metals copper zinc mercury toxic poisonous arsenic iron tin pipes plumbing tap petrol blood"
)
_LEADING = word_set("take took takes role sales")


def _wind(place: _Place) -> str:
    turned = place.after in _TURNING and place.before not in _DETERMINERS | _ADJECTIVES
    starts = not place.before and place.has_object
    return "VERB" if place.is_after_verb_marker or turned or starts else "DEFAULT"


_TURNING = word_set("up down through around back its along round your")


def _tear(place: _Place) -> str:
    torn = place.after in _TEARING or place.has_object or place.is_after_verb_marker
    worn = place.before in {"and", "a", "the", "small", "any", "big", "long"} and place.near(_CLOTH)
    return "VERB" if torn or worn else "DEFAULT"


_TEARING = word_set("down up off apart along open out into away through here")
_CLOTH = word_set(
    "wear sheet sheets shirt dress fabric cloth curtain jacket bag towel ligament muscle paper seam carpet "
    "linen pillow cover jeans sofa net"
)


def _bow(place: _Place) -> str:
    bends = place.after in _BENDING and place.before not in _DETERMINERS
    verb = place.is_after_verb_marker or _is_plural(place.before) or bends
    polite = place.before in {"a", "deep", "final", "his", "her", "low", "polite"} and place.near(_BOWING)
    return "VERB" if verb or polite or place.near(_SHIPS) else "DEFAULT"


_BENDING = word_set("to before down out politely deeply from")
_BOWING = word_set("take takes took taking audience politely greeted gave deep")
_SHIPS = word_set("ship boat yacht deck stern vessel ferry hull sail sailing ocean waves dhow crew cabin")


def _minute(place: _Place) -> str:
    small_things = place.after in _MINUTE_THINGS or f"{place.after}s" in _MINUTE_THINGS
    graded = place.just_before in {"very", "so", "most", "extremely", "quite", "rather"}
    ends = not place.after and place.before in _BEING
    return "ADJ" if small_things or ends or graded else "DEFAULT"


_MINUTE_THINGS = word_set(
    "details detail traces particles amounts quantities differences changes cracks scratches fractions "
    "fragments creatures holes adjustments flaws pieces insects"
)


def _content(place: _Place) -> str:
    glad = place.after in {"with", "to"} and place.before not in _DETERMINERS | _PREPOSITIONS
    feeling = (place.before in _BEING or place.before in _LINKS) and not place.modifies
    return "DEFAULT" if glad or feeling else "NOUN"


def _invalid(place: _Place) -> str:
    person = (place.before in _DETERMINERS or place.before in _ADJECTIVES) and not place.modifies
    return "NOUN" if person or place.after in {"chair", "carriage"} else "DEFAULT"


def _desert(place: _Place) -> str:
    leaving = place.before in _MODALS - {"to"} or place.before in _SUBJECTS
    return "VERB" if leaving or (place.before == "to" and place.has_object) else "DEFAULT"


def _refuse(place: _Place) -> str:
    rubbish = place.after in _RUBBISH and not place.is_after_verb_marker
    return "NOUN" if rubbish or place.is_after_determiner else "VERB"


_RUBBISH = word_set("collection collectors bin bins disposal bag bags chute truck lorry is was")


def _row(place: _Place) -> str:
    angry = place.before in {"bitter", "heated", "furious", "blazing", "terrible"}
    about = place.after in {"over", "about", "with", "between", "broke", "erupted", "started", "ended"}
    return "FIGHT" if angry or (about and place.is_after_determiner) else "DEFAULT"


def _sow(place: _Place) -> str:
    return "NOUN" if place.is_after_determiner else "VERB"


def _bass(place: _Place) -> str:
    if place.near(_MUSIC):
        return "ADJ"
    return "FISH" if place.near(_FISH) else "DEFAULT"


_FISH = word_set(
    "fish fishing sea grilled fillet lake caught river lemon chef pan striped largemouth fried baked"
)
_MUSIC = word_set("guitar music player drum drums line voice clef singer volume speakers jazz double sound")


def _dove(place: _Place) -> str:
    dived = place.after in {"into", "in", "off", "under", "deep", "for", "down", "headfirst", "straight"}
    return "VERB" if dived and place.before not in _DETERMINERS | _ADJECTIVES | {"white"} else "DEFAULT"


def _wound(place: _Place) -> str:
    subject = place.before in _SUBJECTS or place.before in _SINGULAR_SUBJECTS
    turned = place.after in _TURNING or (place.has_object and subject)
    return "VBD" if turned and place.before not in _DETERMINERS else "DEFAULT"


def _resume(place: _Place) -> str:
    paper = place.is_after_determiner or place.before == "attached"
    return "PAPER" if paper and not place.has_object else "DEFAULT"


def _present(place: _Place) -> str:
    there = place.before in _BEING or place.before in _LINKS or place.before in {"those", "everyone", "all"}
    return "NOUN" if there else _class_of(place, "present")


def _separate(place: _Place) -> str:
    kept = not place.after and place.near(frozenset({"keep", "keeps", "kept", "stored"}))
    return "DEFAULT" if kept else _class_of(place, "separate")


def _never(_: _Place) -> str:
    return "DEFAULT"


_SPECIAL: Mapping[str, Callable[[_Place], str]] = MappingProxyType(
    {
        **{"live": _live, "lives": _lives, "close": _close, "closes": _close, "that": _never},
        **{"read": _read, "lead": _lead, "wind": _wind, "tear": _tear, "bow": _bow, "minute": _minute},
        **{"content": _content, "invalid": _invalid, "desert": _desert, "refuse": _refuse, "row": _row},
        **{"sow": _sow, "bass": _bass, "dove": _dove, "wound": _wound, "resume": _resume},
        **{"present": _present, "separate": _separate},
    }
)
