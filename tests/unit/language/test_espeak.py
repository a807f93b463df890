"""The espeak-ng program kept alive: answers stay with their texts, and a dead program comes back."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tts_app.language import espeak
from tts_app.language.espeak import Espeak, EspeakError


@pytest.fixture(scope="module")
def spanish():
    program = Espeak("es")
    yield program
    program.close()


def test_espeak_keeps_order_and_punctuation(spanish):
    assert spanish.phonemise(["Hola, mundo. ¿Qué?", "", "...", "seis"]) == [
        "ˈola, mˈundo. kˈe?",
        "",
        "...",
        "sˈeɪs",
    ]


def test_espeak_leaves_out_language_marks():
    hindi = Espeak("hi")
    (spoken,) = hindi.phonemise(["मैं WhatsApp पर हूँ"])
    hindi.close()
    assert "(" not in spoken
    assert spoken.startswith("mɛ̃ ")


def test_espeak_tie_joins_the_letters_of_a_phoneme():
    tied = Espeak("es", tie="^")
    assert tied.phonemise(["chico"]) == ["t^ʃˈiko"]
    tied.close()


def test_espeak_never_takes_text_for_phonemes_or_lines(spanish):
    texts = ["[[tttttt]] uno", "uno\n[[tttttt]]\ndos", "a\0b", "<b>|\\"]
    spoken = spanish.phonemise([*texts, "dos"])
    assert len(spoken) == 5
    assert spoken[-1] == "dˈos"


def test_espeak_returns_long_texts_whole(spanish):
    word = spanish.phonemise(["palabra"])[0]
    (spoken,) = spanish.phonemise([" ".join(["palabra"] * 4000)])
    assert spoken.count(word) == 4000
    assert spanish.phonemise(["ñ" * 5000, "dos"])[1] == "dˈos"


def test_espeak_is_shared_by_threads(spanish):
    words = ["uno", "dos", "tres", "cuatro"]
    alone = spanish.phonemise(words)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda n: spanish.phonemise([words[n % 4]] * 3), range(40)))
    assert together == [[alone[n % 4]] * 3 for n in range(40)]


def test_espeak_restarts_a_dead_program(spanish):
    before = spanish.phonemise(["buenos días"])
    spanish._program._process.kill()
    spanish._program._process.wait()
    assert spanish.phonemise(["buenos días"]) == before
    spanish.close()
    spanish.close()
    assert spanish.phonemise(["buenos días"]) == before


def test_espeak_reports_an_unknown_voice_and_a_missing_program(monkeypatch):
    with pytest.raises(EspeakError, match="voice does not exist"):
        Espeak("xx-nowhere")
    monkeypatch.setattr(espeak, "PROGRAM", "espeak-ng-that-is-not-there")
    with pytest.raises(EspeakError, match="apt-get install espeak-ng"):
        Espeak("es")
