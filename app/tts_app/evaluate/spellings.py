"""Tables of what is written in several ways but said in one: the data of `scoring`."""

UNITS_EN = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
}
TENS_EN = {
    word: value * 10
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2
    )
}
ORDINALS_EN = {
    "first": "one",
    "second": "two",
    "third": "three",
    "fifth": "five",
    "eighth": "eight",
    "ninth": "nine",
    "twelfth": "twelve",
} | {
    word: word[:-4] + "y" if word.endswith("ieth") else word[:-2]
    for word in [
        "fourth",
        "sixth",
        "seventh",
        "tenth",
        "eleventh",
        "thirteenth",
        "fourteenth",
        "fifteenth",
        "sixteenth",
        "seventeenth",
        "eighteenth",
        "nineteenth",
        "twentieth",
        "thirtieth",
        "fortieth",
        "fiftieth",
        "sixtieth",
        "seventieth",
        "eightieth",
        "ninetieth",
        "hundredth",
    ]
}
SCALES_EN = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}

UNITS_ES = {
    word: value
    for value, word in enumerate(
        [
            "cero",
            "uno",
            "dos",
            "tres",
            "cuatro",
            "cinco",
            "seis",
            "siete",
            "ocho",
            "nueve",
            "diez",
            "once",
            "doce",
            "trece",
            "catorce",
            "quince",
            "dieciseis",
            "diecisiete",
            "dieciocho",
            "diecinueve",
            "veinte",
            "veintiuno",
            "veintidos",
            "veintitres",
            "veinticuatro",
            "veinticinco",
            "veintiseis",
            "veintisiete",
            "veintiocho",
            "veintinueve",
        ]
    )
} | {"un": 1, "una": 1, "veintiun": 21, "veintiuna": 21}
TENS_ES = {
    word: value * 10
    for value, word in enumerate(
        ["treinta", "cuarenta", "cincuenta", "sesenta", "setenta", "ochenta", "noventa"], start=3
    )
}
HUNDREDS_ES = {"cien": 100, "ciento": 100} | {
    stem + ending: value * 100
    for value, stem in enumerate(
        [
            "doscient",
            "trescient",
            "cuatrocient",
            "quinient",
            "seiscient",
            "setecient",
            "ochocient",
            "novecient",
        ],
        start=2,
    )
    for ending in ("os", "as")
}
SCALES_ES = {"mil": 1000, "millon": 10**6, "millones": 10**6}
ORDINALS_ES = {
    stem + ending: cardinal
    for stem, cardinal in {
        "primer": "uno",
        "segund": "dos",
        "tercer": "tres",
        "cuart": "cuatro",
        "quint": "cinco",
        "sext": "seis",
        "septim": "siete",
        "octav": "ocho",
        "noven": "nueve",
        "decim": "diez",
    }.items()
    for ending in ("o", "a", "")
    if ending or stem in ("primer", "tercer")
}

CONTRACTIONS_EN = {
    "can't": "can not",
    "cannot": "can not",
    "won't": "will not",
    "let's": "let us",
    "it's": "it is",
    "that's": "that is",
    "there's": "there is",
    "here's": "here is",
    "what's": "what is",
    "who's": "who is",
    "where's": "where is",
    "how's": "how is",
    "he's": "he is",
    "she's": "she is",
    "everything's": "everything is",
    "o'clock": "oclock",
    "gonna": "going to",
    "wanna": "want to",
    "gotta": "got to",
    "y'all": "you all",
}
CONTRACTION_ENDINGS_EN = {
    "n't": " not",
    "'re": " are",
    "'ve": " have",
    "'ll": " will",
    "'d": " would",
    "'m": " am",
}

SAME_EN = {
    "ok": "okay",
    "grey": "gray",
    "programme": "program",
    "programmes": "programs",
    "cheque": "check",
    "jewellery": "jewelry",
    "licence": "license",
    "practise": "practice",
    "tyre": "tire",
    "kerb": "curb",
    "storey": "story",
    "pyjamas": "pajamas",
    "mum": "mom",
    "cosy": "cozy",
    "doughnut": "donut",
    "draught": "draft",
    "enquiry": "inquiry",
    "enquiries": "inquiries",
    "enquire": "inquire",
    "whilst": "while",
    "aluminium": "aluminum",
    "yoghurt": "yogurt",
    "mr": "mister",
    "mrs": "missus",
    "dr": "doctor",
    "prof": "professor",
    "vs": "versus",
    "approx": "approximately",
    "dept": "department",
    "apt": "apartment",
    "min": "minutes",
    "mins": "minutes",
    "hrs": "hours",
    "km": "kilometers",
    "kms": "kilometers",
    "kg": "kilograms",
    "kilos": "kilograms",
    "cm": "centimeters",
    "mm": "millimeters",
    "ml": "milliliters",
    "mph": "miles per hour",
    "ft": "feet",
    "lb": "pounds",
    "lbs": "pounds",
    "gb": "gigabytes",
    "mb": "megabytes",
    "mbps": "megabits per second",
    "usd": "dollars",
    "aud": "australian dollars",
    "etc": "et cetera",
    "nye": "new years eve",
}
"""Word for word, each to one spelling; applied to both sides, so which one does not matter."""

BRITISH_EN = (
    (r"\b(col|fav|flav|harb|hon|hum|lab|neighb|od|parl|rum|sav|vig|behavi|endeav|arm|glam)our", r"\1or"),
    (r"\b(cent|theat|lit|fib|met|kilomet|centimet|millimet|calib|lust|spect|somb)re(s|d)?\b", r"\1er\2"),
    (r"(\w{3,}[^aeiou\W])is(e|es|ed|ing|er|ers|ation|ations)\b", r"\1iz\2"),
    (r"(anal|paral|cataly)ys(e|es|ed|ing)\b", r"\1yz\2"),
    (r"\b(travel|cancel|label|model|level|marvel|fuel|signal|total|jewel)l(ed|ing|er|ers)\b", r"\1\2"),
    (r"\b(catal|dial|monol|anal)ogue(s?)\b", r"\1og\2"),
    (r"\b(def|off|pret)ence\b", r"\1ense"),
    (r"\bful(fil)(s?)\b", r"ful\1l\2"),
)

SYMBOLS = {
    "en": {
        "%": "percent",
        "&": "and",
        "+": "plus",
        "=": "equals",
        "#": "hashtag",
        "@": "at",
        "°c": "degrees celsius",
        "°f": "degrees fahrenheit",
        "°": "degrees",
        "/": "slash",
    },
    "es": {
        "%": "por ciento",
        "&": "y",
        "+": "mas",
        "=": "igual a",
        "#": "hashtag",
        "@": "arroba",
        "°c": "grados celsius",
        "ºc": "grados celsius",
        "°": "grados",
        "/": "barra",
    },
}
CURRENCIES = {
    "en": {
        "a$": "australian dollars",
        "au$": "australian dollars",
        "us$": "dollars",
        "$": "dollars",
        "£": "pounds",
        "€": "euros",
        "₹": "rupees",
    },
    "es": {"us$": "dolares", "$": "dolares", "£": "libras", "€": "euros", "₹": "rupias"},
}
CENTS = {
    "en": ["cents", "cent", "pence", "paise", "p"],
    "es": ["centimos", "centimo", "centavos", "centavo", "peniques", "penique"],
}
CURRENCY_WORDS = {
    "en": ["dollar", "dollars", "pound", "pounds", "euro", "euros", "rupee", "rupees"],
    "es": ["dolar", "dolares", "libra", "libras", "euro", "euros", "rupia", "rupias"],
}

SAME_ES = {
    "sr": "senor",
    "sra": "senora",
    "dr": "doctor",
    "dra": "doctora",
    "km": "kilometros",
    "kg": "kilos",
    "kilogramos": "kilos",
    "min": "minutos",
    "uds": "ustedes",
    "ud": "usted",
    "avda": "avenida",
    "av": "avenida",
    "pza": "plaza",
    "etc": "etcetera",
    "wasap": "whatsapp",
    "gb": "gigas",
    "gigabytes": "gigas",
    "usd": "dolares",
    "eur": "euros",
    "tel": "telefono",
}

ARABIC_FOLDS = {
    **dict.fromkeys("أإآٱٲٳ", "ا"),
    "ى": "ي",
    "ی": "ي",
    "ئ": "ي",
    "ؤ": "و",
    "ة": "ه",
    "ک": "ك",
    "گ": "ج",
    "چ": "ج",
    "ڤ": "ف",
    "پ": "ب",
    "ـ": "",
    "ء": "",
}
"""One letter for each family that writers and the recogniser use at will; the loan letters of Gulf and
Egyptian spelling go to the letter that is commoner in their place."""

URDU_FOLDS = {
    **dict.fromkeys("ىي", "ی"),
    "ك": "ک",
    **dict.fromkeys("هةۃۂۀھ", "ہ"),
    **dict.fromkeys("أإٱ", "ا"),
    "ؤ": "و",
    "ئ": "ی",
    "ۓ": "ے",
    "ء": "",
    "ـ": "",
}
"""Arabic code points to the Urdu ones, the two forms of he to one, hamza to its bearer. The two forms of ye,
alef with madda and nun ghunna tell words apart and stay."""

HINDI_FOLDS = {"़": "", "ँ": "ं", "ऑ": "आ", "ॉ": "ा", "ॅ": "े", "ऍ": "ए"}
"""Nukta dropped; chandrabindu is anusvara; the loan vowels go to their neighbours."""

HINDI_NASALS = (
    ("ङ्(?=[क-घ])", "ं"),
    ("ञ्(?=[च-झ])", "ं"),
    ("ण्(?=[ट-ढ])", "ं"),
    ("न्(?=[त-ध])", "ं"),
    ("म्(?=[प-भ])", "ं"),
)
"""A nasal before a consonant of its own row is written as a letter or as anusvara."""

WRITTEN = {
    "fr": {
        "%": "pour cent", "€": "euros", "°c": "degrés", "°": "degrés", "km": "kilomètres", "min": "minutes",
        "mbps": "mégabits par seconde", "h": "heures", "@": "arobase", "#": "hashtag", "&": "et",
    },
    "it": {
        "%": "per cento", "€": "euro", "°c": "gradi", "°": "gradi", "km": "chilometri", "min": "minuti",
        "mbps": "megabit per secondo", "@": "chiocciola", "#": "hashtag", "&": "e",
    },
    "pt": {
        "%": "por cento", "€": "euros", "r$": "reais", "°c": "graus", "°": "graus", "km": "quilômetros",
        "min": "minutos", "mbps": "megabits por segundo", "h": "horas", "@": "arroba", "#": "hashtag",
        "&": "e",
    },
}  # fmt: skip
"""What signs and units mean in the languages that are compared in words alone."""
NUMBERS = {"fr": "fr", "it": "it", "pt": "pt_BR"}
"""What num2words calls these languages."""
HOUR_JOINTS = {"fr": "heures", "it": "e", "pt": "e"}
"""The word between the hour and the minutes of a time."""
DECIMAL_POINTS = {"fr": "virgule", "it": "virgola", "pt": "vírgula"}
