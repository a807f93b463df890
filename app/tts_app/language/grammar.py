"""The grammar of text that is not plain words: a branch for each kind, tried in the order given here.

Every repetition is possessive or bounded, and branches that scan far are anchored at the start of a word or
number, so matching takes time linear in the text.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import regex

from tts_app.language.base import Verbaliser, option
from tts_app.language.currencies import CENTS, CODES, CODES_THAT_ARE_WORDS, SIGNS
from tts_app.language.notation import (
    CURRENCIES,
    DOLLARS,
    DOMAINS,
    ENGLISH_MONTHS,
    ENGLISH_WEEKDAYS,
    MAGNITUDES,
    MONEY_MAGNITUDES,
    PER,
    RUPEES,
    UNITS,
)

_NUMBER = (
    r"(?:(?<!\d[ .,'])(?:[1-9]\d{0,2}(?:(?: \d{3}){1,4}+|(?:'\d{3}){1,4}+)(?!\d)(?:[.,]\d++)?(?! ?\d))"
    r"|\d++(?:[.,]\d++)*+|(?<![\p{L}\p{N}.,])\.\d++)"
)
"""31 000, 1'299.50, 1,299.50 or .5. Blanks group digits where all groups but the first have three."""
_START = r"(?<![\p{L}\p{M}\p{N}_])"
_LATIN_START = r"(?<![\p{Latin}\p{N}_])"
"""Digits may follow letters of other scripts: Arabic writes and-5 as one word."""
_END = r"(?![\p{L}\p{M}\p{N}_])"
_SIGN = r"(?:(?<![\p{L}\p{M}\p{N}\p{Sc})\]%.])[-+])?"
_ABBREVIATED = r"(?:\.(?=[ ]*+[\p{Ll},;:!?)]|[ ]?[-–]))?"
"""A full stop that belongs to an abbreviation: the sentence continues after it."""
_DIALLED = (
    r"(?=(?:[ .()+-]{0,2}\d){7})"
    r"(?=\+|00\d|0\d|\(\+?\d{1,5}\)|\d{3}[-. ]\d{3}[-. ]\d{4}(?!\d)|\d{3}-\d{4}(?!\d)"
    r"|1[- ]\(?\d{3}\)?[- ]\d{3}[- ]?\d{4}(?!\d)|[68]00[- ]|1[38]00[- ]\d{3}[- ]\d{3}(?!\d)"
    r"|\d{3}-\d\d-\d{4}(?!\d)|\d{5}-\d{4}(?!\d)"
    r"|[6-9]\d{2} \d{3} \d{3}(?!\d)|\d{2,3}(?: \d{2,3}){3}(?!\d))"
)
"""The start of a phone number: at least seven digits, with a sign, a zero or groups of a known shape."""
_TAG = r"[\p{L}\p{M}\p{N}_\u200c\u200d]"
FRACTIONS = {"½": (1, 2), "¼": (1, 4), "¾": (3, 4), "⅓": (1, 3), "⅔": (2, 3), "⅕": (1, 5), "⅛": (1, 8)}


@dataclass(frozen=True, slots=True)
class Forms:
    """What each written form of one locale means."""

    months: Mapping[str, int]
    weekdays: Mapping[str, int]
    units: Mapping[str, str]
    currencies: Mapping[str, str]
    cents: Mapping[str, str]
    """Signs of hundredths, with their currency."""
    factors: Mapping[str, int]
    dialling: tuple[str, ...]
    """Words before a phone number."""
    am: tuple[str, ...]
    pm: tuple[str, ...]

    @classmethod
    def of(cls, verbaliser: Verbaliser) -> "Forms":
        """Return the forms of every language together with the verbaliser's own."""
        codes = {code: code for code in CODES}
        currencies = codes | _meanings(SIGNS, CURRENCIES, option(verbaliser, "currency_forms", {}))
        home = option(verbaliser, "home_currency", "")
        signs = RUPEES if home in {"INR", "PKR"} else DOLLARS if home in {"USD", "AUD"} else frozenset()
        return cls(
            months=_cased(_meanings(ENGLISH_MONTHS, option(verbaliser, "month_forms", {}))),
            weekdays=_cased(_meanings(ENGLISH_WEEKDAYS, option(verbaliser, "weekday_forms", {}))),
            units=_meanings(UNITS, option(verbaliser, "unit_forms", {})),
            currencies={**currencies, **dict.fromkeys(signs, home)},
            cents={CENTS: home or "USD", **option(verbaliser, "cent_forms", {})},
            factors={**MAGNITUDES, **MONEY_MAGNITUDES, **option(verbaliser, "magnitude_forms", {})},
            dialling=tuple(option(verbaliser, "dial_words", ())),
            am=tuple(option(verbaliser, "am_forms", ())),
            pm=tuple(option(verbaliser, "pm_forms", ())),
        )


class Grammar:
    """The compiled grammar of one locale.

    Most of a text is plain words, which one small pattern skips quickly. Anything else that starts with a
    letter, a digit or a mark is tried against the branches that can start so.
    """

    def __init__(self, forms: Forms) -> None:
        branches = {
            **_of_the_web(),
            **_money(forms),
            **_amounts(forms),
            **_dates(forms),
            **_times(forms),
            **_numbers(),
            **_mathematics(),
            **_telephones(forms),
            **_words(),
        }
        self._patterns = {
            start: regex.compile("|".join(rf"(?:{branches[name]})(?P<on_{name}>)" for name in names))
            for start, names in _ORDER.items()
        }
        leading = (
            *forms.months,
            *forms.weekdays,
            *forms.currencies,
            *forms.cents,
            "No",
            "Nº",
            "nº",
            "Nro",
            "Núm",
            "núm",
            "NO",
        )
        self._leading = frozenset(_FIRST_WORD.match(form)[0] for form in leading if form[0].isalpha())  # type: ignore[index]

    def search(self, text: str, position: int) -> "tuple[str, regex.Match[str]] | None":
        """Return the next match in the text from `position` on, with the name of its branch.

        An empty group ends each branch and names it: the groups inside share their names with other branches,
        so `Match.lastgroup` has no meaning.
        """
        while found := _NEXT.search(text, position):
            start = found.lastgroup or ""
            if start == "plain":
                word = found[0]
                if word not in self._leading and not word[1:2].isupper():
                    return "plain", found
                start = "letter"
            match = self._patterns[start].match(text, found.start())
            if match is not None:
                return next(name for name, ends in _MARKERS[start] if match.start(ends) >= 0), match
            position = found.start() + 1
        return None


_ORDER = {
    "letter": (
        *(
            "url",
            "email",
            "power",
            "idiom",
            "money_span",
            "money",
            "date_span",
            "date",
            "weekday",
            "numbered",
        ),
        *("initials", "alphanumeric", "footnote", "word"),
    ),
    "digit": (
        *("url", "email", "idiom", "money_span", "money", "date_span", "date", "time", "vanity", "phone"),
        *(
            "percent",
            "decade",
            "ordinal",
            "power",
            "product",
            "feet",
            "dimension",
            "stars",
            "mixed",
            "measure",
        ),
        *("fraction", "glyph", "serial", "dialled", "count", "lettered", "alphanumeric", "number"),
    ),
    "point": ("money", "percent", "measure", "number"),
    "sign": (
        *("hashtag", "mention", "money_span", "money", "vanity", "phone", "percent", "root", "measure"),
        *("glyph", "numbered", "count", "number", "plural", "mark"),
    ),
    "mark": ("per", "footnote", "mark"),
}
"""The branches by what they start with, in the order in which they are tried."""

_MARKERS = {start: tuple((name, f"on_{name}") for name in reversed(names)) for start, names in _ORDER.items()}
"""The branches with the groups that end them; plain numbers and words, which are frequent, come first."""
_FIRST_WORD = regex.compile(r"\p{L}[\p{L}\p{M}]*+")
_NEXT = regex.compile(
    r"(?P<plain>\p{L}[\p{L}\p{M}\u200c\u200d]*+(?:'[\p{L}\p{M}]++)*+(?![\p{N}.@_&/^-]|:/))"
    r"|(?P<letter>\p{L})|(?P<digit>\p{Nd})|(?P<point>(?<![\p{L}\p{N}.,])\.(?=\d))|(?P<mark>[/&*=_~^|<>)\[\]{}\"—•])"
    r"|(?P<sign>[^\s\p{L}\p{M}\p{Nd}.,;:?!'\u200c\u200d])"
)


def _of_the_web() -> dict[str, str]:
    label = r"[\p{L}\p{N}][\p{L}\p{N}_-]{0,62}+"
    rest = r"[^\s<>\"]*+"
    return {
        "url": rf"(?:(?i:https?|ftp)://|{_START}(?:www|WWW)\.){rest}"
        rf"|(?<![\p{{L}}\p{{N}}.@_-])(?:{label}\.){{1,6}}(?:{_any(DOMAINS)})(?![\p{{L}}\p{{N}}_@-]|\.\p{{L}})"
        rf"(?:[/?#]{rest})?",
        "email": r"(?<![\p{L}\p{N}.@_+-])[\p{L}\p{N}_+-]++(?:\.[\p{L}\p{N}_+-]++)*+"
        r"@[\p{L}\p{N}-]++(?:\.[\p{L}\p{N}-]++)++",
        "hashtag": rf"(?<![\p{{L}}\p{{N}}&])[#＃](?!\d{{1,4}}\p{{Lu}}(?!{_TAG}))"
        rf"\p{{N}}*+(?=[\p{{L}}_]){_TAG}++",
        "mention": r"(?<![\p{L}\p{N}])@[\p{L}_]\w*+(?:\.\w++)*+",
    }


def _money(forms: Forms) -> dict[str, str]:
    signs = _any(sign for sign in forms.currencies if not sign[0].isalpha())
    led = _any(sign for sign in forms.currencies if sign[0].isalpha() and not _lettered(sign))
    lettered = {sign for sign in forms.currencies if _lettered(sign)}
    words = _any(CODES_THAT_ARE_WORDS)
    codes = _any(lettered - CODES_THAT_ARE_WORDS)
    factor = rf"(?:[ ]?(?P<factor>{_any(forms.factors)}){_END})?"
    glued_factor = rf"(?:[ ]?(?P<factor>{_any(forms.factors)})(?!\p{{Latin}}))?"
    counted = r"(?=[ ]?(?:\d++[.,]\d\d(?!\d)|\d{3,}+)(?![ ]?[\p{L}\d%]|[.,]\d))"
    before = (
        rf"(?:(?P<before>{signs})|{_START}(?P<before>{led}|{codes})|{_START}(?P<before>{words}){counted})"
    )
    after = (
        rf"(?:(?P<after>{signs})(?![ ]?\d)"
        rf"|(?P<after>{led}|{codes}|{words}|{_any(forms.cents)}){_END}{_ABBREVIATED})"
    )
    low_factor = rf"(?:[ ]?(?P<low_factor>{_any(forms.factors)})(?=[ ]?[-–]))?"
    numbers = rf"(?P<low>{_NUMBER}){low_factor}[ ]?[-–][ ]?(?P<amount>{_NUMBER})"
    return {
        "money_span": rf"{before}[ ]?{numbers}[ ]?(?P<factor>{_any(forms.factors)}){_END}"
        rf"|{numbers}[ ]?(?P<factor>{_any(forms.factors)})(?!\p{{Latin}})[ ]?{after}",
        "money": rf"{_SIGN}{before}[ ]?(?P<amount>{_NUMBER}){factor}(?:[ ]?(?P<code>{codes}){_END})?"
        rf"|{_SIGN}(?P<amount>{_NUMBER}){glued_factor}[ ]?{after}",
    }


def _amounts(forms: Forms) -> dict[str, str]:
    unit = _any(unit for unit in forms.units if unit not in {"x", "X", "×", "*"})
    length = "mm|cm|m|ft|″|′"
    per = _any(PER)
    return {
        "percent": rf"{_SIGN}(?P<amount>{_NUMBER})[ ]?(?P<share>[%‰])",
        "product": rf"(?P<amount>{_NUMBER})[ ]?[×xX·][ ]?(?P<times>{_NUMBER})(?=[ ]?=)",
        "dimension": rf"(?P<amount>{_NUMBER})[ ]?(?P<unit>{length})?[ ]?[xX×][ ]?(?=\d)",
        "stars": r"(?<!\d)(?P<amount>[1-7](?:[.,]5)?)\*(?![\p{L}\p{N}*])",
        "mixed": rf"(?<![\d/.,])(?P<whole>\d{{1,3}})(?:[ ]|-|[ ]?(?:and|y|&)[ ])"
        rf"(?P<above>\d{{1,2}})/(?P<below>\d{{1,2}})(?![\d/]|[.,]\d)"
        rf"(?:[ -]?(?P<unit>{unit}){_END}{_ABBREVIATED})?",
        "measure": rf"{_SIGN}(?P<amount>{_NUMBER})"
        rf"(?:(?:[ ]|-)?(?P<unit>{unit})(?:/(?P<per>{per}))?{_END}{_ABBREVIATED}"
        rf"|(?P<unit>[xX×]){_END}(?![ ]?[+=−]))",
        "feet": r"(?P<feet>\d{1,3})(?:′|[ ]?ft\.?)[ ]?(?P<inches>\d{1,2})(?:″|[ ]?in(?![\p{L}\p{N}]))",
        "per": rf"(?<=[\d\p{{Sc}}])/(?P<per>{unit}){_END}",
    }


def _dates(forms: Forms) -> dict[str, str]:
    month, weekday = rf"(?P<month>{_any(forms.months)})", _any(forms.weekdays)
    led = rf"{_START}(?:(?P<weekday>{weekday})\.?,?[ ])?"
    day = r"(?P<day>0?[1-9]|[12]\d|3[01])"
    year = r"(?P<year>1[5-9]\d\d|2[01]\d\d)(?!\d)"
    of = r"(?:[ ]?(?:of|de|del)[ ]|[ ]|-)"
    last = r"(?P<last>0?[1-9]|[12]\d|3[01])"
    ending = r"(?:st|nd|rd|th|\.?[ºª])?"
    dash = r"[ ]?[-–][ ]?"
    return {
        "date_span": rf"{_START}{month}\.?[ ]{day}{ending}{dash}{last}{ending}(?![\d%\p{{L}}-]|[.,:/]\d)"
        rf"(?:,?[ ]{year}(?!%))?"
        rf"|(?<![\d./-]){day}{ending}{dash}{last}{ending}{of}{month}{_END}"
        rf"(?:\.(?=,?{of}[12]\d)|{_ABBREVIATED})(?:,?{of}{year})?"
        rf"|{_START}{month}\.?{dash}(?P<last_month>{_any(forms.months)}){_END}(?!\.?[ ]\d{{1,2}}(?!\d))"
        rf"(?:\.?,?{of}{year})?{_ABBREVIATED}",
        "date": r"(?<![\d./-])(?P<iso>\d{4}(?P<dash>[-/.])\d{1,2}(?P=dash)\d{1,2})(?![\d/-]|\.\d)"
        r"|(?<![\d./-])(?P<numeric>\d{1,2}(?P<slash>[-/.])\d{1,2}(?P=slash)(?:\d{4}|\d\d))(?![\d/-]|\.\d)"
        r"|(?<![\d./-])(?P<short>\d{1,2}/\d{1,2})(?![\d/%\p{L}]|[.,]\d)"
        rf"|{led}{day}(?:st|nd|rd|th|\.?[ºª])?{of}{month}{_END}(?:\.(?=,?{of}[12]\d)|{_ABBREVIATED})"
        rf"(?:,?{of}{year})?"
        rf"|{led}{month}(?:\.?[ ]|-){day}(?:st|nd|rd|th)?(?![\d%\p{{L}}]|[.,:]\d)(?:,?[ ]{year}(?!%))?"
        rf"|{_START}{month}\.?,?{of}{year}",
        "weekday": rf"{_START}(?P<first>{weekday})\.?[ ]?[-–—][ ]?(?P<last>{weekday}){_END}"
        rf"|{_START}(?P<first>{weekday}){_END}\.?(?=,?[ ]\d|[ ]?[&,/+][ ]?(?:{weekday}){_END}"
        rf"|[ ](?:and|or|to|y|o|a)[ ](?:{weekday}){_END})"
        rf"|{_START}(?<=(?:[&,/+]|and|or|to|[ ][yoa])[ ]?)(?P<first>{weekday}){_END}"
        rf"(?<=(?:{weekday})\.?[ ]?(?:[&,/+]|and|or|to|y|o|a)[ ]?\p{{L}}++)",
    }


def _times(forms: Forms) -> dict[str, str]:
    own = f"|{_any((*forms.am, *forms.pm))}" if forms.am or forms.pm else ""
    half = rf"(?P<half>[aApP](?:\.?[mM]|\.[ ][mM]){own})"
    hour, minute, second = r"(?P<hour>[01]?\d|2[0-4])", r"(?P<minute>[0-5]\d)", r"(?P<second>[0-5]\d)"
    return {
        "time": rf"(?<![\d:.,]){hour}(?:[:.]{minute}(?::{second})?)?[ ]?{half}{_END}{_ABBREVIATED}"
        rf"|(?<![\d:.,]){hour}:{minute}(?::{second})?(?!:?\d)(?:[ ]?(?:h|hs|hrs|H){_END}{_ABBREVIATED})?"
        rf"|(?<![\d:.,]){hour}h{minute}{_END}",
    }


def _numbers() -> dict[str, str]:
    return {
        "decade": rf"{_START}'?(?P<amount>(?:1[5-9]|20)?\d0)'?s{_END}",
        "ordinal": rf"{_LATIN_START}(?P<amount>[1-9]\d{{0,2}}(?:,\d{{3}})++|\d{{1,9}}+)"
        rf"(?:(?:st|nd|rd|th|ST|ND|RD|TH){_END}|\.?[ºª](?![ ]?[CF]))",
        "fraction": r"(?<![\d/.,])(?P<above>\d{1,3}(?:[.,]\d)?)/(?P<below>\d{1,4})(?![\d/]|[.,]\d)"
        rf"(?:(?:st|nd|rd|th|ths|ST|ND|RD|TH){_END})?",
        "glyph": rf"(?:(?P<whole>\d{{1,9}}+)[ ]?)?(?P<glyph>[{''.join(FRACTIONS)}])",
        "count": rf"(?![248]K|\d++K (?:run|race|walk|fun|jog)\b){_SIGN}"
        rf"(?P<amount>{_NUMBER})(?P<factor>{_any(MAGNITUDES)}){_END}",
        "lettered": rf"{_LATIN_START}(?P<amount>\d{{1,4}})(?P<letters>\p{{Lu}}){_END}",
        "number": rf"{_SIGN}(?P<amount>{_NUMBER})",
    }


def _mathematics() -> dict[str, str]:
    exponent = r"\^\(?(?P<exponent>-?\d{1,4}|-?\p{Latin})\)?"
    return {
        "power": rf"(?<![\p{{L}}\p{{M}}\p{{N}}_^.,])(?P<base>{_NUMBER}|\p{{L}}{{1,2}}){exponent}{_END}",
        "root": rf"(?P<root>[√∛∜])[ ]?\(?(?P<of>{_NUMBER}|\p{{L}}(?![\p{{L}}\p{{M}}]))\)?",
        "footnote": r"(?<=[\p{L}\p{M}\p{N}.,;:!?)\"'])\^-?\d++",
    }


def _telephones(forms: Forms) -> dict[str, str]:
    called = rf"(?<=(?i:{_any(forms.dialling)})[.:]?[ ])" if forms.dialling else "(?!)"
    free = r"(?:8(?:00|88|77|66|55|44|33))"
    return {
        "vanity": rf"{_START}(?P<prefix>(?:\+?1[-. ]\(?{free}\)?[-. ]|{free}-|(?:1[38]00|0800)[- ]))"
        r"(?=(?:-?[\dA-Z]){5,15}+(?![\p{L}\p{N}]))(?=[\d-]*+[A-Z])(?P<name>[\dA-Z-]++)",
        "phone": rf"{_START}{_DIALLED}(?:\+|00)?\(?\d{{1,4}}\)?"
        r"(?:(?:[ .-]|(?<=\))|(?=\())\(?\d{1,4}\)?){1,6}+"
        r"(?!\d|[,.:/]\d|[ ]?%)|\+\d{7,15}(?!\d)",
        "serial": rf"{_START}\d{{4}}(?: \d{{4}}){{2,4}}+(?: \d{{1,3}})?+(?![\p{{L}}\p{{N}}-]|[.,:/ ]\d)"
        rf"|{_START}\d{{1,8}}(?:-\d{{1,8}}){{3,8}}+(?![\p{{L}}\p{{N}}-]|[.,:/]\d)",
        "dialled": rf"{_START}(?:{called}(?=\d{{3}})|(?!\d++-\d++(?!-|\d))(?=(?:[ -]?\d){{7}}))"
        rf"\d{{2,12}}(?:[ -]\d{{2,4}}){{0,5}}+"
        r"(?![\p{L}\p{N}%/-]|[,.:]\d)",
    }


def _words() -> dict[str, str]:
    return {
        "idiom": rf"(?<![\d/])24[/x]7(?:/365)?(?![\d/])"
        rf"|{_START}(?:w/o|w/|c/o|b/c|n/a|N/A|A/C|[Ww][Ii]-[Ff][Ii](?!\p{{L}}))"
        rf"|{_START}(?P<left>\p{{L}}[\p{{L}}\p{{M}}]{{0,4}}+)/(?P<right>\p{{L}}[\p{{L}}\p{{M}}]{{0,4}}+)"
        r"(?![/.@_\p{L}\p{M}\p{N}-])",
        "numbered": rf"{_START}(?:(?:No|Nº|nº|N°|n°|Nro|Núm|núm|NO)\.?|no\.|[nN]\.º)[ ]?(?=\d)|#(?=\d)",
        "alphanumeric": rf"{_START}(?!\p{{Ll}}{{3,}}+-\d)"
        r"(?:\p{Latin}{1,20}+-?\d|\d++\p{Latin})[\p{Latin}\d]*+(?:\.\d++)*+",
        "initials": rf"{_START}(?P<left>\p{{Lu}}{{1,2}})[ ]?&[ ]?"
        rf"(?P<right>\p{{Lu}}{{1,2}})(?P<plural>'?s)?{_END}",
        "word": r"\p{L}[\p{L}\p{M}\u200c\u200d]*+(?:'[\p{L}\p{M}]++)*+"
        r"(?:(?:\.\p{L}(?![\p{L}\p{M}]))++\.?|\.)?",
        "plural": r"(?<=\p{L})\((?P<ending>e?s)\)",
        "mark": r".",
    }


def _any(forms: Iterable[str]) -> str:
    """Return a pattern for any of the forms, the longest first."""
    return "|".join(regex.escape(form) for form in sorted(set(forms), key=lambda form: (-len(form), form)))


def _lettered(sign: str) -> bool:
    """Return whether a currency sign starts and ends with letters, so that it could be part of a word."""
    return sign[0].isalpha() and sign.rstrip(".")[-1].isalpha()


def _meanings(*tables: Mapping[Any, tuple[str, ...]]) -> dict[str, Any]:
    return {form: key for table in tables for key, forms in table.items() for form in forms}


def _cased(meanings: Mapping[str, int]) -> dict[str, int]:
    """Return the forms as written, in capitals and capitalised; in lower case only if written so."""
    return {
        variant: key for form, key in meanings.items() for variant in (form.upper(), form.capitalize(), form)
    }
