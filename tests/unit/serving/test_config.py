"""The Serve config: deterministic, hot where it can be, and one application a model."""

import json
from typing import Any

import pytest

from tts_app.resources import VoiceModel
from tts_app.serving.config import serve_config


def model(name: str = "kokoro", *, speaker: str = "af_heart", **spec: Any) -> VoiceModel:
    return VoiceModel.model_validate(
        {
            "metadata": {"name": name, "labels": {"team": "x"}},
            "spec": {
                "engine": "kokoro",
                "source": {"uri": "package://kokoro-82m/int8", "revision": "1.0"},
                "quantization": "int8",
                "license": {"spdx": "Apache-2.0", "commercialUse": True},
                "voices": [{"locale": "en-US", "gender": "female", "speaker": speaker}],
                **spec,
            },
        }
    )


def applications(config: dict[str, Any]) -> dict[str, Any]:
    return {app["name"]: app for app in config["applications"]}


def test_the_order_of_the_resources_does_not_matter_to_a_single_byte() -> None:
    one, two, three = model("a"), model("b"), model("c")
    assert json.dumps(serve_config([one, two, three])) == json.dumps(serve_config([three, one, two]))


def test_the_config_is_plain_json() -> None:
    config = serve_config([model(parameters={"z": 1, "a": [1.5, None]})])
    assert json.loads(json.dumps(config)) == config


def test_ray_serve_accepts_it() -> None:
    from ray.serve.schema import ServeDeploySchema

    schema = ServeDeploySchema.model_validate(
        serve_config([model("a"), model("b")], host="127.0.0.1", port=1234)
    )
    assert [app.name for app in schema.applications] == ["gateway", "a", "b"]
    assert [app.route_prefix for app in schema.applications] == ["/", None, None]
    assert (schema.http_options.host, schema.http_options.port) == ("127.0.0.1", 1234)


def test_adding_a_model_appends_an_application_and_changes_only_the_gateways_user_config() -> None:
    before = applications(serve_config([model("a")]))
    after = applications(serve_config([model("a"), model("b")]))
    assert set(after) - set(before) == {"b"}
    assert after["a"] == before["a"]
    gateway_before, gateway_after = before["gateway"], after["gateway"]
    assert gateway_before != gateway_after
    for app in (gateway_before, gateway_after):
        app["deployments"][0].pop("user_config")
    assert gateway_before == gateway_after


def test_a_changed_voice_needs_no_new_replica_anywhere() -> None:
    before = applications(serve_config([model(speaker="af_heart")]))
    after = applications(serve_config([model(speaker="af_bella")]))
    for name in before:
        for app in (before[name], after[name]):
            app["deployments"][0].pop("user_config")
        assert before[name] == after[name]


def test_status_and_foreign_metadata_change_nothing() -> None:
    plain = model()
    noisy = plain.model_copy(update={"status": {"conditions": [{"type": "Ready"}]}})
    noisy = noisy.model_copy(update={"metadata": noisy.metadata.model_copy(update={"labels": {"a": "b"}})})
    assert serve_config([plain]) == serve_config([noisy])


def test_resources_become_actor_options() -> None:
    app = serve_config([model(resources={"cpu": "500m", "memory": "2Gi", "gpu": "1"})])["applications"][1]
    options = app["deployments"][0]["ray_actor_options"]
    assert options == {"num_cpus": 0.5, "memory": 2 << 30, "num_gpus": 1.0}


def test_a_range_of_replicas_scales_and_a_fixed_number_does_not() -> None:
    fixed = serve_config([model(replicas={"min": 2, "max": 2})])["applications"][1]["deployments"][0]
    ranged = serve_config([model(replicas={"min": 0, "max": 8, "targetOngoingRequests": 4})])
    scaling = ranged["applications"][1]["deployments"][0]["autoscaling_config"]
    assert fixed["num_replicas"] == 2
    assert "autoscaling_config" not in fixed
    assert scaling == {"min_replicas": 0, "max_replicas": 8, "target_ongoing_requests": 4.0}


@pytest.mark.parametrize(
    ("names", "message"), [(["a", "a"], "given twice: a"), (["gateway"], "must not be called 'gateway'")]
)
def test_names_that_clash_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        serve_config([model(name) for name in names])
