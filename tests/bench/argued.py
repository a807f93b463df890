"""Kinds of writing that a peer's pairs read otherwise than we do, and why ours is right for the locale.

A rule is about a kind, by what is written or by how the peer says it, never about one pair.
"""

from dataclasses import dataclass

import regex


@dataclass(frozen=True)
class Argued:
    """One kind of difference."""

    language: str
    kind: str
    """The class of the pairs: `money`."""
    why: str
    """What we do and why, as docs/reading.md says it."""
    written: str = ""
    """A pattern that is found in what is written."""
    spoken: str = ""
    """A pattern that is found in what the peer says."""

    def covers(self, language: str, kind: str, written: str, spoken: str) -> bool:
        """Return whether a pair that does not agree is of this kind."""
        if (language, kind) != (self.language, self.kind):
            return False
        return bool(regex.search(self.written, written) and regex.search(self.spoken, spoken))


_SPELLED = r"(?:\b\p{L}\b ?){3}"
"""Three single letters in a row."""

_SPELLED_IN_HINDI = r"(?:(?:^| )(?:ए|बी|सी|डी|ई|एफ|जी|एच|आई|जे|के|एल|एम|एन|ओ|पी|क्यू|आर|एस|टी|यू|वी)(?= |$)){3}"
"""Three names of Latin letters in a row."""

ARGUED: tuple[Argued, ...] = (
    Argued(
        "es",
        "electronic",
        "The scheme and www. are not said; a name that can be a word is said as one, not spelled; a slash "
        "with figures behind the host is left out.",
        written=r"www\.|https?:|@|\.\p{L}+/",
        spoken=_SPELLED + "|barra",
    ),
    Argued(
        "es",
        "date",
        "Spain says uno de enero; primero is said where it is written 1.º.",
        spoken=r"^primero de",
    ),
    Argued(
        "es",
        "time",
        "Without h, a. m. or las before it, a number with a point is a number: the point marks decimals too.",
        written=r"^\d{1,2}\.\d\d$",
    ),
    Argued(
        "es",
        "time",
        "1 to 5 a. m. are de la madrugada in Spain.",
        written=r"(?i)\d a\. ?m",
        spoken="de la mañana",
    ),
    Argued(
        "es",
        "time",
        "Spain says quince treinta with 24 hours; y media and y cuarto belong to 12.",
        written=r"^(?:1[3-9]|2[0-3])[:.]",
        spoken="y (?:media|cuarto)",
    ),
    Argued(
        "es",
        "time",
        "Letters of a zone are said by their names (ge eme te), as all letters; an hour of 24 has horas.",
        written=r"(?i)gmt|utc|\b[ecp]s?t$",
    ),
    Argued(
        "es",
        "time",
        "2 h 30 min is a span of time: dos horas treinta minutos.",
        written=r"\d h \d+ min$",
        spoken="y media|y cuarto|^\\p{L}+ y ",
    ),
    Argued(
        "es",
        "measure",
        "Decimals do not agree with the noun: uno coma cinco millas.",
        spoken=r"\buna? coma",
    ),
    Argued(
        "es",
        "measure",
        "un metro y medio: the noun follows the whole number.",
        written=r"\d \d/\d",
        spoken="y medio",
    ),
    Argued(
        "es",
        "measure",
        "Degrees are Celsius in Spain: cinco grados.",
        written="°",
        spoken="centígrados|celsius",
    ),
    Argued(
        "es",
        "measure",
        "A unit has its name of CLDR (libras por pulgada cuadrada), not letters.",
        spoken=_SPELLED,
    ),
    Argued(
        "es",
        "money",
        "Signs that are letters or belong to several countries' currencies (fr, kr, mk, q) are letters.",
        written=r"(?i)(?<!\p{L})(?:fr|kr|mk|q|l|b|s|k)\.?(?!\p{L})",
    ),
    Argued(
        "es",
        "money",
        "córdoba, lempira and balboa are masculine (Academia).",
        spoken=r"una (?:córdoba|lempira|balboa)s?",
    ),
    Argued(
        "es",
        "money",
        "us$ are dólares, as $ are.",
        written=r"(?i)us\$|usd",
        spoken="estadounidense",
    ),
    Argued(
        "es",
        "ordinal",
        "A sign of degrees is an ordinal only before a noun that has one (2° piso).",
        written="°$",
    ),
    Argued(
        "es",
        "ordinal",
        "A single capital is a letter.",
        written=r"^[IVXLCDM]$",
    ),
    Argued(
        "es",
        "ordinal",
        "Roman numerals in small letters are such only after siglo.",
        written=r"^\p{Ll}+ [ivxlcdm]+$",
    ),
    Argued(
        "es",
        "telephone",
        "Parts of an IP address are numbers (ciento noventa y dos), as people say them.",
        written=r"^\d+\.\d+\.\d+\.\d+$",
    ),
    Argued(
        "es",
        "cardinal",
        "More than fifteen digits are said one by one.",
        written=r"(?:\d[ .]?){16}",
    ),
    Argued(
        "hi",
        "address",
        "House numbers and sectors of one or two digits are numbers (सेक्टर दस), as people say them; a dash "
        "between words is not said; a postal code is said digit by digit in every address.",
        written=r"(?<!\d)\d{1,2}(?!\d)|\p{L}-\p{L}|\d{5}$",
    ),
    Argued(
        "hi",
        "electronic",
        "The scheme, www. and slashes at the start or the end are not said.",
        written=r"www|https?:|/$|\\|^/",
    ),
    Argued(
        "hi",
        "electronic",
        "Words that everybody spells alike are said as words; names and unknown words are spelled.",
        spoken=_SPELLED_IN_HINDI,
    ),
    Argued(
        "hi",
        "electronic",
        "@ is ऐट, the vowel of the English word; the peer writes एट.",
        written="@",
        spoken="एट",
    ),
    Argued(
        "hi",
        "telephone",
        "No nought is put before a number that is written without.",
        written=r"(?:^|\D)[1-9]\d{3}[- ]?\d{6}$|(?<![\d+])[1-9]\d{3}[- ]\d{6}|[6-9]\d{9}$",
        spoken="शून्य",
    ),
    Argued(
        "hi",
        "money",
        "The standard spelling of 44 is चवालीस (Central Hindi Directorate).",
        spoken="चौवालीस",
    ),
    Argued(
        "hi",
        "money",
        "The hundredth of a lira is a कुरुश, as it is said in Turkish.",
        spoken="कुरस",
    ),
    Argued(
        "hi",
        "measure",
        "yd is गज़ and yr is साल, whatever the number; oz is औंस (CLDR).",
        written=r"(?:yd|yr|oz)$",
    ),
    Argued(
        "hi",
        "decimal",
        "More than fifteen digits are said one by one.",
        written=r"\d{16}",
    ),
    Argued(
        "hi",
        "cardinal",
        "Ten digits without commas that are a telephone number of the country are one.",
        written=r"^\d{10}$",
    ),
    Argued(
        "ar",
        "cardinal",
        "Hundreds are one word: both spellings are in use, and one word keeps its vowel in pause.",
        spoken=r"(?:ثلاث|أربع|خمس|ست|سبع|ثمان|تسع) مئة",
    ),
    Argued(
        "ar",
        "decimal",
        "Decimals are said with فاصلة, as in schools and news, not as so many of ten or a hundred.",
        spoken=r"من (?:عشرة|مئة|ألف|مليون)",
    ),
    Argued(
        "ar",
        "money",
        "A counted noun declines: سبعة دولارات, عشرون دولارا, تسعة دنانير كويتية.",
        spoken=r"(?:دولار|سنت|دينار \p{L}+|درهم \p{L}+|ريال|جنيه|يورو)(?!\p{L})",
    ),
    Argued(
        "en",
        "cardinal",
        "A number of five digits or more without commas is a number: prices and counts are written so.",
        written=r"^\d{5,6}$",
    ),
    Argued(
        "en",
        "date",
        "Four digits before 1900 are a year beside a month, an era or a word such as in; else a number.",
        written=r"^1[0-8]\d\d$",
    ),
    Argued(
        "en",
        "date",
        "A year of two digits after a day and a month is said in full.",
        written=r"/\d\d$",
    ),
    Argued(
        "en",
        "decimal",
        "A decimal without its nought is said with one: zero point five.",
        written=r"^\.\d",
    ),
    Argued(
        "en",
        "electronic",
        "The scheme, www. and hyphens are not said; of a path only the first step.",
        written=r"www\.|https?:|file:|-.*@|@.*-|\.\p{L}+/",
    ),
    Argued(
        "en",
        "electronic",
        "A name in an address that is no word is said as one, as the voice would read it.",
        written=r"@",
        spoken=r"^\p{L}+(?: \p{L}+)* at",
    ),
    Argued(
        "en",
        "electronic",
        "A slash between blanks is a pause.",
        written=r" / ",
    ),
    Argued(
        "en",
        "measure",
        "x after a number means times; cc is a unit with a name.",
        written=r"\dx|cc",
    ),
    Argued(
        "en",
        "money",
        "An amount with a scale below one is said as the number that it is.",
        written=r"[$£€]0\.\d+ (?:m|b|tr)illion",
    ),
    Argued(
        "en",
        "money",
        "The currency of a range is said once, at its end.",
        written=r"^[$£€¥]\d.*-",
    ),
    Argued(
        "en",
        "money",
        "The dollar of the United States is a dollar there.",
        written=r"^US\$",
    ),
    Argued(
        "en",
        "ordinal",
        "A wrong ending (2th) is a slip: the ordinal is meant.",
        written=r"(?:1|\d[1-3]|[1-9])(?:th|st|nd|rd)$",
        spoken=r"\b(?:th|st|nd|rd)$",
    ),
    Argued(
        "en",
        "punctuation",
        "A dash between two years is said: to.",
        written=r"\d[–-]\d",
    ),
    Argued(
        "en",
        "range",
        "The currency or the half of the day of a range is said once, at its end; numbers stay numbers.",
        written=r"[$£€]|[ap]m|\d{5}",
    ),
    Argued(
        "en",
        "roman",
        "A ruler's numeral is said with its article: the second.",
        written=r"^\p{Lu}\p{Ll}+ [IVX]+$",
    ),
    Argued(
        "en",
        "serial",
        "A slash in a code is said, and a star between numbers is times.",
        written=r"/\d|\*",
    ),
    Argued(
        "en",
        "special_text",
        "Tags, and brackets as markup, are for markup: they are not spoken.",
        written=r"[<\[]",
    ),
    Argued(
        "en",
        "telephone",
        "An address of the internet is said number by number.",
        written=r"^\d+\.\d+\.\d+\.\d+$",
    ),
    Argued(
        "en",
        "time",
        "Seconds that are nought are not said before a.m. and p.m.",
        written=r":00 ?[ap]\.?m",
    ),
    Argued(
        "en",
        "address",
        "A kind of way after its name is said in full at the end, too.",
        written=r"St\.$",
    ),
)
