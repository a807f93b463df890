"""Engines by name. A module is imported only when its engine is asked for: each has its own dependencies."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from tts_app.engines.base import EngineError, SpeechEngine
from tts_app.engines.text import TextEngine

SPEECH_ENGINES = {"kokoro": "tts_app.engines.kokoro.engine:KokoroEngine"}
TEXT_ENGINES = {
    "llamacpp": "tts_app.engines.llamacpp.engine:LlamaCppEngine",
    "transformers": "tts_app.engines.transformers.engine:TransformersEngine",
    "vllm": "tts_app.engines.vllm.engine:VllmEngine",
}


def speech_engine(name: str) -> type[SpeechEngine]:
    """Return the class of the speech engine `name`.

    Raises:
        EngineError: no such engine, or its dependencies are not installed.
    """
    engine: type[SpeechEngine] = _imported(name, "speech", SPEECH_ENGINES)
    return engine


def text_engine(name: str) -> type[TextEngine]:
    """Return the class of the text engine `name`, or of the one that is called `module:Class`.

    A TextModel names its engine; `module:Class` is for a Serve config that is written otherwise, as tests do.

    Raises:
        EngineError: no such engine, or its dependencies are not installed.
    """
    engine: type[TextEngine] = _imported(name, "text", TEXT_ENGINES)
    return engine


def _imported(name: str, kind: str, engines: Mapping[str, str]) -> Any:
    where = engines.get(name, name)
    module, _, attribute = where.partition(":")
    if not attribute:
        raise EngineError(f"No {kind} engine {name!r} here. Available: {', '.join(sorted(engines))}.")
    try:
        return getattr(import_module(module), attribute)
    except ImportError as error:
        raise EngineError(f"Engine {name!r} needs a package that is not installed: {error}.") from error
