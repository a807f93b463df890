"""Speaks sentences through a running service of OpenAI's `POST /v1/audio/speech`, be it ours or another's."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import numpy as np

from tts_app.audio.decode import decode
from tts_app.audio.samples import AudioError
from tts_app.catalogue import CatalogueVoice
from tts_app.evaluate.speaking import Spoken
from tts_app.loopback import is_loopback

_TIMEOUT = httpx.Timeout(30.0, read=300.0)
_LONGEST_WAIT = 60.0
"""Seconds to wait for a busy service, over all tries of a sentence."""
_RETRY_AFTER = 5.0
_SHORTEST = 0.4
"""Seconds of sound that loudness can be measured of; no sentence is shorter."""
_BUSY = (429, 503)


class ServiceError(Exception):
    """The service did not speak; the message says what it answered and what to do."""


class ServiceSpeaker:
    """A service's voices. Thread-safe.

    One WAV file a sentence: what no codec has changed is all that is judged. What the engine gave stays
    unknown, so that clicks of joins and the engine's own bursts count alike.
    """

    def __init__(
        self,
        url: str,
        key: str | None,
        model: str,
        names: Mapping[str, str],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`model` and `names`, by avatar, are what the service calls the model and its voices.

        Raises:
            ServiceError: `url` is no address.
        """
        self._model = model
        self._names = names
        self._sleep = sleep
        base = _base(url)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # A proxy cannot reach this machine's loopback.
        self._client = httpx.Client(
            base_url=base, headers=headers, timeout=_TIMEOUT, trust_env=not is_loopback(base.host)
        )

    def speak(self, voice: CatalogueVoice, text: str) -> Spoken:
        """Have the service speak `text` with `voice`.

        Raises:
            ServiceError: it does not answer, refuses, stays busy for a minute, or sends no speech.
        """
        name = self._names[voice.id]
        response = self._answer(
            {"model": self._model, "voice": name, "input": text, "response_format": "wav"}
        )
        whose = f"The answer of {self._client.base_url} for the voice {name!r}"
        try:
            audio, rate = decode(response.content)
        except AudioError as error:
            raise ServiceError(f"{whose} is no WAV file ({_kind(response)}). {error}") from error
        if len(audio) < _SHORTEST * rate:
            raise ServiceError(f"{whose} has {len(audio) / rate:.2f} s of sound, which is no sentence.")
        if not np.any(audio):
            raise ServiceError(f"{whose} is silent.")
        return Spoken(
            file=audio,
            file_rate=rate,
            lossless=audio,
            lossless_rate=rate,
            raw=None,
            raw_rate=rate,
            segments=None,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _answer(self, body: Mapping[str, Any]) -> httpx.Response:
        waited = 0.0
        while True:
            try:
                response = self._client.post("/v1/audio/speech", json=body)
            except httpx.HTTPError as error:
                reason = error or type(error).__name__
                raise ServiceError(
                    f"The service at {self._client.base_url} does not answer: {reason}."
                ) from error
            if response.is_success:
                return response
            wait = _wait(response)
            if wait is None or waited + wait > _LONGEST_WAIT:
                raise _refusal(response)
            waited += wait
            self._sleep(wait)


def _base(url: str) -> httpx.URL:
    """Return the address of a service, without the /v1 of its API."""
    try:
        base = httpx.URL(url.rstrip("/").removesuffix("/v1"))
    except httpx.InvalidURL as error:
        raise ServiceError(f"{url!r} is no address: {error}.") from None
    if base.scheme not in ("http", "https") or not base.host:
        raise ServiceError(f"{url!r} is no address; it should be like http://127.0.0.1:8000.")
    return base


def _wait(response: httpx.Response) -> float | None:
    """Return the seconds after which to ask again, or None where that would not help."""
    if response.status_code not in _BUSY:
        return None
    try:
        return max(0.1, float(response.headers.get("Retry-After", _RETRY_AFTER)))
    except ValueError:  # a date
        return _RETRY_AFTER


def _refusal(response: httpx.Response) -> ServiceError:
    status = f"{response.url} answers {response.status_code} {response.reason_phrase}"
    message = f"{status}: {_said(response)}"
    match response.status_code:
        case 401 | 403:
            message += " Name the environment variable that holds the key: --api-key-env NAME."
        case 404 | 405:
            message += " Is it the address of a service with OpenAI's API, without /v1/audio/speech?"
        case code if code in _BUSY:
            message += f" It is still busy after {_LONGEST_WAIT:.0f} s: try again later."
    return ServiceError(message)


def _said(response: httpx.Response) -> str:
    """Return the error's message in OpenAI's form, else how the body begins."""
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200].strip() or "(nothing)"


def _kind(response: httpx.Response) -> str:
    return str(response.headers.get("Content-Type", "no Content-Type"))
