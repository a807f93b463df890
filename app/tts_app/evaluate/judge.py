"""The recogniser that judges speech: Whisper small (q8 ONNX), greedy, on the CPU.

    judge = Judge(fetch(RECOGNISER))                      # one thread
    text = judge.transcribe(audio, 24_000, "ar")          # float32 mono, its rate, a `Language`

The language and the task `transcribe` are forced, timestamps are off, and decoding is greedy, so that the
same audio always gives the same words. Arabic, Hindi and Urdu are written in their own script alone: the
tokens of Latin letters, and for Hindi of Arabic ones and the reverse, are never chosen. A Judge may be shared
by threads: each call keeps its own state. One call costs one encoder pass for each 30 s of audio, whatever
the length of the speech, and one decoder pass a token.

Front-end and decoding follow the Whisper paper (Radford et al. 2022, "Robust Speech Recognition via
Large-Scale Weak Supervision", section 2.2): 80 log-mel bands of 16 kHz audio, 25 ms windows every 10 ms,
padded with silence to 30 s.
"""

import json
from functools import lru_cache
from math import gcd
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import onnxruntime
from scipy.signal import resample_poly
from tokenizers import Tokenizer

from tts_app.audio.samples import Audio
from tts_app.resources import Source
from tts_app.sources import cache_folder

Language = Literal["en", "es", "ar", "hi", "ur", "fr", "it", "pt"]

RECOGNISER = Source(uri="package://whisper-small/q8", revision="1.0")
"""Where its files come from."""
NAME = "Whisper small, q8 ONNX, greedy"
RATE = 16_000
WINDOW = 400
HOP = 160
BANDS = 80
WINDOW_SECONDS = 30
LAYERS = 12
HEADS = 12
HEAD_SIZE = 64
TOKENS_PER_SECOND = {"en": 8, "es": 10, "ar": 12, "hi": 24, "ur": 18, "fr": 10, "it": 10, "pt": 10}
"""More than the fastest speech needs in the tokeniser of each language: beyond, it is a runaway."""
SPARE_TOKENS = 24
MOST_TOKENS = 440
"""The decoder has 448 positions, of which the prompt takes four."""
LOOP_COPIES = 4
"""A phrase said this often in a row, to the token, is a loop of the recogniser, not speech."""
LONGEST_LOOP = 24
LATIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
ARABIC_LEADS = frozenset(range(0xD8, 0xDC))
INDIC_LEADS = frozenset({0xE0})
OTHER_SCRIPTS = {
    "ar": LATIN | INDIC_LEADS,
    "hi": LATIN | ARABIC_LEADS,
    "ur": LATIN | INDIC_LEADS,
}
"""The (lead) bytes, in UTF-8, of scripts that are not the language's: tokens with them are never chosen. The
recogniser mixes scripts at times, most of all for Hindi and Urdu, which are one spoken language in two."""


def default_folder() -> Path:
    """Return the folder of the cache that holds the recogniser's files, if they were fetched."""
    return cache_folder() / "models" / RECOGNISER.uri.removeprefix("package://")


class Judge:
    """Whisper small, loaded once.

    Args:
        folder: where `encoder_model_quantized.onnx`, `decoder_model_merged_quantized.onnx`, `tokenizer.json`
            and `generation_config.json` lie.
        threads: intra-op threads of each session.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Warnings about the initialisers that the merged decoder does not use in a branch.
        options.log_severity_level = 3

        def session(file: str) -> onnxruntime.InferenceSession:
            return onnxruntime.InferenceSession(
                str(folder / file), options, providers=["CPUExecutionProvider"]
            )

        self._encoder = session("encoder_model_quantized.onnx")
        self._decoder = session("decoder_model_merged_quantized.onnx")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        config = json.loads((folder / "generation_config.json").read_text())
        self._end = int(config["eos_token_id"])
        self._prompt_head = int(config["decoder_start_token_id"])
        self._languages: dict[str, int] = config["lang_to_id"]
        self._transcribe = int(config["task_to_id"]["transcribe"])
        self._no_timestamps = int(config["no_timestamps_token_id"])
        never = [*config["suppress_tokens"], *range(self._end + 1, self._no_timestamps)]
        self._never = {
            language: np.array([*never, *self._tokens_with(OTHER_SCRIPTS.get(language, frozenset()))])
            for language in get_args(Language)
        }
        self._never_first = np.array(config["begin_suppress_tokens"])
        self._present = [o.name for o in self._decoder.get_outputs() if o.name.startswith("present.")]
        self._growing = [name for name in self._present if ".decoder." in name]

    def transcribe(self, audio: Audio, rate: int, language: Language) -> str:
        """Return the words heard in `audio`, shape (n,), at `rate` Hz, written as the recogniser writes them.

        Audio longer than 30 s is heard in windows, cut where it is quietest.
        """
        speech = resample(audio, rate)
        texts = [self._hear(window, language) for window in windows(speech)]
        return " ".join(text for text in texts if text)

    def _hear(self, window: Audio, language: Language) -> str:
        features = log_mel(window)[None]
        (hidden,) = self._encoder.run(["last_hidden_state"], {"input_features": features})
        seconds = len(window) / RATE
        most = min(MOST_TOKENS, SPARE_TOKENS + int(seconds * TOKENS_PER_SECOND[language]))
        tokens = self._decode(hidden, language, most)
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True)).strip()

    def _tokens_with(self, bytes_: frozenset[int]) -> list[int]:
        """Return the text tokens that hold any of `bytes_`; the vocabulary has a letter for every byte."""
        letters = {letter for byte, letter in byte_letters().items() if byte in bytes_}
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=False)
        return [
            token for word, token in vocabulary.items() if letters.intersection(word) and token < self._end
        ]

    def _decode(self, hidden: Audio, language: Language, most: int) -> list[int]:
        """Choose the likeliest token time after time; stop at the end token, `most` or a loop."""
        prompt = [
            self._prompt_head,
            self._languages[f"<|{language}|>"],
            self._transcribe,
            self._no_timestamps,
        ]
        empty = np.zeros((1, HEADS, 0, HEAD_SIZE), np.float32)
        past: dict[str, Any] = {name.replace("present", "past_key_values"): empty for name in self._present}
        inputs = np.array([prompt], np.int64)
        tokens: list[int] = []
        for step in range(most):
            # The cross-attention's keys and values come from the first pass and stay; only the rest grows.
            wanted = self._growing if step else self._present
            outputs = self._decoder.run(
                ["logits", *wanted],
                {
                    "input_ids": inputs,
                    "encoder_hidden_states": hidden,
                    "use_cache_branch": np.array([step > 0]),
                }
                | past,
            )
            logits = outputs[0][0, -1]
            logits[self._never[language]] = -np.inf
            if step == 0:
                logits[self._never_first] = -np.inf
            token = int(np.argmax(logits))
            if token == self._end:
                break
            tokens.append(token)
            period = loop_period(tokens)
            if period:
                return tokens[: -period * (LOOP_COPIES - 1)]
            for name, value in zip(wanted, outputs[1:], strict=True):
                past[name.replace("present", "past_key_values")] = value
            inputs = np.array([[token]], np.int64)
        return tokens


def byte_letters() -> dict[int, str]:
    """Return the letter that spells each byte in GPT-2's byte-level vocabulary: itself where it prints."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + i) for i, byte in enumerate(others)}


def loop_period(tokens: list[int]) -> int:
    """Return the length of the phrase that `tokens` ends with `LOOP_COPIES` times in a row, or 0."""
    for period in range(1, min(LONGEST_LOOP, len(tokens) // LOOP_COPIES) + 1):
        # One short token said four times may be digits, such as 0000: only a longer run of them is a loop.
        copies = LOOP_COPIES if period * LOOP_COPIES >= 12 else -(-12 // period)
        span = period * copies
        if len(tokens) < span:
            continue
        tail = tokens[-span:]
        if tail[:-period] == tail[period:]:
            return period
    return 0


def resample(audio: Audio, rate: int) -> Audio:
    """Return `audio` at 16 kHz (polyphase, Kaiser-windowed low-pass)."""
    if rate == RATE:
        return np.asarray(audio, np.float32)
    step = gcd(rate, RATE)
    return np.asarray(resample_poly(audio, RATE // step, rate // step), np.float32)


def windows(speech: Audio) -> list[Audio]:
    """Cut 16 kHz `speech` in pieces of at most 30 s, each cut at the quietest 0.2 s of the last 8 s."""
    longest, search, frame = WINDOW_SECONDS * RATE, 8 * RATE, RATE // 5
    pieces = []
    while len(speech) > longest:
        tail = speech[longest - search : longest]
        energy = np.square(tail[: len(tail) // frame * frame].reshape(-1, frame)).sum(axis=1)
        cut = longest - search + int(np.argmin(energy)) * frame + frame // 2
        pieces.append(speech[:cut])
        speech = speech[cut:]
    return [*pieces, speech]


def log_mel(window: Audio) -> Audio:
    """Return the log-mel spectrogram, shape (80, 3000), of up to 30 s of 16 kHz audio, then silence."""
    padded = np.zeros(WINDOW_SECONDS * RATE, np.float32)
    padded[: len(window)] = window[: len(padded)]
    padded = np.pad(padded, WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:-1]
    taper = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)
    power = np.abs(np.fft.rfft(frames * taper, axis=1)) ** 2
    bands = np.log10(np.maximum(mel_filters() @ power.T, 1e-10))
    return np.asarray((np.maximum(bands, bands.max() - 8.0) + 4.0) / 4.0, np.float32)


@lru_cache(maxsize=1)
def mel_filters() -> Audio:
    """Return the triangular filters, shape (80, 201), of equal area on Slaney's mel scale.

    That scale (Slaney 1998, "Auditory Toolbox") is linear to 1 kHz, 15 mel, and logarithmic above.
    """
    log_step = np.log(6.4) / 27

    def to_mel(hertz: float) -> float:
        return hertz * 3 / 200 if hertz < 1000 else 15 + float(np.log(hertz / 1000)) / log_step

    mels = np.linspace(0, to_mel(RATE / 2), BANDS + 2)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(log_step * (mels - 15)))
    bins = np.linspace(0, RATE / 2, WINDOW // 2 + 1)
    rising = (bins[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins[None]) / (edges[2:] - edges[1:-1])[:, None]
    area = 2 / (edges[2:] - edges[:-2])
    return np.asarray(np.maximum(0, np.minimum(rising, falling)) * area[:, None], np.float32)
