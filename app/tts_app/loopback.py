"""Which hosts only this machine reaches."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Return whether `host` is an address of loopback or `localhost`. Other names may resolve to any."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
