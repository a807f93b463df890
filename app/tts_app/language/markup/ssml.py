"""A small, closed part of SSML 1.1 (W3C, 2010), read strictly.

Elements: speak, p, s, break, prosody (rate, volume), emphasis, say-as, sub, phoneme (ipa), lang. Document
types, entities other than XML's own, and every element and attribute that is not listed are refused.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import NoReturn
from xml.parsers import expat

import regex

from tts_app.language.markup.say_as import DATE_FORMATS, KINDS
from tts_app.language.markup.spans import (
    NATURAL_PAUSE,
    PLAIN,
    Manner,
    Marked,
    MarkupError,
    SayAs,
    Span,
    Warned,
    bounded_pause,
    merged,
)
from tts_app.resources.locales import (
    LOCALES,
    canonical_locale,
    is_readable,
    language_of,
    script_of,
)

DEEPEST = 32
"""Elements inside elements."""
LONGEST_PHONEMES = 200
"""Characters of a <phoneme>'s IPA."""
MOST_ELEMENTS = 10_000
"""Elements of a document."""
RATES = MappingProxyType(
    {"x-slow": 0.5, "slow": 0.75, "medium": 1.0, "default": 1.0, "fast": 1.25, "x-fast": 1.6}
)
VOLUMES = MappingProxyType(
    {
        "silent": -math.inf,
        "x-soft": -12.0,
        "soft": -6.0,
        "medium": 0.0,
        "default": 0.0,
        "loud": 3.0,
        "x-loud": 6.0,
    }
)
"""Gain in dB."""
PAUSES = MappingProxyType(
    {"none": 0.0, "x-weak": 0.1, "weak": 0.2, "medium": NATURAL_PAUSE, "strong": 0.8, "x-strong": 1.2}
)
"""Seconds of a break's strength."""
RATE_RANGE = (0.25, 4.0)
GAIN_RANGE = (-40.0, 12.0)
"""dB."""

_ATTRIBUTES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "speak": frozenset({"version", "xml:lang", "xmlns", "xmlns:xsi", "xsi:schemaLocation"}),
        "p": frozenset({"xml:lang"}),
        "s": frozenset({"xml:lang"}),
        "break": frozenset({"time", "strength"}),
        "prosody": frozenset({"rate", "volume", "pitch"}),
        "emphasis": frozenset({"level"}),
        "say-as": frozenset({"interpret-as", "format"}),
        "sub": frozenset({"alias"}),
        "phoneme": frozenset({"alphabet", "ph"}),
        "lang": frozenset({"xml:lang"}),
    }
)
_LEAVES = frozenset({"say-as", "sub", "phoneme"})
"""Elements that hold text alone."""
_TIME = regex.compile(r"\+?(\d{1,6}(?:\.\d{1,6})?)(ms|s)")
_PERCENT = regex.compile(r"([+-]?)(\d{1,4}(?:\.\d{1,3})?)%")
_FACTOR = regex.compile(r"\d{1,2}(?:\.\d{1,3})?")
_DECIBELS = regex.compile(r"([+-]?\d{1,3}(?:\.\d{1,3})?)dB")


def _bounded_gain(gain: float) -> float:
    """Return a gain in dB that is within GAIN_RANGE, or silence: that of the quietest can be heard."""
    return gain if gain == -math.inf else min(max(gain, GAIN_RANGE[0]), GAIN_RANGE[1])


def _read_as(locale: str) -> str:
    """Return a tag, in canonical case, without what no front-end reads differently.

    Each locale has a front-end that stays, with a program of its own: callers must not be able to have more
    made than there are languages, their scripts, and regions that are read differently.
    """
    language = language_of(locale)
    tag = locale
    while "-" in tag and tag not in LOCALES and tag not in language.espeak_regions:
        tag = tag.rpartition("-")[0]
    if "-" in tag:
        return tag
    script = locale.split("-")[1] if script_of(locale) != language.script else ""
    return f"{tag}-{script}" if script else tag


def parse_ssml(source: str) -> Marked:
    """Return the spans of an SSML document.

    Raises:
        MarkupError: it is no well-formed XML, or has what is not allowed; the message has line and column.
    """
    return _Document(source).read()


class _Open:
    """An element that has not ended yet."""

    def __init__(self, name: str, manner: Manner, place: int, attributes: Mapping[str, str]) -> None:
        self.name = name
        self.manner = manner
        self.place = place
        self.attributes = attributes
        self.text: list[str] = []
        """What a leaf holds."""


class _Document:
    """One pass of expat over a document."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._spans: list[Span] = []
        self._warnings: list[Warned] = []
        self._open: list[_Open] = []
        self._elements = 0
        self._lines = [0]
        """Where each line of the source begins."""
        for match in regex.finditer(r"\r\n?|\n", source):
            self._lines.append(match.end())
        self._parser = expat.ParserCreate("utf-8")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.EntityDeclHandler = self._refuse_doctype
        self._parser.ProcessingInstructionHandler = self._refuse_instruction

    def read(self) -> Marked:
        """Return the spans."""
        try:
            self._parser.Parse(self._source.encode("utf-8"), True)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            if "entity" in reason:
                reason = (
                    "an entity that is not one of &amp; &lt; &gt; &quot; &apos; and numbers such as &#233;"
                )
            self._fail(f"it is no well-formed XML: {reason}", error.lineno, error.offset)
        return Marked(merged(self._spans), tuple(self._warnings))

    # -- handlers ----------------------------------------------------------------------------------------

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        allowed = _ATTRIBUTES.get(name)
        if allowed is None:
            self._fail(f"the element <{name}> is not known. Allowed: {', '.join(_ATTRIBUTES)}")
        if self._elements > MOST_ELEMENTS or len(self._open) >= DEEPEST:
            self._fail(f"at most {MOST_ELEMENTS} elements are read, and {DEEPEST} inside each other")
        if (name == "speak") != (not self._open):
            self._fail("the document must be one <speak> element, with no <speak> inside it")
        if self._open and self._open[-1].name in (_LEAVES | {"break"}):
            self._fail(f"<{self._open[-1].name}> may hold no element")
        for attribute in attributes:
            if attribute not in allowed:
                known = ", ".join(sorted(allowed)) or "none"
                self._fail(f"<{name}> has no attribute {attribute!r}. Allowed: {known}")
        before = self._open[-1].manner if self._open else PLAIN
        self._open.append(_Open(name, self._manner(name, attributes, before), self._place(), attributes))
        if name in {"p", "s"}:
            self._words("\n")
        elif name == "break":
            self._spans.append(Span("", self._place(), before, pause=self._pause(attributes)))
        elif name == "emphasis":
            self._emphasis(attributes)
        elif name in _LEAVES:
            self._check_leaf(name, attributes)

    def _end(self, name: str) -> None:
        ended = self._open.pop()
        text = " ".join("".join(ended.text).split())
        if name in {"p", "s"}:
            self._spans.append(Span("\n", self._place(), ended.manner))
        elif name == "sub":
            self._spans.append(Span(ended.attributes["alias"], ended.place, ended.manner))
        elif name == "phoneme" and text:
            phonemes = ended.attributes["ph"].strip()
            self._spans.append(Span(text, ended.place, ended.manner, phonemes=phonemes))
        elif name == "say-as" and text:
            say_as = SayAs(ended.attributes["interpret-as"], ended.attributes.get("format", ""))
            self._spans.append(Span(text, ended.place, ended.manner, say_as=say_as))

    def _characters(self, text: str) -> None:
        if self._open[-1].name in _LEAVES:
            self._open[-1].text.append(text)
        elif self._open[-1].name == "break":
            if text.strip():
                self._fail("<break> may hold no text")
        else:
            self._words(text.replace("\n", " "))

    def _words(self, text: str) -> None:
        self._spans.append(Span(text, self._place(), self._open[-1].manner))

    def _refuse_doctype(self, *_: object) -> None:
        self._fail("document types and entity declarations are not allowed: leave <!DOCTYPE ...> out")

    def _refuse_instruction(self, target: str, _data: str) -> None:
        self._fail(f"the processing instruction <?{target}?> is not allowed: leave it out")

    # -- attributes --------------------------------------------------------------------------------------

    def _manner(self, name: str, attributes: Mapping[str, str], before: Manner) -> Manner:
        locale, rate, volume = before.locale, before.rate, before.volume
        if "xml:lang" in attributes and name != "speak":
            locale = self._locale(attributes["xml:lang"])
        elif name == "lang":
            self._fail("<lang> needs xml:lang, such as xml:lang='es'")
        if name == "prosody":
            if not attributes:
                self._fail("<prosody> needs rate or volume")
            if "rate" in attributes:
                rate = min(max(rate * self._rate(attributes["rate"]), RATE_RANGE[0]), RATE_RANGE[1])
            if "volume" in attributes:
                volume = _bounded_gain(volume + self._gain(attributes["volume"]))
            if "pitch" in attributes and attributes["pitch"] not in {"medium", "default"}:
                self._warn("pitch-ignored")
        return Manner(locale, rate, volume)

    def _locale(self, written: str) -> str:
        try:
            locale = canonical_locale(written)
        except ValueError:
            locale = ""
        if not is_readable(locale):
            self._fail(f"no language here reads xml:lang={written!r}: give a BCP-47 tag such as es or en-GB")
        return _read_as(locale)

    def _rate(self, written: str) -> float:
        if written in RATES:
            return RATES[written]
        percent = _PERCENT.fullmatch(written)
        value = 0.0
        if percent:
            value = float(percent[2]) / 100
            value = 1 + value if percent[1] == "+" else 1 - value if percent[1] == "-" else value
        elif _FACTOR.fullmatch(written):
            value = float(written)
        if not RATE_RANGE[0] <= value <= RATE_RANGE[1]:
            self._fail(
                f"rate={written!r} must be one of {', '.join(RATES)}, a factor such as 0.8, or a percentage "
                "such as 80% or +20%, which makes 0.25 to 4"
            )
        return value

    def _gain(self, written: str) -> float:
        if written in VOLUMES:
            return VOLUMES[written]
        decibels = _DECIBELS.fullmatch(written)
        if decibels is None or not GAIN_RANGE[0] <= float(decibels[1]) <= GAIN_RANGE[1]:
            self._fail(
                f"volume={written!r} must be one of {', '.join(VOLUMES)}, or a gain of "
                f"{GAIN_RANGE[0]:g}dB to +{GAIN_RANGE[1]:g}dB"
            )
        return float(decibels[1])

    def _pause(self, attributes: Mapping[str, str]) -> float:
        if "time" in attributes:
            time = _TIME.fullmatch(attributes["time"])
            if time is None:
                self._fail(
                    f"time={attributes['time']!r} must be seconds or milliseconds, such as 1.5s or 500ms"
                )
            seconds = float(time[1]) / (1000 if time[2] == "ms" else 1)
            return bounded_pause(seconds, self._place(), self._warnings)
        strength = attributes.get("strength", "medium")
        if strength not in PAUSES:
            self._fail(f"strength={strength!r} must be one of {', '.join(PAUSES)}")
        return PAUSES[strength]

    def _emphasis(self, attributes: Mapping[str, str]) -> None:
        levels = ("strong", "moderate", "reduced", "none")
        if attributes.get("level", "moderate") not in levels:
            self._fail(f"level={attributes['level']!r} must be one of {', '.join(levels)}")
        if attributes.get("level") != "none":
            self._warn("emphasis-ignored")

    def _check_leaf(self, name: str, attributes: Mapping[str, str]) -> None:
        needed = {"say-as": "interpret-as", "sub": "alias", "phoneme": "ph"}[name]
        if not attributes.get(needed, "").strip():
            self._fail(f"<{name}> needs the attribute {needed}")
        if name == "say-as":
            kind, form = attributes["interpret-as"], attributes.get("format", "")
            if kind not in KINDS:
                self._fail(f"interpret-as={kind!r} must be one of {', '.join(KINDS)}")
            if kind == "date" and form and form not in DATE_FORMATS:
                self._fail(f"format={form!r} of a date must be one of {', '.join(DATE_FORMATS)}")
        elif name == "phoneme" and attributes.get("alphabet", "ipa") != "ipa":
            self._fail(f"alphabet={attributes['alphabet']!r} must be ipa")
        elif name == "phoneme" and len(attributes["ph"]) > LONGEST_PHONEMES:
            self._fail(f"ph has {len(attributes['ph'])} characters, and {LONGEST_PHONEMES} are allowed")

    # -- places ------------------------------------------------------------------------------------------

    def _place(self) -> int:
        """Return the character of the source at which the parser is: its columns count bytes..."""
        line = self._parser.CurrentLineNumber
        return self._lines[min(line, len(self._lines)) - 1] + self._parser.CurrentColumnNumber

    def _warn(self, code: str) -> None:
        self._warnings.append(Warned(code, self._place()))

    def _fail(self, what: str, line: int | None = None, column: int | None = None) -> NoReturn:
        line = self._parser.CurrentLineNumber if line is None else line
        column = self._parser.CurrentColumnNumber if column is None else column
        raise MarkupError(f"SSML, line {line}, column {column + 1}: {what}.")
