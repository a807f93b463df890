"""Downloads one file over HTTP: resumable, checked, and either complete or absent."""

from pathlib import Path

import httpx

from tts_app.sources.base import Progress, SourceError, sha256_of

ATTEMPTS = 4
"""How often a broken transfer resumes before it is an error."""


def download(url: str, target: Path, sha256: str, name: str, progress: Progress) -> None:
    """Fetch `url` into `target`.

    What arrived before a break is in `<target>.partial`; the next call resumes from there.

    Raises:
        SourceError: the server cannot be reached or answers with an error, or the file has another SHA-256
            (and is deleted).
    """
    if target.exists() and sha256_of(target) == sha256:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    failure: Exception | None = None
    for _ in range(ATTEMPTS):
        try:
            _continue(url, partial, name, progress)
            break
        except httpx.TransportError as error:
            failure = error
    else:
        raise SourceError(
            f"Cannot download {name}: {failure}. What arrived is kept; run `ttsp models fetch` again when "
            f"the network is back, or copy the cache folder from a machine that has it (TTSP_CACHE names it)."
        ) from failure
    found = sha256_of(partial)
    if found != sha256:
        partial.unlink()
        raise SourceError(
            f"{name} arrived with SHA-256 {found}, expected {sha256}; it was deleted. Run the command again; "
            f"if it happens twice, the registry or a proxy serves another file."
        )
    partial.rename(target)


def _continue(url: str, partial: Path, name: str, progress: Progress) -> None:
    """Append the missing part of `url` to `partial`."""
    have = partial.stat().st_size if partial.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=60) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # It is complete; the checksum decides.
        if response.is_error:
            raise SourceError(
                f"Cannot download {name}: the server answered {response.status_code} "
                f"{response.reason_phrase}. Check that the version exists and that a proxy lets it through."
            )
        resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
        done = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        with partial.open("ab" if resumed else "wb") as file:
            for block in response.iter_bytes():
                file.write(block)
                done += len(block)
                progress(name, done, total)
