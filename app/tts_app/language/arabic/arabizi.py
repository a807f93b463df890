"""Arabic that is typed in Latin letters with digits for the sounds that Latin lacks (mar7aba, ya gama3a).

A row of Latin words is such Arabic if one of its words has one of these digits between two letters, in
small letters, with a vowel: MP3, B2B, H2O, 4K, i18n and face2face have not. Then its other words are Arabic
too, but for those that `latin.WORDS` knows (hotel, wifi). A word is found in the lexicons by its sound, or
else written with the vowels that were typed.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tts_app.language.arabic import latin
from tts_app.language.text import word_set

_SOUNDS = MappingProxyType(
    {
        "3'": "غ", "7'": "خ", "9'": "ض", "6'": "ظ", "5'": "خ",
        "kh": "خ", "gh": "غ", "sh": "ش", "ch": "ش", "th": "ث", "dh": "ذ",
        "2": "ء", "3": "ع", "5": "خ", "6": "ط", "7": "ح", "8": "ق", "9": "ص",
        "b": "ب", "c": "ك", "d": "د", "f": "ف", "g": "ج", "h": "ه", "j": "ج", "k": "ك", "l": "ل", "m": "م",
        "n": "ن", "p": "ب", "q": "ق", "r": "ر", "s": "س", "t": "ت", "v": "ف", "w": "و", "x": "كس", "y": "ي",
        "z": "ز",
    }
)  # fmt: skip
_SHORT = MappingProxyType({"a": "َ", "e": "ِ", "i": "ِ", "o": "ُ", "u": "ُ"})
_LONG = MappingProxyType({"َ": "َا", "ِ": "ِي", "ُ": "ُو"})
_DOUBLED = MappingProxyType({"aa": "َا", "ee": "ِي", "ii": "ِي", "ei": "َي", "oo": "ُو", "ou": "ُو", "uu": "ُو"})
_WORDS = """
ya=يا w=و we=و wa=و el=ال al=ال il=ال fi=في fe=في f=في ana=أنا enta=إنت inta=إنت enti=إنتي inti=إنتي
e7na=إحنا howa=هو hwa=هو heya=هي hya=هي da=ده dah=ده di=دي de=دي dol=دول mesh=مش msh=مش mish=مش
mafish=مفيش men=من min=من 3ala=على 3la=على 3an=عن ma3=مع ma3a=مع la=لا la2=لأ aywa=أيوة ah=آه bas=بس
bs=بس kol=كل kul=كل lel=لل lil=لل ba3d=بعد abl=قبل law=لو lw=لو keda=كده kda=كده awy=أوي awi=أوي
gedan=جدا jeddan=جدا jiddan=جدا shokran=شكرا shukran=شكرا ahlan=أهلا marhaba=مرحبا mar7aba=مرحبا
habibi=حبيبي 7abibi=حبيبي 7abibty=حبيبتي inshallah=إن_شاء_الله insha2allah=إن_شاء_الله
enshallah=إن_شاء_الله mashallah=ما_شاء_الله wallah=والله walla=والله yalla=يلا yala=يلا 3ayz=عايز
3ayez=عايز 3ayza=عايزة 3awez=عاوز 3auz=عاوز 7aga=حاجة 7elw=حلو 7elwa=حلوة helw=حلو sa3a=ساعة
el7amdulillah=الحمد_لله el7amdolellah=الحمد_لله alhamdulillah=الحمد_لله sabah=صباح saba7=صباح masa=مساء
khair=خير 5air=خير 5er=خير nour=نور noor=نور salam=سلام salamo=السلام 3alaikom=عليكم 3alaykom=عليكم
3leikom=عليكم 3alikom=عليكم alsalam=السلام elsalam=السلام ezayak=إزيك ezayek=إزيك ezzayak=إزيك
2ahwa=قهوة ahwa=قهوة 3arabi=عربي 3arabiya=عربية 3arby=عربي mo7amed=محمد mohamed=محمد mohammed=محمد
a7med=أحمد ahmed=أحمد ma7mod=محمود sho8l=شغل shoghl=شغل kwayes=كويس kowayes=كويس kwayesa=كويسة
ta3ala=تعال ta3alo=تعالوا ta3alu=تعالوا otel=أوتيل fondo2=فندق fondoq=فندق ghorfa=غرفة 8orfa=غرفة
oda=أوضة bokra=بكرة bukra=بكرة dlw2ty=دلوقتي delwa2ty=دلوقتي delwa2ti=دلوقتي leh=ليه lesh=ليش laish=ليش
feen=فين fen=فين wein=وين wain=وين shu=شو shou=شو kif=كيف keef=كيف kam=كام kteer=كتير kter=كتير
kethir=كثير ktir=كتير wayed=وايد zain=زين zein=زين ma3lesh=معلش ma3lsh=معلش allah=الله eh=إيه eih=إيه
gamb=جنب ganb=جنب tool=طول rab3=ربع noss=نص nos=نص talata=تلاتة arb3a=أربعة arba3a=أربعة 5amsa=خمسة
khamsa=خمسة seta=ستة sab3a=سبعة tes3a=تسعة 3ashra=عشرة thalatha=ثلاثة
"""
_LISTED = dict(entry.split("=") for entry in _WORDS.split())

_CERTAIN = re.compile(
    r"(?<![A-Za-z0-9'])(?=[A-Za-z][a-z']*[0-9])(?=[a-z0-9'A-Z]*[aeiou])(?:[A-Z]?[a-z']*[a-z]|[A-Z])"
    r"(?:[35679]|(?<=[aeiou])2(?=[aeiou])|8)[a-z](?![A-Z])"
)
_INITIAL = re.compile(r"(?<![A-Za-z0-9'])[357][aeiou][a-z]{2,}")
_PARTICIPLE = re.compile(r"^([^aeiou']{1,2})a([^aeiou']{1,2}[ei][^aeiou']{1,2})$")
"""3amel, 3aref: the first vowel of an active participle is long."""
_AMOUNTS = word_set("eur euro euros aed egp aud inch inches ounces items options evenings elements")
_LIKELY = re.compile(r"[a-z]{3,}[357]|[a-z]+[28][a-z]*|[235789][a-z]{3,}|[a-z]{1,2}[357]", re.IGNORECASE)
"""What may be Arabizi or an English word with a number: only beside one of `_OWN_WORDS`."""
_OWN_WORDS = word_set(
    "ana enta enti inta inti el ya mesh msh mish fel awy awi keda kda bas eh eih leh fen feen da dah dol "
    "lel 3ala 3ayez 3ayz ma3 shokran yalla kwayes habibi wallah howa heya e7na bokra delwa2ty gedan"
)
_TOKEN = re.compile(r"[A-Za-z0-9'][A-Za-z0-9']*+")
_ROW = re.compile(r"[A-Za-z0-9'][A-Za-z0-9' ]*+")
_ARABIZI_WORD = re.compile(r"(?=[235-9']*[a-z])[A-Z]?[a-z235-9']{1,24}", re.IGNORECASE)


class Arabizi:
    """Writes Arabizi in Arabic letters; vowelled words give the usual spelling, the later the better."""

    def __init__(self, vowelled: Iterable[str]) -> None:
        self._by_sound: Mapping[str, str] = {sound(word): word for word in vowelled}

    def written(self, text: str) -> str:
        """Return the text with its Arabizi in Arabic letters; English words with digits stay."""
        if not any(char in text for char in "2356789"):
            return text
        tokens = _TOKEN.findall(text)
        likely = any(map(_is_likely, tokens)) and any(token.lower() in _OWN_WORDS for token in tokens)
        return _ROW.sub(self._row, text) if likely or any(map(_is_certain, tokens)) else text

    def _row(self, match: re.Match[str]) -> str:
        row = match[0]
        tokens = _TOKEN.findall(row)
        if not any(_is_certain(token) or token.lower() in _LISTED for token in tokens):
            return row
        said = _TOKEN.sub(lambda token: self._token(token[0]), row)
        return re.sub(r"(?<!\S)ال +(?=[ء-ي])", "ال", said)

    def _token(self, token: str) -> str:
        plain = token.lower()
        if plain in _LISTED:
            return _LISTED[plain].replace("_", " ")
        if plain in latin.WORDS or not _ARABIZI_WORD.fullmatch(token) or token.isdigit():
            return token
        if token.isupper() and len(token) > 1:
            return token
        for article in ("el", "al", "il"):
            if plain.startswith(article) and plain[2:3] and plain[2] not in "aeiou" and len(plain) > 5:
                return f"ال{_LISTED.get(plain[2:]) or self._word(plain[2:])}"
        return self._word(plain)

    def _word(self, plain: str) -> str:
        plain = _PARTICIPLE.sub(r"\1aa\2", plain)
        return self._by_sound.get(_sound_of_latin(plain)) or spelled(plain)


def _is_certain(token: str) -> bool:
    """Return whether a word has a digit of Arabizi between its letters, and is no English word."""
    if _INITIAL.fullmatch(token):
        return token[1:] not in _AMOUNTS and token[1:] not in latin.WORDS
    if not _CERTAIN.match(token) or sum(char.isalpha() for char in token) < 3:
        return False
    parts = [part for part in re.split(r"\d+", token.lower()) if part]
    if "8" in token and not any(digit in token for digit in "35679"):
        return False
    return not any(part in latin.WORDS and len(part) > 2 for part in parts)


def _is_likely(token: str) -> bool:
    rest = re.sub(r"\d", "", token.lower())
    return bool(_LIKELY.fullmatch(token)) and rest not in latin.WORDS and rest not in _AMOUNTS


def spelled(word: str) -> str:
    """Return a word of Arabizi in Arabic letters with the vowels that were typed."""
    out: list[str] = []
    at = 0
    while at < len(word):
        pair = word[at : at + 2]
        if pair in _DOUBLED:
            out.append(_DOUBLED[pair] if out else "آ")
            at += 2
        elif word[at] in _SHORT:
            mark = _SHORT[word[at]]
            last = at + 1 == len(word)
            out.append(("إِ" if mark == "ِ" else f"أ{mark}") if not out else _LONG[mark] if last else mark)
            at += 1
        elif pair in _SOUNDS:
            out.append(_SOUNDS[pair])
            at += 2
        else:
            letter = _SOUNDS.get(word[at], "")
            twice = pair == word[at] * 2 and letter and out
            out.append(f"{letter}ّ" if twice else letter)
            at += 2 if twice else 1
    return "".join(out)


def sound(vowelled: str) -> str:
    """Return the sound of a vowelled word, as far as Arabizi tells it: long and short vowels are one."""
    return _folded(vowelled.replace("ة", "َ").replace("ى", "َ").replace("ًا", "َن"))


def _sound_of_latin(word: str) -> str:
    return _folded(spelled(word))


_FOLDS = str.maketrans(
    {"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ذ": "ز", "ث": "ت", "ظ": "ض", "ء": "ا", "ئ": "ا", "ؤ": "ا"}
)
_WEAK = re.compile("َ?ا|ِي(?![َُِ])|ُو(?![َُِ])")


def _folded(word: str) -> str:
    word = re.sub("(.)ّ", r"\1", word.translate(_FOLDS)).replace("ْ", "").replace("ٰ", "")
    word = _WEAK.sub(lambda match: {"ا": "َ", "ي": "ِ", "و": "ُ"}[match[0][-1]], word)
    return re.sub("َ+", "َ", word)
