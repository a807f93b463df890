"""Markup of plain texts, Markdown and SSML: what is said of it, what is left out, and what is refused."""

import math
import random
import re
import time

import pytest

from tts_app.language import front_end
from tts_app.language.markup import MarkupError, parse
from tts_app.language.markup.latex import say_formula
from tts_app.language.markup.reader import written_out
from tts_app.language.markup.say_as import say_as
from tts_app.language.markup.spans import LONGEST_PAUSE, MOST_PAUSES, Marked, SayAs, Span
from tts_app.language.split import Sentences


def said(marked: Marked) -> str:
    """Return the text of all spans, on one line."""
    return " ".join(" ".join("" if span.pause else span.text for span in marked.spans).split())


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Read [the menu](https://a.example/menu.pdf) first.", "Read the menu first."),
        ('Read [the menu](https://a.example/m_(1).pdf "The menu") first.', "Read the menu first."),
        ("![A pool](pool.jpg) is open.", "A pool is open."),
        ("[**Bold** and `code`](/x) link", "Bold and code link"),
        ("See [rooms][1].\n[1]: https://a.example Rooms", "See rooms."),
        ("A fact[^1] here.\n[^1]: Its source.", "A fact here. Its source."),
        ("The tide【12†tide table】 turns.", "The tide turns."),
        ("Run `make test` now.", "Run make test now."),
        ("Use ``a `tick` `` now.", "Use a `tick` now."),
        ("Before\n```python\nx = 1\n```\nafter", "Before after"),
        ("Before ```inline``` after", "Before inline after"),
        ("Before\n~~~\nx = 1\n~~~\nafter", "Before after"),
        ("> ```\n> x = 1\n> ```\n> after", "after"),
        ("Before\n```python\nnever closed", "Before"),
        ("````\n```\ninner\n```\n````\nafter", "after"),
        ("<think>Let me see.\n\nHm.</think>At noon.", "At noon."),
        ("<thinking>plan</thinking> At noon.", "At noon."),
        ("<think>never closed. At noon.", ""),
        ("It began before.</think>At noon.", "At noon."),
        ("<details type=\"reasoning\" done='true'>Hm.</details>At noon.", "At noon."),
        ("At <!-- not this --> noon.", "At noon."),
        ("At <!-- never closed noon.", "At"),
        ("<style>p { color: red }</style><script>run()</script>At noon.", "At noon."),
        ("H<sub>2</sub>O, <b>bold</b>,<br>next", "H2O, bold, next"),
        ("Write to <desk@a.example> or <mailto:a@b.example>.", "Write to desk@a.example or a@b.example."),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("# Rooms\n## Small rooms\nText", "Rooms Small rooms Text"),
        ("> A quotation\n>> of another", "A quotation of another"),
        ("| a | b |\n|---|:-:|\n| 1 | 2 |", "| a | b | | 1 | 2 |"),
        ("**Now** or *never*, __really__, _yes_, ~~no~~", "Now or never, really, yes, no"),
        ("5 * 3 is 15, a 4* hotel, snake_case", "5 * 3 is 15, a 4* hotel, snake_case"),
        ("Say **[it](https://a.example)** now", "Say it now"),
        ("[x] done, [ ] open", "[x] done, [ ] open"),
        ("- one\n* two\n  + three\n- [x] four", "• one • two • three • four"),
        ("![](pool.jpg)[](https://a.example) Done", "Done"),
        ("a\\*b\\* \\[no link\\]", "a*b* no link"),
        ("Before\n```js\nx = 1\n``` after", "Before after"),
        ("It costs $5 or $10, US$20/NZ$30.", "It costs $5 or $10, US$20/NZ$30."),
        ("($20)/($30), $HOME/$USER, $5-$10", "($20)/($30), $HOME/$USER, $5-$10"),
        (
            "an unclosed [link](https://a.example/ and `code",
            "an unclosed [link](https://a.example/ and `code",
        ),
    ],
)
def test_plain_text_says_what_is_for_listeners(written: str, spoken: str) -> None:
    assert said(parse(written)) == spoken


@pytest.mark.parametrize(
    ("urls", "spoken"),
    [
        ("say", "Go to https://www.a.example/path?x=1. Or [b] c."),
        ("domain", "Go to a.example. Or [b] c."),
        ("skip", "Go to . Or [b] c."),
    ],
)
def test_bare_addresses_are_said_by_a_setting(urls: str, spoken: str) -> None:
    text = "Go to https://www.a.example/path?x=1. Or [b] [c](https://d.example)."
    assert said(parse(text, "text", urls)) == spoken  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("[pause 500ms]", 0.5),
        ("[pause:2s]", 2.0),
        ("[pause 1.5s]", 1.5),
        ("[pause: 1,5 s]", 1.5),
        ("[PAUSE 250MS]", 0.25),
        ("[pause]", 0.5),
        ("[pause=2s]", 2.0),
        ("[pause 2]", 2.0),
        ("[pause 9999s]", LONGEST_PAUSE),
    ],
)
def test_pauses_of_plain_text(written: str, seconds: float) -> None:
    marked = parse(f"Come {written} in.")
    assert [span.pause for span in marked.spans] == [None, seconds, None]
    assert [code for code, _ in marked.warnings] == ["pause-shortened"] * (written == "[pause 9999s]")


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("Hi." + "[pause 10s]" * 60 + "You.", LONGEST_PAUSE),
        ("Hi." + "[pause 3s] ... " * 5, LONGEST_PAUSE),
        ("a[pause 10s]" * 2000, MOST_PAUSES),
        ("a[pause 6s]" * 150, MOST_PAUSES),
    ],
)
def test_pauses_do_not_add_up_without_bound(text: str, total: float) -> None:
    marked = parse(text)
    assert sum(span.pause or 0 for span in marked.spans) == pytest.approx(total)
    assert "pause-shortened" in {code for code, _ in marked.warnings}
    assert said(marked) == said(parse(re.sub(r"\[pause[^]]*]", " ", text)))


def test_pauses_within_the_bounds_are_kept() -> None:
    marked = parse("[pause 6s]a[pause 6s]b[pause 0ms][pause 4s] [pause 6s]c")
    assert [span.pause for span in marked.spans if span.pause is not None] == [6, 6, 0, 4, 6]
    assert marked.warnings == ()


def test_phonemes_of_plain_text_are_no_addresses() -> None:
    marked = parse("[Nguyen](/ŋwˈin/) met [us](/about/) in [Reading](/ɹˈɛdɪŋ/).")
    assert [(span.text, span.phonemes) for span in marked.spans] == [
        ("Nguyen", "ŋwˈin"),
        (" met us in ", ""),
        ("Reading", "ɹˈɛdɪŋ"),
        (".", ""),
    ]


@pytest.mark.parametrize("written", ["$x^2$", "$$\\frac{1}{2}$$", "\\(a + b\\)", "\\[a = b\\]", "$n$"])
def test_formulas_are_found(written: str) -> None:
    (_, formula, _) = parse(f"Take {written} as given.").spans
    assert formula.mathematics
    assert formula.text in written


FORMULAS = [r"\frac{3}{4}", r"\sqrt{2}", "x^{2}", r"\alpha \leq 5", r"\sum_{i=1}^{n} i"]


@pytest.mark.parametrize("locale", ["en-US", "es-ES", "ar-SA", "hi-IN", "ur-PK"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_formulas_are_words_in_every_language(locale: str, formula: str) -> None:
    spoken = front_end(locale).normalise(f"${formula}$")
    assert spoken
    assert not set("$\\{}^_") & set(spoken)
    assert not any(command in spoken for command in ("frac", "sqrt", "leq", "sum_"))


LOCALES = ["en-US", "es-ES", "ar-SA", "hi-IN", "ur-PK", "fr-FR"]
ODD_NUMBERS = [
    *("0", "-1", "1,000", "1.000", "1,00,000", "2,2", "-3", "1e30", "1e999999", "NaN", "Infinity", "²", "٣"),
    *("9" * 15, "9" * 16, "9" * 400, "123456789012345.123456789012345", "-0", "100"),
]
ODD_FORMULAS = ["{}", r"\sqrt[{}]{{x}}", "x^{{{}}}", r"\frac{{{}}}{{2}}", r"\frac{{1}}{{{}}}"]


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("number", ODD_NUMBERS, ids=lambda number: number[:20])
def test_no_number_breaks_a_formula_or_is_slow(locale: str, number: str) -> None:
    verbaliser = front_end(locale).verbaliser
    for formula in ODD_FORMULAS:
        start = time.perf_counter()
        say_formula(formula.format(number), verbaliser)
        assert time.perf_counter() - start < 0.5, formula


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize(
    "number", [*ODD_NUMBERS, "1e40", "²/3", "1/0", "-1/2"], ids=lambda number: number[:20]
)
@pytest.mark.parametrize("kind", ["cardinal", "fraction", "ordinal", "date", "digits", "telephone"])
def test_no_number_breaks_say_as_or_is_slow(locale: str, number: str, kind: str) -> None:
    verbaliser = front_end(locale).verbaliser
    for written in (number, f"{number}/3", f"1/{number}"):
        start = time.perf_counter()
        say_as(written, SayAs(kind), verbaliser)
        assert time.perf_counter() - start < 0.5, written


@pytest.mark.parametrize(
    ("locale", "formula", "spoken"),
    [
        ("en-US", "n = 1,000", "N equals one thousand"),
        ("en-US", "(1,2)", "one, two"),
        ("en-US", "n = 0.125", "N equals zero point one two five"),
        ("en-US", r"\frac{3}{4}", "three quarters"),
        ("en-US", r"\sqrt[5]{8}", "the fifth root of eight"),
        ("en-US", "2^{2.5}", "two to the power of two point five"),
        ("es-ES", "1.000", "mil"),
        ("es-ES", "1,5", "uno coma cinco"),
        ("es-ES", "0.125", "cero coma ciento veinticinco"),
        ("en-US", "9" * 16, " ".join(["nine"] * 16)),
    ],
)
def test_numbers_of_formulas(locale: str, formula: str, spoken: str) -> None:
    assert say_formula(formula, front_end(locale).verbaliser) == spoken


@pytest.mark.parametrize(
    ("locale", "written", "spoken"),
    [
        ("en-US", "1,234", "one thousand two hundred thirty four"),
        ("en-US", "1e40", None),
        ("en-US", "Infinity", None),
        ("es-ES", "1.234", "mil doscientos treinta y cuatro"),
        ("es-ES", "1 234", "mil doscientos treinta y cuatro"),
        ("es-ES", "-2,5", "menos dos coma cinco"),
    ],
)
def test_cardinals_of_say_as(locale: str, written: str, spoken: str | None) -> None:
    said = say_as(written, SayAs("cardinal"), front_end(locale).verbaliser)
    assert (said and said.replace("-", " ").replace(" and ", " ")) == (
        spoken and spoken.replace(" and ", " ")
    )


@pytest.mark.parametrize("error", [ArithmeticError, ValueError, TypeError, RecursionError])
def test_what_a_language_cannot_say_is_read_as_text(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: type[Exception]
) -> None:
    def fail(*_: object) -> str:
        raise error("no words")

    verbaliser = front_end("en-US").verbaliser
    monkeypatch.setattr(type(verbaliser), "number", fail)
    formula = Span(r"\frac{a}{2}", mathematics=True)
    assert written_out(formula, verbaliser).split() == ["a", "2"]
    assert written_out(Span("12", say_as=SayAs("cardinal")), verbaliser) == "12"
    assert len(caplog.records) == 2
    assert "frac" not in caplog.text


STREAM = (
    "The first sentence is long enough. <think>hidden thought. And\n\nmore hidden. </think>\n"
    "The answer is [our page. Not bad](https://a.example/x?y) today! It reads:\n```python\nhidden = 1\n```\n"
    "After the fence we go on. Then `code. here` and $$a = b. c$$ and \\(x. y\\) end it.\n~~~\nhidden\n~~~\n"
    'Last words <details type="reasoning">hidden. Deep.</details> and fine.\n<!-- hidden. x --> Bye now, all '
    "dear guests of ours. ```text\nhidden, never closed. Yes"
)


def test_a_text_that_is_being_written_is_heard_as_the_whole_text() -> None:
    whole = said(parse(STREAM)).split()
    assert "hidden" not in " ".join(whole)
    random_sizes = random.Random(21)  # noqa: S311
    for most in [1, 2, 3, 5, 8, 13, 40, 200] * 20:
        sentences = Sentences()
        heard: list[str] = []
        start = 0
        while start < len(STREAM):
            size = random_sizes.randint(1, most)
            heard += sentences.push(STREAM[start : start + size])
            start += size
        heard += sentences.end()
        assert " ".join(said(parse(sentence)) for sentence in heard).split() == whole


@pytest.mark.parametrize(
    "piece",
    [
        "[a. ",
        "[",
        "`",
        "[" + ("[" + "a. " * 66 + "]") * 400,
        "[" + "word. " * 80,
        "\\[ " + "a. " * 600,
        "\\(a. ",
        "$$ " + "a. " * 600,
        "[a](x. ",
        "<a. ",
        "$a. ",
    ],
)
def test_markup_that_never_ends_holds_nobody_up(piece: str) -> None:
    """A message of a caller is cut on the event loop, where all others wait meanwhile."""
    text = (piece * (65_536 // len(piece) + 1))[:65_536]
    sentences = Sentences()
    started = time.process_time()
    heard = sentences.push(text)
    heard += sentences.end()
    assert time.process_time() - started < 1, "0.2 s, and 5 s with each place looked at anew"
    assert "".join(heard) == text


@pytest.mark.parametrize(
    ("markup", "after"),
    [
        ("[our own page. Not bad at all](https://a.example/x)", "and more. "),
        ("[![a picture. Of us](a.png) and us. All](https://a.example/x)", "and more. "),
        ("$$a = b. And so on and so on. c$$", "and more. "),
        ("\\[a = b. And so on and so on. c\\]", "and more. "),
        ("`some code. And more code. And`", "and more. "),
    ],
)
def test_no_sentence_ends_inside_markup_however_it_arrives(markup: str, after: str) -> None:
    text = f"Here is what we have. {markup} {after}Then it goes on to the end. Bye"
    for step in range(1, len(text) + 1):
        sentences = Sentences()
        heard = [one for at in range(0, len(text), step) for one in sentences.push(text[at : at + step])]
        heard += sentences.end()
        assert "".join(heard) == text
        assert any(markup in one for one in heard), step
        assert len(heard) > 1


def test_a_long_thought_is_not_kept() -> None:
    sentences = Sentences()
    sentences.push("<think>")
    for _ in range(1000):
        assert sentences.push("thinking goes on and on. " * 10) == []
    assert len(sentences._listened._held) < 100
    assert sentences.push("</think>The answer is that there is one. So ") == [
        "\n\nThe answer is that there is one. "
    ]


def test_markdown_reads_headings_lists_and_tables() -> None:
    document = (
        "Rooms\n=====\n\nEvery *room* has `wifi`\nand a view.\n\n- a bed\n- a bath\n\n3. a safe\n\n"
        "```\ncode\n```\n\n    indented code\n\n| Room | Price |\n|---|---|\n| 12 | $90 |\n\n"
        "<div>\nhtml\n</div>\n\nEnd [here](/x)."
    )
    assert said(parse(document, "markdown")) == (
        "Rooms. Every room has wifi and a view.. a bed. a bath. 3. a safe. "
        "Room, Price, . 12, $90, . End here.."
    )


SSML = """<?xml version="1.0"?>
<speak version="1.1" xml:lang="en">Welcome <break time="1500ms"/> home &amp; caf&#233;
<prosody rate="slow" volume="-6dB">slowly
<prosody rate="200%" volume="+2dB">and <lang xml:lang="es">hola</lang></prosody></prosody>
<p><s>One.</s><s>Two.</s></p><sub alias="World Wide Web">WWW</sub>
<phoneme alphabet="ipa" ph="kˈɪn">Kinzle</phoneme>
<say-as interpret-as="characters">AB1</say-as><break strength="strong"/><break time="60s"/></speak>"""


def test_ssml_is_spans() -> None:
    marked = parse(SSML, "ssml")
    assert said(marked).startswith("Welcome home & café slowly and hola One. Two. World Wide Web Kinzle AB1")
    assert [span.pause for span in marked.spans if span.pause] == pytest.approx(
        [1.5, 0.8, LONGEST_PAUSE - 0.8]
    )
    manners = {span.text.strip(): span.manner for span in marked.spans}
    assert (manners["slowly"].rate, manners["slowly"].volume) == (0.75, -6.0)
    assert (manners["and"].rate, manners["and"].volume, manners["and"].locale) == (1.5, -4.0, "")
    assert (manners["hola"].rate, manners["hola"].locale) == (1.5, "es")
    assert [span.phonemes for span in marked.spans if span.phonemes] == ["kˈɪn"]
    assert {code for code, _ in marked.warnings} == {"pause-shortened"}


@pytest.mark.parametrize(
    ("written", "locale"),
    [
        ("EN", "en"),
        ("EN-GB", "en-GB"),
        ("en-gb", "en-GB"),
        ("en-GB-oxendict", "en-GB"),
        ("en-NZ", "en"),
        ("es-mx", "es"),
        ("fr-a1x", None),
        ("fr-1a1x", "fr"),
        ("fr-ca-12345", "fr"),
        ("PT-br-abcde", "pt-BR"),
        ("sr-latn-rs", "sr-Latn"),
        ("sr-cyrl-rs", "sr"),
        ("zh-hk", "zh-HK"),
    ],
)
def test_the_locale_of_ssml_is_one_that_is_read_differently(written: str, locale: str | None) -> None:
    document = f"<speak><lang xml:lang='{written}'>a</lang></speak>"
    if locale is None:
        with pytest.raises(MarkupError, match="BCP-47"):
            parse(document, "ssml")
        return
    (span,) = parse(document, "ssml").spans
    assert span.manner.locale == locale


def test_a_front_end_is_known_by_its_locale_in_any_case() -> None:
    assert front_end("en-gb") is front_end("EN-GB") is front_end("en-GB")
    with pytest.raises(ValueError, match="not a locale"):
        front_end("fr-a1x")


def test_silent_volume_is_no_quiet_one() -> None:
    document = "<speak><prosody volume='silent'>a<prosody volume='loud'>b</prosody></prosody></speak>"
    assert [span.manner.volume for span in parse(document, "ssml").spans] == [-math.inf]


def test_ssml_warns_of_what_no_voice_follows() -> None:
    text = "<speak><emphasis level='strong'>Now</emphasis> <prosody pitch='high'>up</prosody></speak>"
    marked = parse(text, "ssml")
    assert said(marked) == "Now up"
    assert [(code, text[place:][:9]) for code, place in marked.warnings] == [
        ("emphasis-ignored", "<emphasis"),
        ("pitch-ignored", "<prosody "),
    ]


@pytest.mark.parametrize(
    ("document", "place", "reason"),
    [
        ("Hello", "line 1, column 1", "no well-formed XML"),
        ("", "line 1, column 1", "no well-formed XML"),
        ("<speak>", "line 1, column 8", "no element found"),
        ("<speak><s>a</speak>", "line 1, column 14", "mismatched tag"),
        ("<speak>a</speak><speak>b</speak>", "line 1, column 17", "junk after document"),
        ("<p>a</p>", "line 1, column 1", "one <speak> element"),
        ("<speak><speak>a</speak></speak>", "line 1, column 8", "one <speak> element"),
        ("<speak>\n\n  <audio src='x'/></speak>", "line 3, column 3", "element <audio> is not known"),
        ("<speak>é\n<p class='x'>a</p></speak>", "line 2, column 1", "no attribute 'class'"),
        ("<!DOCTYPE speak><speak>a</speak>", "line 1, column ", "document types"),
        ('<!DOCTYPE s [<!ENTITY a "b">]><speak>&a;</speak>', "line 1, column ", "document types"),
        ("<speak>a&nbsp;b</speak>", "line 1, column 9", "an entity that is not one of"),
        ("<speak><?php x?></speak>", "line 1, column 8", "processing instruction"),
        ("<speak>" + "<p>" * 40, "line 1, column ", "32 inside each other"),
        ("<speak>" + "<p/>" * 10_001 + "</speak>", "line 1, column ", "at most 10000 elements"),
        ("<speak><break time='2'/></speak>", "line 1, column 8", "such as 1.5s"),
        ("<speak><break time='-2s'/></speak>", "line 1, column 8", "such as 1.5s"),
        ("<speak><break strength='huge'/></speak>", "line 1, column 8", "must be one of none"),
        ("<speak><break>now</break></speak>", "line 1, column ", "may hold no text"),
        ("<speak><prosody>a</prosody></speak>", "line 1, column 8", "needs rate or volume"),
        ("<speak><prosody rate='900%'>a</prosody></speak>", "line 1, column 8", "0.25 to 4"),
        ("<speak><prosody rate='nan'>a</prosody></speak>", "line 1, column 8", "0.25 to 4"),
        ("<speak><prosody volume='50dB'>a</prosody></speak>", "line 1, column 8", "-40dB to +12dB"),
        ("<speak><emphasis level='loud'>a</emphasis></speak>", "line 1, column 8", "strong, moderate"),
        ("<speak><say-as>1</say-as></speak>", "line 1, column 8", "needs the attribute interpret-as"),
        (
            "<speak><say-as interpret-as='song'>1</say-as></speak>",
            "line 1, column 8",
            "must be one of characters",
        ),
        ("<speak><say-as interpret-as='date' format='xy'>1</say-as></speak>", "line 1, column 8", "mdy, dmy"),
        ("<speak><sub>a</sub></speak>", "line 1, column 8", "needs the attribute alias"),
        ("<speak><phoneme alphabet='x-sampa' ph='a'>a</phoneme></speak>", "line 1, column 8", "must be ipa"),
        (f"<speak><phoneme ph='{'a' * 201}'>a</phoneme></speak>", "line 1, column 8", "200 are allowed"),
        ("<speak><sub alias='a'><s>b</s></sub></speak>", "line 1, column 23", "may hold no element"),
        ("<speak><lang xml:lang='tlh'>a</lang></speak>", "line 1, column 8", "BCP-47"),
        ("<speak><lang>a</lang></speak>", "line 1, column 8", "needs xml:lang"),
    ],
)
def test_ssml_refuses_with_the_place(document: str, place: str, reason: str) -> None:
    with pytest.raises(MarkupError) as caught:
        parse(document, "ssml")
    assert str(caught.value).startswith(f"SSML, {place}")
    assert reason in str(caught.value)
