"""Choose how Kokoro speaks Arabic: sounds, reading style, voices and speed, with a recogniser in the loop.

    python tests/quality/choose_arabic.py sounds --out build/arabic.jsonl     # about 4 minutes a candidate
    python tests/quality/choose_arabic.py voices --out build/arabic.jsonl
    python tests/quality/choose_arabic.py final --out build/arabic.jsonl      # the quality set; --kind fresh

Each candidate changes one thing of what the front-end does now (`now`) and speaks the tuning sentences below,
which are not in the quality set: choose on these, then report both. Two figures a sentence: the character
error rate of the transcript (`scoring`), and the surprise, in nats a character, of the recogniser at the text
that was to be said. The second is what to choose by: it moves with every sound, where a transcript jumps by
whole words, so that the difference of two candidates over the same sentences has a third of the noise.

Results are appended to `--out`, and what is there already is not spoken again: stop and resume at will.
Decisions and figures are in docs/decisions/0005-arabic.md.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tts_app.audio.samples import Audio
from tts_app.engines.base import Segment
from tts_app.engines.kokoro.alphabet import ARABIC, mapped
from tts_app.engines.kokoro.engine import KokoroEngine
from tts_app.evaluate.judge import HEAD_SIZE, HEADS, RATE, Judge, default_folder, log_mel, resample
from tts_app.evaluate.metrics import dnsmos_overall, median_f0
from tts_app.evaluate.scoring import character_error_rate
from tts_app.language.arabic.front_end import DIALECTS, ArabicFrontEnd
from tts_app.language.arabic.phonemes import Sounds

FEMALE = "hf_beta*0.5+ef_dora*0.5"
MALE = "hm_omega*0.5+em_alex*0.5"
SPEED = 0.85

TUNING = {
    "ar-SA": [
        "أهلا وسهلا بكم في فندقنا الجديد على شاطئ البحر.",
        "غرفنا واسعة ومريحة، وتطل جميعها على حديقة خضراء.",
        "استقبلوا العيد معنا واستفيدوا من خصومات خاصة على الأجنحة.",
        "يستطيع الضيوف تذوق القهوة العربية والتمر عند الوصول.",
        "متى كانت آخر مرة حصلت فيها على عطلة حقيقية؟",
        "يوفر النادي الصحي حماما بخاريا وجلسات تدليك للاسترخاء.",
        "يقع الفندق بالقرب من المسجد الحرام ويسهل الوصول إليه سيرا.",
        "تذكروا أن تسجلوا الدخول قبل الظهر لتجنب الانتظار.",
    ],
    "ar-EG": [
        "صباح الفل يا جماعة، النهارده عندنا عرض جامد على كل الأوض.",
        "هات عيلتك وتعالى، المكان هنا أمان وهادي وقريب من كل حاجة.",
        "عايزين تتعشوا حاجة مصري أصلي؟ جربوا الملوخية والكشري بتاعنا.",
        "البحر قدامك على طول، ومش هتحتاج تركب مواصلات.",
        "الناس اللي جم عندنا قالوا إن الخدمة كويسة قوي والأسعار معقولة.",
        "كلمنا في أي وقت وإحنا هنظبطلك كل حاجة زي ما بتحب.",
        "بعد الضهر ممكن تاخد جولة بالمركب وتتفرج على الغروب.",
        "متنساش تجيب معاك المايوه عشان حمام السباحة يجنن.",
    ],
    "ar-AE": [
        "مرحبا الساع، شحالكم؟ اليوم عندنا عرض حق العوايل.",
        "الفندق قريب من السوق ومن البحر، وكل شي حواليكم.",
        "إذا ييتوا عندنا ما بتبون تردون البيت.",
        "المطعم مالنا يسوي أحلى مجبوس وهريس في البلاد.",
        "وين بتسيرون في الإجازة؟ تعالوا عندنا ولا تحاتون شي.",
        "الشباب في الاستقبال يساعدونكم في أي شي تبونه.",
        "باجر الصبح بنسير رحلة في البر، منو بيي ويانا؟",
        "عقب الغدا اشربوا كرك على السطح وشوفوا المنظر.",
    ],
}

FRESH = {
    "ar-SA": [
        "أطلق المنتجع برنامجا ترفيهيا متنوعا يناسب جميع أفراد الأسرة.",
        "هل جربتم الغوص بين الشعاب المرجانية مع مدربينا المحترفين؟",
        "تزينت حدائقنا بآلاف الزهور احتفالا بقدوم فصل الربيع.",
        "يتميز الفندق بتصميم عصري يجمع بين الفخامة والأصالة.",
        "سجلوا في برنامج الولاء واجمعوا النقاط مع كل إقامة.",
        "وصل عدد زوارنا هذا العام إلى رقم قياسي، فشكرا لثقتكم.",
    ],
    "ar-EG": [
        "نفسي أرجع تاني للمكان ده، الخدمة كانت فوق الوصف.",
        "متضيعش وقتك في الزحمة وانزل عندنا في وسط البلد.",
        "مراتك هتنبسط قوي من السبا والمساج اللي عندنا.",
        "كل اللي عليك تجيب شنطتك وسيب الباقي علينا.",
        "ولادنا بيسألوا كل يوم هنرجع الفندق إمتى؟",
        "الجرسون كان ذوق جدا وجابلنا الطلبات بسرعة.",
    ],
    "ar-AE": [
        "الله يحييكم، نورتوا الفندق بوجودكم اليوم.",
        "أم محمد تسوي خبز خمير محد يعرف يسويه مثلها.",
        "إذا عندك ضيوف من برع، لا تشيل هم وخلهم علينا.",
        "سرنا أمس نشوف الغروب من فوق وكان شي خيال.",
        "منو فيكم يحب يركب الدراجات الصبح على الكورنيش؟",
        "حجزت الغرفة من التلفون وما أخذ مني دقيقة.",
    ],
}
"""Written after the lexicons were closed: they may not be extended for these."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing changed. Without a voice, women and men take turns by sentence."""

    sounds: Callable[[Sounds], Sounds] = lambda sounds: sounds
    symbols: Mapping[str, str] = field(default_factory=dict)
    """IPA that Kokoro is given as other symbols than now."""
    voice: str | None = None
    speed: float = SPEED


def sent_as(**changes: str) -> Candidate:
    """Return the candidate that sends some sounds otherwise."""
    return Candidate(symbols=changes)


SOUNDS: Mapping[str, Candidate] = {
    "now": Candidate(),
    "elide wasla": Candidate(lambda sounds: replace(sounds, elide=True)),
    "x as χ": sent_as(x="χ"),
    "x as kh": sent_as(x="kh"),
    "q as q": sent_as(q="q"),
    "ɣ as ɡ": sent_as(ɣ="ɡ"),
    "d͡ʒ as ʒ": Candidate(symbols={"d͡ʒ": "ʒ"}),
    "r as ɾ": sent_as(r="ɾ"),
    "ʕ as ɐ": sent_as(ʕ="ɐ"),
    "ħ as χ": sent_as(ħ="χ"),
    "i u": sent_as(i="i", u="u"),
    "geminates once": Candidate(lambda sounds: replace(sounds, geminate="single")),
    "geminates long": Candidate(lambda sounds: replace(sounds, geminate="long")),
    "no accents": Candidate(lambda sounds: replace(sounds, accents=False)),
    "emphatic a as a": Candidate(lambda sounds: replace(sounds, back_a="a")),
}
BLENDS = (
    FEMALE,
    MALE,
    "if_sara",
    "em_santa",
    "if_sara*0.5+hf_beta*0.5",
    "hm_omega*0.5+em_santa*0.5",
    "if_sara*0.5+ef_dora*0.5",
    "pm_alex*0.5+em_alex*0.5",
)
VOICES: Mapping[str, Candidate] = {blend: Candidate(voice=blend) for blend in BLENDS}
SPEEDS: Mapping[str, Candidate] = {f"speed {s}": Candidate(speed=s) for s in (0.75, 0.8, 0.85, 0.9, 1.0)}
FINAL: Mapping[str, Candidate] = {"female": Candidate(voice=FEMALE), "male": Candidate(voice=MALE)}
STAGES = {"sounds": SOUNDS, "voices": VOICES, "speed": SPEEDS, "final": FINAL}


class Listener(Judge):
    """The quality suite's recogniser, that also tells how likely it holds a given text."""

    def surprise(self, audio: Audio, rate: int, text: str) -> float:
        """Return the negative log-likelihood of `text` given at most 30 s of `audio`, in nats a character."""
        features = log_mel(resample(audio, rate))[None]
        (hidden,) = self._encoder.run(["last_hidden_state"], {"input_features": features})
        prompt = [self._prompt_head, self._languages["<|ar|>"], self._transcribe, self._no_timestamps]
        target = [*self._tokenizer.encode(f" {text}", add_special_tokens=False).ids, self._end]
        empty = np.zeros((1, HEADS, 0, HEAD_SIZE), np.float32)
        (logits,) = self._decoder.run(
            ["logits"],
            {
                "input_ids": np.array([prompt + target[:-1]], np.int64),
                "encoder_hidden_states": hidden,
                "use_cache_branch": np.array([False]),
                **{name.replace("present", "past_key_values"): empty for name in self._present},
            },
        )
        scores = logits[0, len(prompt) - 1 :].astype(np.float64)
        scores -= scores.max(axis=-1, keepdims=True)
        log_p = scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))
        return -float(log_p[np.arange(len(target)), target].sum()) / len(text)


@dataclass(frozen=True, slots=True)
class Result:
    """One sentence, spoken and heard."""

    candidate: str
    sentence: str
    cer: float
    surprise: float
    dnsmos: float
    f0: float
    heard: str = field(default="")


class Loop:
    """The engine, the recogniser and the front-ends, loaded once."""

    def __init__(self) -> None:
        models = default_folder().parents[1]
        self.engine = KokoroEngine.load(models / "kokoro-82m" / "int8", "int8", {})
        self.judge = Listener(default_folder())

    def run(self, name: str, candidate: Candidate, locale: str, number: int, text: str) -> Result:
        """Speak `text` as the candidate would, and score it."""
        dialect = DIALECTS[locale]
        front_end = ArabicFrontEnd(locale, replace(dialect, sounds=candidate.sounds(dialect.sounds)))
        words = front_end.normalise(text)
        (phonemes,) = front_end.phonemise([words])
        voice = candidate.voice or (FEMALE, MALE)[number % 2]
        symbols = mapped(phonemes, {**ARABIC, **candidate.symbols})
        # Not `locale`, whose symbols the engine would map once more.
        segment = Segment(words, symbols, "und", voice, candidate.speed)
        (audio,) = self.engine.synthesise([segment])
        rate = self.engine.capabilities.sample_rate
        heard = self.judge.transcribe(audio, rate, "ar")
        return Result(
            name,
            f"{locale}/{number}",
            character_error_rate(text, heard, locale, front_end.normalise),
            self.judge.surprise(audio, rate, text if text.strip() else words),
            dnsmos_overall(resample(audio, rate), RATE),
            median_f0(audio, rate),
            heard,
        )


def sentences(stage: str, kind: str) -> Iterator[tuple[str, int, str]]:
    """Yield (locale, number, text): the tuning sentences, or for `final` the quality set's or FRESH."""
    for locale, tuning in TUNING.items():
        texts = FRESH[locale] if stage == "final" else tuning
        if stage == "final" and kind != "fresh":
            listed = json.loads((Path(__file__).parent / "sentences" / f"{locale}.json").read_text())
            texts = [entry["text"] for entry in listed[kind]]
        for number, text in enumerate(texts):
            yield locale, number, text


def report(results: list[Result], names: list[str]) -> str:
    """Return a table: means with standard errors, and paired differences to the first candidate."""
    by_name = {name: {r.sentence: r for r in results if r.candidate == name} for name in names}
    first = by_name[names[0]]
    lines = ["candidate                     n  CER           surprise      dCER            dsurprise"]
    for name in names:
        own = by_name[name]
        shared = [key for key in own if key in first]
        lines.append(
            f"{name:28} {len(own):3}  {_mean([r.cer for r in own.values()])}  "
            f"{_mean([r.surprise for r in own.values()])}  "
            f"{_mean([own[k].cer - first[k].cer for k in shared], '+')}  "
            f"{_mean([own[k].surprise - first[k].surprise for k in shared], '+')}"
        )
        for locale in TUNING:
            part = [r for key, r in own.items() if key.startswith(locale)]
            lines.append(
                f"    {locale}  CER {_mean([r.cer for r in part])}  "
                f"DNSMOS {_mean([r.dnsmos for r in part])}  F0 {statistics.median([r.f0 for r in part]):.0f}"
                if part
                else f"    {locale}  not yet"
            )
    return "\n".join(lines)


def _mean(values: list[float], sign: str = "") -> str:
    if not values:
        return "-"
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):{sign}.3f}±{error:.3f}"


def main(arguments: list[str] | None = None) -> int:
    """Run one stage and print its table."""
    parser = argparse.ArgumentParser(description="Choose how Kokoro speaks Arabic, by measurement.")
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--out", type=Path, required=True, help="results, one JSON object a line")
    parser.add_argument("--only", nargs="*", default=[], help="candidates to run; default: all of the stage")
    parser.add_argument("--every", type=int, default=1, help="take each n-th sentence, for a first look")
    parser.add_argument("--kind", choices=("plain", "stress", "fresh"), default="plain", help="of `final`")
    options = parser.parse_args(arguments)
    names = [name for name in STAGES[options.stage] if not options.only or name in options.only]
    known = options.out.read_text().splitlines() if options.out.exists() else []
    results = [Result(**json.loads(line)) for line in known]
    done = {(r.candidate, r.sentence) for r in results}
    suffix = f" {options.kind}" if options.stage == "final" else ""
    loop = Loop()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("a") as out:
        for locale, number, text in sentences(options.stage, options.kind):
            for name in names:
                key = (name + suffix, f"{locale}/{number}")
                if number % options.every or key in done:
                    continue
                result = loop.run(name + suffix, STAGES[options.stage][name], locale, number, text)
                results.append(result)
                fields = {name: getattr(result, name) for name in Result.__slots__}
                out.write(json.dumps(fields, ensure_ascii=False) + "\n")
                out.flush()
    print(report(results, [name + suffix for name in names]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
