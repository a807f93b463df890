"""How an application of the Serve config is built: without what its replica needs.

Serve builds each application in a process of its own, which ends after it. So a module that the config names
(`tts_app.api.gateway`, `.serving.voice`, `.serving.text`) imports nothing dear, and gives the class by its
path: the replica alone imports that.
"""

from typing import Any

from ray import serve


def application(deployment: str, path: str, args: dict[str, Any]) -> serve.Application:
    """Return an application of one deployment, whose class is at `path` and is made with `args`."""
    # A path is taken as well (`ReplicaConfig.create`); the replica imports it.
    return serve.deployment(name=deployment)(path).bind(args)  # type: ignore[arg-type]
