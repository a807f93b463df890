"""What KubeRay makes of a TTSJob: pods that a restricted namespace takes, with the cluster's token."""

import pytest
from resources import voice_model
from running import eventually
from test_jobs import POSTS, tts_job

from tts_operator.objects import JOB, POD, RAY_CLUSTER, RAY_JOB, TTS_JOB, Ref

pytestmark = pytest.mark.usefixtures("operator")


def test_ephemeral_tts_job_gets_a_cluster_and_a_submitter_with_its_token(api, control_plane):
    control_plane.kubectl(
        "label", "namespace", api.namespace, "pod-security.kubernetes.io/enforce=restricted"
    )
    api.apply(voice_model())
    labels = {"kueue.x-k8s.io/queue-name": "batches"}
    api.apply(tts_job(labels=labels, ephemeral={}, posts={"inline": POSTS}))

    def stage():
        return (api.get(RAY_JOB, "welcome") or {}).get("status", {}).get("jobDeploymentStatus")

    eventually(lambda: stage() == "Initializing", "KubeRay takes the RayJob")
    assert api.get(RAY_JOB, "welcome")["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "batches"

    def pods(**labels):
        wanted = {f"ray.io/{name.replace('_', '-')}": value for name, value in labels.items()}
        return [p for p in api.list(POD) if wanted.items() <= p["metadata"]["labels"].items()]

    cluster = eventually(lambda: api.get(RAY_JOB, "welcome")["status"].get("rayClusterName"), "its cluster")
    eventually(lambda: len(pods(cluster=cluster)) == 2, "its head and a worker")
    # As if the head answered: KubeRay makes the submitter then.
    api.merge_status(RAY_JOB, "welcome", {"dashboardURL": "head:8265"})
    eventually(lambda: api.get(JOB, "welcome"), "the submitter's Job")

    def submitters():
        component = "app.kubernetes.io/component"
        return [p for p in api.list(POD) if p["metadata"]["labels"].get(component) == "submitter"]

    (pod,) = eventually(submitters, "the submitter's pod")
    (container,) = pod["spec"]["containers"]
    variables = {v["name"]: v for v in container["env"]}
    assert variables["RAY_AUTH_TOKEN"]["valueFrom"]["secretKeyRef"] == {
        "name": cluster,
        "key": "auth_token",
    }
    submission = api.get(RAY_JOB, "welcome")["status"]["jobId"]
    assert variables["RAY_JOB_SUBMISSION_ID"]["value"] == submission
    (command,) = container["args"]
    assert "--no-wait" in command
    uid = api.get(TTS_JOB, "welcome")["metadata"]["uid"]
    driver = f"ttsp render -f batch.yaml --json --uid {uid} --speaker engine --place kokoro=kokoro-"
    assert driver in command

    api.delete(TTS_JOB, "welcome")
    api.await_absence(Ref(RAY_JOB, "welcome"))
    api.await_absence(Ref(RAY_CLUSTER, cluster))
