"""What the files of a batch are called."""


def file_name(template: str, post: int, avatar: str, extension: str) -> str:
    """Return the name of a post's file; `template` is a TTSJob's `nameTemplate`, which its resource checks.

    `{post:02d}` means at least two digits: a batch that grows beyond 99 posts keeps its earlier names.
    """
    gender, _, locale = avatar.partition("_")
    return f"{template.format(post=post, gender=gender, locale=locale)}.{extension}"
