"""Roman numerals as Spanish says them: ordinals of kings up to the tenth, cardinals of later ones.

The Academia (Diccionario panhispánico de dudas, "números romanos"): kings and popes have ordinals up to ten
(Felipe VI, sexto) and cardinals after it (Luis XIV, catorce); centuries alike; editions of events before
their noun have ordinals throughout (XXI Congreso, vigesimoprimer); volumes and wars cardinals or ordinals.
"""

import regex

from tts_app.language.spanish.abbreviations import abbreviation
from tts_app.language.spanish.agreement import cardinal, is_feminine
from tts_app.language.spanish.ordinals import ordinal, ordinal_of_feminine, short_ordinal
from tts_app.language.text import word_set

_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_NUMERAL = regex.compile(r"(?=[IVXLCDM])M{0,3}(?:C[MD]|D?C{0,3})(?:X[CL]|L?X{0,3})(?:I[XV]|V?I{0,3})")
_ORDINAL_UP_TO = 10
_OF_SEVERAL_LETTERS = frozenset(range(2, 40)) - {5, 10}
"""Values of I, V and X with two letters at least: after any name they are numerals (Rocky IV)."""
_LARGE_LETTERS = frozenset({50, 100, 500, 1000})
"""Values of one letter that after a noun is rather a letter: plan C."""
_NUMBERED = word_set(
    "acto tema unidad módulo anexo apartado apéndice artículo bloque escena canto capítulo estrofa fase "
    "fascículo grado grupo legislatura libro lección nivel parte plan sección serie siglo siglos sonda "
    "tabla temporada tipo título tomo volumen"
)
"""Nouns that a Roman numeral follows: capítulo IV, siglo XIX."""
_CARDINAL_NOUNS = word_set(
    "tema unidad módulo anexo apéndice fase grupo nivel plan tabla tipo apartado bloque"
)
"""Of those, the ones that are numbered with cardinals throughout: fase dos, tipo dos."""
_RULERS = word_set(
    "Adriano Alberto Alejandro Alfonso Amadeo Ana Balduino Beatriz Benedicto Bonifacio Carlos "
    "Carlomagno Carlota Catalina Celestino Clemente Cristina Darío Eduardo Enrique Ernesto Federico "
    "Felipe Fernando Francisco Gregorio Guillermo Gustavo Hassan Haakon Humberto Inocencio Isabel "
    "Jacobo Jaime Jerjes Jorge José Juan Juana Julio Leopoldo León Luis Mahmud Manuel Margarita María "
    "Maximiliano Mohamed Mehmed Napoleón Nicolás Oscar Otón Pablo Paulo Pedro Pío Ramiro Ramón Ramsés "
    "Ricardo Roberto Rodolfo Sancho Seti Sixto Solimán Teodosio Tutmosis Urbano Víctor Victoria Wamba "
    "Yusuf Gaulle Isabela Luisa Ptolomeo Tolomeo Constantino Alfonsa Urraca Berenguela Petronila Sofía"
)
_WOMEN = word_set("Ana Beatriz Carlota Catalina Cristina Isabel Isabela Juana Luisa Margarita María Victoria "
                  "Urraca Berenguela Petronila Sofía")  # fmt: skip
_EVENTS = word_set(
    "aniversario asamblea bienal campeonato carrera certamen concilio concurso conferencia congreso "
    "convocatoria copa cumbre curso edición encuentro exposición feria festival foro gala gran guerra "
    "juegos jornada jornadas legislatura maratón marcha milla muestra premio premios promoción "
    "república reunión salón semana seminario simposio torneo trofeo vuelta dinastía internacional "
    "región centenario bicentenario cincuentenario legión cuerpo división batallón distrito censo duque "
    "duquesa conde condesa marqués marquesa cohorte liga etapa olimpiada convenio milenio trienio noche "
    "entrega ronda plan triatlón temporada"
)
"""Nouns that a Roman numeral precedes: XXI Congreso, II Guerra Mundial."""
_AFTER = regex.compile(
    r"(?<![\p{L}\p{M}])(?P<before>\p{Lu}[\p{Ll}]{2,12}|\p{Ll}{3,12}|\p{Lu}{4,12})(?P<blank>[ \u00a0])"
    r"(?P<numeral>[IVXLCDM]{1,9}+|(?<=sig[lL]os?[ \u00a0])[ivxlcdm]{1,9}+)(?![\p{L}\p{M}\d'’]|-(?![IVXLCDM]))"
)
_BEFORE = regex.compile(
    r"(?<![\p{L}\p{M}\d.])(?P<numeral>[IVXLCDM]{1,9}+)\.?(?P<mark>[ºª])?(?P<blank>[ \u00a0])"
    r"(?P<noun>\p{L}\p{Ll}{2,14})(?![\p{L}\p{M}])"
)
_LIST = regex.compile(
    r"(?P<lead>(?<![\p{L}])[Ss]iglos?[ \u00a0](?:\p{Ll}{3,12}(?: \p{Ll}{3,12})?))"
    r"(?P<joint>[ \u00a0](?:y|a|al|o|e)[ \u00a0]|-|–)(?P<numeral>[IVXLCDM]{1,9}+)(?![\p{L}\p{M}\d])"
)

_ERA = regex.compile(r"(?<![\p{L}\p{M}\d])(?P<numeral>[IVXL]{1,6}+)(?=[ \u00a0](?:antes|después) de Cristo)")
_YEAR = regex.compile(r"(?<![\p{L}\p{M}\d])M[CDXLVIM]{3,14}+(?![\p{L}\p{M}\d])")
_FIRST_YEAR, _LAST_YEAR = 1200, 2100
"""The years that a film or a façade writes in Roman numerals."""
_ARTICLE = regex.compile(r"(?<!\p{L})(las?|una|el|los|un|del|al)[ \u00a0]$", regex.IGNORECASE)
_FEMININE_ARTICLES = frozenset({"la", "las", "una", "La", "Las", "Una"})
_MAY_HOLD = regex.compile(r"(?<![\p{L}\p{M}])[IVXLCDM]++(?![\p{L}\p{M}--[ºª]])|[Ss]iglos? [ivxl]", regex.V1)


def value_of(numeral: str) -> int | None:
    """Return the value of a Roman numeral in capitals, or None where it is not well formed (IIII, VX)."""
    if not _NUMERAL.fullmatch(numeral):
        return None
    values = [_VALUES[letter] for letter in numeral]
    following = [*values[1:], 0]
    return sum(-one if one < two else one for one, two in zip(values, following, strict=True))


def roman(value: int, before: str) -> str | None:
    """Return how a Roman numeral after the word `before` is said, or None where it is hardly one."""
    noun = (abbreviation(f"{before}.") or before).lower()
    if value in _LARGE_LETTERS:
        return None
    if noun in _CARDINAL_NOUNS:
        return cardinal(value)
    if noun in _NUMBERED:
        cardinals = value > _ORDINAL_UP_TO or noun in {"libro", "tomo", "volumen"}
        return cardinal(value) if cardinals else _low_ordinal(value, is_feminine(noun))
    return _after_name(value, before)


def _after_name(value: int, name: str) -> str | None:
    """Say the numeral of a king or a pope, or of anything else with a name: Rocky IV."""
    name = name.capitalize() if name.isupper() and len(name) > 2 else name
    if name in _RULERS and value <= _ORDINAL_UP_TO:
        return _low_ordinal(value, name in _WOMEN)
    is_name = name[0].isupper() and name[1:].islower()
    return cardinal(value) if name in _RULERS or (is_name and value in _OF_SEVERAL_LETTERS) else None


def _low_ordinal(value: int, feminine: bool) -> str | None:
    return ordinal_of_feminine(value) if feminine else ordinal(value)


def say_romans(text: str) -> str:
    """Return written text with the Roman numerals in words whose noun or name says that they are numerals."""
    if not _MAY_HOLD.search(text):
        return text
    text = _BEFORE.sub(_numeral_before, text)
    text = _AFTER.sub(_numeral_after, text)
    text = _LIST.sub(_second_century, text)
    text = _ERA.sub(lambda match: _century(match["numeral"]) or match[0], text)
    return _YEAR.sub(_year, text)


def _numeral_after(match: "regex.Match[str]") -> str:
    value = value_of(match["numeral"].upper())
    said = None if value is None else roman(value, match["before"])
    return match[0] if said is None else f"{match['before']}{match['blank']}{said}"


def _numeral_before(match: "regex.Match[str]") -> str:
    value, noun = value_of(match["numeral"]), match["noun"]
    if value is None or not (match["mark"] or noun.lower() in _EVENTS):
        return match[0]
    article = _ARTICLE.search(match.string, max(0, match.start() - 5), match.start())
    feminine = article[1] in _FEMININE_ARTICLES if article else is_feminine(noun.lower())
    feminine = match["mark"] == "ª" or (feminine and match["mark"] != "º")
    plural = "s" if noun.endswith("s") else ""
    short = ordinal if plural else short_ordinal
    said = ordinal_of_feminine(value) if feminine else short(value)
    return match[0] if said is None else f"{said}{plural}{match['blank']}{noun}"


def _second_century(match: "regex.Match[str]") -> str:
    """Say the second numeral of `siglos XVI y XVII`, whose first one is in words by now."""
    said = _century(match["numeral"])
    joint = " a " if match["joint"] in "-–" else match["joint"]
    return match[0] if said is None else f"{match['lead']}{joint}{said}"


def _century(numeral: str) -> str | None:
    value = value_of(numeral)
    return None if value is None else roman(value, "siglo")


def _year(match: "regex.Match[str]") -> str:
    value = value_of(match[0])
    return match[0] if value is None or not _FIRST_YEAR <= value <= _LAST_YEAR else cardinal(value)
