"""Spanish: gender and number of what is counted, Castilian phonemes."""

from decimal import Decimal

import pytest

from tts_app.language import front_end
from tts_app.language.base import Date, FrontEnd, Time
from tts_app.language.spanish.agreement import agree, cardinal, counted, is_feminine
from tts_app.language.spanish.front_end import make_front_end
from tts_app.language.spanish.words import UNIT_WORDS, SpanishVerbaliser


@pytest.fixture(scope="module")
def spanish() -> FrontEnd:
    return front_end("es-ES")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("79,50 € por noche", "setenta y nueve euros con cincuenta céntimos por noche"),
        ("€1.250,00 y 1 €", "mil doscientos cincuenta euros y un euro"),
        ("£21, 31 euros, £1", "veintiuna libras, treinta y un euros, una libra"),
        ("3 millones de euros, 1,2 millones", "tres millones de euros, uno coma dos millones"),
        ("1 noche, 21 noches, 1 persona", "una noche, veintiuna noches, una persona"),
        ("200 habitaciones, 201 camas", "doscientas habitaciones, doscientas una camas"),
        ("1.250 personas en 1998", "mil doscientas cincuenta personas en mil novecientos noventa y ocho"),
        ("21.000 personas", "veintiún mil personas"),
        ("la habitación 214", "la habitación doscientos catorce"),
        ("un 21% y cada uno tiene", "un veintiuno por ciento y cada uno tiene"),
        ("el viernes 3 de abril de 2026", "el viernes tres de abril de dos mil veintiséis"),
        (
            "31/12/2026 a las 22:30",
            "treinta y uno de diciembre de dos mil veintiséis a las veintidós treinta",
        ),
        ("a las 20:00, a la 1:00, 19:30 h", "a las veinte horas, a la una, diecinueve treinta"),
        ("7:30 pm y 9:15 a. m.", "siete y media de la tarde y nueve y cuarto de la mañana."),
        ("lun-vie de 9 a 14 h", "lunes a viernes de nueve a catorce horas"),
        (
            "1.º de mayo, 1er piso, 3.ª edad, 2ª vez",
            "primero de mayo, primer piso, tercera edad, segunda vez",
        ),
        ("13º y 21º", "decimotercero y vigesimoprimero"),
        ("912 345 678", "nueve uno dos, tres cuatro cinco, seis siete ocho"),
        ("+34 612 34 56 78", "más treinta y cuatro, seis uno dos, tres cuatro, cinco seis, siete ocho"),
        (
            "-5 °C, 1,5 km, 500 m²",
            "menos cinco grados, uno coma cinco kilómetros, quinientos metros cuadrados",
        ),
        ("1/2 ración, 3/4, 9/10", "media ración, tres cuartos, nueve sobre diez"),
        ("El Sr. García y la Dra. López", "El señor García y la doctora López"),
        ("WIFI GRATIS, IVA, DNI, GPS, TV", "wifi gratis, iva, de ene i, ge pe ese, te uve"),
        ("www.hotel.es y @sol", "hotel punto es y arroba sol"),
        ("¡Qué bonito! 🌅 #VeranoEnFamilia", "Qué bonito! hashtag Verano En Familia"),
        (
            "n.º 5, 2x1, 5★, 12 €/persona",
            "número cinco, dos por uno, cinco estrellas, doce euros por persona",
        ),
        ("Дубай, 北京.", "dubay, beijing."),
    ],
)
def test_normalise_writes_spanish_words(spanish, written, said):
    assert spanish.normalise(written) == said


def test_phonemise_gives_castilian_ipa(spanish):
    assert spanish.phonemise(["El chico cruzó la calle, ¡qué perro!", ""]) == [
        "el t͡ʃˈiko kɾuθˈo la kˈaʎe, kˈe pˈero!",
        "",
    ]


def test_agree_follows_gender_and_number():
    assert counted(21, "libras egipcias") == "veintiuna"
    assert counted(521, "euros") == "quinientos veintiún"
    assert cardinal(31_000) == "treinta y un mil"
    assert agree("seiscientos setenta y uno noches. uno, dos") == "seiscientas setenta y una noches. uno, dos"
    assert agree("el número doscientos calles") == "el número doscientos calles"
    assert [is_feminine(noun) for noun in ("noche", "día", "habitación", "spa", "euro")] == [
        True,
        False,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("unit", UNIT_WORDS)
def test_spanish_verbaliser_says_every_unit(unit):
    assert SpanishVerbaliser().measure(Decimal(2), unit).split()[0] in {"dos"}


def test_spanish_verbaliser_says_numbers_money_dates_and_times():
    say = SpanishVerbaliser()
    assert say.number(Decimal("3.05")) == "tres coma cero cinco"
    assert say.number(Decimal("-2.125")) == "menos dos coma ciento veinticinco"
    assert say.money(Decimal("0.5"), "EUR") == "cincuenta céntimos"
    assert say.money(Decimal(1_000_000), "EUR") == "un millón de euros"
    assert say.date(Date(weekday=0)) == "lunes"
    assert say.time(Time(13, 0, twelve=True)) == "una de la tarde"
    assert say.time(Time(9, 5)) == "nueve y cinco"
    assert say.letters("ñW") == "eñe uve doble"


def test_make_front_end_refuses_other_spanish():
    with pytest.raises(ValueError, match="es-ES"):
        make_front_end("es-MX")
