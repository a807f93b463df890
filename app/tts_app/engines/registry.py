"""Engines by name. A module is imported only when its engine is asked for: each has its own dependencies."""

from importlib import import_module

from tts_app.engines.base import EngineError, SpeechEngine

SPEECH_ENGINES = {"kokoro": "tts_app.engines.kokoro:KokoroEngine"}


def speech_engine(name: str) -> type[SpeechEngine]:
    """Return the class of the speech engine `name`.

    Raises:
        EngineError: no such engine, or its dependencies are not installed.
    """
    try:
        module, _, attribute = SPEECH_ENGINES[name].partition(":")
    except KeyError:
        raise EngineError(
            f"No speech engine {name!r} here. Available: {', '.join(sorted(SPEECH_ENGINES))}."
        ) from None
    try:
        engine: type[SpeechEngine] = getattr(import_module(module), attribute)
    except ImportError as error:
        raise EngineError(f"Engine {name!r} needs a package that is not installed: {error}.") from error
    return engine
