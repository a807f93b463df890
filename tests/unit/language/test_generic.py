"""Locales without a front-end of their own: words and phonemes by espeak-ng and num2words."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
import regex
from num2words import CONVERTER_CLASSES

from tts_app.language import front_end
from tts_app.language.generic.front_end import GenericFrontEnd
from tts_app.language.generic.verbaliser import GenericVerbaliser
from tts_app.language.notation import UNITS
from tts_app.resources.locales import LANGUAGES, LOCALES

IPA = regex.compile(r"[[\p{L}--\p{Lu}]\p{M}ˈˌ .,;:?!]*", regex.V1)


@pytest.mark.parametrize(
    ("locale", "written", "said"),
    [
        ("fr-FR", "Bonjour ! 21 chambres", "Bonjour! vingt et un chambres"),
        ("fr-FR", "à 7:30, 19,99 € et 20 %", "à 7:30, 19,99 € et vingt %"),
        ("fr-FR", "à 10h00, 3,5 km, -5 °C", "à dix, 3,5 km, moins cinq °"),
        ("fr-FR", "C$45, 25 m²", "quarante-cinq dollars canadiens, vingt-cinq mètres carrés"),
        ("fr-FR", "80 km/h", "quatre-vingts kilomètres par heure"),
        ("fr-FR", "le 03/04/2026", "le trois quatre deux mille vingt-six"),
        ("fr-FR", "L'hôtel 😀 #Vacances Привет", "L'hôtel, Vacances privet"),
        ("fr-BE", "Il y en a 71", "Il y en a septante et un"),
        ("it-IT", "Ciao! 21 camere, -5 °C", "Ciao! ventuno camere, -5 °"),
        ("it-IT", "In TUTTE le camere VIP", "In tutte le camere V I P"),
        ("pt-BR", "R$ 20 por noite", "vinte reais por noite"),
        ("de-DE", "1.299,50 € um 19:05", "1299,50 € um 19:05"),
        ("en-IN", "3.5 km", "3.5 km"),
        ("eu-ES", "2026 etxe", "2026 etxe"),
        ("ru-RU", "21 номер", "двадцать один номер"),
        ("fr-FR", "2026", "deux mille vingt-six"),
        ("fr-FR", "... 😀", ""),
        ("fr-FR", "Le week-end - dès l'après-midi -", "Le week-end, dès l'après-midi"),
    ],
)
def test_normalise_writes_words_of_each_language(locale: str, written: str, said: str) -> None:
    assert front_end(locale).normalise(written) == said


@pytest.mark.parametrize(
    ("locale", "words", "phonemes"),
    [
        ("fr-FR", "Bonjour, le chat.", "bɔ̃ʒˈuʁ, lə ʃˈa."),
        ("it-IT", "ciao, pizza!", "t͡ʃˈao, pˈit͡sːa!"),
        ("pt-BR", "bom dia", "bˈoŋ d͡ʒˈiæ"),
        ("fr-FR", "à 7:30, 3,5 km", "a sˈɛt ˈœʁ tʁˈɑ̃t, tʁwa viʁɡyl sˈɛ̃k kilomˈɛtʁ"),
        ("eu-ES", "21", "ˌoɣe͡ɪtaβˈat"),
    ],
)
def test_phonemise_gives_ipa_of_each_language(locale: str, words: str, phonemes: str) -> None:
    assert front_end(locale).phonemise([words]) == [phonemes]


def test_phonemise_drops_marks_of_a_change_of_language() -> None:
    (phonemes,) = front_end("ru-RU").phonemise(["отель WiFi"])
    assert "(" not in phonemes
    assert "wˈa͡ɪ" in phonemes


@pytest.mark.parametrize("code", sorted(LANGUAGES))
def test_front_end_reads_every_language_of_the_table(code: str) -> None:
    """The voice is there, and its answer is IPA."""
    front = front_end(f"{code}-001")
    (phonemes,) = front.phonemise([front.normalise("21 hotel, 3.5 km.")])
    assert regex.search(r"\p{L}", phonemes)
    assert IPA.fullmatch(phonemes), IPA.sub("", phonemes)


def test_languages_has_every_language_of_espeak() -> None:
    listed = subprocess.run(["espeak-ng", "--voices"], capture_output=True, text=True, check=True).stdout
    codes = {line.split()[1].partition("-")[0] for line in listed.splitlines()[1:]}
    left_out = {"chr", "piqd", "py", "qdb", "qya", "sjn"}
    assert codes - left_out == set(LANGUAGES) - {"no", "zh"}  # read by the voices of nb, and of cmn and yue


def test_front_end_refuses_a_language_that_espeak_cannot_read() -> None:
    with pytest.raises(ValueError, match=r"Nothing reads tlh-001: .*Languages that are read: af, "):
        front_end("tlh-001")


def test_a_language_of_its_own_may_add_a_rule() -> None:
    class Swedish(GenericVerbaliser):
        def abbreviation(self, written: str) -> str | None:
            return {"kl.": "klockan"}.get(written.lower())

    front = GenericFrontEnd("sv-SE", Swedish("sv-SE"))
    assert front.normalise("Frukost kl. 7, 21 rum") == "Frukost klockan sju, tjugoett rum"


def test_front_end_is_made_once_and_shared_by_threads() -> None:
    french = front_end("fr-FR")
    assert front_end("fr-FR") is french
    with ThreadPoolExecutor(4) as pool:
        said = set(pool.map(lambda _: french.phonemise(["trois chats"])[0], range(16)))
    assert len(said) == 1


@pytest.mark.parametrize("locale", ["fr-FR", "de-DE", "ko-KR", "lv-LV", "am-ET", "eu-ES"])
def test_verbaliser_says_every_number_unit_and_currency(locale: str) -> None:
    verbaliser = GenericVerbaliser(locale)
    for number in (0, 1, 21, 100, 1999, 10**9, 10**12, 10**14):
        assert verbaliser.number(Decimal(number)).strip()
        assert verbaliser.ordinal(number % 1000).strip()
    for unit in UNITS:
        assert verbaliser.measure(Decimal(2), unit).strip()
    for currency in ("USD", "GBP", "AUD", "EUR", "INR", "PKR", "SAR", "EGP", "AED"):
        assert verbaliser.money(Decimal("2.5"), currency).strip()


@pytest.mark.parametrize("code", sorted(set(LANGUAGES) - {locale[:2] for locale in LOCALES}))
def test_number_is_said_without_digits_where_num2words_has_the_language(code: str) -> None:
    said = [GenericVerbaliser(code).number(Decimal(number)) for number in (0, 7, 21, 99, 1999, 10**6)]
    named = any(character.isalpha() for character in said[0])
    assert all(any(c.isdigit() for c in words) is not named for words in said), said
    if code in CONVERTER_CLASSES:
        assert named == (code not in ("am", "ja", "th"))


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("kn-IN", "10000000000"),
        ("te-IN", "99999999999"),
        ("pl-PL", "0th"),
        ("uk-UA", "0th"),
        ("kn-IN", "12345678901st"),
    ],
)
def test_normalise_keeps_digits_that_num2words_cannot_say(locale: str, text: str) -> None:
    spoken = front_end(locale).normalise(text)
    assert any(character.isalnum() for character in spoken)
