"""Markup in the pipeline: pauses, tempo and volume as they sound, pronunciations, words of other scripts."""

from collections.abc import AsyncIterator

import numpy as np
import pytest

from tts_app.audio.samples import Audio
from tts_app.catalogue import Catalogue, CatalogueVoice
from tts_app.engines.base import Capabilities, Segment
from tts_app.manifests import load_voice_models
from tts_app.speech import SpeechOptions, TextError, Utterance, plan, speak, warnings_of

RATE = 24_000
CAPABILITIES = Capabilities(sample_rate=RATE, takes="phonemes", max_input=510, speeds=(0.5, 2.0))
TEXT_CAPABILITIES = Capabilities(sample_rate=RATE, takes="text", max_input=510, speeds=(0.5, 2.0))


@pytest.fixture(scope="module")
def voice() -> CatalogueVoice:
    return Catalogue(load_voice_models()).find("female_en-US")


async def hum(segment: Segment) -> Audio:
    """Hum for 50 ms a word."""
    words = len(segment.text.split()) / segment.speed
    t = np.arange(int(RATE * 0.05 * max(words, 2))) / RATE
    return (0.3 * np.sin(2 * np.pi * 160 * t) * np.hanning(len(t)) ** 0.2).astype(np.float32)


async def sound(text: str, voice: CatalogueVoice, **options: object) -> Audio:
    """Return the samples of a text that the simulated engine hums."""
    utterance = Utterance(text, voice, SpeechOptions(format="pcm", **options))  # type: ignore[arg-type]
    chunks = [c async for c in speak(utterance, CAPABILITIES, hum)]
    return np.frombuffer(b"".join(c.data for c in chunks), np.int16).astype(np.float32) / 32768


def silences(audio: Audio) -> list[float]:
    """Return the seconds of each silence of 200 ms or more."""
    loud = np.flatnonzero(np.abs(audio) > 0.005)
    gaps = np.diff(np.concatenate([[0], loud, [len(audio)]]))
    return [round(float(gap) / RATE, 2) for gap in gaps if gap > 0.2 * RATE]


def level(audio: Audio) -> float:
    """Return the level of the loud part, in dB."""
    loud = audio[np.abs(audio) > 0.001]
    return float(20 * np.log10(np.sqrt(np.mean(loud**2))))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Come in [pause 700ms] and sit down", [0.7]),
        ("Come in. [pause 700ms] And sit down", [0.7]),
        ("Come in [pause 1s] [pause 1s] and sit down", [2.0]),
        ("[pause 1s] Come in and sit down", [1.0]),
        ("Come in and sit down [pause 1s]", [1.0]),
        ("Come in." + "[pause 10s]" * 60 + "And sit down", [10.0]),
        ("Come in. [pause 0ms] And sit down", []),
    ],
)
@pytest.mark.parametrize("speed", [1.0, 4.0])
async def test_pauses_last_what_was_asked(
    voice: CatalogueVoice, text: str, seconds: list[float], speed: float
) -> None:
    assert silences(await sound(text, voice, speed=speed)) == pytest.approx(seconds, abs=0.12)


async def test_no_break_is_no_pause(voice: CatalogueVoice) -> None:
    text = "<speak>Come in. <break strength='none'/> And sit down</speak>"
    assert silences(await sound(text, voice, input_format="ssml")) == []


async def test_pauses_of_a_text_in_pieces_are_bounded_together(voice: CatalogueVoice) -> None:
    async def texts() -> AsyncIterator[str]:
        for _ in range(70):
            yield "Come in [pause 10s]"

    utterance = Utterance("", voice, SpeechOptions(format="pcm"))
    seconds = 0.0
    async for chunk in speak(utterance, CAPABILITIES, hum, texts()):
        seconds += chunk.seconds
    assert 600 < seconds < 640


@pytest.mark.parametrize(("volume", "decibels"), [(0.5, -6.0), (0.25, -12.0), (1.0, 0.0)])
async def test_volume_is_a_factor(voice: CatalogueVoice, volume: float, decibels: float) -> None:
    text = "Come in and sit down for a while, dear guests of ours"
    plain = await sound(text, voice)
    assert level(await sound(text, voice, volume=volume)) - level(plain) == pytest.approx(decibels, abs=0.3)


async def test_no_volume_is_silence(voice: CatalogueVoice) -> None:
    audio = await sound("Come in and sit down", voice, volume=0.0)
    assert len(audio) > RATE / 10
    assert np.abs(audio).max() < 1e-4


async def test_a_part_of_a_text_is_quieter(voice: CatalogueVoice) -> None:
    quiet = "<prosody volume='-12dB'>Nobody hears this one.</prosody>"
    text = f"<speak>Come in and sit down, all of you.{quiet}</speak>"
    audio = await sound(text, voice, input_format="ssml")
    ends = np.flatnonzero(np.abs(audio) > 0.001)
    second = audio[len(audio) * 3 // 4 : ends[-1]]
    first = audio[: len(audio) // 3]
    assert level(first) - level(second) == pytest.approx(12, abs=2)


async def test_a_part_of_a_text_is_slower(voice: CatalogueVoice) -> None:
    text = "<speak>Come in. <prosody rate='50%'>Sit down now, all of you.</prosody></speak>"
    segments = list(plan(Utterance(text, voice, SpeechOptions(input_format="ssml")), CAPABILITIES))
    assert [segment.speed for segment in segments] == [1.0, 0.5]
    slowest = SpeechOptions(input_format="ssml", speed=0.5)
    assert [s.speed for s in plan(Utterance(text, voice, slowest), CAPABILITIES)] == [0.5, 0.5]


def spoken(text: str, voice: CatalogueVoice, capabilities: Capabilities, **options: object) -> list[Segment]:
    return list(plan(Utterance(text, voice, SpeechOptions(**options)), capabilities))  # type: ignore[arg-type]


def test_given_phonemes_are_spoken_in_the_sentence(voice: CatalogueVoice) -> None:
    (segment,) = spoken("Ask [Nguyen](/ŋwˈin/), please.", voice, CAPABILITIES)
    assert segment.text == "Ask Nguyen, please."
    assert "ŋwˈin," in segment.phonemes
    assert segment.parts == ()
    (segment,) = spoken("Ask [Nguyen](/ŋwˈin/), please.", voice, TEXT_CAPABILITIES)
    assert (segment.text, segment.phonemes) == ("Ask Nguyen, please.", "")


def test_words_of_another_script_are_spoken_in_their_language(voice: CatalogueVoice) -> None:
    (segment,) = spoken("Say مرحبا to us", voice, CAPABILITIES)
    assert [part.locale for part in segment.parts] == ["en-US", "ar-SA", "en-US"]
    assert " ".join(part.phonemes for part in segment.parts) == segment.phonemes
    assert "ħ" in segment.phonemes
    (segment,) = spoken("Say مرحبا to us", voice, TEXT_CAPABILITIES)
    assert segment.text == "Say marahab to us"


def test_a_marked_span_is_spoken_in_its_language(voice: CatalogueVoice) -> None:
    text = "<speak>He says <lang xml:lang='es'>hay 3 mesas</lang></speak>"
    (segment,) = spoken(text, voice, CAPABILITIES, input_format="ssml")
    assert segment.text == "He says hay tres mesas"
    assert [part.locale for part in segment.parts] == ["en-US", "es-ES"]


def test_what_is_said_as_is(voice: CatalogueVoice) -> None:
    text = (
        "<speak><say-as interpret-as='date' format='dmy'>3/4/2026</say-as>. "
        "<say-as interpret-as='ordinal'>3</say-as> <say-as interpret-as='digits'>12</say-as></speak>"
    )
    said = " ".join(s.text for s in spoken(text, voice, CAPABILITIES, input_format="ssml"))
    assert said == "April third twenty twenty six. third one two"


def test_without_normalising_nothing_is_touched(voice: CatalogueVoice) -> None:
    text = "Take *two* [pause 1s] at 5 $x$"
    (segment,) = spoken(text, voice, TEXT_CAPABILITIES, normalize=False)
    assert segment.text == text
    assert warnings_of(Utterance(text, voice, SpeechOptions(normalize=False))) == []


def test_a_text_that_is_not_read_is_not_spoken_in_other_scripts(voice: CatalogueVoice) -> None:
    text = "Say مرحبا to us"
    assert warnings_of(Utterance(text, voice)) == ["other-script"]
    assert warnings_of(Utterance(text, voice, SpeechOptions(normalize=False))) == ["script-not-spoken"]


@pytest.mark.parametrize(
    ("document", "texts"),
    [
        ("<prosody rate='slow'>really</prosody>, really mean it", ["really,", "really mean it"]),
        ("Do you <prosody volume='loud'>mean it</prosody>? I do", ["Do you", "mean it?", "I do"]),
        (
            "It is <prosody rate='slow'><say-as interpret-as='digits'>12</say-as></prosody>; no more",
            ["It is", "one two;", "no more"],
        ),
        (
            "It costs <prosody rate='slow'>about</prosody>.5 litres",
            ["It costs", "about", "zero point five litres"],
        ),
        ("Stay <break time='1s'/>, please", ["Stay", "please"]),
    ],
)
def test_a_mark_stays_with_the_words_before_it(
    voice: CatalogueVoice, document: str, texts: list[str]
) -> None:
    segments = spoken(f"<speak>{document}</speak>", voice, CAPABILITIES, input_format="ssml")
    assert [segment.text for segment in segments] == texts
    assert [segment.phonemes[-1] for segment in segments if segment.text[-1] in ",;?"] == [
        text[-1] for text in texts if text[-1] in ",;?"
    ]


async def test_silent_volume_is_silence(voice: CatalogueVoice) -> None:
    hidden = (
        "<prosody volume='silent'>Nobody hears this <prosody volume='+6dB'>or this</prosody> one</prosody>"
    )
    with np.errstate(all="raise"):
        audio = await sound(f"<speak>{hidden}</speak>", voice, input_format="ssml")
    assert len(audio) > RATE / 10
    assert not audio.any()


def test_wrong_markup_is_an_error_of_the_text(voice: CatalogueVoice) -> None:
    with pytest.raises(TextError, match="line 1, column 1"):
        spoken("no document", voice, CAPABILITIES, input_format="ssml")


def test_markup_alone_is_nothing_to_speak(voice: CatalogueVoice) -> None:
    with pytest.raises(TextError, match="at least one word"):
        spoken("<think>a thought</think> [pause 1s]", voice, CAPABILITIES)
