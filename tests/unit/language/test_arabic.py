"""Arabic text to IPA: the script's rules, the dialects, the lexicons and mixed text."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tts_app.language.arabic import diacritise as vowels
from tts_app.language.arabic import latin
from tts_app.language.arabic.diacritise import bare, diacritise, vowelled
from tts_app.language.arabic.dialects import LEXICONS
from tts_app.language.arabic.front_end import DIALECTS, make_front_end
from tts_app.language.arabic.phonemes import Word, render, split_phones, stress, word_phones

ALPHABET = set("abdefhijklmnoqrstuvwxzðħɑɡɣʃʒʔʕθˤ͡ˈː .,;:?!")


@pytest.fixture(scope="module")
def front_ends():
    return {locale: make_front_end(locale) for locale in DIALECTS}


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("الشَّمْس", "aʃʃams"),  # sun letter
        ("القَمَر", "alqamar"),
        ("وَالْفُنْدُق", "walfunduq"),  # wasla after a proclitic
        ("لِلشَّمْس", "liʃʃams"),
        ("لِلْبَيْت", "lilbajt"),
        ("مَكْتَبَةٌ", "maktaba"),  # ta marbuta and the ending are silent in pause
        ("كِتَابًا", "kitaːban"),
        ("هُدًى", "hudan"),
        ("عَلَى", "ʕalaː"),
        ("كَتَبُوا", "katabuː"),  # the plural's silent alef
        ("آخِر", "ʔaːxir"),
        ("اِسْتَقْبَلَ", "istaqbal"),
        ("اُكْتُبْ", "uktub"),
        ("هٰذَا", "haːðaː"),
        ("اللّٰه", "allaːh"),
        ("سَيَّارَة", "sajjaːra"),
        ("جَوّ", "ʤaww"),
        ("مُؤْتَمَر", "muʔtamar"),
        ("قُرْآن", "qurʔaːn"),
        ("طَاوُوس", "tˤaːwuːs"),
        ("لِلِاسْتِرْخَاءِ", "lilistirxaːʔ"),
        ("مَسَاءً", "masaːʔan"),
        ("", ""),
    ],
)
def test_word_phones_follow_the_rules_of_the_script(word, phones):
    assert "".join(word_phones(word, pausal=True).phones) == phones


def test_word_phones_keep_endings_outside_a_pause():
    assert "".join(word_phones("مَكْتَبَةٌ", pausal=False).phones) == "maktabatun"


@pytest.mark.parametrize(
    ("phones", "late", "vowel"),
    [
        ("kitaːb", False, 3),
        ("maktaba", False, 1),
        ("maktaba", True, 4),
        ("mudarrisa", False, 3),
        ("fiː", False, 1),
    ],
)
def test_stress_follows_weight(phones, late, vowel):
    assert stress(split_phones(phones), late=late) == vowel


def test_stress_skips_the_article_and_needs_a_vowel():
    assert stress(split_phones("alʔawwal"), start=2) == 3
    assert stress(("s",)) is None


def test_render_elides_a_wasla_where_the_dialect_asks_for_it():
    from dataclasses import replace

    words = [Word(split_phones("fiː")), Word(split_phones("albajt"), wasla=True, stem=2)]
    sounds = replace(DIALECTS["ar-SA"].sounds, accents=False)
    assert render(words, sounds) == "fiː albajt"
    assert render(words, replace(sounds, elide=True)) == "fi lbajt"


def test_phonemise_differs_in_consonants_by_dialect(front_ends):
    assert front_ends["ar-SA"].phonemise(["جَمَل قَلْب ثَوْب ذَهَب"]) == ["d͡ʒˈamal qˈɑlb θˈawb ðˈahab"]
    assert front_ends["ar-EG"].phonemise(["جَمَل قَلْب ثَوْب ذَهَب"]) == ["ɡˈamal ʔˈalb tˈoːb dˈahab"]
    assert front_ends["ar-AE"].phonemise(["جَمَل قَلْب ثَوْب ذَهَب"]) == ["d͡ʒˈamal ɡˈalb θˈoːb ðˈahab"]


def test_phonemise_reads_unvoweled_dialect_by_its_lexicon(front_ends):
    (egyptian,) = front_ends["ar-EG"].phonemise(["عايزين الأوضة دلوقتي, مش بكرة!"])
    assert egyptian == "ʕaːjzˈiːn ilʔˈoːdˤɑ dilwˈaʔtiː, mˈiʃ bˈukra!"
    (emirati,) = front_ends["ar-AE"].phonemise(["شحالكم? وين السوق?"])
    assert emirati == "ʃħˈaːlkum? wˈeːn issˈuːɡ?"


def test_phonemise_takes_colloquial_verbs_apart(front_ends):
    speak = front_ends["ar-EG"].phonemise
    assert speak(["بيعمل"]) == ["bijˈiʕmil"]
    assert speak(["طعمه"]) == ["tˤˈɑʕmu"]
    assert speak(["هنشوف"]) == ["haniʃˈuːf"]
    assert speak(["ميعملش"]) == ["majiʕmˈilʃ"]


def test_phonemise_reads_possessives_and_constructs(front_ends):
    (spoken,) = front_ends["ar-SA"].phonemise(["فندقنا وغرفتكم"])
    assert spoken == "fundˈuqunaː waɣurfˈatukum"
    assert front_ends["ar-SA"].phonemise(["خدمة الضيوف"]) == ["xˈidmat ɑdˤdˤujˈuːf"]
    assert front_ends["ar-EG"].phonemise(["أوضة الضيوف"]) == ["ʔˈoːdˤit idˤdˤujˈuːf"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("السعر يبدأ من 499 ريالًا.", "السعر يبدأ من أربعمئة وتسعة وتسعين ريالا."),
        ("٣ ليالٍ و 15 غرفة", "ثلاث ليال وخمس عشرة غرفة"),
        ("من 100 إلى 200 درهم", "من مئة إلى مئتي درهم"),
        ("خصم ٢٥٪، فقط ١٬٢٥٠ ر.س", "خصم خمسة وعشرون بالمئة, فقط ألف ومئتان وخمسون ريالا"),
        ("الإفطار 7:30 صباحًا", "الإفطار السابعة والنصف صباحا"),
        ("#عرض_خاص", "عرض خاص"),
        ("إنترنت WiFi مجاني", "إنترنت واي فاي مجاني"),
        ("فندق हिन्दी 中文", "فندق"),
        ("د. أحمد", "دكتور أحمد"),
        ("هل وصلتم؟ نعم؛ شكرًا", "هل وصلتم? نعم; شكرا"),
        ("!!!", ""),
    ],
)
def test_normalise_writes_words_of_standard_arabic(front_ends, text, words):
    assert bare(front_ends["ar-SA"].normalise(text)).strip("!") == words


def test_normalise_joins_proclitics(front_ends):
    assert bare(front_ends["ar-EG"].normalise("بـ 1500 جنيه")) == "بألف وخمسمية جنيه"
    assert bare(front_ends["ar-EG"].normalise("الـ WiFi")) == "الواي فاي"


def test_diacritise_keeps_written_vowels():
    assert vowelled("شُكْرًا") and not vowelled("شكرًا") and not vowelled("جدّا")
    assert diacritise(["كُتِبَ", "الدرس"])[0] == "كُتِبَ"
    (marked,) = diacritise(["محمّد"])
    assert bare(marked) == "محمد" and "ّ" in marked


def test_diacritise_refuses_input_that_is_not_single_words():
    with pytest.raises(ValueError, match="neither empty"):
        diacritise(["كتاب جديد"])


@pytest.mark.parametrize(
    ("word", "letters"),
    [("WiFi", "واي فاي"), ("Café", "كافيه"), ("Zorbax", "زورباكس"), ("shine", "شين"), ("otto", "أوتو")],
)
def test_latin_spell_writes_arabic_letters(word, letters):
    assert bare(latin.spell(word)) == letters


def test_phonemise_gives_ipa_alone(front_ends):
    for locale, front_end in front_ends.items():
        for listing in LEXICONS[locale]:
            entries = [entry.rpartition("=")[2] for entry in listing.split()]
            for phonemes in front_end.phonemise(entries):
                assert phonemes, locale
                assert set(phonemes) <= ALPHABET, phonemes


def test_phonemise_keeps_punctuation_and_empty_texts(front_ends):
    front_end = front_ends["ar-SA"]
    assert front_end.phonemise(["", ".", "لا, نعم."]) == ["", "", "lˈaː, nˈaʕam."]


def test_phonemise_is_the_same_in_threads(front_ends):
    text = "يستطيع الضيوف تذوق القهوة العربية والتمر عند الوصول."
    with ThreadPoolExecutor(4) as pool:
        spoken = list(pool.map(lambda _: front_ends["ar-SA"].phonemise([text])[0], range(16)))
    assert len(set(spoken)) == 1


def test_normalise_takes_time_linear_in_the_text(front_ends):
    front_end = front_ends["ar-EG"]
    front_end.normalise("أ")
    started = time.perf_counter()
    front_end.normalise("ب" * 20_000 + " و " * 5_000 + "1 " * 2_000)
    assert time.perf_counter() - started < 60


def test_the_model_is_not_asked_for_the_vowels_of_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(vowels._model(), "diacritize", lambda text: asked.append(text) or text)
    numbers = make_front_end("ar-SA").normalise("12 345 7").split()
    assert diacritise(numbers) == numbers
    assert asked == []
    assert diacritise([*numbers, "كتاب"])[:-1] == numbers
    assert len(asked) == 1
