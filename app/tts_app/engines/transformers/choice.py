"""How a transformers `generate()` chooses the next token: by its own generator, and with probabilities."""

import json
from collections.abc import Mapping
from typing import Any

import torch
import xgrammar
from transformers import LogitsProcessor

from tts_app.engines.base import EngineError
from tts_app.engines.text import TextRequest, TokenLogprob
from tts_app.engines.transformers.model import LoadedModel
from tts_app.engines.transformers.sampling import GREEDY

MAX_LOGPROBS = 20


class Grammars:
    """Compiles JSON schemas for one model's tokens."""

    def __init__(self, tokenizer: Any, vocabulary: int) -> None:
        info = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=vocabulary)
        self._compiler = xgrammar.GrammarCompiler(info)

    def processor(self, schema: Mapping[str, Any]) -> LogitsProcessor:
        """Return a processor that allows only tokens that follow the schema.

        Raises:
            EngineError: it is no schema, or uses something that xgrammar does not support.
        """
        try:
            text = json.dumps(dict(schema) or {"type": "object"})
            compiled = self._compiler.compile_json_schema(text, strict_mode=False)
        except (RuntimeError, TypeError, ValueError) as error:
            raise EngineError(f"This JSON schema cannot be followed: {error}") from error
        processor: LogitsProcessor = xgrammar.contrib.hf.LogitsProcessor(compiled)
        return processor


class Choice(LogitsProcessor):  # type: ignore[misc]
    """Gives the chosen token the highest score, and keeps the probabilities of each.

    It adds Gumbel noise to the scores: each token then has the greatest sum with its own probability. So the
    random numbers come from a generator of this answer alone, whatever else is written at the time, and
    `generate()` only has to take the greatest.
    """

    def __init__(self, request: TextRequest, index: int, prompt: int, loaded: LoadedModel) -> None:
        self.logprobs: list[TokenLogprob] = []
        self._request = request
        self._prompt = prompt
        self._top_k = loaded.parameters.top_k
        self._loaded = loaded
        self._generator = torch.Generator()
        if request.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed((request.seed + index) % 2**63)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the scores, shape (1, vocabulary), of which the greatest is the choice."""
        original = scores
        scores = self._penalised(input_ids[0, self._prompt :], scores.float())
        if self._request.temperature >= GREEDY:
            scores = self._truncated(scores / self._request.temperature)
            uniform = torch.rand(scores.shape, generator=self._generator).clamp_min(1e-20).to(scores.device)
            scores = scores - torch.log(-torch.log(uniform))
        if self._request.logprobs is not None:
            self.logprobs.append(self._logprob(original[0].float().log_softmax(-1), int(scores.argmax())))
        return scores

    def _penalised(self, written: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        request = self._request
        if not (request.frequency_penalty or request.presence_penalty):
            return scores
        counts = torch.bincount(written, minlength=scores.shape[-1])[None]
        return scores - request.frequency_penalty * counts - request.presence_penalty * (counts > 0)

    def _truncated(self, scores: torch.Tensor) -> torch.Tensor:
        """Take away the tokens that top-k and top-p leave out."""
        ordered, order = scores.sort(descending=True)
        out = torch.zeros_like(ordered, dtype=torch.bool)
        if self._top_k:
            out[:, self._top_k :] = True
        if self._request.top_p < 1:
            probabilities = ordered.softmax(-1)
            out |= probabilities.cumsum(-1) - probabilities >= self._request.top_p
        out[:, 0] = False
        return scores.masked_fill(out.scatter(-1, order, out), -torch.inf)

    def _logprob(self, logprobs: torch.Tensor, chosen: int) -> TokenLogprob:
        best = logprobs.topk(self._request.logprobs or 0)
        top = tuple(
            self._token(int(i), float(p))
            for p, i in zip(best.values, best.indices, strict=True)
            if p.isfinite()  # a schema forbids the others
        )
        return self._token(chosen, float(logprobs[chosen]), top)

    def _token(self, token: int, logprob: float, top: tuple[TokenLogprob, ...] = ()) -> TokenLogprob:
        text = self._loaded.tokenizer.backend_tokenizer.decode([token])
        data = text.encode()
        if "\ufffd" in text:  # a part of a character, which no text can show: so its bytes are written out
            data = self._loaded.token_bytes[token]
            text = data.decode(errors="backslashreplace")
        return TokenLogprob(text, logprob, tuple(data), top)
