"""Spanish names of months, weekdays, currencies and units, and how Spanish writes them."""

from collections.abc import Mapping
from types import MappingProxyType

from tts_app.language.currencies import CODES, CODES_THAT_ARE_WORDS

MONTHS = (
    *("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre"),
    *("octubre", "noviembre", "diciembre"),
)
WEEKDAYS = ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo")
_MONTH_SHORT = ("ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic")
MONTH_FORMS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {number + 1: (MONTHS[number], _MONTH_SHORT[number]) for number in range(12)}
    | {9: ("septiembre", "setiembre", "sept", "sep")}
)
WEEKDAY_FORMS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        0: ("lunes", "lun"),
        1: ("martes", "mart"),
        2: ("miércoles", "miér", "mié", "mierc"),
        3: ("jueves", "juev", "jue"),
        4: ("viernes", "vier", "vie"),
        5: ("sábado", "sáb"),
        6: ("domingo", "dom"),
    }
)

CURRENCIES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "USD": ("dólar", "dólares"),
        "GBP": ("libra", "libras"),
        "EUR": ("euro", "euros"),
        "AUD": ("dólar australiano", "dólares australianos"),
        "INR": ("rupia", "rupias"),
        "PKR": ("rupia pakistaní", "rupias pakistaníes"),
        "SAR": ("rial saudí", "riales saudíes"),
        "EGP": ("libra egipcia", "libras egipcias"),
        "AED": ("dírham", "dírhams"),
        "JPY": ("yen", "yenes"),
        "CNY": ("yuan", "yuanes"),
        "KRW": ("won", "wones"),
        "CRC": ("colón", "colones"),
        "NIO": ("córdoba", "córdobas"),
        "HNL": ("lempira", "lempiras"),
        "GTQ": ("quetzal", "quetzales"),
        "PAB": ("balboa", "balboas"),
        "PYG": ("guaraní", "guaraníes"),
        "PEN": ("sol", "soles"),
        "BOB": ("boliviano", "bolivianos"),
        "VES": ("bolívar", "bolívares"),
        "ESP": ("peseta", "pesetas"),
        "THB": ("bat", "bats"),
        "RUB": ("rublo", "rublos"),
        "PLN": ("esloti", "eslotis"),
        "CZK": ("corona checa", "coronas checas"),
        "MAD": ("dírham marroquí", "dírhams marroquíes"),
        "HKD": ("dólar de Hong Kong", "dólares de Hong Kong"),
        "ILS": ("séquel", "séqueles"),
        "BTC": ("bitcoin", "bitcoines"),
    }
)
"""Names other than CLDR's (`currency_name`): shorter where only one country can be meant."""

_CENT = ("centavo", "centavos")
_CENTIMO = ("céntimo", "céntimos")
SMALL_CURRENCIES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "EUR": _CENTIMO,
        "ESP": _CENTIMO,
        "CRC": _CENTIMO,
        "PEN": _CENTIMO,
        "VES": _CENTIMO,
        "PYG": _CENTIMO,
        "CHF": _CENTIMO,
        "MAD": _CENTIMO,
        "PAB": ("centésimo", "centésimos"),
        "UYU": ("centésimo", "centésimos"),
        "GBP": ("penique", "peniques"),
        "INR": ("paisa", "paisas"),
        "PKR": ("paisa", "paisas"),
        "SAR": ("halala", "halalas"),
        "EGP": ("piastra", "piastras"),
        "AED": ("fils", "fils"),
        "SEK": ("öre", "öre"),
        "NOK": ("øre", "øre"),
        "DKK": ("øre", "øre"),
        "RUB": ("kopek", "kopeks"),
        "PLN": ("grosz", "grosz"),
        "BRL": _CENT,
        "ILS": ("agora", "agoras"),
        "TRY": ("kuruş", "kuruş"),
        "KWD": ("fils", "fils"),
        "BHD": ("fils", "fils"),
        "JOD": ("fils", "fils"),
    }
)
"""Names of the small unit; that of any other currency is centavo."""
CENTAVO = _CENT
_CODES_THAT_ARE_WORDS = CODES_THAT_ARE_WORDS | {"AMD", "CAD", "PHP", "STD"}
"""Codes that in small letters are rather other words: php 8."""
_SIGNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "EUR": ("euros", "euro", "Euros"),
        "USD": ("dólares", "us$", "u$s", "U$S"),
        "GBP": ("libras",),
        "ESP": ("₧", "ptas.", "ptas", "Pta.", "Ptas."),
        "PYG": ("Gs.",),
        "VES": ("Bs.S", "Bs.D"),
        "MXN": ("MXN$",),
        "ARS": ("AR$",),
        "CLP": ("CLP$",),
        "COP": ("COL$",),
        "PAB": ("B/.", "B/"),
        "DOP": ("RD$",),
        "UYU": ("$U",),
    }
)
CURRENCY_FORMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {code: (code.lower(),) for code in sorted(CODES - _CODES_THAT_ARE_WORDS)}
    | {code: (*signs, code.lower()) for code, signs in _SIGNS.items()}
)
"""How Spanish texts write currencies, in addition to the codes and signs of all languages."""
UNIT_FORMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "h": ("hs", "hrs"),
        "s": ("s", "seg", "segs"),
        "min": ("mins",),
        "celsius": ("° c", "°c", "ºc", "º c"),
        "fahrenheit": ("° f", "ºf"),
        "m2": ("mts2", "mt2"),
        "pb": ("pb",),
        "rpm": ("rpm", "RPM", "r. p. m."),
        "mps2": ("m/s^2", "m/s2"),
        "dm": ("dm",),
        "m": ("mts", "mt"),
        "kg": ("kgr", "kgrs"),
        "t": ("t", "Tm"),
        "g": ("grs",),
        "l": ("lts", "lt"),
    }
)

UNIT_WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "mm": ("milímetro", "milímetros"),
        "dm": ("decímetro", "decímetros"),
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
        "kg": ("kilogramo", "kilogramos"),
        "t": ("tonelada", "toneladas"),
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
        "pb": ("punto básico", "puntos básicos"),
        "rpm": ("revolución por minuto", "revoluciones por minuto"),
        "mps2": ("metro por segundo al cuadrado", "metros por segundo al cuadrado"),
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
