from datetime import UTC, datetime

import pytest
from reconcile_load import MOST, Layout, changed, cluster_of, pods, ready_status

from tts_app.resources import TTSJob, VoiceModel
from tts_operator.observed.ray import read_service

LAYOUT = Layout("shared", 12, 5, 2)


def test_layout_resources_are_valid_and_have_unique_names() -> None:
    models = [LAYOUT.model(number) for number in range(LAYOUT.models)]
    jobs = [LAYOUT.job(number) for number in range(20)]
    for kind, things in ((VoiceModel, models), (TTSJob, jobs)):
        for thing in things:
            kind.model_validate(thing)
        names = {(thing["metadata"]["namespace"], thing["metadata"]["name"]) for thing in things}
        assert len(names) == len(things)


def test_layout_models_share_services_and_no_avatar() -> None:
    models = [LAYOUT.model(number) for number in range(LAYOUT.models)]
    services = {(m["metadata"]["namespace"], m["spec"]["service"]) for m in models}
    assert len(services) == LAYOUT.services == 3
    assert {namespace for namespace, _ in services} == set(LAYOUT.namespace_names())
    for service in services:
        avatars = [
            (voice["gender"], voice["locale"])
            for model in models
            if (model["metadata"]["namespace"], model["spec"]["service"]) == service
            for voice in model["spec"]["voices"]
        ]
        assert len(set(avatars)) == len(avatars)


def test_layout_refuses_too_many_models_of_one_service() -> None:
    Layout("shared", 1000, MOST, 1).model(MOST - 1)
    with pytest.raises(ValueError, match="not 10"):
        Layout("shared", 1000, MOST + 1, 1)


def test_changed_model_differs_in_one_voice() -> None:
    model = LAYOUT.model(7)
    voices = changed(model)["spec"]["voices"]
    assert [voice for voice in voices if voice not in model["spec"]["voices"]] == voices[:1]
    VoiceModel.model_validate({**model, "spec": {**model["spec"], "voices": voices}})


@pytest.mark.parametrize("status", [{}, {"pendingServiceStatus": {"rayClusterName": "s0002-raycluster-x"}}])
def test_ready_status_says_that_all_models_are_served(status: dict[str, object]) -> None:
    service = {"metadata": {"name": "s0002", "generation": 3}, "spec": {}, "status": status}
    applications = LAYOUT.applications(2)
    assert applications == ["gateway", "s0002-m0", "s0002-m1"]
    found = read_service({**service, "status": ready_status(service, applications)}, datetime.now(UTC))
    assert found.current and not found.replacing
    assert all(found.application(name).healthy for name in applications)
    assert found.cluster == cluster_of(service) == ("s0002-raycluster-x" if status else "playground-abcde")


def test_pods_are_a_head_and_the_wanted_workers() -> None:
    groups = [{"groupName": "a", "replicas": 2}, {"groupName": "gone", "replicas": 0}]
    spec = {"rayClusterConfig": {"workerGroupSpecs": groups}}
    service = {"metadata": {"name": "s0002", "namespace": "bench-0"}, "spec": spec}
    made = [(pod["metadata"]["name"], pod["metadata"]["labels"]["ray.io/group"]) for pod in pods(service)]
    assert made == [("s0002-headgroup-0", "headgroup"), ("s0002-a-0", "a"), ("s0002-a-1", "a")]
