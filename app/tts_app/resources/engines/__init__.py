"""The engines that there are: the one table of what is known of each.

The schema and the rules of VoiceModel, TextModel and Playground, the registry, the operator's default images,
the chart's values and their schema, the levels of the images and docs/engines.md are made from it.
"""

from types import MappingProxyType

from tts_app.resources.engines import (
    chatterbox,
    f5,
    kokoro,
    llamacpp,
    omnivoice,
    transformers,
    vits,
    vllm,
    voxcpm,
)
from tts_app.resources.engines.spec import EngineSpec, Task

_SPECS = (
    kokoro.SPEC,
    omnivoice.SPEC,
    voxcpm.SPEC,
    f5.SPEC,
    chatterbox.SPEC,
    vits.SPEC,
    llamacpp.SPEC,
    transformers.SPEC,
    vllm.SPEC,
)
ENGINES = MappingProxyType({spec.name: spec for spec in _SPECS})
"""By name."""
IMAGES = MappingProxyType({spec.image_key(runtime): runtime for spec in _SPECS for runtime in spec.runtimes})
"""The runtime of each name in `images.engines`."""


def engines_of(task: Task) -> dict[str, EngineSpec]:
    """Return the engines of a task, by name."""
    return {name: spec for name, spec in ENGINES.items() if spec.task == task}


def default_images(tag: str) -> dict[str, str]:
    """Return the images of a service whose Playground names none, by their names in `images.engines`."""
    return {name: f"{runtime.image}:{tag}" for name, runtime in IMAGES.items() if runtime.built}
