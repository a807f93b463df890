"""What was said, and how much of it a model still hears."""

import pytest
from simulated_writer import SimulatedTextEngine

from tts_app.cli.conversation import Conversation, reply
from tts_app.engines.text import ContextLengthError, EngineError, TextRequest


async def ask(engine, talk: Conversation, asked: str, forgot=lambda turns: None, **request) -> str:
    return "".join([d.text async for d in reply(engine, talk, asked, TextRequest(**request), forgot)])


async def test_conversation_sends_all_that_was_said() -> None:
    engine, talk = SimulatedTextEngine(), Conversation("Be brief.")
    assert await ask(engine, talk, "One?") == "You said: One?"
    await ask(engine, talk, "Two?", temperature=0.0, seed=7, max_tokens=20)
    asked = engine.requests[-1]
    assert [(m["role"], m["content"]) for m in asked.messages or ()] == [
        ("system", "Be brief."),
        ("user", "One?"),
        ("assistant", "You said: One?"),
        ("user", "Two?"),
    ]
    assert (asked.temperature, asked.seed, asked.max_tokens) == (0.0, 7, 20)


async def test_conversation_drops_the_oldest_turns_to_fit_the_context() -> None:
    engine, talk, forgotten = SimulatedTextEngine(context=100), Conversation("Be brief."), []
    for number in range(8):
        await ask(engine, talk, f"{number} " + "word " * 9, forgotten.append)
    assert sum(forgotten) > 0
    assert len(talk.turns) == 8 - sum(forgotten)
    assert talk.turns[-1][0].startswith("7 ")
    for request in engine.requests:
        assert request.messages[0]["content"] == "Be brief."
        # A quarter of the context is left for the answer.
        assert sum(len(message["content"].split()) for message in request.messages) <= 75


async def test_conversation_leaves_room_for_max_tokens() -> None:
    engine, talk = SimulatedTextEngine(context=100), Conversation()
    for number in range(8):
        await ask(engine, talk, f"{number} " + "word " * 9, max_tokens=40)
    assert sum(len(m["content"].split()) for m in engine.requests[-1].messages or ()) <= 60


async def test_conversation_retries_with_less_when_the_model_finds_it_too_long() -> None:
    def narrow(request: TextRequest) -> str:
        if len(request.messages or ()) > 3:
            raise ContextLengthError("too long")
        return "Good."

    engine, talk, forgotten = SimulatedTextEngine(narrow), Conversation(), []
    for number in range(4):
        await ask(engine, talk, str(number), forgotten.append)
    assert forgotten == [1, 1]
    assert talk.turns == [("2", "Good."), ("3", "Good.")]


async def test_conversation_raises_for_a_question_too_long_by_itself() -> None:
    def never(request: TextRequest) -> str:
        raise ContextLengthError("too long")

    engine, talk = SimulatedTextEngine(never), Conversation()
    with pytest.raises(ContextLengthError):
        await ask(engine, talk, "much")
    assert talk.turns == []


async def test_conversation_keeps_the_part_of_a_stopped_answer() -> None:
    engine, talk = SimulatedTextEngine(), Conversation()
    answer = reply(engine, talk, "Go on and on", TextRequest())
    await anext(answer)
    await anext(answer)
    await answer.aclose()
    assert talk.turns == [("Go on and on", "You said:")]
    assert engine.stopped == 1


async def test_conversation_leaves_out_a_failed_answer() -> None:
    def fails(request: TextRequest) -> str:
        raise EngineError("broken")

    engine, talk = SimulatedTextEngine(fails), Conversation()
    with pytest.raises(EngineError):
        await ask(engine, talk, "Hello")
    assert talk.turns == []
