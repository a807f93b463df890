"""Attacks on a listener of our own, on loopback, bounded in number and time: run as a process of its own.

    python attack.py idle|headers|bodies|endless-header|header-lines URL COUNT SECONDS

Prints `ready` once the attack is under way, then how many connections were made, and ends after SECONDS.
"""

import asyncio
import contextlib
import resource
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import urlsplit

_AT_A_TIME = 200
_TRICKLE = 2.0
_HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
_POST = (
    b"POST /v1/speech HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/json\r\nContent-Length: 900000\r\n\r\n"
)
_BLOCK = b"a" * 65_536
_LINES = b"A: b\r\n" * 10_000

Writer = asyncio.StreamWriter


async def _silent(writer: Writer) -> None:
    await writer.wait_closed()


async def _headers(writer: Writer) -> None:
    await _trickle(writer, _HEAD, b"X: y\r\n")


async def _bodies(writer: Writer) -> None:
    await _trickle(writer, _POST, b" ")


async def _trickle(writer: Writer, first: bytes, more: bytes) -> None:
    writer.write(first)
    while True:
        await writer.drain()
        await asyncio.sleep(_TRICKLE)
        writer.write(more)


async def _endless_header(writer: Writer) -> None:
    writer.write(_HEAD + b"X: ")
    while True:
        writer.write(_BLOCK)
        await writer.drain()


async def _header_lines(writer: Writer) -> None:
    writer.write(_HEAD)
    for _ in range(200):
        writer.write(_LINES)
        await writer.drain()
    writer.write(b"\r\n")
    await writer.drain()


KINDS: dict[str, tuple[Callable[[Writer], Awaitable[None]], bool]] = {
    "idle": (_silent, False),
    "headers": (_headers, False),
    "bodies": (_bodies, False),
    "endless-header": (_endless_header, True),
    "header-lines": (_header_lines, True),
}
"""What each attacker does with its connection, and whether it begins again when that is closed."""


async def attack(kind: str, url: str, count: int, seconds: float) -> int:
    """Attack `url` with `count` connections at a time for `seconds`; return how many were made."""
    behave, again = KINDS[kind]
    address = urlsplit(url)
    made = 0
    gate = asyncio.Semaphore(_AT_A_TIME)
    under_way = asyncio.Event()

    async def attacker() -> None:
        nonlocal made
        while True:
            async with gate:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(address.hostname, address.port)
                    made += 1
                    if made >= count:
                        under_way.set()
                    break
            await asyncio.sleep(0.05)
        with contextlib.suppress(OSError):
            await behave(writer)

    async def repeated() -> None:
        await attacker()
        while again:
            await asyncio.sleep(0.01)
            await attacker()

    async with _cancelled_at_end([asyncio.create_task(repeated()) for _ in range(count)]):
        await asyncio.wait_for(under_way.wait(), 120)
        print("ready", flush=True)
        await asyncio.sleep(seconds)
    return made


@contextlib.asynccontextmanager
async def _cancelled_at_end(tasks: list[asyncio.Task[None]]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    _soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))
    print(asyncio.run(attack(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))), flush=True)
