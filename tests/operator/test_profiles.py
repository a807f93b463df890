"""The profile `standard`: what a service needs before it runs, and how one of an older operator goes on."""

import pytest
from resources import application, playground, serving, voice_model
from running import eventually, run_pods

from tts_app.resources import VoiceModel
from tts_operator.desired.groups import group_of
from tts_operator.desired.security import PROBLEMS_ANNOTATION
from tts_operator.objects import EVENT, RAY_SERVICE, VOICE_MODEL, Ref

pytestmark = pytest.mark.usefixtures("kuberay_stopped")
SERVICE = (RAY_SERVICE, "playground")


def test_service_without_a_key_starts_once_it_has_one(api, operator_factory):
    operator_factory(profile="standard").start()
    api.apply(voice_model())
    ready = api.await_condition("kokoro", "Ready", "False", "Insecure")
    assert "callers need no key: name a Secret in `security.apiKey`" in ready["message"]
    assert api.get(*SERVICE) is None
    api.apply(playground(security={"apiKey": {"name": "api-key"}}))
    api.await_object(Ref(*SERVICE))
    api.await_condition("kokoro", "Ready", "False", "ClusterStarting")


def test_keyless_service_of_an_older_operator_goes_on(api, operator_factory):
    before = operator_factory("before")
    before.start()
    api.apply(voice_model())
    api.await_object(Ref(*SERVICE))
    run_pods(api, group_of(VoiceModel.model_validate(voice_model())))
    live = api.get(*SERVICE)
    status = serving(live["metadata"]["generation"], gateway=application(), kokoro=application())
    api.merge_status(*SERVICE, status)
    api.await_condition("kokoro", "Ready", "True", "Serving")
    before.kill()
    api.merge(*SERVICE, {"metadata": {"annotations": {PROBLEMS_ANNOTATION: None}}})  # it knew none of them

    operator_factory("after", profile="standard").start()
    insecure = api.await_condition("kokoro", "Insecure", "True", "GoesOn")
    assert "security.apiKey" in insecure["message"]
    api.await_condition("kokoro", "Ready", "True", "Serving")
    eventually(lambda: "GoesOn" in {event["reason"] for event in api.list(EVENT)}, "the Event")
    assert api.get(*SERVICE)["spec"] == live["spec"]

    api.apply(playground(security={"apiKey": {"name": "api-key"}}))
    eventually(lambda: "api-key" in str(api.get(*SERVICE)["spec"]), "the key in the RayService")

    def types():
        return {condition["type"] for condition in api.get(VOICE_MODEL, "kokoro")["status"]["conditions"]}

    eventually(lambda: "Insecure" not in types(), "no condition Insecure")
    assert api.get(*SERVICE)["metadata"]["annotations"][PROBLEMS_ANNOTATION] == ""
