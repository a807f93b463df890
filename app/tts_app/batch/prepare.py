"""What comes before rendering: the plan, and an output that can be written."""

from collections.abc import Sequence
from pathlib import Path

from tts_app.batch.plan import FindClone, Plan, PlanError, no_clones, plan_batch
from tts_app.batch.post_record import Fault
from tts_app.resources import VoiceModel
from tts_app.resources.tts_job import TTSJobSpec
from tts_app.storage.output import LEASE_SECONDS, Output, OutputError, describe, open_output


def prepare(
    spec: TTSJobSpec,
    models: Sequence[VoiceModel],
    config_maps: Path,
    touch: bool = True,
    avatars: Sequence[str] = (),
    lease_seconds: float = LEASE_SECONDS,
    private: bool = False,
    find_clone: FindClone = no_clones,
    commercial: bool = False,
) -> tuple[Plan, Output]:
    """Return the plan and the output; with `touch`, check that the output can be written. Blocking.

    If `avatars` are given, only these speak, whatever else the models offer: labels of voices. `find_clone`
    finds the cloned voices that are named. `commercial`: whether the audio is used commercially.
    `lease_seconds` is how long a lost driver still holds an output in an object store. `private`: a folder of
    output is its owner's only.

    Raises:
        PlanError: something is wrong; all faults are listed, nothing was rendered.
    """
    faults: list[Fault] = []
    output: Output | None = None
    secret = b""
    try:
        output = open_output(spec.output.uri, lease_seconds, private)
        if touch:
            output.prepare()
        secret = output.secret(make=touch)
    except OutputError as error:
        faults.append(Fault("output", str(error)))
    except OSError as error:
        if touch:  # else it may be back when the driver asks again
            faults.append(Fault("output", f"{spec.output.uri}: {describe(error)}"))
    try:
        plan = plan_batch(
            spec,
            models,
            config_maps,
            avatars,
            secret=secret,
            find_clone=find_clone,
            commercial=commercial,
        )
    except PlanError as error:
        raise PlanError([*error.faults, *faults]) from None
    if output is None or faults:
        plan.close()
        raise PlanError(faults)
    return plan, output
