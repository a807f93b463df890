"""How Spanish says numbers, money, dates, times, units and signs, with gender and number."""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType

import regex

from tts_app.language.base import Date, Time
from tts_app.language.currencies import currency_name, split_amount
from tts_app.language.notation import DOMAINS
from tts_app.language.spanish import abbreviations, ordinals
from tts_app.language.spanish.agreement import cardinal, counted, feminine, is_feminine, masculine
from tts_app.language.spanish.names import (
    CENTAVO,
    CURRENCIES,
    CURRENCY_FORMS,
    LETTERS,
    MONTH_FORMS,
    MONTHS,
    SMALL_CURRENCIES,
    UNIT_FORMS,
    UNIT_WORDS,
    WEEKDAY_FORMS,
    WEEKDAYS,
)
from tts_app.language.spanish.roman import roman
from tts_app.language.text import word_set
from tts_app.language.units import unit_name

SYMBOLS = MappingProxyType(
    {
        "&": "y",
        "+": "más",
        "@": "arroba",
        "#": "número",
        "=": "igual a",
        "/": "barra",
        "%": "por ciento",
        "‰": "por mil",
        ".": "punto",
        "_": "guion bajo",
        "-": "guion",
        "−": "menos",
        "×": "por",
        "·": "por",
        "÷": "entre",
        "±": "más menos",
        "∓": "menos más",
        "~": "unos",
        "≈": "aproximadamente",
        "≅": "aproximadamente igual a",
        "≠": "distinto de",
        "≡": "equivalente a",
        "<": "menor que",
        ">": "mayor que",
        "≤": "menor o igual que",
        "≥": "mayor o igual que",
        "∞": "infinito",
        "√": "raíz de",
        "∑": "suma de",
        "∏": "producto de",
        "∫": "integral de",
        "∂": "derivada parcial de",
        "∆": "delta",
        "Δ": "delta",
        "π": "pi",
        "θ": "zeta",
        "λ": "lambda",
        "µ": "mu",
        "μ": "mu",
        "Ω": "omega",
        "∈": "pertenece a",
        "∉": "no pertenece a",
        "⊂": "está incluido en",
        "∪": "unión",
        "∩": "intersección",
        "∀": "para todo",
        "∃": "existe",
        "→": "",
        "⇒": "implica",
        "′": "minutos",
        "″": "segundos",
        "§": "sección",
        "¶": "párrafo",
        "©": "",
        "°": "grados",
        "❤": "amo",
    }
)

SHORT_WORDS = word_set("al de el en es ha la le lo me mi no os se si su te tu ti un va ve ya yo")
"""Words of two letters that are not spelled when they are in capitals."""
VOWELS = frozenset("aeiouáéíóúü")
PRONOUNCEABLE = regex.compile(
    r"(?:sp|[bcdfgpt]?[lr]|ch|[bcdfghjklmnñpqrstvwxyz])?[aeiouáéíóúü]{1,2}"
    r"(?:(?:[bcdfgp][lr]|ch|ll|rr|n[dtc]|[bcdfghjklmnñpqrstvwxyz])[aeiouáéíóúü]{1,2})*[nslrdzxmtpbgck]?s?"
)
"""Words in capitals that Spanish can say as a word: IVA and VIP, but not DNI or GPS."""
_NO_WORD = regex.compile(r"^[^aeiouáéíóúü]++$|^[b-df-hj-np-tv-z]{3}|^([b-df-km-z])\1")
"""No word of any language begins so, or it has no vowel."""
LARGE_UNITS = (
    (10**18, "trillón", "trillones"),
    (10**12, "billón", "billones"),
    (10**6, "millón", "millones"),
)
"""Long scale: un billón is a million millions."""
_LARGE_SAID = regex.compile(r"(?:ll[óo]n(?:es)?)$")


class SpanishVerbaliser:
    """Spanish (Spain) words for what is written with digits and symbols."""

    locale = "es-ES"
    day_first = True
    decimal_mark = ","
    home_currency = "INR"
    """A bare Rs is the rupee of the country that has most speakers; Spain has no rupee or dollar."""
    hashtag = "hashtag"
    per = "por"
    spoken_labels = frozenset({"es", "co", "me", "tu", "mi", "la", "el"})
    month_forms = MONTH_FORMS
    weekday_forms = WEEKDAY_FORMS
    unit_forms = UNIT_FORMS
    currency_forms = CURRENCY_FORMS
    cent_forms: Mapping[str, str] = MappingProxyType({"¢": "USD"})
    place_words = word_set(
        "apartamento apto asiento autobús bus butaca fila habitación hab línea nave número nº pabellón "
        "parcela piso planta portal puerta sala salida terminal vagón vuelo carril edificio bloque"
    )
    """Words after which a number names a place: its letter is a letter, and a dash after it no range."""
    opening_words = word_set("horario abierto abrimos apertura abre cerrado desayuno cena comida")
    dial_words = word_set(
        "llama llame llamar llámanos llámenos llamen llamando marca marque teléfono tfno tel móvil"
    )
    date_words = word_set(
        "fecha día hoy hasta desde el al del lunes martes miércoles jueves viernes sábado domingo "
        "lun mar mié jue vie sáb dom"
    )
    digit_words = frozenset({"postal", "cp"})
    of_words = ("de", "del")
    scale_words = MappingProxyType({10**3: "mil", 10**6: "millones"})
    magnitude_forms: Mapping[str, int] = MappingProxyType(
        {
            "mil": 10**3,
            "millón": 10**6,
            "millones": 10**6,
            "millón de": 10**6,
            "millones de": 10**6,
            "mill.": 10**6,
            "mill. de": 10**6,
            "mil millones": 10**9,
            "mil millones de": 10**9,
            "billón": 10**12,
            "billones": 10**12,
            "billón de": 10**12,
            "billones de": 10**12,
        }
    )

    # -- numbers -----------------------------------------------------------------------------------------

    def number(self, value: Decimal) -> str:
        """Say a number in the masculine, as in counting; its decimals as `_decimals` says."""
        if value < 0:
            return f"menos {self.number(-value)}"
        whole, _, fraction = f"{value:f}".partition(".")
        said = cardinal(int(whole))
        if not fraction.strip("0"):
            return said
        return " ".join([said, "coma", *_decimals(fraction)])

    def ordinal(self, value: int) -> str:
        """Say 2.º as segundo; the cardinal where there is no ordinal."""
        return ordinals.ordinal(value) or cardinal(value)

    def digits(self, digits: str) -> str:
        """Say digits one by one."""
        return " ".join(cardinal(int(digit)) for digit in digits)

    def year(self, value: int) -> str:
        """Say a year: in Spanish, a cardinal."""
        return cardinal(value)

    def decade(self, value: int) -> str:
        """Say 90s as noventa."""
        return cardinal(value % 100 if 1900 <= value < 2000 else value)

    def fraction(self, above: Decimal, below: Decimal) -> str:
        """Say 3/4 as tres cuartos, 1/2 as medio, 3/101 as tres sobre ciento uno, Ley 3/2018 as a number."""
        if above != int(above) or below < 2:
            return f"{self.number(above)} sobre {self.number(below)}"
        if above > 1 and 1900 <= below < 2100:
            return f"{self.number(above)} barra {self.number(below)}"
        if above == 1 and below == 2:
            return "medio"
        return ordinals.fraction(int(above), int(below))

    def rating(self, score: Decimal, of: Decimal) -> str:
        """Say a mark, 9/10, as nueve sobre diez; less than half of what is possible is rather a fraction."""
        if score == int(score) and 2 * score < of:
            return self.fraction(score, of)
        return f"{self.number(score)} sobre {self.number(of)}"

    def mixed(self, whole: int, above: int, below: int, unit: str) -> str:
        """Say 2 1/2 as dos y medio, with a unit as dos horas y media."""
        one, many = _unit_names(unit) if unit else ("", "")
        half = (above, below) == (1, 2)
        part = ("media" if is_feminine(_head(one)) else "medio") if half else ordinals.fraction(above, below)
        if not unit:
            return f"{cardinal(whole)} y {part}"
        return f"{counted(whole, one)} {one if whole == 1 else many} y {part}"

    def power(self, base: str, exponent: str, value: Decimal | None) -> str:
        """Say 10² as diez al cuadrado, 2³ as dos al cubo, x⁴ as equis elevado a cuatro."""
        named = {2: "al cuadrado", 3: "al cubo"}.get(int(value)) if value is not None else None
        return f"{base} {named or f'elevado a {exponent}'}"

    def root(self, of: str, degree: int) -> str:
        """Say √2 as raíz cuadrada de dos."""
        names = {2: "cuadrada", 3: "cúbica", 4: "cuarta"}
        return f"raíz {names[degree]} de {of}" if degree in names else f"raíz {cardinal(degree)} de {of}"

    def percent(self, value: Decimal) -> str:
        """Say 20% as veinte por ciento."""
        return f"{self.number(value)} por ciento"

    def roman(self, value: int, before: str) -> str | None:
        """Say a Roman numeral after a king's name, a century, a chapter."""
        return roman(value, before)

    def lettered(self, number: str, letters: str) -> str:
        """Say 4B as cuatro be."""
        value = number if number[0] == "0" and len(number) > 1 else ""
        return f"{self.digits(value) if value else cardinal(int(number))} {self.letters(letters)}"

    # -- money and measures ------------------------------------------------------------------------------

    def money(self, amount: Decimal, currency: str) -> str:
        """Say 79,50 € as setenta y nueve euros con cincuenta céntimos."""
        if amount < 0:
            return f"menos {self.money(-amount, currency)}"
        one, many = _currency_names(currency)
        scaled = self._scaled(amount)
        if scaled:
            return f"{scaled} de {many}"
        split = split_amount(amount, currency)
        if split is None:
            return f"{self.number(amount)} {many}"
        whole, rest = split
        said = _counted_money(whole, one, many)
        if not rest:
            return said
        small = _counted_money(rest, *SMALL_CURRENCIES.get(currency, CENTAVO))
        return f"{said} con {small}" if whole else small

    def money_span(self, low: Decimal, high: Decimal, factor: str, currency: str) -> str:
        """Say $3-5 millones as tres a cinco millones de dólares; `factor` is a word such as millones."""
        one, many = _currency_names(currency)
        if factor:
            words = factor if factor.endswith(" de") or factor == "mil" else f"{factor} de"
            return f"{self.number(low)} a {self.number(high)} {words} {many}"
        for size, *_ in LARGE_UNITS:
            if low >= size and not low % size and not high % size:
                return f"{self.number(low / size)} a {self.money(high, currency)}"
        if low != int(low) or high != int(high):
            return f"{self.money(low, currency)} a {self.money(high, currency)}"
        first = _agreeing(cardinal(int(abs(low))), one)
        return f"{first} a {self.money(high, currency)}"

    def measure(self, amount: Decimal, unit: str) -> str:
        """Say 1,5 km as uno coma cinco kilómetros."""
        one, many = _unit_names(unit)
        if amount == int(amount):
            sign = "menos " if amount < 0 else ""
            return f"{sign}{counted(abs(int(amount)), one)} {one if abs(amount) == 1 else many}"
        return f"{self.number(amount)} {many}"

    def measure_span(self, low: Decimal, high: Decimal, unit: str) -> str:
        """Say 10-15 km as diez a quince kilómetros."""
        one, _ = _unit_names(unit)
        first = _agreeing(cardinal(int(low)), one) if low == int(low) and low >= 0 else self.number(low)
        return f"{first} a {self.measure(high, unit)}"

    def span(self, first: str, second: str) -> str:
        """Say 10-15 as diez a quince."""
        return f"{first} a {second}"

    # -- dates and times ---------------------------------------------------------------------------------

    def date(self, date: Date) -> str:
        """Say 3/4/2026 as tres de abril de dos mil veintiséis."""
        weekday = "" if date.weekday is None else WEEKDAYS[date.weekday]
        day = "" if date.day is None else cardinal(date.day)
        month = "" if date.month is None else MONTHS[date.month - 1]
        year = "" if date.year is None else cardinal(date.year)
        said = " de ".join(part for part in (day, month, year) if part)
        return " ".join(part for part in (weekday, said) if part)

    def date_span(self, first: Date, last: Date) -> str:
        """Say 3-5 de mayo as tres al cinco de mayo, lunes-viernes as lunes a viernes."""
        same_month = first.month == last.month and first.year == last.year
        low = Date(day=first.day, weekday=first.weekday) if first.day and same_month else first
        if first.year == last.year and not same_month:
            low = Date(first.day, first.month, None, first.weekday)
        return f"{self.date(low)} {'al' if last.day else 'a'} {self.date(last)}"

    def time(self, time: Time) -> str:
        """Say 19:30 as diecinueve treinta, 9:05 as nueve y cinco, 7:30 pm as siete y media de la tarde."""
        if time.twelve:
            return self._twelve_hours(time)
        if time.second is not None:
            return self._to_the_second(time)
        hour, minute = feminine(cardinal(time.hour)), time.minute
        if not minute:
            said = hour if time.hour == 1 else f"{hour} horas"
        elif 0 < time.hour < 13:
            said = f"{hour} y {_minutes(minute)}"
        else:
            said = f"{hour} {'y ' if minute < 10 else ''}{cardinal(minute)}"
        return said

    def time_span(self, first: Time, last: Time) -> str:
        """Say 10:00-14:30 as diez a catorce treinta, 9-11 a. m. as nueve a once de la mañana."""
        low = self.time(first)
        same_half = first.twelve and last.twelve and _part_of_day(first.hour) == _part_of_day(last.hour)
        if same_half:
            low = low.removesuffix(f" {_part_of_day(first.hour)}")
        elif not first.twelve:
            low = low.removesuffix(" horas")
        return f"{low} a {self.time(last)}"

    def _to_the_second(self, time: Time) -> str:
        """Say 2:15:30 as dos horas, quince minutos y treinta segundos: as good for a time as for a record."""
        parts = ((time.hour, "h"), (time.minute, "min"), (time.second or 0, "s"))
        said = [self.measure(Decimal(value), unit) for value, unit in parts if value or unit == "h"]
        return " y ".join(filter(None, [", ".join(said[:-1]), said[-1]]))

    def _twelve_hours(self, time: Time) -> str:
        hour = feminine(cardinal(time.hour % 12 or 12))
        minutes = f"y {_minutes(time.minute)}" if time.minute else ""
        return " ".join(piece for piece in (hour, minutes, _part_of_day(time.hour)) if piece)

    # -- letters and signs -------------------------------------------------------------------------------

    def telephone(self, groups: list[str], international: bool) -> str:
        """Say a number digit by digit, with a pause after each group; a prefix of two digits as a number."""
        said = [self.digits(group) for group in groups]
        if international:
            prefix = groups[0]
            said[0] = f"más {cardinal(int(prefix)) if len(prefix) == 2 else said[0]}"
        return ", ".join(said)

    def letters(self, letters: str) -> str:
        """Spell letters by their Spanish names."""
        return " ".join(LETTERS.get(letter, letter) for letter in letters.upper())

    def address_word(self, word: str, of_a_person: bool) -> str:
        """Say a part of an address: rtve as letters, sol as a word, 99 as a number, 123 digit by digit."""
        if word.isdigit():
            return cardinal(int(word)) if len(word) < 3 and word[0] != "0" else self.digits(word)
        lower = word.lower()
        short = len(lower) < 4 and not PRONOUNCEABLE.fullmatch(lower) and lower not in DOMAINS
        if short or _NO_WORD.search(lower):
            # espeak-ng names every other letter itself.
            return " ".join(lower).replace("y", LETTERS["Y"])
        return lower

    def symbol(self, symbol: str) -> str:
        """Say a symbol, or nothing."""
        return SYMBOLS.get(symbol, "")

    def abbreviation(self, written: str) -> str | None:
        """Return the words of an abbreviation."""
        return abbreviations.abbreviation(written)

    def capitals(self, word: str, shouted: bool) -> str:
        """Say a word in capitals: as a word where Spanish could pronounce it, else letter by letter."""
        lower = word.lower()
        if len(lower) == 2:
            return lower if lower in SHORT_WORDS else self.letters(word)
        shout = shouted and len(lower) > 3 and not VOWELS.isdisjoint(lower)
        return lower if len(lower) > 4 or shout or PRONOUNCEABLE.fullmatch(lower) else self.letters(word)

    def _scaled(self, amount: Decimal) -> str:
        """Say 2,3 billones as written: with as many decimals; empty for an amount that is written in full.

        An amount that was multiplied (2,3 by a billion) keeps the decimals of its factor, here one.
        """
        decimals = -int(amount.as_tuple().exponent)
        for size, one, many in LARGE_UNITS:
            if amount < size:
                continue
            shown = amount / size
            if decimals > 0 and shown == round(shown, decimals) and shown != int(shown):
                shown = round(shown, decimals)
            elif shown != int(shown):
                return ""
            return f"un {one}" if shown == 1 else f"{masculine(self.number(shown))} {many}"
        return ""


def _decimals(fraction: str) -> list[str]:
    """Return the words of decimals: up to three as a number, more of them in pairs, each with its zeros."""
    if len(fraction) < 4:
        zeros = len(fraction) - len(fraction.lstrip("0"))
        rest = fraction[zeros:]
        return [*["cero"] * zeros, *([cardinal(int(rest))] if rest else [])]
    words = []
    for start in range(0, len(fraction), 2):
        pair = fraction[start : start + 2]
        words += [cardinal(int(digit)) for digit in pair] if pair[0] == "0" else [cardinal(int(pair))]
    return words


def _minutes(minute: int) -> str:
    return {15: "cuarto", 30: "media"}.get(minute) or cardinal(minute)


def _part_of_day(hour: int) -> str:
    """Return the part of the day of an hour from 0 to 23, as Spain divides it."""
    if hour in (0, *range(21, 24)):
        return "de la noche"
    if hour == 12:
        return "del mediodía"
    return "de la madrugada" if hour < 6 else "de la mañana" if hour < 12 else "de la tarde"


@lru_cache(maxsize=512)
def _currency_names(code: str) -> tuple[str, str]:
    """Return the names of one and of many of a currency."""
    one, many = (currency_name("es-ES", code, Decimal(amount)) for amount in (1, 2))
    return CURRENCIES.get(code) or (one, many)


@lru_cache(maxsize=512)
def _unit_names(unit: str) -> tuple[str, str]:
    """Return the names of one and of many of a unit, or of two joined by a slash."""
    if unit in UNIT_WORDS:
        return UNIT_WORDS[unit]
    whole, slash, per = unit.partition("/")
    if slash and whole in UNIT_WORDS and per in UNIT_WORDS:
        one, many = UNIT_WORDS[whole]
        return f"{one} por {UNIT_WORDS[per][0]}", f"{many} por {UNIT_WORDS[per][0]}"
    return unit_name("es-ES", unit, Decimal(1)), unit_name("es-ES", unit, Decimal(2))


def _head(name: str) -> str:
    """Return the noun of a name: libra of libra egipcia."""
    return name.partition(" ")[0]


def _agreeing(number: str, name: str) -> str:
    """Return a number as said before a currency or unit."""
    return feminine(number) if is_feminine(_head(name)) else masculine(number)


def _counted_money(value: int, one: str, many: str) -> str:
    said = _agreeing(cardinal(value), one)
    of = " de" if _LARGE_SAID.search(said) else ""
    return f"{said}{of} {one if value == 1 else many}"
