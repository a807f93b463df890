"""How an application of the Serve config is built: without the imports that its replica needs.

Serve builds each application in a process of its own, which then ends. So a module that the config names
(`tts_app.api.gateway`, `.serving.voice`, `.serving.text`) imports nothing slow, and gives the path of the
class: only the replica imports that.
"""

from typing import Any

from ray import serve


def application(deployment: str, path: str, args: dict[str, Any]) -> serve.Application:
    """Return an application of one deployment, whose class is at `path` and is made with `args`."""
    # Serve accepts a path too (`ReplicaConfig.create`); the replica imports it.
    return serve.deployment(name=deployment)(path).bind(args)  # type: ignore[arg-type]
