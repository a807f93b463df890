"""Builders of resources and children as the API server hands them out."""

from collections.abc import Callable
from typing import Any

import pytest

from tts_app.resources import Metadata, Playground, TextModel, VoiceModel
from tts_app.resources.engines import ENGINES
from tts_operator.desired.ray_service import Defaults
from tts_operator.plan.service import Policy

Manifest = dict[str, Any]


def _voice_model(name: str = "kokoro", *, created: str = "2026-01-01T00:00:00Z", **spec: Any) -> Manifest:
    avatars = spec.pop("avatars", [("en-US", "female")])
    voices = [{"locale": locale, "gender": gender, "speaker": "af_heart"} for locale, gender in avatars]
    return {
        "apiVersion": "ttsplayground.dev/v1alpha1",
        "kind": "VoiceModel",
        "metadata": {
            "name": name,
            "namespace": "speech",
            "uid": f"uid-{name}",
            "generation": 1,
            "creationTimestamp": created,
        },
        "spec": {
            "service": "playground",
            "engine": "kokoro",
            "source": {"uri": "package://kokoro-82m/int8", "revision": "1.0"},
            "quantization": "int8",
            "license": {"spdx": "Apache-2.0", "commercialUse": True},
            "voices": voices,
            **spec,
        },
    }


@pytest.fixture
def voice_model() -> Callable[..., Manifest]:
    """Return a builder of VoiceModels as the API server has them."""
    return _voice_model


@pytest.fixture
def model() -> Callable[..., VoiceModel]:
    """Return a builder of VoiceModels as Python has them."""

    def build(name: str = "kokoro", **spec: Any) -> VoiceModel:
        manifest = _voice_model(name, **spec)
        return VoiceModel.model_validate({**manifest, "metadata": {"name": name}})

    return build


def _text_model(name: str = "smollm", *, created: str = "2026-01-01T00:00:00Z", **spec: Any) -> Manifest:
    manifest = _voice_model(name, created=created)
    manifest["kind"] = "TextModel"
    manifest["spec"] = {
        "service": "playground",
        "engine": "llamacpp",
        "source": {"uri": "package://smollm2-135m-instruct/q4_1", "revision": "1.0"},
        "license": {"spdx": "Apache-2.0", "commercialUse": True},
        **spec,
    }
    return manifest


@pytest.fixture
def text_model() -> Callable[..., Manifest]:
    """Return a builder of TextModels as the API server has them."""
    return _text_model


@pytest.fixture
def text() -> Callable[..., TextModel]:
    """Return a builder of TextModels as Python has them."""

    def build(name: str = "smollm", **spec: Any) -> TextModel:
        return TextModel.model_validate({**_text_model(name, **spec), "metadata": {"name": name}})

    return build


@pytest.fixture
def playground() -> Callable[..., Playground]:
    """Return a builder of Playgrounds."""

    def build(**spec: Any) -> Playground:
        return Playground.model_validate({"metadata": Metadata(name="playground"), "spec": spec})

    return build


@pytest.fixture
def pod() -> Callable[..., Manifest]:
    """Return a builder of pods of a Ray cluster."""

    def build(name: str = "worker", group: str = "headgroup", **status: Any) -> Manifest:
        labels = {"ray.io/group": group}
        return {"metadata": {"name": name, "labels": labels}, "status": status}

    return build


@pytest.fixture(scope="session")
def defaults() -> Defaults:
    """Return defaults with an image of every engine."""
    return Defaults(
        "registry/app:1",
        {engine: f"registry/{engine}:1" for engine in ENGINES},
        "2.60.0",
        "kuberay",
        profile="development",
    )


@pytest.fixture(scope="session")
def policy(defaults: Defaults) -> Policy:
    """Return a policy that looks again after 5 s, or 300 s."""
    return Policy(defaults, poll_seconds=5, resync_seconds=300)
