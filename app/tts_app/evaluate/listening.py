"""Has every sentence spoken, listened to and scored."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from tts_app.audio.samples import SILENCE
from tts_app.catalogue import CatalogueVoice
from tts_app.evaluate import judge, metrics
from tts_app.evaluate.results import Result, metric_of
from tts_app.evaluate.scoring import score_characters, score_words
from tts_app.evaluate.sentences import Sentence
from tts_app.evaluate.speaking import Speaks, Spoken
from tts_app.language import front_end

Work = tuple[CatalogueVoice, Sentence]


@dataclass(frozen=True, slots=True)
class Heard:
    """What the judges say of one audio file: all that is worth keeping."""

    text: str
    measures: metrics.Measures
    raw_loudness: float | None
    """LUFS of what the engine gave; None where that is not known."""


class Listener:
    """The judges, and a cache of what they said, by the audio and by the judges' own code."""

    def __init__(self, recogniser: judge.Judge, folder: Path | None = None) -> None:
        """`folder` is the cache's; None: nothing is kept."""
        self._judge = recogniser
        self._folder = folder
        sources = (Path(module.__file__ or "") for module in (judge, metrics))
        self._salt = b"".join(hashlib.sha256(source.read_bytes()).digest() for source in sources)

    def listen(self, spoken: Spoken, language: judge.Language) -> Heard:
        """Return the words and the figures of one utterance."""
        if self._folder is None:
            return self._listen(spoken, language)
        digest = hashlib.sha256(self._salt + language.encode())
        for audio in (spoken.file, spoken.lossless, SILENCE if spoken.raw is None else spoken.raw):
            digest.update(audio.tobytes())
        path = self._folder / f"{digest.hexdigest()}.json"
        if path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            return Heard(kept["text"], metrics.Measures(**kept["measures"]), kept["raw_loudness"])
        heard = self._listen(spoken, language)
        self._folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(asdict(heard), ensure_ascii=False), encoding="utf-8")
        part.replace(path)
        return heard

    def _listen(self, spoken: Spoken, language: judge.Language) -> Heard:
        return Heard(
            text=self._judge.transcribe(spoken.file, spoken.file_rate, language),
            measures=metrics.measure(
                spoken.file, spoken.file_rate, spoken.lossless, spoken.lossless_rate, spoken.raw
            ),
            raw_loudness=None if spoken.raw is None else metrics.loudness(spoken.raw, spoken.raw_rate),
        )


def examine(voice: CatalogueVoice, sentence: Sentence, speaker: Speaks, listener: Listener) -> Result:
    """Speak one sentence with one voice, listen to it and score it. Raises what `speaker` raises."""
    locale = sentence.locale
    language = cast(judge.Language, locale.split("-", maxsplit=1)[0])
    normalise = front_end(locale).normalise
    read_as = normalise(sentence.text)
    spoken = speaker.speak(voice, sentence.text)
    heard = listener.listen(spoken, language)
    # English and Spanish are folded without the app's help, so there the text itself can be the reference.
    own_form = sentence.text if metric_of(locale) == "wer" else read_as
    score = score_words if metric_of(locale) == "wer" else score_characters
    return Result(
        avatar=voice.id,
        locale=locale,
        gender=voice.voice.gender,
        kind=sentence.kind,
        text=sentence.text,
        read_as=read_as,
        heard=heard.text,
        score=score(sentence.spoken or (own_form,), heard.text, locale, normalise),
        measures=heard.measures,
        raw_loudness=heard.raw_loudness,
        segments=spoken.segments,
    )


def examine_all(work: Sequence[Work], speaker: Speaks, listener: Listener, jobs: int) -> Iterator[Result]:
    """Yield the results of `work`, in its order, `jobs` at a time. After an error no more is begun."""
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(examine, voice, sentence, speaker, listener) for voice, sentence in work]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()
