"""The TTSJob resource: a batch of posts, spoken by many avatars."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, JsonValue, StringConstraints

from tts_app.resources.base import (
    Column,
    CustomResource,
    Name,
    ObjectKey,
    ObjectName,
    Resource,
    StorageUri,
    VoiceId,
)
from tts_app.resources.locales import (
    LOCALE_LENGTH,
    LOCALE_PATTERN,
    Gender,
    Locale,
    canonical_locale,
    with_hyphens,
)
from tts_app.resources.rules import Rule, Unique, exactly_one, immutable, inside_claim
from tts_app.resources.status import TTSJobStatus

AudioFormat = Literal["mp3", "opus", "aac", "flac", "wav"]
DEFAULT_SERVICE = "playground"

_MOST_TEXTS = 64
_MOST_LOCALES = 100
_MOST_VOICES = 100
_TEMPLATE = r"([-A-Za-z0-9_.]|[{]post(:0[1-9]d)?[}]|[{]gender[}]|[{]locale[}]|[{]voice[}])+"
_NUMBERED = r"[{]post(:0[1-9]d)?[}]"
_OF_THE_AUDIO = ("service", "ephemeral", "posts", "avatars", "output", "parameters", "reading")
_WHY_NOT = "make a new TTSJob on the same output, which renders only what is missing"


def _with_canonical_keys(text: Any) -> Any:
    """Return a post's texts by locales in canonical case. Raises ValueError where two keys are one locale."""
    if not isinstance(text, dict):
        return text
    found: dict[Any, Any] = {}
    for key, value in text.items():
        tag = with_hyphens(key.strip()) if isinstance(key, str) else key
        is_locale = isinstance(tag, str) and len(tag) <= LOCALE_LENGTH and re.fullmatch(LOCALE_PATTERN, tag)
        canonical = canonical_locale(tag) if is_locale else key
        if canonical in found:
            raise ValueError(f"text has {canonical} twice, in different spelling")
        found[canonical] = value
    return found


def _number(identifier: Any) -> Any:
    """Return an id that is written as a text, such as "7" or "post_7", as a number. Raises ValueError."""
    if not isinstance(identifier, str):
        return identifier
    written = re.fullmatch(r"(?:post[-_ ]?)?(\d{1,9})", identifier.strip(), re.IGNORECASE)
    if written is None:
        raise ValueError(f"it must be a number of at most nine digits, not {identifier[:40]!r}")
    return int(written[1])


def _not_locales(post: Any) -> list[str]:
    """Return the keys of a post's text that are neither a language nor a locale, shortened."""
    fit = (re.fullmatch(LOCALE_PATTERN, key) and len(key) <= LOCALE_LENGTH for key in post.text)
    return sorted(key[: LOCALE_LENGTH + 5] for key, fits in zip(post.text, fit, strict=True) if not fits)


class Post(Resource):
    """A text to speak, in one or more languages."""

    rules = (
        Rule(
            "text must be keyed by a language or locale, such as en or ar-EG",
            # The API server knows no bound on a key's length, so that a pattern would cost too much there.
            cel=f"self.text.all(key, key.size() >= 2 && key.size() <= {LOCALE_LENGTH})",
            holds=lambda post: not _not_locales(post),
            found=lambda post: f"it has {', '.join(_not_locales(post))}",
        ),
    )

    id: Annotated[int, Field(ge=0, le=999_999_999), BeforeValidator(_number)]
    """Number of the post: `{post}` in a file's name."""
    text: Annotated[
        dict[str, Annotated[str, StringConstraints(min_length=1, max_length=100_000)]],
        Field(min_length=1, max_length=_MOST_TEXTS),
        BeforeValidator(_with_canonical_keys),
    ]
    """The text by locale or language; a locale that is not there takes its language's text."""


class ConfigMapRef(Resource):
    """A key of a ConfigMap in the job's namespace."""

    name: ObjectName
    """Name of the ConfigMap."""
    key: ObjectKey = "posts.jsonl"
    """Key whose value is the posts: JSON, or a table."""


class Posts(Resource):
    """Where the posts are: exactly one of a file, the resource itself or a ConfigMap."""

    rules = (
        exactly_one("posts", uri="uri", inline="inline", config_map_ref="configMapRef"),
        inside_claim(optional=True),
    )

    uri: StorageUri | None = None
    """A file of records, or a folder of texts: pvc://claim/path, s3://, gs:// or file://."""
    inline: Annotated[list[Post], Field(min_length=1, max_length=500), Unique(("id",))] | None = None
    """The posts themselves; for a small job."""
    config_map_ref: ConfigMapRef | None = None
    """A ConfigMap that holds the posts."""
    strict: bool = False
    """Whether a field of a record that a post does not have is a fault; otherwise it is kept aside."""


class Avatars(Resource):
    """Which avatars speak: each gender of each locale; what is left out means all that the service offers."""

    locales: Annotated[list[Locale], Field(max_length=_MOST_LOCALES), Unique()] = []
    """Locales to speak; default: all that the service offers."""
    genders: Annotated[list[Gender], Field(max_length=2), Unique()] = []
    """Genders to speak with; default: both."""
    voices: Annotated[list[VoiceId], Field(max_length=_MOST_VOICES), Unique()] = []
    """Cloned voices, by their ids; alone, unless locales or genders are named too."""


class Output(Resource):
    """Where the audio goes, and what its files are called."""

    rules = (
        Rule(
            "nameTemplate may hold letters, digits, '-', '_', '.', and {post} or {post:02d}, {gender}, "
            "{locale}, {voice}",
            cel=f"self.nameTemplate.matches('^{_TEMPLATE}$')",
            holds=lambda output: re.fullmatch(_TEMPLATE, output.name_template) is not None,
        ),
        Rule(
            "nameTemplate must not begin with a dot: such files are hidden",
            cel="!self.nameTemplate.startsWith('.')",
            holds=lambda output: not output.name_template.startswith("."),
        ),
        Rule(
            "nameTemplate needs {post}, and {locale} or {voice}, so that no two files have one name",
            cel=f"self.nameTemplate.matches('{_NUMBERED}') && "
            "(self.nameTemplate.contains('{locale}') || self.nameTemplate.contains('{voice}'))",
            holds=lambda output: (
                re.search(_NUMBERED, output.name_template) is not None
                and ("{locale}" in output.name_template or "{voice}" in output.name_template)
            ),
        ),
        inside_claim(),
    )

    uri: StorageUri
    """Folder of the audio: pvc://claim/path, s3://, gs:// or file://."""
    format: AudioFormat = "mp3"
    """Format of the audio, and extension of its files."""
    name_template: Annotated[str, StringConstraints(min_length=1, max_length=128)] = (
        "post_{post:02d}_{gender}_{locale}"
    )
    """Name of a file, without extension, from {post} (with zeros: {post:02d}), {gender}, {locale} and
    {voice}: the avatar, or the id of a cloned voice."""


class Reading(Resource):
    """How the posts' texts are read and how loud they are spoken: docs/reading.md."""

    input_format: Literal["text", "markdown", "ssml"] = "text"
    """What markup the texts have."""
    urls: Literal["say", "domain", "skip"] = "say"
    """What is said of a bare web address: all of it, its domain, or nothing."""
    normalize: bool = True
    """Whether markup, numbers and signs are read at all; false speaks the texts as they are."""
    volume: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] = 1.0
    """Factor of the loudness: 1 is -16 LUFS, 0 silence; peaks are limited."""


class Ephemeral(Resource):
    """A Ray cluster for this job alone, made when it starts and removed when it ends."""

    copy_of: Name = "playground"
    """Service whose models and Playground the cluster copies."""
    replicas: Annotated[int, Field(ge=1, le=1000)] = 1
    """Copies of each model."""


class TTSJobSpec(Resource):
    """Which posts are spoken by which avatars, and where the audio goes."""

    rules = (
        Rule(
            "a job runs on a `service` or on a cluster of its own, `ephemeral`: give one, not both",
            cel="!(has(self.service) && has(self.ephemeral))",
            holds=lambda spec: spec.service is None or spec.ephemeral is None,
        ),
        Rule(
            "nameTemplate needs {gender} unless avatars.genders names one gender, so that no two files have "
            "one name",
            cel="self.output.nameTemplate.contains('{gender}') || "
            "self.output.nameTemplate.contains('{voice}') || "
            "(has(self.avatars) && has(self.avatars.genders) && self.avatars.genders.size() == 1)",
            holds=lambda spec: (
                "{gender}" in spec.output.name_template
                or "{voice}" in spec.output.name_template
                or len(spec.avatars.genders) == 1
            ),
        ),
        Rule(
            "nameTemplate needs {voice} where avatars.voices names cloned voices, so that no two files have "
            "one name",
            cel="!has(self.avatars) || !has(self.avatars.voices) || self.avatars.voices.size() == 0 || "
            "self.output.nameTemplate.contains('{voice}')",
            holds=lambda spec: not spec.avatars.voices or "{voice}" in spec.output.name_template,
        ),
        Rule(
            "avatars.voices are kept by a service: a cluster of the job's own, `ephemeral`, has none",
            cel="!has(self.ephemeral) || !has(self.avatars) || !has(self.avatars.voices) || "
            "self.avatars.voices.size() == 0",
            holds=lambda spec: spec.ephemeral is None or not spec.avatars.voices,
        ),
        *(
            immutable(field, _WHY_NOT)
            for field in ("service", "ephemeral", "posts", "avatars", "output", "parameters", "reading")
        ),
    )

    service: Name | None = None
    """Service that speaks; without it and without `ephemeral`: playground."""
    ephemeral: Ephemeral | None = None
    """A Ray cluster for this job alone, instead of a service."""
    posts: Posts
    """The posts to speak."""
    avatars: Avatars = Avatars()
    """The avatars that speak each post; default: all that the service offers."""
    on_missing_text: Literal["fail", "skip"] = "fail"
    """Where a post has no text for a wanted locale: the job fails before it begins, or skips that file."""
    output: Output
    """Where the audio goes."""
    parameters: dict[str, JsonValue] | None = None
    """Settings of the engines for every voice, in place of the voices' own of the same names."""
    reading: Reading = Reading()
    """How the texts are read; default: as plain text."""
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    """How often an item that failed is tried again."""
    parallelism: Annotated[int, Field(ge=1, le=1024)] = 8
    """Items that are spoken at a time."""
    suspend: bool = False
    """Whether the job is paused; it first finishes the items in progress, and continues there later."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """Seconds after which the ended job is deleted; without it, it stays. The audio stays in any case."""
    active_deadline_seconds: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """Seconds after which a running job is stopped and marked as failed."""

    @property
    def service_name(self) -> str | None:
        """The service that speaks, or None for a cluster of its own."""
        return self.service or (None if self.ephemeral else DEFAULT_SERVICE)


class TTSJob(CustomResource):
    """A batch that speaks posts with several avatars and writes audio files."""

    plural = "ttsjobs"
    short_name = "ttsj"
    columns = (
        Column("Phase", ".status.phase"),
        Column("Done/Total", ".status.progress.summary"),
        Column("Failed", ".status.progress.failed", "integer"),
        Column("Age", ".metadata.creationTimestamp", "date"),
        Column("Service", ".spec.service", wide=True),
        Column("Output", ".spec.output.uri", wide=True),
        Column("Completed", ".status.completionTime", "date", wide=True),
    )

    kind: Literal["TTSJob"] = "TTSJob"
    """Kind of the resource: TTSJob."""
    spec: TTSJobSpec
    """Which posts are spoken by which avatars, and where the audio goes."""
    status: TTSJobStatus | None = None
    """What the operator found of the job."""
