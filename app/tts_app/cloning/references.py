"""The clips that VoiceModels name as `reference`: fetched, decoded in the sandbox, checked."""

from collections.abc import Iterable

from tts_app.cloning.checks import check_recording
from tts_app.cloning.clips import digest_of
from tts_app.cloning.recordings import RecordingError
from tts_app.cloning.sandbox import CLIP_RATE, LIMITS, decode_recording
from tts_app.engines.base import Clip, EngineError
from tts_app.resources.voice_model import VoiceReference
from tts_app.sources import SourceError
from tts_app.sources.single import read_file


def clips_of(references: Iterable[VoiceReference]) -> dict[str, Clip]:
    """Return the clips, by the key of their reference. Blocks until all are fetched and decoded.

    Raises:
        EngineError: one cannot be fetched, or is not fit to be imitated; the message names it.
    """
    return {reference.key: _clip(reference) for reference in references}


def _clip(reference: VoiceReference) -> Clip:
    try:
        recording = decode_recording(read_file(reference.uri, LIMITS.bytes))
        checked = check_recording(recording, CLIP_RATE)
    except (RecordingError, SourceError) as error:
        raise EngineError(f"The reference {reference.uri} cannot be used. {error}") from error
    digest = digest_of(reference.key, checked.audio, reference.transcript)
    return Clip(digest, checked.audio, CLIP_RATE, reference.transcript)
