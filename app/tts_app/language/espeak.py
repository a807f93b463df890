"""The espeak-ng program as a phonemiser: started once per voice, kept alive, fed in batches.

espeak-ng is GPL-3 and this project is Apache-2.0, so it is never loaded into this process: it runs as a
separate program behind pipes. The program reads its standard input line by line and flushes its output after
every line, so it can be kept alive. But it prints a line for each clause that it finds, not for each line
that it reads. So a marker line follows each piece of text, in phonemes that no word has: it shows where the
answer to the piece ends.

Starting the program takes 10 to 20 ms; a line of seven words then takes 0.7 to 3 ms.
"""

import os
import selectors
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from typing import IO, cast

import regex

PROGRAM = "espeak-ng"
ANSWER_SECONDS = 20.0
"""Seconds that one block may take; after that the program counts as stuck and is restarted."""

_MARKER = "[[tttttt]]"
"""Phonemes are read between double brackets; every voice has a t, and no word has six in a row."""
_LINE_BYTES = 800
"""The program cuts lines at 1,000 bytes, even inside a letter: our lines stay well below."""
_BLOCK_BYTES = 16_000
"""Less than a pipe holds, so that writing a block never waits for a program that waits for its reader."""
_PUNCTUATION = regex.compile(r"\s*((?!(?<=[0-9])[.,:][0-9])[.,;:?!]+)\s*")
"""Marks between clauses; the program itself reads those inside a number."""
_SOUNDED = regex.compile(r"[\p{L}\p{N}]")
_UNSAFE = regex.compile(r"[\p{Cc}\[\]<>|\\]+")
"""What the program or the pipe would not treat as text."""
_LANGUAGE_FLAG = regex.compile(r"\([^()\s]*\)")
"""(en): the program's mark of a change of language; it has ties between its letters, too."""
_ASCII_LETTERS = {"r.": "ɽ", "S": "ʃ", "Z": "ʒ"}
"""What the program leaves in its own notation."""
_NO_IPA = regex.compile(r"[\p{ASCII}--[a-z^ ]]", regex.V1)
"""Tones as digits, hyphens, and other remains of that notation; ^ is a tie."""
_SPACES = regex.compile(r"\s+")


class EspeakError(RuntimeError):
    """The espeak-ng program is missing, lacks the voice, or does not answer."""


class Espeak:
    """One voice of the espeak-ng program. Thread-safe; a program that died is restarted."""

    def __init__(self, voice: str, *, tie: str = "") -> None:
        """Start the program.

        `voice` is one of espeak-ng's (`es`, `hi`, `ur`, `en-gb`); `tie`, when given, is the character that
        joins the letters of one phoneme, such as `base.TIE` (t͡ʃ).

        Raises:
            EspeakError: the program is missing or has no such voice.
        """
        self.voice = voice
        self._command = [PROGRAM, "-q", "--ipa", "-b", "1", "-v", voice]
        if tie:
            self._command.append(f"--tie={tie}")
        self._lock = threading.Lock()
        self._program: _Program | None = _Program(self._command)

    def phonemise(self, texts: Sequence[str]) -> list[str]:
        """Return the IPA of each text, in order, on one line each, with the stress marks ˈ ˌ and length ː.

        The punctuation . , ; : ? ! stays in place; the text between is phonemised clause by clause. The
        program's marks of a change of language are left out.

        Raises:
            EspeakError: the program does not answer, even after a restart.
        """
        parts = [_PUNCTUATION.split(_SPACES.sub(" ", _UNSAFE.sub(" ", text)).strip()) for text in texts]
        clauses = [clause for part in parts for clause in part[::2] if _SOUNDED.search(clause)]
        with self._lock:
            answers = iter(self._ask(clauses))
        spoken = []
        for part in parts:
            line = ""
            for index, piece in enumerate(part):
                if index % 2:
                    line += f"{piece} "
                elif _SOUNDED.search(piece):
                    line += next(answers)
            spoken.append(line.strip())
        return spoken

    def close(self) -> None:
        """End the program. Idempotent; a later `phonemise` starts it again."""
        with self._lock:
            if self._program:
                self._program.close()
                self._program = None

    def _ask(self, clauses: list[str]) -> list[str]:
        """Return the phonemes of each clause; restart a dead or stuck program and try once more."""
        answers: list[str] = []
        for block in _blocks(clauses):
            try:
                answers += self._running().answer(block)
            except EspeakError:
                if self._program:
                    self._program.close()
                self._program = _Program(self._command)
                answers += self._program.answer(block)
        return list(map(_plain, answers))

    def _running(self) -> "_Program":
        if self._program is None:
            self._program = _Program(self._command)
        return self._program


class _Program:
    """The running program and its pipes. Not thread-safe."""

    def __init__(self, command: list[str]) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the program)
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._complaints, bufsize=0
            )
        except FileNotFoundError as error:
            self._complaints.close()
            raise EspeakError(
                f"The program {PROGRAM!r} is not installed: install its package (apt-get install espeak-ng)."
            ) from error
        self._input = cast(IO[bytes], self._process.stdin)
        self._output = cast(IO[bytes], self._process.stdout)
        self._marker = b""
        self._unread = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)
        try:
            self._marker = self._first_line()
        except EspeakError:
            self.close()
            raise

    def answer(self, block: list[str]) -> list[str]:
        """Return what the program prints for each clause of a block of less than `_BLOCK_BYTES`."""
        lines = [line for clause in block for line in (*_lines(clause), _MARKER)]
        self._write("\n".join(lines) + "\n")
        answers: list[str] = []
        current: list[bytes] = []
        deadline = time.monotonic() + ANSWER_SECONDS
        while len(answers) < len(block):
            line = self._line(deadline).strip()
            if line == self._marker:
                answers.append(b" ".join(current).decode("utf-8", errors="replace"))
                current = []
            else:
                current.append(line)
        return answers

    def close(self) -> None:
        """End the program and wait for its end. Idempotent."""
        self._selector.close()
        self._process.kill()
        self._process.wait()
        for pipe in (self._input, self._output, self._complaints):
            pipe.close()

    def _first_line(self) -> bytes:
        """Return how this voice prints the marker, which also proves that it runs and has the voice."""
        self._write(f"{_MARKER}\n")
        return self._line(time.monotonic() + ANSWER_SECONDS).strip()

    def _write(self, text: str) -> None:
        data = text.encode()
        try:
            while data:
                data = data[self._input.write(data) :]
        except BrokenPipeError as error:
            raise self._death() from error

    def _line(self, deadline: float) -> bytes:
        while b"\n" not in self._unread:
            if not self._selector.select(max(0.0, deadline - time.monotonic())):
                raise EspeakError(f"{PROGRAM} did not answer within {ANSWER_SECONDS:.0f} seconds.")
            data = os.read(self._output.fileno(), 65536)
            if not data:
                raise self._death()
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _death(self) -> EspeakError:
        self._process.kill()
        status = self._process.wait()
        self._complaints.seek(0)
        said = self._complaints.read().decode("utf-8", errors="replace").strip()
        reason = said or f"exit status {status}"
        return EspeakError(f"{PROGRAM} ended: {reason}")


def _plain(answer: str) -> str:
    """Return what the program prints for a clause as plain IPA."""
    answer = _LANGUAGE_FLAG.sub("", answer)
    for written, ipa in _ASCII_LETTERS.items():
        answer = answer.replace(written, ipa)
    return _SPACES.sub(" ", _NO_IPA.sub("", answer)).strip()


def _blocks(clauses: list[str]) -> Iterator[list[str]]:
    """Yield the clauses in runs that fit into a pipe; a longer clause is a run of its own."""
    block: list[str] = []
    size = 0
    for clause in clauses:
        length = len(clause.encode()) + len(_MARKER) + 2
        if block and size + length > _BLOCK_BYTES:
            yield block
            block, size = [], 0
        block.append(clause)
        size += length
    if block:
        yield block


def _lines(clause: str) -> Iterator[str]:
    """Yield a clause in lines that the program does not cut, split between words, or inside a giant word."""
    line = ""
    for word in clause.split(" "):
        if line and len(f"{line} {word}".encode()) > _LINE_BYTES:
            yield line
            line = ""
        start, left = 0, len(word.encode())
        while left > _LINE_BYTES:
            part = word[start : start + _LINE_BYTES // 4]
            yield part
            start, left = start + len(part), left - len(part.encode())
        piece = word[start:]
        line = f"{line} {piece}" if line else piece
    if line:
        yield line
