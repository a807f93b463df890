import pytest
from scrape import Scrape

BEFORE = """
# HELP calls_total Requests.
# TYPE calls_total counter
calls_total{verb="get",kind="Pod"} 2
seconds_bucket{le="0.1",name="a"} 0
"""
AFTER = """
calls_total{verb="get",kind="Pod"} 5
calls_total{verb="get",kind="Node"} 1.0 1395066363000
calls_total{verb="apply",kind="a \\"quoted\\", one"} 4e0
other_total 7
seconds_bucket{le="0.1",name="a"} 50
seconds_bucket{le="0.2",name="a"} 90
seconds_bucket{le="+Inf",name="a"} 100
seconds_bucket{le="0.1",name="b"} 1
seconds_bucket{le="0.2",name="b"} 1
seconds_bucket{le="+Inf",name="b"} 1
"""


def test_scrape_difference_counts_between_two_moments() -> None:
    since = Scrape.parse(AFTER) - Scrape.parse(BEFORE)
    assert since.by("calls_total", "verb") == {("get",): 4, ("apply",): 4}
    assert since.by("calls_total", "kind", "verb")["Pod", "get"] == 3
    assert since.total("calls_total") == 8
    assert since.total("absent_total") == 0


def test_scrape_parse_reads_only_the_given_prefixes() -> None:
    assert Scrape.parse(AFTER, "calls_").total("other_total") == 0
    assert Scrape.parse(AFTER, "calls_", "other_").total("other_total") == 7


@pytest.mark.parametrize(("q", "seconds"), [(0.25, 0.05), (0.5, 0.1), (0.7, 0.15), (0.99, 0.2)])
def test_scrape_quantiles_are_interpolated(q: float, seconds: float) -> None:
    assert Scrape.parse(AFTER).quantile("seconds", q, name="a") == pytest.approx(seconds)


def test_scrape_has_no_quantile_without_samples() -> None:
    assert Scrape.parse(BEFORE).quantile("seconds", 0.5) is None
    assert Scrape.parse(AFTER).quantile("seconds", 0.5, name="c") is None
