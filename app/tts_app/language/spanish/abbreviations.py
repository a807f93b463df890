"""Spanish abbreviations: those of one word, which the shared scan asks for, and those of several parts."""

from collections.abc import Mapping
from types import MappingProxyType

import regex

from tts_app.language.text import word_set

_TITLES = {
    "Sr.": "señor",
    "Sra.": "señora",
    "Srta.": "señorita",
    "Sres.": "señores",
    "Sras.": "señoras",
    "Dr.": "doctor",
    "Dra.": "doctora",
    "Dres.": "doctores",
    "Dras.": "doctoras",
    "Dña.": "doña",
    "Prof.": "profesor",
    "Profa.": "profesora",
    "Lic.": "licenciado",
    "Licda.": "licenciada",
    "Ing.": "ingeniero",
    "Arq.": "arquitecto",
    "Abg.": "abogado",
    "Mtro.": "maestro",
    "Mtra.": "maestra",
    "Gral.": "general",
    "Cnel.": "coronel",
    "Tte.": "teniente",
    "Sgto.": "sargento",
    "Cmdte.": "comandante",
    "Excmo.": "excelentísimo",
    "Excma.": "excelentísima",
    "Ilmo.": "ilustrísimo",
    "Ilma.": "ilustrísima",
    "Mons.": "monseñor",
    "Rvdo.": "reverendo",
    "Rvda.": "reverenda",
    "Hno.": "hermano",
    "Hna.": "hermana",
    "Hnos.": "hermanos",
    "Hnas.": "hermanas",
    "Sto.": "santo",
    "Sta.": "santa",
    "Ntra.": "nuestra",
    "Ntro.": "nuestro",
    "Ud.": "usted",
    "Uds.": "ustedes",
    "Vd.": "usted",
    "Vds.": "ustedes",
    "Ldo.": "licenciado",
    "Lcdo.": "licenciado",
    "Lcda.": "licenciada",
    "Pte.": "presidente",
    "Gte.": "gerente",
    "Vda.": "viuda",
    "Afmo.": "afectísimo",
    "Afma.": "afectísima",
    "Lda.": "licenciada",
    "Sr": "señor",
    "Sra": "señora",
    "Srta": "señorita",
    "Dr": "doctor",
    "Dra": "doctora",
    "Dña": "doña",
    "izq": "izquierda",
    "izda": "izquierda",
    "dcha": "derecha",
}
_PLACES = {
    "Avda.": "avenida",
    "Avd.": "avenida",
    "Av.": "avenida",
    "Pza.": "plaza",
    "Plza.": "plaza",
    "Pl.": "plaza",
    "Ctra.": "carretera",
    "Cno.": "camino",
    "Gta.": "glorieta",
    "Rda.": "ronda",
    "Urb.": "urbanización",
    "Edif.": "edificio",
    "Apdo.": "apartado",
    "Apto.": "apartamento",
    "Apt.": "apartamento",
    "Prov.": "provincia",
    "Ayto.": "ayuntamiento",
    "Dpto.": "departamento",
    "Depto.": "departamento",
    "Esq.": "esquina",
    "Izq.": "izquierda",
    "Izda.": "izquierda",
    "Dcha.": "derecha",
    "Hab.": "habitación",
    "Habs.": "habitaciones",
    "Cía.": "compañía",
    "Univ.": "universidad",
    "Esc.": "escalera",
    "Bco.": "banco",
    "Blvr.": "bulevar",
    "Blvd.": "bulevar",
    "Bulev.": "bulevar",
    "Cdad.": "ciudad",
    "Sdad.": "sociedad",
    "Coop.": "cooperativa",
    "Bibl.": "biblioteca",
    "Pto.": "puerto",
    "Pso.": "paseo",
    "Avda": "avenida",
    "Ctra": "carretera",
    "Pza": "plaza",
    "Plza": "plaza",
}
_PAGES = {
    "Pág.": "página",
    "Págs.": "páginas",
    "Pag.": "página",
    "Pags.": "páginas",
    "Cap.": "capítulo",
    "Caps.": "capítulos",
    "Vol.": "volumen",
    "Vols.": "volúmenes",
    "Art.": "artículo",
    "Arts.": "artículos",
    "Núm.": "número",
    "Núms.": "números",
    "Nro.": "número",
    "Fig.": "figura",
    "Figs.": "figuras",
    "Ed.": "edición",
    "Ej.": "ejemplo",
    "Párr.": "párrafo",
    "Trad.": "traducción",
    "Cf.": "confróntese",
    "Vid.": "véase",
    "Ref.": "referencia",
    "Ext.": "extensión",
}
_COMMON = {
    "etc.": "etcétera",
    "etc": "etcétera",
    "aprox.": "aproximadamente",
    "aprox": "aproximadamente",
    "incl.": "incluido",
    "máx.": "máximo",
    "máx": "máximo",
    "mín.": "mínimo",
    "mín": "mínimo",
    "pers.": "personas",
    "pax": "personas",
    "tel.": "teléfono",
    "tel": "teléfono",
    "Tel": "teléfono",
    "Tfno": "teléfono",
    "Tlf": "teléfono",
    "tfno.": "teléfono",
    "tfno": "teléfono",
    "tlf.": "teléfono",
    "tlf": "teléfono",
    "teléf.": "teléfono",
    "admón.": "administración",
    "dto.": "descuento",
    "dcto.": "descuento",
    "temp.": "temperatura",
    "fdo.": "firmado",
    "atte.": "atentamente",
    "cte.": "corriente",
    "pdte.": "pendiente",
    "ppal.": "principal",
    "cta.": "cuenta",
    "telf.": "teléfono",
    "tlfno.": "teléfono",
    "cód.": "código",
    "vto.": "vencimiento",
    "obs.": "observaciones",
    "sig.": "siguiente",
    "lun.": "lunes",
    "mié.": "miércoles",
    "jue.": "jueves",
    "vie.": "viernes",
    "sáb.": "sábado",
    "dom.": "domingo",
    "mill.": "millones",
    "cda.": "cucharada",
    "cdas.": "cucharadas",
    "cdta.": "cucharadita",
    "cdtas.": "cucharaditas",
    "ptos.": "puntos",
    "dorm.": "dormitorio",
    "CP": "código postal",
    "sigs.": "siguientes",
    "máxs.": "máximos",
    "Jr.": "júnior",
    "rte.": "remitente",
    "vs.": "contra",
    "vs": "contra",
    "Mª": "María",
    "Fco.": "Francisco",
    "Fdez.": "Fernández",
    "Glez.": "González",
    "Gzlez.": "González",
    "Hdez.": "Hernández",
    "Mtnez.": "Martínez",
    "Rguez.": "Rodríguez",
    "Rdguez.": "Rodríguez",
}
_MESSAGES = {
    "24/7": "veinticuatro siete",
    "24x7": "veinticuatro siete",
    "pp": "por persona",
    "y/o": "y o",
    "e/o": "e o",
    "sí/no": "sí o no",
    "él/ella": "él o ella",
    "el/la": "el o la",
    "los/las": "los y las",
    "los/as": "los y las",
    "km/h": "kilómetros por hora",
    "m/s": "metros por segundo",
    "q": "que",
    "xq": "porque",
    "tb": "también",
    "finde": "finde",
    "WhatsApp": "wásap",
    "WiFi": "wifi",
    "WIFI": "wifi",
    "Wifi": "wifi",
    "IVA": "iva",
    "UE": "Unión Europea",
    "EEUU": "Estados Unidos",
    "RRHH": "recursos humanos",
    "JJOO": "Juegos Olímpicos",
    "CCAA": "comunidades autónomas",
    "w/": "con",
    "w/o": "sin",
}
ABBREVIATIONS: Mapping[str, str] = MappingProxyType({**_TITLES, **_PLACES, **_PAGES, **_COMMON, **_MESSAGES})
_BY_LOWER = {written.lower(): said for written, said in ABBREVIATIONS.items() if written.endswith(".")}
"""Abbreviations with a full stop are such in any case: dr., PÁG."""


def abbreviation(written: str) -> str | None:
    """Return the words of an abbreviation of one word, or None when it is none."""
    return ABBREVIATIONS.get(written) or (_BY_LOWER.get(written.lower()) if written[-1:] == "." else None)


_B = r"[ \u00a0\u202f]?"
_NO_LETTER = r"(?<![\p{L}\p{M}\p{N}.@/_-])"
_SEVERAL_OF = r"(?<![\d,])(?:[2-9]|\d{2,9})[ \u00a0]"
_PLURALS = {
    "hab": "habitaciones",
    "dorm": "dormitorios",
    "pág": "páginas",
    "vol": "volúmenes",
    "cap": "capítulos",
    "art": "artículos",
    "cda": "cucharadas",
    "cdta": "cucharaditas",
    "pto": "puntos",
}
"""Abbreviations that have no plural of their own, after a number: 3 hab."""
_PARTS: tuple[tuple[str, str], ...] = (
    (rf"[Ee][Ee]\.{_B}[Uu][Uu]\.?", "Estados Unidos"),
    (rf"CC\.{_B}AA\.?", "comunidades autónomas"),
    (rf"JJ\.{_B}OO\.?", "Juegos Olímpicos"),
    (rf"FF\.{_B}AA\.?", "fuerzas armadas"),
    (rf"RR\.{_B}HH\.?", "recursos humanos"),
    (rf"SS\.{_B}MM\.?", "sus majestades"),
    (rf"S\.{_B}M\.", "su majestad"),
    (rf"S\.{_B}A\.{_B}R\.", "su alteza real"),
    (rf"[Pp]\.{_B}ej\.|[Pp]\.{_B}e\.", "por ejemplo"),
    (rf"(?<=\d{_B})[Aa]\.{_B}(?:de{_B})?(?:[Cc]\.|C(?!\p{{L}}))", "antes de Cristo"),
    (rf"(?<=\d{_B})[Dd]\.{_B}(?:de{_B})?(?:[Cc]\.|C(?!\p{{L}}))", "después de Cristo"),
    (rf"(?<=[IVXL]{_B})a\.{_B}(?:de{_B})?C\.", "antes de Cristo"),
    (rf"(?<=[IVXL]{_B})d\.{_B}(?:de{_B})?C\.", "después de Cristo"),
    (rf"q\.{_B}e\.{_B}p\.{_B}d\.|Q\.{_B}E\.{_B}P\.{_B}D\.", "que en paz descanse"),
    (rf"[Pp]\.{_B}[Dd]\.", "posdata"),
    (rf"[Ee]\.{_B}[Pp]\.{_B}[Dd]\.", "en paz descanse"),
    (rf"[Vv]\.{_B}[Gg]r\.", "verbigracia"),
    (rf"R\.{_B}D\.{_B}(?=\d)", "real decreto "),
    (rf"[Ss]\.{_B}[Ss]\.(?={_B}el papa)", "su santidad"),
    (rf"VV\.{_B}AA\.?|AA\.{_B}VV\.?", "varios autores"),
    (rf"FF\.{_B}CC\.?", "ferrocarriles"),
    (rf"[Vv]\.{_B}[Oo]\.{_B}[Ss]\.{_B}[Ee]\.", "versión original subtitulada"),
    (rf"[Oo]p\.{_B}cit\.", "obra citada"),
    (rf"[Ss]\.{_B}[Aa]\.(?:{_B}[Uu]\.)?(?![\p{{L}}])", "ese a"),
    (rf"[Ss]\.{_B}[Ll]\.(?:{_B}[Uu]\.)?(?![\p{{L}}])", "ese ele"),
    (rf"[Cc]\.{_B}[Pp]\.", "código postal"),
    *((rf"(?<={_SEVERAL_OF}){short}\.", many) for short, many in _PLURALS.items()),
    (rf"min\.{_B}(?=\d)", "minuto "),
    (r"[Ss]/[Nn](?![\p{L}/])", "sin número"),
    (rf"[Cc]/\.?{_B}(?=\p{{Lu}}|\d)", "calle "),
    (rf"[Pp]\.?º{_B}(?=\p{{Lu}}|del? )", "paseo "),
    (rf"D\.?ª{_B}(?=\p{{Lu}})|Da\.{_B}(?=\p{{Lu}})", "doña "),
    (r"M\.?ª(?!\p{L})", "María"),
    (rf"[Nn]\.?(?:[ºo°])[.]?{_B}(?=\d|de )|[Nn]o\.{_B}(?=\d)|№{_B}(?=\d)", "número "),
    (rf"mar\.,?{_B}(?=\d{{1,2}} de )", "martes "),
    (rf"[Nn]\.?(?:os|[º°]s)[.]?{_B}(?=\d)", "números "),
    (rf"pp\.{_B}(?=\d)", "páginas "),
    (rf"p\.{_B}(?=\d)", "página "),
    (rf"(?<=\d{_B})(?:y{_B})?ss\.", "y siguientes"),
    (rf"s\.{_B}(?=[IVXL]++(?!\p{{L}}))|S\.{_B}(?=[IVXL]{{2,}}+(?!\p{{L}}))", "siglo "),
    (rf"ss\.{_B}(?=[IVXL]++(?!\p{{L}}))", "siglos "),
    (rf"[Ee]xt\.{_B}(?=\d)", "extensión "),
    (r"etc\.(?=[ \u00a0]\p{Lu})", "etcétera."),
    (rf"[Kk]m\.{_B}(?=\d)", "kilómetro "),
    (rf"(?<=\d{_B})(?:uds?|udes)\.", "unidades"),
)
"""Patterns of abbreviations of several parts, or that depend on what is around, with their words."""
_SEVERAL = regex.compile(
    "|".join(rf"(?P<p{number}>{_NO_LETTER}(?:{part}))" for number, (part, _) in enumerate(_PARTS))
)
_SAID = [said for _, said in _PARTS]
_ENDS = frozenset(
    {
        *_PLURALS.values(),
        "Estados Unidos",
        "antes de Cristo",
        "después de Cristo",
        "ese a",
        "ese ele",
        "y siguientes",
        "recursos humanos",
        "comunidades autónomas",
        "Juegos Olímpicos",
        "fuerzas armadas",
        "unidades",
    }
)
"""What can be the last words of a sentence: a full stop stays if a line ends or a capital follows."""
_SENTENCE_END = regex.compile(r"[ \u00a0]*+(?:\n|$)|[ \u00a0]++[¿¡«\"]?\p{Lu}\p{Ll}")
_DON = regex.compile(r"(?<![\p{L}\p{M}\p{N}.])D\.[ \u00a0]?(?=(\p{Lu}\p{Ll}++))")
_FIRST_WORDS = word_set(
    "El La Los Las Lo Un Una Unos Unas Es Son En De Del A Al Y O Si No Se Su Sus Con Por Para Pero Que Como "
    "Cuando Este Esta Esto Hay Más Muy Tu Tus Mi Mis Nos Ya También Todo Todos Toda Todas"
)
_LETTER_OF_DOOR = regex.compile(r"(?<=[\dºª][ \u00a0]?)(?P<letter>\p{Lu})\.(?=[ \u00a0]\p{Lu})")
"""A letter after a number ends its sentence too: 4.º B. Precio."""
_LETTER_AT_END = regex.compile(
    r"(?<=\p{Ll}[ \u00a0])(?P<letter>\p{Lu})\."
    rf"(?=[ \u00a0](?:{'|'.join(sorted(_FIRST_WORDS))})(?!\p{{L}}))"
)
"""A letter that ends its sentence (plan B. Luego): no initial of a name."""


def say_abbreviations(text: str) -> str:
    """Return written text with the abbreviations of several parts in words: EE. UU., p. ej., c/, n.º."""
    out = []
    end = 0
    for candidate in _CANDIDATE.finditer(text):
        match = _SEVERAL.match(text, candidate.start()) if candidate.start() >= end else None
        if match:
            out += [text[end : match.start()], _in_words(match)]
            end = match.end()
    text = "".join([*out, text[end:]]) if out else text
    text = _DON.sub(lambda match: match[0] if match[1] in _FIRST_WORDS else "don ", text)
    text = _LETTER_OF_DOOR.sub(r"\g<letter> .", text)
    return _LETTER_AT_END.sub(r"\g<letter> .", text)


_CANDIDATE = regex.compile(rf"{_NO_LETTER}(?:[\p{{L}}--[ºª]]{{1,4}}+[./ºª°]|№)", regex.V1)


def _in_words(match: "regex.Match[str]") -> str:
    said = _SAID[int((match.lastgroup or "p0")[1:])]
    stops = match[0].endswith(".") and said in _ENDS and _SENTENCE_END.match(match.string, match.end())
    return f"{said}." if stops else said
