"""How English says numbers, money, dates, times, units and abbreviations."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType

from num2words import num2words

from tts_app.language.base import Date, Time

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
        "INR": ("rupee", "rupees", "paisa", "paise"),
        "PKR": ("rupee", "rupees", "paisa", "paise"),
        "SAR": ("Saudi riyal", "Saudi riyals", "halala", "halalas"),
        "EGP": ("Egyptian pound", "Egyptian pounds", "piastre", "piastres"),
        "AED": ("dirham", "dirhams", "fils", "fils"),
    }
)
"""Names of one, of many, of one hundredth and of many hundredths."""

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
        "w/": "with",
        "w/o": "without",
        "c/o": "care of",
        "b/c": "because",
        "n/a": "not applicable",
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
        "Ave": "Avenue",
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
        "4x4": "four by four",
    }
)

DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_OH = "oh"
_FRACTIONS = {4: ("quarter", "quarters")}
_MARKS = frozenset({5, 10, 100})
"""The best possible marks of ratings."""


class EnglishVerbaliser:
    """English words for what is written with digits and symbols; en-US says no `and` in 1,250."""

    hashtag = "hashtag"
    per = "per"
    digit_words = frozenset(
        {"room", "suite", "villa", "code", "pin", "flight", "gate", "extension", "unit", "apartment"}
    )

    def __init__(self, locale: str, capitals: Callable[[str, bool], str]) -> None:
        """Make the verbaliser of `locale`; `capitals` says words in capitals, see `semiotics`."""
        self.locale = locale
        self.day_first = locale != "en-US"
        self.decimal_mark = "."
        self.home_currency = HOME_DOLLARS[locale]
        self.capitals = capitals
        self._american = locale == "en-US"

    def number(self, value: Decimal) -> str:
        """Say a number; millions and more with a short fraction as such: 1.2 million."""
        if value < 0:
            return f"minus {self.number(-value)}"
        for factor, name in ((10**9, "billion"), (10**6, "million")):
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
        if below in _MARKS and above <= below:
            return f"{self.number(above)} out of {self.number(below)}"
        if above != int(above) or above >= below or below < 2:
            return f"{self.number(above)} {self.number(below)}"
        if above == 1 and below == 2:
            return "half"
        one, many = _FRACTIONS.get(int(below), (self.ordinal(int(below)), f"{self.ordinal(int(below))}s"))
        return f"{'one' if above == 1 else self.number(above)} {one if above == 1 else many}"

    def money(self, amount: Decimal, currency: str) -> str:
        """Say 1,299.50 USD as so many dollars and so many cents."""
        one, many, cent, cents = CURRENCIES[currency]
        if currency == self.home_currency:
            one, many = "dollar", "dollars"
        if amount < 0:
            return f"minus {self.money(-amount, currency)}"
        hundredths = amount * 100 % 100
        if amount >= 10**6 or hundredths != int(hundredths):
            return f"{self.number(amount)} {many}"
        whole, rest = int(amount), int(hundredths)
        said = f"{self._words(whole)} {one if whole == 1 else many}"
        if not rest:
            return said
        small = f"{self._words(rest)} {cent if rest == 1 else cents}"
        return f"{said} and {small}" if whole else small

    def percent(self, value: Decimal) -> str:
        """Say 20% as twenty percent."""
        return f"{self.number(value)} percent"

    def date(self, date: Date) -> str:
        """Say a date in the order of the locale."""
        weekday = "" if date.weekday is None else WEEKDAYS[date.weekday]
        month = "" if date.month is None else MONTHS[date.month - 1]
        day = "" if date.day is None else self.ordinal(date.day)
        if day and month:
            said = f"{month} {day}" if self._american else f"the {day} of {month}"
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

    def measure(self, amount: Decimal, unit: str) -> str:
        """Say 1.5 km as one point five kilometres."""
        one, many = UNIT_WORDS[unit]
        word = one if amount == 1 else many
        if self._american:
            word = word.replace("metre", "meter").replace("litre", "liter")
        return f"{self.number(amount)} {word}"

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
        """Return the words of an abbreviation."""
        return ABBREVIATIONS.get(written)

    def _decimal(self, value: Decimal) -> str:
        whole, _, fraction = f"{value:f}".partition(".")
        said = self._words(int(whole))
        return f"{said} point {self.digits(fraction)}" if fraction.strip("0") else said

    def _words(self, value: int, to: str = "cardinal") -> str:
        said = _number_words(value, to)
        return said.replace(" and ", " ") if self._american else said


@lru_cache(maxsize=4096)
def _number_words(value: int, to: str) -> str:
    words: str = num2words(value, lang="en", to=to)
    return words.replace(",", "").replace("-", " ")
