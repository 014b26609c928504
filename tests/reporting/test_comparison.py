"""Methods on one footing, also where the baselines are other ones than usual."""

import pandas as pd

from pipeline.reporting import findings, page
from pipeline.reporting.comparison import Comparison
from pipeline.stages import linear_pixels


def metrics(*baselines: str) -> dict:
    test = {"micro_ap": 0.3, "macro_ap": 0.1, "rules": {"half": {}}}
    others = {
        name: {
            "members": 1 if name == "mcloss_1" else 5,
            "test": test,
            "difference": {"macro_ap": {"mean": 0.01, "ci95": [0.005, 0.02]}},
        }
        for name in baselines
    }
    return {"method": "weighted/released", "members": 5, "test": test, "baselines": others}


def test_nearest_relatives_come_first_and_the_prior_last():
    found = metrics("prior", "weighted/paper", "bce", "mcloss_1", "mcloss")
    names = ["mcloss", "bce", "weighted/paper", "mcloss_1"]
    assert findings.learnt(found) == names
    compare = Comparison(found)
    assert compare.methods == ["weighted/released", *names, "prior"]
    assert compare.baselines == names
    assert compare.rules == ["half"]


def test_a_headline_answers_to_every_baseline_that_learnt():
    sentence = findings.sentences(metrics("prior", "mcloss_1", "weighted/paper"))[1]
    assert "above mcloss_1 with 1 member instead of 5 (" in sentence
    assert "weighted/paper (" in sentence
    assert "prior" not in sentence


def test_columns_of_the_nodes_are_in_the_order_of_the_page():
    compare = Comparison(metrics("prior", "weighted/paper", "mcloss"))
    columns = ["ap_prior", "ap_weighted/paper", "ap_other", "ap_mcloss", "ap_weighted", "id"]
    found = page._node_methods(pd.DataFrame(columns=columns), compare)  # pyright: ignore
    assert found == ["weighted", "mcloss", "weighted/paper", "prior", "other"]


def test_members_have_a_row_for_each_kind_and_baselines_only_networks():
    found = metrics("weighted/paper", "mcloss_1") | {
        "method": "ours",
        "kinds": ["network", "forest"],
    }
    assert Comparison(found).members == [
        ("networks", {"ours": 5, "weighted/paper": 5, "mcloss_1": 1}),
        ("forests", {"ours": 5}),
    ]


def test_regressions_of_pixels_are_not_counted_as_networks():
    found = metrics("weighted/paper", linear_pixels.METHOD)
    found |= {"method": "ours", "kinds": ["network", "forest"]}
    assert Comparison(found).members == [
        ("networks", {"ours": 5, "weighted/paper": 5}),
        ("forests", {"ours": 5}),
        ("logistic regressions", {"linear_pixels": 5}),
    ]
    counts = Comparison(metrics(linear_pixels.METHOD)).members
    assert counts == [("members", {"weighted/released": 5, "linear_pixels": 5})]


def test_of_one_kind_there_is_one_row_of_members():
    found = Comparison(metrics("mcloss_1"))
    assert found.members == [("members", {"weighted/released": 5, "mcloss_1": 1})]
    assert found.alone is None
