"""Says formulas in LaTeX: pylatexenc parses them, and a language's verbaliser has the words.

A power, a root, a fraction and the signs are said by the verbaliser's `power`, `root`, `fraction` and
`symbol` (see `semiotics`). What a language has no word for is left out: no command is spoken by its name but
the letters of Greek and functions.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from types import MappingProxyType

import regex
from pylatexenc.latexwalker import (
    LatexCharsNode,
    LatexEnvironmentNode,
    LatexGroupNode,
    LatexMacroNode,
    LatexMathNode,
    LatexNode,
    LatexSpecialsNode,
    LatexWalker,
    LatexWalkerError,
)

from tts_app.language.base import Verbaliser, option
from tts_app.language.markup.figures import number_of
from tts_app.language.text import ascii_digits, word_set

LONGEST = 2000
"""Characters of the longest formula that is read; what is longer is left out."""
_HIGHEST_ROOT = 99
"""Degree of the highest root that has a name."""
_DEEPEST = 40
"""Braces inside braces that are read: the parser recurses."""

_SIGNS = MappingProxyType(
    {
        **{"neq": "≠", "ne": "≠", "approx": "≈", "cong": "≅", "equiv": "≡", "lt": "<", "gt": ">"},
        **{"leq": "≤", "le": "≤", "geq": "≥", "ge": "≥", "leqslant": "≤", "geqslant": "≥", "sim": "≈"},
        **{"pm": "±", "mp": "∓", "times": "×", "div": "÷", "cdot": "·", "ast": "×", "infty": "∞"},
        **{"sum": "∑", "prod": "∏", "int": "∫", "partial": "∂", "nabla": "∇", "Delta": "∆"},
        **{"pi": "π", "theta": "θ", "lambda": "λ", "mu": "µ", "in": "∈", "notin": "∉", "subset": "⊂"},
        **{"subseteq": "⊂", "cup": "∪", "cap": "∩", "forall": "∀", "exists": "∃", "to": "→"},
        **{"rightarrow": "→", "Rightarrow": "⇒", "implies": "⇒", "iff": "⇔", "%": "%", "&": "&", "#": "#"},
    }
)
"""Commands that are a sign, by which a verbaliser knows them."""
_NAMES = word_set(
    "alpha beta gamma delta epsilon varepsilon zeta eta iota kappa nu xi rho sigma tau upsilon phi varphi "
    "chi psi omega Gamma Theta Lambda Xi Pi Sigma Phi Psi Omega sin cos tan cot sec csc sinh cosh tanh log "
    "ln exp lim max min sup inf det gcd mod deg dim ker"
)
"""Commands whose name is what is said: Greek letters and functions."""
_TEXT = frozenset(["text", "textbf", "textit", "textrm", "mathrm", "operatorname", "mbox"])
_FRACTIONS = frozenset({"frac", "dfrac", "tfrac", "cfrac"})
_MEMBERS = regex.compile(r"(?P<number>\d++(?:[.,]\d++)*+)|(?P<letter>\p{L})|(?P<sign>[-+=<>/*!%|]|[^\w\s])")
_MINUS = "\N{MINUS SIGN}"
_BIG = frozenset("∑∏∫")
_SCRIPT = frozenset("^_")


def say_formula(source: str, verbaliser: Verbaliser) -> str:
    """Return the words of a formula; nothing where it is too long or too deep. Time linear in its length."""
    if len(source) > LONGEST or _depth(source) > _DEEPEST:
        return ""
    try:
        nodes, _, _ = LatexWalker(source, tolerant_parsing=True).get_latex_nodes()
    except (LatexWalkerError, RecursionError):
        return ""
    return _Formula(verbaliser).say(_flat(nodes))


class _Formula:
    """Says the nodes of a formula with the words of one language."""

    def __init__(self, verbaliser: Verbaliser) -> None:
        self._say = verbaliser
        self._power: Callable[[str, str, Decimal | None], str] | None = option(verbaliser, "power", None)
        self._root: Callable[[str, int], str] | None = option(verbaliser, "root", None)
        self._fraction: Callable[[Decimal, Decimal], str] | None = option(verbaliser, "fraction", None)

    def say(self, nodes: Sequence[LatexNode]) -> str:
        """Return the words of nodes in a row; `^` and `_` are nodes of one character."""
        said: list[str] = []
        index = 0
        while index < len(nodes):
            words, index = self._term(nodes, index)
            said.append(words)
        return " ".join(" ".join(said).split())

    def _term(self, nodes: Sequence[LatexNode], index: int) -> tuple[str, int]:
        """Return the words of the node at `index` with its scripts, and the index after them."""
        base, after = self._node(nodes[index]), index + 1
        scripts: dict[str, LatexNode] = {}
        while after + 1 < len(nodes) and _chars(nodes[after]) in _SCRIPT - scripts.keys():
            scripts[_chars(nodes[after])] = nodes[after + 1]
            after += 2
        low, high = scripts.get("_"), scripts.get("^")
        if _sign(nodes[index]) in _BIG and low is not None and high is not None:
            return f"{base} {self._say.span(self._node(low), self._node(high))}", after
        if low is not None:
            base = f"{base} {self._node(low)}"
        if high is not None:
            base = self._raised(base, high)
        return base, after

    def _raised(self, base: str, exponent: LatexNode) -> str:
        words = self._node(exponent)
        if _sign(exponent) == "∘" or _source(exponent) == "\\circ":
            return f"{base} {self._say.symbol('°')}"
        if _source(exponent).strip("{}") in {"'", "\\prime"}:
            return f"{base} {self._say.symbol('′')}"
        if self._power is None:
            return f"{base} {words}"
        value = self._number(exponent)
        return self._power(base, words, value if value is not None and not value % 1 else None)

    def _node(self, node: LatexNode | None) -> str:
        if node is None or isinstance(node, LatexSpecialsNode):
            return "," if node is not None and node.specials_chars == "&" else ""
        if isinstance(node, LatexCharsNode):
            return self._characters(node.chars)
        if isinstance(node, LatexGroupNode | LatexEnvironmentNode | LatexMathNode):
            return self.say(_flat(node.nodelist))
        return self._macro(node) if isinstance(node, LatexMacroNode) else ""

    def _macro(self, node: LatexMacroNode) -> str:
        name = node.macroname
        arguments = [a for a in (node.nodeargd.argnlist if node.nodeargd else ()) if a is not None]
        if name in _FRACTIONS and len(arguments) == 2:
            return self._over(*arguments)
        if name == "sqrt" and arguments:
            return self._rooted(self._node(arguments[-1]), arguments[0] if len(arguments) == 2 else None)
        if name in _TEXT:
            return " ".join(_source(argument).strip("{}") for argument in arguments)
        if name in _SIGNS:
            return self._say.symbol(_SIGNS[name])
        words = name.removeprefix("var").lower() if name in _NAMES else ""
        return " ".join([words, *map(self._node, arguments)])

    def _rooted(self, of: str, written: LatexNode | None) -> str:
        degree = Decimal(2) if written is None else self._number(written)
        if self._root and degree is not None and 2 <= degree <= _HIGHEST_ROOT and not degree % 1:
            return self._root(of, int(degree))
        return f"{self._node(written)} {self._say.symbol('√')} {of}"

    def _over(self, above: LatexNode, below: LatexNode) -> str:
        upper, lower = self._number(above) or 0, self._number(below) or 0
        if self._fraction and upper > 0 and lower > 0 and not lower % 1:
            return self._fraction(Decimal(upper), Decimal(lower))
        return f"{self._node(above)} {self._say.symbol('÷')} {self._node(below)}"

    def _characters(self, characters: str) -> str:
        said = []
        for member in _MEMBERS.finditer(characters):
            if member["number"]:
                said.append(self._figures(ascii_digits(member[0])))
            elif member["letter"]:
                said.append(self._say.letters(member[0].upper()) if member[0].isascii() else member[0])
            else:
                said.append(self._sign(member[0]))
        return " ".join(said)

    def _figures(self, written: str) -> str:
        """Say a number, or several between marks (the `1,2` of a point), or the digits of a long one."""
        value = number_of(written, self._say.decimal_mark)
        if value is not None:
            return self._say.number(value)
        parts = [part for part in _MARKS.split(written) if part]
        return ", ".join(self._figures(part) if part != written else self._say.digits(part) for part in parts)

    def _number(self, node: LatexNode) -> Decimal | None:
        return number_of(_source(node).strip("{}[] "), self._say.decimal_mark)

    def _sign(self, sign: str) -> str:
        if sign in "()[]{}|.":
            return ""
        if sign in ",;:":
            return ","
        return self._say.symbol({"-": _MINUS, "*": "×", "'": "′", "/": "÷"}.get(sign, sign))


def _flat(nodes: Sequence[LatexNode | None]) -> list[LatexNode]:
    """Return the nodes with runs of characters cut into the terms that a script may follow.

    All digits of `x^12` are the exponent, as people mean it; TeX would raise the 1 alone.
    """
    out: list[LatexNode] = []
    for node in nodes:
        if isinstance(node, LatexCharsNode):
            parts = _PARTS.findall(node.chars)
            out += [LatexCharsNode(parsing_state=node.parsing_state, chars=part) for part in parts]
        elif node is not None:
            out.append(node)
    return out


_MARKS = regex.compile(r"[.,]")
_PARTS = regex.compile(r"\d++(?:[.,]\d++)*+|\S")


def _chars(node: LatexNode) -> str:
    if isinstance(node, LatexSpecialsNode):
        return str(node.specials_chars)
    return str(node.chars) if isinstance(node, LatexCharsNode) else ""


def _sign(node: LatexNode) -> str:
    return _SIGNS.get(node.macroname, "") if isinstance(node, LatexMacroNode) else ""


def _source(node: LatexNode) -> str:
    if isinstance(node, LatexCharsNode):
        return str(node.chars)
    return str(node.latex_verbatim())


def _depth(source: str) -> int:
    deepest = depth = 0
    for character in source:
        depth += (character == "{") - (character == "}")
        deepest = max(deepest, depth)
    return deepest
