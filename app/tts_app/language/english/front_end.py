"""English: en-US, en-GB and en-AU.

The phonemes come from misaki's dictionaries, with rules like its own for weak forms and stress, but without
its part-of-speech tagger. en-AU is British English with Australian vowels.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType

import regex

from tts_app.language.base import FrontEnd
from tts_app.language.english.accent import in_ipa
from tts_app.language.english.context import use_of
from tts_app.language.english.lexicon import VOWELS, Lexicon, restress
from tts_app.language.english.words import EnglishVerbaliser
from tts_app.language.english.written import Written, smoothed
from tts_app.language.markup.reader import ReadsMarkup
from tts_app.language.romanise import romanise, without_accents
from tts_app.language.semiotics import normalise
from tts_app.language.text import word_set

_TOKEN = regex.compile(r"[\p{L}\p{M}]++(?:'[\p{L}\p{M}]++)*+|[.,;:?!]")
_LETTER_NAME = regex.compile(r"([A-Z])('s)?")
_STRETCHED = regex.compile(r"(\p{L})\1{2,}+")
_SOUND = regex.compile(r"[^ˈˌ]")
_WORDS_IN_CAPITALS = word_set(
    "AN AS AT BE BY DO GO HE HI IF IN IS ME MY NO OF OH ON OR SO TO UP WE OK ALL AND ANY ARE BAR BIG "
    "BUT BUY CAN DAY END EAT FAR FOR FUN GET HER HIS HOT HOW JOY LET LOT LOW MAY NEW NOT NOW OFF OLD "
    "ONE OUR OUT OWN PAY PER RED RUN SEA SEE SHE SIX SKY SPA SUN TEA TEN THE TOP TRY TWO USE VIA WAS "
    "WAY WHO WHY WIN YES YET YOU"
)
_WEAK_FORMS: Mapping[str, tuple[str | None, str, str]] = MappingProxyType(
    {
        "a": ("ɐ", "ɐ", "ɐ"),
        "an": ("ɐn", "ɐn", "ɐn"),
        "the": ("ðə", "ði", "ðə"),
        "to": (None, "tʊ", "tə"),
        "in": ("ˈɪn", "ɪn", "ɪn"),
        "am": (None, "ɐm", "ɐm"),
        "i": ("ˌI", "ˌI", "ˌI"),
    }
)
"""Forms before a pause, a vowel and a consonant; None is the dictionary's."""
_VOWEL_LETTERS = frozenset("AEIOUY")


class English(ReadsMarkup):
    """The front-end of one English locale. Thread-safe."""

    def __init__(self, locale: str, lexicon: Lexicon) -> None:
        """Make the front-end of `locale` on the lexicon of its variety."""
        self.locale = locale
        self._lexicon = lexicon
        self.verbaliser = EnglishVerbaliser(locale, self._capitals)
        self._written = Written(self.verbaliser.digits, self.verbaliser.house_number, self.verbaliser.ordinal)

    def words(self, text: str) -> str:
        """Return `text` as English words with . , ; : ? ! as the only punctuation."""
        spoken = normalise(self._written.explain(text), self.verbaliser)
        return smoothed(" ".join(romanise(spoken).split()))

    def phonemise(self, texts: Sequence[str]) -> list[str]:
        """Return the phonemes of normalised texts in plain IPA."""
        tokenised = [_TOKEN.findall(text) for text in texts]
        unknown = [word for words in tokenised for word in words if self._is_unknown(word)]
        guessed = self._lexicon.guess(unknown) if unknown else {}
        return [self._sentence(words, guessed) for words in tokenised]

    def _is_unknown(self, word: str) -> bool:
        return (
            word[0].isalpha() and not _LETTER_NAME.fullmatch(word) and self._look_up(word, "DEFAULT") is None
        )

    def _look_up(self, word: str, use: str | None) -> str | None:
        found = self._lexicon.look_up(word, use)
        if found is None and not word.isascii():
            found = self._lexicon.look_up(without_accents(word), use)
        if found is None and _STRETCHED.search(word):
            doubled, single = (_STRETCHED.sub(letters, word) for letters in (r"\1\1", r"\1"))
            found = self._lexicon.look_up(doubled, use) or self._lexicon.look_up(single, use)
        return found

    def _sentence(self, tokens: Sequence[str], guessed: Mapping[str, str]) -> str:
        """Return the phonemes of one text, made from the last word to the first: what follows decides."""
        spoken: list[str] = []
        following: str | None = None
        clauses = _clauses(tokens)
        for index in range(len(tokens) - 1, -1, -1):
            token = tokens[index]
            if not token[0].isalpha():
                following = None
                spoken.append(token)
                continue
            clause, place = clauses[index]
            phonemes = self._letters(tokens, index) or self._word(token, clause, place, following)
            phonemes = phonemes or guessed.get(token, "")
            if phonemes:
                following = phonemes
                spoken.append(phonemes)
        return in_ipa(_joined(list(reversed(spoken))), self.locale)

    def _letters(self, tokens: Sequence[str], index: int) -> str | None:
        """Return the name of a spelled letter; of letters in a row only the last has the main stress."""
        match = _LETTER_NAME.fullmatch(tokens[index])
        if match is None:
            return None
        before = index > 0 and _LETTER_NAME.fullmatch(tokens[index - 1]) is not None
        after = index + 1 < len(tokens) and _LETTER_NAME.fullmatch(tokens[index + 1]) is not None
        pauses = index + 1 == len(tokens) or not tokens[index + 1][0].isalpha()
        if (
            tokens[index] in {"A", "I"}
            and not before
            and not after
            and not (pauses and tokens[index] == "A" and index)
        ):
            return None
        name = self._lexicon.letter(match[1])
        if after:
            name = restress(name, -1)
        if match[2]:
            name = self._lexicon.plural(name)
        return name

    def _word(self, word: str, clause: Sequence[str], place: int, following: str | None) -> str | None:
        vowel_next = None if following is None else (_SOUND.search(following) or "")[0] in VOWELS
        weak = self._weak_form(word.lower(), clause, place, vowel_next)
        if weak is not None:
            return weak
        use = use_of(clause, place)
        found = self._look_up(word, None if use == "DEFAULT" and vowel_next is None else use)
        if found is None:
            return None
        return found if word == word.lower() else restress(found, 0.5)

    def _weak_form(self, word: str, clause: Sequence[str], place: int, vowel_next: bool | None) -> str | None:
        """Return the form of a function word that depends on what follows; None where it does not."""
        if word == "used" and clause[place + 1 : place + 2] == ["to"]:
            return self._lexicon.look_up("used", "VBD")
        if word == "am" and not place:
            return None
        pause, vowel, consonant = _WEAK_FORMS.get(word, (None, None, None))
        return pause if vowel_next is None else vowel if vowel_next else consonant

    def _capitals(self, word: str, shouted: bool) -> str:
        """Say a word in capitals: as a word where the lexicon has one, else letter by letter."""
        if _STRETCHED.search(word):
            return word.lower()
        entry = self._lexicon.acronym(word)
        if not shouted and entry == "word":
            return word
        plain = word in _WORDS_IN_CAPITALS or (
            self._lexicon.knows(word.lower()) and (shouted or (len(word) > 2 and entry != "spelled"))
        )
        if plain or (len(word) > 5 and _VOWEL_LETTERS & set(word)):
            return word.lower()
        return " ".join(word)


def make_front_end(locale: str) -> FrontEnd:
    """Return the front-end of en-US, en-GB or en-AU."""
    return English(locale, _lexicon(locale != "en-US"))


@cache
def _lexicon(british: bool) -> Lexicon:
    return Lexicon(british)


def _clauses(tokens: Sequence[str]) -> list[tuple[list[str], int]]:
    """Return, for each token, its clause in lower case and its place in it."""
    places: list[tuple[list[str], int]] = []
    clause: list[str] = []
    for token in tokens:
        if token[0].isalpha():
            places.append((clause, len(clause)))
            clause.append(token.lower())
        else:
            places.append((clause, 0))
            clause = []
    return places


def _joined(spoken: Sequence[str]) -> str:
    text = ""
    for piece in spoken:
        text += piece if not text or piece in ".,;:?!" else f" {piece}"
    return text
