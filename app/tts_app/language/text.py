"""Unicode clean-up: the step before any interpretation of the text.

All functions take time linear in the length of the text: patterns are possessive or single classes.
"""

import html
import unicodedata

import regex

_JOINED_SCRIPTS = r"\p{Arabic}\p{Devanagari}"
_COMPATIBLE = regex.compile(
    r"[\u00b2\u00b3\u00b9\u2070-\u209c\u2100-\u214f\u2460-\u249b\u24b6-\u24ff\u3250-\u33ff\ufb00-\ufb4f"
    r"\ufb50-\ufdff\ufe30-\ufe4f\ufe70-\ufefc\uff01-\uffee\U0001d400-\U0001d7ff\U0001f100-\U0001f12b]"
)
"""Styled letters and digits (𝗕𝗼𝗹𝗱, ｆｕｌｌ, ⓒ, m², ㎞, joined Arabic forms) that mean the plain ones."""
_RAISED = regex.compile(r"[⁰¹²³⁴-⁹⁺⁻ⁿⁱ]++")
"""Superscripts: exponents (10², m³), or the marks of footnotes."""
_MINUS = regex.compile(r"(?<![\p{L}\p{N})\]%])−(?=[\d.])")
"""The minus sign of a negative number."""
_LEGAL_MARKS = regex.compile("[™®©℠℗]")
_BLOCK_LETTERS = regex.compile(r"[\U0001f130-\U0001f149\U0001f150-\U0001f169\U0001f170-\U0001f189]")
_SMALL_CAPITALS = str.maketrans("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘǫʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnopqrstuvwyz")
_SMALL_CAPITAL_WORD = regex.compile(r"(?<!\p{L})[ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘǫʀꜱᴛᴜᴠᴡʏᴢsx]{2,}+(?!\p{L})")
_KEYCAPS = regex.compile(r"([0-9#*])\ufe0f?\u20e3(?=(\p{L})?)")
_GROUP_SPACE = regex.compile(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))")
_SPACES = regex.compile(r"[^\S\n]++")
_LINES = regex.compile(r" ?\n[ \n]*+")
_LINE_ENDS = regex.compile(r"\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
_TAGS = regex.compile(r"</?[a-zA-Z][^<>\n]{0,200}+>")
_EMOJI_JOINERS = regex.compile(
    rf"(?<![\p{{Extended_Pictographic}}\ufe0f\U0001f3fb-\U0001f3ff{_JOINED_SCRIPTS}])\u200d|\u200d(?=\s|$)"
    rf"|(?<![{_JOINED_SCRIPTS}])\u200c|\u200c(?![{_JOINED_SCRIPTS}])"
)
"""Zero-width joiners stay in emoji sequences. Joiners and non-joiners stay between letters of joining
scripts, where they belong to the spelling (Urdu compounds, Hindi half-letters)."""
_INVISIBLE = regex.compile(
    r"[\p{Cc}--[\n\t]]|[\p{Cs}\p{Co}\p{Cn}]|[\p{Cf}--[\u200c\u200d\U000e0020-\U000e007f]]|[\u034f\u115f\u1160\u3164]",
    flags=regex.V1,
)
_SELECTORS = regex.compile(r"(?<!\p{Emoji})[\ufe00-\ufe0f]")
_ENDLESS_MARKS = regex.compile(r"(\p{M}{60})\p{M}++")
"""More marks than even decoration has: normal forms sort them, in time quadratic in their number."""
_MARKS_RUN = regex.compile(r"(\p{M}{6})\p{M}++")
"""More marks on one letter than any script has: decoration (Z̷a̷l̷g̷o)."""
_OVERLAYS = regex.compile(r"[\u0334-\u0338\u0489\u20d0-\u20df\u20e1-\u20f0]")
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛ʼ′`´", "'"),
        **dict.fromkeys("“”„‟«»‹›〝〞", '"'),
        **dict.fromkeys("‐‑⁃﹣", "-"),
        **dict.fromkeys("‒–", "–"),
        **dict.fromkeys("—―⸺⸻", "—"),
        "⁄": "/",
        "∕": "/",
        "，": ",",
        "。": ". ",
        "、": ", ",
        "‧": " • ",
        "…": "...",
        "‥": "...",
        "‼": "!",
        "⁇": "?",
        "⁈": "?",
        "⁉": "?",
        "٭": "*",
        "\t": " ",
    }
)
_BOUNDED_RUNS = (
    (regex.compile(r",{2,}+"), ","),
    (regex.compile(r";{2,}+"), ";"),
    (regex.compile(r":{2,}+"), ":"),
    (regex.compile(r"[-–—]{2,}+"), " — "),
    (regex.compile(r"[=_~^+|*#<>\\]{4,}+|[=~^|<>\\]{2,}+"), " — "),
)
_CRIES = regex.compile(r"[!?؟]{2,}+")
_DOTS = regex.compile(r"(?:\.{2,}+|(?<=\s)\.(?: \.)++)(?=(\s*+\p{Ll}|\s*+[\p{Lo}])?)")


def clean(text: str) -> str:
    """Return `text` in NFC without decoration.

    Control and other invisible characters, bidi marks, tags, styled letters, smart quotes, odd spaces and
    repeated punctuation are removed or made plain. One line break separates lines; emoji stay whole.
    """
    text = _LINE_ENDS.sub("\n", text)
    if "&" in text and ";" in text:
        text = html.unescape(text)
    if "<" in text:
        text = _TAGS.sub(" ", text)
    text = unicodedata.normalize("NFC", _ENDLESS_MARKS.sub(r"\1", text))
    if not text.isascii():
        text = _plain_unicode(text)
    for run, mark in _BOUNDED_RUNS:
        text = run.sub(mark, text)
    text = _CRIES.sub(lambda match: "!" if set(match[0]) == {"!"} else "?", text)
    text = _DOTS.sub(lambda match: ", " if match[1] else ". ", text)
    text = _SPACES.sub(" ", bounded_marks(_INVISIBLE.sub("", text)))
    return _LINES.sub("\n", text).strip()


def bounded_marks(text: str) -> str:
    """Return `text` with no more marks on a letter than any script has."""
    return _MARKS_RUN.sub(r"\1", text)


def word_set(words: str) -> frozenset[str]:
    """Return the words of a list written as one string."""
    return frozenset(words.split())


def ascii_digits(text: str) -> str:
    """Return `text` with the digits of every script (٣ ۳ ३) as 0-9; drop those newer than Python's tables."""
    if text.isascii():
        return text
    return _FOREIGN_DIGIT.sub(lambda match: str(unicodedata.decimal(match[0], "")), text)


_FOREIGN_DIGIT = regex.compile(r"[\p{Nd}--[0-9]]", flags=regex.V1)


def _plain_unicode(text: str) -> str:
    text = _GROUP_SPACE.sub("", text)
    text = _KEYCAPS.sub(lambda match: f"{match[1]} " if match[2] else match[1], text)
    text = _LEGAL_MARKS.sub("", text)
    text = _MINUS.sub("-", text)
    text = _RAISED.sub(lambda match: f"^{unicodedata.normalize('NFKC', match[0]).replace('−', '-')}", text)
    text = text.replace("№", "No. ").replace("🔟", "10")
    text = _COMPATIBLE.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    text = _BLOCK_LETTERS.sub(lambda match: chr(ord("A") + (ord(match[0]) - 0x1F130) % 32), text)
    text = _SMALL_CAPITAL_WORD.sub(lambda match: match[0].translate(_SMALL_CAPITALS), text)
    text = _OVERLAYS.sub("", text)
    text = bounded_marks(_SELECTORS.sub("", _EMOJI_JOINERS.sub("", text)))
    return unicodedata.normalize("NFC", text.translate(_PLAIN))
