"""Tags of an encoded file: who speaks it, and in which language."""

from tts_app.resources.locales import language_of


def speech_tags(avatar: str, locale: str, *, title: str | None = None, consent: str = "") -> dict[str, str]:
    """Return the tags of speech by `avatar` (such as `female_en-US`) in `locale`, for `Encoder`.

    `consent` is the id of the speaker's consent, if the voice imitates somebody: then the tags say so.

    The keys are libavformat's: it writes them as ID3 frames (TPE1, TLAN, TIT2) or Vorbis comments.
    The tags say that a machine made the speech. A language without a known code is `und`, undetermined.
    """
    tags = {"artist": avatar, "language": language_of(locale).iso639_2}
    if title:
        tags["title"] = title
    cloned = f"; cloned voice {avatar}; consent {consent}" if consent else ""
    return tags | {"comment": f"Synthetic speech, {avatar}, {locale}{cloned}"}
