"""Markup in texts as people and chat models write them.

Links say their text, inline code its words; formulas between dollar signs are read, `[pause 500ms]` and
`[word](/ipa/)` are obeyed. Fences of code, thoughts (`<think>`), comments and tags are left out, also where
they are not closed. Patterns are bounded, possessive, or match to the end of the text: the time is linear.
"""

from collections.abc import Iterator

import regex

from tts_app.language.markup.spans import (
    NATURAL_PAUSE,
    PLAIN,
    Manner,
    Marked,
    Span,
    Urls,
    Warned,
    bounded_pause,
    merged,
)

HIDDEN_TAGS = "think|thinking|thought|thoughts|reasoning|scratchpad|tool_call|function_call|script|style"
"""Tags whose content is not for listeners."""
FENCE_END = r"^[ \t>]{0,20}(?P=fence)[`~]*+(?=[ \t]|$)"
_DEPTH = 4
"""Markup inside markup (a link in bold) that is read; deeper, its signs are read as text."""

_MARKUP = regex.compile(
    rf"""
      <(?P<hidden>{HIDDEN_TAGS})\b[^<>]{{0,200}}+>(?s:.*?)(?:</(?P=hidden)\s*+>|\Z)
    | (?P<reasoning><details\s[^<>]{{0,100}}?type=["']reasoning["'][^<>]{{0,200}}+>
        (?s:.*?)(?:</details\s*+>|\Z))
    | (?P<comment><!--(?s:.*?)(?:-->|\Z))
    | (?P<fence>`{{3,40}}+|^[ \t>]{{0,20}}+\K~{{3,40}}+)[^`\n]{{0,200}}+
        (?:\n(?s:.*?)(?:{FENCE_END}|\Z)|\Z)
    | (?<!`)(?P<ticks>`{{1,9}}+)(?P<code>[^\n]{{1,500}}?)(?<!`)(?P=ticks)(?!`)
    | (?P<pause>\[pause(?:[ ]?[:=]?[ ]?(?P<time>\d{{1,6}}+(?:[.,]\d{{1,3}}+)?)[ ]?(?P<unit>ms|s)?)?\])
    | (?<!\\)!?\[(?P<label>(?:[^\[\]]|\[[^\[\]]{{0,200}}+\]){{0,500}}+)\]
        (?:\([ ]?<?(?P<target>(?:[^\s()<>]|\([^\s()<>]{{0,200}}+\)){{0,2000}}+)>?
           (?:[ ]++(?:"[^"\n]{{0,300}}+"|'[^'\n]{{0,300}}+'))?[ ]?\)
         | \[(?P<reference>[^\[\]\n]{{0,200}}+)\])
    | (?P<note>\[\^[^\[\]\s]{{1,50}}+\]:?|【\d++[†:][^【】\n]{{0,100}}+】)
    | ^[ ]{{0,3}}\[[^\[\]\n]{{1,200}}+\]:[ ]++(?P<definition>\S{{1,2000}}+[^\n]{{0,300}}+)$
    | \$\$(?P<display>[^$]{{1,2000}}+)\$\$
    | \\\[(?P<bracketed>(?s:[^\\]|\\(?![\[\]])){{1,2000}}+)\\\]
    | \\\((?P<inline>(?:[^\\\n]|\\(?![()])){{1,500}}+)\\\)
    | (?<![\w$\\])\$(?P<dollars>(?![\s$])(?:[^$\n\\]|\\.){{1,300}}+(?<!\s))\$(?![\w$])
    | \\(?P<escaped>[*_\[\]()\#`~>$!|.+-])
    | ^(?P<bullet>[ ]{{0,8}}[-*+•][ ]++(?:\[[ xX]\][ ]++)?)(?=\S)
    | <(?P<autolink>(?:https?://|mailto:)[^\s<>]{{1,2000}}+|[^\s<>@:]{{1,100}}+@[^\s<>@:]{{1,300}}+)>
    | (?P<block></?(?:br|p|div|li|ul|ol|tr|td|th|table|h[1-6]|hr|blockquote|summary|details)\b
        [^<>\n]{{0,200}}+>)
    | (?P<tag></?[a-zA-Z][^<>\n]{{0,200}}+>)
    | ^(?P<line>[ ]{{0,3}}(?:\#{{1,6}}[ ]++|>[> ]*+)
        |[ ]{{0,3}}\|?[ ]{{0,3}}:?-{{2,}}+:?[ ]{{0,3}}(?:\|[ :-]*+)++$)
    | (?<![\w*\\])(?P<stars>\*{{1,3}}+)(?P<starred>(?![\s*])[^*\n]{{1,500}}+(?<!\s))(?P=stars)(?![\w*])
    | (?<![\w_\\])(?P<lines>_{{1,3}}+)(?P<lined>(?![\s_])[^_\n]{{1,500}}+(?<!\s))(?P=lines)(?![\w_])
    | (?<![~\\])~~(?P<struck>(?![\s~])[^~\n]{{1,500}}+)~~(?!~)
    | (?P<url>https?://[^\s<>"'()\[\]]{{1,2000}}+)
    """,
    regex.VERBOSE | regex.MULTILINE | regex.IGNORECASE,
)
_SIGNS = regex.compile(r"[<`\[~$\\*_#>|【]|://|^ *+[-+•] ", regex.MULTILINE)
_IPA = regex.compile(r"/(?=.{0,200}?[^\x00-\x7f])([^/\d?=&%#]{1,200}+)/")
"""Between slashes, with at least one letter or mark that is not ASCII: `/en/` is an address."""
_NESTED = ("label", "starred", "lined", "struck")
"""What holds text that may have markup of its own."""
_FORMULAS = ("display", "bracketed", "inline", "dollars")
_SAID = (*_NESTED, "code", "pause", *_FORMULAS, "url", "autolink", "escaped")
_LINE_BREAKS = frozenset({"hidden", "reasoning", "fence", "block"})
_COMMAND = regex.compile(r"\\[a-zA-Z]|[\^_{}]")
_WORD = regex.compile(r"[\p{L}]{2,}+")
_OPERATORS = regex.compile(r"[-+*/=<>()|!,.\s]")
_URL_END = ".,;:!?)'*_-…"
_HOST = regex.compile(r"https?://(?:[^/@\s]*+@)?(?:www\.)?([^/?#:\s]++)", regex.IGNORECASE)


def parse_plain(text: str, urls: Urls = "say", manner: Manner = PLAIN) -> Marked:
    """Return the spans of a text whose markup is that of chat answers and posts."""
    warnings: list[Warned] = []
    start = _thought_end(text)
    spans = _spans(text[start:], start, urls, manner, warnings, _DEPTH)
    return Marked(merged(spans), tuple(warnings))


def _thought_end(text: str) -> int:
    """Return where a thought ends whose beginning was in the model's prompt: only its end was written."""
    end = _THOUGHT_END.search(text)
    return 0 if end is None or _THOUGHT.search(text, 0, end.start()) else end.end()


_THOUGHT = regex.compile(r"<think(?:ing)?\b", regex.IGNORECASE)
_THOUGHT_END = regex.compile(r"</think(?:ing)?\s*+>", regex.IGNORECASE)


def _spans(
    text: str, place: int, urls: Urls, manner: Manner, warnings: list[Warned], depth: int
) -> Iterator[Span]:
    """Yield the spans of `text`, which begins at `place` of the source."""
    if not depth or not _SIGNS.search(text):
        yield Span(text, place, manner)
        return
    end = 0
    for match in _MARKUP.finditer(text):
        found = _found(match, place, urls, manner, warnings, depth)
        if found is None:
            continue
        yield Span(text[end : match.start()], place + end, manner)
        yield from found
        end = match.end()
    yield Span(text[end:], place + end, manner)


def _found(  # noqa: PLR0911 - one for each kind
    match: "regex.Match[str]", place: int, urls: Urls, manner: Manner, warnings: list[Warned], depth: int
) -> list[Span] | None:
    """Return what the markup of a match says, or None: it is no markup after all."""
    here = place + match.start()
    kind = next((name for name in _SAID if match[name] is not None), match.lastgroup or "")
    if kind == "pause":
        seconds = bounded_pause(_seconds(match["time"], match["unit"]), here, warnings)
        return [Span("", here, manner, pause=seconds)]
    if kind == "label" and (ipa := _IPA.fullmatch(match["target"] or "")):
        return [Span(match["label"], here, manner, phonemes=ipa[1])]
    if kind in _NESTED:
        start = place + match.start(kind)
        return list(_spans(match[kind], start, urls, manner, warnings, depth - 1))
    if kind == "bullet":
        return [Span("• ", here, manner)]
    if kind not in _SAID:
        return [Span("\n" if kind in _LINE_BREAKS else "", here, manner)]
    if kind in {"url", "autolink"}:
        return _address(match, here, urls, manner)
    if kind in _FORMULAS and not _is_formula(match[kind]):
        return None if kind == "dollars" else [Span(match[kind], place + match.start(kind), manner)]
    return [Span(match[kind], place + match.start(kind), manner, mathematics=kind in _FORMULAS)]


def _address(match: "regex.Match[str]", here: int, urls: Urls, manner: Manner) -> list[Span] | None:
    written = match["autolink"] or match["url"]
    host = _HOST.match(written)
    if urls == "say" or host is None:
        if match["url"] is not None:
            return None  # the front-end says it
        return [Span(written.removeprefix("mailto:"), here, manner)]
    after = written[len(written.rstrip(_URL_END)) :] if match["url"] is not None else ""
    return [Span((host[1] if urls == "domain" else "") + after, here, manner)]


def _seconds(time: str | None, unit: str | None) -> float:
    if time is None:
        return NATURAL_PAUSE
    number = float(time.replace(",", "."))
    return number / 1000 if (unit or "").lower() == "ms" else number


def _is_formula(written: str) -> bool:
    """Whether what is between dollar signs is a formula and no price: it has LaTeX's signs, or no word."""
    if _COMMAND.search(written):
        return True
    return not _WORD.search(written) and (written.isalnum() or _OPERATORS.search(written) is not None)
