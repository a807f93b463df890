"""A conversation with a text model: what was said, and as much of it as fits into the model's context."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from tts_app.engines.text import ContextLengthError, Delta, TextRequest, Usage, Writer

_ANSWER = 4
"""A quarter of the context is reserved for an answer whose length has no limit."""


@dataclass(slots=True)
class Conversation:
    """What a person and a model said to each other."""

    system: str = ""
    """System message."""
    turns: list[tuple[str, str]] = field(default_factory=list)
    """What was asked and what was answered, oldest first."""
    _tokens_a_character: float = 0.0
    """As measured in the last answer; 0 before the first one."""

    def messages(self, asked: str) -> tuple[Mapping[str, str], ...]:
        """Return the messages of a request that asks for the answer to `asked`."""
        said = [("system", self.system)] if self.system else []
        for question, answer in self.turns:
            said += [("user", question), ("assistant", answer)]
        return tuple({"role": role, "content": text} for role, text in [*said, ("user", asked)])

    def add(self, asked: str, answer: str, usage: Usage | None) -> None:
        """Add a turn; `usage` has the tokens of the conversation including it."""
        self.turns.append((asked, answer))
        if usage is not None:
            self._tokens_a_character = (usage.prompt + usage.completion) / max(1, self._characters(""))

    def forget(self) -> bool:
        """Forget the oldest turn. False: there is none."""
        if self.turns:
            del self.turns[0]
            return True
        return False

    def fit(self, asked: str, tokens: int) -> int:
        """Forget the oldest turns until the question fits into `tokens`; return how many were forgotten."""
        before = len(self.turns)
        while self._characters(asked) * self._tokens_a_character > tokens and self.forget():
            pass
        return before - len(self.turns)

    def _characters(self, asked: str) -> int:
        return sum(len(message["content"]) for message in self.messages(asked))


async def reply(
    writer: Writer,
    conversation: Conversation,
    asked: str,
    request: TextRequest,
    forgot: Callable[[int], None] = lambda _turns: None,
) -> AsyncGenerator[Delta, None]:
    """Yield the answer as it is written, and add it to the conversation; if it is stopped, its first part.

    `request` says how to write. `forgot` is called with the number of the oldest turns that no longer fit.

    Raises:
        ContextLengthError: the question alone is longer than the context.
        EngineError: the writer fails.
    """
    context = writer.capabilities.context_length
    room = min(request.max_tokens or context // _ANSWER, context // 2)
    forgotten = conversation.fit(asked, context - room)
    written: list[str] = []
    usage: Usage | None = None
    try:
        while True:
            asking = replace(request, messages=conversation.messages(asked))
            try:
                async with aclosing(writer.generate(asking)) as deltas:
                    async for delta in deltas:
                        if forgotten:
                            forgot(forgotten)
                            forgotten = 0
                        written.append(delta.text)
                        usage = delta.usage or usage
                        yield delta
                return
            except ContextLengthError:
                if "".join(written) or not conversation.forget():
                    raise
                forgotten += 1
    finally:
        if "".join(written):
            conversation.add(asked, "".join(written), usage)
