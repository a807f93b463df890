"""Long texts that are slow to read, eight at a time: everybody else is served meanwhile."""

import asyncio
import time
from typing import Any

import httpx
from endless import LONGEST, PIECES, endless

NAMES = ("joined emoji", "marks to be sorted", "brackets", "joiners")
"""Nothing of these is spoken: they are read to their end, and nothing is left to do."""
PATIENCE = 5.0
"""Most seconds that another caller waits, however busy the machine is."""


async def test_who_asks_for_something_else_does_not_wait_for_texts_that_are_read(playground: Any) -> None:
    texts = [endless(PIECES[name], LONGEST) for name in NAMES] * 2
    waits: list[float] = []
    async with httpx.AsyncClient(base_url=playground.url, timeout=120) as client:

        async def post(text: str) -> httpx.Response:
            return await client.post("/v1/speech", json={"text": text, "language": "en"})

        await post(".")  # the front-end is loaded
        posts = asyncio.gather(*map(post, texts))
        while not posts.done():
            began = time.monotonic()
            answer = await client.get("/v1/speech/speech_of_nobody")
            waits.append(time.monotonic() - began)
            assert answer.json()["error"]["code"] == "unknown_speech"
        codes = {answer.json()["error"]["code"] for answer in await posts}
    assert codes == {"nothing_to_speak"}
    assert len(waits) > 5, "there was time to ask"
    assert max(waits) < PATIENCE
