from __future__ import annotations

import pytest

from condinst.utils.durations import parse_duration, show_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30m", 1800),
        ("1.5h", 5400),
        ("90s", 90),
        ("2h30m", 9000),
        (" 1D ", 86400),
        ("1h0m5s", 3605),
        ("0.5s", 0.5),
        ("3min", 180),
        ("2 hours 30 minutes", 9000),
        ("1hr5secs", 3605),
    ],
)
def test_times(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "m",
        "30m2h",
        "-5m",
        "0s",
        "nan",
        "infm",
        "1e9h",
        "30 m x",
        "1h30",
        "5 mi",
        "3months",
        "５m",
        "1h1h",
        "9999d",
    ],
)
def test_no_times(text):
    with pytest.raises(ValueError, match="expected a time such as 30m"):
        parse_duration(text)


def test_a_number_alone_needs_its_unit():
    with pytest.raises(ValueError, match="got '30'; a number needs its unit"):
        parse_duration("30")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1800, "30m"),
        (9000, "2h30m"),
        (90, "1m30s"),
        (45, "45s"),
        (3.21, "3.2s"),
        (2, "2s"),
        (86400 * 1.5, "1d12h"),
        (3600, "1h"),
        (3599.9, "1h"),
    ],
)
def test_shown(seconds, text):
    assert show_duration(seconds) == text
