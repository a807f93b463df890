"""Errors in the one form of all answers, OpenAI's, and how exceptions become such errors."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from tts_app.catalogue import UnknownVoiceError
from tts_app.cloning.vault import VaultError
from tts_app.engines.text import ContextLengthError, EngineError, UnreadableAnswerError
from tts_app.serving.admission import OverloadedError
from tts_app.serving.client import ModelUnavailableError
from tts_app.serving.clones import NoVaultError
from tts_app.serving.models import UnknownModelError
from tts_app.speech import TextError
from tts_app.storage.acts import AuditError
from tts_app.storage.database import AWAY
from tts_app.storage.idempotency import IdempotencyConflictError
from tts_app.storage.pages import UnknownCursorError
from tts_app.telemetry.about import request_id

_REFUSED_AS = "tts_app.refused_as"
_STARTING_RETRY = 5
"""Seconds of Retry-After when a model does not answer."""
_LATER = {"Retry-After": "5"}
_CODES = {
    400: "invalid_request",
    401: "invalid_api_key",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    409: "not_ready",
    413: "body_too_large",
    415: "unsupported_media_type",
    416: "range_not_satisfiable",
    426: "upgrade_required",
    429: "overloaded",
    431: "headers_too_large",
    500: "internal_error",
    501: "not_implemented",
    503: "model_unavailable",
}


class ApiError(Exception):
    """A request that is answered with an error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code or _CODES.get(status, "error")
        self.headers = dict(headers or {})


def error_response(error: ApiError) -> JSONResponse:
    """Return `error` as an HTTP answer."""
    return _ErrorResponse(error)


class _ErrorResponse(JSONResponse):
    """Notes the error's code in the scope of the request, for what surrounds it."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error_body(error), error.status, error.headers)
        self._code = error.code

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        refused_as(scope).append(self._code)
        await super().__call__(scope, receive, send)


def refused_as(scope: Scope) -> list[str]:
    """Return the code of the error with which the request of `scope` was answered; empty: with none yet."""
    codes: list[str] = scope.setdefault(_REFUSED_AS, [])
    return codes


def error_body(error: ApiError) -> dict[str, Any]:
    """Return `error` in the one form."""
    body = {
        "message": error.message,
        "type": _type(error.status),
        "param": error.param,
        "code": error.code,
        "request_id": request_id() or None,
    }
    return {"error": body}


def as_api_error(error: Exception) -> ApiError | None:
    """Return `error` as the caller gets it; None if it is a fault of ours that callers must not see."""
    match error:
        case ApiError():
            known = error
        case OverloadedError():
            known = ApiError(429, str(error), headers={"Retry-After": str(error.retry_after)})
        case ModelUnavailableError():
            known = ApiError(503, str(error), headers={"Retry-After": str(_STARTING_RETRY)})
        case TextError():
            known = ApiError(400, str(error), param="input", code="nothing_to_speak")
        case UnknownVoiceError():
            known = ApiError(400, str(error.args[0]), param="voice", code="unknown_voice")
        case UnknownModelError():
            known = ApiError(400, str(error.args[0]), param="model", code="unknown_model")
        case ContextLengthError():
            known = ApiError(400, str(error), code="context_length_exceeded")
        case UnreadableAnswerError():
            known = ApiError(500, str(error), code="unreadable_answer")
        case EngineError():
            known = ApiError(400, str(error), code="engine_refused")
        case RequestValidationError():
            known = _from_validation(error.errors())
        case HTTPException():
            known = _from_http(error)
        case _:
            return _from_stores(error) or _unavailable(error)
    return known


def _from_stores(error: Exception) -> ApiError | None:
    """Return what a caller gets who asked the stores for something that cannot be; None: it is not that."""
    if isinstance(error, IdempotencyConflictError):
        return ApiError(409, str(error), param="Idempotency-Key", code="idempotency_conflict")
    if isinstance(error, UnknownCursorError):
        return ApiError(400, str(error), param="cursor", code="unknown_cursor")
    return None


def _unavailable(error: Exception) -> ApiError | None:
    """Return what a caller gets while something that we need cannot be used; None: that is not the error."""
    if isinstance(error, NoVaultError):
        return ApiError(503, str(error), code="voice_key_missing")
    if isinstance(error, VaultError):
        return ApiError(503, str(error), code="voice_unreadable")
    if isinstance(error, AuditError):
        return ApiError(503, str(error), code="audit_unavailable", headers=_LATER)
    if isinstance(error, AWAY):
        message = "The database does not answer: try again later. What you asked for may have been done."
        return ApiError(503, message, code="unavailable", headers=_LATER)
    return None


def install(app: FastAPI) -> None:
    """Make `app` answer every expected exception in the one form (`middleware` handles the rest)."""
    for kind in (
        ApiError,
        OverloadedError,
        ModelUnavailableError,
        TextError,
        UnknownVoiceError,
        UnknownModelError,
        EngineError,
        IdempotencyConflictError,
        UnknownCursorError,
        NoVaultError,
        VaultError,
        RequestValidationError,
        HTTPException,
        *AWAY,
    ):
        app.add_exception_handler(kind, handle)


async def handle(_request: Request, error: Exception) -> JSONResponse:
    """Return the answer of an expected exception; raise any other."""
    known = as_api_error(error)
    if known is None:
        raise error
    return error_response(known)


def _type(status: int) -> str:
    """Return OpenAI's name of the kind of error."""
    match status:
        case 401:
            return "authentication_error"
        case 429:
            return "rate_limit_error"
        case _ if status >= 500:
            return "server_error"
    return "invalid_request_error"


def _from_http(error: HTTPException) -> ApiError:
    message = str(error.detail)
    if error.status_code == 404 and message == HTTPStatus.NOT_FOUND.phrase:
        message = "There is no such route. GET /docs lists all routes."
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"This address does not take this method. Allowed: {allowed}."
    if error.status_code == 400 and "parsing the body" in message:
        message = "The body is not valid JSON in UTF-8."
        return ApiError(400, message, code="invalid_json", headers=error.headers)
    return ApiError(error.status_code, message, headers=error.headers)


def _from_validation(errors: Sequence[Mapping[str, Any]]) -> ApiError:
    """Return the error of the first fault, with the parameter's name and the values that it may have."""
    first = errors[0]
    kind = str(first["type"])
    at_fault = first.get("ctx", {}).get("param")  # the field that makes a whole object wrong
    param = ".".join([*map(str, first["loc"][1:]), *([at_fault] if at_fault else [])]) or None
    match kind:
        case "json_invalid":
            reason = first.get("ctx", {}).get("error", "")
            return ApiError(400, f"The body is not valid JSON: {reason}.", code="invalid_json")
        case "missing" if param is None:
            return ApiError(400, "The request needs a JSON body.", code="missing_body")
        case "missing":
            message = f"Parameter {param!r} is required."
        case "extra_forbidden":
            message = f"There is no parameter {param!r} here."
        case "model_attributes_type" | "model_type" | "dict_type" if param is None:
            return ApiError(400, "The body must be a JSON object.", code="invalid_json")
        case _:
            message = f"Parameter {param!r} is wrong: {_sentence(first)}"
    return ApiError(400, message, param=param, code=_VALIDATION_CODES.get(kind, "invalid_value"))


_VALIDATION_CODES = {"missing": "missing_parameter", "extra_forbidden": "unknown_parameter"}


def _sentence(error: Mapping[str, Any]) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    return message if message.endswith(".") else f"{message}."
