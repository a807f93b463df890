"""Refuses connections out of this machine: what a package would fetch when it is used is not there."""

import sys
from typing import Any

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_EVENTS = ("socket.connect", "socket.getaddrinfo", "socket.sendto")

attempts: list[str] = []
"""What was refused, in order."""


def refuse() -> None:
    """Refuse connections and look-ups of names from now on, for the rest of this process."""
    sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _EVENTS:
        return
    host = arguments[0] if event == "socket.getaddrinfo" else arguments[-1]
    if isinstance(host, tuple):
        host = host[0]
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    # A path is a socket of this machine, and None is this machine.
    if host is None or host in _LOOPBACK or str(host).startswith(("/", "\0")):
        return
    attempts.append(f"{event} {host}")
    raise OSError(f"engines must not connect to {host}: their tests run without a network")
