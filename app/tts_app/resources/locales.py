"""The locales that the playground speaks, and what a bare language code or region means."""

from typing import Literal, get_args

Locale = Literal["en-US", "en-GB", "en-AU", "ar-SA", "ar-EG", "ar-AE", "es-ES", "hi-IN", "ur-PK"]
Gender = Literal["female", "male"]

LOCALES: tuple[Locale, ...] = get_args(Locale)
LANGUAGE_DEFAULTS: dict[str, Locale] = {
    "en": "en-US",
    "ar": "ar-SA",
    "es": "es-ES",
    "hi": "hi-IN",
    "ur": "ur-PK",
}


def resolve_locale(language: str, dialect: str | None = None) -> Locale:
    """Return the locale that a request's `language` and `dialect` name.

    `language` is a code (`en`) or a whole locale (`en-GB`); `dialect` is a locale or its region (`GB`).
    Both are read without regard to case, and `_` counts as `-`.

    Raises:
        ValueError: no such language or dialect; the message lists what is allowed. Its first argument
            is the message, its second the parameter at fault (`language` or `dialect`).
    """
    wanted = language.strip().replace("_", "-").lower()
    by_tag = {locale.lower(): locale for locale in LOCALES}
    code = wanted.split("-")[0]
    if code not in LANGUAGE_DEFAULTS or ("-" in wanted and wanted not in by_tag):
        allowed = ", ".join([*LANGUAGE_DEFAULTS, *LOCALES])
        raise ValueError(f"Unknown language {language!r}. Allowed: {allowed}.", "language")
    if dialect is None:
        return by_tag.get(wanted, LANGUAGE_DEFAULTS[code])
    region = dialect.strip().replace("_", "-").lower()
    tag = region if "-" in region else f"{code}-{region}"
    allowed_here = [locale for locale in LOCALES if locale.startswith(f"{code}-")]
    if tag not in by_tag or not tag.startswith(f"{code}-") or ("-" in wanted and tag != wanted):
        regions = ", ".join(f"{locale} ({locale.split('-')[1]})" for locale in allowed_here)
        raise ValueError(f"Unknown dialect {dialect!r} of {language!r}. Allowed: {regions}.", "dialect")
    return by_tag[tag]
