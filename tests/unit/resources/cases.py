"""Good resources, and changes that break one rule each: for Python here, an API server in tests/operator."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from tts_app.resources.base import Quantization
from tts_app.resources.engines import ENGINES, engines_of

API_VERSION = "ttsplayground.dev/v1alpha1"
LICENSE = {"spdx": "Apache-2.0", "commercialUse": True}
CONSENT = {"id": "1", "by": "A", "date": "2026-01-01"}
CLIP = {"uri": "pvc://voices/a.wav", "transcript": "Hello.", "consent": CONSENT}
LOCALES = [first + second for first in "abcdefghij" for second in "abcdefghij"]
"""As many as a job may name."""
POST = {"id": 1, "text": {"en": "Hello.", "ar-EG": "أهلا."}}


def resource(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


GOOD = {
    "speakers": resource(
        "VoiceModel",
        "speakers",
        engine="kokoro",
        source={"uri": "package://kokoro-82m/int8"},
        license=LICENSE,
        voices=[
            {"locale": "en-US", "gender": "female", "speaker": "af_heart", "parameters": {"speed": 0.9}},
            {"locale": "en-US", "gender": "male", "speaker": "am_michael"},
        ],
        replicas={"min": 0, "max": 2, "targetOngoingRequests": 1.5},
        resources={"cpu": 2, "memory": "1Gi", "gpu": "0"},
        parameters={"threads": 2},
    ),
    "fetched": resource(
        "VoiceModel",
        "fetched",
        engine="kokoro",
        source={"uri": "hf://someone/model", "revision": "0123abc"},
        license=LICENSE,
        voices=[
            {
                "locale": "ar-EG",
                "gender": "male",
                "speaker": "am_michael",
                "measured": {"source": "published", "metric": "wer", "plain": 0.13},
            }
        ],
    ),
    "described": resource(
        "VoiceModel",
        "described",
        engine="omnivoice",
        source={"uri": "hf://someone/model", "revision": "0123abc"},
        quantization="auto",
        license={"spdx": "LicenseRef-CC-BY-NC", "commercialUse": False},
        voices=[
            {"locale": "ar-AE", "gender": "female", "description": "female", "parameters": {"seed": 7}},
            {"locale": "en-AU", "gender": "male", "reference": CLIP},
        ],
        resources={"gpu": 1},
    ),
    "text-on-gpus": resource(
        "TextModel",
        "text-on-gpus",
        engine="vllm",
        source={"uri": "pvc://models/a"},
        license=LICENSE,
        resources={"gpu": 2},
        parameters={"nodes": 2, "limit_mm_per_prompt": {"image": 2}, "cudagraph_capture_sizes": [1, 2]},
    ),
    "text": resource(
        "TextModel", "text", engine="transformers", source={"uri": "pvc://models/a"}, license=LICENSE
    ),
    "job": resource("TTSJob", "job", posts={"inline": [POST]}, output={"uri": "pvc://audio-output"}),
    "job-of-a-service": resource(
        "TTSJob",
        "job-of-a-service",
        service="playground",
        posts={"configMapRef": {"name": "posts"}},
        avatars={"locales": ["en-US"], "genders": ["male"]},
        output={"uri": "s3://bucket/a", "format": "opus", "nameTemplate": "{locale}.{post}"},
        ttlSecondsAfterFinished=0,
        activeDeadlineSeconds=60,
    ),
    "job-of-its-own": resource(
        "TTSJob",
        "job-of-its-own",
        ephemeral={},
        posts={"uri": "gs://bucket/posts.jsonl"},
        output={"uri": "file:///out"},
    ),
    "defaults": resource("Playground", "defaults"),
    "playground": resource(
        "Playground",
        "playground",
        images={"gateway": "gateway:1", "engines": {"kokoro": "kokoro:1"}, "pullSecrets": ["registry"]},
        ray={"version": "2.60.0", "head": {"resources": {"cpu": "500m"}}},
        storage={
            "audio": {"size": "10Gi", "storageClassName": "fast"},
            "cache": {"existingClaim": "cache"},
            "database": {"secretRef": {"name": "database"}},
        },
        tenants={
            "weights": {"hotel": 3},
            "quotas": "requests=600/minute,stored_bytes=10GiB",
            "exceptions": "quotas",
            "quotaStore": {"secretRef": {"name": "redis"}},
        },
        security={
            "oidc": {
                "issuer": "https://login.example:8443/realms/a",
                "audience": "https://speech.example",
                "jwksUrl": "https://login.example/keys",
                "tenantClaim": "https://speech.example/tenant",
                "scopePrefix": "tts:",
                "mfaClaim": "acr",
                "mfaValues": ["phr", "urn:example:loa3"],
            },
            "allowedHosts": ["speech.example.com", "localhost"],
            "corsOrigins": ["https://app.example", "http://[::1]:3000", "*"],
            "trustedProxies": ["10.0.0.0/8", "fd00::/8", "192.0.2.1"],
        },
        networkPolicy={"allowFrom": [{"namespaceSelector": {}}, {"podSelector": {"app": "site"}}]},
        monitoring={
            "kind": "ServiceMonitor",
            "labels": {"release": "prometheus"},
            "interval": "1m30s",
            "tracing": {"endpoint": "http://otel-collector.monitoring:4318", "sampleRatio": 0.1},
        },
        ingress={"host": "speech.example.com"},
        scheduling={
            "tolerations": [{"operator": "Exists"}, {"key": "gpu", "value": "yes", "effect": "NoSchedule"}]
        },
    ),
}
"""Good resources by name, at least one a kind and one a way of saying things."""


@dataclass(frozen=True)
class Case:
    """A change of a good resource that breaks a rule."""

    good: str
    change: dict[str, Any]
    """Values by dotted path; None removes."""
    says: str
    """Part of the rule's message."""

    def __str__(self) -> str:
        return f"{self.good}: {', '.join(self.change)}: {self.says}"

    @property
    def resource(self) -> dict[str, Any]:
        """The resource after the change."""
        document = copy.deepcopy(GOOD[self.good])
        for path, value in self.change.items():
            *parents, last = (int(key) if key.isdigit() else key for key in path.split("."))
            part: Any = document
            for key in parents:
                part = part[key] if isinstance(key, int) else part.setdefault(key, {})
            if value is None:
                del part[last]
            else:
                part[last] = value
        return document


NAME = "metadata.name must be a DNS-1035 label of at most 47 characters"
ON_GPUS = "engine vllm runs on GPUs alone: say in resources.gpu how many"
ONE_KIND_OF_VOICE = "a voice needs exactly one of speaker, reference, description"
ONE_KIND_OF_POSTS = "posts needs exactly one of uri, inline, configMapRef"
WHOLE_FIGURES = "figures need plain, stress, dnsmos and f0"
TEMPLATE = "nameTemplate may hold letters, digits"
HIDDEN = "nameTemplate must not begin with a dot"
UNIQUE_NAMES = "nameTemplate needs {post}, and {locale} or {voice}"
VOICE = "nameTemplate needs {voice} where avatars.voices names cloned voices"
GENDER = "nameTemplate needs {gender} unless avatars.genders names one gender"
TOLERATION = "operator Exists takes no value, and a toleration without key needs operator Exists"

NAMES = [
    Case(good, {"metadata.name": name}, NAME)
    for good in ("speakers", "text", "job", "playground")
    for name in ("k" * 48, "9-lives", "a.b")
]
"""Names that other kinds of Kubernetes may have, but ours may not."""

GIVEN_BY = {"reference": CLIP, "description": "A calm voice.", "speaker": "af_heart"}
"""A value for each field that says what a voice sounds like."""


def quantizations() -> Iterator[Case]:
    """Yield, for each engine, a quantization that it lacks."""
    for name, engine in ENGINES.items():
        lacking = [given for given in get_args(Quantization) if given not in engine.quantizations]
        allowed = ", ".join(sorted(engine.quantizations))
        says = f"engine {name} has no such quantization; allowed: {allowed}"
        good = "speakers" if engine.task == "speech" else "text"
        yield Case(good, {"spec.engine": name, "spec.quantization": lacking[0]}, says)


def voice_kinds() -> Iterator[Case]:
    """Yield, for each speech engine, a voice that is given by what the engine does not take."""
    for name, engine in engines_of("speech").items():
        lacking = [kind for kind in GIVEN_BY if kind not in engine.voice_kinds]
        given = {"speaker": None, lacking[0]: GIVEN_BY[lacking[0]]}
        change = {"spec.engine": name, **{f"spec.voices.1.{kind}": value for kind, value in given.items()}}
        says = f"a voice of engine {name} is given by {' or '.join(engine.voice_kinds)}"
        yield Case("speakers", change, says)


OUTSIDE = (
    "pvc://models/../../etc/passwd",
    "pvc://models/..",
    "pvc://../models",
    "pvc://models/a/../b",
    "pvc:///etc/passwd",
    "pvc://Models/a",
    "pvc://-models/a",
)
"""Addresses that name no claim, or a path that may lead out of it."""
IN_CLAIM = "a pvc:// address is pvc://claim/path"


def addresses() -> Iterator[Case]:
    """Yield each field that may name a claim with each address that must not be there."""
    for uri in OUTSIDE:
        yield Case("text", {"spec.source.uri": uri}, IN_CLAIM)
        yield Case("speakers", {"spec.source.uri": uri}, IN_CLAIM)
        yield Case("described", {"spec.voices.1.reference.uri": uri}, IN_CLAIM)
        yield Case("job", {"spec.output.uri": uri}, IN_CLAIM)
        yield Case("job-of-its-own", {"spec.posts.uri": uri}, IN_CLAIM)


RULES = [
    *quantizations(),
    *voice_kinds(),
    *addresses(),
    Case("speakers", {"metadata.name": "gateway"}, "must not be called 'gateway'"),
    Case("text", {"metadata.name": "gateway"}, "must not be called 'gateway'"),
    Case("fetched", {"spec.source.revision": None}, "an hf:// source needs `revision`"),
    Case("text", {"spec.engine": "vllm"}, ON_GPUS),
    Case("text-on-gpus", {"spec.resources.gpu": "0"}, ON_GPUS),
    Case("text-on-gpus", {"spec.resources.gpu": 0}, ON_GPUS),
    Case("text-on-gpus", {"spec.resources": None}, ON_GPUS),
    Case("text", {"spec.source.uri": "hf://a/b"}, "an hf:// source needs `revision`"),
    Case("speakers", {"spec.voices.0.measured": {"metric": "wer", "plain": 0.1}}, WHOLE_FIGURES),
    Case("fetched", {"spec.voices.0.measured.source": "measured"}, WHOLE_FIGURES),
    Case("fetched", {"spec.voices.0.measured.source": None}, WHOLE_FIGURES),
    Case("fetched", {"spec.voices.0.quality": "production"}, "needs measured ones"),
    Case("speakers", {"spec.voices.0.speaker": None}, ONE_KIND_OF_VOICE),
    Case("speakers", {"spec.voices.1.description": "A calm voice."}, ONE_KIND_OF_VOICE),
    Case("speakers", {"spec.voices.1.reference": CLIP}, ONE_KIND_OF_VOICE),
    Case("speakers", {"spec.replicas": {"min": 3, "max": 2}}, "replicas.min must not exceed replicas.max"),
    Case("speakers", {"spec.replicas": {"min": 2}}, "replicas.min must not exceed replicas.max"),
    Case("text", {"spec.replicas": {"min": 2}}, "replicas.min must not exceed replicas.max"),
    Case("job", {"spec.posts": {}}, ONE_KIND_OF_POSTS),
    Case("job", {"spec.posts.uri": "pvc://posts/a.jsonl"}, ONE_KIND_OF_POSTS),
    Case("job-of-a-service", {"spec.posts.uri": "pvc://posts/a.jsonl"}, ONE_KIND_OF_POSTS),
    Case("job", {f"spec.posts.inline.0.text.{'x' * 36}": "Bonjour."}, "text must be keyed by a language"),
    Case("job", {"spec.posts.inline.0.text.x": "Bonjour."}, "text must be keyed by a language or locale"),
    Case("job", {"spec.output.nameTemplate": ".{post}_{gender}_{locale}"}, HIDDEN),
    Case("job", {"spec.output.nameTemplate": "a/{post}_{gender}_{locale}"}, TEMPLATE),
    Case("job", {"spec.output.nameTemplate": "{post}_{gender}_{locale}_{mood}"}, TEMPLATE),
    Case("job", {"spec.output.nameTemplate": "{post:2}_{gender}_{locale}"}, TEMPLATE),
    Case("job", {"spec.output.nameTemplate": "{gender}_{locale}"}, UNIQUE_NAMES),
    Case("job", {"spec.output.nameTemplate": "{post:03d}_{gender}"}, UNIQUE_NAMES),
    Case("job", {"spec.output.nameTemplate": "{post}_{locale}"}, GENDER),
    Case("job", {"spec.avatars": {"voices": ["voice_0123456789abcdef01234567"]}}, VOICE),
    Case("job-of-a-service", {"spec.avatars.genders": ["male", "female"]}, GENDER),
    Case("job-of-its-own", {"spec.service": "playground"}, "give one, not both"),
    Case(
        "job-of-its-own",
        {
            "spec.avatars": {"voices": ["voice_0123456789abcdef01234567"]},
            "spec.output.nameTemplate": "{post}_{voice}",
        },
        "avatars.voices are kept by a service",
    ),
    Case(
        "playground",
        {"spec.networkPolicy.allowFrom.0": {}},
        "a peer needs namespaceSelector, podSelector or both",
    ),
    Case("playground", {"spec.monitoring.podMonitor": True}, "podMonitor means kind PodMonitor"),
    Case("playground", {"spec.security.trustedProxies.0": "proxy.example"}, "addresses or networks"),
    Case("playground", {"spec.security.trustedProxies.0": "10.0.0.300"}, "addresses or networks"),
    Case(
        "playground",
        {"spec.security.audit": {"keySecret": "audit"}, "spec.storage.database": None},
        "needs storage.database",
    ),
    Case(
        "playground",
        {"spec.security.voices": {"keySecret": "voices"}, "spec.storage.database": None},
        "security.voices needs storage.database",
    ),
    Case("playground", {"spec.tenants.weights": {"Hotel Bar": 3}}, "names of tenants"),
    Case("playground", {"spec.scheduling.tolerations.0.value": "x"}, TOLERATION),
    Case("playground", {"spec.scheduling.tolerations.1.key": None}, TOLERATION),
]
"""Changes that both Python and the API server refuse, in the same words."""

CHANGES = [
    Case(
        "speakers", {"spec.service": "other"}, "service cannot be changed: make a VoiceModel of another name"
    ),
    Case("text", {"spec.service": "other"}, "service cannot be changed: make a TextModel of another name"),
    Case("job", {"spec.service": "other"}, "service cannot be changed: make a new TTSJob"),
    Case("job-of-a-service", {"spec.service": None}, "service cannot be changed: make a new TTSJob"),
    Case("job-of-its-own", {"spec.ephemeral.replicas": 2}, "ephemeral cannot be changed"),
    Case("job-of-its-own", {"spec.ephemeral": None}, "ephemeral cannot be changed"),
    Case("job", {"spec.posts.inline.0.text.en": "Hi."}, "posts cannot be changed"),
    Case("job", {"spec.avatars": {"genders": ["male"]}}, "avatars cannot be changed"),
    Case("job-of-a-service", {"spec.avatars.locales": None}, "avatars cannot be changed"),
    Case("job", {"spec.output.format": "wav"}, "output cannot be changed"),
    Case("job", {"spec.reading": {"urls": "skip"}}, "reading cannot be changed"),
    Case("job", {"spec.parameters": {"speed": 1.1}}, "parameters cannot be changed"),
    Case("playground", {"spec.storage.audio.size": "9Gi"}, "size cannot become less: volumes only grow"),
    Case("playground", {"spec.storage.audio.storageClassName": None}, "storageClassName cannot be changed"),
    Case("playground", {"spec.storage.audio.accessMode": "ReadWriteMany"}, "accessMode cannot be changed"),
    Case(
        "playground",
        {"spec.images.engines.espeak": "a:1"},
        "images.engines must be keyed by engines:",
    ),
]
"""Changes that only the API server refuses: it knows the resource as it was."""
