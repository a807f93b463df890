"""Amounts with a scale (2.5 lakh rupees), halves and quarters before a counted thing, and comparisons."""

from collections.abc import Mapping
from decimal import Decimal

import regex

from tts_app.language.grammar import Forms
from tts_app.language.indic.notation import DASH, END, NUMBER, START, Notation, any_of
from tts_app.language.indic.verbaliser import IndicVerbaliser
from tts_app.language.semiotics import parse_number

_UNSTARTED = regex.compile(r"[\p{L}\p{M}\p{N}.,:/-]")
"""A number after one of these is the end of another one."""
_FEET = regex.compile(r"(?<![\p{L}\p{M}\p{N}.,:/'])(\d{1,2})['′][ ]?(\d{1,2}(?:\.\d)?)(?:[\"″]|'')")
"""5'6": feet and inches."""
_RATIO = regex.compile(r"(?<![\p{L}\p{M}\p{N}.,:/-])(\d{1,4}):(\d{1,4})(?![\p{L}\p{M}\p{N}:]|[.,]\d)")
_HUNDRED, _THOUSAND = 100, 1000
_HOURS, _MINUTES = 24, 60
_LEAST_OF_A_RANGE = 10
"""50K to 60K are thousands; 4K to 8K may be screens."""
_HEART = regex.compile(r"<3(?![\d.,%])")
_PLAIN_SIGNS = {"<=": "≤", ">=": "≥"}


class Currencies:
    """Finds the currency that is written before or after a number."""

    def __init__(self, verbaliser: IndicVerbaliser) -> None:
        self._meaning: Mapping[str, str] = Forms.of(verbaliser).currencies
        self._longest = max(map(len, self._meaning))
        self.written = any_of(self._meaning)
        self._after = regex.compile(rf"[ ]?(?:{self.written}){END}")
        self.native = tuple(form for form in self._meaning if not form.isascii() and form[0].isalpha())

    def __getitem__(self, written: str) -> str:
        return self._meaning[written]

    def follows(self, text: str, end: int) -> bool:
        """Return whether a currency is written after a number that ends at `end`."""
        return self._after.match(text, end) is not None

    def before(self, text: str, start: int) -> str:
        """Return the sign that ends at `start`, with the blank after it, or ''."""
        blank = " " if text[start - 1 : start] == " " else ""
        end = start - len(blank)
        for size in range(min(self._longest, end), 0, -1):
            sign = text[end - size : end]
            if sign in self._meaning and not (
                sign[0].isalpha() and text[end - size - 1 : end - size].isalpha()
            ):
                return sign + blank
        return ""


class Amounts:
    """Writes out amounts whose reading needs more than the number: its scale, its noun, its comparison."""

    def __init__(self, verbaliser: IndicVerbaliser, notation: Notation, currencies: Currencies) -> None:
        self._say = verbaliser
        self._currencies = currencies
        self._scales = {**notation.scales, **notation.letter_scales}
        self._letters = frozenset(notation.letter_scales)
        to = regex.escape(verbaliser.to)
        between = rf"(?:{DASH}|[ ]{to}[ ])"
        scale = rf"(?:{any_of(self._scales)})"
        self._scaled = regex.compile(
            rf"(?P<low>{NUMBER})(?:(?:[ ]?(?P<first_scale>{scale}))?{between}"
            rf"(?:(?:{currencies.written})[ ]?)?(?P<high>{NUMBER}))?"
            rf"[ ]?(?P<scale>{scale}(?:[ ]{scale})?){END}"
            rf"(?:\.(?=[ ][\p{{L}}\d]))?(?:[ ]?(?P<after>{currencies.written})(?![\p{{L}}\p{{M}}]))?"
        )
        fraction = r"\d{1,2}+\.(?:5|25|75)(?!\d)"
        whole = r"\d{1,3}+(?![\d.,])"
        self._counted = regex.compile(
            rf"(?<![\p{{L}}\p{{M}}\p{{N}}.,:/-])(?P<low>{fraction}|{whole}(?={between}{fraction}))"
            rf"(?:{between}(?P<high>{fraction}|{whole}))?(?=[ -]?(?:{any_of(notation.counted)}){END})"
        )
        self._compared = regex.compile(
            r"(?P<sign><=|>=|[<>≤≥])[ ]?(?P<number>(?:[₹$€£₨]|Rs\.?)?[ ]?-?\d{1,15}+(?:[.,]\d++)*+%?"
            rf"(?:[ ]?(?:{any_of((*notation.counted, *currencies.native))}){END})?)"
        )
        self._same_noun = regex.compile(
            rf"(?P<first>{START}{NUMBER}[ ](?P<noun>[\p{{L}}\p{{M}}]{{2,20}}+)){DASH}"
            rf"(?={NUMBER}[ ](?P=noun){END})"
        )

    def __call__(self, text: str) -> str:
        """Return `text` with such amounts in words."""
        text = self._same_noun.sub(rf"\g<first> {self._say.to} ", text)
        text = _FEET.sub(self._feet, text)
        text = _RATIO.sub(self._ratio, text)
        text = self._with_scales(text)
        text = self._counted.sub(self._halves, text)
        return self._compared.sub(self._comparison, text)

    def _with_scales(self, text: str) -> str:
        out = []
        end = 0
        for match in self._scaled.finditer(text):
            sign = self._currencies.before(text, match.start())
            start = match.start() - len(sign)
            if start < end or (not sign and _UNSTARTED.match(text, max(0, start - 1), start)):
                continue
            said = self._amount(match, sign.strip())
            if said:
                out += [text[end:start], f" {said} "]
                end = match.end()
        return "".join([*out, text[end:]])

    def _amount(self, match: "regex.Match[str]", sign: str) -> str | None:
        written = match["scale"].split(" ")
        low, high = (parse_number(match[end], ".") if match[end] else None for end in ("low", "high"))
        if low is None or (match["high"] and high is None):
            return None
        money = sign or match["after"]
        thousands = written[0] in "kK" and match["first_scale"] and low >= _LEAST_OF_A_RANGE
        decimal = low != int(low) and written[0] not in "Ll"
        if written[0] in self._letters and not (money or decimal or thousands):
            return None
        names = [self._scales[word] for word in written]
        if high is None:
            said = self._scaled_number(low, names)
        elif match["first_scale"]:
            first = self._scaled_number(low, [self._scales[match["first_scale"]]])
            said = self._say.span(first, self._scaled_number(high, names))
        else:
            numbers = self._say.counted_span(low, high)
            said = " ".join([numbers, *(name for name, _ in names)])
        if not money:
            return said
        return f"{said} {self._say.currency(Decimal(2), self._currencies[money])}"

    def _scaled_number(self, value: Decimal, names: list[tuple[str, int]]) -> str:
        """Say 2.5 lakh by halves and quarters, 2.35 lakh as two lakh thirty-five thousand, 100k as a lakh."""
        words = [name for name, _ in names]
        quarters = self._say.quarters(value)
        if quarters:
            return " ".join([quarters, *words])
        factor = names[0][1]
        amount = value * factor
        written_out = value != int(value) or (factor == _THOUSAND and value >= _HUNDRED)
        if written_out and len(names) == 1 and factor < 10**9 and amount == int(amount):
            return self._say.number(Decimal(int(amount)))
        return " ".join([self._say.number(value), *words])

    def _feet(self, match: "regex.Match[str]") -> str:
        feet, inches = (self._say.measure(Decimal(match[at]), unit) for at, unit in ((1, "ft"), (2, "inch")))
        return f" {feet} {inches} "

    def _ratio(self, match: "regex.Match[str]") -> str:
        """Say 2:3, unless it is a time of day."""
        if int(match[1]) <= _HOURS and len(match[2]) == len("00") and int(match[2]) < _MINUTES:
            return match[0]
        first, second = (self._say.number(Decimal(match[at])) for at in (1, 2))
        return f" {first} {self._say.symbol(':')} {second} "

    def _halves(self, match: "regex.Match[str]") -> str:
        low = Decimal(match["low"])
        if match["high"]:
            return f" {self._say.counted_span(low, Decimal(match['high']))} "
        return f" {self._say.counted(low)} "

    def _comparison(self, match: "regex.Match[str]") -> str:
        """Return what is compared with, and then how: below 5 is 5 से कम."""
        if _HEART.match(match[0]) and match.end() - match.start() == 2:
            return match[0]
        sign = _PLAIN_SIGNS.get(match["sign"], match["sign"])
        before = match.string[: match.start()][-2:].rstrip()[-1:]
        pause = ", " if before.isalnum() else " "
        return f"{pause}{match['number']} {self._say.symbol(sign)} "
