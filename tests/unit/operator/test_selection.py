"""Which VoiceModels are served."""

from tts_app.resources.playground import ENGINES
from tts_operator.desired.selection import select, served


def test_models_that_do_not_meet_are_all_served(voice_model):
    verdicts = select([voice_model("b", avatars=[("ar-SA", "male")]), voice_model("a")], ENGINES)
    assert [model.name for model in served(verdicts)] == ["a", "b"]
    assert all(not verdict.message for verdict in verdicts.values())


def test_the_older_of_two_has_the_avatar_whatever_their_names(voice_model):
    older = voice_model("z", created="2025-01-01T00:00:00Z")
    for manifests in ([older, voice_model("a")], [voice_model("a"), older]):
        verdicts = select(manifests, ENGINES)
        assert verdicts["z"].model is not None
        assert verdicts["a"].reason == "AvatarsTaken"


def test_of_two_of_one_age_the_first_by_name_has_the_avatar(voice_model):
    verdicts = select([voice_model("b"), voice_model("a")], ENGINES)
    assert verdicts["a"].model is not None
    assert (verdicts["b"].model, verdicts["b"].reason) == (None, "AvatarsTaken")
    assert "female_en-US (by a)" in verdicts["b"].message


def test_a_model_is_served_with_the_avatars_that_are_left(voice_model):
    late = voice_model("late", avatars=[("en-US", "female"), ("en-US", "male")])
    verdict = select([voice_model("early"), late], ENGINES)["late"]
    assert verdict.model is not None
    assert [voice.avatar for voice in verdict.model.spec.voices] == ["male_en-US"]
    assert verdict.taken == (("female_en-US", "early"),)


def test_a_bad_model_says_what_to_change_and_takes_no_avatar(voice_model):
    bad = voice_model("bad", created="2025-01-01T00:00:00Z", quantization="fp8")
    verdicts = select([bad, voice_model("good")], ENGINES)
    assert verdicts["good"].model is not None
    assert verdicts["bad"].reason == "InvalidSpec"
    assert "kokoro" in verdicts["bad"].message
    assert "int8" in verdicts["bad"].message


def test_a_resource_without_spec_is_bad_not_fatal(voice_model):
    manifest = voice_model("empty")
    del manifest["spec"]
    assert select([manifest], ENGINES)["empty"].reason == "InvalidSpec"


def test_a_newer_operators_status_does_not_matter(voice_model):
    manifest = voice_model() | {"status": {"invented": {"later": 1}, "conditions": "none"}}
    assert select([manifest], ENGINES)["kokoro"].model is not None


def test_the_gateways_name_is_refused(voice_model):
    verdict = select([voice_model("gateway")], ENGINES)["gateway"]
    assert verdict.model is None
    assert verdict.reason == "InvalidSpec"
    assert "gateway" in verdict.message


def test_a_model_whose_engine_has_no_image_says_where_to_name_one(voice_model):
    verdict = select([voice_model()], {"vits"})["kokoro"]
    assert (verdict.model, verdict.reason) == (None, "ImageMissing")
    assert "images.engines.kokoro" in verdict.message
