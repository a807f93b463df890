"""Arabic text front-end: standard (ar-SA), Egyptian (ar-EG) and Emirati (ar-AE).

Text -> words (`semiotics` with `arabic.numbers`, Latin words by `arabic.latin`) -> vowels (a lexicon over a
diacritiser) -> phones by rule (`arabic.phonemes`). docs/decisions/0005-arabic.md has the
measurements and choices.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tts_app.language import semiotics
from tts_app.language.arabic import diacritise, latin
from tts_app.language.arabic.arabizi import Arabizi
from tts_app.language.arabic.case import governed
from tts_app.language.arabic.context import Context
from tts_app.language.arabic.dialects import LEXICONS
from tts_app.language.arabic.numbers import ArabicVerbaliser
from tts_app.language.arabic.phonemes import (
    SUN_PHONES,
    VOWELS,
    Sounds,
    Word,
    render,
    split_phones,
    word_phones,
)
from tts_app.language.arabic.script import fold
from tts_app.language.arabic.words import SYMBOLS
from tts_app.language.base import FrontEnd
from tts_app.language.markup.reader import ReadsMarkup
from tts_app.language.text import bounded_marks

Phones = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dialect:
    """What is specific to one dialect's pronunciation."""

    sounds: Sounds
    colloquial: bool
    """Whether case endings are never said, aw and ay are oː and eː, and verbs take b-."""
    article: str
    """The article's vowel."""
    construct: str
    """The vowel before the t of ta marbuta in a genitive construction."""
    proclitics: dict[str, str]
    """Phones of و ف ب ل ك before a word."""
    enclitics: dict[str, str]
    """Phones of the pronouns after a noun of the lexicon; a vowel among them replaces a case ending."""
    future: tuple[str, ...] = ()
    """Letters of the future prefix other than b-."""


_PROCLITICS = {"و": "wa", "ف": "fa", "ب": "bi", "ل": "li", "ك": "ka"}
_STANDARD_PRONOUNS = {
    "نا": "unaː",
    "ها": "uhaː",
    "هم": "uhum",
    "كم": "ukum",
    "ك": "uk",
    "ه": "uh",
    "ي": "iː",
    "ا": "an",
}

DIALECTS = {
    "ar-SA": Dialect(Sounds(shifts={"Q": "q"}), False, "a", "a", _PROCLITICS, _STANDARD_PRONOUNS),
    "ar-EG": Dialect(
        Sounds(
            shifts={"ʤ": "ɡ", "q": "ʔ", "Q": "q", "θ": "t", "ð": "d", "ðˤ": "zˤ"},
            late_stress=True,
        ),
        True,
        "i",
        "i",
        {**_PROCLITICS, "و": "wi"},
        {"نا": "na", "ها": "ha", "هم": "hum", "كم": "kum", "كو": "ku", "ك": "ak", "ه": "u", "ي": "i"},
        future=("ه", "ح"),
    ),
    "ar-AE": Dialect(
        Sounds(shifts={"q": "ɡ", "Q": "q", "dˤ": "ðˤ"}),
        True,
        "i",
        "a",
        _PROCLITICS,
        {"نا": "na", "ها": "ha", "هم": "hum", "كم": "kum", "ك": "ak", "ه": "ah", "ي": "i"},
    ),
}

_SPOKEN_PRONOUNS = tuple(split_phones(written) for written in ("kum", "hum", "haː", "naː"))
_PAUSES = frozenset(".,;:?!")
_PIECE = re.compile(r"[^\s.,;:?!]+|[.,;:?!]")
_FOREIGN = re.compile(r"[^\s.,;:?!\u0621-\u063a\u0641-\u0652\u0670\u0671پچڤگژڨ]+")
_MARKS_OF_PAUSE = str.maketrans({"،": ",", "؛": ";", "؟": "?", "ی": "ي", "ک": "ك", "ھ": "ه", "ہ": "ه"})
_GREEK = str.maketrans({sign: f" {said} " for sign, said in SYMBOLS.items() if "Α" <= sign <= "ω"})
_JOINED = re.compile(r"(?<![^\s.,;:?!])(و?(?:[بكف]?ال|[وفبلك]))\s+(?=(?P<definite>ال)?[\u0621-\u064a])")
_VERB = re.compile(r"^([وف]?)(م[اـ]?)?([بهح]?)([يتنا])(\w{2,}?)(ش?)$")
_WITH_ARTICLE = re.compile(r"^([وف]?)([بكلعه]?)(ا?ل)(\w{2,})$")
_WITH_CLITIC = re.compile(r"^([وفبلك])(\w{2,})$")
_ENCLITIC = re.compile(r"^(\w{2,}?)(نا|ها|هم|كم|كو|ك|ه|ي|ا)$")


def make_front_end(locale: str) -> FrontEnd:
    """Return the front-end of ar-SA, ar-EG or ar-AE with its diacritiser loaded."""
    diacritise.load()
    return ArabicFrontEnd(locale)


class ArabicFrontEnd(ReadsMarkup):
    """Arabic front-end of one locale; see `base.FrontEnd`. Stateless once made."""

    def __init__(self, locale: str, dialect: Dialect | None = None) -> None:
        self.locale = locale
        numbers = ArabicVerbaliser(locale)
        self.verbaliser = numbers
        self._dialect = dialect or DIALECTS[locale]
        self._lexicon = _read_lexicon(locale)
        self._context = Context(numbers)
        self._arabizi = Arabizi(
            entry.rpartition("=")[2]
            for listings in (*LEXICONS.values(), LEXICONS[locale])
            for listing in listings
            for entry in listing.split()
        )

    def words(self, text: str) -> str:
        """Return `text` as Arabic words with . , ; : ? ! as the only punctuation."""
        words = semiotics.normalise(self._context(self._arabizi.written(text)), self.verbaliser)
        words = latin.transliterate(words).translate(_GREEK).translate(_MARKS_OF_PAUSE).replace("ـ", "")
        words = bounded_marks(words)
        words = _JOINED.sub(_join, _FOREIGN.sub(" ", words))
        if not self._dialect.colloquial:
            words = governed(" ".join(words.split()))
        return re.sub(r"\s+([.,;:?!])", r"\1", " ".join(words.split()))

    def phonemise(self, texts: Sequence[str]) -> list[str]:
        """Return the phonemes of each normalised text in plain IPA."""
        return [self._phonemise(text) for text in texts]

    def _phonemise(self, text: str) -> str:
        pieces = _PIECE.findall(text)
        words = [piece for piece in pieces if piece not in _PAUSES]
        if not words:
            return ""
        spoken = iter(self._words(words))
        phrases: list[str] = []
        phrase: list[Word] = []
        for piece in [*pieces, ""]:
            if piece and piece not in _PAUSES:
                phrase.append(next(spoken))
                continue
            written = render(phrase, self._dialect.sounds)
            phrase = []
            if written:
                phrases.append(written + piece)
        return " ".join(phrases)

    def _words(self, words: Sequence[str]) -> Iterator[Word]:
        """Yield the phones of a sentence's words: from their vowel marks, the lexicon or the model."""
        parts = [self._analyse(word) for word in words]
        guesses = diacritise.diacritise([part.stem for part in parts])
        following = [*words[1:], ""]
        for written, after, part, guess in zip(words, following, parts, guesses, strict=True):
            word = self._colloquial(part.wrap(part.entry or self._guess(guess, part)))
            yield self._construct(word) if _governs(written, after) else word

    def _construct(self, word: Word) -> Word:
        """Say the t of a ta marbuta whose noun governs the next: خدمة الضيوف is xidmat, in Egypt xidmit."""
        return replace(word, phones=(*word.phones[:-1], self._dialect.construct, "t"))

    def _guess(self, guess: str, part: "_Parts") -> Word:
        word = word_phones(guess, pausal=True)
        if self._dialect.colloquial and part.verb and word.phones[1:2] in {("a",), ("u",)}:
            # The prefix vowel of every colloquial imperfect is i: yiʕmil, tiruːħ.
            return replace(word, phones=(word.phones[0], "i", *word.phones[2:]))
        return _without_case(word) if self._dialect.colloquial else word

    def _analyse(self, word: str) -> "_Parts":
        """Find a word in the lexicon, if necessary without clitics, or strip what the model cannot know."""
        if diacritise.vowelled(word):
            return _Parts(word)
        plain = fold(word)
        for parts in self._readings(plain, word):
            if parts.entry:
                return parts
        if self._dialect.colloquial:
            return self._verb(word, plain) or _Parts(word)
        return _Parts(word)

    def _readings(self, plain: str, word: str) -> Iterator["_Parts"]:
        """Yield the ways to read a word as an entry of the lexicon, the plainest first."""
        yield _Parts(word, entry=self._lexicon.get(plain))
        found = _WITH_ARTICLE.match(plain)
        if found and (found[3] == "ال" or found[2] == "ل"):
            stem = found[4]
            entry = self._lexicon.get(stem)
            if entry:
                yield _Parts(word, entry=self._definite(entry, found[1], found[2], found[3]))
        if plain.startswith("لل") and plain[1:] in self._lexicon:  # لليلة: the article's lam is not written
            yield _Parts(word, entry=self._definite(self._lexicon[plain[1:]], "", "ل", "ل"))
        found = _WITH_CLITIC.match(plain)
        if found:
            for parts in self._possessed(found[2], word):
                yield replace(parts, prefix=split_phones(self._dialect.proclitics[found[1]]))
        yield from self._possessed(plain, word)
        verb = self._verb(word, plain)
        if self._dialect.colloquial and verb:
            yield replace(verb, entry=self._lexicon.get(fold(verb.stem)))

    def _possessed(self, plain: str, word: str) -> Iterator["_Parts"]:
        """Yield an entry alone, then with a pronoun stripped off it."""
        yield _Parts(word, entry=self._lexicon.get(plain))
        found = _ENCLITIC.match(plain)
        if not found or found[2] not in self._dialect.enclitics:
            return
        pronoun = split_phones(self._dialect.enclitics[found[2]])
        stem = found[1]
        entry = self._lexicon.get(stem)
        if entry is None and stem.endswith("ت"):
            entry = self._lexicon.get(stem[:-1] + "ه")
            pronoun = ("t", *pronoun)
        if entry is None:
            return
        if entry.phones[-1] in VOWELS and pronoun[0] in VOWELS:
            pronoun = pronoun[1:]
        yield _Parts(word, entry=entry, suffix=pronoun)

    def _definite(self, entry: Word, conjunction: str, preposition: str, article: str) -> Word:
        """Put the assimilated article, and the prefixes before it, in front of an entry."""
        # Beside one-letter prepositions, speech shortens على and هذا before the article: ع البحر, هالمكان.
        known = {**self._dialect.proclitics, "ع": "ʕa", "ه": "ha"}
        before = [phone for c in conjunction + preposition for phone in split_phones(known[c])]
        first = entry.phones[0]
        lam = first if first in SUN_PHONES else "l"
        if not before:
            return Word((self._dialect.article, lam, *entry.phones), wasla=True, stem=2)
        return Word((*before, lam, *entry.phones), stem=len(before) + 1)

    def _verb(self, word: str, plain: str) -> "_Parts | None":
        """Strip b-, future h- and ma-...-sh off a colloquial imperfect; None when it has none of them."""
        found = _VERB.match(plain)
        if not found:
            return None
        conjunction, negation, tense, person, rest, sh = found.groups()
        negated = bool(negation and sh)
        if not negated:
            rest, negation = rest + sh, ""
            if plain.startswith("م", len(conjunction)):
                return None
        if not negated and (not tense or len(rest) < 2):
            return None
        if tense not in {"", "ب", *self._dialect.future}:
            return None
        prefix = split_phones(
            (self._dialect.proclitics[conjunction] if conjunction else "")
            + ("ma" if negated else "")
            + {"": "", "ب": "bi"}.get(tense, "ha")
        )
        return _Parts(person + rest, prefix=prefix, suffix=("ʃ",) if negated else (), verb=True)

    def _colloquial(self, word: Word) -> Word:
        """Say aw and ay as oː and eː, and the article with the dialect's vowel."""
        if not self._dialect.colloquial:
            return word
        phones: list[str] = []
        source = word.phones
        for index, phone in enumerate(source):
            following = source[index + 1] if index + 1 < len(source) else ""
            if phone in {"w", "j"} and phones and phones[-1] == "a" and following not in VOWELS | {phone}:
                phones[-1] = "oː" if phone == "w" else "eː"
            else:
                phones.append(phone)
        if word.wasla and phones[0] == "a":
            phones[0] = self._dialect.article
        if phones[-2:] == ["u", "h"] and self._dialect.enclitics["ه"] == "u":
            phones.pop()
        return replace(word, phones=tuple(phones))


@dataclass(frozen=True, slots=True)
class _Parts:
    """A word split into the part for the diacritiser and the affixes around its phones."""

    stem: str
    prefix: Phones = ()
    suffix: Phones = ()
    entry: Word | None = None
    verb: bool = False

    def wrap(self, word: Word) -> Word:
        """Return `word` with the prefix and suffix around it."""
        if not (self.prefix or self.suffix):
            return word
        phones = word.phones
        if self.prefix and word.wasla:
            phones = phones[1:]
        return Word(
            (*self.prefix, *phones, *self.suffix),
            wasla=word.wasla and not self.prefix,
            stem=word.stem + len(self.prefix) if word.stem else 0,
        )


def _without_case(word: Word) -> Word:
    """Drop the case vowel before a pronoun: ʔaxbaːrukum is ʔaxbaːrkum in speech."""
    phones = word.phones
    for pronoun in _SPOKEN_PRONOUNS:
        stem = phones[: -len(pronoun)]
        if phones[-len(pronoun) :] != pronoun or len(stem) < 4:
            continue
        if stem[-1] in {"a", "i", "u"} and stem[-2] not in VOWELS and stem[-3] in VOWELS:
            return replace(word, phones=(*stem[:-1], *pronoun))
    return word


def _governs(word: str, following: str) -> bool:
    """Return whether a word that ends in ta marbuta governs the next: only the next one has an article."""
    plain, after = diacritise.bare(word), diacritise.bare(following)
    definite = plain.startswith(("ال", "وال", "بال", "لل", "فال", "كال"))
    return plain.endswith("ة") and not definite and after.startswith("ال") and len(after) > 3


def _join(match: re.Match[str]) -> str:
    """Write a lone proclitic (before a number or a Latin word: بـ 50, الـ WiFi) as one word with the next."""
    proclitic = match[1]
    if match["definite"] and proclitic.endswith("ال"):  # الـ 90s: the number has its article
        proclitic = proclitic.removesuffix("ال")
    return {"ب": "بِ", "ل": "لِ", "و": "وَ", "ف": "فَ", "ك": "كَ"}.get(proclitic, proclitic)


def _read_lexicon(locale: str) -> dict[str, Word]:
    """Return the words of a locale by their folded spelling; later lists win."""
    words: dict[str, Word] = {}
    for listing in LEXICONS[locale]:
        for entry in listing.split():
            spelling, _, vowelled = entry.rpartition("=")
            words[fold(spelling or vowelled)] = word_phones(vowelled, pausal=False)
    return words
