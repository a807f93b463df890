"""Rules in real time: their times are shorter, and nothing else is changed."""

import json
import re
from pathlib import Path

import pytest
from faster_rules import faster, write_faster
from rule_files import FILES, rules


def test_times_of_a_rule_are_shorter() -> None:
    rule = {
        "alert": "A",
        "expr": "rate(a[5m]) unless a offset 10m > predict_linear(b[6h], 86400)",
        "for": "2m",
    }
    assert faster(rule, 10) == {
        "alert": "A",
        "expr": "rate(a[30s]) unless a offset 60s > predict_linear(b[2160s], 86400)",
        "for": "12s",
    }


def test_rule_without_times_stays_as_it_is() -> None:
    rule = {"alert": "A", "expr": 'up{job="5m"} == 0', "labels": {"long": "1h"}}
    assert faster(rule, 10) == rule


def test_time_that_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="5m divided by 7 is no whole number of seconds"):
        faster({"alert": "A", "expr": "up == 0", "for": "5m"}, 7)


def test_rules_of_the_chart_stay_the_same_but_for_their_times(tmp_path: Path) -> None:
    def timeless(text: str) -> str:
        return re.sub(r"\b\d+[smhd]\b", "TIME", text)

    for before, after in zip(FILES, write_faster(FILES, tmp_path, 10), strict=True):
        for old, new in zip(rules(before), rules(after), strict=True):
            assert timeless(json.dumps(old)) == timeless(json.dumps(new))
