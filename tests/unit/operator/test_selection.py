"""Which models are served."""

import pytest

from tts_app.resources import VoiceModel, served_model
from tts_app.resources.engines import ENGINES, engines_of
from tts_operator.desired.ray_service import Defaults, ray_service
from tts_operator.desired.selection import select, served
from tts_operator.objects import TEXT_MODEL, VOICE_MODEL, Ref
from tts_operator.observed.ray import ServedModels


def ref(name):
    return Ref(VOICE_MODEL, name)


def test_select_serves_models_with_different_avatars(voice_model):
    verdicts = select([voice_model("b", avatars=[("ar-SA", "male")]), voice_model("a")], ENGINES, {})
    assert [model.name for model in served(verdicts)] == ["a", "b"]
    assert all(not verdict.message for verdict in verdicts.values())


def test_select_gives_the_avatar_to_the_older_model(voice_model):
    older = voice_model("z", created="2025-01-01T00:00:00Z")
    for manifests in ([older, voice_model("a")], [voice_model("a"), older]):
        verdicts = select(manifests, ENGINES, {})
        assert verdicts[ref("z")].model is not None
        assert verdicts[ref("a")].reason == "AvatarsTaken"


def test_select_gives_the_avatar_to_the_first_name_at_the_same_age(voice_model):
    verdicts = select([voice_model("b"), voice_model("a")], ENGINES, {})
    assert verdicts[ref("a")].model is not None
    assert (verdicts[ref("b")].model, verdicts[ref("b")].reason) == (None, "AvatarsTaken")
    assert "female_en-US (by a)" in verdicts[ref("b")].message


def test_select_serves_a_model_with_the_avatars_that_are_left(voice_model):
    late = voice_model("late", avatars=[("en-US", "female"), ("en-US", "male")])
    verdict = select([voice_model("early"), late], ENGINES, {})[ref("late")]
    assert verdict.model is not None
    assert [voice.avatar for voice in verdict.model.spec.voices] == ["male_en-US"]
    assert verdict.taken == (("female_en-US", "early"),)


def test_select_says_what_to_change_in_a_bad_model_which_takes_no_avatar(voice_model):
    bad = voice_model("bad", created="2025-01-01T00:00:00Z", quantization="fp8")
    verdicts = select([bad, voice_model("good")], ENGINES, {})
    assert verdicts[ref("good")].model is not None
    assert verdicts[ref("bad")].reason == "InvalidSpec"
    assert "kokoro" in verdicts[ref("bad")].message
    assert "int8" in verdicts[ref("bad")].message


def test_select_refuses_a_locale_that_nothing_reads(voice_model):
    unreadable = voice_model("klingon", avatars=[("fr-fr", "female"), ("tlh-001", "male")])
    verdicts = select([unreadable, voice_model("good")], ENGINES, {})
    assert verdicts[ref("good")].model is not None
    assert (verdicts[ref("klingon")].model, verdicts[ref("klingon")].reason) == (None, "LocaleUnreadable")
    assert verdicts[ref("klingon")].message.startswith("Nothing reads tlh-001: ")


def test_select_serves_a_locale_that_espeak_reads(voice_model):
    verdict = select([voice_model("french", avatars=[("fr-fr", "female")])], ENGINES, None)[ref("french")]
    assert verdict.model is not None
    assert [voice.avatar for voice in verdict.model.spec.voices] == ["female_fr-FR"]


NOT_FOR_SALE = {
    "license": {"spdx": "CC-BY-NC-4.0", "commercialUse": False, "base": "OmniVoice (CC-BY-NC-4.0)"}
}


def test_select_refuses_a_licence_that_forbids_commercial_use(voice_model):
    manifests = [voice_model("paid"), voice_model("free", avatars=[("ar-SA", "male")], **NOT_FOR_SALE)]
    verdicts = select(manifests, ENGINES, {}, commercial=True)
    assert [model.name for model in served(verdicts)] == ["paid"]
    refused = verdicts[ref("free")]
    assert refused.reason == "LicenseForbids"
    assert refused.message.startswith(
        "The model 'free' may not be used commercially by its licence, CC-BY-NC-4.0, as it is made from "
        "OmniVoice (CC-BY-NC-4.0)"
    )
    assert len(served(select(manifests, ENGINES, {}))) == 2, "where nothing is earned it may"


def test_select_refuses_a_voice_whose_own_licence_forbids_commercial_use(voice_model):
    manifest = voice_model("mixed")
    manifest["spec"]["voices"][0]["license"] = {"spdx": "CC-BY-NC-4.0", "commercialUse": False}
    verdict = select([manifest], ENGINES, {}, commercial=True)[ref("mixed")]
    assert (verdict.model, verdict.reason) == (None, "LicenseForbids")
    assert "The voice female_en-US of the model 'mixed'" in verdict.message


def test_select_takes_a_model_out_whose_licence_is_corrected(voice_model, model, live):
    corrected = voice_model("kokoro", **NOT_FOR_SALE)
    verdict = select([corrected], ENGINES, live(model("kokoro")), commercial=True)[ref("kokoro")]
    assert (verdict.model, verdict.reason) == (None, "LicenseForbids"), "it is not served as before"


@pytest.fixture
def live(playground):
    images = {"kokoro": "registry/kokoro:1", "vllm": "registry/vllm:1"}
    defaults = Defaults("registry/app:1", images, "2.60.0", "kuberay", profile="development")
    return lambda *models: ServedModels(ray_service(playground(), models, defaults, "audio", "cache"))


def test_select_keeps_a_model_that_got_an_unreadable_locale_as_it_is_served(voice_model, model, live):
    changed = voice_model("kokoro", avatars=[("en-US", "female"), ("tlh-001", "male")])
    verdict = select([changed], ENGINES, live(model("kokoro")))[ref("kokoro")]
    assert verdict.is_outdated
    assert verdict.reason == "LocaleUnreadable"


def test_select_keeps_a_model_that_became_invalid_as_it_is_served(voice_model, model, live):
    bad = voice_model("bad", created="2025-01-01T00:00:00Z", quantization="fp8")
    verdicts = select([bad, voice_model("late")], ENGINES, live(model("bad"), model("other")))
    assert [model.name for model in served(verdicts)] == ["bad"]
    assert verdicts[ref("bad")].model == model("bad")
    assert verdicts[ref("bad")].is_outdated
    assert verdicts[ref("bad")].reason == "InvalidSpec"
    assert "int8" in verdicts[ref("bad")].message
    assert verdicts[ref("late")].reason == "AvatarsTaken", "what is served already is not taken over"


def test_select_keeps_an_invalid_text_model_but_not_as_another_kind(text_model, text, live):
    gpus = {"engine": "vllm", "resources": {"gpu": "4"}}
    wrong = text_model("big", **gpus, parameters={"tensor_parallel_size": 3})
    before = text("big", **gpus)
    assert served(select([wrong], ENGINES, live(before))) == (before,)
    other_kind = {**wrong, "kind": "VoiceModel"}
    assert served(select([other_kind], ENGINES, live(before))) == ()


GPU = {"engine": "vllm", "resources": {"gpu": "1"}}


def test_select_refuses_a_parameter_that_is_not_allowed(text_model, voice_model):
    wrong = text_model("big", **GPU, parameters={"worker_cls": "evil.Worker"})
    verdict = select([wrong, voice_model("good")], ENGINES, {})[Ref(TEXT_MODEL, "big")]
    assert (verdict.model, verdict.reason) == (None, "ParameterNotAllowed")
    assert verdict.message.startswith(
        "spec: parameters.worker_cls: Extra inputs are not permitted; vllm has: "
    )


def test_select_of_a_wrong_parameter_beside_another_fault_is_an_invalid_spec(text_model):
    wrong = text_model("big", **GPU, parameters={"worker_cls": "evil.Worker"}, contextLength=1)
    assert select([wrong], ENGINES, {})[Ref(TEXT_MODEL, "big")].reason == "InvalidSpec"


def test_select_keeps_a_model_that_runs_with_a_parameter_of_an_older_version(text_model, live):
    written = text_model("big", **GPU, parameters={"hf_overrides": {"rope_theta": 1e6}})
    before = served_model({**written, "metadata": {"name": "big"}})
    verdict = select([written], ENGINES, live(before))[Ref(TEXT_MODEL, "big")]
    assert verdict.model == before
    assert verdict.is_outdated
    assert verdict.reason == "ParameterNotAllowed"
    changed = text_model("big", **GPU, parameters={"hf_overrides": {"rope_theta": 2e6}})
    assert select([changed], ENGINES, live(before))[Ref(TEXT_MODEL, "big")].model == before


def test_select_drops_a_model_that_became_invalid_without_an_image(voice_model, model, live):
    verdict = select([voice_model(quantization="fp8")], {"vllm"}, live(model()))[ref("kokoro")]
    assert (verdict.model, verdict.reason) == (None, "InvalidSpec")


def test_select_of_an_unknown_engine_names_the_known_ones(voice_model):
    verdicts = select([voice_model("old", engine="festival"), voice_model()], ENGINES, {})
    old = verdicts[ref("old")]
    assert (old.model, old.reason) == (None, "EngineUnknown")
    assert f"there is no engine 'festival'; there are: {', '.join(engines_of('speech'))}" in old.message
    assert [model.name for model in served(verdicts)] == ["kokoro"], "the others go on"


def test_select_refuses_a_resource_without_spec(voice_model):
    manifest = voice_model("empty")
    del manifest["spec"]
    assert select([manifest], ENGINES, {})[ref("empty")].reason == "InvalidSpec"


def test_select_ignores_the_status_of_a_newer_operator(voice_model):
    manifest = voice_model() | {"status": {"invented": {"later": 1}, "conditions": "none"}}
    assert select([manifest], ENGINES, {})[ref("kokoro")].model is not None


def test_select_refuses_the_name_of_the_gateway(voice_model):
    verdict = select([voice_model("gateway")], ENGINES, {})[ref("gateway")]
    assert verdict.model is None
    assert verdict.reason == "InvalidSpec"
    assert "gateway" in verdict.message


def test_select_says_where_to_name_a_missing_image(voice_model):
    verdict = select([voice_model()], {"vllm"}, {})[ref("kokoro")]
    assert (verdict.model, verdict.reason) == (None, "ImageMissing")
    assert "images.engines.kokoro" in verdict.message


def test_select_says_where_to_name_the_image_of_a_runtime_that_has_none(voice_model):
    on_gpu = voice_model(quantization="fp16", resources={"gpu": "1"})
    verdict = select([on_gpu], ENGINES, {})[ref("kokoro")]
    assert (verdict.model, verdict.reason) == (None, "ImageMissing")
    assert "name one in images.engines.kokoro-torch of the Playground" in verdict.message
    assert "or set parameters.runtime: onnxruntime" in verdict.message
    assert select([on_gpu], {"kokoro-torch"}, {})[ref("kokoro")].model is not None


def test_select_leaves_a_served_model_on_its_runtime_until_the_other_has_an_image(voice_model):
    on_gpu = voice_model(quantization="fp16", resources={"gpu": "1"})
    before = {ref("kokoro"): VoiceModel.model_validate(on_gpu)}
    kept = select([on_gpu], ENGINES, before)[ref("kokoro")].model
    assert kept.spec.image_key == "kokoro"
    assert "runtime" not in kept.spec.loaded_parameters, "its replicas are as they were"
    changed = select([on_gpu], {*ENGINES, "kokoro-torch"}, before)[ref("kokoro")].model
    assert changed.spec.image_key == "kokoro-torch"
    asked = voice_model(quantization="fp16", resources={"gpu": "1"}, parameters={"runtime": "torch"})
    assert select([asked], ENGINES, before)[ref("kokoro")].reason == "ImageMissing"


def test_served_sorts_models_of_both_kinds_by_name(voice_model, text_model):
    verdicts = select([text_model("b"), voice_model("c"), text_model("a")], ENGINES, {})
    assert [(model.kind, model.name) for model in served(verdicts)] == [
        ("TextModel", "a"),
        ("TextModel", "b"),
        ("VoiceModel", "c"),
    ]


@pytest.mark.parametrize("older", [VOICE_MODEL, TEXT_MODEL])
def test_select_gives_a_name_to_the_older_of_two_kinds(voice_model, text_model, older):
    builders = {VOICE_MODEL: voice_model, TEXT_MODEL: text_model}
    (younger,) = builders.keys() - {older}
    manifests = [
        builders[younger]("same"),
        builders[older]("same", created="2025-01-01T00:00:00Z"),
    ]
    verdicts = select(manifests, ENGINES, {})
    assert verdicts[Ref(older, "same")].model is not None
    refused = verdicts[Ref(younger, "same")]
    assert (refused.model, refused.reason) == (None, "NameTaken")
    assert f"A {older.name} of the service is called 'same' too" in refused.message
    assert len(served(verdicts)) == 1


def test_select_ignores_the_name_of_a_model_that_is_not_served(voice_model, text_model):
    bad = text_model("same", created="2025-01-01T00:00:00Z", quantization="int8")
    verdicts = select([bad, voice_model("same")], ENGINES, {})
    assert verdicts[Ref(TEXT_MODEL, "same")].reason == "InvalidSpec"
    assert verdicts[ref("same")].model is not None


def test_select_takes_no_avatar_for_a_model_that_lost_its_name(voice_model, text_model):
    older = text_model("same", created="2025-01-01T00:00:00Z")
    other = voice_model("other", created="2026-02-01T00:00:00Z")
    verdicts = select([older, voice_model("same"), other], ENGINES, {})
    assert verdicts[ref("same")].reason == "NameTaken"
    assert verdicts[ref("other")].model is not None


def test_select_reports_faults_that_only_python_can_check(text_model):
    gpus = {"engine": "vllm", "resources": {"gpu": "4"}, "parameters": {"tensor_parallel_size": 3}}
    refused = select([text_model("big", **gpus)], ENGINES, {})[Ref(TEXT_MODEL, "big")]
    assert refused.reason == "InvalidSpec"
    assert "tensor_parallel_size x pipeline_parallel_size; it is 4, and they are 3 and 1" in refused.message
