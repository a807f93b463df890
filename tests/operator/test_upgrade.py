"""An upgrade of the CustomResourceDefinitions over resources that an earlier version stored."""

import copy
from functools import partial
from pathlib import Path

import pytest
import yaml
from lightkube.core.exceptions import ApiError
from resources import application, playground, serving, voice_model
from running import eventually, run_pods

from tts_app.resources import VoiceModel
from tts_app.resources.engines import engines_of
from tts_operator.desired.groups import group_of
from tts_operator.objects import (
    APPLIED_ANNOTATION,
    FIELD_MANAGER,
    PLAYGROUND,
    RAY_SERVICE,
    VOICE_MODEL,
    Ref,
)

CRDS = Path(__file__).parents[2] / "crds"
UNPROCESSABLE = 422
RETIRED = "parler"
"""A name that no engine has, as an engine that a version removed."""
pytestmark = pytest.mark.usefixtures("kuberay_stopped")


def definition(plural: str) -> dict:
    return yaml.safe_load((CRDS / f"{plural}.ttsplayground.dev.yaml").read_text(encoding="utf-8"))


def spec_of(crd: dict) -> dict:
    (version,) = crd["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]["properties"]["spec"]


def older(crd: dict) -> dict:
    """Return the definition as it was when RETIRED was an engine."""
    crd = copy.deepcopy(crd)
    spec = spec_of(crd)
    if "engine" in spec["properties"]:
        spec["properties"]["engine"]["enum"].append(RETIRED)
    else:
        del spec["properties"]["images"]["x-kubernetes-validations"]
    return crd


def is_accepted(api, resource: dict) -> bool:
    """Apply a resource; return whether the definitions that are in force allow it."""
    try:
        api.apply(resource)
    except ApiError as error:
        if error.status.code != UNPROCESSABLE:
            raise
        return False
    return True


@pytest.fixture
def stored(control_plane, crds, api):
    """A model and a Playground of an earlier version, under the definitions of this one."""
    now = [definition("voicemodels"), definition("playgrounds")]
    before = [older(crd) for crd in now]

    def put(definitions: list[dict]) -> None:
        text = yaml.safe_dump_all(definitions)
        control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=text)

    put(before)
    try:
        for resource in (
            voice_model("old", ("male_en-US",), engine=RETIRED),
            playground(images={"engines": {RETIRED: "own/parler:1"}}),
        ):
            eventually(partial(is_accepted, api, resource), "the older definitions are in force")
    finally:
        put(now)


def test_voice_model_of_a_removed_engine_says_so_and_others_are_served(api, stored, operator):
    api.apply(voice_model())
    ready = api.await_condition("old", "Ready", "False", "EngineUnknown")
    assert f"there is no engine '{RETIRED}'; there are: {', '.join(engines_of('speech'))}" in ready["message"]
    api.await_object(Ref(RAY_SERVICE, "playground"))
    run_pods(api, group_of(VoiceModel.model_validate(voice_model())))
    found = api.get(RAY_SERVICE, "playground")
    status = serving(found["metadata"]["generation"], gateway=application(), kokoro=application())
    api.merge_status(RAY_SERVICE, "playground", status)
    api.await_condition("kokoro", "Ready", "True", "Serving")
    assert "old" not in found["spec"]["serveConfigV2"]


def test_voice_model_of_a_removed_engine_can_be_changed_and_repaired(api, stored, operator):
    api.await_condition("old", "Ready", "False", "EngineUnknown")
    api.merge(VOICE_MODEL, "old", {"metadata": {"labels": {"team": "speech"}}})
    api.merge(PLAYGROUND, "playground", {"spec": {"whenEmpty": "KeepGateway"}})
    api.merge(VOICE_MODEL, "old", {"spec": {"engine": "kokoro"}})
    api.await_condition("old", "Ready", "False", "ClusterStarting")


def head_ports(ray_service: dict) -> list[dict]:
    (container,) = ray_service["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]["containers"]
    return container["ports"]


def test_upgrade_of_the_operator_starts_no_new_cluster_to_name_ports(api, operator_factory):
    first = operator_factory("first")
    first.start()
    api.apply(voice_model())
    made = api.await_object(Ref(RAY_SERVICE, "playground"))
    assert first.stop() == 0
    older = copy.deepcopy({name: made[name] for name in ("apiVersion", "kind", "spec")})
    older["metadata"] = {name: made["metadata"][name] for name in ("name", "labels", "annotations")}
    del head_ports(older)[-2:]
    running = api.apply(older, FIELD_MANAGER)
    operator_factory("second").start()

    def is_applied():
        found = api.get(RAY_SERVICE, "playground")
        stamps = [one["metadata"]["annotations"][APPLIED_ANNOTATION] for one in (found, made)]
        return found if stamps[0] != stamps[1] else None

    found = eventually(is_applied, "the newer operator applies its RayService")
    assert head_ports(found) == head_ports(running)
    assert found["metadata"]["generation"] == running["metadata"]["generation"]
    assert [port["name"] for port in head_ports(made)[-2:]] == ["as-metrics", "dash-metrics"]
