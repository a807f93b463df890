"""Clips on their way to an engine: by their digest alone, until somebody asks for the sound."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import numpy as np

from tts_app.audio.samples import SILENCE, Audio
from tts_app.engines.base import Clip, EngineError, Segment

GetClip = Callable[[], Awaitable[Clip]]
"""Returns the clip that an utterance is spoken with."""
_MOST = 16
"""Clips that a replica keeps: 3 MB each at most."""
_LEASE = 600.0
"""Seconds after which a clip must be handed over anew: so one that was revoked meanwhile is gone."""
_MOST_REVOKED = 10_000
"""Digests that are remembered as revoked."""


def digest_of(owner: str, audio: Audio, transcript: str) -> str:
    """Return the digest of a clip, 64 hexadecimal digits.

    `owner` is the id of its voice: the same recording of two voices is two clips. So revoking one leaves the
    other, and no time of an answer says whether somebody else has the recording too.
    """
    content = hashlib.sha256(f"{owner}\n{transcript}\n".encode())
    content.update(np.ascontiguousarray(audio, "<f4").tobytes())
    return content.hexdigest()


def named_clip(digest: str) -> Clip | None:
    """Return a clip without its sound, which stands for the one of that digest; None where there is none."""
    return Clip(digest, SILENCE, 0, "") if digest else None


@dataclass(frozen=True, slots=True)
class MissingClip:
    """What a replica answers in place of sound: that it lacks a clip, which must be sent along."""

    digest: str


class ClipCache:
    """The clips that a process has: those of the model's own voices, and some of cloned ones.

    For one thread at a time. `forget_engine` is told the digest of each clip that is dropped.
    """

    def __init__(
        self,
        forget_engine: Callable[[str], None],
        most: int = _MOST,
        lease: float = _LEASE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._forget_engine = forget_engine
        self._most, self.lease, self._clock = most, lease, clock
        self._own: dict[str, Clip] = {}
        self._kept: OrderedDict[str, tuple[Clip, float]] = OrderedDict()
        self._revoked: OrderedDict[str, None] = OrderedDict()

    def use(self, own: dict[str, Clip]) -> None:
        """Have these clips of the model's own voices, by what segments call them; drop those of before."""
        before, self._own = self._own, own
        still = {clip.digest for clip in own.values()}
        for clip in before.values():
            if clip.digest not in still:
                self._forget_engine(clip.digest)

    def filled(self, segment: Segment) -> Segment | MissingClip:
        """Return the segment with the sound of its clip, which is kept; or which clip is missing.

        Raises:
            EngineError: the voice was revoked.
        """
        clip = segment.clip
        if clip is None:
            return segment
        self.expire()
        if clip.digest in self._revoked:
            raise EngineError("The voice was revoked: choose another one.")
        if clip.digest in self._own:
            return replace(segment, clip=self._own[clip.digest])
        if clip.audio.size:
            self._keep(clip)
        if clip.digest not in self._kept:
            return MissingClip(clip.digest)
        self._kept.move_to_end(clip.digest)
        return replace(segment, clip=self._kept[clip.digest][0])

    def revoke(self, digest: str) -> None:
        """Drop a clip, and never speak with it again."""
        self._revoked[digest] = None
        if len(self._revoked) > _MOST_REVOKED:
            self._revoked.popitem(last=False)
        self._kept.pop(digest, None)
        self._forget_engine(digest)

    def spoken(self, clip: Clip) -> None:
        """Have the engine forget a clip that was dropped while it spoke with it."""
        own = any(clip.digest == one.digest for one in self._own.values())
        if not own and clip.digest not in self._kept:
            self._forget_engine(clip.digest)

    def expire(self) -> None:
        """Drop the clips whose lease has ended."""
        now = self._clock()
        for digest in [digest for digest, (_, ends) in self._kept.items() if ends <= now]:
            self._drop(digest)

    def _keep(self, clip: Clip) -> None:
        self._kept[clip.digest] = clip, self._clock() + self.lease
        while len(self._kept) > self._most:
            self._drop(next(iter(self._kept)))

    def _drop(self, digest: str) -> None:
        del self._kept[digest]
        self._forget_engine(digest)
