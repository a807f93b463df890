"""`ttsp chat`: a conversation with a TextModel, in the terminal."""

import asyncio
import sys
from contextlib import aclosing
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer

from tts_app.cli.console import FAILED, INTERRUPTED, WRONG_USAGE, TextFiles, err, fail, reported
from tts_app.cli.writers import ModelName, Url, writer_of

if TYPE_CHECKING:
    from tts_app.cli.conversation import Conversation
    from tts_app.engines.text import TextRequest, Writer

_PROMPT = "> "
_CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)]) | {ord(kept): kept for kept in "\n\t"}
"""Control characters that a model must not send to a terminal, which would obey them."""


def chat(
    message: Annotated[
        str | None,
        typer.Argument(help="One message; - reads standard input, as a pipe does. Default: a conversation."),
    ] = None,
    system: Annotated[str, typer.Option(help="System message.")] = "",
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Longest answer. Default: as the context allows.")
    ] = None,
    temperature: Annotated[
        float, typer.Option(min=0, max=2, help="0 takes the most probable token each time.")
    ] = 0.7,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**31 - 1, help="The same seed gives the same answer.")
    ] = None,
    model: ModelName = None,
    file: TextFiles = None,
    url: Url = None,
) -> None:
    """Chat with a TextModel. No server is needed. Ctrl-C stops an answer, Ctrl-D ends the conversation."""
    from tts_app.cli.conversation import Conversation
    from tts_app.engines.text import TextRequest

    asked = _asked(message)
    request = TextRequest(max_tokens=max_tokens, temperature=temperature, seed=seed)
    with reported(), asyncio.Runner() as runner, writer_of(runner, file, model, url) as writer:
        talk = _Talk(runner, writer, Conversation(system), request)
        if asked is None:
            talk.go_on()
        elif not talk.answer(asked):
            raise typer.Exit(INTERRUPTED)


class _Talk:
    """A conversation on the terminal."""

    def __init__(
        self,
        runner: asyncio.Runner,
        writer: "Writer",
        conversation: "Conversation",
        request: "TextRequest",
    ) -> None:
        self._runner = runner
        self._writer = writer
        self._conversation = conversation
        self._request = request
        self._terminal = sys.stdout.isatty()

    def go_on(self) -> None:
        """Answer until the input ends. An answer that fails does not end the conversation."""
        from tts_app.engines.base import EngineError

        _edit_lines()
        failed = False
        while True:
            try:
                asked = input(_PROMPT if self._terminal else "").strip()
                if asked:
                    asked.encode()  # a terminal can send bytes that are not text
                    failed = False
                    self.answer(asked)
            except EOFError:
                break
            except KeyboardInterrupt:
                err.print("\n(Ctrl-D ends the conversation)")
            except UnicodeError:
                err.print("ttsp: that was not UTF-8.", style="red")
            except EngineError as error:
                failed = True
                err.print(f"ttsp: {error}", style="red", markup=False)
        self._show("\n")  # end the line of the prompt
        if failed:
            raise typer.Exit(FAILED)

    def answer(self, asked: str) -> bool:
        """Write the answer as it comes. False: Ctrl-C has stopped it.

        Raises:
            EngineError: the model fails.
        """
        try:
            self._runner.run(self._answer(asked))
        except KeyboardInterrupt:
            err.print("(stopped)")
            return False
        return True

    async def _answer(self, asked: str) -> None:
        from tts_app.cli.conversation import reply

        finish, last = None, ""
        answer = reply(self._writer, self._conversation, asked, self._request, _tell_forgotten)
        try:
            async with aclosing(answer) as deltas:
                async for delta in deltas:
                    self._show(delta.text)
                    last, finish = delta.text or last, delta.finish or finish
        finally:
            if last and not last.endswith("\n"):
                self._show("\n")
        if finish == "length":
            err.print(
                "(cut: no room for more)" if self._request.max_tokens is None else "(cut at --max-tokens)"
            )

    def _show(self, text: str) -> None:
        sys.stdout.write(text.translate(_CONTROLS) if self._terminal else text)
        sys.stdout.flush()


def _asked(message: str | None) -> str | None:
    """Return the one question; None if the user wants a conversation."""
    if message is None and sys.stdin.isatty():
        return None
    if message in (None, "-"):
        try:
            message = sys.stdin.buffer.read().decode()
        except UnicodeDecodeError as error:
            fail(f"Standard input is not UTF-8: {error.reason} at byte {error.start}.", WRONG_USAGE)
    if not message or not message.strip():
        fail("There is nothing to answer: the message is empty.", WRONG_USAGE)
    return message.strip()


def _edit_lines() -> None:
    """Give the prompt a history and editing keys, if Python has them."""
    try:
        import_module("readline")
    except ImportError:  # as on Windows
        return


def _tell_forgotten(turns: int) -> None:
    what = "the oldest turn" if turns == 1 else f"the oldest {turns} turns"
    err.print(f"(the conversation is longer than the model's context: {what} forgotten)")
