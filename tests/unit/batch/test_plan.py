"""The plan of a batch: what is spoken, into which files; and all that is wrong, before anything is spoken."""

import errno
import io
import json
import tempfile
import tracemalloc
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from tts_app import speech
from tts_app.batch.plan import Plan, PlanError, start_of
from tts_app.manifests import load_voice_models
from tts_app.resources import VoiceModel

MakePlan = Callable[..., Plan]
MakeModel = Callable[..., VoiceModel]
BOTH = {"en": "Hello.", "es": "Hola."}


def files(plan: Plan) -> list[str]:
    return [item.file for item in plan]


def texts(plan: Plan) -> dict[str, str]:
    return {item.voice.id: item.text for item in plan}


def faults(make_plan: MakePlan, *arguments: Any, **spec: Any) -> list[str]:
    with pytest.raises(PlanError) as caught:
        make_plan(*arguments, **spec)
    assert str(caught.value) == "\n".join(map(str, caught.value.faults))
    return [str(fault) for fault in caught.value.faults]


# What is spoken


def test_plan_orders_items_by_post_locale_and_gender(make_plan: MakePlan) -> None:
    plan = make_plan([{"id": 2, "text": BOTH}, {"id": 1, "text": BOTH}])
    assert files(plan) == [
        f"post_{post}_{gender}_{locale}.mp3"
        for post in ("02", "01")
        for locale in ("en-US", "es-ES")
        for gender in ("female", "male")
    ]
    assert [item.number for item in plan] == list(range(8))
    assert (plan.total, plan.characters) == (8, 4 * (len("Hello.") + len("Hola.")))


@pytest.mark.parametrize(
    ("post", "name"),
    [(0, "post_00"), (1, "post_01"), (99, "post_99"), (100, "post_100"), (999_999_999, "post_999999999")],
)
def test_plan_file_name_pads_the_post_number(make_plan: MakePlan, post: int, name: str) -> None:
    plan = make_plan([{"id": post, "text": BOTH}], avatars={"locales": ["en-US"], "genders": ["female"]})
    assert files(plan) == [f"{name}_female_en-US.mp3"]


@pytest.mark.parametrize(
    ("output", "name"),
    [
        ({"nameTemplate": "{locale}-{gender}.{post}"}, "en-US-female.7"),
        ({"nameTemplate": "{post:05d}{gender}{locale}", "format": "opus"}, "00007femaleen-US"),
    ],
)
def test_plan_file_name_follows_the_template(make_plan: MakePlan, output: dict[str, str], name: str) -> None:
    plan = make_plan([{"id": 7, "text": BOTH}], output=output)
    assert files(plan)[0] == f"{name}.{'opus' if 'format' in output else 'mp3'}"


@pytest.mark.parametrize("form", ["mp3", "opus", "aac", "flac", "wav"])
def test_plan_file_extension_is_that_of_the_format(make_plan: MakePlan, form: str) -> None:
    assert files(make_plan(output={"format": form}))[0].endswith(f".{form}")


def test_plan_uses_the_text_of_a_locale_before_its_language(make_plan: MakePlan) -> None:
    plan = make_plan([{"id": 1, "text": {"en-US": "Elevator.", "en": "Lift.", "es": "Ascensor."}}])
    assert texts(plan) == {
        "female_en-US": "Elevator.",
        "male_en-US": "Elevator.",
        "female_es-ES": "Ascensor.",
        "male_es-ES": "Ascensor.",
    }


@pytest.mark.parametrize(
    ("avatars", "found"),
    [
        ({}, {"female_en-US", "male_en-US", "female_es-ES", "male_es-ES"}),
        ({"locales": ["es-ES"]}, {"female_es-ES", "male_es-ES"}),
        ({"genders": ["male"]}, {"male_en-US", "male_es-ES"}),
        ({"locales": ["en-US"], "genders": ["female"]}, {"female_en-US"}),
    ],
)
def test_plan_has_the_requested_avatars(
    make_plan: MakePlan, avatars: dict[str, list[str]], found: set[str]
) -> None:
    assert set(texts(make_plan(avatars=avatars))) == found


def test_plan_skips_missing_texts_on_request(make_plan: MakePlan) -> None:
    posts = [{"id": 1, "text": {"es": "Hola."}}, {"id": 2, "text": BOTH}]
    plan = make_plan(posts, onMissingText="skip")
    assert plan.total == len(files(plan)) == 6
    assert [item.number for item in plan] == [2, 3, 4, 5, 6, 7]
    assert plan.number(1, "female_en-US") is None
    assert plan.number(1, "female_es-ES") == 2


def test_plan_is_the_same_when_iterated_again(make_plan: MakePlan) -> None:
    plan = make_plan([{"id": post, "text": BOTH} for post in range(300)])
    whole = list(plan)
    begun = iter(plan)
    for _ in range(7):
        next(begun)
    assert list(plan) == whole
    assert list(begun) == whole[7:]
    assert all(one == other for one, other in zip_longest(plan, plan))


@pytest.mark.parametrize(
    "text",
    [
        "Line\nline\r\nline\rline",
        "\u2028\u2029\x85\x0b\x0c\x1c",
        '"quoted", \\ and {braces}',
        "😀 1",
        "ض" * 99_999,
    ],
    ids=["lines", "separators", "signs", "emoji", "long"],
)
def test_plan_keeps_texts_unchanged(make_plan: MakePlan, text: str) -> None:
    text += "x"
    assert set(texts(make_plan([{"id": 1, "text": {"en": text, "es": text}}])).values()) == {text}


def test_plan_number_finds_what_iteration_yields(make_plan: MakePlan) -> None:
    plan = make_plan([{"id": post, "text": BOTH} for post in (5, 3, 999)])
    for item in plan:
        assert plan.number(item.post, item.voice.id) == item.number
        assert plan.number(item.post, item.voice.id, item.file) == item.number
        assert plan.number(item.post, item.voice.id, f"other_{item.file}") is None
        assert plan.keys[item.number] == start_of(item.key)
    assert plan.number(4, "female_en-US") is None
    assert plan.number(5, "female_en-GB") is None


def test_plan_of_hundred_thousand_items_takes_a_few_bytes_each(make_plan: MakePlan, tmp_path: Path) -> None:
    models = load_voice_models()
    avatars = sum(len(model.spec.voices) for model in models)
    count = 100_000 // avatars + 1
    text = dict.fromkeys(("en", "es", "ar", "hi", "ur"), "Breakfast is served until half past ten. " * 3)
    posts = tmp_path / "posts.jsonl"
    with posts.open("w") as file:
        for post in range(count):
            text["en"] = f"{post} " + text["es"]
            file.write(json.dumps({"id": post, "text": text}) + "\n")
    tracemalloc.start()
    try:
        plan = make_plan(models=models, uri=posts.as_uri())
        held, _ = tracemalloc.get_traced_memory()
        assert plan.total > 100_000
        assert held < 32 * plan.total
        tracemalloc.reset_peak()
        assert sum(1 for _ in plan) == plan.total
        _, peak = tracemalloc.get_traced_memory()
        assert peak - held < 16 << 20
    finally:
        tracemalloc.stop()


# Keys


def keys(plan: Plan) -> dict[str, str]:
    return {item.voice.id: item.key for item in plan}


VOICE = {"locale": "en-US", "gender": "female", "speaker": "af_heart"}


@pytest.fixture
def key(make_plan: MakePlan, make_model: MakeModel) -> Callable[..., str]:
    """Return the key of one item, of a voice and model with these changes."""

    def of(voice: dict[str, Any] | None = None, model: dict[str, Any] | None = None, **spec: Any) -> str:
        name = (model or {}).get("name", "kokoro")
        fields = {k: v for k, v in (model or {}).items() if k != "name"}
        made = make_model(name, voices=[VOICE | (voice or {})], **fields)
        posts = [{"id": spec.pop("id", 1), "text": {"en": spec.pop("text", "Hello.")}}]
        (item,) = make_plan(posts, [made], **spec)
        return item.key

    return of


CHANGES: dict[str, dict[str, Any]] = {
    "text": {"text": "Hello!"},
    "space": {"text": "Hello. "},
    "speaker": {"voice": {"speaker": "af_bella"}},
    "gain": {"voice": {"gain": 1.0}},
    "voice-parameters": {"voice": {"parameters": {"speed": 0.9}}},
    "gender": {"voice": {"gender": "male"}},
    "locale": {"voice": {"locale": "en-GB"}},
    "revision": {"model": {"source": {"uri": "package://kokoro-82m/int8", "revision": "1.1"}}},
    "source": {"model": {"source": {"uri": "package://kokoro-82m/fp32", "revision": "1.0"}}},
    "quantization": {"model": {"quantization": "int8"}},
    "model-parameters": {"model": {"parameters": {"threads": 2}}},
    "format": {"output": {"format": "wav"}},
    "parameters": {"parameters": {"speed": 0.9}},
    "markup": {"reading": {"inputFormat": "markdown"}},
    "addresses": {"reading": {"urls": "skip"}},
    "as-it-is": {"reading": {"normalize": False}},
    "volume": {"reading": {"volume": 0.5}},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_item_key_changes_with_what_the_audio_depends_on(
    key: Callable[..., str], change: dict[str, Any]
) -> None:
    assert key(**change) != key()


def test_item_key_changes_with_the_pipeline(key: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    before = key()
    monkeypatch.setattr(speech, "VERSION", speech.VERSION + 1 if isinstance(speech.VERSION, int) else "next")
    assert key() != before


MEASURED = {"metric": "wer", "plain": 0.1, "stress": 0.1, "dnsmos": 3.0, "f0": 100}
OTHERS: dict[str, dict[str, Any]] = {
    "post": {"id": 2},
    "name": {"output": {"nameTemplate": "{post}_{gender}_{locale}"}},
    "place": {"output": {"uri": "file:///elsewhere"}},
    "model-name": {"model": {"name": "renamed"}},
    "replicas": {"model": {"replicas": {"min": 0, "max": 9}}},
    "resources": {"model": {"resources": {"cpu": "4"}}},
    "license": {"model": {"license": {"spdx": "MIT", "commercialUse": True}}},
    "quality": {"voice": {"quality": "preview"}},
    "measured": {
        "voice": {"measured": {"metric": "wer", "plain": 0.1, "stress": 0.1, "dnsmos": 3.0, "f0": 100}}
    },
    "retries": {"retries": 9, "parallelism": 1},
    "missing": {"onMissingText": "skip"},
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS.keys())
def test_item_key_changes_with_nothing_else(key: Callable[..., str], change: dict[str, Any]) -> None:
    assert key(**change) == key()


def test_item_key_ignores_other_voices_of_the_model(make_plan: MakePlan, make_model: MakeModel) -> None:
    one, two = make_model(voices=[VOICE]), make_model(voices=[VOICE, VOICE | {"gender": "male"}])
    avatars = {"genders": ["female"]}
    assert keys(make_plan(models=[one], avatars=avatars)) == keys(make_plan(models=[two], avatars=avatars))


def test_item_key_differs_for_similar_texts(key: Callable[..., str]) -> None:
    found = {key(text=text) for text in ("a", "a ", "aa", "ab", "a\n", "A")}
    assert len(found) == 6


def test_shared_keys_are_those_of_repeated_texts(make_plan: MakePlan) -> None:
    plan = make_plan(
        [
            {"id": 1, "text": {"en": "Hello.", "es": "Uno."}},
            {"id": 2, "text": {"en": "Hello.", "es": "Dos."}},
            {"id": 3, "text": {"en": "Bye.", "es": "Tres."}},
        ]
    )
    shared = plan.shared_keys()
    assert [item.file for item in plan if start_of(item.key) in shared] == [
        f"post_0{post}_{gender}_en-US.mp3" for post in (1, 2) for gender in ("female", "male")
    ]


def test_shared_keys_leave_out_skipped_items(make_plan: MakePlan) -> None:
    posts = [{"id": post, "text": {"es": f"Hola {post}."}} for post in (1, 2)]
    assert make_plan(posts, onMissingText="skip").shared_keys() == set()


def test_plan_uses_the_first_model_by_name_for_a_shared_avatar(
    make_plan: MakePlan, make_model: MakeModel
) -> None:
    first, second = make_model("a", voices=[VOICE]), make_model("b", voices=[VOICE | {"speaker": "other"}])
    for models in ([first, second], [second, first]):
        (item,) = make_plan([{"id": 1, "text": BOTH}], models)
        assert (item.voice.model, item.voice.voice.speaker) == ("a", "af_heart")


# What is wrong


def test_plan_reports_all_faults_at_once(make_plan: MakePlan, tmp_path: Path) -> None:
    posts = tmp_path / "posts.jsonl"
    posts.write_text(
        '{"id": 1, "text": {"en": "Hello."}}\n'
        "nonsense\n"
        '{"id": 1, "text": {"en": "Hello."}}\n'
        '{"id": 2, "text": {"en": "..."}}\n'
        '{"id": 3, "text": {"french": "Bonjour."}}\n'
        '{"id": 4, "text": {"es": "Hola."}}\n'
    )
    reported = faults(make_plan, uri=posts.as_uri(), avatars={"locales": ["en-US", "ur-PK"]})
    for words in (
        "avatars: no model offers female_ur-PK; offered: female_en-US, female_es-ES, male_en-US, male_es-ES",
        "avatars: no model offers male_ur-PK",
        "line 2: it is not JSON",
        "post 1: its id is given twice",
        "post 2: its text in en has nothing to speak",
        "line 5 (post 3): text must be keyed",
        "post 4: it has no text for en-US (it has es)",
    ):
        assert [fault for fault in reported if fault.startswith(words)], words
    assert len(reported) == 7


def test_plan_speaks_with_the_jobs_parameters_on_top_of_the_voices(
    make_plan: MakePlan, make_model: MakeModel
) -> None:
    model = make_model(voices=[VOICE | {"parameters": {"speed": 0.9}}])
    (item,) = make_plan(models=[model], parameters={"speed": 1.1})
    assert item.voice.voice.parameters == {"speed": 1.1}


def test_plan_refuses_parameters_that_an_engine_does_not_have(make_plan: MakePlan) -> None:
    (reported,) = {fault.split(": ", 2)[2] for fault in faults(make_plan, parameters={"loud": True})}
    assert "parameters.loud" in reported
    assert "has: speed" in reported


def test_plan_refuses_wrong_markup_with_its_place(make_plan: MakePlan) -> None:
    posts = [{"id": 8, "text": {"en": "<speak>\n<audio/></speak>", "es": "<speak>Hola.</speak>"}}]
    reported = faults(make_plan, posts, reading={"inputFormat": "ssml"})
    assert len(reported) == 1
    assert reported[0].startswith("post 8: its text in en: SSML, line 2, column 1: the element <audio>")


@pytest.mark.parametrize("text", ["...", " ", "😀", "—", "\u200b", "¿?", "\n\n", "\u0301"])
def test_plan_refuses_a_text_with_nothing_to_speak(make_plan: MakePlan, text: str) -> None:
    reported = faults(make_plan, [{"id": 8, "text": {"en": text, "es": "Hola."}}])
    assert reported == ["post 8: its text in en has nothing to speak: give at least one word or number"]


@pytest.mark.parametrize("text", ["a", "7", "٣", "أ", "क", "½", "— 1 —"])
def test_plan_accepts_a_text_with_something_to_speak(make_plan: MakePlan, text: str) -> None:
    assert make_plan([{"id": 8, "text": {"en": text, "es": text}}]).total == 4


def test_plan_fault_of_a_missing_text_names_locales_and_the_option(make_plan: MakePlan) -> None:
    assert faults(make_plan, [{"id": 8, "text": {"ar": "أهلا"}}]) == [
        "post 8: it has no text for en-US, es-ES (it has ar); or set onMissingText: skip"
    ]


def test_plan_refuses_an_avatar_that_no_model_offers(make_plan: MakePlan, make_model: MakeModel) -> None:
    models = [make_model(voices=[VOICE])]
    avatars = {"locales": ["en-US"]}
    assert faults(make_plan, models=models, avatars=avatars) == [
        "avatars: no model offers male_en-US; offered: female_en-US"
    ]
    assert make_plan(models=models, avatars=avatars | {"genders": ["female"]}).total == 1
    assert faults(make_plan, models=models, avatars={"genders": ["male"]}) == [
        "avatars: no model offers an avatar"
    ]


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_plan_without_posts_says_what_a_post_is(make_plan: MakePlan, tmp_path: Path, content: str) -> None:
    posts = tmp_path / "posts.jsonl"
    posts.write_text(content)
    (reported,) = faults(make_plan, uri=posts.as_uri())
    assert reported.startswith('posts: there are none; a record a line: {"id": 1,')


def test_plan_reports_posts_that_cannot_be_read(make_plan: MakePlan, tmp_path: Path) -> None:
    (reported,) = faults(make_plan, uri=(tmp_path / "none.jsonl").as_uri())
    assert reported.startswith("posts: file://")
    assert "cannot be read: FileNotFoundError" in reported


def test_plan_reports_a_full_temporary_folder(make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("a disk that is always full is Linux's")
    with Path("/dev/full").open("r+b", buffering=0) as full:
        monkeypatch.setattr(tempfile, "TemporaryFile", lambda: full)
        (reported,) = faults(make_plan)
    assert reported == f"plan: {tempfile.gettempdir()} cannot be written: No space left on device"


@pytest.mark.parametrize("step", ["made", "written at last"])
def test_plan_fault_of_the_temporary_folder_does_not_blame_the_output(
    make_plan: MakePlan, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Also where the posts fit into a buffer, which is written when the plan is read."""

    class Full(io.BytesIO):
        def flush(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    def make() -> io.BytesIO:
        if step == "made":
            raise OSError(errno.ENOSPC, "No space left on device")
        return Full()

    monkeypatch.setattr(tempfile, "TemporaryFile", make)
    (reported,) = faults(make_plan)
    assert reported == f"plan: {tempfile.gettempdir()} cannot be written: No space left on device"
