"""How a batch is run."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field

from tts_app.telemetry import traces

SPEAKERS = {
    "engine": "tts_app.batch.speakers:EngineSpeaker",
    "service": "tts_app.batch.speakers:ServiceSpeaker",
}
"""What can speak, as `module:Class`: a model in the worker itself, or a service's replicas."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a batch is run."""

    job: str
    """Name of the job."""
    _: KW_ONLY
    uid: str = ""
    """Distinguishes the job from others with the same name."""
    speaker: str = "engine"
    """`engine`, `service`, or `module:Class`."""
    node_resource: Mapping[str, str] = field(default_factory=dict)
    """Custom Ray resource of the nodes where a model's workers run, by the model's name."""
    retries: int = 2
    parallelism: int = 8
    """Most items that all models together speak at a time."""
    utilisation: float = 0.8
    """Share of each node's CPU, GPU, disk and network above which nothing is added."""
    retry_failed: bool = False
    """Whether this job's own failures are tried again too."""
    cause: traces.Carrier = field(default_factory=dict)
    """The trace of the request for the batch, to which those of its items are linked."""

    @property
    def identity(self) -> str:
        """Whose items these are: failures of the same job are not tried again."""
        return self.uid or self.job
