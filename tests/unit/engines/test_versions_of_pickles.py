"""What gateways and replicas send each other can be read by those of another version, while both run."""

import pickle
from dataclasses import fields
from typing import Any

import pytest

from tts_app.engines.base import Capabilities, Pronounced, Segment

SEGMENT = Segment("Hi.", "hˈI", "en-US", "af_heart", first=True, parts=(Pronounced("hˈI", "en-US"),))
CAPABILITIES = Capabilities(24_000, "phonemes", 510, (0.5, 2.0), max_frames=900.0, speakers=("af_heart",))
OLDER = [(SEGMENT, "parts", ()), (CAPABILITIES, "speakers", ())]
"""What is sent, its newest field, and what that is if an older version sent it."""


@pytest.mark.parametrize(("sent", "newest", "default"), OLDER)
def test_an_older_sender_has_no_newest_field(sent: Any, newest: str, default: Any) -> None:
    names = [one.name for one in fields(sent)]
    assert names[-1] == newest, "a new field comes last, and here"
    read = object.__new__(type(sent))
    read.__setstate__([getattr(sent, name) for name in names[:-1]])
    assert getattr(read, newest) == default
    assert [getattr(read, name) for name in names[:-1]] == [getattr(sent, name) for name in names[:-1]]


@pytest.mark.parametrize(("sent", "newest", "default"), OLDER)
def test_this_version_reads_its_own(sent: Any, newest: str, default: Any) -> None:
    read = pickle.loads(pickle.dumps(sent))  # noqa: S301
    assert read == sent
    assert getattr(read, newest) != default
