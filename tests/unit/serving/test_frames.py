"""What goes between a replica and a gateway: many answers a message, nothing lost, nothing piled up."""

import asyncio

import pytest

from tts_app.engines.text import Delta, TokenLogprob, Usage
from tts_app.serving.frames import Receiver, StreamMux, end, frame, joined


async def taken(receiver: Receiver) -> list[Delta]:
    return [delta async for delta in receiver.deltas()]


def test_frame_carries_a_whole_delta_only_when_it_is_more_than_text() -> None:
    plain, last = Delta(1, "a", tokens=2), Delta(1, "b", tokens=1, finish="stop", usage=Usage(3, 4))
    assert frame(7, plain) == (7, 1, "a", 2, None)
    assert list(joined([frame(7, plain)])) == [plain]
    assert list(joined([frame(7, last)])) == [last]


async def test_stream_mux_sends_what_is_written_within_a_beat_in_one_message() -> None:
    mux = StreamMux()
    messages = mux.messages(idle=0.2)
    mux.put(frame(1, Delta(text="a")))
    assert [f[2] for f in await anext(messages)] == ["a"]
    for text in "bcd":
        mux.put(frame(2, Delta(text=text)))
    assert [f[2] for f in await anext(messages)] == ["b", "c", "d"]
    with pytest.raises(StopAsyncIteration):
        await anext(messages)


async def test_stream_mux_sends_an_urgent_frame_at_once() -> None:
    mux = StreamMux(flush_interval=60.0)
    messages = mux.messages(idle=60)
    mux.put(frame(1, Delta(text="a")), urgent=True)
    await anext(messages)
    mux.put(frame(1, Delta(text="b")))
    waiting = asyncio.ensure_future(anext(messages))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    mux.put(end(1), urgent=True)
    async with asyncio.timeout(10):
        assert [f[2] for f in await waiting] == ["b", ""]


async def test_stream_mux_stays_open_while_something_is_written() -> None:
    mux = StreamMux()
    mux.requests = 1
    messages = mux.messages(idle=0.01)
    waiting = asyncio.ensure_future(anext(messages))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    mux.put(end(1))
    assert await waiting == [end(1)]


async def test_receiver_joins_what_is_not_taken_in_time() -> None:
    receiver = Receiver()
    for text in ("a", "b", "c"):
        receiver.put(frame(1, Delta(text=text, tokens=1)))
    receiver.put(frame(1, Delta(finish="stop", usage=Usage(1, 3))))
    receiver.put(end(1))
    assert await taken(receiver) == [Delta(0, "abc", tokens=3, finish="stop", usage=Usage(1, 3))]


async def test_receiver_keeps_the_finish_reason_when_usage_comes_later() -> None:
    receiver = Receiver()
    receiver.put(frame(1, Delta(text="a", tokens=1, finish="stop")))
    receiver.put(frame(1, Delta(usage=Usage(1, 1))))
    receiver.put(end(1))
    assert await taken(receiver) == [Delta(text="a", tokens=1, finish="stop", usage=Usage(1, 1))]


async def test_receiver_raises_an_error_after_what_was_written() -> None:
    receiver = Receiver()
    receiver.put(frame(1, Delta(text="a")))
    receiver.fail(RuntimeError("lost"))
    receiver.fail(RuntimeError("a second time"))
    deltas = receiver.deltas()
    assert (await anext(deltas)).text == "a"
    with pytest.raises(RuntimeError, match="lost"):
        await anext(deltas)


def test_joined_joins_each_answer_alone_with_usage_last() -> None:
    token = TokenLogprob("x", -1.0)
    deltas = [
        Delta(0, "a", tokens=1, logprobs=(token,)),
        Delta(1, "b", tokens=1),
        Delta(1, "B", tokens=1, finish="stop"),
        Delta(0, "A", tokens=1, logprobs=(token,), finish="length", usage=Usage(1, 4)),
    ]
    assert list(joined([frame(1, delta) for delta in deltas])) == [
        Delta(1, "bB", tokens=2, finish="stop"),
        Delta(0, "aA", tokens=2, logprobs=(token, token), finish="length", usage=Usage(1, 4)),
    ]
