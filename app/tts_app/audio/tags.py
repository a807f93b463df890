"""What an encoded file says about itself: who speaks it, and in which language."""

_ISO_639_2 = {"ar": "ara", "en": "eng", "es": "spa", "hi": "hin", "ur": "urd"}
"""ISO 639-1 codes of the playground's languages as the ISO 639-2 codes that ID3's TLAN frame holds."""


def speech_tags(avatar: str, locale: str, *, title: str | None = None) -> dict[str, str]:
    """Return the tags of speech by `avatar` (such as `female_en-US`) in `locale`, for `Encoder`.

    The keys are libavformat's: it writes them as ID3 frames (TPE1, TLAN, TIT2) or Vorbis comments.
    Speech is made by a machine and says so. A language without a known code is `und`, undetermined.
    """
    language, _, _ = locale.lower().partition("-")
    tags = {"artist": avatar, "language": _ISO_639_2.get(language, "und")}
    if title:
        tags["title"] = title
    return tags | {"comment": f"Synthetic speech, {avatar}, {locale}"}
