"""The sentences that every avatar speaks: `sentences/<locale>.json`, plain ones and stress ones."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

FOLDER = Path(__file__).with_name("sentences")
Kind = Literal["plain", "stress"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A post, and the ways to say it that count as right."""

    locale: str
    kind: Kind
    text: str
    spoken: tuple[str, ...]
    """Written out as it may be said; empty where the text itself, or what the front-end makes of it, is."""


def load_sentences(locale: str, most: int | None = None, folder: Path = FOLDER) -> list[Sentence]:
    """Return the sentences of `locale`, plain ones first; the first `most` of each kind.

    A record is `{"text": ..., "spoken": one string or a list of alternatives}`.

    Raises:
        LookupError: there are none of this locale; the message lists the locales that have some.
    """
    path = folder / f"{locale}.json"
    if not path.is_file():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.json")))
        raise LookupError(f"There are no sentences to measure {locale} with; there are of: {known}.")
    content = json.loads(path.read_text(encoding="utf-8"))
    return [
        Sentence(locale, kind, record["text"], _alternatives(record.get("spoken", ())))
        for kind in KINDS
        for record in content[kind][:most]
    ]


def _alternatives(spoken: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return (spoken,) if isinstance(spoken, str) else tuple(spoken)
