"""The plan of a batch: which avatars speak which texts into which files. All faults are found here."""

import hashlib
import json
import os
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import numpy as np
import regex
from pydantic import JsonValue

from tts_app import speech
from tts_app.audio.formats import FORMATS
from tts_app.batch.hashes import keyed, start_of
from tts_app.batch.kept_aside import KeptAside
from tts_app.batch.names import file_name, parse_label
from tts_app.batch.post_record import Fault, PostsError
from tts_app.batch.posts import read_posts
from tts_app.catalogue import Catalogue, CatalogueVoice, UnknownVoiceError, is_clone
from tts_app.language.markup import MarkupError, parse
from tts_app.resources import VoiceModel
from tts_app.resources.engines import ENGINES
from tts_app.resources.licensing import license_fault
from tts_app.resources.locales import characters_per_second
from tts_app.resources.tts_job import Post, Reading, TTSJobSpec

_SPOKEN = regex.compile(r"[\p{L}\p{N}]")
_BLOCK = 1 << 20


FindClone = Callable[[str], CatalogueVoice]
"""Returns the cloned voice of an id, or raises UnknownVoiceError. Blocking."""


def no_clones(voice_id: str) -> CatalogueVoice:
    """Raise UnknownVoiceError: cloned voices are the service's, and none is at hand."""
    raise UnknownVoiceError(
        f"The voice {voice_id!r} is kept by a service: render it by POST /v1/batches, or by a TTSJob on that "
        "service."
    )


class PlanError(Exception):
    """The batch cannot be run as requested; `faults` has everything that is wrong with it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Item:
    """One post to be spoken by one avatar."""

    number: int
    """Its place in the plan."""
    post: int
    voice: CatalogueVoice
    text: str
    file: str
    key: str
    """Keyed hash of everything that the audio depends on."""


@dataclass(slots=True)
class Plan:
    """Items in a fixed order: by post as they were read, then by avatar. Only ids and keys are in memory."""

    voices: Sequence[CatalogueVoice]
    template: str
    format: str
    _records: IO[bytes]
    """The posts as they were read: a line of JSON each, `[id, [text or null for each voice]]`."""
    _seeds: Sequence["hashlib._Hash"]
    secret: bytes = field(repr=False)
    """Of the keyed hashes: the output's."""
    posts: dict[int, int] = field(default_factory=dict)
    """Number of each post by its id."""
    keys: "array[int]" = field(default_factory=lambda: array("Q"))
    """Start of each item's key; 0 where there is no text to speak."""
    total: int = 0
    """Items that are to be spoken."""
    characters: int = 0
    """Of their texts."""
    seconds: float = 0.0
    """Estimate of their audio."""
    reading: Reading = field(default_factory=Reading)
    """How the texts are read."""
    aside: KeptAside = field(default_factory=KeptAside)
    """What the posts have beside their texts."""
    _avatars: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self._avatars = {voice.id: index for index, voice in enumerate(self.voices)}

    def __iter__(self) -> Iterator[Item]:
        """Yield the items in order."""
        extension = FORMATS[self.format].extension
        number = 0
        for line in self._lines():
            post, texts = json.loads(line)
            for voice, seed, text in zip(self.voices, self._seeds, texts, strict=True):
                if text is not None:
                    name = file_name(self.template, post, voice.label, extension)
                    yield Item(number, post, voice, text, name, self._key(seed, text))
                number += 1

    def _lines(self) -> Iterator[bytes]:
        """Yield the records; several iterators may run at a time."""
        self._records.flush()
        rest, place = b"", 0
        while block := os.pread(self._records.fileno(), _BLOCK, place):
            place += len(block)
            *lines, rest = (rest + block).split(b"\n")
            yield from lines

    def number(self, post: int, avatar: str, file: str | None = None) -> int | None:
        """Return the number of the item (whose file is `file`), or None if the plan has no such item."""
        row, column = self.posts.get(post), self._avatars.get(avatar)
        if row is None or column is None:
            return None
        if file is not None:
            extension = FORMATS[self.format].extension
            if file != file_name(self.template, post, self.voices[column].label, extension):
                return None
        number = row * len(self.voices) + column
        return number if self.keys[number] else None

    def shared_keys(self) -> set[int]:
        """Return the starts of the keys that several items share: texts that occur more than once."""
        keys, counts = np.unique(np.frombuffer(self.keys, dtype=np.uint64), return_counts=True)
        return {int(key) for key in keys[counts > 1] if key}

    def add(self, post: int, texts: Sequence[str | None]) -> None:
        """Add a post with the text that each avatar speaks."""
        self.posts[post] = len(self.posts)
        self._records.write(json.dumps([post, texts], ensure_ascii=False).encode() + b"\n")
        for voice, seed, text in zip(self.voices, self._seeds, texts, strict=True):
            self.keys.append(0 if text is None else start_of(self._key(seed, text)))
            if text is not None:
                self.total += 1
                self.characters += len(text)
                self.seconds += len(text) / characters_per_second(voice.voice.locale)

    def _key(self, seed: "hashlib._Hash", text: str) -> str:
        plain = seed.copy()
        plain.update(text.encode())
        return keyed(self.secret, plain.hexdigest())

    def use_secret(self, secret: bytes) -> None:
        """Compute the keys anew if the output has another secret than was known before."""
        if secret == self.secret:
            return
        self.secret = secret
        for item in self:
            self.keys[item.number] = start_of(item.key)

    def close(self) -> None:
        """Forget the posts."""
        self._records.close()
        self.aside.close()


def plan_batch(
    spec: TTSJobSpec,
    models: Sequence[VoiceModel],
    config_maps: Path,
    avatars: Sequence[str] = (),
    *,
    secret: bytes,
    find_clone: FindClone = no_clones,
    commercial: bool = False,
) -> Plan:
    """Return the plan of a TTSJob for the avatars that `models` offer, or for `avatars` alone.

    `avatars` are labels of voices. `secret` is that of the output's keyed hashes. `find_clone` finds the
    cloned voices that are named. `commercial`: whether the audio is used commercially.

    Raises:
        PlanError: something is wrong; all faults are listed, every post was looked at.
    """
    faults: list[Fault] = []
    chosen = _voices(spec, Catalogue(models), avatars, find_clone, faults)
    voices = [_with_parameters(voice, spec.parameters or {}, faults) for voice in chosen]
    used = {voice.model for voice in voices}
    forbidden = (license_fault(model, commercial=commercial) for model in models if model.name in used)
    faults += [Fault("license", sentence) for sentence in forbidden if sentence]
    seeds = [_seed(voice, spec.output.format, spec.reading, models) for voice in voices]
    records = _records()
    plan = Plan(
        voices, spec.output.name_template, spec.output.format, records, seeds, secret, reading=spec.reading
    )
    try:
        for post in read_posts(spec.posts, config_maps, plan.aside.add):
            if isinstance(post, Fault):
                faults.append(post)
            else:
                _add(plan, post, spec, faults)
        if not plan.posts and not faults:
            faults.append(Fault("posts", 'there are none; a record a line: {"id": 1, "text": {"en": "..."}}'))
        plan.aside.flush()
        records.flush()  # if the disk is full, that is a fault of the plan now, not of the output later
    except PostsError as error:
        faults.append(Fault("posts", str(error)))
    except OSError as error:
        faults.append(_unwritable(error))
    if faults:
        plan.close()
        raise PlanError(faults)
    return plan


def _records() -> IO[bytes]:
    """Return an empty file without a name: it need not be removed."""
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise PlanError([_unwritable(error)]) from error


def _unwritable(error: OSError) -> Fault:
    return Fault("plan", f"{tempfile.gettempdir()} cannot be written: {error.strerror}")


def text_for(texts: Mapping[str, str], locale: str) -> str | None:
    """Return the text of a post that is spoken in a locale: the locale's own, its language's, or None.

    For `zh-Hant-TW` that is the text in `zh-Hant-TW`, else in `zh-Hant`, else in `zh`.
    """
    while locale and not texts.get(locale):
        locale = locale.rpartition("-")[0]
    return texts.get(locale)


def _voices(
    spec: TTSJobSpec,
    catalogue: Catalogue,
    labels: Sequence[str],
    find_clone: FindClone,
    faults: list[Fault],
) -> list[CatalogueVoice]:
    """Return the voices of `labels`, or if there are none, those that the spec asks for, sorted.

    A spec that names cloned voices asks for these alone, unless it names locales or genders too.
    """
    asked = spec.avatars
    ids = [parse_label(label).voice for label in labels]
    wanted = [voice for voice in ids if is_clone(voice)] if labels else asked.voices
    cloned = _cloned(wanted, find_clone, faults)
    avatars = [voice for voice in ids if not is_clone(voice)]
    if (labels and not avatars) or (asked.voices and not asked.locales and not asked.genders and not labels):
        return _sorted(cloned)
    genders = asked.genders or ("female", "male")
    named = avatars or [f"{gender}_{locale}" for locale in asked.locales for gender in genders]
    offered = {voice.id for voice in catalogue}
    for avatar in named:
        if avatar not in offered:
            names = ", ".join(sorted(offered)) or "none"
            faults.append(Fault("avatars", f"no model offers {avatar}; offered: {names}"))
    found = [v for v in catalogue if (v.id in named if named else v.voice.gender in genders)]
    if not found and not faults:
        faults.append(Fault("avatars", "no model offers an avatar"))
    return _sorted([*found, *cloned])


def _with_parameters(
    voice: CatalogueVoice, parameters: Mapping[str, JsonValue], faults: list[Fault]
) -> CatalogueVoice:
    """Return the voice with these parameters of its engine on top of its own."""
    own = {**voice.voice.parameters, **parameters}
    faults += [
        Fault("parameters", f"{voice.id}: {fault}") for fault in ENGINES[voice.engine].voice_faults(own)
    ]
    return replace(voice, voice=voice.voice.model_copy(update={"parameters": own}))


def _cloned(ids: Iterable[str], find_clone: FindClone, faults: list[Fault]) -> list[CatalogueVoice]:
    found = []
    for voice_id in ids:
        try:
            found.append(find_clone(voice_id))
        except UnknownVoiceError as error:
            faults.append(Fault("avatars.voices", str(error.args[0])))
    return found


def _sorted(voices: Iterable[CatalogueVoice]) -> list[CatalogueVoice]:
    """Return voices in the order of a plan: by locale, gender and id; the model's own before cloned ones."""
    return sorted(voices, key=lambda voice: (voice.voice.locale, voice.voice.gender, voice.clone))


def _add(plan: Plan, post: Post, spec: TTSJobSpec, faults: list[Fault]) -> None:
    where = f"post {post.id}"
    if post.id in plan.posts:
        faults.append(Fault(where, "its id is given twice"))
        return
    empty = [key for key, text in post.text.items() if not _SPOKEN.search(text)]
    faults += [
        Fault(where, f"its text in {key} has nothing to speak: give at least one word or number")
        for key in empty
    ]
    faults += [
        Fault(where, f"its text in {key}: {fault}")
        for key, text in post.text.items()
        if (fault := _markup_fault(text, spec.reading))
    ]
    texts = [text_for(post.text, voice.voice.locale) for voice in plan.voices]
    lacking = sorted({v.voice.locale for v, text in zip(plan.voices, texts, strict=True) if text is None})
    if lacking and spec.on_missing_text == "fail":
        has = ", ".join(post.text)
        faults.append(
            Fault(
                where, f"it has no text for {', '.join(lacking)} (it has {has}); or set onMissingText: skip"
            )
        )
    plan.add(post.id, texts)


def _markup_fault(text: str, reading: Reading) -> str:
    """Return what is wrong with the markup of a text, or an empty string."""
    if not reading.normalize or reading.input_format != "ssml":
        return ""
    try:
        parse(text, reading.input_format)
    except MarkupError as error:
        return str(error)
    return ""


def _seed(
    voice: CatalogueVoice,
    format: str,  # noqa: A002
    reading: Reading,
    models: Iterable[VoiceModel],
) -> "hashlib._Hash":
    """Return the hash of everything except the text that a voice's audio depends on."""
    spec = next(model.spec for model in models if model.name == voice.model)
    spoken = voice.voice.model_dump(mode="json", include=_OF_VOICE)
    served = spec.model_dump(mode="json", include=_OF_MODEL)
    what = [speech.VERSION, voice.id, spoken, served, format, *([voice.clip] if voice.clone else [])]
    if reading != Reading():
        what.append(reading.model_dump(mode="json"))
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode() + b"\n")


_OF_VOICE = {"speaker", "reference", "description", "gain", "parameters"}
_OF_MODEL = {"engine", "source", "quantization", "parameters"}
