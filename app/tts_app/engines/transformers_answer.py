"""Turns the tokens of one answer into its text: whole characters, and nothing of a stop string."""

from collections.abc import Collection, Sequence
from typing import Any

from tokenizers.decoders import DecodeStream

from tts_app.engines.stops import StopStrings
from tts_app.engines.text import Delta, Finish, TokenLogprob


class Answer:
    """One answer while it is being written."""

    def __init__(
        self, index: int, tokenizer: Any, ends: Collection[int], stops: Sequence[str], prompt: Sequence[int]
    ) -> None:
        self.index = index
        self.tokens = 0
        """Tokens written so far."""
        self.finish: Finish | None = None
        self._tokenizer = tokenizer
        self._ends = ends
        self._stops = StopStrings(stops)
        # A token may be written otherwise where a text begins: it is told what stands before.
        self._stream = DecodeStream(ids=list(prompt), skip_special_tokens=True)

    def take(
        self, tokens: Sequence[int], ended: bool = False, logprobs: Sequence[TokenLogprob] = ()
    ) -> Delta | None:
        """Return what the next tokens add, if they add anything; `ended`: there are no more after them.

        After a stop string, or a token that ends answers, there is a `finish`, and what follows is dropped.
        """
        if self.finish is not None:
            return None
        text, counted = "", 0
        for token in tokens:
            counted += 1
            if token in self._ends:
                self.finish = "stop"
                break
            piece, stopped = self._stops.take(self._stream.step(self._tokenizer, token) or "")
            text += piece
            if stopped:
                self.finish = "stop"
                break
        else:
            if ended:
                self.finish = "length"
        if self.finish is not None:
            text += self._stops.rest()
        self.tokens += counted
        if not (text or counted or self.finish):
            return None
        return Delta(
            index=self.index,
            text=text,
            tokens=counted,
            logprobs=tuple(logprobs[:counted]),
            finish=self.finish,
        )
