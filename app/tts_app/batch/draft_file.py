"""The file of drafts: JSON lines, written whole or not at all."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from tts_app.batch.post_record import Fault, PostsError
from tts_app.batch.posts import read_posts
from tts_app.files import whole_file
from tts_app.resources.tts_job import Post, Posts

_NO_CONFIG_MAPS = Path()


class DraftFileError(Exception):
    """These drafts cannot go into the file; the message says what would be right."""


class DraftFile:
    """A file of drafts. One that exists is added to with `append`, replaced with `force`, else refused.

    Raises:
        DraftFileError: it exists and neither is set, it holds something else than posts, or its folder is
            missing.
    """

    def __init__(self, path: Path, *, append: bool = False, force: bool = False) -> None:
        self._path = path.expanduser().resolve()
        self._before = b""
        self._known = b""
        self.posts: Sequence[Post] = ()
        """The posts that it has and keeps."""
        if not self._path.parent.is_dir():
            raise DraftFileError(f"{path}: there is no folder {self._path.parent}.")
        if self._path.suffix.lower() == ".csv":
            raise DraftFileError(f"{path}: drafts are JSON lines, so call the file like posts.jsonl.")
        if self._path.exists() and not (append or force):
            raise DraftFileError(
                f"{path} is there already: --append adds to it, --force replaces it, -o names another."
            )
        if append and self._path.exists():
            self._before = self._known = self._path.read_bytes()
            self.posts = _posts(self._path)
        self._replaces = force

    @property
    def next_id(self) -> int:
        """Id after the last one."""
        return max((post.id for post in self.posts), default=0) + 1

    def write(self, posts: Iterable[Post]) -> None:
        """Write `posts` into the file, in place of those that this object wrote before.

        Raises:
            DraftFileError: another program has written to it meanwhile.
            OSError: it cannot be written.
        """
        there = self._path.read_bytes() if self._path.exists() else b""
        if there != self._known and not self._replaces:
            raise DraftFileError(f"{self._path} was changed meanwhile, so it stays as it is.")
        joint = b"\n" if self._before and not self._before.endswith(b"\n") else b""
        content = self._before + joint + written(posts).encode()
        with whole_file(self._path) as file:
            file.write(content)
        self._known, self._replaces = content, False


def written(posts: Iterable[Post]) -> str:
    """Return posts as JSON lines."""
    return "".join(f"{json.dumps(post.model_dump(mode='json'), ensure_ascii=False)}\n" for post in posts)


def posts_of(path: Path, *, strict: bool = False) -> Iterable[Post | Fault]:
    """Yield each post of a file or folder, or what is wrong with its record.

    Raises:
        PostsError: it cannot be read.
    """
    return read_posts(Posts(uri=path.expanduser().absolute().as_uri(), strict=strict), _NO_CONFIG_MAPS)


def _posts(path: Path) -> list[Post]:
    posts: list[Post] = []
    try:
        for post in posts_of(path):
            if isinstance(post, Fault):
                raise DraftFileError(f"{path}, {post}. Nothing can be added to it before that is put right.")
            posts.append(post)
    except PostsError as error:
        raise DraftFileError(str(error)) from error
    return posts
