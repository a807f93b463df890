"""Whose request it is: what a proxy says counts only if the proxy is trusted."""

import pytest

from tts_app.api.callers import Callers, networks

PROXIES = Callers(networks(("10.0.0.0/8", "fd00::/8")))


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        ("203.0.113.7", "", "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),  # not a trusted proxy: it may say what it likes
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.66, 198.51.100.1", "198.51.100.1"),  # the first one was sent by the caller
        ("10.0.0.1", "198.51.100.1, 10.2.3.4", "198.51.100.1"),
        ("10.0.0.1", "10.9.9.9", "10.9.9.9"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("fd00::1", "2001:db8:1:2::3", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:aaaa::1", "", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "", "203.0.113.7"),
        ("10.0.0.1", "198.51.100.1:51234", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1:51234, 10.2.3.4:80", "198.51.100.1"),
        ("10.0.0.1", "[2001:db8:1:2::3]:51234", "2001:db8:1:2::/64"),
        ("10.0.0.1", "[2001:db8:1:2::3]", "2001:db8:1:2::/64"),
        ("10.0.0.1", "no address", "no address"),
        ("", "", ""),
    ],
)
def test_callers_of(peer: str, forwarded: str, caller: str) -> None:
    assert PROXIES.of(peer, forwarded) == caller


def test_callers_bound_a_name_that_is_no_address() -> None:
    assert len(PROXIES.of("10.0.0.1", "x" * 10_000)) == 64


def test_networks_refuses_what_is_neither_network_nor_address() -> None:
    with pytest.raises(ValueError, match="proxy"):
        networks(("10.0.0.1", "proxy.example"))
