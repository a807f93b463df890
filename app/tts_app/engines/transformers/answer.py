"""Turns the tokens of one answer into its text: only whole characters, and no part of a stop string."""

from collections import deque
from collections.abc import Collection, Sequence
from itertools import zip_longest
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
        self._logprobs = _Logprobs()
        # A token's text may differ at the beginning of a text, so the decoder gets the prompt too.
        self._stream = DecodeStream(ids=list(prompt), skip_special_tokens=True)

    def take(
        self, tokens: Sequence[int], ended: bool = False, logprobs: Sequence[TokenLogprob] = ()
    ) -> Delta | None:
        """Return what the next tokens add, or None; `ended` says that no more follow.

        After a stop string, or a token that ends answers, `finish` is set, and what follows is dropped.
        """
        if self.finish is not None:
            return None
        text, counted, stopped = "", 0, False
        for token, logprob in zip_longest(tokens, logprobs[: len(tokens)]):
            counted += 1
            if token in self._ends:
                self._logprobs.hold("", logprob)
                self.finish = "stop"
                break
            read = self._stream.step(self._tokenizer, token) or ""
            self._logprobs.hold(read, logprob)
            piece, stopped = self._stops.take(read)
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
        whole = self.finish is not None and not stopped
        return Delta(
            index=self.index,
            text=text,
            tokens=counted,
            logprobs=self._logprobs.rest() if whole else self._logprobs.release(len(text)),
            finish=self.finish,
        )


class _Logprobs:
    """Holds the probabilities of tokens back until their text goes out: that of a stop string never does."""

    def __init__(self) -> None:
        self._held: deque[tuple[int, TokenLogprob]] = deque()
        """Each entry has the length of the answer up to the end of its token."""
        self._read = 0
        self._out = 0

    def hold(self, text: str, logprob: TokenLogprob | None) -> None:
        """Take the probability of a token that added `text`; None where none is reported."""
        self._read += len(text)
        if logprob is not None:
            # A token that adds no text begins a character that the next tokens end.
            self._held.append((self._read + (not text), logprob))

    def release(self, characters: int) -> tuple[TokenLogprob, ...]:
        """Return those of the tokens that have gone out whole once `characters` more have gone out."""
        self._out += characters
        gone = sum(end <= self._out for end, _ in self._held)
        return tuple(self._held.popleft()[1] for _ in range(gone))

    def rest(self) -> tuple[TokenLogprob, ...]:
        """Return all that are held back, once the answer has ended without a stop string."""
        return tuple(logprob for _, logprob in self._held)
