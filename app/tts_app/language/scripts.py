"""Finds words in a script in which a voice's language is not written, and their language. Pure."""

from collections.abc import Iterator
from functools import cache
from types import MappingProxyType

import regex

from tts_app.resources.locales import language_of, script_of

_LOCALES = MappingProxyType(
    {
        **{"Arabic": "ar-SA", "Devanagari": "hi-IN", "Bengali": "bn-BD", "Gujarati": "gu-IN"},
        **{"Gurmukhi": "pa-IN", "Tamil": "ta-IN", "Telugu": "te-IN", "Kannada": "kn-IN"},
        **{"Malayalam": "ml-IN", "Cyrillic": "ru-RU", "Greek": "el-GR", "Georgian": "ka-GE"},
        **{"Armenian": "hy-AM", "Hangul": "ko-KR"},
    }
)
"""Who reads the words of a script. Each front-end reads Latin words itself, as its speakers say them;
espeak-ng reads Hebrew and Chinese characters too badly."""
_URDU = regex.compile("[ٹڈڑںےۓہھ]")
_PERSIAN = regex.compile("[پچژگ]")
_UKRAINIAN = regex.compile("[іїєґІЇЄҐ]")
_READS_ITSELF = MappingProxyType({"hi": frozenset({"Arabic"}), "ur": frozenset({"Devanagari"})})
"""Scripts that a front-end has rules of its own for: Hindi and Urdu are one language in two scripts."""
_BETWEEN = r"[\p{M}\p{N}\s.,:;!?'\"()،؛؟۔।\u0640\u200c\u200d-]"
_RUN = regex.compile(
    "|".join(
        rf"(?P<{script}>\p{{{script}}}(?=[\p{{{script}}}\p{{M}}])"
        rf"(?:[\p{{{script}}}\p{{M}}\u200c\u200d]|{_BETWEEN}{{1,20}}+(?=\p{{{script}}}))*+"
        r"[\p{M}؟۔।]*+)"
        for script in _LOCALES
    )
)
_FOREIGN = regex.compile(r"[\p{L}--[\p{Latin}\p{Inherited}\p{Common}]]", regex.V1)


def runs(text: str, locale: str) -> Iterator[tuple[str, str]]:
    """Yield `text` in runs, each with the locale that reads it: `locale`, but for words of other scripts."""
    end = 0
    if _FOREIGN.search(text):
        for match in _RUN.finditer(text):
            script = str(match.lastgroup)
            if not _is_other(script, locale):
                continue
            if match.start() > end:
                yield text[end : match.start()], locale
            yield match[0], _locale_of(match[0], script)
            end = match.end()
    if end < len(text):
        yield text[end:], locale


def has_other_script(text: str, locale: str) -> bool:
    """Whether `text` has a word in a script that the front-end of `locale` only romanises or leaves out."""
    own = script_of(locale)
    return own in {"Latin", *_LOCALES} and _other_word(own, language_of(locale).code).search(text) is not None


@cache
def _other_word(script: str, language: str) -> "regex.Pattern[str]":
    own = "".join(rf"\p{{{name}}}" for name in {"Latin", script, *_READS_ITSELF.get(language, ())})
    return regex.compile(rf"[\p{{L}}--[{own}\p{{Inherited}}\p{{Common}}]]{{2}}", regex.V1)


def _is_other(script: str, locale: str) -> bool:
    return script != script_of(locale) and script not in _READS_ITSELF.get(language_of(locale).code, ())


def _locale_of(words: str, script: str) -> str:
    if script == "Arabic" and _URDU.search(words):
        return "ur-PK"
    if script == "Arabic" and _PERSIAN.search(words):
        return "fa-IR"
    if script == "Cyrillic" and _UKRAINIAN.search(words):
        return "uk-UA"
    return _LOCALES[script]
