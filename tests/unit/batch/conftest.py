"""Small batches: a TTSJob of two avatars, and the models that speak them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tts_app.batch.plan import Plan, plan_batch
from tts_app.resources import VoiceModel
from tts_app.resources.tts_job import TTSJobSpec
from tts_app.storage.output import Output, open_output

VOICES = [
    {"locale": locale, "gender": gender, "speaker": f"{locale}-{gender}"}
    for locale in ("en-US", "es-ES")
    for gender in ("female", "male")
]

MakeModel = Callable[..., VoiceModel]
MakePlan = Callable[..., Plan]


@pytest.fixture
def make_model() -> MakeModel:
    def make(name: str = "kokoro", **spec: Any) -> VoiceModel:
        whole = {
            "engine": "kokoro",
            "source": {"uri": "package://kokoro-82m/int8", "revision": "1.0"},
            "license": {"spdx": "Apache-2.0", "commercialUse": True},
            "voices": VOICES,
            **spec,
        }
        return VoiceModel.model_validate(
            {
                "apiVersion": "ttsplayground.dev/v1alpha1",
                "kind": "VoiceModel",
                "metadata": {"name": name},
                "spec": whole,
            }
        )

    return make


@pytest.fixture
def make_plan(make_model: MakeModel, tmp_path: Path) -> Iterator[MakePlan]:
    """Make the plan of a TTSJob: of inline `posts`, or of `uri`; what else a spec has is given by name."""
    made: list[Plan] = []

    def make(
        posts: Any = ({"id": 1, "text": {"en": "Hello.", "es": "Hola."}},),
        models: list[VoiceModel] | None = None,
        uri: str = "",
        **spec: Any,
    ) -> Plan:
        output = {"uri": "file:///nowhere", **spec.pop("output", {})}
        source = {"uri": uri} if uri else {"inline": list(posts)}
        whole = TTSJobSpec.model_validate({"posts": source, "output": output, **spec})
        made.append(plan_batch(whole, models or [make_model()], tmp_path / "config-maps", secret=b"k" * 32))
        return made[-1]

    yield make
    for plan in made:
        plan.close()


@pytest.fixture(params=["folder", "s3"])
def output(request: pytest.FixtureRequest, tmp_path: Path) -> Output:
    """An empty output, on a file system and on an object store."""
    made = open_output(
        str(tmp_path / "out") if request.param == "folder" else f"{request.getfixturevalue('s3_bucket')}/out"
    )
    made.prepare()
    return made
