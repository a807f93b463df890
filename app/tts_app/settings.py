"""Settings of the served app: each has a default, and an environment variable `TTSP_<NAME>` to change it."""

import json
import os
import re
import tempfile
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tts_app.files import private_folder
from tts_app.loopback import is_private_url
from tts_app.profiles import Posture, Problem, Profile, problems
from tts_app.quotas import Quotas, parse_limits, parse_quotas
from tts_app.telemetry.logs import secret
from tts_app.tenants import is_tenant

_SHORTEST_KEY = 16
_SHORTEST_SECRET = 32
_REMEDIES = {
    Problem.NO_KEY: "callers need no key: set TTSP_API_KEY, TTSP_KEYS_FILE, or TTSP_KEY_REQUIRED=true",
    Problem.NO_TLS: "callers may come without TLS: set TTSP_TLS_CERT and TTSP_TLS_KEY",
    Problem.NO_OIDC: "people have no identity: set TTSP_OIDC_ISSUER and TTSP_OIDC_AUDIENCE",
    Problem.NO_AUDIT: "acts leave no record: set TTSP_AUDIT=true",
    Problem.ANY_ORIGIN: "pages of every site may call: name the sites in TTSP_CORS_ORIGINS, without *",
}
"""What a service that is configured by settings can lack, and what to set."""
_DEFAULT_PORT = re.compile(r"^(http(?=:.*:80$)|https(?=:.*:443$))(.*):\d+$")


def _listed(value: object) -> object:
    """Return the parts of a text that lists them, separated by commas."""
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
"""Names, separated by commas in an environment variable."""

Claim = Annotated[str, Field(pattern=r"^[!#-\[\]-~]{1,200}$")]
"""A claim of a token, or a value of one: ASCII without spaces and quotes, as a header can repeat it."""


def _rooted(place: str) -> str:
    """Return a folder as an absolute one, as `File` does; an address as it is."""
    return str(Path(place).expanduser().absolute()) if place and "://" not in place else place


def _private(url: str) -> str:
    """Refuse an address that others can read or change on its way."""
    if not is_private_url(url) or re.search(r"[?#@\s]", url):
        raise ValueError(
            "it must be an https address, as https://login.example (http on loopback only), without a user, "
            "a query or a fragment"
        )
    return url


File = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
"""A file; Ray's processes run in other folders."""
Url = Annotated[str, AfterValidator(_private)]
"""An address of the identity provider."""


_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*")
"""A name, an IPv4 address, or an IPv6 address without brackets: a Host header without its port."""


class Settings(BaseSettings):
    """What can be configured where the playground runs. The replicas read the same variables."""

    model_config = SettingsConfigDict(
        env_prefix="TTSP_",
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,  # the input may be a key or a password
    )

    host: str = "127.0.0.1"
    """Address that the API listens on. Beyond loopback callers must need a key (docs/security.md)."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    """Port that the API listens on."""
    profile: Profile = "development"
    """What it must have before it serves: `development` nothing, `standard` a key, `regulated` more
    (docs/security.md)."""
    api_key: SecretStr | None = None
    """Bearer token that `/v1` requires, of at least 16 characters. When it is unset, none is required."""
    key_required: bool = False
    """Whether `/v1` requires a key also when `api_key` is unset: keys are in the database (`ttsp keys`)."""
    keys_file: Path | None = None
    """File of hashed keys, made by `ttsp keys secret`; then `/v1` requires a key."""
    key_pepper_file: Path | None = None
    """File of the secret with which keys are hashed, the same for all replicas; when unset, `key-pepper` in
    `state_dir`, which is made."""

    audit: bool = False
    """Whether it is recorded in the database who did what: without a row nothing is done."""
    audit_key_file: File | None = None
    """File of the secret of the audit's MACs, the same for all replicas; when unset, `audit-key` in
    `state_dir`, which is made."""
    audit_anchor: Annotated[str, AfterValidator(_rooted)] = ""
    """Folder, or fsspec URL, outside the database's reach, where the heads of the audit's chains are kept: at
    most one a minute for each replica. When empty, none are."""
    tls_cert: File | None = None
    """File of the certificate with which the gateway speaks TLS: in PEM, with those of its issuers after it.
    Read again when it changes."""
    tls_key: File | None = None
    """File of its private key, in PEM, without a password; required with `tls_cert`."""

    oidc_issuer: Url | None = None
    """Address of the identity provider (OpenID Connect) whose tokens count, exactly as its tokens have it in
    `iss`. With it, `/v1` requires a key or a token."""
    oidc_audience: Annotated[str, Field(min_length=1)] | None = None
    """What tokens for this service have in `aud`; required with `oidc_issuer`."""
    oidc_jwks_url: Url | None = None
    """Where the provider's signing keys are; when unset, the provider is asked (discovery)."""
    oidc_tenant_claim: Claim = "tenant"
    """Claim of a token that names the tenant; a token without it is refused."""
    oidc_scope_claim: Claim = "scope"
    """Claim that has the scopes: a text, with spaces between them, or a list."""
    oidc_scope_prefix: Claim | None = None
    """What our scopes begin with in that claim, as `tts:`; others are left out. When unset, nothing."""
    oidc_mfa_claim: Claim = "amr"
    """Claim that says how the caller proved who it is; the scope `admin` counts only if it has one of
    `oidc_mfa_values`."""
    oidc_mfa_values: Annotated[tuple[Claim, ...], NoDecode, BeforeValidator(_listed), Field(min_length=1)] = (
        "mfa",
    )
    """Values of that claim, a text or a list, that stand for a second factor."""

    commercial: bool = False
    """Whether the service is used commercially: then a model or voice whose licence forbids it is refused."""
    voice_key_file: File | None = None
    """File of the secret with which cloned voices are encrypted, the same for all replicas; when unset,
    `voice-key` in `state_dir`, which is made, but not where the service runs on a cluster."""
    max_voices: Annotated[int, Field(ge=0)] = 100
    """Cloned voices that a tenant may have at a time."""
    max_recording: Annotated[int, Field(ge=1024)] = 16 << 20
    """Bytes that a recording may have; the body of `POST /v1/voices` has two."""

    allowed_hosts: Names = ()
    """Names in the Host header that are this service's; `*` allows every name. When empty,
    loopback's own names are allowed where the API listens on loopback, and every name elsewhere."""
    cors_origins: Names = ()
    """Origins of other sites whose pages may call the API, as `https://app.example`, or `*`."""
    trusted_proxies: Names = ()
    """Addresses or networks of proxies: their X-Forwarded-For counts, and
    `max_connections_per_address` does not apply to them."""
    max_connections: Annotated[int, Field(ge=16)] = 16_384
    """Connections in all, at most three quarters of the files that the process may open. One more closes the
    connection that has been idle longest; if none is idle, it is answered 503."""
    max_connections_per_address: Annotated[int, Field(ge=1)] = 4096
    """Connections of one address (of IPv6: a /64 network). One more closes the one of them that has been idle
    longest; if none is idle, it is answered 429."""
    max_header_bytes: Annotated[int, Field(ge=1024)] = 32_768
    """Bytes of a request's address and headers; more is answered 431."""
    max_header_lines: Annotated[int, Field(ge=10)] = 100
    """Headers of a request; more is answered 431."""
    header_timeout: Annotated[float, Field(gt=0)] = 15.0
    """Seconds in which a request's headers must arrive; then it is answered 408."""
    body_timeout: Annotated[float, Field(gt=0)] = 60.0
    """Seconds in which a request's body must arrive; then it is answered 408."""
    idle_timeout: Annotated[float, Field(gt=0)] = 75.0
    """Seconds after which a connection without a request is closed."""
    send_timeout: Annotated[float, Field(gt=0)] = 120.0
    """Seconds in which a caller must read 48 KiB of an answer that waits; else the connection is closed."""

    audio_output: str = "audio-output"
    """Folder, or fsspec URL, where durable speeches are saved."""
    state_dir: Path = Path("~/.local/state/tts-playground")
    """Folder for the database, the logs and Ray's token: readable by its owner only."""
    database_url: str = ""
    """URL of the metadata database: `sqlite:////folder/file` or `postgresql://user:password@host/name`; when
    empty, `metadata.sqlite` in `state_dir`."""

    queue: Annotated[int, Field(ge=0, le=100_000)] = 32
    """Requests that may wait for a model; one more is answered 429."""
    durable_queue: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Durable speeches that may be unfinished at a time; one more is answered 429."""
    tenant_weights: Names = ()
    """Turns of tenants that do not have one where others have one, as `hotel=3,clinic=2`."""
    quotas: str = ""
    """What each tenant may use, as `requests=600/minute,characters=1000000/day,streams=32`
    (docs/quotas.md). When empty, as much as it likes."""
    quotas_file: File | None = None
    """File of exceptions in JSON: `{"tenants": {"hotel": "requests=6000/minute"}, "keys": {...}}`."""
    quota_store: SecretStr | None = None
    """URL of a Redis or Valkey in which all gateways count together: `redis://host`. When unset, each counts
    for itself."""
    durable_workers: Annotated[int, Field(ge=1, le=1000)] = 2
    """Durable speeches that are processed at a time."""
    batch_text_ttl: Annotated[float, Field(ge=0)] = 7 * 86_400.0
    """Seconds after a batch's end for which its texts are kept, and it can be retried. A request may give its
    own `text_ttl`."""
    max_input: Annotated[int, Field(ge=1)] = 4096
    """Characters that `POST /v1/audio/speech` takes."""
    max_text: Annotated[int, Field(ge=1)] = 100_000
    """Characters that `POST /v1/speech` takes."""
    max_body: Annotated[int, Field(ge=1024)] = 1 << 20
    """Bytes that a request's body may have."""
    max_wait: Annotated[float, Field(gt=0)] = 60.0
    """Longest `Prefer: wait=` that is honoured, in seconds."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least serious level that is logged."""
    log_dir: Path | None = None
    """Folder of the JSON logs, one file per component; standard error when unset."""

    object_store_bytes: Annotated[int, Field(ge=80 << 20)] = 128 << 20
    """Shared memory of the embedded Ray: it holds segments on their way from the model to the gateway."""
    dashboard: bool = False
    """Whether the embedded Ray runs its dashboard: on loopback, behind its token, 240 MB more memory."""
    dashboard_port: Annotated[int, Field(ge=1, le=65535)] = 8265
    """Port of Ray's dashboard."""
    ray_dashboard: bool = False
    """Whether the API serves Ray's dashboard at /ray/, to administrators of the default tenant, to look at.
    It starts the embedded Ray's dashboard."""
    metrics_port: Annotated[int, Field(ge=1, le=65535)] | None = 8090
    """Port on loopback where the embedded Ray serves Prometheus metrics; any free one when unset."""
    batch_utilisation: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Share of each node's CPU, GPU, disk and network above which batches add no load."""
    gateway_file: Path | None = None
    """File of the settings that only the gateway knows, as `api_key`, in JSON: the embedded
    playground writes it for its gateway; not meant to be set otherwise."""

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            ip_network(name, strict=False)  # raises a ValueError that says what it is not
        return names

    @field_validator("tenant_weights")
    @classmethod
    def _weights(cls, weights: tuple[str, ...]) -> tuple[str, ...]:
        for weight in weights:
            tenant, _, turns = weight.partition("=")
            if not (is_tenant(tenant) and re.fullmatch("[1-9][0-9]{0,3}", turns)):
                raise ValueError(f"{weight!r} is no weight of a tenant: write it as hotel=3, from 1 to 9999")
        return weights

    @field_validator("quotas")
    @classmethod
    def _known_quotas(cls, text: str) -> str:
        parse_limits(text)  # raises a ValueError that says what is wrong
        return text

    @field_validator("quota_store")
    @classmethod
    def _known_store(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not re.match(r"(redis|valkey)s?://[^/]", url.get_secret_value()):
            raise ValueError("it must be the URL of a Redis or Valkey: redis://host, or rediss:// with TLS")
        return url

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names as they are compared; refuse what is no name of a host."""
        for name in names:
            if name != "*" and not _HOST.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a host: write it as tts.example, without a port")
        return tuple(name.lower() for name in names)

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        """Return the origins as browsers send them; refuse what is no origin."""
        for origin in origins:
            if origin != "*" and not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#\s]+", origin):
                raise ValueError(f"{origin!r} is no origin: write it as https://app.example, without a path")
        return tuple(_DEFAULT_PORT.sub(r"\1\2", origin.lower()) for origin in origins)

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        """Refuse unsupported databases; SQLAlchemy checks the rest of the URL when it opens the database."""
        if url and not re.match(r"sqlite:///(?!:memory:).|(postgres|postgresql(\+psycopg)?)://.", url):
            raise ValueError(
                "it must be a database's URL: sqlite:////folder/file or postgresql://user:password@host/name"
            )
        return url

    @model_validator(mode="after")
    def _whole_provider(self) -> Self:
        """Refuse half an identity provider: a service that should ask for tokens must not be open."""
        if (self.oidc_issuer is None) != (self.oidc_audience is None):
            raise ValueError(
                "TTSP_OIDC_ISSUER and TTSP_OIDC_AUDIENCE are needed both, or neither: the first says whose "
                "tokens count, the second which of them are for this service"
            )
        return self

    @model_validator(mode="after")
    def _whole_certificate(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError(
                "TTSP_TLS_CERT and TTSP_TLS_KEY are needed both, or neither: a certificate and its key"
            )
        return self

    @property
    def state(self) -> Path:
        """`state_dir` with `~` expanded."""
        return self.state_dir.expanduser()

    @property
    def runs_dashboard(self) -> bool:
        """Whether the embedded Ray runs its dashboard."""
        return self.dashboard or self.ray_dashboard

    @property
    def weights(self) -> Mapping[str, int]:
        """How many turns a tenant has where another has one; of those in `tenant_weights`."""
        parts = (weight.partition("=") for weight in self.tenant_weights)
        return {tenant: int(turns) for tenant, _, turns in parts}

    @property
    def key_fault(self) -> str:
        """What is wrong, for a server, with what asks for keys or tokens; empty if nothing is."""
        if os.environ.get("TTSP_API_KEY") == "":  # a Secret without content must not open the API
            return (
                f"TTSP_API_KEY is empty: give it at least {_SHORTEST_KEY} characters, or unset the variable."
            )
        if os.environ.get("TTSP_OIDC_ISSUER") == "":
            return (
                "TTSP_OIDC_ISSUER is empty: give it the identity provider's address, or unset the variable."
            )
        key = self.api_key.get_secret_value() if self.api_key is not None else None
        if key is not None and (len(key) < _SHORTEST_KEY or not re.fullmatch(r"[!-~]+", key)):
            return (
                f"TTSP_API_KEY needs at least {_SHORTEST_KEY} characters, ASCII without spaces, as a header "
                "carries them: `openssl rand -hex 32` makes one."
            )
        return ""

    @property
    def asks_for_key(self) -> bool:
        """Whether every caller needs a key or a token."""
        given = (self.api_key, self.keys_file, self.oidc_issuer)
        return self.key_required or any(one is not None for one in given)

    def profile_fault(self, *, proxied: bool = False) -> str:
        """Return what is missing for `profile`; empty if nothing is.

        `proxied`: whether it is a gateway of a cluster. TLS, Ray and the lifetime of keys are the cluster's
        then, and the operator has checked them.
        """
        posture = Posture(
            key=self.asks_for_key,
            tls=proxied or self.tls_cert is not None,
            oidc=self.oidc_issuer is not None,
            audit=self.audit,
            ray_encrypted=True,
            origins_named="*" not in self.cors_origins,
        )
        lacking = [_REMEDIES[problem] for problem in problems(self.profile, posture)]
        return f"For the profile {self.profile}, {'; '.join(lacking)}." if lacking else ""

    def all_quotas(self) -> Quotas:
        """Return the quotas of all tenants and keys.

        Raises:
            ValueError: the file of exceptions cannot be read, or is wrong.
        """
        if self.quotas_file is None:
            return parse_quotas(self.quotas)
        try:
            return parse_quotas(self.quotas, self.quotas_file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ValueError(f"TTSP_QUOTAS_FILE, {self.quotas_file}, cannot be used: {reason}") from None

    def key_pepper(self) -> bytes:
        """Return the secret with which keys are hashed.

        Raises:
            OSError: the file of `key_pepper_file` cannot be read.
        """
        if self.key_pepper_file is None:
            return secret(self.state / "key-pepper").encode()
        return self.key_pepper_file.read_bytes().strip()

    def audit_key(self, *, make: bool = True) -> bytes:
        """Return the secret of the audit's MACs; `make` one where there is none and none is named.

        Raises:
            OSError: it cannot be read.
            ValueError: it is too short.
        """
        own = self.state / "audit-key"
        if self.audit_key_file is None and (make or own.exists()):
            return secret(own).encode()
        found = (self.audit_key_file or own).read_bytes().strip()
        if len(found) < _SHORTEST_SECRET:
            raise ValueError(
                f"TTSP_AUDIT_KEY_FILE has {len(found)} characters, and {_SHORTEST_SECRET} are needed: "
                "`openssl rand -hex 32` makes them."
            )
        return found

    def voice_key(self, *, proxied: bool) -> bytes | None:
        """Return the secret that encrypts cloned voices; None: there is none, and none may be made.

        `proxied`: whether it is a gateway of a cluster, whose own folder goes with its pod.

        Raises:
            OSError: it cannot be read.
            ValueError: it is too short.
        """
        if self.voice_key_file is None:
            return None if proxied else secret(self.state / "voice-key").encode()
        found = self.voice_key_file.read_bytes().strip()
        if len(found) < _SHORTEST_SECRET:
            raise ValueError(
                f"TTSP_VOICE_KEY_FILE has {len(found)} characters, and {_SHORTEST_SECRET} are needed: "
                "`openssl rand -hex 32` makes them."
            )
        return found

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.state.absolute() / 'metadata.sqlite'}"

    def export(self) -> Path:
        """Put the settings into the environment, for Ray's processes; return the gateway's file.

        What only the gateway may know is not put there, but into that file: each of Ray's processes inherits
        the environment, those that load models too.
        """
        known = {
            "api_key": self.api_key and self.api_key.get_secret_value(),
            "database_url": self.database_url,
            "quota_store": self.quota_store and self.quota_store.get_secret_value(),
        }
        private_folder(self.state)
        descriptor, path = tempfile.mkstemp(prefix="gateway-", suffix=".json", dir=self.state.absolute())
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(known, file)
        for name in type(self).model_fields:
            value = path if name == "gateway_file" else getattr(self, name)
            variable = f"TTSP_{name.upper()}"
            if value is None or name in known:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = ",".join(value) if isinstance(value, tuple) else str(value)
        return Path(path)


def gateway_settings(*, proxied: bool) -> Settings:
    """Return the settings of the environment, with those that only the gateway may know.

    `proxied`: whether Serve's proxies listen for it.

    Raises:
        ValueError: their file cannot be read, without which the API would need no key; the key is no good; or
            something is missing for the profile.
    """
    settings = _whole(Settings())
    fault = settings.key_fault or settings.profile_fault(proxied=proxied)
    if fault:
        raise ValueError(fault)
    return settings


def _whole(settings: Settings) -> Settings:
    """Return the settings with those of their file, if they name one. Raises ValueError."""
    if settings.gateway_file is None:
        return settings
    try:
        known = json.loads(settings.gateway_file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"TTSP_GATEWAY_FILE, {settings.gateway_file}, cannot be read: it has the API's key and the "
            "database's URL. Start the playground again; it writes the file."
        ) from error
    return Settings(**known)
