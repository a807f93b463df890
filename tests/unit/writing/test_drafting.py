"""Drafts: what a model is asked, what of its answers is taken, and what is not lost when it fails."""

import asyncio
import json

import jsonschema
import pytest
from simulated_writer import SimulatedTextEngine, as_json
from test_review import ARABIC, GOOD, SPANISH

from tts_app.batch.drafting import Draft, Order, draft_posts
from tts_app.batch.drafts import SCHEMA, DraftError, draft_request, languages_of, text_of
from tts_app.batch.review import Review
from tts_app.engines.text import EngineError, TextRequest
from tts_app.resources import LANGUAGE_DEFAULTS, LOCALES

ORDER = Order("a beach hotel", ("en", "ar"), count=3, first=5, seed=100)


def asked(request: TextRequest) -> str:
    return str((request.messages or ())[-1]["content"])


def by_language(request: TextRequest) -> str:
    """Answer in the language that is asked for, every time something else."""
    if "Arabic" in asked(request):
        return as_json(f"{ARABIC} {request.seed}")
    if "Spanish" in asked(request):
        return as_json(f"{SPANISH} {request.seed}")
    return as_json(f"{GOOD} {request.seed}")


async def drafted(engine: SimulatedTextEngine, order: Order = ORDER, review: Review | None = None):
    drafts: list[Draft] = []
    await draft_posts(engine, order, review or Review(), drafts.append)
    return sorted(drafts, key=lambda draft: draft.id)


async def test_draft_posts_asks_for_each_language_of_a_post_separately() -> None:
    engine = SimulatedTextEngine(by_language)
    drafts = await drafted(engine)
    assert [draft.id for draft in drafts] == [5, 6, 7]
    assert [sorted(draft.post.text) for draft in drafts if draft.post] == [["ar", "en"]] * 3
    assert all(draft.faults == () for draft in drafts)
    assert len(engine.requests) == 6
    assert len({request.seed for request in engine.requests}) == 6
    assert all(request.schema == SCHEMA for request in engine.requests)
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate({"post": GOOD}, SCHEMA)


async def test_draft_posts_gives_the_first_text_to_the_other_languages() -> None:
    engine = SimulatedTextEngine(by_language)
    (draft,) = await drafted(engine, Order("a beach hotel", ("en", "ar"), count=1))
    first, second = engine.requests
    assert "a beach hotel" in asked(first)
    assert draft.post
    assert draft.post.text["en"] in asked(second)


async def test_draft_posts_runs_no_more_requests_than_the_engine_has_slots() -> None:
    engine = SimulatedTextEngine(by_language, slots=2)
    await drafted(engine, Order("a", ("en",), count=9))
    assert engine.most_running == 2


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("{", "the answer is not JSON"),
        ('{"text": "x"}', "the answer is not an object with a text"),
        ("[]", "the answer is not an object with a text"),
        (json.dumps({"post": "\ud83d" + GOOD}), "half a surrogate pair"),
        (as_json("Too short."), "it has 2 words, not 15 to 60"),
        (as_json(GOOD), "only 0% of its letters are Arabic"),
        (as_json(f"{ARABIC} [اسم]"), "it has a placeholder"),
        (as_json("كلمة " * 30 + "و " * 2000), "the answer had no end within 500 tokens"),
    ],
)
async def test_draft_posts_retries_a_bad_text_with_another_seed(bad: str, why: str) -> None:
    engine = SimulatedTextEngine(lambda request: bad, context=1000)
    (draft,) = await drafted(engine, Order("a", ("ar",), count=1, tries=4, seed=50))
    assert draft.post is None
    (fault,) = draft.faults
    assert str(fault).startswith("post 1: no text in ar: ")
    assert why in str(fault)
    assert "the last of 4 tries" in str(fault)
    assert len({request.seed for request in engine.requests}) == len(engine.requests) == 4


async def test_draft_posts_accepts_a_good_second_try() -> None:
    answers = iter(["{", as_json("short"), as_json(GOOD)])
    engine = SimulatedTextEngine(lambda request: next(answers))
    (draft,) = await drafted(engine, Order("a", ("en",), count=1))
    assert draft.post
    assert draft.post.text == {"en": GOOD}
    assert draft.faults == ()


async def test_draft_posts_refuses_texts_that_are_alike() -> None:
    review = Review()
    review.keep("post 4 in en", f"{GOOD} Now.")
    answers = iter([as_json(f"{GOOD} now"), as_json(GOOD), as_json(GOOD), as_json(GOOD), as_json(GOOD)])
    engine = SimulatedTextEngine(lambda request: next(answers), slots=1)
    first, second = await drafted(engine, Order("a", ("en",), count=2), review)
    assert first.post
    assert second.post is None
    assert "it is the same as post 1 in en" in str(second.faults[0])


async def test_draft_posts_keeps_good_texts_when_another_language_fails() -> None:
    engine = SimulatedTextEngine(lambda request: as_json(f"{GOOD} {request.seed}"))
    drafts = await drafted(engine)
    assert [set(draft.post.text) for draft in drafts if draft.post] == [{"en"}] * 3
    assert ["no text in ar" in str(draft.faults[0]) for draft in drafts] == [True] * 3


async def test_draft_posts_tells_the_good_texts_when_the_engine_fails() -> None:
    def breaks(request: TextRequest) -> str:
        if "Arabic" in asked(request):
            raise EngineError("it broke")
        return by_language(request)

    drafts: list[Draft] = []
    engine = SimulatedTextEngine(breaks, slots=1)
    with pytest.raises(EngineError, match="it broke"):
        await draft_posts(engine, ORDER, Review(), drafts.append)
    (draft,) = drafts
    assert draft.post
    assert set(draft.post.text) == {"en"}
    assert "no text in ar: it was not finished" in str(draft.faults[0])


async def test_draft_posts_stops_the_engine_and_tells_the_posts_in_hand_when_canceled() -> None:
    begun = asyncio.Event()

    def slow(request: TextRequest) -> str:
        if "Arabic" in asked(request):
            begun.set()
            return "و " * 100_000
        return by_language(request)

    drafts: list[Draft] = []
    engine = SimulatedTextEngine(slow, context=1 << 20, slots=1)
    task = asyncio.create_task(draft_posts(engine, ORDER, Review(), drafts.append))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [set(draft.post.text) for draft in drafts if draft.post] == [{"en"}]
    assert engine.running == 0
    assert engine.stopped == 1


async def test_draft_posts_asks_for_plain_text_without_json_support() -> None:
    engine = SimulatedTextEngine(lambda request: f'"{GOOD}"\n', json=False)
    (draft,) = await drafted(engine, Order("a", ("en",), count=1))
    assert draft.post
    assert draft.post.text == {"en": GOOD}
    assert engine.requests[0].schema is None
    assert "JSON" not in asked(engine.requests[0])


def test_draft_request_names_the_language() -> None:
    reported = {
        name: asked(draft_request("the sea", name, None, seed=1, held=True, context=4096))
        for name in (*LANGUAGE_DEFAULTS, *LOCALES)
    }
    assert "British English" in reported["en-GB"]
    assert "Egyptian Arabic" in reported["ar-EG"]
    assert all("the sea" in text and "15 to 60 words" in text for text in reported.values())


def test_text_of_an_answer_has_tidy_white_space() -> None:
    assert text_of(as_json(" a\n b  c "), True) == "a b c"
    with pytest.raises(DraftError):
        text_of("a b c", True)


def test_languages_of_reads_any_case() -> None:
    assert languages_of("en, AR-eg,es_ES") == ("en", "ar-EG", "es-ES")
    assert languages_of("FR, zh-hant-tw") == ("fr", "zh-Hant-TW")
    for given, message in (
        ("qqq", "Unknown language 'qqq'"),
        ("french", "'french' is not a locale"),
        (" ,", "No language"),
        ("en,EN", "given twice"),
    ):
        with pytest.raises(ValueError, match=message):
            languages_of(given)
