"""Who may use what llama.cpp has kept of earlier prompts."""

import asyncio

from tts_app.engines.llamacpp.reuse import PromptReuse


async def test_reuse_is_allowed_while_there_is_one_tenant() -> None:
    reuse = PromptReuse()
    for number in range(3):
        assert await reuse.enter(number, "hotel")
        reuse.begun(number)
        reuse.begun(number)


async def test_reuse_ends_for_all_when_a_second_tenant_comes() -> None:
    reuse = PromptReuse()
    assert await reuse.enter("a", None)
    reuse.begun("a")
    for number, tenant in enumerate(("hotel", None, "clinic", None)):
        assert not await reuse.enter(number, tenant)


async def test_reuse_lets_a_second_tenant_wait_until_no_request_looks_for_prompts() -> None:
    """Else one that may look could find what the second tenant's has left."""
    reuse = PromptReuse()
    assert [await reuse.enter(name, "hotel") for name in ("a", "b")] == [True, True]
    second = [asyncio.create_task(reuse.enter(name, "clinic")) for name in ("c", "d")]
    reuse.begun("a")
    await asyncio.sleep(0)
    assert not any(task.done() for task in second)
    second[0].cancel()
    reuse.begun("b")
    assert await second[1] is False
    assert not await reuse.enter("e", "hotel")
