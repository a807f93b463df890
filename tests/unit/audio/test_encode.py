import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from io import BytesIO
from itertools import pairwise

import av
import numpy as np
import psutil
import pytest

from tts_app.audio.decode import decode
from tts_app.audio.encode import Encoder, completed, encode
from tts_app.audio.formats import FORMATS, SAMPLE_RATES, find_format
from tts_app.audio.meter import measure
from tts_app.audio.resample import Resampler, resample
from tts_app.audio.samples import AudioError
from tts_app.audio.tags import speech_tags

RATE = 24_000
NAMES = list(FORMATS)
FILES = [name for name in NAMES if name != "pcm"]
CODECS = ["mp3", "opus", "aac", "flac"]
HELD_S = 0.09


def similarity(first, second):
    """Return the largest normalised correlation over shifts of up to 100 ms."""
    size = 1 << (first.size + second.size).bit_length()
    product = np.fft.irfft(np.fft.rfft(second, size) * np.conj(np.fft.rfft(first, size)), size)
    return product[:2400].max() / np.sqrt(np.square(first).sum() * np.square(second).sum())


@pytest.mark.parametrize("name", FILES)
def test_encode_keeps_the_audio(name, speech):
    audio = speech(2.0)
    decoded, rate = decode(encode(audio, RATE, name))
    again = resample(decoded, rate, RATE)
    assert abs(again.size - audio.size) < 0.1 * RATE
    assert similarity(audio, again) > 0.98
    assert np.abs(decoded).max() < 1


def test_encode_keeps_every_sample_in_lossless_formats(speech):
    audio = speech(1.0)
    expected = np.rint(audio * 32_768).astype(np.int16)
    assert (np.frombuffer(encode(audio, RATE, "pcm"), "<i2") == expected).all()
    for name in ("wav", "flac"):
        decoded, rate = decode(encode(audio, RATE, name))
        assert rate == RATE
        assert (np.rint(decoded * 32_768) == expected).all()


@pytest.mark.parametrize("rate", [RATE, 22_050])
@pytest.mark.parametrize("name", NAMES)
def test_encoder_bytes_do_not_depend_on_the_pushes(name, rate, speech, cut):
    audio = speech(1.5, rate=rate)
    tags = speech_tags("female_en-US", "en-US", title="A title")
    whole = Encoder(name, rate, tags=tags)
    expected = whole.push(audio) + whole.flush()
    for seed in (1, 2):
        encoder = Encoder(name, rate, tags=tags)
        assert b"".join([*map(encoder.push, cut(audio, seed)), encoder.flush()]) == expected


def test_encode_gives_the_same_bytes_in_another_process(speech):
    program = (
        "import sys, hashlib, numpy as np; from tts_app.audio.encode import encode;"
        "audio = np.frombuffer(sys.stdin.buffer.read(), np.float32);"
        f"print(*(hashlib.sha256(encode(audio, {RATE}, n)).hexdigest() for n in {NAMES}))"
    )
    audio = speech(1.0)
    here = [sha256(encode(audio, RATE, name)).hexdigest() for name in NAMES]
    there = subprocess.run(
        [sys.executable, "-c", program], input=audio.tobytes(), capture_output=True, check=True, timeout=60
    )
    assert there.stdout.decode().split() == here


def test_encode_gives_the_same_bytes_in_threads(speech):
    audio = speech(1.0)
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda name: encode(audio, RATE, name), NAMES * 2))
    assert made[: len(NAMES)] == made[len(NAMES) :]


@pytest.mark.parametrize("name", CODECS)
def test_encoder_holds_little_back(name, speech):
    audio = speech(2.0)
    encoder = Encoder(name, RATE)
    step = 311
    file, lag = b"", []
    for start in range(0, audio.size, step):
        file += encoder.push(audio[start : start + step])
        if start > RATE and (start // step) % 7 == 0:
            lag.append((start + step) / RATE - _seconds(file, name))
    assert max(lag) < HELD_S


def _seconds(file, name):
    with av.open(BytesIO(file), "r", format={"opus": "ogg"}.get(name, name)) as container:
        stream = container.streams.audio[0]
        return float(sum(packet.duration or 0 for packet in container.demux(stream)) * stream.time_base)


def test_encoder_gives_bytes_at_the_first_push(speech):
    for name in NAMES:
        assert len(Encoder(name, RATE).push(speech(0.5))) > 40


@pytest.mark.parametrize("name", [name for name in CODECS if name != "aac"])
def test_encode_writes_tags(name, speech):
    tags = speech_tags("male_ar-EG", "ar-EG", title="\u0645\u0631\u062d\u0628\u0627\x00\ud800!")
    with av.open(BytesIO(encode(speech(0.5), RATE, name, tags=tags)), "r") as container:
        found = {k.lower(): v for k, v in {**container.metadata, **container.streams[0].metadata}.items()}
    assert found["artist"] == "male_ar-EG"
    assert found["language"] == "ara"
    assert found["title"] == "\u0645\u0631\u062d\u0628\u0627!"
    assert "ar-EG" in found["comment"]
    assert not [key for key in found if "date" in key or "encoder" in key]


def test_encode_writes_id3_frames(speech):
    head = encode(speech(0.5), RATE, "mp3", tags=speech_tags("female_en-GB", "en-GB"))[:400]
    assert head.startswith(b"ID3\x03")
    assert b"TPE1" in head
    assert b"TLAN\x00\x00\x00\x05\x00\x00\x00eng\x00" in head


def test_aac_is_bare_frames(speech):
    """Each begins with a sync word and says how long it is; nothing stands before, between or after them."""
    file = encode(speech(1.0), RATE, "aac", tags=speech_tags("female_en-US", "en-US"))
    at = frames = 0
    while at < len(file):
        assert file[at] == 0xFF
        assert file[at + 1] & 0xF6 == 0xF0
        at += (file[at + 3] & 3) << 11 | file[at + 4] << 3 | file[at + 5] >> 5
        frames += 1
    assert at == len(file)
    assert frames == pytest.approx(RATE / 1024, abs=3)


@pytest.mark.parametrize("locale", ["en-AU", "ar-SA", "es-ES", "hi-IN", "ur-PK"])
def test_speech_tags_languages_have_three_letters(locale):
    language = speech_tags("female", locale)["language"]
    assert len(language) == 3
    assert language != "und"
    assert speech_tags("female", "tlh")["language"] == "und"


@pytest.mark.parametrize("name", NAMES)
def test_encoder_bit_rates_set_the_size(name, speech):
    audio = speech(4.0)
    sizes = [len(encode(audio, RATE, name, bitrate=rate)) for rate in FORMATS[name].bitrates]
    assert all(first < second for first, second in pairwise(sizes))
    for rate, size in zip(FORMATS[name].bitrates, sizes, strict=True):
        if name == "mp3":
            assert size * 8 / 4.0 == pytest.approx(rate, rel=0.03)
    with pytest.raises(AudioError, match=r"Bit rate 1234 .*Allowed: "):
        Encoder(name, RATE, bitrate=1234)


def test_mp3_bit_rates_go_from_64_to_128_kbit_s():
    mp3 = FORMATS["mp3"]
    assert (mp3.bitrates[0], mp3.default_bitrate, mp3.bitrates[-1]) == (64_000, 96_000, 128_000)


def test_encoder_resamples_rates_that_a_codec_lacks():
    assert Encoder("opus", 22_050).rate == 24_000
    assert Encoder("opus", 44_100).rate == 48_000
    assert Encoder("mp3", 8_000).rate == 16_000
    assert Encoder("mp3", 96_000).rate == 48_000
    assert Encoder("pcm", 44_100).rate == RATE
    assert Encoder("flac", 22_050).rate == 22_050


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_encode_takes_every_rate_in_every_format(name, rate, speech):
    decoded, found = decode(encode(speech(0.5, rate=rate), rate, name))
    assert decoded.size / found == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rate", SAMPLE_RATES)
def test_a_sample_rate_is_the_files_or_refused_with_those_that_are(name, rate, speech):
    audio = speech(1.0)
    if FORMATS[name].rates and rate not in FORMATS[name].rates:
        with pytest.raises(AudioError, match=rf"{rate} is not one of {name}'s. Allowed: .*24000"):
            Encoder(name, RATE, sample_rate=rate)
        return
    file = encode(audio, RATE, name, sample_rate=rate)
    if name == "pcm":
        assert len(file) == pytest.approx(2 * rate, abs=4)
        decoded = np.frombuffer(file, "<i2").astype(np.float32) / 32_768
    else:
        decoded, found = decode(file)
        assert found == (48_000 if name == "opus" else rate)  # Opus is decoded at 48 kHz, whatever its source
        decoded = resample(decoded, found, rate)
    heard = resample(decoded, rate, RATE)
    expected = resample(resample(audio, RATE, rate), rate, RATE)
    assert similarity(expected, heard) > 0.97


@pytest.mark.parametrize("rate", [rate for rate in SAMPLE_RATES if rate < RATE])
def test_a_lower_rate_keeps_what_it_can_carry_and_folds_nothing_back(rate):
    """In dB of a tone: what comes through below 85% of half the rate, and what is left of it above 115%."""
    time = np.arange(RATE) / RATE
    middle = slice(rate // 4, -rate // 4)

    def level(frequency):
        tone = resample(np.sin(2 * np.pi * frequency * time).astype(np.float32), RATE, rate)[middle]
        return 10 * np.log10(2 * np.mean(np.square(tone)) + 1e-12)

    for share in (0.02, 0.3, 0.6, 0.85):
        assert abs(level(share * rate / 2)) < 0.2
    for frequency in np.arange(1.15 * rate / 2, RATE / 2, 500):
        assert level(frequency) < -60


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_a_higher_rate_adds_nothing(rate):
    tone = np.sin(2 * np.pi * 3_000 * np.arange(RATE) / RATE).astype(np.float32)
    up = resample(tone, RATE, rate)[rate // 4 : rate // 4 + rate // 2]
    spectrum = np.abs(np.fft.rfft(up * np.hanning(up.size)))
    peak = spectrum.argmax()
    assert peak == 1_500
    others = np.concatenate([spectrum[: peak - 4], spectrum[peak + 5 :]])
    assert 20 * np.log10(others.max() / spectrum[peak]) < -70


def test_find_format_refuses_an_unknown_format():
    with pytest.raises(AudioError, match=r"'ogg'.*mp3, opus, aac, flac, wav, pcm"):
        find_format("ogg")


@pytest.mark.parametrize("rate", [0, -1, 7_999, 192_001])
def test_encoder_refuses_impossible_rates(rate):
    with pytest.raises(AudioError, match="out of range"):
        Encoder("mp3", rate)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_encoder_refuses_samples_that_are_not_finite(name, bad, speech):
    audio = speech(0.2)
    audio[100] = bad
    encoder = Encoder(name, RATE)
    with pytest.raises(AudioError, match="finite"):
        encoder.push(audio)
    assert encoder.push(speech(0.5)) + encoder.flush()  # the encoder itself is unharmed


def test_encoder_refuses_audio_that_is_not_mono():
    with pytest.raises(AudioError, match="mono"):
        Encoder("wav", RATE).push(np.zeros((2, 10), np.float32))


@pytest.mark.parametrize("name", NAMES)
def test_encoder_refuses_to_end_without_audio(name):
    encoder = Encoder(name, RATE)
    assert encoder.push(np.zeros(0, np.float32)) == b""
    with pytest.raises(AudioError, match="no audio"):
        encoder.flush()


@pytest.mark.parametrize("name", FILES)
def test_encode_makes_a_file_of_a_single_sample(name):
    decoded, _ = decode(encode(np.array([0.5], np.float32), RATE, name))
    assert decoded.size


@pytest.mark.parametrize("name", NAMES)
def test_encoder_ends_once(name, speech):
    encoder = Encoder(name, RATE)
    encoder.push(speech(0.2))
    encoder.flush()
    with pytest.raises(AudioError, match="ended"):
        encoder.flush()
    with pytest.raises(AudioError, match="ended"):
        encoder.push(speech(0.2))
    encoder.close()
    encoder.close()


@pytest.mark.parametrize("name", FILES)
def test_encode_clips_audio_that_is_too_loud(name, speech):
    audio = speech(0.5, peak=3.0)
    decoded, rate = decode(encode(audio, RATE, name))
    assert similarity(np.clip(audio, -1, 1), resample(decoded, rate, RATE)) > 0.95  # no wrapped integers


@pytest.mark.parametrize("name", ["wav", "flac"])
def test_completed_files_know_their_length(name, speech):
    audio = speech(1.0)
    encoder = Encoder(name, RATE)
    streamed = encoder.push(audio) + encoder.flush()
    whole = completed(streamed, name)
    assert len(whole) == len(streamed)
    assert whole == encode(audio, RATE, name)
    with av.open(BytesIO(whole), "r") as container:
        assert container.duration == pytest.approx(1_000_000)
    assert (decode(whole)[0] == decode(streamed)[0]).all()


def test_completed_wav_header_has_its_length(speech):
    import wave

    encoder = Encoder("wav", RATE)
    streamed = encoder.push(speech(1.0)) + encoder.flush()
    assert streamed[4:8] == streamed[40:44] == b"\xff" * 4
    with wave.open(BytesIO(completed(streamed, "wav"))) as file:
        assert file.getparams()[:4] == (1, 2, RATE, RATE)


@pytest.mark.parametrize("name", ["wav", "flac"])
def test_completed_refuses_files_of_others(name):
    with pytest.raises(AudioError):
        completed(b"something else", name)
    assert completed(b"as it is", "mp3") == b"as it is"


@pytest.mark.parametrize("name", CODECS)
def test_encoder_leaves_no_memory_when_abandoned(name, speech):
    audio = speech(0.2)
    process = psutil.Process(os.getpid())

    def abandon(times):
        for _ in range(times):
            Encoder(name, RATE).push(audio)

    abandon(50)
    before = process.memory_info().rss
    abandon(200)
    assert process.memory_info().rss - before < 20e6  # 200 that stay would take 60 to 200 MB


def test_resampler_keeps_length_and_tone(cut):
    tone = np.sin(2 * np.pi * 1_000 * np.arange(22_050) / 22_050).astype(np.float32)
    whole = resample(tone, 22_050, 16_000)
    assert abs(whole.size - 16_000) <= 1
    assert np.abs(np.fft.rfft(whole[:16_000])).argmax() == 1_000
    resampler = Resampler(22_050, 16_000)
    pieces = [*map(resampler.push, cut(tone, 3)), resampler.flush()]
    assert (np.concatenate(pieces) == whole).all()
    assert np.array_equal(resample(tone, 16_000, 16_000), tone)


@pytest.mark.parametrize("rate", [RATE, 48_000])
@pytest.mark.parametrize("name", FILES)
def test_encode_keeps_the_loudness(name, rate, speech):
    audio = speech(2.0, rate=rate)
    decoded, decoded_rate = decode(encode(audio, rate, name))
    assert measure(decoded, decoded_rate) == pytest.approx(measure(audio, rate), abs=0.15)
