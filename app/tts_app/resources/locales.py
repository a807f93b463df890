"""Languages and locales: every fact about one that the playground knows, in one table. Pure.

A locale is a BCP-47 tag: `fr-FR`, `es-419`, `zh-Hant-TW`. Any is accepted. A few have a text front-end of
their own (`LOCALES`); the others are read by a voice of the espeak-ng program, where it has one for their
language.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import AfterValidator, WithJsonSchema

LOCALE_LENGTH = 35
"""Characters that a tag may have (RFC 5646, section 4.4.1)."""
LOCALE_PATTERN = (
    "^[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*$"
)
"""A language, then a script, a region and variants, each of them optional; in any case."""

Direction = Literal["ltr", "rtl"]
Gender = Literal["female", "male"]


@dataclass(frozen=True, slots=True)
class Language:
    """What is known of one language."""

    code: str
    """Its subtag: ISO 639-1 where it has a code there, else ISO 639-3."""
    name: str
    """In English."""
    iso639_2: str = "und"
    """ISO 639-2 code, as ID3 tags hold it; `und` where it has none."""
    script: str = "Latin"
    """Unicode's name of the script that it is written in; empty where that is not known."""
    espeak: str = ""
    """The espeak-ng voice that reads it; empty where espeak-ng has none."""
    espeak_regions: Mapping[str, str] = field(default_factory=dict)
    """The voices of locales that espeak-ng reads differently."""
    caveat: str = ""
    """What espeak-ng reads badly, where it does."""
    front_end: str = ""
    """Package in `tts_app.language` that reads `locales`; empty where espeak-ng reads all of them."""
    default: str = ""
    """The locale that the bare code means; empty: the only one that is offered."""
    locales: Mapping[str, str] = field(default_factory=dict)
    """The locales that `front_end` reads, each with the name that a language model is asked for."""
    writer_name: str = ""
    """The name that a language model is asked for, where it is not `name`."""
    letters: str = ""
    """Its letters, as a class of the `regex` package; empty: those of its script."""
    decimal_mark: str = ""
    """`.` or `,`; empty: what is usual for its script."""
    foreign_letters: str = ""
    """Letters of its script that only other languages use."""
    characters_per_second: float = 0.0
    """Of speech, measured (docs/benchmarks-posts.md); 0: what is usual for its script."""


_WITH_FRONT_END = (
    Language(
        "en", "English", "eng", espeak="en-gb", espeak_regions={"en-US": "en-us", "en-029": "en-029"},
        front_end="english", default="en-US",
        locales={"en-US": "American English", "en-GB": "British English", "en-AU": "Australian English"},
        letters="[A-Za-z]", decimal_mark=".", characters_per_second=14.3,
    ),
    Language(
        "ar", "Arabic", "ara", "Arabic", espeak="ar", front_end="arabic", default="ar-SA",
        locales={
            "ar-SA": "Saudi Arabic (اللهجة السعودية)", "ar-EG": "Egyptian Arabic (اللهجة المصرية)",
            "ar-AE": "Emirati Arabic (اللهجة الإماراتية)",
        },
        writer_name="Modern Standard Arabic (العربية الفصحى)", letters=r"[\u0600-\u06ff]",
        characters_per_second=9.3,
    ),
    Language(
        "es", "Spanish", "spa", espeak="es-419", espeak_regions={"es-ES": "es"}, front_end="spanish",
        default="es-ES", locales={"es-ES": "Spanish of Spain (español de España)"},
        writer_name="Spanish (español)", letters="[A-Za-zÁÉÍÓÚÜÑáéíóúüñ]", characters_per_second=14.8,
    ),
    Language(
        "hi", "Hindi", "hin", "Devanagari", espeak="hi", front_end="hindi", default="hi-IN",
        locales={"hi-IN": "Hindi (हिन्दी)"}, writer_name="Hindi (हिन्दी)", letters=r"[\u0900-\u097f]",
        characters_per_second=10.3,
    ),
    Language(
        "ur", "Urdu", "urd", "Arabic", espeak="ur", front_end="urdu", default="ur-PK",
        locales={"ur-PK": "Urdu (اردو)"}, writer_name="Urdu (اردو)", letters=r"[\u0600-\u06ff]",
        foreign_letters="يكىة", characters_per_second=10.9,
    ),
)  # fmt: skip

_HAN_CAVEAT = "espeak-ng reads few Chinese characters and no tone that a model knows"
_KANJI_CAVEAT = "espeak-ng reads kana alone: it calls each kanji `Chinese letter`"

_READ_BY_ESPEAK = (
    Language("af", "Afrikaans", "afr", espeak="af"),
    Language("am", "Amharic", "amh", "Ethiopic", "am"),
    Language("an", "Aragonese", "arg", espeak="an"),
    Language("as", "Assamese", "asm", "Bengali", "as"),
    Language("az", "Azerbaijani", "aze", espeak="az"),
    Language("ba", "Bashkir", "bak", "Cyrillic", "ba"),
    Language("be", "Belarusian", "bel", "Cyrillic", "be"),
    Language("bg", "Bulgarian", "bul", "Cyrillic", "bg"),
    Language("bn", "Bengali", "ben", "Bengali", "bn"),
    Language("bpy", "Bishnupriya", script="Bengali", espeak="bpy"),
    Language("bs", "Bosnian", "bos", espeak="bs"),
    Language("ca", "Catalan", "cat", espeak="ca"),
    Language("cmn", "Mandarin Chinese", "zho", "Han", "cmn", caveat=_HAN_CAVEAT),
    Language("cs", "Czech", "ces", espeak="cs"),
    Language("cv", "Chuvash", "chv", "Cyrillic", "cv"),
    Language("cy", "Welsh", "cym", espeak="cy", decimal_mark="."),
    Language("da", "Danish", "dan", espeak="da"),
    Language("de", "German", "deu", espeak="de"),
    Language("el", "Greek", "ell", "Greek", "el"),
    Language("eo", "Esperanto", "epo", espeak="eo"),
    Language("et", "Estonian", "est", espeak="et"),
    Language("eu", "Basque", "eus", espeak="eu"),
    Language("fa", "Persian", "fas", "Arabic", "fa"),
    Language("fi", "Finnish", "fin", espeak="fi"),
    Language("fr", "French", "fra", espeak="fr-fr", espeak_regions={"fr-BE": "fr-be", "fr-CH": "fr-ch"}),
    Language("ga", "Irish", "gle", espeak="ga", decimal_mark="."),
    Language("gd", "Scottish Gaelic", "gla", espeak="gd", decimal_mark="."),
    Language("gn", "Guarani", "grn", espeak="gn"),
    Language("grc", "Ancient Greek", "grc", "Greek", "grc"),
    Language("gu", "Gujarati", "guj", "Gujarati", "gu"),
    Language("hak", "Hakka Chinese", script="Han", espeak="hak", caveat=_HAN_CAVEAT),
    Language("haw", "Hawaiian", "haw", espeak="haw", decimal_mark="."),
    Language("he", "Hebrew", "heb", "Hebrew", "he"),
    Language("hr", "Croatian", "hrv", espeak="hr"),
    Language("ht", "Haitian Creole", "hat", espeak="ht"),
    Language("hu", "Hungarian", "hun", espeak="hu"),
    Language("hy", "Armenian", "hye", "Armenian", "hy"),
    Language("hyw", "Western Armenian", "hye", "Armenian", "hyw"),
    Language("ia", "Interlingua", "ina", espeak="ia"),
    Language("id", "Indonesian", "ind", espeak="id"),
    Language("io", "Ido", "ido", espeak="io"),
    Language("is", "Icelandic", "isl", espeak="is"),
    Language("it", "Italian", "ita", espeak="it"),
    Language(
        "ja", "Japanese", "jpn", "Han", "ja", caveat=_KANJI_CAVEAT,
        letters=r"[\p{Han}\p{Hiragana}\p{Katakana}ー]",
    ),
    Language("jbo", "Lojban", "jbo", espeak="jbo"),
    Language("ka", "Georgian", "kat", "Georgian", "ka"),
    Language("kk", "Kazakh", "kaz", "Cyrillic", "kk"),
    Language("kl", "Greenlandic", "kal", espeak="kl"),
    Language("kn", "Kannada", "kan", "Kannada", "kn"),
    Language("ko", "Korean", "kor", "Hangul", "ko"),
    Language("kok", "Konkani", "kok", "Devanagari", "kok"),
    Language("ku", "Kurdish", "kur", espeak="ku"),
    Language("ky", "Kyrgyz", "kir", "Cyrillic", "ky"),
    Language("la", "Latin", "lat", espeak="la"),
    Language("lb", "Luxembourgish", "ltz", espeak="lb"),
    Language("lfn", "Lingua Franca Nova", espeak="lfn"),
    Language("lt", "Lithuanian", "lit", espeak="lt"),
    Language("ltg", "Latgalian", espeak="ltg"),
    Language("lv", "Latvian", "lav", espeak="lv"),
    Language("mi", "Māori", "mri", espeak="mi", decimal_mark="."),
    Language("mk", "Macedonian", "mkd", "Cyrillic", "mk"),
    Language("ml", "Malayalam", "mal", "Malayalam", "ml"),
    Language("mr", "Marathi", "mar", "Devanagari", "mr"),
    Language("ms", "Malay", "msa", espeak="ms", decimal_mark="."),
    Language("mt", "Maltese", "mlt", espeak="mt", decimal_mark="."),
    Language("my", "Burmese", "mya", "Myanmar", "my"),
    Language("nb", "Norwegian Bokmål", "nob", espeak="nb"),
    Language("nci", "Classical Nahuatl", espeak="nci"),
    Language("ne", "Nepali", "nep", "Devanagari", "ne"),
    Language("nl", "Dutch", "nld", espeak="nl"),
    Language("no", "Norwegian", "nor", espeak="nb"),
    Language("nog", "Nogai", "nog", "Cyrillic", "nog"),
    Language("om", "Oromo", "orm", espeak="om", decimal_mark="."),
    Language("or", "Odia", "ori", "Oriya", "or"),
    Language("pa", "Punjabi", "pan", "Gurmukhi", "pa"),
    Language("pap", "Papiamento", "pap", espeak="pap"),
    Language("pl", "Polish", "pol", espeak="pl"),
    Language("pt", "Portuguese", "por", espeak="pt", espeak_regions={"pt-BR": "pt-br"}),
    Language("qu", "Quechua", "que", espeak="qu", decimal_mark="."),
    Language("quc", "K'iche'", espeak="quc"),
    Language("ro", "Romanian", "ron", espeak="ro"),
    Language("ru", "Russian", "rus", "Cyrillic", "ru", espeak_regions={"ru-LV": "ru-lv"}),
    Language("sd", "Sindhi", "snd", "Arabic", "sd"),
    Language("shn", "Shan", "shn", "Myanmar", "shn"),
    Language("si", "Sinhala", "sin", "Sinhala", "si"),
    Language("sk", "Slovak", "slk", espeak="sk"),
    Language("sl", "Slovenian", "slv", espeak="sl"),
    Language("smj", "Lule Sami", "smj", espeak="smj"),
    Language("sq", "Albanian", "sqi", espeak="sq"),
    Language("sr", "Serbian", "srp", "Cyrillic", "sr"),
    Language("sv", "Swedish", "swe", espeak="sv"),
    Language("sw", "Swahili", "swa", espeak="sw", decimal_mark="."),
    Language("ta", "Tamil", "tam", "Tamil", "ta"),
    Language("te", "Telugu", "tel", "Telugu", "te"),
    Language("th", "Thai", "tha", "Thai", "th", caveat="espeak-ng reads most Thai words wrong"),
    Language("tk", "Turkmen", "tuk", espeak="tk"),
    Language("tn", "Tswana", "tsn", espeak="tn", decimal_mark="."),
    Language("tr", "Turkish", "tur", espeak="tr"),
    Language("tt", "Tatar", "tat", "Cyrillic", "tt"),
    Language("ug", "Uyghur", "uig", "Arabic", "ug"),
    Language("uk", "Ukrainian", "ukr", "Cyrillic", "uk"),
    Language("uz", "Uzbek", "uzb", espeak="uz"),
    Language("vi", "Vietnamese", "vie", espeak="vi"),
    Language("yue", "Cantonese", "zho", "Han", "yue", caveat=_HAN_CAVEAT),
    Language(
        "zh", "Chinese", "zho", "Han", "cmn", espeak_regions={"zh-HK": "yue", "zh-MO": "yue"},
        caveat=_HAN_CAVEAT,
    ),
)  # fmt: skip
"""The languages that espeak-ng 1.51 reads, less Cherokee, which it spells, and those of fiction."""

LANGUAGES: Mapping[str, Language] = {row.code: row for row in (*_WITH_FRONT_END, *_READ_BY_ESPEAK)}
LOCALES: tuple[str, ...] = tuple(locale for row in _WITH_FRONT_END for locale in row.locales)
"""The locales that have a text front-end of their own."""
LANGUAGE_DEFAULTS: Mapping[str, str] = {row.code: row.default for row in _WITH_FRONT_END}
"""The locale that a bare code means, where the table says one."""

_SCRIPTS = {
    "Arab": "Arabic",
    "Cyrl": "Cyrillic",
    "Deva": "Devanagari",
    "Hans": "Han",
    "Hant": "Han",
    "Latn": "Latin",
}
"""The scripts that a tag may name to say that a language is written otherwise than it mostly is."""
_RIGHT_TO_LEFT = frozenset({"Arabic", "Hebrew"})
_DECIMAL_COMMA = frozenset({"Armenian", "Cyrillic", "Georgian", "Greek", "Latin"})
_WITHOUT_SPACES = frozenset({"Han", "Myanmar", "Thai"})
_PACES = {"Latin": 14.5, "Cyrillic": 13.5, "Greek": 13.5, "Hangul": 7.0, "Han": 4.5}
_PACE = 10.5
"""Characters a second of the scripts that are not in `_PACES`."""


def with_hyphens(tag: str) -> str:
    """Return a tag as BCP-47 joins it: POSIX writes `en_US`."""
    return tag.replace("_", "-")


def canonical_locale(tag: str) -> str:
    """Return a BCP-47 tag in its canonical case: `fr-fr` is `fr-FR`, `ZH-hant-tw` is `zh-Hant-TW`.

    Raises:
        ValueError: it is no such tag; the message says what one looks like.
    """
    if len(tag) > LOCALE_LENGTH or not re.fullmatch(LOCALE_PATTERN, tag):
        raise ValueError(
            f"{tag[: LOCALE_LENGTH + 5]!r} is not a locale: give a language and, where it matters, "
            "a script and a region, joined by '-', such as fr-FR, es-419 or zh-Hant-TW"
        )
    language, *rest = tag.lower().split("-")
    return "-".join([language, *map(_canonical_part, rest)])


def _canonical_part(part: str) -> str:
    if len(part) == 2:
        return part.upper()
    return part.title() if len(part) == 4 and part.isalpha() else part


def _with_default(tag: str) -> str:
    """Return a locale in canonical case; a bare language that has a default locale means that one."""
    locale = canonical_locale(tag)
    return LANGUAGE_DEFAULTS.get(locale, locale)


Locale = Annotated[
    str,
    AfterValidator(_with_default),
    WithJsonSchema({"type": "string", "pattern": LOCALE_PATTERN, "maxLength": LOCALE_LENGTH}),
]
"""A locale in canonical case, given in any; `en` is `en-US`, by the table."""


def language_of(locale: str) -> Language:
    """Return the language of a locale or bare code; of one that is not in the table, what its tag says."""
    code = locale.partition("-")[0]
    return LANGUAGES.get(code) or Language(code, code, script="")


def script_of(locale: str) -> str:
    """Return Unicode's name of the script of a locale, or an empty string where it is not known."""
    named = (_SCRIPTS[part] for part in locale.split("-")[1:] if part in _SCRIPTS)
    return next(named, language_of(locale).script)


def direction_of(locale: str) -> Direction:
    """Return the direction in which a locale is written."""
    return "rtl" if script_of(locale) in _RIGHT_TO_LEFT else "ltr"


def parts_words(locale: str) -> bool:
    """Return whether a locale is written with spaces between words."""
    return script_of(locale) not in _WITHOUT_SPACES


def letters_of(locale: str) -> str:
    """Return the letters of a locale as a class of the `regex` package: any where that is not known."""
    language, script = language_of(locale), script_of(locale)
    if language.letters and script == language.script:
        return language.letters
    return rf"\p{{{script}}}" if script else r"\p{L}"


def characters_per_second(locale: str) -> float:
    """Return how many characters of its text a second of speech says."""
    return language_of(locale).characters_per_second or _PACES.get(script_of(locale), _PACE)


def decimal_mark(locale: str) -> str:
    """Return the decimal mark of a locale: `.` or `,`."""
    return language_of(locale).decimal_mark or ("," if script_of(locale) in _DECIMAL_COMMA else ".")


def writer_name(locale: str) -> str:
    """Return the name by which a language model is asked for a locale or bare code."""
    language = language_of(locale)
    if locale in language.locales:
        return language.locales[locale]
    name = language.writer_name or language.name
    return name if locale == language.code else f"{name} ({locale})"


def espeak_voice(locale: str) -> str:
    """Return the espeak-ng voice that reads a locale, or an empty string where there is none."""
    language = language_of(locale)
    tags = [locale]
    while "-" in tags[-1]:
        tags.append(tags[-1].rpartition("-")[0])
    return next(
        (language.espeak_regions[tag] for tag in tags if tag in language.espeak_regions), language.espeak
    )


def is_readable(locale: str) -> bool:
    """Return whether the text of a locale can be turned into phonemes: by a front-end, or by espeak-ng."""
    return locale in LOCALES or bool(espeak_voice(locale))


def caveat_of(locale: str) -> str:
    """Return what is read badly in a locale, or an empty string."""
    return "" if locale in LOCALES else language_of(locale).caveat


def explain_unreadable(locales: Iterable[str]) -> str:
    """Return why locales that are not `is_readable` cannot be spoken, and which could be."""
    return (
        f"Nothing reads {', '.join(sorted(set(locales)))}: it has no front-end of its own, and espeak-ng has "
        f"no voice of its language. Languages that are read: {', '.join(sorted(LANGUAGES))}."
    )


def default_locale(code: str, offered: Iterable[str]) -> str | None:
    """Return what a bare language code means: its default, else the only one of `offered`, else None."""
    if code in LANGUAGE_DEFAULTS:
        return LANGUAGE_DEFAULTS[code]
    found = {locale for locale in offered if locale.partition("-")[0] == code}
    return found.pop() if len(found) == 1 else None


def resolve_locale(language: str, dialect: str | None = None, offered: Iterable[str] = ()) -> str:
    """Return the locale that a request's `language` and `dialect` name.

    `language` is a code (`en`) or a whole locale (`en-GB`); `dialect` is a locale or its region (`GB`).
    Both are read without regard to case, and `_` counts as `-`. `offered` are locales that can be spoken
    beside those that have a front-end of their own.

    Raises:
        ValueError: no such language or dialect; the message lists what is allowed. Its first argument
            is the message, its second the parameter at fault (`language` or `dialect`).
    """
    wanted = with_hyphens(language.strip()).lower()
    by_tag = {locale.lower(): locale for locale in (*LOCALES, *sorted(offered))}
    code = wanted.partition("-")[0]
    here = [locale for tag, locale in by_tag.items() if tag.partition("-")[0] == code]
    if not here or ("-" in wanted and wanted not in by_tag):
        codes = dict.fromkeys(tag.partition("-")[0] for tag in by_tag)
        allowed = ", ".join([*codes, *by_tag.values()])
        raise ValueError(f"Unknown language {language!r}. Allowed: {allowed}.", "language")
    if dialect is None:
        found = by_tag.get(wanted) or default_locale(code, here)
        if found is None:
            raise ValueError(
                f"Language {language!r} has several locales. Allowed: {', '.join(here)}.", "language"
            )
        return found
    region = with_hyphens(dialect.strip()).lower()
    tag = region if region in by_tag else f"{code}-{region}"
    if tag not in by_tag or not tag.startswith(f"{code}-") or ("-" in wanted and tag != wanted):
        regions = ", ".join(f"{locale} ({locale.partition('-')[2]})" for locale in here)
        raise ValueError(f"Unknown dialect {dialect!r} of {language!r}. Allowed: {regions}.", "dialect")
    return by_tag[tag]
