"""What a service lacks for its security profile, and what a running service may go on without."""

from collections.abc import Collection
from typing import Any

from tts_app.profiles import Posture, Problem, Profile, problems
from tts_app.resources import Playground
from tts_operator.objects import GROUP, Manifest

PROBLEMS_ANNOTATION = f"{GROUP}/security-problems"
"""On a RayService: the problems that it was applied with. It may go on with these, but not with others."""
_REMEDIES = {
    Problem.NO_KEY: (
        "callers need no key: name a Secret in `security.apiKey` or `security.keysSecret`, "
        "or set `security.oidc`"
    ),
    Problem.RAY_OPEN: "everybody reaches Ray's ports: leave `ray.auth` at token, or enable `networkPolicy`",
    Problem.INGRESS_IN_CLEAR: "the Ingress has no TLS: name a certificate in `ingress.tlsSecret`",
    Problem.NO_TLS: "callers come without TLS: use `ingress` or `route`, with `networkPolicy` enabled",
    Problem.NO_OIDC: "people have no identity: set `security.oidc`",
    Problem.NO_AUDIT: "acts leave no record: set `security.audit`",
    Problem.RAY_IN_CLEAR: "Ray's processes talk in clear: name a certificate authority in `ray.tlsSecret`",
    Problem.ANY_ORIGIN: "pages of every site may call: name the sites in `security.corsOrigins`, without *",
}


def profile_of(playground: Playground, default: Profile) -> Profile:
    """Return a service's profile."""
    return playground.spec.security.profile or default


def lacking(playground: Playground, default: Profile) -> list[Problem]:
    """Return what a service lacks for its profile."""
    return problems(profile_of(playground, default), _posture(playground))


def _posture(playground: Playground) -> Posture:
    spec = playground.spec
    given = (spec.security.api_key, spec.security.keys_secret, spec.security.oidc)
    return Posture(
        key=any(one is not None for one in given),
        ray_closed=spec.ray.auth == "token" or spec.network_policy.enabled,
        ingress_encrypted=spec.ingress is None or spec.ingress.tls_secret is not None,
        tls=(spec.ingress is not None or spec.route is not None) and spec.network_policy.enabled,
        oidc=spec.security.oidc is not None,
        audit=spec.security.audit is not None,
        ray_encrypted=spec.ray.tls_secret is not None,
        origins_named="*" not in spec.security.cors_origins,
    )


def explained(found: Collection[Problem], profile: Profile) -> str:
    """Return a sentence that says what is missing and what to set."""
    remedies = "; ".join(_REMEDIES[problem] for problem in found)
    return f"For the profile {profile}, {remedies}. Or set `security.profile: development`, for a test."


def with_problems(ray_service: dict[str, Any], found: Collection[Problem]) -> dict[str, Any]:
    """Return a RayService that says what it is applied with."""
    metadata = ray_service["metadata"]
    annotations = {**metadata.get("annotations", {}), PROBLEMS_ANNOTATION: ",".join(found)}
    return {**ray_service, "metadata": {**metadata, "annotations": annotations}}


def unaccepted(found: Collection[Problem], ray_service: Manifest | None) -> list[Problem]:
    """Return the problems with which a service must not be applied.

    One that an earlier version of the operator made goes on with all that it has: it says nothing of them.
    """
    if ray_service is None:
        return list(found)
    said = ray_service["metadata"].get("annotations", {}).get(PROBLEMS_ANNOTATION)
    if said is None:
        return []
    return [problem for problem in found if problem not in said.split(",")]
