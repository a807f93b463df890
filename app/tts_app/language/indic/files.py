"""Names of files (photo.jpg), said as web addresses are."""

import regex

from tts_app.language.indic.verbaliser import IndicVerbaliser

_FILE = regex.compile(
    r"(?<![\p{L}\p{N}@/._-])(?P<name>[A-Za-z\d]{1,40}(?:[_-][A-Za-z\d]{1,40}){0,6}+)"
    r"\.(?P<kind>jpe?g|png|gif|webp|pdf|docx?|xlsx?|pptx?|csv|txt|md|json|xml|html?|php|js|py|zip|rar|mp[34]|wav|apk|exe)"
    r"(?![\p{L}\p{N}@/_-]|\.\p{L})"
)
_FILE_PART = regex.compile(r"[A-Za-z]++|\d++|[_-]")


class Files:
    """Writes out names of files."""

    def __init__(self, verbaliser: IndicVerbaliser) -> None:
        self._say = verbaliser

    def __call__(self, text: str) -> str:
        """Return `text` with the names of files in words."""
        return _FILE.sub(self._file, text)

    def _file(self, match: "regex.Match[str]") -> str:
        parts = [*_FILE_PART.findall(match["name"]), ".", *_FILE_PART.findall(match["kind"])]
        return " ".join(
            self._say.address_word(part, False) if part.isalnum() else self._say.symbol(part)
            for part in parts
        )
