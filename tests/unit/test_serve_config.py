"""The Serve config: deterministic, hot where it can be, and one application a model."""

import json
import re
from typing import Any

import pytest
from pydantic import ValidationError

from tts_app.resources import TextModel, VoiceModel
from tts_app.serve_config import serve_config


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


def test_serve_config_is_the_same_in_any_order_of_resources() -> None:
    one, two, three = model("a"), model("b"), model("c")
    assert json.dumps(serve_config([one, two, three])) == json.dumps(serve_config([three, one, two]))


def test_serve_config_is_plain_json() -> None:
    config = serve_config([model(parameters={"threads": 1})])
    assert json.loads(json.dumps(config)) == config


def test_serve_config_is_accepted_by_ray_serve() -> None:
    from ray.serve.schema import ServeDeploySchema

    schema = ServeDeploySchema.model_validate(
        serve_config([model("a"), model("b")], host="127.0.0.1", port=1234)
    )
    assert [app.name for app in schema.applications] == ["gateway", "a", "b"]
    assert [app.route_prefix for app in schema.applications] == ["/", None, None]
    assert (schema.http_options.host, schema.http_options.port) == ("127.0.0.1", 1234)


def test_serve_config_with_a_direct_gateway_has_no_proxies() -> None:
    proxied, direct = (
        serve_config([model()], host="127.0.0.1", port=1234, direct=direct) for direct in (False, True)
    )
    assert (proxied["proxy_location"], direct["proxy_location"]) == ("EveryNode", "Disabled")
    assert applications(proxied)["gateway"]["args"] == {}
    assert applications(direct)["gateway"]["args"] == {"host": "127.0.0.1", "port": 1234}
    assert applications(proxied)["kokoro"] == applications(direct)["kokoro"]


def test_serve_config_of_an_added_model_changes_only_the_user_config_of_the_gateway() -> None:
    before = applications(serve_config([model("a")]))
    after = applications(serve_config([model("a"), model("b")]))
    assert set(after) - set(before) == {"b"}
    assert after["a"] == before["a"]
    gateway_before, gateway_after = before["gateway"], after["gateway"]
    assert gateway_before != gateway_after
    for app in (gateway_before, gateway_after):
        app["deployments"][0].pop("user_config")
    assert gateway_before == gateway_after


def test_serve_config_of_a_changed_voice_needs_no_new_replica() -> None:
    before = applications(serve_config([model(speaker="af_heart")]))
    after = applications(serve_config([model(speaker="af_bella")]))
    for name in before:
        for app in (before[name], after[name]):
            app["deployments"][0].pop("user_config")
        assert before[name] == after[name]


def test_serve_config_ignores_status_and_foreign_metadata() -> None:
    plain = model()
    noisy = plain.model_copy(update={"status": {"conditions": [{"type": "Ready"}]}})
    noisy = noisy.model_copy(update={"metadata": noisy.metadata.model_copy(update={"labels": {"a": "b"}})})
    assert serve_config([plain]) == serve_config([noisy])


def test_serve_config_turns_resources_into_actor_options() -> None:
    app = serve_config([model(resources={"cpu": "500m", "memory": "2Gi", "gpu": "1"})])["applications"][1]
    options = app["deployments"][0]["ray_actor_options"]
    assert options == {"num_cpus": 0.5, "memory": 2 << 30, "num_gpus": 1.0}


def test_serve_config_scales_only_a_range_of_replicas() -> None:
    fixed = serve_config([model(replicas={"min": 2, "max": 2})])["applications"][1]["deployments"][0]
    ranged = serve_config([model(replicas={"min": 0, "max": 8, "targetOngoingRequests": 4})])
    scaling = ranged["applications"][1]["deployments"][0]["autoscaling_config"]
    assert fixed["num_replicas"] == 2
    assert "autoscaling_config" not in fixed
    assert scaling == {"min_replicas": 0, "max_replicas": 8, "target_ongoing_requests": 4.0}


@pytest.mark.parametrize(
    ("names", "message"), [(["a", "a"], "given twice: a"), (["gateway"], "must not be called 'gateway'")]
)
def test_serve_config_refuses_names_that_clash(names: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        serve_config([model(name) for name in names])


def text_model(name: str = "smollm", **spec: Any) -> TextModel:
    return TextModel.model_validate(
        {
            "metadata": {"name": name},
            "spec": {
                "engine": "llamacpp",
                "source": {"uri": "package://smollm2-135m-instruct/q4_1", "revision": "1.0"},
                "license": {"spdx": "Apache-2.0", "commercialUse": True},
                **spec,
            },
        }
    )


def test_serve_config_of_a_text_model() -> None:
    config = serve_config([text_model(replicas={"targetOngoingRequests": 8}, parameters={"n_batch": 2})])
    assert applications(config)["smollm"] == {
        "name": "smollm",
        "route_prefix": None,
        "import_path": "tts_app.serving.text:build",
        "args": {
            "model": "smollm",
            "engine": "llamacpp",
            "source": {"uri": "package://smollm2-135m-instruct/q4_1", "revision": "1.0", "sha256": {}},
            "quantization": "none",
            "context_length": 4096,
            "slots": 8,
            "parameters": {"n_batch": 2},
        },
        "deployments": [
            {
                "name": "Text",
                "num_replicas": 1,
                "max_ongoing_requests": 32,
                "graceful_shutdown_timeout_s": 120,
                "graceful_shutdown_wait_loop_s": 0.5,
                "health_check_period_s": 10,
                "ray_actor_options": {"num_cpus": 1.0, "memory": 1 << 30},
            }
        ],
    }


def test_serve_config_gives_llamacpp_a_thread_per_core_on_a_cluster() -> None:
    """A pod may run on all of its node's cores."""

    def threads(place: str, **spec: Any) -> object:
        config = serve_config([text_model(**spec)], placement={"smollm": place} if place else None)
        return applications(config)["smollm"]["args"]["parameters"].get("n_threads")

    assert threads("ttsp-smollm", resources={"cpu": "2500m"}) == 3
    assert threads("ttsp-smollm", resources={"cpu": "4"}, parameters={"n_threads": 2}) == 2
    assert threads("", resources={"cpu": "4"}) is None


def test_serve_config_of_vllm_has_a_placement_group() -> None:
    from ray.serve.schema import ServeDeploySchema

    resources = {"cpu": "4", "memory": "16Gi", "gpu": "2"}
    big = text_model("big", engine="vllm", quantization="fp8", resources=resources, parameters={"nodes": 2})
    config = serve_config([big], placement={"big": "big-1", "gateway": "head"})
    app = applications(config)["big"]
    assert app["args"]["parameters"] == {"pipeline_parallel_size": 2, "tensor_parallel_size": 1}
    (deployment,) = ServeDeploySchema.model_validate(config).applications[1].deployments
    own = {"CPU": 2.0, "memory": 8 << 30}
    assert deployment.placement_group_bundles == [{**own, "GPU": 1, "big-1": 1.0}, {"GPU": 1, "big-1": 1.0}]
    assert deployment.placement_group_strategy == "PACK"
    assert app["deployments"][0]["ray_actor_options"] == {
        "num_cpus": 2.0,
        "memory": 8 << 30,
        "resources": {"big-1": 1.0},
    }


def test_serve_config_of_a_small_vllm_model_uses_part_of_a_gpu() -> None:
    small = text_model("small", engine="vllm", resources={"gpu": "0.5"})
    (deployment,) = applications(serve_config([small]))["small"]["deployments"]
    assert deployment["placement_group_bundles"] == [{"CPU": 1.0, "memory": 1 << 30, "GPU": 0.5}]
    assert deployment["placement_group_strategy"] == "STRICT_PACK"


@pytest.mark.parametrize(
    ("gpu", "parameters", "says"),
    [
        ("0", {}, "say in resources.gpu how many"),
        ("1.5", {}, "needs a whole number of GPUs, or less than one; resources.gpu is 1.5"),
        ("0.5", {"nodes": 2}, "part of a GPU cannot be spread over several"),
        ("4", {"tensor_parallel_size": 3}, "it is 4, and they are 3 and 1"),
        ("4", {"nodes": 2, "tensor_parallel_size": 4}, "it is 4, and they are 4 and 2"),
        ("3", {"nodes": 2, "pipeline_parallel_size": 3}, "multiple of parameters.nodes; they are 3 and 2"),
        (
            "2",
            {"tensor_parallel_size": "2"},
            "parameters.tensor_parallel_size: Input should be a valid integer",
        ),
        ("1", {"nodes": True}, "parameters.nodes: Input should be a valid integer"),
        ("1", {"max_model_len": 9}, "parameters.max_model_len is said by contextLength: remove it"),
        ("1", {"trust_remote_code": True}, "parameters.trust_remote_code: Extra inputs are not permitted"),
    ],
)
def test_text_model_refuses_gpus_that_do_not_fit_its_parallelism(
    gpu: str, parameters: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValidationError, match=re.escape(says)):
        text_model(engine="vllm", resources={"gpu": gpu}, parameters=parameters)


@pytest.mark.parametrize(
    ("gpu", "parameters", "tensor", "pipeline"),
    [
        ("1", {}, 1, 1),
        ("8", {}, 8, 1),
        ("16", {"nodes": 2}, 8, 2),
        ("4", {"pipeline_parallel_size": 4}, 1, 4),
        ("4", {"nodes": 2, "pipeline_parallel_size": 1}, 4, 1),
    ],
)
def test_text_model_layout_shares_out_gpus(
    gpu: str, parameters: dict[str, Any], tensor: int, pipeline: int
) -> None:
    found = text_model(engine="vllm", resources={"gpu": gpu}, parameters=parameters).spec.layout
    assert found is not None
    assert (found.tensor_parallel, found.pipeline_parallel) == (tensor, pipeline)


@pytest.mark.parametrize(
    ("spec", "parameters"),
    [
        ({"parameters": {"threads": 1}}, {"threads": 1}),
        ({"parameters": {"runtime": "auto"}, "quantization": "none"}, {}),
        ({"parameters": {"runtime": "onnxruntime"}, "quantization": "none", "resources": {"gpu": "1"}}, {}),
        ({"resources": {"gpu": "1"}}, {}),  # int8
        ({"quantization": "fp16", "resources": {"gpu": "1"}}, {"runtime": "torch"}),
        ({"parameters": {"runtime": "torch"}, "quantization": "none"}, {"runtime": "torch"}),
    ],
)
def test_a_replica_is_told_its_runtime_where_it_is_not_the_default_one(
    spec: dict[str, Any], parameters: dict[str, Any]
) -> None:
    assert applications(serve_config([model(**spec)]))["kokoro"]["args"]["parameters"] == parameters
