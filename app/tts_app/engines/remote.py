"""A writer that is a model of a running playground, or of another server of OpenAI's chat API."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Self

import httpx

from tts_app.engines.openai_wire import body_of, delta_of, streamed_event_data, usage_of, without_defaults
from tts_app.engines.text import ContextLengthError, Delta, EngineError, TextCapabilities, TextRequest
from tts_app.loopback import is_loopback

_TIMEOUT = httpx.Timeout(30.0, read=300.0)
_CONTEXT = 1 << 20
"""For a model of unknown context: the most that a TextModel may have. Its server refuses what is too long."""
_REQUESTS = 4
"""Answers requested at a time from a playground, which others use too."""
_LONGEST_WAIT = 60.0
"""Seconds to wait for a busy playground, over all tries of a request."""
_RETRY_AFTER = 5.0


class RemoteWriter:
    """A TextModel of a running playground, or of another server of OpenAI's chat API. For one event loop."""

    def __init__(self, client: httpx.AsyncClient, model: str, capabilities: TextCapabilities) -> None:
        self._client = client
        self.model = model
        self._capabilities = capabilities

    @classmethod
    async def connect(cls, url: str, key: str | None, model: str | None) -> Self:
        """Return a writer for `model` of the API at `url`; None: for its only model.

        Raises:
            EngineError: there is no API, it refuses the key or has no such model, or `model` is None and it
                has several.
        """
        try:
            base = httpx.URL(url.rstrip("/").removesuffix("/v1"))
        except httpx.InvalidURL as error:
            raise EngineError(f"{url!r} is no address: {error}.") from None
        if base.scheme not in ("http", "https") or not base.host:
            raise EngineError(f"{url!r} is no address; it should be like http://127.0.0.1:8000.")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # A proxy cannot reach this machine's loopback.
        client = httpx.AsyncClient(
            base_url=base, headers=headers, timeout=_TIMEOUT, trust_env=not is_loopback(base.host)
        )
        try:
            chosen = _chosen(await _models(client), model, url)
        except BaseException:
            await client.aclose()
            raise
        context = chosen.get("context_length")
        can = TextCapabilities(context if isinstance(context, int) else _CONTEXT, _REQUESTS, json=True)
        return cls(client, str(chosen["id"]), can)

    @property
    def capabilities(self) -> TextCapabilities:
        """What the API says of the model; whether it supports JSON shows only in the answer to a request."""
        return self._capabilities

    async def generate(self, request: TextRequest) -> AsyncGenerator[Delta, None]:
        """Write an answer to the request's messages; closing the generator ends the request.

        Raises:
            ContextLengthError: the prompt is longer than the context.
            EngineError: the API refuses the request or fails, or the text is not valid Unicode.
        """
        try:
            async with aclosing(self._answered(request)) as deltas:
                async for delta in deltas:
                    yield delta
        except UnicodeEncodeError as error:
            raise EngineError(f"The text is not valid Unicode: {error.reason}.") from None
        except httpx.HTTPError as error:
            raise EngineError(f"{self._client.base_url}: {error or type(error).__name__}.") from error

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _answered(self, request: TextRequest) -> AsyncGenerator[Delta, None]:
        waited = 0.0
        body = {
            "model": self.model,
            **without_defaults(body_of(request)),
            "stream_options": {"include_usage": True},
        }
        while True:
            async with self._client.stream("POST", "/v1/chat/completions", json=body) as response:
                if response.is_success:
                    async with aclosing(_deltas(response)) as deltas:
                        async for delta in deltas:
                            yield delta
                    return
                await response.aread()
                wait = _wait(response)
                if wait is None or waited + wait > _LONGEST_WAIT:
                    raise _refusal(response)
            waited += wait
            await asyncio.sleep(wait)


async def _models(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    try:
        response = await client.get("/v1/models")
    except httpx.HTTPError as error:
        reason = error or type(error).__name__
        raise EngineError(f"No playground answers at {client.base_url}: {reason}.") from error
    if not response.is_success:
        raise _refusal(response)
    try:
        found = [entry for entry in response.json()["data"] if isinstance(entry["id"], str)]
    except (ValueError, KeyError, TypeError):
        raise EngineError(f"{response.url} does not list models: this is no API like OpenAI's.") from None
    # Servers other than the playground do not say what their models can do.
    return [entry for entry in found if "text" in entry.get("capabilities", ["text"])]


def _chosen(models: list[dict[str, Any]], name: str | None, url: str) -> dict[str, Any]:
    names = ", ".join(str(entry["id"]) for entry in models) or "none"
    if name is None and len(models) == 1:
        return models[0]
    if name is None:
        raise EngineError(f"Which model of {url} should write? Name it with --model: {names}.")
    for entry in models:
        if entry["id"] == name:
            return entry
    raise EngineError(f"{url} has no model {name!r} that writes. It has: {names}.")


def _wait(response: httpx.Response) -> float | None:
    """Return the seconds after which to retry, or None where that would not help."""
    if response.status_code not in (429, 503):
        return None
    try:
        return max(0.1, float(response.headers.get("Retry-After", _RETRY_AFTER)))
    except ValueError:  # a date, which our servers never send
        return _RETRY_AFTER


def _refusal(response: httpx.Response) -> EngineError:
    try:
        error = response.json()["error"]
        message, code = str(error["message"]), error.get("code")
    except (ValueError, KeyError, TypeError, AttributeError):
        message, code = f"{response.url} answers {response.status_code} {response.reason_phrase}.", None
    if response.status_code == 401:
        message += " TTSP_API_KEY should hold the key."
    return ContextLengthError(message) if code == "context_length_exceeded" else EngineError(message)


async def _deltas(response: httpx.Response) -> AsyncGenerator[Delta, None]:
    try:
        async for data in streamed_event_data(response.aiter_bytes()):
            try:
                event = json.loads(data)
                if "error" in event:
                    raise EngineError(str(event["error"]["message"]))
                yield _delta(event)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise EngineError(
                    f"{response.url} sent what is no part of an answer: {data[:100]!r}."
                ) from error
    except EOFError:
        raise EngineError(f"{response.url} broke off before the answer had ended.") from None
    except UnicodeDecodeError as error:
        raise EngineError(f"{response.url} sent what is not UTF-8: {error.reason}.") from None


def _delta(event: Mapping[str, Any]) -> Delta:
    usage = usage_of(event["usage"]) if event.get("usage") else None
    if not event["choices"]:
        return Delta(usage=usage)
    return replace(delta_of(event["choices"][0]), usage=usage)
