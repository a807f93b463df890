"""Prints what the recogniser of `make quality` hears in audio files, one transcript a line.

python tests/quality/transcribe.py clip.wav another.mp3 --language ar [--reference "..."] [--threads 1]
"""

import argparse
import sys
from pathlib import Path
from typing import get_args

from tts_app.audio.decode import decode
from tts_app.evaluate.judge import RECOGNISER, Judge, Language
from tts_app.evaluate.scoring import character_error_rate, word_error_rate
from tts_app.sources import fetch


def main(arguments: list[str] | None = None) -> int:
    """Print the transcript of each file, and with a reference its error rates."""
    parser = argparse.ArgumentParser(description="Transcribe audio files with Whisper small.")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--language", required=True, choices=get_args(Language))
    parser.add_argument("--reference", help="what was said: print the word and character error rates too")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    judge = Judge(fetch(RECOGNISER), options.threads)
    for file in options.files:
        heard = judge.transcribe(*decode(file), options.language)
        print(heard)
        if options.reference is not None:
            words = word_error_rate(options.reference, heard, options.language)
            characters = character_error_rate(options.reference, heard, options.language)
            print(f"WER {words:.3f} CER {characters:.3f}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
