# ruff: noqa: RUF001  (true minus signs and dashes)
import math

import pytest

from pipeline.reporting import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5174, "0.517"),
        (0.03449, "0.0345"),
        (0.00412, "0.00412"),
        (0.9996, "1.00"),
        (0.09996, "0.100"),
        (1.0, "1.00"),
        (0.0, "0"),
        (0.00000385, "0.00000"),
        (-0.0123, "−0.0123"),
        (None, "–"),
        (math.nan, "–"),
    ],
)
def test_a_score_has_three_significant_digits(value, text):
    assert numbers.score(value) == text


def test_a_difference_always_shows_its_sign():
    written = [numbers.signed(value) for value in (0.0123, -0.0123, 0.0, None)]
    assert written == ["+0.0123", "−0.0123", "0", "–"]


def test_an_interval_does_not_break_over_lines():
    assert numbers.interval([0.1, 0.25]) == "[0.100,\N{NO-BREAK SPACE}0.250]"
    assert numbers.interval([-0.1, 0.25], sign=True) == "[−0.100,\N{NO-BREAK SPACE}+0.250]"
    assert numbers.interval(None) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.4213, "0.421 s"),
        (12.34, "12.3 s"),
        (200, "3 min 20 s"),
        (3900, "1 h 05 min"),
        (None, "–"),
    ],
)
def test_seconds_are_written_in_the_unit_that_fits(value, text):
    assert numbers.seconds(value) == text


def test_memory_and_counts_have_separators_and_units():
    assert numbers.megabytes(812.4) == "812 MB"
    assert numbers.megabytes(1420) == "1.42 GB"
    assert numbers.count(12679) == "12,679"


def test_anything_from_json_can_be_written():
    assert numbers.plain({"a": [1, True, None], "b": -0.5}) == "a 1, yes, –, b −0.500"
    assert numbers.plain([]) == "–"
    assert numbers.plain(0.00011) == "0.000110"
