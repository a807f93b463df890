"""The step before the shared scan: what only Spanish writes so, put into words.

Abbreviations of several parts, Roman numerals, ordinals (2.º, 1.er, 3ra), hours (a la 1, 13.30 h), and
fractions of a noun (2 1/2 tazas). The shared scan says everything else.
"""

import unicodedata

import regex

from tts_app.language.notation import UNITS
from tts_app.language.spanish.abbreviations import ABBREVIATIONS, say_abbreviations
from tts_app.language.spanish.agreement import (
    agree_ones,
    cardinal,
    counted,
    feminine,
    is_feminine,
    is_noun,
    singular,
)
from tts_app.language.spanish.names import LETTERS, MONTHS, UNIT_FORMS, UNIT_WORDS, WEEKDAYS
from tts_app.language.spanish.ordinals import fraction, ordinal, ordinal_of_feminine, short_ordinal
from tts_app.language.spanish.roman import say_romans
from tts_app.language.text import word_set

_BLANK = r"[ \u00a0\u202f]"
_WHOLE = r"(?<![\d.,:/\p{L}-])(?P<amount>\d{1,3}(?:[. \u00a0\u202f]\d{3})|\d{1,4})"
_NO_WORD = r"(?![\p{L}\p{M}\d])"
_ORDINAL = regex.compile(
    rf"{_WHOLE}(?:\.?(?P<mark>[ºª°])(?P<plural>s)?|\.(?P<mark>os|as|o|a|(?i:er))|(?P<mark>os|as)"
    r"|\.?(?P<mark>ᵉʳ|(?i:er|ero|era|ro|ra|do|da|to|ta|mo|ma|vo|va|no|na)))"
    rf"(?!{_BLANK}?[CFKcf](?!\p{{L}})){_NO_WORD}(?:\.(?=[ ]\p{{Ll}}))?"
    rf"(?P<next>{_BLANK}(?P<noun>\p{{L}}[\p{{L}}\p{{M}}]*+))?"
)
_PLACES_IN_ORDER = word_set(
    "acto aniversario artículo capítulo ciclo congreso curso división edición entresuelo escalón "
    "festival grado grupo lugar mandamiento nivel piso planta premio puesto semestre trimestre turno "
    "clasificado bimestre cuatrimestre punto párrafo izquierda derecha puerta"
)
"""Nouns before which even a sign of degrees is an ordinal: 2° piso."""
_DOORS = word_set(
    "izq izqda izda izquierda dcha derecha int ext exterior interior centro puerta bis pta letra"
)
"""After a floor: `3.º izquierda` is tercero izquierda, where `3.º piso` is tercer piso."""
_MONTH = regex.compile(rf"[ \u00a0](?:{'|'.join(MONTHS)})(?!\p{{L}})")
_ENDINGS = {
    "ro": (1, 3), "ra": (1, 3), "ero": (1, 3), "era": (1, 3), "er": (1, 3),
    "do": (2,), "da": (2,), "to": (4, 5, 6), "ta": (4, 5, 6), "mo": (7, 0), "ma": (7, 0),
    "vo": (8,), "va": (8,), "no": (9,), "na": (9,),
}  # fmt: skip
"""Endings that are written after a figure, and the last figures that they belong to: 2do, 8vo, 10mo."""
_HOUR = regex.compile(
    r"(?<![\p{L}\p{M}])(?P<lead>(?i:las?|sobre las|hacia las))(?P<blank>[ \u00a0])"
    r"(?P<hour>2[0-4]|[01]?\d)(?:[.:](?P<minute>[0-5]\d))?"
    r"(?![\d/%ºª°€$£]|[.,:]\d|[ \u00a0]?(?:[-–][ ]?\d|(?:hs?|hrs|H|[ap]\.?[ ]?m)(?!\p{L}))"
    r"|[ \u00a0](?:%|\d|€|euros)|\p{L})"
)
_POINTED_TIME = regex.compile(
    r"(?<![\d.,:])(?P<hour>2[0-4]|[01]?\d)\.(?P<minute>[0-5]\d)"
    r"(?=[ \u00a0]?(?:h|hs|hrs|horas)(?![\p{L}/])|[ \u00a0]?[ap]\.?[ \u00a0]?m(?!\p{L}))"
)
_POINTED_FROM = regex.compile(
    r"(?<![\d.,:])(?P<hour>2[0-4]|[01]?\d)\.(?P<minute>[0-5]\d)"
    r"(?=(?:[ \u00a0]?[-–][ \u00a0]?|[ \u00a0]a[ \u00a0](?:las[ ])?)"
    r"\d{1,2}[.:][0-5]\d[ \u00a0]?h(?![\p{L}/]))"
)
"""The first of two hours with points: 9.30 a 13.30 h."""
_KILOMETRE = regex.compile(r"(?<![\p{L}\d]|\d[ \u00a0])[Kk]m[ \u00a0](?=\d)")
_ACCOUNT = regex.compile(
    r"(?<![\p{L}\p{N}])(?:(?P<country>\p{Lu}{2})(?P<check>\d\d)(?=(?:[ ]\d{4}){3})|(?=\d{4}(?:[ ]\d{4}){3}))"
    r"(?P<groups>[ ]?\d{4}(?:[ ]\d{4}){2,6}+(?:[ ]\d{1,3}(?!\d))?)(?![\p{L}\d])"
)
"""An account (IBAN) or a card, in groups of four figures."""
_TWO_DATES = regex.compile(
    r"(?<![\d/.,])(?P<day>\d{1,2})/(?P<month>\d{1,2})(?P<dash>[ ]?[-–][ ]?)"
    r"(?P<last>\d{1,2})/(?P<other>\d{1,2})(?![\d/]|[.,]\d)"
)
"""Dates without years around a dash: 21/2 - 25/2."""
_BOUNDS = {"<": "menos de", ">": "más de", "≤": "como máximo", "≥": "al menos"}
_BOUND = regex.compile(
    r"(?<=^|[\n(:;,][ ]?|\p{L}{2}[ ]|(?<!\p{L})[ay][ ])(?P<sign>(?!<3[ ]\p{L}{3})[<>≤≥])[ ]?"
    r"(?=\d[\d.,]{0,15}+[ ]?(?:[%€$£°º]|\p{L}{3}|(?:km|cm|mm|m|kg|g|h|min|l|ml)(?!\p{L})))"
)
"""A bound of an amount, which is no formula: a < 1 km. A heart is none (os <3 mucho)."""
_YEARS = regex.compile(r"(?<![\d.,/-])(?P<first>1[5-8]\d\d)[-–](?P<last>\d\d)(?![\d.,/-])")
_DEGREES = regex.compile(
    r"(?<=(?<!\p{L})(?i:hacen?|(?:temperatura|máxima|mínima)s?(?: de)?|unos|casi|hasta los)[ ])"
    r"(?P<degrees>-?\d{1,2})º|(?P<degrees>(?<![\d.,])-?\d{1,2})º"
    r"(?=[ ](?:de (?:máxima|mínima|temperatura|media)|a la sombra|al sol|bajo cero)(?!\p{L}))"
)
"""Temperatures that are written with the mark of ordinals: hace 25º."""
_PARTS_OF = regex.compile(
    r"(?<=(?<!\p{L})(?i:artículo|art\.|apartado|sección|capítulo|cap\.|versión|tabla|figura|aula|sala)[ ])"
    r"\d{1,3}(?:\.\d{1,3}){1,4}(?!\d|[.,]\d)"
)
"""Numbers of parts of parts: artículo 14.2, versión 3.11.1."""
_SIGN_AND_CODE = regex.compile(
    r"[$€£][ ]?(?=\d[\d.,]{0,20}+[ ]?(?:USD|EUR|GBP|MXN|ARS|CLP|COP|UYU|CAD|AUD)(?!\p{L}))"
    r"|(?<=\d)[ ]?[$€£](?=[ ](?:USD|EUR|GBP|MXN|ARS|CLP|COP|UYU|CAD|AUD)(?!\p{L}))"
)
"""A sign whose currency a code names too: $20 USD."""
_LETTERED_DAYS = regex.compile(
    r"(?<![\p{L}\d-])(?P<first>[LMXJVSD])[ ]?[-–][ ]?(?P<last>[LMXJVSD])(?=[:,]?[ ]\d)"
)
"""Days by their letters, before hours: L-V 9:00-18:00. X is Wednesday."""
_DAY_DOTS = regex.compile(r"(?<=(?<!\p{L})(?i:lun|mar|mié|jue|vie|sáb|dom))\.(?=[ ]?[-–][ ]?\p{L}|[ ]\d)")
_DAYS = dict(zip("LMXJVSD", WEEKDAYS, strict=True))
_STRETCHED = regex.compile(
    r"(?<=\p{L})([a-vyzñáéíóúAEIOUSÁÉÍÓÚ])\1{2,}+|([a-vyzñáéíóúAEIOUSÁÉÍÓÚ])\2{2,}+(?=\p{L})"
)
"""A letter three times or more in a word of other letters too: holaaa, síííí."""
_SLASHED_WORDS = regex.compile(
    r"(?<![\p{L}\p{M}\d./@:_#-])(?P<left>\p{L}\p{Ll}++)/(?P<right>\p{Ll}{1,2}|\p{L}\p{Ll}{2,})(?![\p{L}\p{M}\d/@_-]|\.\p{L})"
)
_FROM_HOUR = regex.compile(
    r"(?<!\p{L})(?P<lead>[Dd]e[ \u00a0])(?P<hour>2[0-3]|[01]?\d):00"
    r"(?=[ \u00a0]a[ \u00a0](?:las[ ])?\d{1,2}[:.]\d\d)"
)
"""The first of two hours: de 10:00 a 13:00 is de diez a trece horas."""
_DAY_NAME = regex.compile(r"(?<![\d\p{L}.,/-])(?P<day>\d{1,2})-(?P<letter>[EFMAJSOND])(?![\p{L}\d-])")
"""Days that are known by their month: 11-S, 15-M, 23-F."""
_FRACTION_SIGN = regex.compile(r"(?:(\d)[\u00a0 ]?)?([¼-¾⅐-⅞])")
_FRACTION = regex.compile(
    r"(?<![\d.,/:\p{L}-])(?P<minus>[-−])?(?:(?P<whole>\d{1,4})(?: y | |-))?(?P<above>\d{1,3})[/⁄]"
    r"(?P<below>\d{1,3}(?:\.\d{3})++|\d{1,5})(?![\d/]|[.,:]\d|[%º°])"
    rf"(?P<next>{_BLANK}(?P<noun>\p{{L}}[\p{{L}}\p{{M}}/]*+\d?))?"
)
_BETWEEN = regex.compile(
    r"(?<![\p{L}])(?P<lead>[Ee]ntre(?: \p{L}{2,3})?[ \u00a0]\d[\d.,]*+)[ ]?[-–][ ]?(?=\d)"
)
_MILLIONS = regex.compile(r"(?<=\d)[ \u00a0]?M(?=[ \u00a0]de[ \u00a0]\p{Ll})")
_POSTCODE = regex.compile(
    r"(?:(?<=^|[,;(«\"\n][ ]?|código postal[ ]|CP[ ]))"
    r"(?P<code>(?:0[1-9]|[1-4]\d|5[0-2])\d{3})(?=[ ]\p{Lu}\p{Ll})"
)
"""A postal code of Spain, before its town."""
_DIALLED = regex.compile(r"(?<![\d.,-])(?P<first>\d{4})-(?P<second>\d{4})(?![\d-]|[.,]\d)")
_EXTENSION = regex.compile(r"(?<=\d{3}[)]?[ -])(?P<number>\d{3}-\d{4})-(?P<extension>\d{1,4})(?![\d-])")
"""An extension after a whole number of North America: 555-123-4567-12."""
_EVERY_HUNDRED = regex.compile(r"(?<=\d[ \u00a0]?l)/100[ \u00a0]?(?=km(?!\p{L}))")
_ZONE = regex.compile(
    r"(?<=[\dmhMHs.][ \u00a0]?)(?P<zone>(?i:gmt|utc))(?:[ ]?(?P<sign>[-+−])(?=\d))?(?![\p{L}])"
)
_RAISED = str.maketrans({"2": "²", "3": "³"})
_UNIT_NAMES = {
    form: UNIT_WORDS[key] for key in UNIT_WORDS for form in (*UNITS.get(key, ()), *UNIT_FORMS.get(key, ()))
}


_UNIT_NAMES |= {
    form.translate(_RAISED): names
    for form, names in _UNIT_NAMES.items()
    if form[-1] in "23" and "^" not in form
}
_PER = regex.compile(
    r"(?<=(?:[€$£¢]|EUR|USD|euros?|dólares)[ ]?)/[ ]?(?P<unit>"
    + "|".join(sorted(map(regex.escape, _UNIT_NAMES), key=len, reverse=True))
    + r")(?![\p{L}\p{N}/^])"
)
"""The slash of a price for a unit: 12 €/kg."""


def say_written(text: str) -> str:
    """Return written text with what the shared scan does not know in words. Takes time linear in the text."""
    text = _STRETCHED.sub(_shortened, say_romans(say_abbreviations(text)))
    text = _SLASHED_WORDS.sub(_slashed, text)
    if not _DIGIT.search(text):
        return text
    text = _BETWEEN.sub(r"\g<lead> y ", text)
    text = _MILLIONS.sub(" millones", text)
    text = _POSTCODE.sub(lambda match: _digits(match["code"]), text)
    text = _EVERY_HUNDRED.sub(" a los 100 ", text)
    text = _KILOMETRE.sub("kilómetro ", text)
    text = _ACCOUNT.sub(_account, text)
    text = _TWO_DATES.sub(_two_dates, text)
    text = _BOUND.sub(lambda match: f"{_BOUNDS[match['sign']]} ", text)
    text = _YEARS.sub(_years, text)
    text = _DEGREES.sub(r"\g<degrees>°", text)
    text = _PARTS_OF.sub(lambda match: match[0].replace(".", " punto "), text)
    text = _SIGN_AND_CODE.sub("", text)
    text = _DAY_DOTS.sub("", text)
    text = _LETTERED_DAYS.sub(_lettered_days, text)
    text = _FRACTION_SIGN.sub(_fraction_in_figures, text)
    text = _ORDINAL.sub(_ordinal, text)
    text = _POINTED_FROM.sub(r"\g<hour>:\g<minute>", text)
    text = _POINTED_TIME.sub(r"\g<hour>:\g<minute>", text)
    text = _FROM_HOUR.sub(lambda match: f"{match['lead']}{int(match['hour'])}", text)
    text = _HOUR.sub(_hour, text)
    text = _DAY_NAME.sub(lambda match: f"{cardinal(int(match['day']))} {LETTERS[match['letter']]}", text)
    text = _FRACTION.sub(_fraction, text)
    text = _EXTENSION.sub(_extension, text)
    text = _DIALLED.sub(_dialled, text)
    text = _PER.sub(_per, text)
    text = _ZONE.sub(_zone, text)
    return agree_ones(text)


_DIGIT = regex.compile(r"\d|[¼-¾⅐-⅞]")


def _ordinal(match: "regex.Match[str]") -> str:
    value = int(_NOT_DIGITS.sub("", match["amount"]))
    mark, noun = match["mark"].lower(), match["noun"] or ""
    if mark in _ENDINGS and value % 10 not in _ENDINGS[mark]:
        return match[0]
    of_month = value == 1 and noun == "de" and _MONTH.match(match.string, match.end())
    if mark == "°" and noun.lower() not in _PLACES_IN_ORDER and not of_month:
        return match[0]
    following = noun.lower() not in _DOORS and (noun.islower() or noun.lower() in _PLACES_IN_ORDER)
    if mark[-1] == "a" or mark in {"ª", "as"}:
        said = ordinal_of_feminine(value)
    elif mark in {"ᵉʳ", "er"} or (following and len(noun) > 2 and is_noun(noun.lower())):
        said = short_ordinal(value)
    else:
        said = ordinal(value)
    if said is None:
        return match[0]
    if match["plural"] or mark in {"os", "as"}:
        said = f"{ordinal_of_feminine(value) if mark == 'as' else ordinal(value)}s"
    return f"{said}{match['next'] or ''}"


_NOT_DIGITS = regex.compile(r"\D")


def _shortened(match: "regex.Match[str]") -> str:
    return "rr" if match[0][0] == "r" else match[0][0]


def _slashed(match: "regex.Match[str]") -> str:
    """Say alumno/a as alumno o alumna, niños/as as niños y niñas; other words have a pause between them."""
    left, right = match["left"], match["right"]
    joint = " y " if left.endswith("s") else " o "
    if len(left) > 3 and right in {"a", "as"} and left.endswith(("o", "os", "e", "es", "or", "ores")):
        stem = left.removesuffix("s").removesuffix("e") if left.endswith(("es", "e")) else left.rstrip("os")
        return f"{left}{joint}{stem}{right}"
    known = ABBREVIATIONS.get(match[0].lower())
    return known or (f"{left}, {right}" if min(len(left), len(right)) > 2 else match[0])


def _lettered_days(match: "regex.Match[str]") -> str:
    return f"{_DAYS[match['first']]} a {_DAYS[match['last']]}"


def _hour(match: "regex.Match[str]") -> str:
    """Say the hour after its article, which is feminine: a la una, a las veintiuna, a las nueve (9:00)."""
    hour, lead = int(match["hour"]), match["lead"]
    single = lead.lower() == "la"
    sharp = match["minute"] == "00" and hour <= 12
    if match["minute"] and not sharp:
        return f"{lead}{match['blank']}{match['hour']}:{match['minute']}"
    if single and (hour != 1 or lead != "la"):
        return match[0]
    return f"{lead}{match['blank']}{feminine(cardinal(hour))}"


def _years(match: "regex.Match[str]") -> str:
    """Say 1884-85 as a span; of later years the shared scan knows it."""
    first, last = match["first"], match["last"]
    return f"{first} a {last}" if int(last) > int(first[2:]) else match[0]


def _account(match: "regex.Match[str]") -> str:
    named = " ".join(LETTERS[letter] for letter in match["country"] or "")
    groups = [*([match["check"]] if match["check"] else []), *match["groups"].split()]
    return f"{named} {', '.join(map(_digits, groups))}".strip()


def _two_dates(match: "regex.Match[str]") -> str:
    days, months = (match["day"], match["last"]), (int(match["month"]), int(match["other"]))
    if not all(1 <= int(day) <= 31 for day in days) or not all(1 <= month <= 12 for month in months):
        return match[0]
    first, last = (f"{int(day)} de {MONTHS[month - 1]}" for day, month in zip(days, months, strict=True))
    return f"{first}{match['dash']}{last}"


def _extension(match: "regex.Match[str]") -> str:
    return f"{match['number']}, extensión {_digits(match['extension'])}"


def _dialled(match: "regex.Match[str]") -> str:
    """Say 5512-3467 as the phone number that it is in Central America; 1939-1945 are years."""
    first, second = match["first"], match["second"]
    if int(first) < int(second) and all(1000 <= int(year) < 2200 for year in (first, second)):
        return match[0]
    return f"{_digits(first)}, {_digits(second)}"


def _digits(digits: str) -> str:
    return " ".join(cardinal(int(digit)) for digit in digits)


def _per(match: "regex.Match[str]") -> str:
    return f"/{_UNIT_NAMES[match['unit']][0]}"


def _zone(match: "regex.Match[str]") -> str:
    """Spell a time zone, and say the sign after it, which is no dash: GMT-3."""
    sign = {"+": " más ", None: ""}.get(match["sign"], " menos ")
    return f"{match['zone'].upper()}{sign}"


def _fraction_in_figures(match: "regex.Match[str]") -> str:
    figures = unicodedata.normalize("NFKC", match[2]).replace("⁄", "/")
    return f"{match[1]} {figures}" if match[1] else figures


def _fraction(match: "regex.Match[str]") -> str:
    """Say a fraction with what it is a part of; leave dates, marks and plain ones to the shared scan."""
    above, below = int(match["above"]), int(match["below"].replace(".", ""))
    if below < 2 or (1900 <= below < 2100 and above > 1):
        return match[0]
    said = _whole_and_part(match, above, below) if match["whole"] else _part(match, above, below)
    if said is None:
        return match[0]
    return f"menos {said}" if match["minus"] else said


def _part(match: "regex.Match[str]", above: int, below: int) -> str | None:
    """Say a fraction without a whole number; None leaves it to the shared scan."""
    noun, following = match["noun"] or "", match["next"] or ""
    said = fraction(above, below)
    if noun in _UNIT_NAMES:
        one = _UNIT_NAMES[noun][0]
        return f"{_half(one)} {one}" if (above, below) == (1, 2) else f"{said} de {one}"
    if noun in {"parte", "partes"} and below < 100:
        return f"{feminine(cardinal(above))} {_feminine_part(below)}{'s' if above > 1 else ''} {noun}"
    if _counts(noun) and below == above + 1 and noun.endswith("s") and noun not in _PARTED:
        return f"{cardinal(above)} o {cardinal(below)} {noun}"
    if _counts(noun) and above < below and below not in _MARKS:
        return f"{_half(noun)} {noun}" if (above, below) == (1, 2) else f"{said} de {singular(noun)}"
    if match["minus"] or below > 999 or (below > 100 and below % 10):
        return f"{said}{following}"
    return None


def _counts(noun: str) -> bool:
    return len(noun) > 2 and noun.islower() and is_noun(noun)


_MARKS = frozenset({5, 10, 20, 100})
"""What is the best mark of something: 4/5 may be one, so the shared scan decides."""
_PARTED = word_set(
    "tazas cucharadas cucharaditas vasos copas litros kilos kilogramos gramos horas porciones manzanas "
    "pulgadas metros millas galones libras tazones sobres paquetes cebollas limones barras"
)
"""Nouns that are measured in parts; of others, 3/4 is three or four: 3/4 personas."""


def _whole_and_part(match: "regex.Match[str]", above: int, below: int) -> str:
    """Say dos tazas y media, un metro y medio, tres kilos y un cuarto; without a noun, dos y medio."""
    whole, noun = int(match["whole"]), match["noun"] or ""
    half = (above, below) == (1, 2)
    if noun not in _UNIT_NAMES and not _counts(noun):
        part = "medio" if half else fraction(above, below)
        return f"{cardinal(whole)} y {part}{match['next'] or ''}"
    one, many = _UNIT_NAMES.get(noun) or (singular(noun), noun)
    part = _half(one) if half else fraction(above, below)
    return f"{counted(whole, one)} {one if whole == 1 else many} y {part}"


def _half(noun: str) -> str:
    return "media" if is_feminine(noun.partition(" ")[0]) else "medio"


def _feminine_part(below: int) -> str:
    """Return the ordinal of parte: tercera, cuarta, décima; a half is media."""
    if below == 2:
        return "media"
    return (ordinal_of_feminine(below) if below <= 10 else None) or f"{cardinal(below)}ava"
