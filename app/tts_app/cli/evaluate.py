"""`ttsp models evaluate`: how well a model's voices speak, here or behind a running service."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from tts_app.catalogue import Catalogue, CatalogueVoice, UnknownVoiceError
from tts_app.cli.console import FAILED, WRONG_USAGE, VoiceFiles, err, fail, progress, reported
from tts_app.cli.models import fetch_files
from tts_app.manifests import ManifestError, load_voice_models
from tts_app.resources import License, Voice, VoiceModel

if TYPE_CHECKING:
    from tts_app.evaluate.listening import Work
    from tts_app.evaluate.patch import Evaluated
    from tts_app.evaluate.results import Result
    from tts_app.evaluate.similarity import Comparing
    from tts_app.evaluate.speaking import Speaks

_MOST_JOBS = 4
"""Sentences at a time: a service has other callers too."""


@dataclass(frozen=True, slots=True)
class _Subject:
    """A voice that is measured, and what a service calls it."""

    voice: CatalogueVoice
    name: str


def evaluate_model(
    model: Annotated[
        str, typer.Argument(help="A VoiceModel; with --url also any name that the service has for a model.")
    ],
    file: VoiceFiles = None,
    voices: Annotated[
        list[str] | None,
        typer.Option(
            help="Avatars to measure, such as female_en-US,male_es-ES; repeatable. Default: all of the "
            "model. With --url also NAME=AVATAR, for a voice that the service calls by another name."
        ),
    ] = None,
    sentences: Annotated[
        int | None,
        typer.Option(
            min=1, help="Only the first plain and stress sentences of each locale, for a first look."
        ),
    ] = None,
    url: Annotated[
        str, typer.Option(help="A running service of OpenAI's /v1/audio/speech, ours or another's.")
    ] = "",
    api_key_env: Annotated[
        str,
        typer.Option(help="Environment variable that holds the service's key. Default: no key is sent."),
    ] = "",
    reference: Annotated[
        Path | None,
        typer.Option(help="The clip that the voices imitate. Default: each voice's own `reference`."),
    ] = None,
) -> None:
    """Measure a model's voices: error rate, DNSMOS, pitch, loudness and, of cloned voices, similarity.

    Prints a table to standard error and, to standard output, the figures as YAML for the VoiceModel.
    """
    chosen = _model(model, file, bool(url))
    subjects = _subjects(model, chosen, voices, bool(url))
    with _extra(), reported():
        from tts_app.evaluate.patch import to_patch

        work = _work(subjects, sentences)
        speaker = _engine(chosen) if chosen and not url else _service(url, api_key_env, model, subjects)
        try:
            comparing = _comparing(speaker, subjects, reference)
            results = _results(work, comparing or speaker)
        finally:
            speaker.close()
        found = _judged(subjects, results, comparing)
        _show(found)
        typer.echo(to_patch(chosen.name if chosen else None, found), nl=False)


def _model(name: str, paths: Sequence[Path] | None, is_service: bool) -> VoiceModel | None:
    """Return the VoiceModel of that name. A service's model needs none, so no file is read unasked."""
    if is_service and not paths:
        return None
    try:
        models = load_voice_models(paths or ())
    except ManifestError as error:
        fail(str(error), WRONG_USAGE)
    for model in models:
        if model.name == name:
            return model
    fail(f"There is no VoiceModel {name!r}; there are: {', '.join(m.name for m in models)}.", WRONG_USAGE)


def _subjects(
    model: str, chosen: VoiceModel | None, wanted: Sequence[str] | None, is_service: bool
) -> list[_Subject]:
    """Return the voices that are named, or all of the model."""
    catalogue = Catalogue([chosen] if chosen else [])
    names = [name for entry in wanted or () for name in entry.split(",") if name]
    if not names and chosen is None:
        fail(
            f"Which voices of {model!r}? Give its VoiceModel with -f, or --voices NAME=AVATAR, "
            "such as --voices alloy=female_en-US.",
            WRONG_USAGE,
        )
    if not names:
        return [_Subject(voice, voice.id) for voice in catalogue]
    found: dict[str, _Subject] = {}
    for name in names:
        called, given, avatar = name.rpartition("=")
        if given and not is_service:
            fail(f"{name}: only a service (--url) has other names for voices.", WRONG_USAGE)
        voice = _known_voice(catalogue, avatar) if chosen else _unknown_voice(model, avatar)
        if voice.id in found:
            fail(f"--voices has {voice.id} twice. Measure one of the two at a time.", WRONG_USAGE)
        found[voice.id] = _Subject(voice, called or voice.id)
    return list(found.values())


def _known_voice(catalogue: Catalogue, avatar: str) -> CatalogueVoice:
    try:
        return catalogue.find(avatar)
    except UnknownVoiceError as error:
        fail(str(error), WRONG_USAGE)


def _unknown_voice(model: str, avatar: str) -> CatalogueVoice:
    """Return a voice of which nothing but the avatar is known."""
    from pydantic import ValidationError

    gender, _, locale = avatar.partition("_")
    try:
        voice = Voice.model_validate({"gender": gender, "locale": locale, "speaker": avatar})
    except ValidationError:
        fail(f"{avatar!r} is no avatar; one is like female_en-US.", WRONG_USAGE)
    return CatalogueVoice(model, "", voice, License(spdx="unknown", commercial_use=False))


@contextmanager
def _extra() -> Iterator[None]:
    """End the command with what to install where a package of the extra is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("tts_app"):
            raise
        fail(f"An evaluation needs the package {error.name}: pip install 'tts-playground[evaluate]'.", FAILED)


def _work(subjects: Sequence[_Subject], most: int | None) -> "list[Work]":
    from tts_app.evaluate.sentences import load_sentences

    try:
        return [
            (subject.voice, sentence)
            for subject in subjects
            for sentence in load_sentences(subject.voice.voice.locale, most)
        ]
    except LookupError as error:
        fail(f"{error.args[0]} Choose others with --voices, or add some: docs/languages.md.", WRONG_USAGE)


def _engine(model: VoiceModel) -> "Speaks":
    """Return what speaks in this process, its files fetched."""
    from tts_app.evaluate.speaking import Speaker

    fetch_files([model])
    return Speaker([model])


def _service(url: str, key_variable: str, model: str, subjects: Sequence[_Subject]) -> "Speaks":
    from tts_app.evaluate.service import ServiceError, ServiceSpeaker

    key = os.environ.get(key_variable) if key_variable else None
    if key_variable and not key:
        fail(f"--api-key-env: the environment has no {key_variable}, or an empty one.", WRONG_USAGE)
    names = {subject.voice.id: subject.name for subject in subjects}
    try:
        return ServiceSpeaker(url, key, model, names)
    except ServiceError as error:
        fail(str(error), WRONG_USAGE)


def _comparing(speaker: "Speaks", subjects: Sequence[_Subject], reference: Path | None) -> "Comparing | None":
    """Return the speaker with its utterances compared to clips; None: no voice has one, or none can be."""
    voices = [subject.voice for subject in subjects]
    if not reference and not any(voice.voice.reference for voice in voices):
        return None
    from tts_app.evaluate.similarity import (
        Comparing,
        SimilarityError,
        check_installed,
        read_clip,
        reference_clips,
    )

    try:
        check_installed()
        if reference:
            clips = dict.fromkeys((voice.id for voice in voices), read_clip(reference))
        else:
            clips = reference_clips(voices)
        return Comparing(speaker, clips)
    except SimilarityError as error:
        message = f"Similarity to the clip is not measured: {error}"
        err.print(message, markup=False, soft_wrap=True)
        return None


def _results(work: "Sequence[Work]", speaker: "Speaks") -> "list[Result]":
    """Have everything spoken and judged, with a line for each sentence."""
    from tts_app.evaluate.judge import RECOGNISER, Judge
    from tts_app.evaluate.listening import Listener, examine_all
    from tts_app.evaluate.service import ServiceError
    from tts_app.sources import fetch

    with progress() as show:
        judge = Judge(fetch(RECOGNISER, progress=show))
    jobs = min(_MOST_JOBS, len(os.sched_getaffinity(0)))
    results = []
    try:
        for result in examine_all(work, speaker, Listener(judge), jobs):
            results.append(result)
            said = f"{len(results)}/{len(work)} {result.avatar} {result.kind} {result.score.rate:.0%}"
            err.print(f"{said} {result.heard}", markup=False, soft_wrap=True)
    except ServiceError as error:
        fail(str(error), FAILED)
    return results


def _judged(
    subjects: Sequence[_Subject], results: "Sequence[Result]", comparing: "Comparing | None"
) -> "list[Evaluated]":
    """Return each voice's figures, and what they allow it to be called."""
    from tts_app.evaluate.patch import Evaluated
    from tts_app.evaluate.results import judge_voice, summarise
    from tts_app.evaluate.sentences import load_sentences

    approximations = {s.voice.id: s.voice.voice.approximation for s in subjects}
    similarities = comparing.similarities if comparing else {}
    found = []
    for summary in summarise(results):
        spoken = sum(result.avatar == summary.avatar for result in results)
        whole = spoken == len(load_sentences(summary.locale))
        verdict = judge_voice(summary, results, approximations[summary.avatar], whole)
        found.append(Evaluated(summary, verdict, similarities.get(summary.avatar)))
    return found


def _show(found: "Sequence[Evaluated]") -> None:
    """Print the table."""
    from tts_app.evaluate.results import metric_of

    table = Table(box=None, pad_edge=False)
    for column in ("VOICE", "QUALITY", "ERRORS", "PLAIN", "STRESS", "DNSMOS", "F0", "LUFS", "SIMILARITY"):
        table.add_column(column, no_wrap=True)
    for entry in found:
        summary = entry.summary
        table.add_row(
            summary.avatar,
            entry.verdict.quality,
            metric_of(summary.locale).upper(),
            _percent(summary.plain),
            _percent(summary.stress),
            f"{summary.dnsmos:.2f}",
            f"{summary.f0:.0f} Hz",
            f"{summary.quietest:.1f} to {summary.loudest:.1f}",
            "-" if entry.similarity is None else f"{entry.similarity:.2f}",
        )
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        console.width = 200
    console.print(table)


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.1%}"
