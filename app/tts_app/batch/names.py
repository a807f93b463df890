"""What the files of a batch are called."""

from tts_app.catalogue import CatalogueVoice


def file_name(template: str, post: int, voice: CatalogueVoice, extension: str) -> str:
    """Return the name of a post's file; `template` is a TTSJob's `nameTemplate`, which its resource checks.

    `{post:02d}` means two digits or more: a batch that grows beyond 99 posts keeps the names it had.
    """
    avatar = voice.voice
    return f"{template.format(post=post, gender=avatar.gender, locale=avatar.locale)}.{extension}"
