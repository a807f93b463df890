"""Writes measured figures back into the YAML of VoiceModels, comments and layout kept."""

from collections.abc import Sequence
from io import StringIO

from results import Result, Summary, is_production, metric_of, summarise
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap


def update_sample(text: str, results: Sequence[Result]) -> str:
    """Return the YAML `text` with `quality`, `gain` and `measured` of each voice measured whole."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 100_000
    # Sequences under a key are indented, as in the sample.
    yaml.indent(mapping=2, sequence=4, offset=2)
    documents = list(yaml.load_all(text))
    summaries = {s.avatar: s for s in summarise(results) if s.plain is not None and s.stress is not None}
    for document in documents:
        for voice in document["spec"]["voices"]:
            summary = summaries.get(f"{voice['gender']}_{voice['locale']}")
            if summary:
                _update(voice, summary, results)
    out = StringIO()
    yaml.dump_all(documents, out)
    return out.getvalue()


def _update(voice: CommentedMap, summary: Summary, results: Sequence[Result]) -> None:
    production = is_production(summary, results, voice.get("approximation"))
    voice["quality"] = "production" if production else "preview"
    voice["gain"] = round(summary.gain, 1)
    measured = CommentedMap(
        metric=metric_of(summary.locale),
        plain=round(summary.plain or 0.0, 3),
        stress=round(summary.stress or 0.0, 3),
        dnsmos=round(summary.dnsmos, 2),
        f0=round(summary.f0),
    )
    measured.fa.set_flow_style()
    voice["measured"] = measured
