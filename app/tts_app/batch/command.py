"""A batch as the command line asks for it: a TTSJob, what the options change in it, and how it is run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tts_app.batch.options import Options
from tts_app.resources import TTSJob, VoiceModel
from tts_app.resources.locales import Gender, resolve_locale
from tts_app.storage.output import LEASE_SECONDS


class BatchError(Exception):
    """The batch is not valid; the message says everything that is wrong with it."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Values of the command line that replace the job's own. An empty one replaces nothing."""

    posts: str = ""
    """File or address."""
    output: str = ""
    """Folder or address."""
    locales: Sequence[str] = ()
    """As typed: each may name several, with commas between them."""
    genders: Sequence[str] = ()
    """As typed, like the locales."""
    on_missing_text: str = ""
    strict: bool = False
    """Whether a field that a post does not have is a fault."""


@dataclass(frozen=True, slots=True)
class Command:
    """A batch, and how it is run."""

    job: TTSJob
    models: Sequence[VoiceModel]
    config_maps: Path
    node_resource: Mapping[str, str] = field(default_factory=dict)
    speaker: str = "engine"
    uid: str = ""
    retry_failed: bool = False
    resume: bool = False
    """Whether an earlier run could write its output: if the output is away now, wait for it."""
    archive: bool = False
    utilisation: float = 0.8
    lease_seconds: float = LEASE_SECONDS
    """How long a lost driver still holds an output in an object store."""

    def _locale(self, given: str) -> str:
        """Return the locale that is meant: a usual one, or else one that the models offer."""
        offered = {voice.locale for model in self.models for voice in model.spec.voices}
        return resolve_locale(given, offered=offered)

    def changed(self, changes: "Changes") -> "Command":
        """Return the command with the changes to its job.

        Raises:
            BatchError: the changed job is not valid; the message names the option and what it allows.
        """
        spec = self.job.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
        if changes.posts:
            spec["posts"] = {"uri": _address(changes.posts)}
        if changes.strict:
            spec["posts"] = {**spec["posts"], "strict": True}
        if changes.output:
            spec["output"] = {**spec["output"], "uri": _address(changes.output)}
        if changes.locales:
            spec["avatars"] = {
                **spec["avatars"],
                "locales": _parts(changes.locales, "--locales", self._locale),
            }
        if changes.genders:
            spec["avatars"] = {**spec["avatars"], "genders": _parts(changes.genders, "--genders", _gender)}
        if changes.on_missing_text:
            spec["onMissingText"] = changes.on_missing_text
        try:
            made = type(self.job.spec).model_validate(spec)
        except ValidationError as error:
            raise BatchError(_refused(error.errors()[0])) from error
        return replace(self, job=self.job.model_copy(update={"spec": made}))

    @property
    def options(self) -> Options:
        """How the driver is to run it."""
        spec, name = self.job.spec, self.job.metadata.name
        return Options(
            job=name,
            uid=self.uid,
            speaker=self.speaker,
            node_resource=self.node_resource,
            retries=spec.retries,
            parallelism=spec.parallelism,
            utilisation=self.utilisation,
            retry_failed=self.retry_failed,
        )


def _refused(error: ErrorDetails) -> str:
    """Return why a changed job is not valid: by its rules, or an address; all else was checked before."""
    message = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return f"{message}."
    option = error["loc"][0]
    return f"--{option}: {error['input']!r}: {message}. It is a path, or an address of file, pvc, s3 or gs."


def _parts(given: Sequence[str], option: str, read: Callable[[str], str]) -> list[str]:
    """Return the values of an option, each once. Raises BatchError."""
    try:
        return list(dict.fromkeys(read(part) for entry in given for part in entry.split(",")))
    except ValueError as error:
        raise BatchError(f"{option}: {error.args[0]}") from error


def _gender(given: str) -> str:
    gender = given.strip().lower()
    if gender not in get_args(Gender):
        raise ValueError(f"Unknown gender {given!r}. Allowed: {', '.join(get_args(Gender))}.")
    return gender


def _address(given: str) -> str:
    return given if "://" in given else Path(given).expanduser().absolute().as_uri()
