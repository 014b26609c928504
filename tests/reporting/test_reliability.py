import re
from dataclasses import replace

import pytest

from pipeline.reporting import comparison_figures, reliability
from pipeline.reporting.reliability import Curve


def curve(entries: list[int], gap: float = 0.0) -> Curve:
    known = [(0.1 * tenth + 0.05) if count else None for tenth, count in enumerate(entries)]
    observed = [None if p is None else p + gap for p in known]
    return Curve(entries, known, observed, error=abs(gap) if any(entries) else None)


def test_points_of_few_entries_are_not_drawn():
    found = curve([1000, 20, 19, 0, 0, 0, 0, 0, 0, 0], gap=0.01).points()
    assert found == [pytest.approx((0.05, 0.06)), pytest.approx((0.15, 0.16))]


def test_the_error_above_the_lowest_tenth_is_of_all_entries_there():
    found = Curve([1000, 30, 10], [0.01, 0.4, 0.8], [0.5, 0.5, 0.6], error=0.4)
    assert found.above == 40
    assert found.error_above == pytest.approx((30 * 0.1 + 10 * 0.2) / 40)


def test_without_entries_above_the_lowest_tenth_there_is_no_error_of_them():
    found = curve([1000, 0, 0])
    assert found.above == 0
    assert found.error_above is None


def test_groups_without_entries_and_methods_without_curves_are_left_out():
    some, none = vars(curve([30, 2])), vars(curve([0, 0]))
    document = {
        "schema": 1,
        "methods": {
            "bce": {"all": some, "0": none, "1-9": some},
            "ours": {"all": some, "0": none, "1-9": some},
            "unknown": {"all": some},
        },
    }
    found = reliability.groups(document, ["ours", "bce", "prior"])
    assert [(group.name, group.entries) for group in found] == [("all", 32), ("1-9", 32)]
    assert [list(group.curves) for group in found] == [["ours", "bce"]] * 2


def test_columns_of_a_later_version_are_left_alone():
    columns = vars(curve([30, 2]))
    methods = {"ours": {"all": columns | {"new": [1, 2]}}}
    (group,) = reliability.groups({"schema": 1, "methods": methods}, ["ours"])
    assert group.curves == {"ours": Curve(**columns)}


def test_a_curve_without_a_point_leaves_the_diagonal_alone():
    drawn = {"ours": curve([3, 0])}
    text = comparison_figures.reliability(drawn, "ours", {"ours": "ours"}, "1-9 <b>")
    assert "1-9 &lt;b&gt;" in text
    assert "observed share" in text


def test_rules_of_ours_stand_at_their_cuts():
    cuts = {"half": [0.5, 0.5, 0.5], "tuned": [0.1, 0.2, None], "never": [None] * 3}
    curves = {name: replace(curve([30, 30]), cuts=cuts) for name in ("ours", "bce")}
    keys = {"ours": "ours", "bce": "bce"}
    for shown, letters in ((curves, ["H", "T"]), ({"bce": curves["bce"]}, [])):
        text = comparison_figures.reliability(shown, "ours", keys, "all")
        assert re.findall(r">\s*([A-Z])\s*</text>", text) == letters
