"""Kokoro's own speakers and mixes of them, as people write them: `af_heart*0.6+af_sky*0.4`. Pure."""

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

MOST = 8
"""Speakers in a mix."""
LOCALES = MappingProxyType(
    {
        **{"a": "en-US", "b": "en-GB", "e": "es-ES", "f": "fr-FR", "h": "hi-IN"},
        **{"i": "it-IT", "j": "ja-JP", "p": "pt-BR", "z": "cmn-CN"},
    }
)
"""The locale that a speaker's first letter stands for; the second is that of the gender."""
_WEIGHT = r"(\d(?:\.\d{1,4})?)"
_TERM = re.compile(
    r"(?P<name>(?P<locale>[a-z])(?P<gender>[fm])_[a-z0-9]{1,30})" rf"(?:\*{_WEIGHT}|\({_WEIGHT}\))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Mix:
    """One speaker, or several with weights."""

    names: tuple[str, ...]
    expression: str
    """As the engine reads it: weights that sum to 1."""
    locale: str
    """Of the first speaker."""
    gender: Literal["female", "male"]


def read_mix(written: str) -> Mix | None:
    """Return what speakers a text names, or None: it names none. Weights are brought to a sum of 1.

    A speaker without a weight has weight 1: `af_bella+af_sky` is half of each. `name(2)` is `name*2`.
    """
    terms = [_TERM.fullmatch(term.strip()) for term in written.strip().lower().split("+")]
    found = [term for term in terms if term is not None]
    weights = [float(term[4] or term[5] or 1) for term in found]
    if (
        len(found) != len(terms)
        or len(found) > MOST
        or min(weights) <= 0
        or found[0]["locale"] not in LOCALES
    ):
        return None
    names = tuple(term["name"] for term in found)
    expression = names[0]
    if len(names) > 1:
        shares = [round(weight / sum(weights), 4) for weight in weights]
        largest = shares.index(max(shares))
        shares[largest] = round(shares[largest] + 1 - sum(shares), 4)
        expression = "+".join(f"{name}*{share:g}" for name, share in zip(names, shares, strict=True) if share)
    gender: Literal["female", "male"] = "female" if found[0]["gender"] == "f" else "male"
    return Mix(names, expression, LOCALES[found[0]["locale"]], gender)
