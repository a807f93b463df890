"""A cloned voice on its way: vault, gateway's client, replica, simulated engine; Ray alone is left out."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simulated_clone import SimulatedCloningEngine
from simulated_speaker import RATE, encoded, speech

from tts_app.audio.samples import Audio
from tts_app.audio.tags import speech_tags
from tts_app.catalogue import Catalogue, CatalogueVoice, UnknownVoiceError
from tts_app.cloning.vault import Vault
from tts_app.engines.base import EngineError, Segment
from tts_app.resources import Source, VoiceModel
from tts_app.resources.voice_model import VoiceModelSpec
from tts_app.serve_config import serve_config
from tts_app.serving.client import ModelUnavailableError, VoiceClient
from tts_app.serving.clones import Clones, NewVoice, NoVaultError, Record
from tts_app.serving.voice_replica import Voice, VoiceArgs
from tts_app.speech import Utterance, plan
from tts_app.storage.database import Database
from tts_app.storage.voices import ClonedVoices

TENANT = "hotel"
CLIP = speech(4.0)
CONSENT = {"id": "17", "by": "Somebody", "date": "2026-01-01"}
OWN = {"locale": "en-US", "gender": "female", "speaker": "heart"}


@pytest.fixture(autouse=True)
def _kokoro_clones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kokoro's name stands for the simulated engine's in VoiceModels: its voices may be given by a clip."""
    rules = tuple(rule for rule in VoiceModelSpec.rules if "is given by" not in rule.message)
    monkeypatch.setattr(VoiceModelSpec, "rules", rules)


def voice_model(*voices: dict[str, Any]) -> VoiceModel:
    spec = {
        "engine": "kokoro",
        "source": {"uri": "package://kokoro-82m/int8", "revision": "1.0"},
        "license": {"spdx": "MIT", "commercialUse": True},
        "voices": [OWN, *voices],
    }
    return VoiceModel.model_validate({"metadata": {"name": "clone"}, "spec": spec})


MODEL = voice_model()


@pytest.fixture
def clones(tmp_path: Path) -> Iterator[Clones]:
    database = Database(f"sqlite:///{tmp_path / 'voices.sqlite'}")
    yield Clones(ClonedVoices(database), Vault(b"5" * 64))
    database.close()


class Replica:
    """A replica and its client, without Ray between them; `client.calls` counts."""

    def __init__(self) -> None:
        source = Source(uri="file:///x")
        self.voice = Voice(VoiceArgs(model="m", engine="simulated", source=source, quantization="none"))
        self.client = VoiceClient("m")
        self.calls: list[bool] = []
        """Of each call, whether it carried a clip's sound."""
        self.client._call = self._call  # type: ignore[method-assign]

    @property
    def engine(self) -> SimulatedCloningEngine:
        engine = self.voice._engine
        assert isinstance(engine, SimulatedCloningEngine)
        return engine

    async def _call(self, method: str, *args: Any, within: float | None = None) -> Any:
        (segment,) = args[0]
        self.calls.append(segment.clip is not None and bool(segment.clip.audio.size))
        return await getattr(self.voice, method)(*args)


@pytest.fixture
def replica(monkeypatch: pytest.MonkeyPatch) -> Iterator[Replica]:
    monkeypatch.setattr("tts_app.serving.voice_replica.speech_engine", lambda _: SimulatedCloningEngine)
    monkeypatch.setattr("tts_app.serving.voice_replica.fetch", lambda *_: Path())
    monkeypatch.delenv("TTSP_LOG_DIR", raising=False)
    made = Replica()
    yield made
    made.voice.__del__()


def add(clones: Clones, tenant: str = TENANT, clip: Audio = CLIP) -> str:
    voice = f"voice_{np.random.default_rng().bytes(12).hex()}"
    record = Record("Front desk", "Good evening.", CONSENT, {}, {})
    clones.add(tenant, NewVoice(voice, "clone", "en-US", "male", None, record, clip, clip))
    return voice


def segment_of(voice: CatalogueVoice, replica: Replica) -> Segment:
    (segment,) = plan(Utterance("Hello.", voice), replica.engine.capabilities)
    return segment


async def test_replica_gets_a_clip_once_and_speaks_with_it(clones: Clones, replica: Replica) -> None:
    voice = clones.find(TENANT, add(clones), [MODEL])
    segment, clip = segment_of(voice, replica), clones.getter(TENANT, voice)
    assert (segment.speaker, segment.clip and segment.clip.audio.size) == ("", 0)
    for _ in range(3):
        audio = await replica.client.synthesise(segment, clip=clip)
        assert np.abs(audio - CLIP[:RATE]).max() < 1e-4
    assert replica.calls == [False, True, False, False]
    assert list(replica.engine.kept) == [voice.clip]


async def test_revoked_voice_is_spoken_by_nobody(clones: Clones, replica: Replica) -> None:
    voice_id = add(clones)
    voice = clones.find(TENANT, voice_id, [MODEL])
    segment, clip = segment_of(voice, replica), clones.getter(TENANT, voice)
    assert clip is not None
    before = await clip()
    await replica.client.synthesise(segment, clip=clip)
    assert clones.revoke(TENANT, voice_id) is not None
    await replica.voice.forget(voice.clip)
    assert replica.engine.kept == {}
    for given in (segment, replace(segment, clip=before)):
        with pytest.raises(EngineError, match="was revoked"):
            await replica.client.synthesise(given, clip=clip)
    fresh = Replica()
    with pytest.raises(EngineError, match="was revoked"):
        await fresh.client.synthesise(segment, clip=clip)
    fresh.voice.__del__()
    with pytest.raises(UnknownVoiceError, match="was revoked"):
        clones.find(TENANT, voice_id, [MODEL])


async def test_revoking_a_voice_leaves_another_of_the_same_recording(
    clones: Clones, replica: Replica
) -> None:
    hotel, clinic = add(clones), add(clones, "clinic")
    voices = [clones.find(TENANT, hotel, [MODEL]), clones.find("clinic", clinic, [MODEL])]
    assert voices[0].clip != voices[1].clip
    clones.revoke(TENANT, hotel)
    await replica.voice.forget(voices[0].clip)
    clip = clones.getter("clinic", voices[1])
    await replica.client.synthesise(segment_of(voices[1], replica), clip=clip)


def test_voice_is_found_by_its_tenant_alone_and_where_its_model_is_served(clones: Clones) -> None:
    voice_id = add(clones)
    with pytest.raises(UnknownVoiceError, match="There is no voice"):
        clones.find("clinic", voice_id, [MODEL])
    with pytest.raises(UnknownVoiceError, match="spoken by the model 'clone', which is not served now"):
        clones.find(TENANT, voice_id, [])
    with pytest.raises(EngineError, match="There is no voice"):
        clones.clip("clinic", voice_id)
    found = clones.find(TENANT, voice_id, [MODEL])
    assert (found.id, found.label, found.consent) == (voice_id, f"{voice_id}@male_en-US", "17")


def test_without_a_key_no_voice_is_stored_or_read(clones: Clones) -> None:
    voice_id = add(clones)
    keyless = Clones(clones._voices, None)
    with pytest.raises(NoVaultError, match="TTSP_VOICE_KEY_FILE"):
        add(keyless)
    with pytest.raises(NoVaultError):
        keyless.clip(TENANT, voice_id)
    assert keyless.revoke(TENANT, voice_id) is not None, "that needs no key"


# The clips of a model's own voices


def reference(path: Path, **more: Any) -> dict[str, Any]:
    clip = {"uri": path.as_uri(), "transcript": "Good evening.", "consent": CONSENT, **more}
    return {"locale": "en-GB", "gender": "male", "reference": clip}


def user_config(model: VoiceModel) -> dict[str, Any]:
    config: dict[str, Any] = serve_config([model])["applications"][1]["deployments"][0]["user_config"]
    return config


async def test_reference_is_read_decoded_and_spoken_with(replica: Replica, tmp_path: Path) -> None:
    file = tmp_path / "clip.wav"
    file.write_bytes(encoded(CLIP, RATE, "wav"))
    model = voice_model(reference(file))
    voice = Catalogue([model]).find("male_en-GB")
    with pytest.raises(ModelUnavailableError, match="is being changed"):
        await replica.client.synthesise(segment_of(voice, replica))
    replica.voice.reconfigure(user_config(model))
    audio = await replica.client.synthesise(segment_of(voice, replica))
    assert audio.size == RATE
    assert np.corrcoef(audio, CLIP[:RATE])[0, 1] > 0.9, "it is the clip, but trimmed and levelled"
    replica.voice.reconfigure(user_config(MODEL))
    assert replica.engine.kept == {}
    assert "references" not in user_config(MODEL)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read: No such file"),
        (b"#EXTM3U\n", "of no format that is read here"),
        (encoded(speech(1.0), RATE, "wav"), "too short"),
    ],
)
def test_reference_that_cannot_be_used_is_named(
    replica: Replica, tmp_path: Path, content: bytes | None, says: str
) -> None:
    file = tmp_path / "clip.wav"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(EngineError, match=says) as caught:
        replica.voice.reconfigure(user_config(voice_model(reference(file))))
    assert str(caught.value).startswith(f"The reference {file.as_uri()} cannot be used. ")


def test_cloned_voice_is_told_in_the_tags_of_a_file() -> None:
    tags = speech_tags("voice_1", "en-US", consent="17")
    assert tags["comment"] == "Synthetic speech, voice_1, en-US; cloned voice voice_1; consent 17"
    assert "cloned" not in speech_tags("female_en-US", "en-US")["comment"]
