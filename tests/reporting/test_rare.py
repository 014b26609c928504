"""How many rare nodes are found, and how many nobody can tell of."""

from typing import Any

import pandas as pd

from pipeline.hml.slices import rarity_bins
from pipeline.reporting import rare

METRICS = {"method": "ours"}
NODES = pd.DataFrame(
    [
        # id, scored, support, test positives, recall of ours, recall of mcloss
        ("not scored", False, 5, 2, 1.0, 1.0),
        ("no positive", True, 0, 2, 1.0, 1.0),
        ("rarest", True, 1, 1, 1.0, 0.0),
        ("rare", True, 29, 3, 0.33, 0.33),
        ("missed", True, 12, 3, 0.0, 0.0),
        ("untested", True, 9, 0, float("nan"), float("nan")),
        ("not rare", True, 30, 3, 0.0, 1.0),
        ("frequent and untested", True, 100, 0, float("nan"), float("nan")),
    ],
    columns=["id", "scored", "support", "test_positives", "recall_tuned_ours", "recall_tuned_m"],
).rename(columns={"recall_tuned_m": "recall_tuned_mcloss"})


def sentence(nodes: pd.DataFrame = NODES, baseline: str | None = "mcloss", **more: Any) -> Any:
    return rare.sentence(METRICS | more, nodes, "tuned", baseline)


def test_rare_nodes_with_a_true_positive_are_counted_beside_those_of_the_baseline():
    assert sentence() == (
        "Rare nodes found: 2 of 3; by mcloss 1 of 3, with any number of wrong decisions and no "
        "interval. Rare is a node with 1 to 29 positives to learn from; found is one with at least "
        "one true positive among the test examples by the rule tuned. 1 more has no test example."
    )


def test_rare_are_the_nodes_of_whole_rarity_bins():
    bins = rarity_bins(range(200))
    assert {*bins[1 : rare.MOST + 1]} == {"1-9", "10-29"}
    assert bins[rare.MOST + 1] == "30-99"


def test_without_a_baseline_ours_stands_alone():
    for baseline in (None, "bce"):
        found = sentence(baseline=baseline)
        assert found.startswith("Rare nodes found: 2 of 3, with any number of wrong decisions")


def curves(**methods: list[list[int]]) -> dict[str, Any]:
    """precision_recall.json of methods: predicted and right, of each bin."""
    bins = ("1-9", "10-29", "30-99")
    made = {
        method: {name: {"decided": {"tuned": one}} for name, one in zip(bins, counts, strict=False)}
        for method, counts in methods.items()
    }
    return {"schema": 1, "methods": made}


def test_what_is_found_has_its_price_in_decisions_on_rare_nodes():
    counted = curves(ours=[[2_000, 3], [40, 1], [7, 7]], mcloss=[[0, 0], [1, 1], [9, 9]])
    assert rare.sentence(METRICS, NODES, "tuned", "mcloss", counted).startswith(
        "Rare nodes found: 2 of 3, with 4 of 2,040 positive decisions on rare nodes right; by "
        "mcloss 1 of 3, with 1 of 1 positive decision right (no intervals). Rare is"
    )
    assert rare.sentence(METRICS, NODES, "tuned", None, counted).startswith(
        "Rare nodes found: 2 of 3, with 4 of 2,040 positive decisions on rare nodes right (no "
        "intervals). Rare is"
    )


def test_a_price_that_was_not_counted_throughout_is_none():
    for counted in (curves(ours=[[5, 3], [4, 1]]), curves(ours=[[5, 3]], mcloss=[[1, 1], [1, 1]])):
        found = rare.sentence(METRICS, NODES, "tuned", "mcloss", counted)
        assert "with any number of wrong decisions and no interval." in found
    rarest = NODES[NODES["support"] < 10]
    found = rare.sentence(METRICS, rarest, "tuned", None, curves(ours=[[5, 3]]))
    assert "with 3 of 5 positive decisions on rare nodes right" in found


def test_a_column_without_the_variant_of_the_method_is_known():
    nodes = NODES.rename(columns={"recall_tuned_ours": "recall_tuned_weighted"})
    assert sentence(nodes, method="weighted/paper") == sentence()
    assert sentence(nodes) is None


def test_where_no_rare_node_has_a_test_example_nothing_is_counted():
    nodes = NODES[NODES["id"] == "untested"]
    assert sentence(nodes) == (
        "The one rare node (1 to 29 positives to learn from) has no test example: nobody can tell "
        "whether it is found."
    )
    assert sentence(pd.concat([nodes, nodes], ignore_index=True)) == (
        "None of the 2 rare nodes (1 to 29 positives to learn from) has a test example: nobody can "
        "tell whether they are found."
    )
    assert sentence(NODES[NODES["id"] == "not rare"]) is None


def test_nodes_that_can_be_learnt_and_not_tested_are_counted_however_frequent():
    assert rare.untested(NODES) == 2
    assert rare.untested(NODES[["id", "scored"]]) == 0
