"""SSML's `say-as`: what a text is, whatever it looks like, said by a language's verbaliser."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType

import regex

from tts_app.language.base import Date, Verbaliser
from tts_app.language.markup.figures import number_of
from tts_app.language.markup.spans import SayAs
from tts_app.language.text import ascii_digits

DATE_FORMATS = ("mdy", "dmy", "ymd", "md", "dm", "ym", "my", "d", "m", "y")
_CHARACTER = regex.compile(r"(?P<digits>\d)|(?P<letter>\p{Latin})|(?P<other>\X)")
_DIGITS = regex.compile(r"\d++")
_PARTS = regex.compile(r"\d{1,4}")
_TELEPHONE_GAP = regex.compile(r"[^\d+]++")


def say_as(text: str, how: SayAs, verbaliser: Verbaliser) -> str | None:
    """Return the words of `text` as it is to be interpreted, or None: it is not what it is said to be."""
    return _SAYS[how.kind](ascii_digits(text).strip(), how.format, verbaliser)


def _characters(text: str, _form: str, say: Verbaliser) -> str:
    said = []
    for match in _CHARACTER.finditer(text):
        if match["digits"]:
            said.append(say.digits(match[0]))
        elif match["letter"]:
            said.append(say.letters(match[0].upper()))
        else:
            said.append(match[0] if match[0][0].isalpha() else say.symbol(match[0]))
    return " ".join(word for word in said if word.strip())


def _digits(text: str, _form: str, say: Verbaliser) -> str | None:
    return _DIGITS.sub(lambda match: f" {say.digits(match[0])} ", text) if _DIGITS.search(text) else None


def _telephone(text: str, _form: str, say: Verbaliser) -> str | None:
    groups = [group for group in _TELEPHONE_GAP.split(text) if group]
    if not groups:
        return None
    said = []
    for group in groups:
        plus = f"{say.symbol('+')} " if group.startswith("+") else ""
        said.append(plus + say.digits(group.strip("+")))
    return ", ".join(said)


def _number(text: str, _form: str, say: Verbaliser) -> str | None:
    value = number_of(text.replace(" ", ""), say.decimal_mark)
    return None if value is None else say.number(value)


def _ordinal(text: str, _form: str, say: Verbaliser) -> str | None:
    found = _DIGITS.match(text)
    return say.ordinal(int(found[0])) if found and len(found[0]) <= 9 else None


def _fraction(text: str, _form: str, say: Verbaliser) -> str | None:
    above, _, below = text.partition("/")
    fraction: Callable[[Decimal, Decimal], str] | None = getattr(say, "fraction", None)
    upper, lower = (number_of(part, say.decimal_mark) or Decimal(0) for part in (above, below))
    if fraction is None or upper <= 0 or lower <= 0 or upper % 1 or lower % 1:
        return None
    return fraction(upper, lower)


def _date(text: str, form: str, say: Verbaliser) -> str | None:
    numbers = [int(part) for part in _PARTS.findall(text)]
    if not form:
        whole = "ymd" if text[:4].isdigit() else "dmy" if say.day_first else "mdy"
        form = whole[: len(numbers)]
    if len(numbers) != len(form):
        return None
    parts = dict(zip(form, numbers, strict=True))
    if not (1 <= parts.get("m", 1) <= 12 and 1 <= parts.get("d", 1) <= 31):
        return None
    return say.date(Date(parts.get("d"), parts.get("m"), parts.get("y")))


def _as_written(text: str, _form: str, _say: Verbaliser) -> str | None:
    """Times, amounts and addresses: the front-end finds by itself what they are."""
    return text


_SAYS: Mapping[str, Callable[[str, str, Verbaliser], str | None]] = MappingProxyType(
    {
        **dict.fromkeys(("characters", "spell-out", "verbatim"), _characters),
        **dict.fromkeys(("cardinal", "number"), _number),
        **dict.fromkeys(("time", "currency", "address", "unit"), _as_written),
        "digits": _digits,
        "telephone": _telephone,
        "ordinal": _ordinal,
        "fraction": _fraction,
        "date": _date,
    }
)
KINDS = tuple(_SAYS)
"""What `interpret-as` may be."""
