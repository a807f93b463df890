"""Settings of the operator: each has a default, and an environment variable `TTSP_OPERATOR_<NAME>`."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tts_app import __version__
from tts_app.profiles import Profile
from tts_app.resources.engines import default_images
from tts_app.resources.playground import Monitoring
from tts_operator.protection import Protection


class Settings(BaseSettings):
    """What can be configured where the operator runs. The chart sets these variables from its values."""

    model_config = SettingsConfigDict(env_prefix="TTSP_OPERATOR_", frozen=True, env_ignore_empty=True)

    namespaces: str = ""
    """Namespaces to watch, separated by commas; the whole cluster when empty."""
    namespace: str = "default"
    """The operator's own namespace: its Lease is there."""
    identity: str = ""
    """Holder of the Lease: the pod's name; the host's name when empty."""
    leader_election: bool = True
    """Whether a Lease is held while reconciling, so that only one of several operators works."""
    lease_seconds: Annotated[int, Field(ge=1)] = 15
    """Seconds that a Lease is valid without renewal: if the leader's machine fails, none works so long."""
    lease_renewal_seconds: Annotated[float, Field(gt=0)] = 5.0
    """Seconds after which the leader renews its Lease and the others try to get it; below `lease_seconds`."""

    gateway_image: str = f"tts-playground-app:{__version__}"
    """Image of the head, where the gateway runs, of a service whose Playground names none."""
    engine_images: dict[str, str] = default_images(__version__)
    """Images of engines that a Playground names no image for: a JSON object."""
    ray_version: str = "2.60.0"
    """Version of Ray in those images."""

    profile: Profile = "standard"
    """Security profile of services whose Playground names none."""
    commercial: bool = False
    """Whether services are used commercially whose Playground does not say so."""
    kuberay_namespace: Annotated[str, Field(min_length=1)] = "kuberay"
    """Namespace of KubeRay's operator: its pod there alone reaches the dashboards of Ray clusters."""
    monitoring_namespace: str = ""
    """Namespace of Prometheus: its pods alone read the metrics of services; all callers may when empty."""

    monitoring: Monitoring = Monitoring()
    """How Prometheus finds services whose Playground does not say: a JSON object, as `monitoring` there."""

    workers: Annotated[int, Field(ge=1, le=64)] = 16
    """Services, and as many TTSJobs, that are reconciled at a time: a reconcile with changes mostly waits for
    the API server."""
    resync_seconds: Annotated[float, Field(gt=0)] = 300.0
    """Seconds after which every service is reconciled again, even without an event."""
    poll_seconds: Annotated[float, Field(gt=0)] = 5.0
    """Seconds after which to look again at a service that is not ready: not all causes are watched."""
    request_timeout: Annotated[float, Field(gt=0)] = 15.0
    """Seconds that an API request may take."""

    host: str = "0.0.0.0"  # noqa: S104 - in a pod, behind the chart's NetworkPolicy
    """Address of /healthz, /readyz and /metrics."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port of /healthz, /readyz and /metrics; 0 takes a free one."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 8443
    """Port of /metrics where the next three are set; 0 takes a free one."""
    metrics_certificate: Path | None = None
    """File of the certificate with which /metrics is served by TLS, and those of its issuers."""
    metrics_key: Path | None = None
    """File of its private key."""
    metrics_token: Path | None = None
    """File of the token that callers of /metrics must have."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least serious level that is logged."""

    @model_validator(mode="after")
    def _renews_in_time(self) -> Self:
        if self.lease_renewal_seconds >= self.lease_seconds:
            raise ValueError(
                f"lease_renewal_seconds ({self.lease_renewal_seconds:g}) must be less than lease_seconds "
                f"({self.lease_seconds}), or the Lease runs out before it is renewed"
            )
        return self

    @model_validator(mode="after")
    def _protects_wholly(self) -> Self:
        given = {
            name: getattr(self, name) for name in ("metrics_certificate", "metrics_key", "metrics_token")
        }
        lacking = [name for name, path in given.items() if path is None]
        if 0 < len(lacking) < len(given):
            raise ValueError(
                f"{' and '.join(lacking)} must be set too: a token that is sent in clear, or to a server "
                "that anybody may read, protects nothing"
            )
        return self

    @property
    def protection(self) -> Protection | None:
        """What protects /metrics; None where whoever reaches the port may read them."""
        if self.metrics_certificate is None or self.metrics_key is None or self.metrics_token is None:
            return None
        return Protection(self.metrics_certificate, self.metrics_key, self.metrics_token)

    @property
    def watched(self) -> tuple[str, ...]:
        """The namespaces to watch; empty for all."""
        return tuple(name.strip() for name in self.namespaces.split(",") if name.strip())
