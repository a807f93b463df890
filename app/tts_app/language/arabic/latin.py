"""Latin words inside Arabic text, written in Arabic letters as an Arabic speaker says them."""

import re
import unicodedata

from tts_app.language.arabic.words import LETTERS

_BESIDE = re.compile(r" [A-Za-zÀ-ɏ]")
LATIN_WORD = re.compile(r"[A-Za-zÀ-ɏ]+(?:['’][A-Za-zÀ-ɏ]+)?")

_WORDS = """
wifi=وَاي فَاي|wi=وَاي|fi=فَاي|spa=سْبَا|hotel=هُوتِيل|hotels=هُوتِيلْز|resort=رِيزُورْت|booking=بُوكِينْج
instagram=إِنِسْتِغْرَام|insta=إِنِسْتَا|facebook=فِيسْبُوك|twitter=تْوِيتَر|youtube=يُوتْيُوب
whatsapp=وَاتْسَاب|tiktok=تِيك تُوك|snapchat=سْنَاب شَات|google=جُوجِل|maps=مَابْس|app=آب
online=أُونْلَايْن|email=إِيمِيل|mail=مِيل|com=كُوم|www=دَبِلْيُو دَبِلْيُو دَبِلْيُو|info=إِنْفُو
http=إِتْش تِي تِي پِي|https=إِتْش تِي تِي پِي إِس|check=تْشِيك|in=إِن|out=آوْت|brunch=بْرَانْش
breakfast=بْرِيكْفَاسْت|lunch=لَانْش|dinner=دِينَر|buffet=بُوفِيه|coffee=كُوفِي|cafe=كَافِيه|café=كَافِيه
bar=بَار|pool=پُول|gym=جِيم|suite=سْوِيت|suites=سْوِيتْس|vip=ڤِي آي پِي|dj=دِي جِيه|live=لَايْڤ
happy=هَابِي|hour=آوَر|sale=سِيل|black=بْلَاك|friday=فْرَايْدِي|weekend=وِيك إِنْد|week=وِيك|end=إِنْد
the=ذَا|and=أَنْد|of=أُوف|by=بَاي|for=فُور|to=تُو|your=يُور|dubai=دُبَي|riyadh=رِيَاض|cairo=كَايْرُو
nile=نَايِل|egypt=إِيجِبْت|marriott=مَارْيُوت|hilton=هِيلْتُون|sheraton=شِيرَاتُون|ritz=رِيتْز
carlton=كَارْلْتُون|uber=أُوبَر|careem=كَرِيم|netflix=نِتْفْلِيكْس|apple=آبِل|iphone=آيفُون|ipad=آيبَاد
samsung=سَامْسُونْج|visa=ڤِيزَا|mastercard=مَاسْتَرْكَارْد|paypal=پِيبَال|pizza=بِيتْزَا|burger=بُرْجَر
sushi=سُوشِي|steak=سْتِيك|latte=لَاتِيه|cappuccino=كَابِتْشِينُو|espresso=إِسْبْرِسُّو|summer=سَمَر
ios=آي أُو إِس|android=أَنْدْرُويْد|winter=وِنْتَر|new=نْيُو|year=يِير|city=سِيتِي|sky=سْكَاي|beach=بِيتْش|club=كْلَاب|lounge=لَاوْنْج
roof=رُوف|top=تُوب|rooftop=رُوفْتُوب|room=رُوم|rooms=رُومْز|service=سِيرْڤِيس|free=فْرِي|park=بَارْك
grand=جْرَانْد|palace=بَالَاس|royal=رُويَال|golden=جُولْدِن|blue=بْلُو|red=رِيد|sea=سِي|view=ڤْيُو
garden=جَارْدِن|family=فَامِيلِي|love=لَاڤ|best=بِسْت|travel=تْرَاڤِل|tour=تُور|tours=تُورْز
holiday=هُولِيدَي|holidays=هُولِيدَيز|welcome=وِلْكَم|home=هُوم|time=تَايْم|day=دَي|night=نَايْت
"""
WORDS = dict(entry.split("=") for entry in re.split(r"[|\n]", _WORDS.strip()))
"""Words of hotel and social media posts with their usual Arabic pronunciation."""

_CHUNKS = (
    ("tion", "شِن"), ("sion", "جِن"), ("tch", "تْش"), ("sch", "ش"), ("igh", "َاي"), ("ough", "ُو"),
    ("eigh", "َي"), ("sh", "ش"), ("ch", "تْش"), ("th", "ث"), ("ph", "ف"), ("gh", "غ"), ("kh", "خ"),
    ("dh", "ذ"), ("ck", "ك"), ("qu", "كْو"), ("oo", "ُو"), ("ee", "ِي"), ("ea", "ِي"), ("ie", "ِي"),
    ("ou", "َاو"), ("ow", "َاو"), ("oa", "ُو"), ("ai", "ِي"), ("ay", "َي"), ("ey", "ِي"), ("ei", "َاي"),
    ("oy", "ُوي"), ("oi", "ُوي"), ("au", "ُو"), ("aw", "ُو"), ("eu", "ُو"), ("ue", "ُو"), ("aa", "َا"),
    ("a", "َا"), ("e", "ِ"), ("i", "ِي"), ("o", "ُو"), ("u", "َا"), ("y", "ِي"), ("b", "ب"), ("c", "ك"),
    ("d", "د"), ("f", "ف"), ("g", "ج"), ("h", "ه"), ("j", "ج"), ("k", "ك"), ("l", "ل"), ("m", "م"),
    ("n", "ن"), ("p", "پ"), ("q", "ك"), ("r", "ر"), ("s", "س"), ("t", "ت"), ("v", "ڤ"), ("w", "و"),
    ("x", "كْس"), ("z", "ز"),
)  # fmt: skip
_VOWELS = "aeiouy"


def transliterate(text: str) -> str:
    """Return `text` with its Latin words in vowelled Arabic letters."""
    return LATIN_WORD.sub(lambda match: f" {_said(match)} ", text)


def _said(match: re.Match[str]) -> str:
    """Return a word, or a letter that stands alone (x > 5) by its name."""
    word = match[0]
    if len(word) > 1 or not word.isascii() or _BESIDE.search(match.string, match.end(), match.end() + 2):
        return spell(word)
    if re.search(r"[A-Za-zÀ-ɏ] $", match.string[max(0, match.start() - 2) : match.start()]):
        return spell(word)
    return LETTERS[word.upper()]


def spell(word: str) -> str:
    """Write one Latin word in vowelled Arabic letters: by the lexicon, else letter by letter.

    The rules are English spelling's main ones: digraphs, soft c, a silent final e, no doubled consonants.
    """
    plain = unicodedata.normalize("NFD", word.lower())
    plain = "".join(char for char in plain if char.isascii() and char.isalpha())
    known = WORDS.get(word.lower()) or WORDS.get(plain)
    if known is not None:
        return known
    if len(plain) > 3 and plain.endswith("e") and plain[-2] not in _VOWELS:
        plain = plain[:-1]
    plain = re.sub(r"c(?=[eiy])", "s", re.sub(r"([^aeiouy])\1", r"\1", plain))
    written: list[str] = []
    at = 0
    while at < len(plain):
        chunk, letters = next((c, said) for c, said in _CHUNKS if plain.startswith(c, at))
        if chunk[0] in _VOWELS and not written:
            letters = "أ" + letters if letters[0] != "ِ" else "إ" + letters
        written.append(letters)
        at += len(chunk)
    return "".join(written)
