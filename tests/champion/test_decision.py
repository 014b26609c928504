from typing import Any

import pytest

from pipeline.champion.decision import difference, judge, label
from pipeline.config.sections import Retrain

HOLDOUT = {"examples": 80, "groups": 70, "nodes": 9, "with_positive": 8, "left_out": 3}


def figure(name: str, low: float | None, high: float = 0.1) -> dict[str, Any]:
    return {
        "name": name,
        "nodes": 9,
        "challenger": 0.5,
        "champion": 0.5,
        "difference": 0.0,
        "ci95": None if low is None else [low, high],
    }


def comparison(*figures: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"schema": 1, "reason": None, "holdout": HOLDOUT, "figures": list(figures)} | changes


def retrain(**margins: float | None) -> Retrain:
    return Retrain.model_validate({"margins": margins})


def test_lower_end_at_the_margin_is_good_enough_and_below_it_is_not():
    assert judge(comparison(figure("micro_ap", -0.25)), retrain(micro_ap=0.25)).promote
    verdict = judge(comparison(figure("micro_ap", -0.2501)), retrain(micro_ap=0.25))
    assert not verdict.promote
    assert "micro AP +0.000 [-0.250, +0.100], margin 0.25" in verdict.why
    assert [one["holds"] for one in verdict.figures] == [False]


def test_one_figure_beyond_its_margin_is_enough_to_reject():
    figures = [
        figure("micro_ap", 0.1),
        figure("macro_ap", 0.1),
        figure("macro_f1/tuned", 0.1),
        figure("macro_ap/rarity=10-29", -0.06),
    ]
    verdict = judge(comparison(*figures), Retrain())
    assert not verdict.promote
    assert [one["holds"] for one in verdict.figures] == [True, True, True, False]
    assert "macro AP, 10-29 positives" in verdict.why
    assert "macro F1" not in verdict.why


def test_margin_of_null_and_a_figure_that_is_not_defined_do_not_count():
    figures = [figure("micro_ap", -9), figure("macro_ap", None), figure("macro_f1/half", 0)]
    verdict = judge(comparison(*figures), retrain(micro_ap=None))
    assert verdict.promote
    assert [one["holds"] for one in verdict.figures] == [None, None, True]
    assert verdict.why == "not worse by more than the margins in macro F1 (half)"


def test_nothing_is_promoted_where_no_figure_counts():
    verdict = judge(
        comparison(figure("micro_ap", 1), figure("macro_ap", None)), retrain(micro_ap=None)
    )
    assert not verdict.promote
    assert "no figure that has a margin is defined" in verdict.why


@pytest.mark.parametrize("small", [{"examples": 49}, {"with_positive": 0}])
def test_small_holdout_promotes_nothing_and_says_so(small: dict[str, int]):
    found = comparison(figure("micro_ap", 1), holdout=HOLDOUT | small)
    verdict = judge(found, Retrain())
    assert not verdict.promote
    assert "at least 50 test examples that neither has learnt from" in verdict.why


def test_what_could_not_be_compared_is_not_promoted():
    verdict = judge(comparison(reason="rows are numbered", holdout=None), Retrain())
    assert not verdict.promote
    assert verdict.why == "not compared: rows are numbered"


def test_figures_have_names_for_people():
    assert label("macro_f1/tuned") == "macro F1 (tuned)"
    assert label("macro_ap/rarity=100+") == "macro AP, 100+ positives"
    assert difference(figure("micro_ap", None)) == "not defined"


def test_intervals_of_a_few_groups_decide_nothing():
    few = comparison(figure("micro_ap", 0.1), holdout=HOLDOUT | {"groups": 19})
    verdict = judge(few, retrain(micro_ap=0.25))
    assert not verdict.promote
    assert "at least 20 groups of test examples" in verdict.why
    assert "found 19" in verdict.why
