"""What the files of a batch are called, and how the voices of its items are written down."""

from typing import NamedTuple


class Label(NamedTuple):
    """A voice of a batch, as it is written in records of batches (`CatalogueVoice.label`)."""

    voice: str
    """Id of the cloned voice, or the avatar."""
    gender: str
    locale: str


def parse_label(label: str) -> Label:
    """Return what `female_en-US`, or `voice_0a1b...@female_en-US` of a cloned voice, means."""
    clone, _, avatar = label.rpartition("@")
    gender, _, locale = avatar.partition("_")
    return Label(clone or avatar, gender, locale)


def file_name(template: str, post: int, label: str, extension: str) -> str:
    """Return the name of a post's file; `template` is a TTSJob's `nameTemplate`, which its resource checks.

    `{post:02d}` means at least two digits: a batch that grows beyond 99 posts keeps its earlier names.
    """
    return f"{template.format(post=post, **parse_label(label)._asdict())}.{extension}"
