"""English words to phonemes, by the dictionaries of the package misaki (Apache-2.0).

Words checked by hand (gold) have priority over words collected by machine (silver). They are written in the
dictionaries' own alphabet, IPA with one letter for each sound: A I O Q W Y are the diphthongs of day, my, US
and British go, now and boy; `accent.in_ipa` writes them out. Inflected forms that the dictionaries lack are
made from their stems by the rules of English spelling; any other word is read as two words of the dictionary
(#seaview), or by espeak-ng.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from threading import Lock
from types import MappingProxyType

import regex

from tts_app.language.english.names import NAMES
from tts_app.language.espeak import Espeak

PRIMARY, SECONDARY = "ˈ", "ˌ"
VOWELS = frozenset("AIOQWYaiuæɑɒɔəɛɜɪʊʌᵻᵊ")
_STRESSABLE = regex.compile("[AIOQWYaiuæɑɒɔəɛɜɪʊʌᵻ]")
_FLAPPED_AFTER = frozenset("AIOWYiuæɑəɛɪɹʊʌ")
_VOICELESS = frozenset("ptkfθ")
_HISSING = frozenset("szʃʒʧʤ")
_DOUBLED = regex.compile(r"([bdgklmnprtvz])\1$")

Entry = str | Mapping[str, str | None]

SENSES: Mapping[str, tuple[Entry, Entry]] = MappingProxyType(
    {
        "lead": ({"DEFAULT": "lˈid", "METAL": "lˈɛd"}, {"DEFAULT": "lˈiːd", "METAL": "lˈɛd"}),
        "row": ({"DEFAULT": "ɹˈO", "FIGHT": "ɹˈW"}, {"DEFAULT": "ɹˈQ", "FIGHT": "ɹˈW"}),
        "bass": ({"DEFAULT": "bˈAs", "FISH": "bˈæs"}, {"DEFAULT": "bˈAs", "FISH": "bˈas"}),
        "resume": (
            {"DEFAULT": "ɹəzˈum", "PAPER": "ɹˈɛzəmˌA"},
            {"DEFAULT": "ɹɪzjˈuːm", "PAPER": "ɹˈɛzjʊmA"},
        ),
        "protest": (
            {"DEFAULT": "pɹˈOtˌɛst", "VERB": "pɹətˈɛst"},
            {"DEFAULT": "pɹˈQtɛst", "VERB": "pɹətˈɛst"},
        ),
        "export": (
            {"DEFAULT": "ˈɛkspˌɔɹt", "VERB": "ɪkspˈɔɹt"},
            {"DEFAULT": "ˈɛkspɔːt", "VERB": "ɪkspˈɔːt"},
        ),
        "recount": ({"DEFAULT": "ɹikˈWnt", "NOUN": "ɹˈikˌWnt"}, {"DEFAULT": "ɹɪkˈWnt", "NOUN": "ɹˈiːkWnt"}),
        "transfer": (
            {"DEFAULT": "tɹˈænsfəɹ", "VERB": "tɹænsfˈɜɹ"},
            {"DEFAULT": "tɹˈɑːnsfəː", "VERB": "tɹɑːnsfˈɜː"},
        ),
        "polish": ("pˈɑlɪʃ", "pˈɒlɪʃ"),
        "Polish": ("pˈOlɪʃ", "pˈQlɪʃ"),
    }
)
"""Words whose senses the dictionaries lack, in American and British English."""

_ESPEAK_US = (("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ɪə", "iə"), ("o^ʊ", "O"), ("ː", ""))
_ESPEAK_GB = (("e^ə", "ɛː"), ("iə", "ɪə"), ("ə^ʊ", "Q"))
_ESPEAK = (
    *(
        ("ʔˌn\u0329", "ʔn"),
        ("a^ɪ", "I"),
        ("a^ʊ", "W"),
        ("d^ʒ", "ʤ"),
        ("e^ɪ", "A"),
        ("t^ʃ", "ʧ"),
        ("ɔ^ɪ", "Y"),
    ),
    *(("ə^l", "ᵊl"), ("ʲo", "jo"), ("ʲə", "jə"), ("ʲ", ""), ("ɚ", "əɹ"), ("r", "ɹ"), ("x", "k"), ("ç", "k")),
    *(("ɐ", "ə"), ("ɬ", "l"), ("\u0303", "")),
)
"""espeak-ng's symbols in the dictionaries' alphabet; ^ ties the letters of one phoneme."""


class Lexicon:
    """The words of American or British English. Thread-safe."""

    def __init__(self, british: bool) -> None:
        """Load the dictionaries and start espeak-ng for what they lack.

        Raises:
            EspeakError: the espeak-ng program is missing.
        """
        self.british = british
        region = "gb" if british else "us"
        self._gold = _load(f"{region}_gold.json")
        self._silver = _load(f"{region}_silver.json")
        self._names: dict[str, Entry] = {word: said[british] for word, said in NAMES.items()}
        self._names |= {word: said[british] for word, said in SENSES.items()}
        self._espeak = Espeak(f"en-{region}", tie="^")
        self._guessed: dict[str, str] = {}
        self._lock = Lock()

    def knows(self, word: str) -> bool:
        """Return whether the dictionaries have the word, or the stem of which it is an inflected form."""
        return self._entry(word) is not None or self._inflected(word, None) is not None

    def acronym(self, word: str) -> str:
        """Return how an acronym is said: as a `word` (NASA) or `spelled` (US); `""` where it is not one."""
        entry = self._gold.get(word)
        if isinstance(entry, str):
            return "word"
        return "spelled" if entry is not None and entry.get("NOUN", "") is None else ""

    def plural(self, phonemes: str) -> str:
        """Return phonemes with the ending -s."""
        if phonemes[-1] in _HISSING:
            return phonemes + self._weak("z")
        return phonemes + ("s" if phonemes[-1] in _VOICELESS else "z")

    def letter(self, letter: str) -> str:
        """Return the name of a letter."""
        name = self._gold[letter.upper()]
        return name if isinstance(name, str) else str(name["DEFAULT"])

    def look_up(self, word: str, use: str | None) -> str | None:
        """Return the phonemes of a word, or None when the dictionaries lack it.

        `use` distinguishes homographs: NOUN, VERB, ADJ, VBD, VBN, a sense of `SENSES`, or None, which is the
        word before a pause.
        """
        for form in dict.fromkeys((word, word.lower(), word.capitalize())):
            entry = self._entry(form)
            if entry is not None:
                return _reading(entry, use)
        return self._inflected(word.lower(), use)

    def guess(self, words: Sequence[str]) -> dict[str, str]:
        """Return the phonemes of words that no dictionary has."""
        unknown = [word for word in dict.fromkeys(words) if word not in self._guessed]
        compounds = {word: self._compound(word) for word in unknown}
        rest = [word for word, said in compounds.items() if said is None]
        spoken = dict(zip(rest, self._espeak.phonemise(rest), strict=True))
        with self._lock:
            if len(self._guessed) > 20_000:
                self._guessed.clear()
            for word in unknown:
                self._guessed[word] = compounds[word] or self._from_espeak(spoken[word])
            return {word: self._guessed.get(word, "") for word in words}

    def _entry(self, word: str) -> Entry | None:
        for words in (self._names, self._gold, self._silver):
            if word in words:
                return words[word]
        return None

    # -- inflection --------------------------------------------------------------------------------------

    def _inflected(self, word: str, use: str | None) -> str | None:
        """Return the phonemes of -s, -'s, -ed, -ing, -er, -ly and the like, from the stem's."""
        if len(word) > 2 and word.endswith("s") and not word.endswith("ss"):
            return self._with_s(word, use)
        if len(word) > 3 and word.endswith("ed"):
            stem = self._stem(word[:-2], use)
            return None if stem is None else self._past(stem)
        if len(word) > 4 and word.endswith("ing"):
            stem = self._stem(word[:-3], use)
            return None if stem is None else f"{self._flap(stem)}ɪŋ"
        if len(word) > 5 and word.endswith("ly"):
            stem = self._known(word[:-2], use)
            return None if stem is None else f"{stem}{'li'}"
        return None

    def _with_s(self, word: str, use: str | None) -> str | None:
        stems = [word.removesuffix("'s") if word.endswith("'s") else word[:-1]]
        if word.endswith("ies"):
            stems.append(f"{word[:-3]}y")
        elif word.endswith("es"):
            stems.append(word[:-2])
        for stem in stems:
            said = self._known(stem, use) if len(stem) > 1 else None
            if said:
                return self.plural(said)
        return None

    def _stem(self, stem: str, use: str | None) -> str | None:
        """Return the phonemes of the stem before -ed or -ing: walk, hop(p), hope."""
        single = stem[:-1] if _DOUBLED.search(stem) else ""
        for form in (stem, f"{stem}e", single, f"{stem[:-1]}y" if stem.endswith("i") else ""):
            said = self._known(form, use) if len(form) > 1 else None
            if said:
                return said
        return None

    def _known(self, word: str, use: str | None) -> str | None:
        for form in (word, word.capitalize()):
            entry = self._entry(form)
            if entry is not None:
                return _reading(entry, use)
        return None

    def _past(self, stem: str) -> str:
        if stem[-1] in "td":
            return f"{self._flap(stem)}{self._weak('d')}"
        return f"{stem}{'t' if stem[-1] in 'pkfθʃsʧ' else 'd'}"

    def _weak(self, consonant: str) -> str:
        return f"{'ɪ' if self.british else 'ᵻ'}{consonant}"

    def _flap(self, stem: str) -> str:
        """Return the stem as it is said before a vowel: American t between vowels is a flap."""
        if self.british or len(stem) < 2 or stem[-1] != "t" or stem[-2] not in _FLAPPED_AFTER:
            return stem
        return f"{stem[:-1]}ɾ"

    # -- words in no dictionary --------------------------------------------------------------------------

    def _compound(self, word: str) -> str | None:
        """Return a word read as two or three of the dictionary (sea view), the longest first, or None."""
        if not 7 <= len(word) <= 30 or not word.isascii() or not word.isalpha():
            return None
        parts = self._parts(word.lower(), 3)
        if parts is None:
            return None
        return parts[0] + "".join(part.replace(PRIMARY, SECONDARY) for part in parts[1:])

    def _parts(self, word: str, most: int) -> list[str] | None:
        """Return the phonemes of the words that make up `word`: as few as possible, at most `most`."""
        whole = self._common(word)
        if whole:
            return [whole]
        for allowed in range(1, most):
            for cut in range(len(word) - 3, 2, -1):
                left = self._common(word[:cut])
                right = self._parts(word[cut:], allowed) if left else None
                if left and right:
                    return [left, *right]
        return None

    def _common(self, word: str) -> str | None:
        entry = self._gold.get(word)
        said = None if entry is None else _reading(entry, None)
        return said if said and PRIMARY in said else None

    def _from_espeak(self, spoken: str) -> str:
        for old, new in _ESPEAK:
            spoken = spoken.replace(old, new)
        spoken = regex.sub(r"(\S)\u0329", r"ᵊ\1", spoken).replace("\u0329", "")
        for old, new in _ESPEAK_GB if self.british else _ESPEAK_US:
            spoken = spoken.replace(old, new)
        spoken = spoken.replace("e", "A" if "e^" not in spoken else "e").replace("^", "")
        return spoken.replace("o", "ɔ")


def restress(phonemes: str, stress: float) -> str:
    """Return the phonemes with their stress changed: 0.5 gives unstressed words a secondary one, 2 a primary.

    -1 weakens: primary becomes secondary; -2 removes all stress.
    """
    if stress <= -2:
        return phonemes.replace(PRIMARY, "").replace(SECONDARY, "")
    if stress < 0:
        return (
            phonemes.replace(SECONDARY, "").replace(PRIMARY, SECONDARY) if PRIMARY in phonemes else phonemes
        )
    if PRIMARY not in phonemes and SECONDARY not in phonemes:
        mark = PRIMARY if stress > 1 else SECONDARY
        vowel = _STRESSABLE.search(phonemes)
        return f"{phonemes[: vowel.start()]}{mark}{phonemes[vowel.start() :]}" if vowel else phonemes
    if stress >= 1 and PRIMARY not in phonemes:
        return phonemes.replace(SECONDARY, PRIMARY)
    return phonemes


def _reading(entry: Entry, use: str | None) -> str | None:
    """Return the reading of an entry for a use."""
    if isinstance(entry, str):
        return entry
    parent = {"VBD": "VERB", "VBN": "VERB", "NOUN": "ADJ"}.get(use or "", use)
    return entry.get(use or "None") or entry.get(parent or "None") or entry["DEFAULT"]


@lru_cache(maxsize=8)
def _load(name: str) -> Mapping[str, Entry]:
    words: Mapping[str, Entry] = json.loads((files("misaki.data") / name).read_text(encoding="utf-8"))
    return words
