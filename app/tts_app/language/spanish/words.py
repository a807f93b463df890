"""How Spanish says numbers, money, dates, times, units and abbreviations, with gender and number."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

import regex

from tts_app.language.base import Date, Time
from tts_app.language.spanish.agreement import cardinal, counted, feminine
from tts_app.language.text import word_set

MONTHS = (
    *("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre"),
    *("octubre", "noviembre", "diciembre"),
)
WEEKDAYS = ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo")

CURRENCIES: Mapping[str, tuple[str, str, str, str]] = MappingProxyType(
    {
        "USD": ("dólar", "dólares", "centavo", "centavos"),
        "GBP": ("libra", "libras", "penique", "peniques"),
        "AUD": ("dólar australiano", "dólares australianos", "centavo", "centavos"),
        "EUR": ("euro", "euros", "céntimo", "céntimos"),
        "INR": ("rupia", "rupias", "paisa", "paisas"),
        "PKR": ("rupia pakistaní", "rupias pakistaníes", "paisa", "paisas"),
        "SAR": ("rial saudí", "riales saudíes", "halala", "halalas"),
        "EGP": ("libra egipcia", "libras egipcias", "piastra", "piastras"),
        "AED": ("dírham", "dírhams", "fils", "fils"),
    }
)
"""Names of one, of many, of one hundredth and of many hundredths."""

UNIT_WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "mm": ("milímetro", "milímetros"),
        "cm": ("centímetro", "centímetros"),
        "m": ("metro", "metros"),
        "km": ("kilómetro", "kilómetros"),
        "inch": ("pulgada", "pulgadas"),
        "ft": ("pie", "pies"),
        "yd": ("yarda", "yardas"),
        "mi": ("milla", "millas"),
        "m2": ("metro cuadrado", "metros cuadrados"),
        "km2": ("kilómetro cuadrado", "kilómetros cuadrados"),
        "ft2": ("pie cuadrado", "pies cuadrados"),
        "m3": ("metro cúbico", "metros cúbicos"),
        "ha": ("hectárea", "hectáreas"),
        "ml": ("mililitro", "mililitros"),
        "cl": ("centilitro", "centilitros"),
        "l": ("litro", "litros"),
        "gal": ("galón", "galones"),
        "mg": ("miligramo", "miligramos"),
        "g": ("gramo", "gramos"),
        "kg": ("kilo", "kilos"),
        "lb": ("libra", "libras"),
        "oz": ("onza", "onzas"),
        "s": ("segundo", "segundos"),
        "min": ("minuto", "minutos"),
        "h": ("hora", "horas"),
        "week": ("semana", "semanas"),
        "year": ("año", "años"),
        "celsius": ("grado", "grados"),
        "fahrenheit": ("grado Fahrenheit", "grados Fahrenheit"),
        "degree": ("grado", "grados"),
        "kmh": ("kilómetro por hora", "kilómetros por hora"),
        "mph": ("milla por hora", "millas por hora"),
        "mps": ("metro por segundo", "metros por segundo"),
        "kb": ("kilobyte", "kilobytes"),
        "mb": ("megabyte", "megabytes"),
        "gb": ("gigabyte", "gigabytes"),
        "tb": ("terabyte", "terabytes"),
        "mbps": ("megabit por segundo", "megabits por segundo"),
        "gbps": ("gigabit por segundo", "gigabits por segundo"),
        "w": ("vatio", "vatios"),
        "kw": ("kilovatio", "kilovatios"),
        "kwh": ("kilovatio hora", "kilovatios hora"),
        "mah": ("miliamperio hora", "miliamperios hora"),
        "v": ("voltio", "voltios"),
        "hz": ("hercio", "hercios"),
        "mhz": ("megahercio", "megahercios"),
        "ghz": ("gigahercio", "gigahercios"),
        "kcal": ("kilocaloría", "kilocalorías"),
        "mp": ("megapíxel", "megapíxeles"),
        "star": ("estrella", "estrellas"),
        "times": ("vez", "veces"),
    }
)

LETTERS = MappingProxyType(
    dict(
        zip(
            "ABCDEFGHIJKLMNÑOPQRSTUVWXYZ",
            (
                *(
                    "a",
                    "be",
                    "ce",
                    "de",
                    "e",
                    "efe",
                    "ge",
                    "hache",
                    "i",
                    "jota",
                    "ka",
                    "ele",
                    "eme",
                    "ene",
                    "eñe",
                ),
                *("o", "pe", "cu", "erre", "ese", "te", "u", "uve", "uve doble", "equis", "i griega", "zeta"),
            ),
            strict=True,
        )
    )
)

SYMBOLS = MappingProxyType(
    {
        "&": "y",
        "+": "más",
        "@": "arroba",
        "#": "número",
        "=": "igual a",
        "/": "barra",
        "%": "por ciento",
        ".": "punto",
        "_": "guion bajo",
        "-": "guion",
        "×": "por",
        "~": "unos",
        "°": "grados",
        "❤": "amo",
    }
)

ABBREVIATIONS = MappingProxyType(
    {
        "24/7": "veinticuatro siete",
        "24x7": "veinticuatro siete",
        "c/": "calle",
        "C/": "calle",
        "Avda.": "avenida",
        "Av.": "avenida",
        "Pza.": "plaza",
        "Plza.": "plaza",
        "Pl.": "plaza",
        "Ctra.": "carretera",
        "Sr.": "señor",
        "Sra.": "señora",
        "Srta.": "señorita",
        "Sres.": "señores",
        "Dr.": "doctor",
        "Dra.": "doctora",
        "D.": "don",
        "Dña.": "doña",
        "Ud.": "usted",
        "Uds.": "ustedes",
        "Vd.": "usted",
        "Vds.": "ustedes",
        "Prof.": "profesor",
        "Sto.": "santo",
        "Sta.": "santa",
        "etc.": "etcétera",
        "etc": "etcétera",
        "p.ej.": "por ejemplo",
        "ej.": "ejemplo",
        "aprox.": "aproximadamente",
        "aprox": "aproximadamente",
        "incl.": "incluido",
        "máx.": "máximo",
        "mín.": "mínimo",
        "hab.": "habitación",
        "habs.": "habitaciones",
        "pers.": "personas",
        "pax": "personas",
        "pág.": "página",
        "págs.": "páginas",
        "tel.": "teléfono",
        "tel": "teléfono",
        "tfno.": "teléfono",
        "Tel.": "teléfono",
        "Tfno.": "teléfono",
        "dpto.": "departamento",
        "izq.": "izquierda",
        "dcha.": "derecha",
        "núm.": "número",
        "ref.": "referencia",
        "vs.": "contra",
        "vs": "contra",
        "pp": "por persona",
        "q": "que",
        "xq": "porque",
        "tb": "también",
        "finde": "finde",
        "WhatsApp": "wásap",
        "WiFi": "wifi",
        "WIFI": "wifi",
        "Wifi": "wifi",
        "IVA": "iva",
        "UE": "Unión Europea",
        "EE.UU.": "Estados Unidos",
        "EE.UU": "Estados Unidos",
        "EEUU": "Estados Unidos",
        "S.A.": "ese a",
        "S.L.": "ese ele",
        "w/": "con",
        "w/o": "sin",
    }
)

_MONTH_SHORT = ("ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic")
_WEEKDAY_SHORT = ("lun", "mar", "mié", "jue", "vie", "sáb", "dom")
_FRACTIONS = {2: ("medio", "medios"), 3: ("tercio", "tercios"), 4: ("cuarto", "cuartos")}
_MARKS = frozenset({5, 10, 100})
_TENS_ORDINAL = ("", "décimo", "vigésimo", "trigésimo", "cuadragésimo", "quincuagésimo", "sexagésimo",
                 "septuagésimo", "octogésimo", "nonagésimo")  # fmt: skip
_ONES_ORDINAL = (
    "",
    "primero",
    "segundo",
    "tercero",
    "cuarto",
    "quinto",
    "sexto",
    "séptimo",
    "octavo",
    "noveno",
)
SHORT_WORDS = word_set("al de el en es ha la le lo me mi no os se si su te tu ti un va ve ya yo")
"""Words of two letters that are not spelled when they are in capitals."""
VOWELS = frozenset("aeiouáéíóúü")
PRONOUNCEABLE = regex.compile(
    r"(?:sp|[bcdfgpt]?[lr]|ch|[bcdfghjklmnñpqrstvwxyz])?[aeiouáéíóúü]{1,2}"
    r"(?:(?:[bcdfgp][lr]|ch|ll|rr|n[dtc]|[bcdfghjklmnñpqrstvwxyz])[aeiouáéíóúü]{1,2})*[nslrdzxmtpbgck]?s?"
)
"""Words in capitals that Spanish can say as a word: IVA and VIP, but not DNI or GPS."""


class SpanishVerbaliser:
    """Spanish (Spain) words for what is written with digits and symbols."""

    locale = "es-ES"
    day_first = True
    decimal_mark = ","
    hashtag = "hashtag"
    per = "por"
    spoken_labels = frozenset({"es", "co", "me", "tu", "mi", "la", "el"})
    month_forms: Mapping[int, tuple[str, ...]] = MappingProxyType(
        {n + 1: (MONTHS[n], _MONTH_SHORT[n]) for n in range(12)}
        | {9: ("septiembre", "setiembre", "sept", "sep")}
    )
    weekday_forms: Mapping[int, tuple[str, ...]] = MappingProxyType(
        {n: (WEEKDAYS[n], _WEEKDAY_SHORT[n]) for n in range(7)}
    )
    unit_forms: Mapping[str, tuple[str, ...]] = MappingProxyType({"h": ("hs", "hrs"), "s": ("seg", "segs")})
    currency_forms: Mapping[str, tuple[str, ...]] = MappingProxyType(
        {"EUR": ("euros", "euro", "eur", "Euros"), "USD": ("dólares",), "GBP": ("libras",)}
    )
    magnitude_forms: Mapping[str, int] = MappingProxyType(
        {
            "mil": 10**3,
            "millón": 10**6,
            "millones": 10**6,
            "millón de": 10**6,
            "millones de": 10**6,
            "mill.": 10**6,
        }
    )

    def number(self, value: Decimal) -> str:
        """Say a number in the masculine, as in counting."""
        if value < 0:
            return f"menos {self.number(-value)}"
        whole, _, fraction = f"{value:f}".partition(".")
        said = cardinal(int(whole))
        fraction = fraction.rstrip("0") if len(fraction) > 2 else fraction
        if not fraction.strip("0"):
            return said
        zeros = len(fraction) - len(fraction.lstrip("0"))
        rest = fraction[zeros:]
        tail = cardinal(int(rest)) if len(rest) < 3 else self.digits(rest)
        return " ".join([said, "coma", *["cero"] * zeros, tail])

    def ordinal(self, value: int) -> str:
        """Say 2.º as segundo; over 99, the cardinal, as Spanish speakers do."""
        if not 0 < value < 100:
            return cardinal(value)
        tens, ones = divmod(value, 10)
        if tens == 1 and ones:
            return ("undécimo", "duodécimo")[ones - 1] if ones < 3 else f"decimo{_ONES_ORDINAL[ones]}"
        return " ".join(part for part in (_TENS_ORDINAL[tens], _ONES_ORDINAL[ones]) if part)

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
        """Say 3/4 as tres cuartos and 9/10 as a mark."""
        if below in _MARKS and above <= below:
            return f"{self.number(above)} de {self.number(below)}"
        if above != int(above) or above >= below or int(below) not in _FRACTIONS:
            return f"{self.number(above)} {self.number(below)}"
        one, many = _FRACTIONS[int(below)]
        return (one if below == 2 else f"un {one}") if above == 1 else f"{self.number(above)} {many}"

    def money(self, amount: Decimal, currency: str) -> str:
        """Say 79,50 € as setenta y nueve euros con cincuenta céntimos."""
        one, many, cent, cents = CURRENCIES[currency]
        if amount < 0:
            return f"menos {self.money(-amount, currency)}"
        hundredths = amount * 100 % 100
        millions = amount / 10**6
        if millions >= 1 and millions * 100 % 1 == 0:
            million = "un millón" if millions == 1 else f"{self.number(millions)} millones"
            return f"{million} de {many}"
        if hundredths != int(hundredths):
            return f"{self.number(amount)} {many}"
        whole, rest = int(amount), int(hundredths)
        said = f"{counted(whole, one)} {one if whole == 1 else many}"
        if not rest:
            return said
        small = f"{counted(rest, cent)} {cent if rest == 1 else cents}"
        return f"{said} con {small}" if whole else small

    def percent(self, value: Decimal) -> str:
        """Say 20% as veinte por ciento."""
        return f"{self.number(value)} por ciento"

    def date(self, date: Date) -> str:
        """Say 3/4/2026 as tres de abril de dos mil veintiséis."""
        weekday = "" if date.weekday is None else WEEKDAYS[date.weekday]
        day = "" if date.day is None else cardinal(date.day)
        month = "" if date.month is None else MONTHS[date.month - 1]
        year = "" if date.year is None else cardinal(date.year)
        said = " de ".join(part for part in (day, month, year) if part)
        return " ".join(part for part in (weekday, said) if part)

    def time(self, time: Time) -> str:
        """Say 19:30 as diecinueve treinta, and 7:30 pm as siete y media de la tarde."""
        if time.twelve:
            return self._twelve_hours(time)
        said = feminine(cardinal(time.hour))
        if time.minute:
            zero = "cero " if time.minute < 10 else ""
            said += f" {zero}{cardinal(time.minute)}"
        elif time.hour != 1:
            said += " horas"
        return f"{said} y {cardinal(time.second)} segundos" if time.second else said

    def measure(self, amount: Decimal, unit: str) -> str:
        """Say 1,5 km as uno coma cinco kilómetros."""
        one, many = UNIT_WORDS[unit]
        if amount == int(amount):
            sign = "menos " if amount < 0 else ""
            return f"{sign}{counted(abs(int(amount)), one)} {one if abs(amount) == 1 else many}"
        return f"{self.number(amount)} {many}"

    def span(self, first: str, second: str) -> str:
        """Say 10-15 as diez a quince."""
        return f"{first} a {second}"

    def letters(self, letters: str) -> str:
        """Spell letters by their Spanish names."""
        return " ".join(LETTERS.get(letter, letter) for letter in letters.upper())

    def symbol(self, symbol: str) -> str:
        """Say a symbol, or nothing."""
        return SYMBOLS.get(symbol, "")

    def abbreviation(self, written: str) -> str | None:
        """Return the words of an abbreviation."""
        return ABBREVIATIONS.get(written)

    def capitals(self, word: str, shouted: bool) -> str:
        """Say a word in capitals: as a word where Spanish could pronounce it, else letter by letter."""
        lower = word.lower()
        if len(lower) == 2:
            return lower if lower in SHORT_WORDS else self.letters(word)
        shout = shouted and len(lower) > 3 and not VOWELS.isdisjoint(lower)
        return lower if len(lower) > 4 or shout or PRONOUNCEABLE.fullmatch(lower) else self.letters(word)

    def _twelve_hours(self, time: Time) -> str:
        hour = time.hour % 12 or 12
        minutes = {0: "", 15: "y cuarto", 30: "y media"}.get(time.minute, f"y {cardinal(time.minute)}")
        part = "de la madrugada" if time.hour < 6 else "de la mañana" if time.hour < 12 else "del mediodía"
        if time.hour > 12:
            part = "de la tarde" if time.hour < 21 else "de la noche"
        return " ".join(piece for piece in (feminine(cardinal(hour)), minutes, part) if piece)
