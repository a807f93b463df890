"""Resources as `kubectl ttsp status` shows them."""

from tts_app.desk.conditions import row_of, rows_of


def resource(kind, name, status=None, namespace="speech"):
    return {"kind": kind, "metadata": {"name": name, "namespace": namespace}, "status": status}


def condition(type_, status, reason="Reason", message="A message."):
    return {"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": "t"}


def test_rows_begin_with_services_and_end_with_jobs():
    kinds = ("TTSJob", "TextModel", "VoiceModel", "Playground")
    rows = rows_of([resource(kind, name) for kind in kinds for name in ("b", "a")])
    assert [(row.kind, row.name) for row in rows][::2] == [(kind, "a") for kind in reversed(kinds)]
    assert {row.cause for row in rows} == {"The operator has not looked at it yet."}
    assert {row.state for row in rows} == {"Unknown"}


def test_row_has_the_cause_and_the_links():
    status = {
        "conditions": [
            condition("Ready", "False", "ImagePullFailed", "No such image."),
            condition("Degraded", "True", "ImagePullFailed", "No such image."),
            condition("Insecure", "True", "GoesOn", "Callers need no key."),
            condition("Progressing", "True"),
        ],
        "url": "http://playground:8000",
        "dashboardUrl": "http://playground:8000/ray/",
        "replicas": 2,
        "readyReplicas": 1,
    }
    row = row_of(resource("VoiceModel", "kokoro", status))
    assert (row.state, row.cause) == ("Not ready", "ImagePullFailed: No such image.")
    assert row.detail == "1/2 replicas"
    assert row.links == {"api": "http://playground:8000", "ray dashboard": "http://playground:8000/ray/"}
    assert [alarm.type for alarm in row.alarms] == ["Insecure"], "Degraded only repeats the cause"


def test_row_of_a_ready_model_that_is_degraded_has_an_alarm():
    status = {
        "conditions": [condition("Ready", "True"), condition("Degraded", "True", "AvatarsTaken", "Taken.")]
    }
    row = row_of(resource("VoiceModel", "kokoro", status))
    assert (row.state, [alarm.reason for alarm in row.alarms]) == ("Ready", ["AvatarsTaken"])


def test_row_of_a_job_has_its_phase_and_items():
    status = {"phase": "Running", "progress": {"summary": "5/18", "failed": 1}}
    row = row_of(resource("TTSJob", "welcome", status))
    assert (row.state, row.detail) == ("Running", "5/18 items, 1 failed")
    playground = row_of(resource("Playground", "playground", {"models": {"summary": "1/2"}}))
    assert playground.detail == "1/2 models ready"
