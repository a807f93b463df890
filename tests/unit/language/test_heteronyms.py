"""Words of two sounds: which is said is decided by the words around."""

import regex
from reading.english_heteronyms import SENTENCES

from tts_app.language import front_end


def heard(word: str, sentence: str) -> str:
    """Return the sound of the word in the sentence: the phonemes at its place."""
    front = front_end("en-US")
    spoken = front.normalise(sentence)
    words = regex.findall(r"[\p{L}']+", spoken)
    phonemes = front.phonemise([spoken])[0].split()
    assert len(words) == len(phonemes), (words, phonemes)
    return phonemes[words.index(word) if word in words else words.index(word.capitalize())].strip(".,;:?!")


def test_nine_of_ten_heteronyms_are_read_by_their_context() -> None:
    wrong = [
        (word, sentence, said)
        for word, sound, sentence in SENTENCES
        if (said := heard(word, sentence)) != sound
    ]
    right = 1 - len(wrong) / len(SENTENCES)
    assert right >= 0.9, wrong


def test_the_list_has_forty_words_in_both_senses() -> None:
    sounds: dict[str, set[str]] = {}
    for word, sound, _ in SENTENCES:
        sounds.setdefault(word.lower(), set()).add(sound)
    assert sum(len(heard) > 1 for heard in sounds.values()) >= 40
