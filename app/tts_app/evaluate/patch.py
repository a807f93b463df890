"""What an evaluation found, as the YAML of a VoiceModel's voices. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from tts_app.evaluate.results import Summary, Verdict, metric_of
from tts_app.resources import API_VERSION


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One voice, measured and judged."""

    summary: Summary
    verdict: Verdict
    similarity: float | None = None
    """To the clip that it imitates, -1 to 1; None: not measured."""


def figures(found: Evaluated) -> dict[str, Any]:
    """Return the fields of a voice that were measured, under their names in YAML."""
    summary = found.summary
    fields: dict[str, Any] = {"quality": found.verdict.quality}
    if summary.gain is not None:
        fields["gain"] = round(summary.gain, 1)
    if summary.f0 > 0 and summary.plain is not None and summary.stress is not None:
        fields["measured"] = {
            "metric": metric_of(summary.locale),
            "plain": round(summary.plain, 3),
            "stress": round(summary.stress, 3),
            "dnsmos": round(summary.dnsmos, 2),
            "f0": round(summary.f0),
        }
        if found.similarity is not None:
            fields["measured"]["similarity"] = round(found.similarity, 2)
    return fields


def to_patch(model: str | None, found: Sequence[Evaluated]) -> str:
    """Return YAML that sets what was measured: of the VoiceModel `model`, or of no resource (None).

    The first can be applied to a cluster (server-side, which merges voices by gender and locale); of both,
    the fields can be pasted. Comments say why a voice is a preview.
    """
    voices = [_voice(entry) for entry in found]
    comments = [
        f"# {entry.summary.avatar} is a preview: {reason}\n"
        for entry in found
        for reason in entry.verdict.reasons
    ]
    if model is None:
        return "".join(comments) + _dump({"spec": {"voices": voices}})
    apply = (
        "# Apply it to a cluster, or copy the fields into the VoiceModel's file:\n"
        "# kubectl apply --server-side --field-manager=ttsp-evaluate --force-conflicts -f FILE\n"
    )
    document = {
        "apiVersion": API_VERSION,
        "kind": "VoiceModel",
        "metadata": {"name": model},
        "spec": {"voices": voices},
    }
    return apply + "".join(comments) + _dump(document)


def _voice(found: Evaluated) -> dict[str, Any]:
    return {"locale": found.summary.locale, "gender": found.summary.gender, **figures(found)}


def _dump(document: Mapping[str, Any]) -> str:
    # Lists and mappings without others inside are written on a line.
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, default_flow_style=None, width=200)
