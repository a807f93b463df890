"""What pydantic found wrong, in words that repeat none of the text that was given."""

from collections.abc import Iterator

from pydantic import ValidationError


def faults(error: ValidationError) -> Iterator[str]:
    """Yield each fault as `path.to.field: what is wrong`; without a path where it is of the whole."""
    for detail in error.errors(include_url=False, include_input=False, include_context=False):
        where = ".".join(map(str, detail["loc"]))
        yield f"{where}: {detail['msg']}" if where else detail["msg"]
