"""What of a text's markup is not followed, or not as well as it could be: codes for answers and headers."""

from types import MappingProxyType

from tts_app.language.markup.spans import Marked, Span
from tts_app.language.scripts import has_other_script, runs

CODES = MappingProxyType(
    {
        "emphasis-ignored": "No voice here stresses words when it is told to.",
        "pitch-ignored": "No voice here changes its pitch.",
        "pause-shortened": "A pause, or all pauses of the text together, were longer than what is made.",
        "phonemes-ignored": "The voice's engine reads text, and finds the pronunciation itself.",
        "language-ignored": "The voice's engine reads text, and finds the pronunciation itself.",
        "other-script": "Words of another script are spoken by their language's rules, with this voice.",
        "language-unsure": "The language of the text could not be told: the voice that was asked for speaks.",
        "script-not-spoken": "Words of another script are romanised or left out.",
    }
)


def codes_of(marked: Marked, locale: str, takes_phonemes: bool) -> list[str]:
    """Return the codes of what is not spoken as marked text asks, by a voice of `locale`; each once."""
    found = {code for code, _ in marked.warnings}
    for span in marked.spans:
        found |= _of_span(span, locale, takes_phonemes)
    return [code for code in CODES if code in found]


def _of_span(span: Span, locale: str, takes_phonemes: bool) -> set[str]:
    found = set()
    if not takes_phonemes:
        if span.phonemes:
            found.add("phonemes-ignored")
        if span.manner.locale and span.manner.locale.partition("-")[0] != locale.partition("-")[0]:
            found.add("language-ignored")
    own = span.manner.locale or locale
    if span.is_words and has_other_script(span.text, own):
        readers = list(runs(span.text, own)) if takes_phonemes else [(span.text, own)]
        if len({reader for _, reader in readers} | {own}) > 1:
            found.add("other-script")
        if any(has_other_script(text, reader) for text, reader in readers):
            found.add("script-not-spoken")
    return found
