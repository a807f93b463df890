"""What quotas say, and when something more fits."""

import math
import random
from dataclasses import replace

import pytest

from tts_app.quotas import Limits, Measure, Rate, Stock, Use, parse_limits, parse_quotas

HOUR = Rate(Measure.CHARACTERS, 100, 3600)
KEY = "0123456789abcdef"


def test_limits_are_read() -> None:
    limits = parse_limits(
        "requests=600/minute, requests=10000/day,characters=5/hour,streams=3,stored_bytes=2GiB"
    )
    assert limits.rates == (
        Rate(Measure.REQUESTS, 600, 60),
        Rate(Measure.REQUESTS, 10_000, 86_400),
        Rate(Measure.CHARACTERS, 5, 3600),
    )
    assert limits.stocks == {Stock.STREAMS: 3, Stock.STORED_BYTES: 2 << 30}
    assert str(limits.rates[1]) == "10000 requests a day"


@pytest.mark.parametrize("text", ["", " , ", "requests=none"])
def test_limits_of_nothing_are_false(text: str) -> None:
    assert not parse_limits(text)
    assert not parse_quotas(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("request=600/minute", "names are requests, characters, audio_seconds, tokens, streams"),
        ("requests", "write it as requests=600/minute; windows: second, minute, hour, day"),
        ("requests=0/minute", "write it as requests=600/minute"),
        ("requests=600/week", "windows: second, minute, hour, day"),
        ("streams=-1", "write it as streams=10"),
        ("batches=10/day", "write it as batches=10"),
        ("stored_bytes=10GB", "write it as stored_bytes=10GiB; units: B, KiB, MiB, GiB, TiB"),
        ("requests=1/minute,requests=2/minute", "twice for the same window"),
    ],
)
def test_limits_refuse_what_they_do_not_know(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_limits(text)


def test_tenant_of_the_file_has_its_own_limits_and_the_general_ones_that_it_does_not_name() -> None:
    quotas = parse_quotas(
        "requests=10/minute,tokens=5/day,streams=2,batches=1",
        '{"tenants": {"hotel": "requests=20/minute,tokens=none,batches=9"}}',
    )
    hotel = quotas.of_tenant("hotel")
    assert hotel.rates == (Rate(Measure.REQUESTS, 20, 60),)
    assert hotel.stocks == {Stock.STREAMS: 2, Stock.BATCHES: 9}
    assert quotas.of_tenant("clinic") == quotas.general


def test_key_of_the_file_has_limits_and_others_have_none() -> None:
    quotas = parse_quotas("", f'{{"keys": {{"{KEY}": "requests=1/second,streams=1"}}}}')
    assert quotas.of_key(KEY).stocks == {Stock.STREAMS: 1}
    assert quotas.of_key("") == quotas.of_key("f" * 16) == Limits()
    assert quotas


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[", "it is not JSON"),
        ("[]", 'an object with "tenants" and "keys"'),
        ('{"tenant": {}}', 'an object with "tenants" and "keys"'),
        ('{"tenants": []}', '"tenants" must be an object of texts'),
        ('{"tenants": {"hotel": 5}}', '"tenants" must be an object of texts'),
        ('{"tenants": {"Hotel Group": ""}}', "tenants: 'Hotel Group' is no name of a tenant"),
        ('{"tenants": {"hotel": "requests=5"}}', "tenants.hotel: 'requests=5' is no quota"),
        ('{"keys": {"the site": ""}}', "keys: 'the site' is no id of a key"),
        (f'{{"keys": {{"{KEY}": "batches=5"}}}}', "limited for tenants, not for keys"),
    ],
)
def test_file_is_refused_with_what_is_wrong_in_it(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_quotas("", text)


def test_use_counts_the_window_before_by_the_part_that_is_left_of_it() -> None:
    quarter = Use(HOUR, previous=80, current=10, now=7200 + 900)
    assert quarter.left == 2700
    assert quarter.remaining == 100 - 80 * 3 // 4 - 10
    assert quarter.reset == 2700 + 3600
    assert replace(quarter, current=0).reset == 2700
    assert replace(quarter, previous=0, current=0).reset == 0


def test_use_waits_until_enough_of_the_window_before_is_too_old() -> None:
    quarter = Use(HOUR, previous=80, current=10, now=7200 + 900)
    assert quarter.wait(30) == 0
    assert quarter.wait(50) == 900, "half of the window before counts then"


def test_use_waits_for_the_next_window_where_this_one_is_full() -> None:
    full = Use(HOUR, previous=0, current=100, now=7200 + 900)
    assert full.wait(25) == 2700 + 900
    assert full.wait(100) == 2700 + 3600
    assert full.wait(101) == math.inf


def test_use_that_waited_has_room_and_had_none_just_before() -> None:
    chance = random.Random(18)  # noqa: S311 - no secret
    for _ in range(2000):
        start = chance.uniform(0, 3600)
        use = Use(HOUR, chance.randint(0, 100), chance.randint(0, 100), 7200 + start)
        cost = chance.randint(1, 100)
        wait = use.wait(cost)
        assert (wait == 0) == (cost <= use.remaining)
        if wait:
            assert not _fits(use, cost, wait - 1)
            assert _fits(use, cost, wait + 0.01)


def _fits(use: Use, cost: int, later: float) -> bool:
    """Whether `cost` fits `later` seconds after, if nobody uses anything meanwhile."""
    if later >= use.left + use.rate.seconds:
        moved = replace(use, previous=0, current=0, now=use.now + later)
    elif later >= use.left:
        moved = replace(use, previous=use.current, current=0, now=use.now + later)
    else:
        moved = replace(use, now=use.now + later)
    return cost <= moved.remaining
