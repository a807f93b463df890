"""Spanish cardinals that agree with what they count: un euro, veintiuna libras, doscientas habitaciones."""

from functools import lru_cache

import regex
from num2words import num2words

from tts_app.language.text import word_set

_FEMININE_ENDING = regex.compile(r"(?:as?|ción|ciones|sión|siones|dad|dades|tud|tudes|umbre|umbres)$")
_FEMININE = word_set(
    "calle calles carne clase clases flor flores foto fotos gente llave llaves luz luces mano manos "
    "moto motos mujer mujeres nave naves noche noches parte partes red redes sede sedes serie series "
    "suite suites tarde tardes vez veces web webs"
)
_MASCULINE = word_set(
    "artista artistas clima día días guardia idioma idiomas mapa mapas pijama pijamas planeta planetas "
    "poeta problema problemas programa programas sistema sistemas sofá sofás spa spas tema temas "
    "turista turistas yoga córdoba córdobas lempira lempiras balboa balboas kwacha kwachas nakfa nakfas "
    "tala talas taka takas pula pulas kwanza kwanzas"
)
_NUMBER_WORDS = word_set(
    "y mil veintiún un millón millones veintiuno veintidós veintitrés veinticuatro veinticinco "
    "veintiséis veintisiete veintiocho veintinueve treinta cuarenta cincuenta sesenta setenta ochenta "
    "noventa cien ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos "
    "ochocientos novecientos uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece "
    "catorce quince dieciséis diecisiete dieciocho diecinueve veinte"
)
_NOT_COUNTED = word_set(
    "a al ante antes bajo cada como con contra cuando de del desde después donde durante e el ella en "
    "entre era es está están fue ha han hasta hay hoy la las le les lo los más me menos mi ni no o para "
    "pero por porque punto que se según ser si sin sobre son su sus también te tu u un una ya coma por "
    "barra arroba mill aquí ahí allí allá acá ahora ayer luego nunca siempre casi solo sólo además "
    "incluso aunque mientras hacia tras mediante salvo excepto cerca lejos dentro fuera arriba abajo "
    "juntos juntas mejor peor mucho muy poco bien mal gratis incluido incluidos incluida incluidas "
    "disponible disponibles quien cual fueron será serán hace hacen tiene tienen vale valen cuesta "
    "cuestan sale salen llega llegan abre cierra sino pues así tan tampoco apenas quizá aparte adelante "
    "atrás"
)
_MONTHS = word_set(
    "enero febrero marzo abril mayo junio julio agosto septiembre setiembre octubre noviembre diciembre ene "
    "feb mar abr may jun jul ago sep sept oct nov dic"
)
_NAMED = word_set("número coma habitación página sala puerta planta teléfono apartado año punto")
"""After these words a number is a name and agrees with nothing."""
_LAST_LARGE = regex.compile(r"(.*\b(?:mill|bill|trill)(?:ón|ones)\b *+|)(.*)")
"""Millions, which are masculine whatever is counted, and the rest: doscientos millones una libras."""
_TENS = word_set("treinta cuarenta cincuenta sesenta setenta ochenta noventa")
_WORD = regex.compile(r"[\p{L}\p{M}]++|[^\p{L}\p{M}\s]")
_BEFORE_MILLIONS = regex.compile(r"\b(?:veintiuno|uno)\b(?= (?:mil )?(?:mill|bill|trill)(?:ón|ones)\b)")
_BEFORE_LARGE = {"uno": "un", "veintiuno": "veintiún"}
_DOUBLED = regex.compile(r"\b([Uu]n) un\b")
"""`un 1/11` has its article twice."""
_BARE_ONE = regex.compile(r"(?<![\d.,:/+%\p{Sc}-])(?<!\d )(?<![Ll]a )\b1 (?=(\p{Ll}{3,}))")


@lru_cache(maxsize=4096)
def cardinal(value: int) -> str:
    """Return a cardinal as in counting: uno, dos."""
    words: str = num2words(value, lang="es")
    return regex.sub(r"\buno(?= mil)", "un", regex.sub(r"\bveintiuno(?= mil)", "veintiún", words))


def counted(value: int, noun: str) -> str:
    """Return a cardinal as said before `noun`."""
    return _agreeing(cardinal(value), noun.partition(" ")[0])


def feminine(number: str) -> str:
    """Return the words of a cardinal for things of feminine gender."""
    large, small = _LAST_LARGE.fullmatch(number).groups()  # type: ignore[union-attr]
    said = regex.sub(r"cientos\b", "cientas", small).replace("quinientos", "quinientas")
    said = regex.sub(r"\bveinti(?:uno|ún)\b", "veintiuna", said)
    said = regex.sub(
        r"\by uno?(?= mil\b|$)|^uno$|(?<=\s)uno$", lambda m: "y una" if m[0][0] == "y" else "una", said
    )
    return f"{large}{said}"


def masculine(number: str) -> str:
    """Return the words of a cardinal as said before a masculine noun: un, veintiún."""
    return regex.sub(r"\buno$", "un", regex.sub(r"veintiuno$", "veintiún", number))


def is_feminine(noun: str) -> bool:
    """Return whether a noun is feminine, by a short list, else by its ending."""
    return noun in _FEMININE or (noun not in _MASCULINE and _FEMININE_ENDING.search(noun) is not None)


_NO_NOUN = ("mente", "aron", "ieron", "ó")
"""Endings of adverbs and of verbs in the past."""


def is_noun(word: str) -> bool:
    """Return whether a word in small letters may be what a number counts."""
    return word not in _NOT_COUNTED and not word.endswith(_NO_NOUN)


def singular(noun: str) -> str:
    """Return a noun in the singular, by its ending: taza, noche, mes, lección."""
    if noun.endswith("ciones"):
        return f"{noun[:-4]}ón"
    if noun.endswith(("ses", "nes", "res", "les", "des")):
        return noun[:-2]
    return noun.removesuffix("s")


def agree_ones(text: str) -> str:
    """Return written text with a 1 before a noun as un or una: a written-out `uno` could be a pronoun."""

    def say(match: "regex.Match[str]") -> str:
        noun = match[1]
        if not is_noun(noun) or noun in _MONTHS:
            return match[0]
        return "una " if is_feminine(noun) else "un "

    return _BARE_ONE.sub(say, text)


def agree(text: str) -> str:
    """Return spoken text whose numbers agree with the nouns right after them."""
    text = _DOUBLED.sub(r"\1", _BEFORE_MILLIONS.sub(lambda match: _BEFORE_LARGE[match[0]], text))
    tokens = _WORD.findall(text)
    runs: list[list[int]] = []
    for index, token in enumerate([*tokens, "."]):
        within = bool(runs) and runs[-1][-1] == index - 1
        if token in _NUMBER_WORDS and (within or token not in {"y", "un"}):
            if within:
                runs[-1].append(index)
            else:
                joined = bool(runs) and runs[-1][-1] == index - 2 and tokens[index - 1] in {"a", "o"}
                runs = [*(runs if joined else []), [index]]
            continue
        if within and _is_counted(token):
            for run in runs:
                _agree_run(tokens, run, token)
        if not (within and token in {"a", "o"}):
            runs = []
        if token.islower() and index and tokens[index - 1] == "medio" and is_feminine(token):
            tokens[index - 1] = "media"
    return _spaced(tokens)


def _is_counted(token: str) -> bool:
    return token.islower() and token.isalpha() and is_noun(token)


def _agree_run(tokens: list[str], run: list[int], noun: str) -> None:
    """Make the number words at the places `run` agree with the noun, unless they are a name: página 21."""
    named = run[0] > 0 and tokens[run[0] - 1] in _NAMED
    if named or not _can_agree([tokens[place] for place in run]):
        return
    words = _agreeing(" ".join(tokens[place] for place in run), noun).split(" ")
    for place, word in zip(run, words, strict=True):
        tokens[place] = word


def _agreeing(number: str, noun: str) -> str:
    return feminine(number) if is_feminine(noun) else masculine(number)


def _can_agree(words: list[str]) -> bool:
    """Return whether number words are one number with a part that agrees, and no digits in a row."""
    if any(word.endswith("cientos") or word == "quinientos" for word in words):
        return True
    if words[-1] == "veintiuno":
        return True
    if words[-1] != "uno" or len(words) < 2:
        return False
    return words[-2] in {"ciento", "mil"} or (words[-2] == "y" and len(words) > 2 and words[-3] in _TENS)


def _spaced(tokens: list[str]) -> str:
    text = ""
    for token in tokens:
        text += token if not text or not (token[0].isalpha()) else f" {token}"
    return text
