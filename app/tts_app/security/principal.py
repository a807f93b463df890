"""Who calls, and what they may do: pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tts_app.security.audit import key_subject
from tts_app.tenants import DEFAULT_TENANT


class Scope(StrEnum):
    """What a caller may do. Listening is `read`; downloading an archive is `export`."""

    SPEAK = "speak"
    TEXT = "text"
    READ = "read"
    EXPORT = "export"
    DELETE = "delete"
    CLONE = "clone"
    BATCH = "batch"
    AUDIT = "audit"
    ADMIN = "admin"


ALL_BUT_ADMIN = frozenset(Scope) - {Scope.ADMIN}


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller who is known."""

    tenant: str
    subject: str
    """Who it is: the name of the key, or the `sub` of the token."""
    scopes: frozenset[Scope]
    expires: float | None = None
    """Seconds since the epoch; None: never."""
    no_admin: str = ""
    """Why the scope `admin` was taken away, a sentence; empty if it was not."""
    key: str = ""
    """Id of the key; empty: it is none of `ttsp keys`."""

    @property
    def audited_as(self) -> str:
        """Who it is in the audit, which holds ids and not the names of keys: somebody wrote those."""
        if self.key:
            return key_subject(self.key)
        return self.subject if self in (ANONYMOUS, API_KEY) else f"user:{self.subject}"

    @property
    def administers(self) -> str | None:
        """The tenant whose keys an administrator manages; None: those of all, as the default tenant's do."""
        return None if self.tenant == DEFAULT_TENANT else self.tenant

    def may(self, wanted: Iterable[Scope]) -> bool:
        """Whether the caller has one of the scopes that are wanted."""
        return not self.scopes.isdisjoint(wanted)


ANONYMOUS = Principal(DEFAULT_TENANT, "anonymous", ALL_BUT_ADMIN)
"""Every caller of a service that asks for no key."""
API_KEY = Principal(DEFAULT_TENANT, "api-key", ALL_BUT_ADMIN)
"""The caller who has the key of `TTSP_API_KEY`."""


def scopes_of(names: Iterable[str]) -> frozenset[Scope]:
    """Return the scopes that have these names.

    Raises:
        ValueError: one is none; the message has all that there are.
    """
    found = set()
    for name in names:
        try:
            found.add(Scope(name))
        except ValueError:
            raise ValueError(f"There is no scope {name!r}. Scopes: {', '.join(Scope)}.") from None
    return frozenset(found)
