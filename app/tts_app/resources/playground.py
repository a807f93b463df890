"""The Playground resource: what a service as a whole needs. Its name is the service's name."""

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from tts_app.profiles import Profile
from tts_app.resources.base import Column, CustomResource, ObjectKey, ObjectName, Resource
from tts_app.resources.engines import IMAGES
from tts_app.resources.quantities import Bytes, Compute
from tts_app.resources.rules import Rule, Unique, cel_list, immutable
from tts_app.resources.status import PlaygroundStatus
from tts_app.tenants import TENANT_NAME, is_tenant

Image = Annotated[str, StringConstraints(pattern=r"^[^\s]+$", max_length=512)]
"""A container image by tag or digest."""
Labels = Annotated[dict[str, Annotated[str, StringConstraints(max_length=63)]], Field(max_length=32)]
"""Labels and their values."""


class Images(Resource):
    """Images that the service's pods run; what is left out is the operator's default."""

    rules = (
        Rule(
            f"images.engines must be keyed by engines: {', '.join(sorted(IMAGES))}",
            # In Python it is no fault: a Playground that is stored may name an engine of an earlier version.
            cel=f"!has(self.engines) || self.engines.all(engine, engine in {cel_list(IMAGES)})",
        ),
    )

    gateway: Image | None = None
    """Image of the head, where the gateway runs."""
    engines: Annotated[dict[str, Image], Field(max_length=16)] = {}
    """Images of the workers by engine, such as kokoro, or engine and runtime, such as kokoro-torch; all must
    have the head's Ray and Python."""
    pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    """When a node pulls an image."""
    pull_secrets: Annotated[list[ObjectName], Field(max_length=16), Unique()] = []
    """Secrets of the namespace that hold registry credentials."""


class GatewayResources(Compute):
    """What the gateway asks of its node."""

    memory: Bytes = "2Gi"
    """Memory, such as 2Gi."""


class Gateway(Resource):
    """The API's own process, which takes every request."""

    resources: GatewayResources = GatewayResources()
    """What the gateway asks of its node."""


class HeadResources(Compute):
    """What Ray's head asks of its node, the gateway not counted."""

    memory: Bytes = "4Gi"
    """Memory, such as 4Gi."""


class Head(Resource):
    """Ray's head pod."""

    resources: HeadResources = HeadResources()
    """What the head asks of its node, the gateway not counted."""


class Ray(Resource):
    """The service's Ray cluster."""

    version: Annotated[str, StringConstraints(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$", max_length=16)] | None = (
        None
    )
    """Ray's version in the images; default: the one that the operator was made for."""
    head: Head = Head()
    """Ray's head pod."""
    auth: Literal["token", "none"] = "token"
    """Whether Ray's own ports require a token, which the operator creates and keeps in a Secret."""
    tls_secret: ObjectName | None = None
    """Secret of a certificate authority (tls.crt, tls.key): each pod makes a certificate, and Ray's processes
    talk by TLS."""
    dashboard: bool = False
    """Whether the API shows Ray's dashboard, at /ray/, to administrators of the default tenant."""


VolumeSize = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?[KMGTPE]i$", max_length=16)]


_WHY_NOT = "make a claim yourself, move the files and name it in existingClaim"


class Volume(Resource):
    """A PersistentVolumeClaim: one that the operator makes, or one that is there."""

    rules = (
        Rule(
            "size cannot become less: volumes only grow",
            cel="quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0",
        ),
        immutable("accessMode", _WHY_NOT, unless="has(self.existingClaim)"),
        immutable("storageClassName", _WHY_NOT, unless="has(self.existingClaim)"),
    )

    size: VolumeSize = "20Gi"
    """Size of the volume, such as 20Gi; it can only grow."""
    storage_class_name: ObjectName | None = None
    """Storage class of the volume; default: the cluster's."""
    access_mode: Literal["ReadWriteOnce", "ReadWriteMany"] = "ReadWriteOnce"
    """ReadWriteMany where pods of the service run on several nodes, if the storage class has it."""
    existing_claim: ObjectName | None = None
    """A claim of the namespace to use instead; the other fields then count for nothing."""


class SecretRef(Resource):
    """A key of a Secret in the service's namespace."""

    name: ObjectName
    """Name of the Secret."""
    key: ObjectKey = "url"
    """Key whose value is wanted."""


class ApiKeyRef(Resource):
    """A key of a Secret that holds the API's bearer token."""

    name: ObjectName
    """Name of the Secret."""
    key: ObjectKey = "key"
    """Key whose value is the token."""


PortNumber = Annotated[int, Field(ge=1, le=65535)]


HostPattern = Annotated[
    str, StringConstraints(pattern=r"^([*]|[a-z0-9._-]+|[0-9a-f.]*:[0-9a-f.]*:[0-9a-f:.]*)$", max_length=253)
]
Origin = Annotated[
    str, StringConstraints(pattern=r"^([*]|[a-z][a-z0-9+.-]*://[a-z0-9.:\[\]-]+)$", max_length=253)
]
Proxy = Annotated[str, StringConstraints(max_length=43)]


def _is_network(name: str) -> bool:
    try:
        ip_network(name, strict=False)
    except ValueError:
        return False
    return True


_PORT = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
ProviderUrl = Annotated[
    str,
    StringConstraints(pattern=rf"^https://[A-Za-z0-9.-]+(:{_PORT})?(/[^\s?#@]*)?$", max_length=512),
]
Claim = Annotated[str, StringConstraints(pattern=r"^[!#-\[\]-~]{1,200}$")]
MfaValue = Annotated[str, StringConstraints(pattern=r"^[!#-+\--\[\]-~]{1,200}$")]
"""A value without a comma: commas separate them in the gateway's environment."""


class Oidc(Resource):
    """An identity provider (OpenID Connect) whose tokens count."""

    issuer: ProviderUrl
    """The provider's https address, exactly as its tokens have it in `iss`; the head must reach its port."""
    audience: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    """What tokens for this service have in `aud`."""
    jwks_url: ProviderUrl | None = None
    """Where the provider's signing keys are; default: the provider is asked (discovery)."""
    tenant_claim: Claim = "tenant"
    """Claim that names the tenant; a token without it is refused."""
    scope_claim: Claim = "scope"
    """Claim that has the scopes: a text, with spaces between them, or a list."""
    scope_prefix: Claim | None = None
    """What the service's scopes begin with in that claim, such as tts:; default: nothing."""
    mfa_claim: Claim = "amr"
    """Claim that must have one of `mfaValues` for the scope admin to count."""
    mfa_values: Annotated[list[MfaValue], Field(min_length=1, max_length=16)] = ["mfa"]
    """Values of that claim that stand for a second factor."""


class Audit(Resource):
    """The record of who did what."""

    key_secret: ObjectName
    """Secret whose key `key` protects the record: at least 32 random characters, kept for ever."""


class ClonedVoices(Resource):
    """How cloned voices are kept."""

    key_secret: ObjectName
    """Secret whose key `key` encrypts cloned voices: at least 32 random characters, kept for ever."""


class Security(Resource):
    """Who may call the API."""

    rules = (
        Rule(
            "trustedProxies are addresses or networks, such as 10.0.0.0/8",
            cel="!has(self.trustedProxies) || self.trustedProxies.all(p, isIP(p) || isCIDR(p))",
            holds=lambda security: all(map(_is_network, security.trusted_proxies)),
        ),
    )

    profile: Profile | None = None
    """What the service must have before it runs; default: the operator's, which is `standard`: a key."""
    api_key: ApiKeyRef | None = None
    """One bearer token for all callers of /v1."""
    keys_secret: ObjectName | None = None
    """Secret of hashed keys, one for each caller, and their pepper: `ttsp keys secret` makes it."""
    oidc: Oidc | None = None
    """The identity provider whose tokens count, beside keys; with it, /v1 asks for a key or a token."""
    audit: Audit | None = None
    """Whether acts leave a record in the database, and whose secret protects it; default: they leave none."""
    voices: ClonedVoices | None = None
    """The key of cloned voices; default: none can be made."""
    allowed_hosts: Annotated[list[HostPattern], Field(max_length=32)] = []
    """Names in the Host header that are this service's; default: every name."""
    cors_origins: Annotated[list[Origin], Field(max_length=32)] = []
    """Origins of other sites whose pages may call the API, such as https://app.example; default: none."""
    trusted_proxies: Annotated[list[Proxy], Field(max_length=32)] = []
    """Addresses or networks of proxies whose X-Forwarded-For names the caller; default: none."""


class Database(Resource):
    """The database of durable speeches and batches."""

    secret_ref: SecretRef
    """Where the database's SQLAlchemy URL is, such as postgresql+psycopg://user:password@host/name."""
    port: PortNumber = 5432
    """Port of the URL: the NetworkPolicy lets the head reach it."""


class QuotaStore(Resource):
    """A Redis or Valkey in which all gateways of a service count together."""

    secret_ref: SecretRef
    """Where its URL is, such as redis://:password@host."""
    port: PortNumber = 6379
    """Port of the URL: the NetworkPolicy lets the head reach it."""


QuotaText = Annotated[
    str, StringConstraints(pattern=r"^[a-z_]+=[^,=\s]+(,[a-z_]+=[^,=\s]+)*$", max_length=1024)
]
"""Quotas as docs/quotas.md writes them."""


class Tenants(Resource):
    """How tenants share the service."""

    rules = (
        Rule(
            "weights are keyed by names of tenants, such as hotel",
            cel=f"!has(self.weights) || self.weights.all(name, name.matches('{TENANT_NAME}'))",
            holds=lambda tenants: all(map(is_tenant, tenants.weights)),
        ),
    )

    weights: Annotated[dict[str, Annotated[int, Field(ge=1, le=9999)]], Field(max_length=64)] = {}
    """Turns that a tenant has where others have one; default: one each."""
    quotas: QuotaText | None = None
    """What each tenant may use, such as requests=600/minute,streams=32; default: as much as it likes."""
    exceptions: ObjectName | None = None
    """ConfigMap whose key `quotas.json` has the quotas of single tenants and keys."""
    quota_store: QuotaStore | None = None
    """Where all gateways count together; default: each counts for itself."""


class Storage(Resource):
    """Where the service keeps audio, model files and metadata."""

    audio: Volume = Volume()
    """Volume of the durable speeches' audio."""
    cache: Volume = Volume()
    """Volume of the model files, fetched once for all replicas."""
    database: Database | None = None
    """Database of durable speeches and batches; default: SQLite in the head pod, which goes with it."""
    batch_text_ttl_seconds: Annotated[int, Field(ge=0)] | None = None
    """Seconds after its end for which a batch of the API keeps its texts, to be retried; default: 7 days."""
    credentials_secret: ObjectName | None = None
    """Secret of variables (HF_TOKEN, AWS_ACCESS_KEY_ID ...) for loaders, and `ephemeral` jobs on s3:// or gs://."""


class Peer(Resource):
    """Pods that may call the API, by the labels of their namespaces, their own, or both."""

    rules = (
        Rule(
            "a peer needs namespaceSelector, podSelector or both",
            cel="has(self.namespaceSelector) || has(self.podSelector)",
            holds=lambda peer: peer.namespace_selector is not None or peer.pod_selector is not None,
        ),
    )

    namespace_selector: Labels | None = None
    """Labels of the pods' namespaces; {} means all namespaces, leaving it out means the service's own."""
    pod_selector: Labels | None = None
    """Labels of the pods; {} or leaving it out means all pods."""


class NetworkPolicy(Resource):
    """Who may reach the service's pods."""

    enabled: bool = True
    """Whether the operator makes NetworkPolicies: Ray's ports for its own pods, the API for `allowFrom`."""
    allow_from: Annotated[list[Peer], Field(max_length=32)] = []
    """Pods that may call the API besides those of the service's own namespace."""
    outside_ports: Annotated[list[PortNumber], Field(min_length=1, max_length=16)] = [443]
    """Ports outside that loaders, and `ephemeral` jobs on s3:// or gs://, may reach."""


Duration = Annotated[str, StringConstraints(pattern=r"^([0-9]+(ms|s|m|h))+$", max_length=16)]


CollectorUrl = Annotated[
    str,
    StringConstraints(pattern=rf"^https?://[A-Za-z0-9.-]+(:{_PORT})?(/[^\s?#@]*)?$", max_length=512),
]


class Tracing(Resource):
    """Where the traces of requests go, and how many."""

    endpoint: CollectorUrl
    """Address of a collector that takes OTLP over HTTP, such as http://otel-collector.monitoring:4318."""
    sample_ratio: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Share of the requests whose trace is recorded, from 0 to 1."""


class Monitoring(Resource):
    """How Prometheus finds the service."""

    rules = (
        Rule(
            "podMonitor means kind PodMonitor: give kind alone",
            cel="!has(self.podMonitor) || !self.podMonitor || !has(self.kind) || self.kind == 'PodMonitor'",
            holds=lambda monitoring: not monitoring.pod_monitor or monitoring.kind in (None, "PodMonitor"),
        ),
    )

    kind: Literal["None", "PodMonitor", "ServiceMonitor", "Annotations"] | None = None
    """A monitor, whose kind must be installed, or annotations of the pods, with which a new Ray cluster
    starts; default: the operator's."""
    pod_monitor: bool = False
    """The same as kind PodMonitor."""
    labels: Labels = {}
    """Labels of the monitor, by which Prometheus selects it; default: the operator's."""
    interval: Duration | None = None
    """Time between two scrapes, such as 30s; default: the operator's, else Prometheus' own."""
    tracing: Tracing | None = None
    """Where traces go; default: none are recorded. A change starts a new Ray cluster."""


HostName = Annotated[
    str,
    StringConstraints(
        pattern=r"^([*]\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        max_length=253,
    ),
]


class Ingress(Resource):
    """An Ingress in front of the API."""

    host: HostName
    """Host name that the API answers for."""
    class_name: ObjectName | None = None
    """Ingress class; default: the cluster's."""
    tls_secret: ObjectName | None = None
    """Secret of the namespace that holds the host's certificate; without it there is no TLS."""


class RouteGateway(Resource):
    """A Gateway of the Gateway API."""

    name: ObjectName
    """Name of the Gateway."""
    namespace: ObjectName | None = None
    """Its namespace; default: the service's own."""
    section_name: ObjectName | None = None
    """Listener of the Gateway; default: any that takes the host."""


class Route(Resource):
    """An HTTPRoute in front of the API, where the cluster has the Gateway API."""

    host: HostName
    """Host name that the API answers for."""
    gateway: RouteGateway
    """The Gateway that takes the requests."""


class Toleration(Resource):
    """A taint that the pods tolerate."""

    rules = (
        Rule(
            "operator Exists takes no value, and a toleration without key needs operator Exists",
            cel="self.operator == 'Exists' ? !has(self.value) : has(self.key)",
            holds=lambda toleration: (
                toleration.value is None if toleration.operator == "Exists" else toleration.key is not None
            ),
        ),
    )

    key: Annotated[str, StringConstraints(min_length=1, max_length=316)] | None = None
    """Key of the taint; default: any."""
    operator: Literal["Equal", "Exists"] = "Equal"
    """Whether the taint's value must be equal or anything."""
    value: Annotated[str, StringConstraints(max_length=63)] | None = None
    """Value of the taint."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint; default: any."""
    toleration_seconds: Annotated[int, Field(ge=0)] | None = None
    """Seconds that a NoExecute taint is tolerated; default: for ever."""


class Scheduling(Resource):
    """Where the service's pods run; nothing else of a pod can be set, so that none widens its rights."""

    node_selector: Labels = {}
    """Labels that a node must have."""
    tolerations: Annotated[list[Toleration], Field(max_length=32)] = []
    """Taints that the pods tolerate."""
    priority_class_name: ObjectName | None = None
    """Priority class of the pods."""
    runtime_class_name: ObjectName | None = None
    """Runtime class of the pods, such as nvidia."""


class PlaygroundSpec(Resource):
    """What the service needs; everything has a default."""

    rules = (
        Rule(
            "security.audit needs storage.database: the record would go with the pod",
            cel="!has(self.security) || !has(self.security.audit) || "
            "(has(self.storage) && has(self.storage.database))",
            holds=lambda spec: spec.security.audit is None or spec.storage.database is not None,
        ),
        Rule(
            "security.voices needs storage.database: cloned voices would go with the pod",
            cel="!has(self.security) || !has(self.security.voices) || "
            "(has(self.storage) && has(self.storage.database))",
            holds=lambda spec: spec.security.voices is None or spec.storage.database is not None,
        ),
    )

    images: Images = Images()
    """Images that the service's pods run."""
    gateway: Gateway = Gateway()
    """The API's own process."""
    ray: Ray = Ray()
    """The service's Ray cluster."""
    when_empty: Literal["Remove", "KeepGateway"] = "Remove"
    """Whether the service is removed with its last model, or its API stays and reports that it has none."""
    commercial: bool | None = None
    """Whether the service is used commercially: then no model is served whose licence forbids that; default:
    the operator's, which is false."""
    tenants: Tenants = Tenants()
    """How tenants share the service."""
    storage: Storage = Storage()
    """Where the service keeps audio, model files and metadata."""
    network_policy: NetworkPolicy = NetworkPolicy()
    """Who may reach the service's pods."""
    monitoring: Monitoring = Monitoring()
    """How Prometheus finds the service."""
    ingress: Ingress | None = None
    """An Ingress in front of the API; default: none."""
    route: Route | None = None
    """An HTTPRoute of the Gateway API in front of the API; default: none."""
    security: Security = Security()
    """Who may call the API."""
    pod_disruption_budget: bool = True
    """Whether a PodDisruptionBudget keeps a copy of each model of `replicas.min` 2 or more."""
    scheduling: Scheduling = Scheduling()
    """Where the service's pods run; nothing else of a pod can be set."""


class Playground(CustomResource):
    """What a service as a whole needs. Its name is the service's; a service without one has every default."""

    plural = "playgrounds"
    short_name = "pg"
    columns = (
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
        Column("Reason", '.status.conditions[?(@.type=="Ready")].reason'),
        Column("Models", ".status.models.summary"),
        Column("URL", ".status.url"),
        Column("Age", ".metadata.creationTimestamp", "date"),
        Column("Cluster", ".status.rayCluster", wide=True),
        Column("Message", '.status.conditions[?(@.type=="Ready")].message', wide=True),
    )

    kind: Literal["Playground"] = "Playground"
    """Kind of the resource: Playground."""
    spec: PlaygroundSpec = PlaygroundSpec()
    """What the service needs; everything has a default."""
    status: PlaygroundStatus | None = None
    """What the operator found."""
