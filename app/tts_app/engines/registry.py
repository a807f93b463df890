"""Engines by name. A module is imported only when its engine is needed: each has its own dependencies."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from tts_app.engines.base import EngineError, SpeechEngine
from tts_app.engines.text import TextEngine
from tts_app.resources.engines import ENGINES, engines_of
from tts_app.resources.engines.spec import Task

ADAPTERS = {name: spec.adapter for name, spec in ENGINES.items()}
"""Import path of each engine's class."""


def speech_engine(name: str) -> type[SpeechEngine]:
    """Return the class of the speech engine `name`.

    Raises:
        EngineError: there is no such engine, or its dependencies are not installed.
    """
    engine: type[SpeechEngine] = _imported(name, "speech")
    return engine


def text_engine(name: str) -> type[TextEngine]:
    """Return the class of the text engine `name`, where `name` may also be an import path `module:Class`.

    A TextModel names its engine; `module:Class` is for Serve configs from other sources, such as tests.

    Raises:
        EngineError: there is no such engine, or its dependencies are not installed.
    """
    engine: type[TextEngine] = _imported(name, "text")
    return engine


def _imported(name: str, task: Task) -> Any:
    known = sorted(engines_of(task))
    where = ADAPTERS[name] if name in known else name
    module, _, attribute = where.partition(":")
    if not attribute:
        raise EngineError(f"No {task} engine {name!r} here. Available: {', '.join(known)}.")
    with needed_packages(name):
        return getattr(import_module(module), attribute)


@contextmanager
def needed_packages(engine: str) -> Iterator[None]:
    """Turn the failure of an import into an EngineError that names the engine.

    An adapter imports the engine's own packages in it, when a model is loaded: what else it says of the
    engine, such as the files that it needs, is known where they are not installed.
    """
    try:
        yield
    except ImportError as error:
        raise EngineError(f"Engine {engine!r} needs a package that is not installed: {error}.") from error
