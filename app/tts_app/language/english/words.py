"""How English says numbers, money, dates, times, units and abbreviations."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType

from num2words import num2words

from tts_app.language.base import Date, Time
from tts_app.language.currencies import currency_name, minor_digits
from tts_app.language.text import word_set
from tts_app.language.units import unit_name

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

CURRENCIES: Mapping[str, tuple[str, str, str, str]] = MappingProxyType(
    {
        "USD": ("US dollar", "US dollars", "cent", "cents"),
        "GBP": ("pound", "pounds", "penny", "pence"),
        "AUD": ("Australian dollar", "Australian dollars", "cent", "cents"),
        "EUR": ("euro", "euros", "cent", "cents"),
        "CAD": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
        "NZD": ("New Zealand dollar", "New Zealand dollars", "cent", "cents"),
        "SGD": ("Singapore dollar", "Singapore dollars", "cent", "cents"),
        "HKD": ("Hong Kong dollar", "Hong Kong dollars", "cent", "cents"),
        "CHF": ("Swiss franc", "Swiss francs", "centime", "centimes"),
        "MXN": ("Mexican peso", "Mexican pesos", "centavo", "centavos"),
        "BRL": ("Brazilian real", "Brazilian reais", "centavo", "centavos"),
        "ZAR": ("South African rand", "South African rand", "cent", "cents"),
        "KWD": ("Kuwaiti dinar", "Kuwaiti dinars", "fils", "fils"),
        "BHD": ("Bahraini dinar", "Bahraini dinars", "fils", "fils"),
        "OMR": ("Omani rial", "Omani rials", "baisa", "baisas"),
        "QAR": ("Qatari riyal", "Qatari riyals", "dirham", "dirhams"),
        "JPY": ("yen", "yen", "", ""),
        "CNY": ("yuan", "yuan", "fen", "fen"),
        "KRW": ("won", "won", "", ""),
        "RUB": ("rouble", "roubles", "kopeck", "kopecks"),
        "ILS": ("shekel", "shekels", "agora", "agorot"),
        "THB": ("baht", "baht", "satang", "satang"),
        "INR": ("rupee", "rupees", "paisa", "paise"),
        "PKR": ("rupee", "rupees", "paisa", "paise"),
        "SAR": ("Saudi riyal", "Saudi riyals", "halala", "halalas"),
        "EGP": ("Egyptian pound", "Egyptian pounds", "piastre", "piastres"),
        "AED": ("dirham", "dirhams", "fils", "fils"),
    }
)
"""Names of one, of many, and of one and many of its small unit; others have CLDR's names."""

HOME_DOLLARS = MappingProxyType({"en-US": "USD", "en-GB": "USD", "en-AU": "AUD"})

UNIT_WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "mm": ("millimetre", "millimetres"),
        "cm": ("centimetre", "centimetres"),
        "m": ("metre", "metres"),
        "km": ("kilometre", "kilometres"),
        "inch": ("inch", "inches"),
        "ft": ("foot", "feet"),
        "yd": ("yard", "yards"),
        "mi": ("mile", "miles"),
        "m2": ("square metre", "square metres"),
        "km2": ("square kilometre", "square kilometres"),
        "ft2": ("square foot", "square feet"),
        "m3": ("cubic metre", "cubic metres"),
        "ha": ("hectare", "hectares"),
        "ml": ("millilitre", "millilitres"),
        "cl": ("centilitre", "centilitres"),
        "l": ("litre", "litres"),
        "gal": ("gallon", "gallons"),
        "mg": ("milligram", "milligrams"),
        "g": ("gram", "grams"),
        "kg": ("kilogram", "kilograms"),
        "lb": ("pound", "pounds"),
        "oz": ("ounce", "ounces"),
        "s": ("second", "seconds"),
        "min": ("minute", "minutes"),
        "h": ("hour", "hours"),
        "week": ("week", "weeks"),
        "year": ("year", "years"),
        "celsius": ("degree Celsius", "degrees Celsius"),
        "fahrenheit": ("degree Fahrenheit", "degrees Fahrenheit"),
        "degree": ("degree", "degrees"),
        "kmh": ("kilometre per hour", "kilometres per hour"),
        "mph": ("mile per hour", "miles per hour"),
        "mps": ("metre per second", "metres per second"),
        "kb": ("kilobyte", "kilobytes"),
        "mb": ("megabyte", "megabytes"),
        "gb": ("gigabyte", "gigabytes"),
        "tb": ("terabyte", "terabytes"),
        "mbps": ("megabit per second", "megabits per second"),
        "gbps": ("gigabit per second", "gigabits per second"),
        "w": ("watt", "watts"),
        "kw": ("kilowatt", "kilowatts"),
        "kwh": ("kilowatt hour", "kilowatt hours"),
        "mah": ("milliamp hour", "milliamp hours"),
        "v": ("volt", "volts"),
        "hz": ("hertz", "hertz"),
        "mhz": ("megahertz", "megahertz"),
        "ghz": ("gigahertz", "gigahertz"),
        "kcal": ("kilocalorie", "kilocalories"),
        "mp": ("megapixel", "megapixels"),
        "psi": ("pound per square inch", "pounds per square inch"),
        "star": ("star", "star"),
        "times": ("times", "times"),
    }
)

SYMBOLS = MappingProxyType(
    {
        "&": "and",
        "+": "plus",
        "@": "at",
        "#": "number",
        "=": "equals",
        "/": "slash",
        "%": "percent",
        "‰": "per mille",
        "≠": "is not equal to",
        "≈": "approximately",
        "≅": "is congruent to",
        "≡": "is identical to",
        "<": "less than",
        ">": "greater than",
        "≤": "less than or equal to",
        "≥": "greater than or equal to",
        "±": "plus or minus",
        "∓": "minus or plus",
        "÷": "divided by",
        "·": "times",
        "−": "minus",
        "∞": "infinity",
        "∑": "the sum of",
        "∏": "the product of",
        "∫": "the integral of",
        "∂": "partial",
        "∆": "delta",
        "∈": "is in",
        "∉": "is not in",
        "⊂": "is a subset of",
        "∪": "union",
        "∩": "intersection",
        "∀": "for all",
        "∃": "there exists",
        "⇒": "implies",
        "′": "prime",
        "″": "double prime",
        "§": "section",
        "¶": "paragraph",
        "$": "dollar",
        "€": "euro",
        "£": "pound",
        **{"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "Δ": "delta", "θ": "theta", "λ": "lambda"},
        **{
            "µ": "mu",
            "μ": "mu",
            "π": "pi",
            "σ": "sigma",
            "Σ": "sigma",
            "φ": "phi",
            "ω": "omega",
            "Ω": "omega",
        },
        "^": "",
        ".": "dot",
        "_": "underscore",
        "-": "dash",
        "×": "by",
        "~": "about",
        "°": "degrees",
        "❤": "love",
    }
)

ABBREVIATIONS = MappingProxyType(
    {
        "24/7": "twenty-four seven",
        "24x7": "twenty-four seven",
        "24/7/365": "twenty-four seven, three sixty-five",
        "9/11": "nine eleven",
        "and/or": "and or",
        "And/or": "And or",
        "AND/OR": "and or",
        "w/": "with",
        "w/o": "without",
        "c/o": "care of",
        "b/c": "because",
        "n/a": "not applicable",
        "A/C": "A C",
        "WW": "World War",
        "WWI": "World War one",
        "WWII": "World War two",
        "N/A": "not applicable",
        "Dr.": "Doctor",
        "Mr.": "Mister",
        "Mrs.": "Missus",
        "Ms.": "Miz",
        "Prof.": "Professor",
        "Mr": "Mister",
        "Mrs": "Missus",
        "Ms": "Miz",
        "Dr": "Doctor",
        "St.": "Street",
        "Ave.": "Avenue",
        "Rd.": "Road",
        "Blvd.": "Boulevard",
        "Blvd": "Boulevard",
        "Mt.": "Mount",
        "Ft.": "Fort",
        "Jr.": "Junior",
        "Sr.": "Senior",
        "Inc.": "Incorporated",
        "Ltd.": "Limited",
        "Ltd": "Limited",
        "Co.": "Company",
        "Corp.": "Corporation",
        "Dept.": "Department",
        "Bros.": "Brothers",
        "Govt.": "Government",
        "Hon.": "Honourable",
        "vs.": "versus",
        "vs": "versus",
        "etc.": "et cetera",
        "etc": "et cetera",
        "e.g.": "for example",
        "e.g": "for example",
        "eg.": "for example",
        "i.e.": "that is",
        "i.e": "that is",
        "ie.": "that is",
        "approx.": "approximately",
        "approx": "approximately",
        "appt.": "appointment",
        "appt": "appointment",
        "apt.": "apartment",
        "Apt.": "Apartment",
        "bldg.": "building",
        "est.": "established",
        "Est.": "Established",
        "excl.": "excluding",
        "incl.": "including",
        "incl": "including",
        "excl": "excluding",
        "ext.": "extension",
        "Ext.": "Extension",
        "fl.": "floor",
        "govt": "government",
        "hr": "hour",
        "hrs": "hours",
        "min.": "minimum",
        "Min.": "Minimum",
        "max.": "maximum",
        "Max.": "Maximum",
        "mins": "minutes",
        "misc.": "miscellaneous",
        "mo": "month",
        "no.": "number",
        "nr.": "near",
        "opp.": "opposite",
        "pax": "people",
        "pcs": "pieces",
        "pc.": "piece",
        "pls": "please",
        "plz": "please",
        "pp": "per person",
        "ppl": "people",
        "ppn": "per person per night",
        "pppn": "per person per night",
        "qty": "quantity",
        "ref.": "reference",
        "Ref.": "Reference",
        "res.": "reservation",
        "rsvp": "R S V P",
        "sq.": "square",
        "tel.": "telephone",
        "Tel.": "Telephone",
        "tel": "telephone",
        "Tel": "Telephone",
        "temp.": "temperature",
        "thx": "thanks",
        "tmrw": "tomorrow",
        "tkts": "tickets",
        "u": "you",
        "ur": "your",
        "vol.": "volume",
        "wk": "week",
        "wknd": "weekend",
        "yr": "year",
        "yrs": "years",
        "Jan.": "January",
        "Feb.": "February",
        "Mar.": "March",
        "Apr.": "April",
        "Jun.": "June",
        "Jul.": "July",
        "Aug.": "August",
        "Sep.": "September",
        "Sept.": "September",
        "Oct.": "October",
        "Nov.": "November",
        "Dec.": "December",
        "Mon.": "Monday",
        "Tue.": "Tuesday",
        "Tues.": "Tuesday",
        "Wed.": "Wednesday",
        "Thu.": "Thursday",
        "Thurs.": "Thursday",
        "Fri.": "Friday",
        "Sat.": "Saturday",
        "Sun.": "Sunday",
        "WiFi": "wifi",
        "Wifi": "wifi",
        "kms": "kilometres",
        "kr": "kroner",
        "a.m.": "A M",
        "p.m.": "P M",
        "a.m": "A M",
        "p.m": "P M",
        "lb": "pound",
        "lbs": "pounds",
        "oz": "ounce",
        "kr.": "kroner",
        "4x4": "four by four",
    }
)

_ROMAN_LETTERS = (
    *((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL")),
    *((10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")),
)

DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_OH = "oh"
_FACTORED = 100
"""Its multiples have noughts after the point only from a scale: 2.5k is 2500.0."""
_FRACTIONS = {2: ("half", "halves"), 4: ("quarter", "quarters")}
_LARGEST_PART = 20
"""The largest denominator of fractions over one that have a name: 120/80 is a pressure."""
_ARTICLED = frozenset({2, 3, 4, 5, 8})
"""Parts that are said with an article after a whole number: two and a half."""
_FREE = frozenset({"800", "300", "500", "900", "1300", "1800", "0800"})
"""Groups of free and shared-cost numbers, which are said as hundreds."""
_ARTICLES = frozenset({"the", "our", "their", "his", "her"})
_COUNTED_PARTS = word_set(
    "ch sec art pt no war chapter part act scene volume vol book section appendix phase type class level "
    "stage article "
    "title figure fig table unit grade episode season bowl mark rocky apollo tier annex step category "
    "division group module lesson exhibit schedule page fantasy saturn titan"
)
"""Words after which a Roman numeral is a cardinal number."""
_RULERS = word_set(
    "henry george edward elizabeth charles james william richard louis philip philippe francis napoleon "
    "alexander peter catherine ferdinand alfonso pius benedict leo clement innocent gregory paul ramses "
    "thutmose ptolemy mehmed murad selim frederick wilhelm nicholas ivan christian gustav carl haakon "
    "harald juan felipe victoria mary john umberto leopold albert baudouin king queen pope"
)
"""Names after which even a single letter is a numeral: Elizabeth I."""


YEAR_WORDS = word_set(
    "born died founded built established opened est written rebuilt anno ad bc "
    "in since of year circa early late mid around by until till before after from between spring summer "
    "autumn winter fall january february march april may june july august september october november december"
)
"""Words before a year."""
OPENERS = word_set(
    "the a an this that these those it its he she we they you i there then here our your my his her their "
    "if when while after before once so but and or as at in on for from to with by please let what where who "
    "how why which no not now today tomorrow all some many most each every both also however yes call ask "
    "book come see visit get do does is are was were can will would should may"
)
"""Words that often start a sentence."""
LOWER_MONTHS = MappingProxyType(
    {
        **{1: ("january", "jan"), 2: ("february", "feb"), 4: ("april", "apr"), 6: ("june", "jun")},
        **{7: ("july", "jul"), 8: ("august", "aug"), 9: ("september", "sept", "sep")},
        **{10: ("october", "oct"), 11: ("november", "nov"), 12: ("december", "dec")},
    }
)
"""Months in small letters, except march and may, which are words too."""
CENT_FORMS = MappingProxyType({"en-US": {}, "en-GB": {"p": "GBP"}, "en-AU": {"c": "AUD"}})
"""Letters after an amount that mean hundredths: 50p in Britain."""
PLACES = word_set(
    "room rooms suite villa apartment apt flat unit seat seats row gate terminal door floor level block "
    "building bldg house lot table desk locker platform bay berth cabin studio penthouse number no "
    "stand pitch site exit route bus tram line form hall zone section aisle shelf ward class grade "
    "plan option vitamin type group part exhibit appendix hepatitis team model version phase step choice "
    "question answer column figure chapter scene act track lane dock pier hangar lift stairwell"
)
"""Words before the number of a place, whose letter is a letter: room 10K."""
WORDS_NOT_COUNTED = word_set(
    "and are for from has have had can may must will was were with who the that this now too not but when "
    "where which while into onto near next then than today tonight before after until till today please "
    "does did should would could"
)
"""Words that follow a number without being counted by it: seat 10K was free."""


class EnglishVerbaliser:
    """English words for what is written with digits and symbols; en-US says no `and` in 1,250."""

    hashtag = "hashtag"
    per = "per"
    dial_words = ("call", "dial", "ring", "phone", "telephone", "tel", "mobile", "text", "whatsapp", "fax")
    date_words = frozenset({"on", "by", "until", "till", "from", "since", "before", "after", "due", "dated"})
    of_words = ("of",)
    scale_words = MappingProxyType(
        {10**3: "thousand", 10**6: "million", 10**9: "billion", 10**12: "trillion"}
    )
    rate_words = ("a", "an", "per", "each")
    never_last = frozenset(
        {"vs.", "e.g.", "i.e.", "Mr.", "Mrs.", "Ms.", "Dr.", "Mt.", "Ft.", "approx.", "incl."}
    )
    year_words = YEAR_WORDS
    openers = OPENERS
    month_forms = LOWER_MONTHS
    opening_words = frozenset({"open", "daily", "hours", "from", "weekdays", "weekends"})
    uncounted_words = WORDS_NOT_COUNTED
    digit_words = frozenset(
        {
            "room",
            "suite",
            "villa",
            "box",
            "no",
            "number",
            "order",
            "invoice",
            "booking",
            "account",
            "code",
            "pin",
            "flight",
            "gate",
            "extension",
            "unit",
            "apartment",
        }
    )
    place_words = PLACES

    def __init__(self, locale: str, capitals: Callable[[str, bool], str]) -> None:
        """Make the verbaliser of `locale`; `capitals` says words in capitals, see `semiotics`."""
        self.locale = locale
        self.day_first = locale != "en-US"
        self.decimal_mark = "."
        self.home_currency = HOME_DOLLARS[locale]
        self.cent_forms = CENT_FORMS[locale]
        self.capitals = capitals
        self._american = locale == "en-US"

    def number(self, value: Decimal) -> str:
        """Say a number; millions and more with a short fraction as such: 1.2 million."""
        if value < 0:
            return f"minus {self.number(-value)}"
        for factor, name in ((10**12, "trillion"), (10**9, "billion"), (10**6, "million")):
            scaled = value / factor
            if value >= factor and scaled != int(scaled) and scaled == scaled.quantize(Decimal("0.01")):
                return f"{self._decimal(scaled)} {name}"
        return self._decimal(value)

    def ordinal(self, value: int) -> str:
        """Say 21st as twenty-first."""
        return self._words(value, "ordinal")

    def digits(self, digits: str) -> str:
        """Say digits one by one."""
        return " ".join(DIGIT_NAMES[int(digit)] for digit in digits)

    def year(self, value: int) -> str:
        """Say 1995 as nineteen ninety-five."""
        if 2000 <= value < 2010 or not 1000 < value < 2100:
            return self._words(value)
        hundreds, rest = divmod(value, 100)
        if rest == 0:
            return f"{self._words(hundreds)} hundred"
        return f"{self._words(hundreds)} {f'{_OH} ' if rest < 10 else ''}{self._words(rest)}"

    def decade(self, value: int) -> str:
        """Say 1990s as nineteen nineties, and 90s as nineties."""
        tens = value % 100
        plural = "hundreds" if value > 99 and tens == 0 else self._words(tens).replace("ty", "ties")
        if tens == 10:
            plural = "tens"
        if value < 100:
            return plural
        if value == 2000:
            return "two thousands"
        return f"{self._words(value // 100)} {plural}"

    def fraction(self, above: Decimal, below: Decimal) -> str:
        """Say 3/4 as three quarters, 9/10 and 4.5/5 as marks, others number by number."""
        if above == below:
            return f"{self.number(above)} {self.number(below)}"
        if above != int(above) or below < 2 or (above > below > _LARGEST_PART):
            return f"{self.number(above)} over {self.number(below)}"
        one, many = _FRACTIONS.get(int(below), (self.ordinal(int(below)), f"{self.ordinal(int(below))}s"))
        return f"{'one' if above == 1 else self.number(above)} {one if above == 1 else many}"

    def rating(self, score: Decimal, of: Decimal) -> str:
        """Say 9/10 as nine out of ten."""
        return f"{self.number(score)} out of {self.number(of)}"

    def mixed(self, whole: int, above: int, below: int, unit: str) -> str:
        """Say 2 1/2 as two and a half."""
        part = self.fraction(Decimal(above), Decimal(below))
        part = f"a {part.removeprefix('one ')}" if above == 1 and below in _ARTICLED else part
        said = f"{self._words(whole)} and {part}"
        return f"{said} {self._unit(unit, Decimal(2))}" if unit else said

    def power(self, base: str, exponent: str, value: Decimal | None) -> str:
        """Say 10² as ten squared, and 10^-6 as ten to the power of minus six."""
        name = {2: "squared", 3: "cubed"}.get(int(value)) if value is not None else None
        return f"{base} {name}" if name else f"{base} to the power of {exponent}"

    def root(self, of: str, degree: int) -> str:
        """Say √2 as the square root of two."""
        name = {2: "square", 3: "cube"}.get(degree) or self.ordinal(degree)
        return f"the {name} root of {of}"

    def lettered(self, number: str, letters: str) -> str:
        """Say 221B as two twenty-one B."""
        return f"{self.house_number(number)} {self.letters(letters)}"

    def house_number(self, digits: str) -> str:
        """Say the number of a house or room: 221 as two twenty-one, 1428 as fourteen twenty-eight."""
        if len(digits) < 3 or digits[0] == "0":
            return self.digits(digits) if digits[0] == "0" else self._words(int(digits))
        if len(digits) > 4:
            return self.digits(digits)
        hundreds, rest = int(digits[:-2]), int(digits[-2:])
        if not rest:
            return self._words(int(digits)) if hundreds % 10 == 0 else f"{self._words(hundreds)} hundred"
        return f"{self._words(hundreds)} {f'{_OH} ' if rest < 10 else ''}{self._words(rest)}"

    def roman(self, value: int, before: str) -> str | None:
        """Say the II of World War II as two, and the VIII of Henry VIII as the eighth."""
        word = before.lower()
        numeral = _roman(value)
        if len(numeral) == 1 and value >= 50:  # Appendix C, Part D
            return None
        if word in _COUNTED_PARTS:
            return self._words(value)
        if word in _ARTICLES:
            return self.ordinal(value) if len(numeral) > 1 and set(numeral) <= set("IVX") else None
        named = before[0].isupper() and before[1:].islower() and len(before) > 2
        if word in _RULERS or (named and len(numeral) > 1 and set(numeral) <= set("IVX")):
            return f"the {self.ordinal(value)}"
        return None

    def telephone(self, groups: list[str], international: bool) -> str:
        """Say the digits of a phone number one by one, and 800 and 1300 as hundreds."""
        said = [self._dialled(group, place) for place, group in enumerate(groups)]
        return f"{'plus ' if international else ''}{', '.join(said)}"

    def _dialled(self, group: str, place: int) -> str:
        if group in _FREE and place < 2:
            return f"{'one ' if len(group) > 3 else ''}{DIGIT_NAMES[int(group[-3])]} hundred"
        cuts = range(0, max(len(group) - 5 + 2, 1), 3) if len(group) > 5 else range(1)
        parts = [*(group[at : at + 3] for at in cuts[:-1]), group[cuts[-1] :]]
        return ", ".join(self.digits(part) for part in parts)

    def money(self, amount: Decimal, currency: str) -> str:
        """Say 1,299.50 USD as so many dollars and so many cents."""
        if amount < 0:
            return f"minus {self.money(-amount, currency)}"
        digits = minor_digits(currency)
        small = amount.scaleb(digits) % 10**digits
        one, many = self._names(currency, amount)
        cent, cents = CURRENCIES[currency][2:] if currency in CURRENCIES else ("", "")
        if amount >= 10**6 or small != int(small) or (small and not cent):
            return f"{self.number(amount)} {many}"
        whole, rest = int(amount), int(small)
        said = f"{self._words(whole)} {one if whole == 1 else many}"
        if not rest:
            return said
        small = f"{self._words(rest)} {cent if rest == 1 else cents}"
        return f"{said} and {small}" if whole else small

    def money_span(self, low: Decimal, high: Decimal, factor: str, currency: str) -> str:
        """Say $3-5 million as three to five million dollars."""
        if not factor and (low != int(low) or high != int(high)):
            return f"{self.money(low, currency)} to {self.money(high, currency)}"
        scale = f" {factor}" if factor else ""
        low, high = (amount.normalize() if amount % 1 == 0 else amount for amount in (low, high))
        return f"{self.number(low)} to {self.number(high)}{scale} {self._names(currency, high)[1]}"

    def _names(self, currency: str, amount: Decimal) -> tuple[str, str]:
        """Return the names of one and of many of a currency."""
        if currency == self.home_currency:
            return "dollar", "dollars"
        if currency in CURRENCIES:
            return CURRENCIES[currency][:2]
        return currency_name(self.locale, currency, Decimal(1)), currency_name(self.locale, currency, amount)

    def percent(self, value: Decimal) -> str:
        """Say 20% as twenty percent."""
        return f"{self.number(value)} percent"

    def date(self, date: Date) -> str:
        """Say a date in the order of the locale."""
        weekday = "" if date.weekday is None else WEEKDAYS[date.weekday]
        month = "" if date.month is None else MONTHS[date.month - 1]
        day = "" if date.day is None else self.ordinal(date.day)
        if day and month:
            american = self._american and not date.day_first
            said = f"{month} {day}" if american else f"the {day} of {month}"
        else:
            said = f"the {day}" if day else month
        parts = [
            weekday,
            said if not weekday or not said else f", {said}",
            self.year(date.year) if date.year else "",
        ]
        return " ".join(part for part in parts if part)

    def time(self, time: Time) -> str:
        """Say 7:30 pm as seven thirty P M, and 19:30 as nineteen thirty."""
        hour = (time.hour % 12 or 12) if time.twelve else time.hour
        minute = f"{_OH} {self._words(time.minute)}" if 0 < time.minute < 10 else self._words(time.minute)
        if time.second is not None and not time.twelve:
            return self._duration(time)
        if time.minute:
            said = f"{self._words(hour)} {minute}"
        elif time.twelve:
            said = self._words(hour)
        else:
            said = (
                "midnight"
                if hour == 0
                else f"{self._words(hour)} o'clock"
                if hour < 13
                else f"{self._words(hour)} hundred"
            )
        if time.second:
            said += f" and {self._words(time.second)} seconds"
        return f"{said} {'A M' if time.hour < 12 else 'P M'}" if time.twelve else said

    def _duration(self, time: Time) -> str:
        """Say 2:15:30 as two hours fifteen minutes and thirty seconds: right for a time and for a record."""
        parts = ((time.hour, "hour"), (time.minute, "minute"), (time.second or 0, "second"))
        hours, minutes, seconds = (f"{self._words(n)} {name}{'' if n == 1 else 's'}" for n, name in parts)
        return f"{hours} {minutes} and {seconds}"

    def date_span(self, first: Date, last: Date) -> str:
        """Say May 5-7 as May fifth to seventh, in Britain the fifth to the seventh of May."""
        if first.day and last.day and first.month == last.month:
            if self._american and not first.day_first:
                days = (
                    f"{MONTHS[first.month - 1]} {self.ordinal(first.day)} to {self.ordinal(last.day)}"
                    if first.month
                    else ""
                )
                return f"{days} {self.year(last.year)}" if last.year else days
            return f"the {self.ordinal(first.day)} to {self.date(last)}"
        return f"{self.date(first)} to {self.date(last)}"

    def time_span(self, first: Time, last: Time) -> str:
        """Say 9-11 a.m. and 10 a.m.-2 p.m.: the half of the day once where both have it in common."""
        low, high = self.time(first), self.time(last)
        if first.twelve and last.twelve and (first.hour < 12) == (last.hour < 12):
            low = low.rpartition(" ")[0].rpartition(" ")[0]
        return f"{low} to {high}"

    def measure(self, amount: Decimal, unit: str) -> str:
        """Say 1.5 km as one point five kilometres."""
        return f"{self.number(amount)} {self._unit(unit, amount)}"

    def measure_span(self, low: Decimal, high: Decimal, unit: str) -> str:
        """Say 10-15 km as ten to fifteen kilometres."""
        return f"{self.number(low)} to {self.measure(high, unit)}"

    def _unit(self, unit: str, amount: Decimal) -> str:
        if unit not in UNIT_WORDS:
            return unit_name(self.locale, unit, amount)
        word = UNIT_WORDS[unit][0 if amount == 1 else 1]
        return american(word) if self._american else word

    def span(self, first: str, second: str) -> str:
        """Say 10-15 as ten to fifteen."""
        return f"{first} to {second}"

    def letters(self, letters: str) -> str:
        """Return the letters as separate capitals: the lexicon has their names."""
        return " ".join(letters.upper())

    def symbol(self, symbol: str) -> str:
        """Say a symbol, or nothing."""
        return SYMBOLS.get(symbol, "")

    def abbreviation(self, written: str) -> str | None:
        """Return the words of an abbreviation, also where it starts a sentence."""
        said = ABBREVIATIONS.get(written)
        if said is None and len(written) > 3 and written[0].isupper() and written[-1] == ".":
            said = ABBREVIATIONS.get(written.lower())
            said = said and said.capitalize()
        return said

    def _decimal(self, value: Decimal) -> str:
        whole, _, fraction = f"{value:f}".partition(".")
        said = self._words(int(whole))
        if not fraction or value % _FACTORED == 0:
            return said
        return f"{said} point {self.digits(fraction)}"

    def _words(self, value: int, to: str = "cardinal") -> str:
        said = _number_words(value, to)
        return said.replace(" and ", " ") if self._american else said


def american(unit: str) -> str:
    """Return the name of a unit in American spelling."""
    return unit.replace("metre", "meter").replace("litre", "liter")


def _roman(value: int) -> str:
    """Return a number from 1 to 3999 as a Roman numeral."""
    numeral = ""
    for one, letters in _ROMAN_LETTERS:
        count, value = divmod(value, one)
        numeral += letters * count
    return numeral


@lru_cache(maxsize=4096)
def _number_words(value: int, to: str) -> str:
    words: str = num2words(value, lang="en", to=to)
    return words.replace(",", "").replace("-", " ")
