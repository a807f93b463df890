"""Markup in texts as people and chat models write them.

Links say their text, inline code its words. Fences of code, thoughts (`<think>`), comments and tags are left
out. All patterns are bounded or possessive: the time is linear in the text.
"""

import regex

_HIDDEN = "think|thinking|thought|reasoning|tool_call|function_call|script|style"
"""Tags whose content is not for listeners."""

_MARKUP = regex.compile(
    rf"""
      (?P<hidden><(?P<tag>{_HIDDEN})\b[^<>]{{0,200}}+>(?s:.*?)(?:</(?P=tag)\s*>|\Z))
    | (?P<comment><!--(?s:.*?)(?:-->|\Z))
    | (?P<fence>(?P<ticks>`{{3,}}+)[^`\n]*+(?:\n(?s:.*?)(?:^[ \t>]{{0,20}}(?P=ticks)`*+[ \t]*+$|\Z)|\Z))
    | (?P<wave>^[ \t>]{{0,20}}(?P<waves>~{{3,}}+)(?s:.*?)(?:^[ \t>]{{0,20}}(?P=waves)~*+[ \t]*+$|\Z))
    | (?P<code>(?P<tick>`{{1,9}}+)(?P<said>[^`\n]{{1,500}}+)(?P=tick)(?!`))
    | (?P<pause>\[pause(?:[ ]?:?[ ]?(?P<time>\d{{1,6}}+(?:[.,]\d{{1,3}}+)?)[ ]?(?P<unit>ms|s))?\])
    | (?P<link>!?\[(?P<label>(?:[^\[\]\n]|\[[^\[\]\n]{{0,200}}+\]){{1,500}}+)\]
        \([ ]?(?P<target>(?:[^\s()<>]|\([^\s()<>]{{0,200}}+\)){{0,2000}}+)
        (?:[ ]+(?:"[^"\n]{{0,300}}+"|'[^'\n]{{0,300}}+'))?[ ]?\))
    | (?P<block></?(?:br|p|div|li|ul|ol|tr|table|h[1-6]|hr|blockquote)\b[^<>\n]{{0,200}}+>)
    | (?P<element></?[a-zA-Z][^<>\n@:]{{0,200}}+>)
    """,
    regex.VERBOSE | regex.MULTILINE | regex.IGNORECASE,
)


def without_markup(text: str) -> str:
    """Return `text` with what is said of its markup, and without what is not."""
    if not _SIGNS.search(text):
        return text
    return _MARKUP.sub(_said, text)


_SIGNS = regex.compile(r"[<`\[~]")


def _said(match: "regex.Match[str]") -> str:
    kind = match.lastgroup
    if match["label"]:
        return without_markup(match["label"])
    if match["said"]:
        return str(match["said"])
    if match["block"] or match["fence"] or match["wave"]:
        return "\n"
    return " " if kind else ""
