"""What only English writes so: addresses, titles and abbreviations that the words around explain.

These are put into words before the shared scan. Every pattern is anchored at a word and bounded.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import regex

from tts_app.language.english.words import CURRENCIES, UNIT_WORDS, american
from tts_app.language.semiotics import roman_value
from tts_app.language.text import word_set

_NAME = r"\p{Lu}[\p{L}\p{M}']{1,30}+"
_START = r"(?<![\p{L}\p{M}\p{N}_.@/'-])"
_END = r"(?![\p{L}\p{M}\p{N}_@'])"
_POINT = r"(?:\.(?![ ]+\p{Lu}|\s*$))?"
"""The full stop of an abbreviation, unless a sentence may end there."""

STREETS: Mapping[str, str] = MappingProxyType(
    {
        **{"St": "Street", "Dr": "Drive", "Ave": "Avenue", "Av": "Avenue", "Rd": "Road", "Ln": "Lane"},
        **{"Blvd": "Boulevard", "Ct": "Court", "Pl": "Place", "Sq": "Square", "Pkwy": "Parkway"},
        **{"Hwy": "Highway", "Expy": "Expressway", "Fwy": "Freeway", "Ter": "Terrace", "Cir": "Circle"},
        **{"Tpke": "Turnpike", "Cres": "Crescent", "Trl": "Trail", "Cl": "Close", "Gdns": "Gardens"},
        **{"Gr": "Grove", "Pde": "Parade", "Esp": "Esplanade", "Plz": "Plaza", "Aly": "Alley"},
    }
)
"""Abbreviations of ways, after the name of the way."""

DIRECTIONS: Mapping[str, str] = MappingProxyType(
    {
        **{"N": "North", "S": "South", "E": "East", "W": "West", "NE": "Northeast", "NW": "Northwest"},
        **{"SE": "Southeast", "SW": "Southwest"},
    }
)

STATES: Mapping[str, str] = MappingProxyType(
    {
        **{"AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California"},
        **{"CO": "Colorado", "CT": "Connecticut", "DE": "Delaware", "FL": "Florida", "GA": "Georgia"},
        **{"HI": "Hawaii", "ID": "Idaho", "IL": "Illinois", "IN": "Indiana", "IA": "Iowa", "KS": "Kansas"},
        **{"KY": "Kentucky", "LA": "Louisiana", "ME": "Maine", "MD": "Maryland", "MA": "Massachusetts"},
        **{"MI": "Michigan", "MN": "Minnesota", "MS": "Mississippi", "MO": "Missouri", "MT": "Montana"},
        **{"NE": "Nebraska", "NV": "Nevada", "NH": "New Hampshire", "NJ": "New Jersey", "NM": "New Mexico"},
        **{"NY": "New York", "NC": "North Carolina", "ND": "North Dakota", "OH": "Ohio", "OK": "Oklahoma"},
        **{"OR": "Oregon", "PA": "Pennsylvania", "RI": "Rhode Island", "SC": "South Carolina"},
        **{"SD": "South Dakota", "TN": "Tennessee", "TX": "Texas", "UT": "Utah", "VT": "Vermont"},
        **{"VA": "Virginia", "WA": "Washington", "WV": "West Virginia", "WI": "Wisconsin", "WY": "Wyoming"},
        **{"DC": "D C"},
    }
)
"""States of the United States, in addresses: after a town and a comma."""

TITLES: Mapping[str, str] = MappingProxyType(
    {
        **{"Dr": "Doctor", "Gen": "General", "Capt": "Captain", "Col": "Colonel", "Lt": "Lieutenant"},
        **{"Sgt": "Sergeant", "Maj": "Major", "Cmdr": "Commander", "Adm": "Admiral", "Cpl": "Corporal"},
        **{"Pvt": "Private", "Sen": "Senator", "Rep": "Representative", "Gov": "Governor", "Rev": "Reverend"},
        **{
            "Pres": "President",
            "Prof": "Professor",
            "Fr": "Father",
            "Hon": "Honourable",
            "Supt": "Superintendent",
        },
        **{"Insp": "Inspector", "Det": "Detective", "Amb": "Ambassador", "Sr": "Sister", "Bp": "Bishop"},
        **{"Messrs": "Messers", "Mx": "Mix", "Ste": "Sainte"},
    }
)
"""Titles before a name."""

PARTS: Mapping[str, str] = MappingProxyType(
    {
        **{
            "p": "page",
            "pp": "pages",
            "pg": "page",
            "ch": "chapter",
        },
        **{"chap": "chapter", "vol": "volume", "vols": "volumes"},
        **{"fig": "figure", "figs": "figures", "sec": "section"},
        **{"eq": "equation", "ex": "exercise", "art": "article"},
        **{"ed": "edition", "ver": "version", "para": "paragraph"},
        **{"ln": "line", "apt": "apartment", "rm": "room"},
        **{"hwy": "highway", "rte": "route"},
        **{"flt": "flight", "ste": "suite", "nos": "numbers"},
        **{"tel": "telephone", "ext": "extension", "ca": "circa"},
        **{"c": "circa", "est": "established", "bldg": "building"},
    }
)
"""Abbreviations before a number."""

_ORDINAL = r"\d{1,3}(?:st|nd|rd|th)"
_WAY = "|".join([*STREETS, *STREETS.values(), "Way", "Broadway", "Row", "Mews", "Hill", "Park"])
_HOUSE = regex.compile(
    rf"(?<![\p{{L}}\p{{N}}.,$€£#/-])(?P<number>\d{{1,5}})(?P<letter>[A-Z])?(?P<space>[ ])"
    rf"(?P<direction>(?:{'|'.join(DIRECTIONS)})\.?[ ])?(?P<names>(?:(?:{_NAME}|{_ORDINAL})[ ]){{1,4}}?)"
    rf"(?P<way>{_WAY}|st|rd|ave|blvd|dr|ln){_END}(?P<point>\.?)(?=(?P<goes_on>[ ]+\p{{Lu}}|\s*$)?)"
)
"""A house number, the name of a way and its kind: 1428 Elm St."""
_WAY_NAME = regex.compile(
    rf"{_START}(?P<name>{_NAME}|{_ORDINAL})[ ](?P<way>{'|'.join(STREETS)}){_END}"
    rf"(?P<point>\.?)(?=(?P<title>[ ]\p{{Lu}}[\p{{L}}.])?(?P<ends>\s*$)?)"
)
_INCHES = regex.compile(
    r"(?<![\d.,])(\d{1,3}(?:\.\d{1,3})?|\.\d{1,3}) in(?=[,;:)]|[ ]?[x×]|[ ]*+$)", regex.MULTILINE
)
"""Inches at the end of a clause: elsewhere `in` is the word."""
_KRONER = regex.compile(rf"{_START}kr\.?[ ](\d{{1,9}}+(?:[.,]\d{{1,3}}+)*+)")
_LINES = regex.compile(rf"{_START}(?P<number>240|360|480|720|1080|1440|2160|4320)(?P<letter>[pi]){_END}")
"""Lines of a picture: 1080p."""
_STATE = regex.compile(
    rf"(?<=,[ ])(?P<state>{'|'.join(STATES)})(?:[ ](?P<zip>\d{{5}})(?P<more>-\d{{4}})?)?"
    r"(?=[\s.,;:!?)]|$)(?![ ]\p{Ll})"
)
_POSTCODE = regex.compile(r"(?<![\p{L}\p{N}])([A-Z]{1,2}\d[A-Z\d]?) (\d[A-Z]{2})(?![\p{L}\p{N}])")
_STATE_OF_AUSTRALIA = regex.compile(r"(?<![\p{L}\p{N}])(NSW|VIC|QLD|TAS|ACT|NT|SA|WA) (\d{4})(?!\d)")
_SAINT = regex.compile(r"(?<!\p{Lu}[\p{L}\p{M}]{0,20} )(?<![\p{L}\p{M}])St\.? (?=\p{Lu}\p{Ll})")
_TITLE = regex.compile(
    rf"{_START}(?P<title>{'|'.join(TITLES)})\.?[ ](?=(?:\p{{Lu}}\.[ ]?){{0,3}}\p{{Lu}}\p{{Ll}})"
)
_PART = regex.compile(
    rf"{_START}(?P<part>(?i:{'|'.join(sorted(PARTS, key=len, reverse=True))}))(?P<point>\.?)"
    rf"[ ]?(?=\d|[IVXL]{{1,6}}{_END})"
)
_NUMBER_OF = regex.compile(r"(?<![\p{L}\p{N}])(N|n)o\. of(?!\p{L})")
_MILLIONS = regex.compile(
    r"(?<=\d)m (?=(?:people|users|followers|views|visitors|fans|downloads|subscribers|guests|viewers)\b)"
)
_DEGREE = regex.compile(r"(?<![\p{L}\p{N}])(Ph\.?[ ]?D|M\.?B\.?A|B\.?Sc|M\.?Sc|Ed\.?D)\.?(?![\p{L}\p{N}])")
_LATIN = regex.compile(
    r"(?<![\p{L}\p{N}.])(?:(?P<aka>[aA]\.?[kK]\.?[aA]\.?)|(?P<al>et al\.)|(?P<cf>cf\.)|(?P<viz>viz\.)"
    r"|(?P<asap>(?:ASAP|asap|a\.s\.a\.p\.)))(?![\p{L}\p{N}])"
)
_AFTER_AMOUNTS = (
    "long|wide|tall|high|deep|away|ago|from|of|and|or|per|to|in|on|at|for|with|the|than|more|less|each|old|off"
    "|before|after|by|is|was|are|were|will|every|all|later|early|late|into"
)
_LATIN_WORDS = {
    "aka": "also known as",
    "al": "and others",
    "cf": "compare",
    "viz": "namely",
    "asap": "A S A P",
}
_PLAN = regex.compile(r"(?<![\d.,])(40[13]|457)\((k|b)\)")
_SECRET = regex.compile(
    r"(?i:(?<=\b(?:code|zip|zip code|postcode|pin|otp|password|passcode|pin code)(?: is|:| is:)? )"
    r"|(?<=\bending (?:in|with) ))(\d{3,8})(?![\d.,:/-]\d|\p{L}|%)"
)
_CENTURY = regex.compile(rf"{_START}([IVX]{{1,6}})(?:st|nd|rd|th)?(?=[ ](?:[Cc]entur(?:y|ies)|[Dd]ynasty)\b)")
_SINGULARS = {
    spelled(many): spelled(one)
    for one, many, *_ in (*UNIT_WORDS.values(), *CURRENCIES.values(), ("dollar", "dollars"))
    for spelled in (str, american)
    if one != many
}
_ATTRIBUTE = regex.compile(
    rf"\b([Aa]n?) ((?:[a-z]++ ){{1,12}}?)({'|'.join(sorted(_SINGULARS, key=len, reverse=True))})"
    rf" (?!(?:{_AFTER_AMOUNTS})\b)(?=\p{{L}}{{2}}|\p{{Lu}})"
)
"""An amount between an article and a noun, which is in the singular: a twenty dollar voucher."""
_HALVES = regex.compile(
    r"\bone half (price|board|day|off|hour|time|term|marathon|an?|full|empty|dozen|way)\b"
)
_TWICE = regex.compile(r"\b([Tt]he),? the\b")


class Written:
    """Puts into words what only English writes so, with the words of one locale's verbaliser."""

    def __init__(
        self,
        digits: Callable[[str], str],
        house_number: Callable[[str], str],
        ordinal: Callable[[int], str],
    ) -> None:
        """`digits` says digits one by one, `house_number` the number of a house, `ordinal` a century."""
        self._digits = digits
        self._house_number = house_number
        self._ordinal = ordinal

    def explain(self, text: str) -> str:
        """Return the text with addresses, titles and abbreviations in words."""
        if any(char.isdigit() for char in text):
            text = self._with_numbers(text)
        text = _PART.sub(_part, text)
        text = _NUMBER_OF.sub(r"\1umber of", text)
        text = _WAY_NAME.sub(_way, text)
        text = _STATE.sub(self._state, text)
        text = _CENTURY.sub(lambda match: self._ordinal(roman_value(match[1])), text)
        text = _TITLE.sub(lambda match: f"{TITLES[match['title']]} ", text)
        text = _SAINT.sub("Saint ", text)
        text = _DEGREE.sub(lambda match: " ".join(filter(str.isalpha, match[1].upper())), text)
        return _LATIN.sub(lambda match: _LATIN_WORDS[match.lastgroup or "aka"], text)

    def _with_numbers(self, text: str) -> str:
        text = _LINES.sub(
            lambda match: f"{self._house_number(match['number'])} {match['letter'].upper()}", text
        )
        text = _INCHES.sub(r"\1″", _KRONER.sub(r"\1 kroner", text))
        text = _HOUSE.sub(self._house, text)
        text = _MILLIONS.sub(" million ", text)
        text = _POSTCODE.sub(self._postcode, text)
        text = _STATE_OF_AUSTRALIA.sub(lambda match: f"{' '.join(match[1])} {self._digits(match[2])}", text)
        text = _PLAN.sub(lambda match: f"{self._house_number(match[1])} {match[2].upper()}", text)
        return _SECRET.sub(lambda match: self._digits(match[1]), text)

    def _lines(self, match: "regex.Match[str]") -> str:
        return f"{self._house_number(match['number'])} {match['letter'].upper()}"

    def _house(self, match: "regex.Match[str]") -> str:
        number = self._house_number(match["number"])
        letter = f" {match['letter']}" if match["letter"] else ""
        direction = (match["direction"] or "").rstrip(". ")
        way = STREETS.get(match["way"].capitalize(), match["way"])
        point = match["point"] if match["goes_on"] is not None else ""
        names = match["names"]
        return f"{number}{letter} {f'{DIRECTIONS[direction]} ' if direction else ''}{names}{way}{point}"

    def _state(self, match: "regex.Match[str]") -> str:
        digits = f" {self._digits(match['zip'])}" if match["zip"] else ""
        more = f", {self._digits(match['more'][1:])}" if match["more"] else ""
        return f"{STATES[match['state']]}{digits}{more}"

    def _postcode(self, match: "regex.Match[str]") -> str:
        parts = (" ".join(self._digits(c) if c.isdigit() else c for c in part) for part in match.groups())
        return ", ".join(parts)


def smoothed(spoken: str) -> str:
    """Return words of a text without what reading part by part doubles: the the first of May."""
    spoken = _ATTRIBUTE.sub(lambda match: f"{match[1]} {match[2]}{_SINGULARS[match[3]]} ", spoken)
    return _TWICE.sub(r"\1", _HALVES.sub(r"half \1", spoken))


def _way(match: "regex.Match[str]") -> str:
    """Say Elm Dr. as Elm Drive; a title or a saint before a name stays for its own rule."""
    if match["title"] and match["way"] in {"Dr", "St"} and not match["point"]:
        return match[0]
    if match["title"] and match["way"] in {"Dr", "St"} and match["name"] in _NOT_WAYS:
        return match[0]
    ends = match["ends"] is not None or match["title"]
    return f"{match['name']} {STREETS[match['way']]}{match['point'] if ends else ''}"


_NOT_WAYS = word_set(
    "Ask See Call Meet With And The By For From To Thank Thanks Visit Dear Hello Hi Today Our"
)


def _part(match: "regex.Match[str]") -> str:
    written = match["part"]
    if not match["point"] and written not in _WITHOUT_POINT:
        return match[0]
    words = PARTS[written.lower()]
    return f"{words.capitalize() if written[0].isupper() else words} "


_WITHOUT_POINT = word_set("Hwy Rte pp Apt apt Ch Vol Fig Sec Rm Tel tel Ext ext ca vol fig pg Flt Ste Bldg")
