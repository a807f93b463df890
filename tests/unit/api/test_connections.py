"""How many connections there may be, which one makes room, and which one has taken too long."""

from tts_app.api.connections import Connections, Full, Limits, Phase


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def make(clock: Clock, **limits: float) -> tuple[Connections[str], list[str]]:
    closed: list[str] = []
    return Connections(Limits(**limits), closed.append, clock=clock), closed  # type: ignore[arg-type]


def test_connections_close_the_one_that_has_been_idle_longest() -> None:
    connections, closed = make(Clock(), connections=3)
    for name in "abc":
        assert connections.join(name, f"address of {name}") is None
    connections.enter("a", Phase.ANSWERING)
    connections.enter("a", Phase.WAITING)  # idle again, later than b and c
    assert connections.join("d", "another") is None
    assert closed == ["b"]
    assert connections.join("e", "another") is None
    assert closed == ["b", "c"]
    assert len(connections) == 3


def test_connections_of_one_address_make_room_among_themselves() -> None:
    connections, closed = make(Clock(), connections=10, per_address=2)
    connections.join("other", "theirs")
    for name in "abc":
        assert connections.join(name, "ours") is None
    assert closed == ["a"]
    connections.leave("b")
    assert connections.join("d", "ours") is None
    assert closed == ["a"]


def test_connections_are_refused_where_none_is_idle() -> None:
    connections, closed = make(Clock(), connections=3, per_address=2)
    for name, address in (("a", "ours"), ("b", "ours"), ("c", "theirs")):
        connections.join(name, address)
        connections.enter(name, Phase.ANSWERING)
    assert connections.join("d", "ours") is Full.ADDRESS
    assert connections.join("d", "third") is Full.ALL
    assert closed == []
    assert len(connections) == 3
    connections.enter("d", Phase.HEADERS)  # it is not there: nothing happens
    connections.leave("d")
    assert connections.phase("d") is None


def test_connections_of_a_trusted_proxy_have_no_limit_of_an_address() -> None:
    connections, closed = make(Clock(), connections=10, per_address=2)
    for name in "abcd":
        assert connections.join(name, "proxy", bounded=False) is None
    assert closed == []


def test_connections_that_send_slowly_can_make_room() -> None:
    connections, closed = make(Clock(), connections=2)
    connections.join("slow", "x")
    connections.enter("slow", Phase.HEADERS)
    connections.join("body", "x")
    connections.enter("body", Phase.BODY)
    assert connections.join("new", "y") is None
    assert closed == ["slow"]


def test_connections_overdue_by_phase() -> None:
    clock = Clock()
    connections, _ = make(clock, header_seconds=15, body_seconds=60, idle_seconds=75, send_seconds=120)
    for name, phase in (("i", Phase.WAITING), ("h", Phase.HEADERS), ("b", Phase.BODY),
                        ("a", Phase.ANSWERING), ("s", Phase.STALLED)):  # fmt: skip
        connections.join(name, "x")
        connections.enter(name, phase)
    found = {}
    for now in (15, 16, 61, 76, 121, 100_000):
        clock.now = now
        found[now] = "".join(sorted(name for name, _ in connections.overdue()))
    assert found == {15: "", 16: "h", 61: "bh", 76: "bhi", 121: "bhis", 100_000: "bhis"}


def test_connections_count_time_from_the_start_of_a_phase() -> None:
    clock = Clock()
    connections, _ = make(clock, header_seconds=15)
    connections.join("a", "x")
    clock.now = 10
    connections.enter("a", Phase.HEADERS)
    clock.now = 20
    connections.enter("a", Phase.HEADERS)  # another byte of them does not start it again
    clock.now = 24
    assert not list(connections.overdue())
    clock.now = 26
    assert list(connections.overdue()) == [("a", Phase.HEADERS)]


def test_connections_begin_their_time_again() -> None:
    clock = Clock()
    connections, _ = make(clock, send_seconds=10)
    connections.join("a", "x")
    connections.enter("a", Phase.STALLED)
    clock.now = 9
    connections.renew("a")
    connections.renew("b")  # it is not there: nothing happens
    clock.now = 18
    assert list(connections.overdue()) == []
    clock.now = 20
    assert list(connections.overdue()) == [("a", Phase.STALLED)]
