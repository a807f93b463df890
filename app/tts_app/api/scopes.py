"""What a route asks of its caller: one of some scopes."""

from typing import Any

from fastapi import Depends, Request
from starlette.types import Scope as AsgiScope

from tts_app.api.errors import ApiError
from tts_app.security.principal import Principal, Scope

_PRINCIPAL = "tts_app.principal"
CATALOGUE = (Scope.SPEAK, Scope.TEXT, Scope.READ, Scope.BATCH, Scope.CLONE)
"""Whoever may do something with a model may see which there are."""


class NotAllowedError(ApiError):
    """The caller's key or token does not allow that: 403. The audit records it (`recording`)."""

    def __init__(self, message: str, *, param: str | None = None, code: str = "insufficient_scope") -> None:
        super().__init__(403, message, param=param, code=code)


class Needs:
    """Refuses callers who have none of `scopes`. A route's dependency."""

    def __init__(self, *scopes: Scope) -> None:
        self.scopes = scopes

    async def __call__(self, request: Request) -> None:
        """Refuse the caller of a request, or let it go on."""
        require(request.scope, *self.scopes)


def need(*scopes: Scope) -> Any:
    """Return the dependency of a route that asks for one of `scopes`."""
    return Depends(Needs(*scopes))


def require(scope: AsgiScope, *scopes: Scope) -> None:
    """Refuse the caller of a request that has none of `scopes`.

    Raises:
        NotAllowedError: with the scopes that would do.
    """
    principal = principal_of(scope)
    if not principal.may(scopes):
        message = f"You may not do that: it needs the scope {' or '.join(scopes)}."
        if Scope.ADMIN in scopes and principal.no_admin:
            message = f"{message} {principal.no_admin}"
        raise NotAllowedError(message)


def admit(scope: AsgiScope, principal: Principal | None) -> None:
    """Record whose request it is; None: it is not known."""
    scope[_PRINCIPAL] = principal


def principal_of(scope: AsgiScope) -> Principal:
    """Return whose request it is. For requests that the door lets in only if that is known."""
    principal = scope[_PRINCIPAL]
    if principal is None:
        raise RuntimeError(f"{scope['path']} is served to everybody and asks who calls")
    return principal  # type: ignore[no-any-return]


def caller_is_known(scope: AsgiScope) -> bool:
    """Return whether it is known whose request it is."""
    return scope.get(_PRINCIPAL) is not None
