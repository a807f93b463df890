"""`ttsp posts`: drafts of posts, and the check of their words."""

import asyncio
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tts_app.cli.console import FAILED, INTERRUPTED, WRONG_USAGE, TextFiles, err, fail, reported
from tts_app.cli.writers import ModelName, Url, writer_of

if TYPE_CHECKING:
    from tts_app.batch.draft_file import DraftFile
    from tts_app.batch.drafting import Draft, Order
    from tts_app.resources.tts_job import Post

_STDOUT = Path("-")

posts_app = typer.Typer(help="Draft and check posts.", no_args_is_help=True)


@posts_app.command("write")
def write_posts(
    topic: Annotated[str, typer.Option(help="What the posts are about.")],
    languages: Annotated[
        str, typer.Option(help="Languages and locales with commas, such as en,ar-EG.")
    ] = "en",
    count: Annotated[int, typer.Option(min=1, max=10_000, help="How many posts.")] = 10,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File of JSON lines; - is standard output.")
    ] = Path("posts.jsonl"),
    append: Annotated[
        bool, typer.Option("--append", help="Add to the file; the ids go on from its last.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    tries: Annotated[int, typer.Option(min=1, max=20, help="How often to ask for a text that is bad.")] = 3,
    save_every: Annotated[
        float, typer.Option(min=0, help="Seconds between two writings of the file: what a kill may lose.")
    ] = 10.0,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**30, help="Where the seeds begin. Default: anywhere.")
    ] = None,
    model: ModelName = None,
    file: TextFiles = None,
    url: Url = None,
) -> None:
    """Draft posts with a TextModel, as `ttsp render --posts` takes them. A person must review them."""
    from tts_app.batch.drafting import Order
    from tts_app.batch.drafts import languages_of

    if not topic.strip():
        fail("--topic is empty: say what the posts are about.", WRONG_USAGE)
    if append and force:
        fail("--append and --force exclude each other.", WRONG_USAGE)
    try:
        wanted = languages_of(languages)
    except ValueError as error:
        fail(f"--languages: {error}", WRONG_USAGE)
    into = None if output == _STDOUT else _file(output, append, force)
    order = Order(
        topic=topic.strip(),
        languages=wanted,
        count=count,
        first=into.next_id if into else 1,
        tries=tries,
        seed=secrets.randbelow(2**30) if seed is None else seed,
    )
    drafts: list[Draft] = []
    try:
        code = _draft(order, into, save_every, drafts, file, model, url)
    except KeyboardInterrupt:
        code = INTERRUPTED
    _keep(drafts, into)
    _conclude(drafts, order, output)
    raise typer.Exit(code or (FAILED if any(draft.faults for draft in drafts) else 0))


@posts_app.command("check")
def check_posts(
    file: Annotated[Path, typer.Argument(help="JSON, a table (CSV), or a folder of text files.")],
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse fields that a post does not have.")
    ] = False,
) -> None:
    """Check the words of posts: length, script, placeholders, repetitions. A batch speaks any."""
    from tts_app.batch.draft_file import posts_of
    from tts_app.batch.post_record import PostsError
    from tts_app.batch.review import review_posts

    try:
        faults = list(review_posts(posts_of(file, strict=strict)))
    except PostsError as error:
        fail(str(error), WRONG_USAGE)
    for fault in faults:
        typer.echo(str(fault))
    err.print(
        f"{file}: {len(faults):,} to correct" if faults else f"{file}: nothing to correct", markup=False
    )
    raise typer.Exit(FAILED if faults else 0)


def _file(path: Path, append: bool, force: bool) -> "DraftFile":
    from tts_app.batch.draft_file import DraftFile, DraftFileError

    try:
        return DraftFile(path, append=append, force=force)
    except DraftFileError as error:
        fail(str(error), WRONG_USAGE)
    except OSError as error:
        fail(f"{path} cannot be read: {error.strerror}.", WRONG_USAGE)


def _draft(
    order: "Order",
    into: "DraftFile | None",
    save_every: float,
    drafts: list["Draft"],
    file: list[Path] | None,
    model: str | None,
    url: str | None,
) -> int:
    """Put what a model drafts into `drafts`, and every `save_every` seconds into the file.

    Return the exit code: not 0 if the model failed.
    """
    from tts_app.batch.draft_file import DraftFileError
    from tts_app.batch.drafting import draft_posts
    from tts_app.batch.review import Review
    from tts_app.engines.base import EngineError

    review = Review()
    for post in into.posts if into else ():
        for language, text in post.text.items():
            review.keep(f"post {post.id} in {language}", text)

    saved = time.monotonic()

    def report(draft: "Draft") -> None:
        nonlocal saved
        drafts.append(draft)
        done = f"{len(drafts)} of {order.count}"
        if draft.post is not None:
            err.print(f"post {draft.id}: {', '.join(draft.post.text)} ({done})")
        for fault in draft.faults:
            err.print(f"{fault} ({done})", style="red", markup=False)
        if into is not None and time.monotonic() > saved + save_every and (posts := _posts(drafts)):
            try:
                into.write(posts)
            except (DraftFileError, OSError) as error:
                err.print(f"{error} This is tried again.", style="red", markup=False)
            saved = time.monotonic()

    with reported(), asyncio.Runner() as runner, writer_of(runner, file, model, url) as writer:
        try:
            runner.run(draft_posts(writer, order, review, report))
        except EngineError as error:
            err.print(f"ttsp: {error}", style="red", markup=False)
            return FAILED
    return 0


def _posts(drafts: list["Draft"]) -> list["Post"]:
    """Return the posts that have a good text, in the order of their ids."""
    return sorted((draft.post for draft in drafts if draft.post is not None), key=lambda post: post.id)


def _keep(drafts: list["Draft"], into: "DraftFile | None") -> None:
    """Write the drafts; if their file cannot be written, to standard output, so that they are not lost."""
    from tts_app.batch.draft_file import DraftFileError, written

    posts = _posts(drafts)
    if into is None:
        typer.echo(written(posts), nl=False)
    elif posts:
        try:
            into.write(posts)
        except (DraftFileError, OSError) as error:
            typer.echo(written(posts), nl=False)
            fail(f"{error} The drafts are on standard output instead.", FAILED)


def _conclude(drafts: list["Draft"], order: "Order", output: Path) -> None:
    whole = sum(not draft.faults for draft in drafts)
    partly = sum(draft.post is not None for draft in drafts) - whole
    place = "standard output" if output == _STDOUT else str(output)
    summary = f"{place}: {whole:,} of {order.count:,} posts"
    if partly:
        summary += f", and {partly:,} that lack{'s' if partly == 1 else ''} a language"
    if len(drafts) < order.count:
        summary += f"; {order.count - len(drafts):,} not tried"
    err.print(summary, markup=False)
    if whole or partly:
        err.print("These are drafts: let somebody who knows the language read each before it is published.")
