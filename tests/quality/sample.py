"""Writes measured figures back into the YAML of VoiceModels, comments and layout kept."""

from collections.abc import Sequence
from io import StringIO

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from tts_app.evaluate.patch import Evaluated, figures
from tts_app.evaluate.results import Result, judge_voice, summarise


def update_sample(text: str, results: Sequence[Result], whole: bool = True) -> str:
    """Return the YAML `text` with `quality`, `gain` and `measured` of each voice measured.

    `whole` says that each spoke every sentence of its locale.
    """
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
                verdict = judge_voice(summary, results, voice.get("approximation"), whole)
                voice.update(_in_flow(figures(Evaluated(summary, verdict))))
    out = StringIO()
    yaml.dump_all(documents, out)
    return out.getvalue()


def _in_flow(fields: dict[str, object]) -> dict[str, object]:
    """Return the fields with each mapping on one line, as in the sample."""
    found = dict(fields)
    for name, value in fields.items():
        if isinstance(value, dict):
            found[name] = CommentedMap(value)
            found[name].fa.set_flow_style()
    return found
