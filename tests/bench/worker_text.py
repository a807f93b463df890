"""llama.cpp as `xllamacpp` gives it, in its own process.

Arguments: the model's folder, slots, context, threads.
JSON lines in, JSON lines out. Its settings are those that our engine gives it; nothing of ours is in between.
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tts_app.engines.llamacpp.server import start_server


def main() -> None:
    """Load, say so, then answer requests until standard input ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    folder, slots, context, threads = sys.argv[1:]
    server: Any = start_server(Path(folder), int(context), int(slots), {"n_threads": int(threads)}).server
    print("{}", file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        began = time.perf_counter()
        with ThreadPoolExecutor(request["callers"]) as threads:
            reported = list(threads.map(lambda body: _write(server, body), request["bodies"]))
        seconds = time.perf_counter() - began
        answer = {
            "seconds": seconds,
            "tokens": sum(t for t, _, _ in reported),
            "first": [f for _, f, _ in reported],
        }
        print(json.dumps({**answer, "texts": [text for _, _, text in reported]}), file=answers, flush=True)


def _write(server: Any, body: Mapping[str, Any]) -> tuple[int, float, str]:
    """Return the tokens, the seconds to the first of them, and the text."""
    began = time.perf_counter()
    first, tokens = 0.0, 0
    texts: list[str] = []

    def take(chunk: Mapping[str, Any]) -> bool:
        nonlocal first, tokens
        for choice in chunk["choices"]:
            if text := choice["delta"].get("content"):
                first = first or time.perf_counter() - began
                texts.append(text)
        if "usage" in chunk:
            tokens = chunk["usage"]["completion_tokens"]
        return False

    server.handle_chat_completions(dict(body), take)
    return tokens, first, "".join(texts)


if __name__ == "__main__":
    main()
