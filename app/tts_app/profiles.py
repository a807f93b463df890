"""Security profiles: what a service must have before it serves. Pure: the operator uses it too."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Profile = Literal["development", "standard", "regulated"]
"""`development`: a laptop or a test. `standard`: on a network. `regulated`: with sensitive texts."""


UNENCRYPTED = (
    "Stored audio and texts are not encrypted by the service: encrypt its volumes and its database yourself."
)
"""What a regulated service is told until the service encrypts them; it does not keep it from serving."""


class Problem(StrEnum):
    """What a service lacks for its profile. The values are kept on clusters: they must not change."""

    NO_KEY = "NoKey"
    RAY_OPEN = "RayOpen"
    INGRESS_IN_CLEAR = "IngressInClear"
    NO_TLS = "NoTLS"
    NO_OIDC = "NoOIDC"
    NO_AUDIT = "NoAudit"
    RAY_IN_CLEAR = "RayInClear"
    ANY_ORIGIN = "AnyOrigin"


@dataclass(frozen=True, slots=True)
class Posture:
    """How a service is secured, by whatever settings."""

    key: bool = False
    """Whether every caller needs a key or a token."""
    ray_closed: bool = True
    """Whether Ray's ports ask for a token, or are closed to others."""
    ingress_encrypted: bool = True
    """Whether its Ingress, if it has one, has a certificate."""
    tls: bool = False
    """Whether callers reach it by TLS only."""
    oidc: bool = False
    """Whether callers may be people whom an identity provider knows."""
    audit: bool = False
    """Whether acts leave a record."""
    ray_encrypted: bool = False
    """Whether the processes of its Ray cluster talk by TLS, or on one machine only."""
    origins_named: bool = True
    """Whether the sites whose pages may call it, if any may, are named, and not all sites may."""


def problems(profile: Profile, posture: Posture) -> list[Problem]:
    """Return what a service lacks for its profile; it must not begin to serve while there is anything."""
    standard = {
        Problem.NO_KEY: posture.key,
        Problem.RAY_OPEN: posture.ray_closed,
        Problem.INGRESS_IN_CLEAR: posture.ingress_encrypted,
    }
    regulated = {
        Problem.NO_TLS: posture.tls,
        Problem.NO_OIDC: posture.oidc,
        Problem.NO_AUDIT: posture.audit,
        Problem.RAY_IN_CLEAR: posture.ray_encrypted,
        Problem.ANY_ORIGIN: posture.origins_named,
    }
    wanted = {"development": {}, "standard": standard, "regulated": {**standard, **regulated}}[profile]
    return [problem for problem, is_met in wanted.items() if not is_met]
