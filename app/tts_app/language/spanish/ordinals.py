"""Spanish ordinals (primero ... cienmilésimo) and the parts of a fraction (tercio, onceavo, centésimo).

As the Academia writes them (Diccionario panhispánico de dudas, "ordinales" and "fraccionarios"): one word up
to 29.º (decimotercero, vigesimoprimero), then a word for each place (trigésimo primero).
"""

from tts_app.language.spanish.agreement import cardinal, masculine

_ONES = ("", "primero", "segundo", "tercero", "cuarto", "quinto", "sexto", "séptimo", "octavo", "noveno")
_TENS = ("", "décimo", "vigésimo", "trigésimo", "cuadragésimo", "quincuagésimo", "sexagésimo",
         "septuagésimo", "octogésimo", "nonagésimo")  # fmt: skip
_HUNDREDS = ("", "centésimo", "ducentésimo", "tricentésimo", "cuadringentésimo", "quingentésimo",
             "sexcentésimo", "septingentésimo", "octingentésimo", "noningentésimo")  # fmt: skip
_ELEVEN, _TWELVE = "undécimo", "duodécimo"
LARGEST = 10**6
"""The largest number that has an ordinal here; larger ones are said as cardinals."""
_PARTS = {2: "medio", 3: "tercio"}
_LARGEST_AVO = 99


def ordinal(value: int) -> str | None:
    """Return a masculine ordinal, or None where Spanish has none that is used: 0, or more than a million."""
    if not 0 < value <= LARGEST:
        return None
    if value == LARGEST:
        return "millonésimo"
    thousands, rest = divmod(value, 1000)
    hundreds, small = divmod(rest, 100)
    words = [_thousandth(thousands), _HUNDREDS[hundreds], *_below_hundred(small)]
    return " ".join(word for word in words if word)


def ordinal_of_feminine(value: int) -> str | None:
    """Return a feminine ordinal: each of its words ends in -a."""
    said = ordinal(value)
    return said and " ".join(f"{word[:-1]}a" for word in said.split(" "))


def short_ordinal(value: int) -> str | None:
    """Return an ordinal as said before a masculine noun: primer, decimotercer."""
    said = "decimoprimero" if value == 11 else ordinal(value)
    return said[:-1] if said and said.endswith(("primero", "tercero")) else said


def fraction(above: int, below: int) -> str:
    """Return a fraction: tres cuartos, un onceavo; uno sobre ciento uno where the part has no name."""
    part = part_name(below)
    if part is None or above < 0:
        return f"{cardinal(above)} sobre {cardinal(below)}"
    return f"{masculine(cardinal(above))} {part if above == 1 else f'{part}s'}"


def part_name(below: int) -> str | None:
    """Return the name of one part of so many: tercio, décimo, onceavo, centésimo, cincomilésimo."""
    if below < 2:
        return None
    if below in _PARTS:
        return _PARTS[below]
    if below <= 10 or below == 100:
        return ordinal(below)
    if below <= _LARGEST_AVO:
        return f"{_glued(below).removesuffix('a')}avo"
    hundreds, rest = divmod(below, 100)
    if not rest and hundreds < 10:
        return _HUNDREDS[hundreds]
    return _round_part(below)


def _round_part(below: int) -> str | None:
    """Return the name of a thousandth of a round number: dosmilésimo, cienmilésimo, diezmillonésimo."""
    for unit, name in ((10**6, "millonésimo"), (1000, "milésimo")):
        times, rest = divmod(below, unit)
        if not rest and times == 1:
            return name
        if not rest and times in (*range(2, 11), *range(20, 100, 10), *range(100, 1000, 100)):
            return f"{_glued(times)}{name}"
    return None


def _glued(value: int) -> str:
    """Return a cardinal as it begins a word: onceavo, veintidosavo, treintaicincoavo."""
    said = masculine(cardinal(value)).replace(" y ", "i")
    glued = said.replace(" ", "")
    return glued.translate(_WITHOUT_ACCENTS)


_WITHOUT_ACCENTS = str.maketrans("áéíóú", "aeiou")


def _thousandth(thousands: int) -> str:
    if thousands < 2:
        return "milésimo" if thousands else ""
    return f"{_glued(thousands)}milésimo"


def _below_hundred(value: int) -> list[str]:
    tens, ones = divmod(value, 10)
    if value == 11:
        return [_ELEVEN]
    if value == 12:
        return [_TWELVE]
    if tens in (1, 2) and ones:
        return [_joined("decimo" if tens == 1 else "vigesimo", _ONES[ones])]
    return [_TENS[tens], _ONES[ones]]


def _joined(first: str, second: str) -> str:
    """Return two parts as one word, which has one o where both have one: decimoctavo."""
    return f"{first[:-1]}{second}" if second[0] == "o" else f"{first}{second}"
