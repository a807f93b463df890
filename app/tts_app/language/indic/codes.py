"""Numbers that are names: telephone numbers, codes, addresses. They are said digit by digit."""

from decimal import Decimal

import regex

from tts_app.language.indic.amounts import Currencies
from tts_app.language.indic.notation import CLAUSE_START, END, START, Notation, any_of
from tts_app.language.indic.verbaliser import IndicVerbaliser
from tts_app.language.telephones import groups_of, region_of

_ALONE = r"(?<![\p{L}\p{M}\p{N}.,:/-])"
_LAST = r"(?![\p{L}\p{M}\p{N}]|[.,:/-]\d|[ ]?[%₹$€£₨])"
_PHONE = regex.compile(
    r"(?<![\p{L}\p{N}.,:/+-]|[%₹$€£₨][ ]?)(?!\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|[12]\d{3}-\d\d-\d\d)"
    r"(?:(?P<plus>\+|00(?=[1-9]))\d[\d ()-]{7,16}\d|\(?0(?:[ ]?\()?\d[\d ()-]{6,12}\d|[6-9]\d{4}[ -]?\d{5}"
    r"|1[89]00[ -]?\d{2,4}[ -]?\d{3,4}|111[ -]\d{3}[ -]\d{3})"
    r"(?![\p{N}%]|[.,:/]\p{N}|[ ]?[%₹$€£₨])"
)
"""Numbers with a country or trunk code, Indian mobile numbers as 98765 43210, 1800 and 111 numbers."""
_PHONE_DIGITS = range(9, 16)
_CALLED = regex.compile(rf"{_ALONE}\d{{2,12}}+(?:[ -]\d{{2,8}}+){{0,3}}{_LAST}")
_CALLED_DIGITS = range(6, 13)
_IP = regex.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d]|\.\d)")
_DIGITS = regex.compile(r"\d+")
_CLAUSE = regex.compile(r"[^.!?\n]++(?:\.(?=\S)[^.!?\n]*+)*+")
_SERIAL = regex.compile(
    r"(?<![\p{L}\p{M}\p{N}])(?:(?=[A-Z]*+\d)(?=\d*+[A-Z])[A-Z\d]{8,22}"
    r"|[A-Z]{2}[ -]?\d{1,2}[ -]?[A-Z]{1,3}[ -]?\d{4})"
    r"(?![\p{L}\p{M}\p{N}])"
)
"""Serial numbers of capitals and digits, and number plates: ABCDE1234F, MH 12 AB 1234."""
_LETTERED = regex.compile(r"(?<![\p{L}\p{M}\p{N}.,:/-])(\d{1,4})-([A-Z])(?![\p{L}\p{M}\p{N}])")
"""15-A: a house, and a part of it."""
_SECTOR = regex.compile(r"(?<=(?<![\p{L}\p{N}])\p{Lu}-?\d{1,2})/(?=\d{1,3}(?![\d/]))")
"""The slash of a sector: G-9/4."""
_LETTERS_OR_DIGITS = regex.compile(r"[A-Z]++|\d++")
_CODE = r"\d{3,19}(?:[ -]\d{1,8}+){0,4}"
_PLACE_MARK = r"[ ]?[,:–-]?[ ]?"


class Codes:
    """Writes out numbers that are said digit by digit."""

    def __init__(self, verbaliser: IndicVerbaliser, notation: Notation, currencies: Currencies) -> None:
        self._say = verbaliser
        self._currencies = currencies
        self._region = region_of(verbaliser.locale)
        fillers = rf"(?:[ ]?[:=#-]|[ ](?:{any_of(notation.fillers)}){END}){{0,3}}"
        self._code = regex.compile(
            rf"(?P<word>{START}(?:{any_of(notation.codes)}){END}\.?{fillers})[ ]?(?P<code>{_CODE}){_LAST}"
            rf"(?![ ](?:{currencies.written}|{any_of(notation.scales)}|{any_of(notation.counted)}){END})"
        )
        numbers = any_of(notation.number_words)
        self._numbered = regex.compile(
            rf"(?P<word>{START}(?:{numbers})[ ]?[:.]?)[ ]?(?P<code>\d{{3,6}}){_LAST}"
        )
        self._of_number = regex.compile(rf"{_ALONE}(?P<code>\d{{3,6}})(?=[ ](?:{numbers}){END})")
        self._to_call = regex.compile(rf"{_ALONE}(?P<code>\d{{3,6}})(?=[ ](?:{notation.to_call}))")
        self._call_word = regex.compile(rf"{START}(?:{any_of(notation.call_words)}){END}")

    def __call__(self, text: str) -> str:
        """Return `text` with such numbers in words."""
        text = _LETTERED.sub(lambda found: f" {self._say.lettered(found[1], found[2])} ", text)
        text = _SECTOR.sub(f" {self._say.over} ", text)
        text = _SERIAL.sub(self._serial, _IP.sub(self._address, text))
        text = _PHONE.sub(self._phone, text)
        text = self._code.sub(self._after_word, text)
        text = self._numbered.sub(self._after_word, text)
        text = self._of_number.sub(lambda found: self._say.digits(found["code"]), text)
        text = self._to_call.sub(lambda found: self._say.digits(found["code"]), text)
        return _CLAUSE.sub(self._calls, text)

    def _serial(self, match: "regex.Match[str]") -> str:
        """Say letters and digits one by one, with a pause between their groups."""
        groups = _LETTERS_OR_DIGITS.findall(match[0])
        return ", ".join(
            self._say.digits(group) if group.isdigit() else self._say.letters(group) for group in groups
        )

    def _phone(self, match: "regex.Match[str]") -> str:
        written = match[0]
        groups = _DIGITS.findall(written.removeprefix("00") if match["plus"] else written)
        if sum(map(len, groups)) not in _PHONE_DIGITS or self._currencies.follows(match.string, match.end()):
            return written
        if len(groups) == 1:
            groups = list(groups_of(written, self._region)) or groups
        return f" {self._say.telephone(groups, bool(match['plus']))} "

    def _address(self, match: "regex.Match[str]") -> str:
        """Say the four numbers of an internet address digit by digit."""
        parts = match[0].split(".")
        if max(map(int, parts)) > 255:
            return match[0]
        return f" {self._say.symbol('.')} ".join(self._say.digits(part) for part in parts)

    def _after_word(self, match: "regex.Match[str]") -> str:
        return f"{match['word']} {self._say.telephone(_DIGITS.findall(match['code']), False)}"

    def _calls(self, match: "regex.Match[str]") -> str:
        """Say the long numbers of a part of a sentence that speaks of calling."""
        if not self._call_word.search(match[0]):
            return match[0]
        return _CALLED.sub(self._called, match[0])

    def _called(self, match: "regex.Match[str]") -> str:
        groups = _DIGITS.findall(match[0])
        if sum(map(len, groups)) not in _CALLED_DIGITS or self._currencies.before(
            match.string, match.start()
        ):
            return match[0]
        return self._say.telephone(groups, False)


class Addresses:
    """Writes out house numbers and postal codes."""

    def __init__(self, verbaliser: IndicVerbaliser, notation: Notation) -> None:
        self._say = verbaliser
        streets = rf"(?:{any_of(notation.streets)}){END}"
        digits = notation.postal_digits
        code = rf"(?P<code>[1-9]\d{{{digits - 1}}})"
        if digits == 6:
            code = rf"(?:{code}|(?P<first>[1-9]\d\d)[ ](?P<second>\d{{3}}))"
        unit = rf"(?![ ]?(?:{any_of(notation.counted)}){END})"
        self._postal = regex.compile(
            rf"(?P<place>{START}(?:{any_of(notation.places)})){_PLACE_MARK}{code}{_LAST}{unit}"
        )
        self._street = regex.compile(START + streets)
        self._house = regex.compile(
            rf"{CLAUSE_START}(?P<code>\d{{3,5}})"
            rf"(?=(?:[ ][\p{{L}}\p{{M}}\p{{N}}'.-]{{1,30}}+){{0,3}}?[ ]{streets}){unit}"
        )
        self._last = regex.compile(r"(?<=[\p{L}\p{M}][,]?[ ])(?P<code>\d{5,6})(?=[ ]*+$)")
        self._over = regex.compile(r"(?<![\d/.,-])(\d{1,4})/(\d{1,4})(?![\d/]|[.,]\d)")

    def __call__(self, text: str) -> str:
        """Return `text` with such numbers in words."""
        return _CLAUSE.sub(self._address, self._postal.sub(self._postal_code, text))

    def _postal_code(self, match: "regex.Match[str]") -> str:
        groups = match.groupdict()
        code = groups["code"] or groups["first"] + groups["second"]
        return f"{match['place']}, {self._in_threes(code)}"

    def _in_threes(self, code: str) -> str:
        half = 3 if len(code) == 6 else len(code)
        return ", ".join(self._say.digits(part) for part in (code[:half], code[half:]) if part)

    def _address(self, match: "regex.Match[str]") -> str:
        clause = match[0]
        if not self._street.search(clause):
            return clause
        clause = self._house.sub(lambda found: self._say.digits(found["code"]), clause)
        clause = self._last.sub(lambda found: self._in_threes(found["code"]), clause)
        return self._over.sub(
            lambda found: f"{self._part(found[1])} {self._say.over} {self._part(found[2])}", clause
        )

    def _part(self, digits: str) -> str:
        return self._say.number(Decimal(digits)) if len(digits) < 3 else self._say.digits(digits)
