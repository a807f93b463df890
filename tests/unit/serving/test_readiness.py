"""Why a model does not answer, from what Ray Serve says."""

import pytest
from ray.serve._private.common import DeploymentStatus, DeploymentStatusTrigger, ReplicaState
from ray.serve.schema import (
    ApplicationStatus,
    ApplicationStatusOverview,
    DeploymentStatusOverview,
    ServeStatus,
)

from tts_app.serving import readiness
from tts_app.serving.readiness import look, reason


def status(
    application: ApplicationStatus,
    deployment: DeploymentStatus = DeploymentStatus.UPDATING,
    message: str = "",
    running: int = 0,
) -> ServeStatus:
    overview = DeploymentStatusOverview(
        status=deployment,
        status_trigger=DeploymentStatusTrigger.UNSPECIFIED,
        replica_states={ReplicaState.RUNNING: running},
        message=message,
    )
    return ServeStatus(
        applications={"m": ApplicationStatusOverview(application, "the application", 0.0, {"Text": overview})}
    )


async def test_look_tells_whether_a_replica_may_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    found: ServeStatus | None = None

    async def ask() -> ServeStatus | None:
        return found

    monkeypatch.setattr(readiness, "_status", ask)
    assert await look("m") == (None, "Ray Serve does not say why.")
    found = ServeStatus()
    assert await look("m") == (False, "it is not deployed yet.")
    found = status(ApplicationStatus.RUNNING)
    assert not (await look("m")).running
    found = status(ApplicationStatus.UNHEALTHY, running=1)
    assert (await look("m")).running


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (status(ApplicationStatus.DEPLOYING), "still being loaded"),
        (status(ApplicationStatus.NOT_STARTED), "still being loaded"),
        (status(ApplicationStatus.DELETING), "being removed"),
        (status(ApplicationStatus.RUNNING), "being started again"),
        (status(ApplicationStatus.RUNNING, DeploymentStatus.HEALTHY, running=1), "busy"),
        (ServeStatus(), "not deployed yet"),
    ],
)
def test_reason_is_given_in_words(found: ServeStatus, words: str) -> None:
    assert words in reason(found, "m")


def test_reason_of_a_traceback_is_its_last_error() -> None:
    message = 'The deployment failed.\nTraceback:\n  File "x.py"\nEngineError: no such parameter: n_gpu\n'
    reported = reason(status(ApplicationStatus.DEPLOY_FAILED, DeploymentStatus.DEPLOY_FAILED, message), "m")
    assert reported == "it does not start. EngineError: no such parameter: n_gpu"
    broken = reason(
        status(ApplicationStatus.UNHEALTHY, DeploymentStatus.UNHEALTHY, "health check failed"), "m"
    )
    assert broken == "it has broken down and is being started again. health check failed"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("EngineError: /cache/models/a-b/m.gguf is damaged: x", "EngineError: (path) is damaged: x"),
        ("No such file: '/srv/a b/c'", "No such file: '(path) b/c'"),
        ("SourceError: file:///srv/secret: no folder /srv/secret.", "SourceError: (path) no folder (path)"),
        (
            "SourceError: hf://owner/name at 1/2 does not exist",
            "SourceError: hf://owner/name at 1/2 does not exist",
        ),
        ("see https://host/path and pvc://claim/path", "see https://host/path and pvc://claim/path"),
    ],
)
def test_callers_are_told_no_path_of_the_server(said: str, told: str) -> None:
    found = status(ApplicationStatus.DEPLOY_FAILED, DeploymentStatus.DEPLOY_FAILED, said)
    assert reason(found, "m") == f"it does not start. {told}"


def test_reason_without_a_deployment_message_is_that_of_the_application() -> None:
    assert reason(status(ApplicationStatus.DEPLOY_FAILED), "m") == "it does not start. the application"
