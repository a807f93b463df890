"""Resources that tests apply, and statuses as KubeRay and the kubelet write them."""

from typing import Any

API = "ttsplayground.dev/v1alpha1"
SERVICE = "playground"
CLUSTER = "playground-abcde"


def voice_model(
    name: str = "kokoro", avatars: tuple[str, ...] = ("female_en-US",), **spec: Any
) -> dict[str, Any]:
    """Return a VoiceModel that speaks `avatars`."""
    voices = [
        {"gender": avatar.partition("_")[0], "locale": avatar.partition("_")[2], "speaker": "af_heart"}
        for avatar in avatars
    ]
    return {
        "apiVersion": API,
        "kind": "VoiceModel",
        "metadata": {"name": name},
        "spec": {
            "engine": "kokoro",
            "source": {"uri": "package://kokoro-82m/int8", "revision": "1.0"},
            "quantization": "int8",
            "license": {"spdx": "Apache-2.0", "commercialUse": True},
            "voices": voices,
            **spec,
        },
    }


def text_model(name: str = "smollm", **spec: Any) -> dict[str, Any]:
    """Return a TextModel."""
    return {
        "apiVersion": API,
        "kind": "TextModel",
        "metadata": {"name": name},
        "spec": {
            "engine": "llamacpp",
            "source": {"uri": "package://smollm2-135m-instruct/q4_1", "revision": "1.0"},
            "license": {"spdx": "Apache-2.0", "commercialUse": True},
            **spec,
        },
    }


def playground(name: str = SERVICE, **spec: Any) -> dict[str, Any]:
    """Return a Playground."""
    return {"apiVersion": API, "kind": "Playground", "metadata": {"name": name}, "spec": spec}


def application(status: str = "RUNNING", deployment: str = "HEALTHY", message: str = "") -> dict[str, Any]:
    """Return a Serve application's state as KubeRay reports it."""
    return {
        "status": status,
        "message": message,
        "serveDeploymentStatuses": {"Voice": {"status": deployment, "message": ""}},
    }


def serving(generation: int, pending: str = "", **applications: dict[str, Any]) -> dict[str, Any]:
    """Return a RayService's status in which `applications` are as given, as a merge patch.

    They are the `pending` cluster's where there is one: KubeRay tells nothing of the active one's then.
    """
    states = {name.replace("_", "-"): state for name, state in applications.items()}
    return {
        "observedGeneration": generation,
        "activeServiceStatus": {
            "rayClusterName": CLUSTER,
            "applicationStatuses": None if pending else states,
        },
        "pendingServiceStatus": {
            "rayClusterName": pending,
            "applicationStatuses": states if pending else None,
        },
    }


def pod(name: str, group: str, service: str = SERVICE) -> dict[str, Any]:
    """Return a pod of a service's Ray cluster."""
    labels = {"ttsplayground.dev/service": service, "ray.io/group": group, "ray.io/cluster": CLUSTER}
    container = {"name": "ray-worker", "image": "registry/tts:1"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [container]},
    }
