"""Which hosts only this machine reaches, and what nobody else can read on its way."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Return whether `host` is an address of loopback or `localhost`. Other names may resolve to any."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_private_url(url: str) -> bool:
    """Return whether nobody on the way reads or changes what `url` gives: by https, or http on loopback."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:  # brackets without an address, or a port that is no number
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))
