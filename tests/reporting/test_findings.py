# ruff: noqa: RUF001  (true minus signs and dashes)
from typing import Any

import pytest

from pipeline.reporting import findings


def _metrics(mean: float, low: float, high: float, members: int = 5) -> dict:
    difference = {"macro_ap": {"mean": mean, "ci95": [low, high]}}
    return {
        "method": "weighted/paper",
        "members": 5,
        "test": {"micro_ap": 0.52, "macro_ap": 0.25},
        "ci95": {"macro_ap": [0.24, 0.26]},
        "baselines": {
            "mcloss": {
                "members": members,
                "test": {"micro_ap": 0.51, "macro_ap": 0.2},
                "difference": difference,
            }
        },
    }


@pytest.mark.parametrize(
    ("mean", "low", "high", "sentence"),
    [
        (
            0.02,
            0.01,
            0.03,
            "In macro AP the ensemble is above mcloss (+0.0200 [+0.0100, +0.0300]).",
        ),
        (
            -0.02,
            -0.03,
            -0.01,
            "In macro AP the ensemble is below mcloss (−0.0200 [−0.0300, −0.0100]).",
        ),
        (
            0.02,
            -0.01,
            0.05,
            "In macro AP there is no difference to mcloss (+0.0200 [−0.0100, +0.0500]) "
            "that the interval can tell from zero.",
        ),
        (
            0.02,
            0.0,
            0.04,
            "In macro AP there is no difference to mcloss (+0.0200 [0, +0.0400]) "
            "that the interval can tell from zero.",
        ),
    ],
)
def test_a_sentence_claims_no_more_than_its_interval(mean, low, high, sentence):
    found = findings.sentences(_metrics(mean, low, high))
    assert sentence in [text.replace("\N{NO-BREAK SPACE}", " ") for text in found]


def test_other_numbers_of_members_are_said():
    found = findings.sentences(_metrics(0.02, 0.01, 0.03, members=1))
    assert "above mcloss with 1 member instead of 5" in found[1]


def test_a_difference_that_is_missing_is_said():
    found = findings.sentences(_metrics(0.02, 0.01, 0.03))
    assert found[-1] == "In micro AP no paired difference to mcloss is given."


def test_the_rarest_bin_that_can_be_learnt_has_its_own_sentence():
    metrics = _metrics(0.02, 0.01, 0.03)
    entry = {"mean": -0.01, "ci95": [-0.02, -0.005]}
    difference = metrics["baselines"]["mcloss"]["difference"]
    difference |= {f"macro_ap/rarity={name}": entry for name in ("0", "10-29", "100+")}
    found = findings.sentences(metrics)
    assert found[2].startswith("In macro AP (10-29 positives) the ensemble is below mcloss")
    assert len(found) == 4


def test_without_baselines_nothing_is_claimed():
    metrics = _metrics(0.02, 0.01, 0.03) | {"baselines": {}}
    assert findings.sentences(metrics)[1:] == ["No baseline was trained beside it."]


def _of_kinds(*kinds: str) -> dict:
    metrics = _metrics(0.02, 0.01, 0.03) | {"method": "ours", "kinds": list(kinds)}
    mcloss = metrics["baselines"]["mcloss"]
    return metrics | {"baselines": {"mcloss": mcloss, "mcloss_1": mcloss, "weighted/paper": mcloss}}


def test_kinds_of_members_are_counted_in_words():
    assert findings.made_of(_of_kinds("network")) is None
    found = _of_kinds("network", "neighbours", "new")
    expected = "5 networks, 5 nearest-neighbour members and 5 new members"
    assert findings.made_of(found) == expected
    assert f"the ensemble of {expected} reaches" in findings.sentences(found)[0]


def test_the_networks_alone_are_the_nearest_relative_of_several_kinds():
    found = _of_kinds("network", "forest")
    assert findings.learnt(found) == ["weighted/paper", "mcloss", "mcloss_1"]
    assert "above its networks alone (+0.0200" in findings.sentences(found)[1]
    assert findings.descriptions(found)["weighted/paper"] == "the networks of ours alone"


def test_of_one_kind_no_baseline_is_the_networks_alone():
    found = _of_kinds("network")
    assert findings.networks_alone(found) is None
    assert findings.descriptions(found) == {}
    assert "above mcloss (+0.0200" in findings.sentences(found)[1]


def test_fewer_networks_are_said_where_there_are_other_kinds():
    found = _of_kinds("network", "forest")
    found["baselines"]["mcloss_1"] = found["baselines"]["mcloss"] | {"members": 1}
    assert "mcloss_1 with 1 network instead of 5" in findings.sentences(found)[1]


def _by_rarity(metrics: dict, *bins: tuple[str, float, float, float]) -> dict:
    """The same with rarity bins: name, and mean and interval of the difference to mcloss."""
    entries = [{"bin": name, "nodes": 3, "macro_ap": 0.2} for name, *_ in bins]
    metrics["test"]["by_rarity"] = entries
    metrics["nodes"] = {"scored": 3 * len(bins)}
    metrics["baselines"]["mcloss"]["difference"] |= {
        f"macro_ap/rarity={name}": {"mean": mean, "ci95": [low, high]}
        for name, mean, low, high in bins
    }
    return metrics


def _summary(metrics: dict) -> tuple[str, str]:
    found = findings.summary(metrics)
    assert found is not None
    return found["kind"], found["sentence"].replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("difference", "kind", "sentence"),
    [
        (
            (0.02, 0.01, 0.03),
            "higher",
            "Gain over mcloss (5 members without weights): macro AP +0.0200 [+0.0100, +0.0300] "
            "over all nodes.",
        ),
        (
            (-0.02, -0.03, -0.01),
            "lower",
            "Loss against mcloss (5 members without weights): macro AP −0.0200 [−0.0300, −0.0100] "
            "over all nodes.",
        ),
        (
            (0.02, 0.0, 0.04),
            "open",
            "No gain over mcloss (5 members without weights) that the interval can tell from zero: "
            "macro AP +0.0200 [0, +0.0400] over all nodes.",
        ),
    ],
)
def test_the_verdict_is_that_over_all_nodes(difference, kind, sentence):
    assert _summary(_by_rarity(_metrics(*difference))) == (kind, sentence)


def test_bins_are_told_beside_the_verdict_and_do_not_make_it():
    metrics = _by_rarity(
        _metrics(0.02, -0.01, 0.05),
        ("0", 0.1, 0.05, 0.2),
        ("1-9", 0.1, 0.05, 0.2),
        ("10-29", -0.1, -0.2, -0.05),
        ("30-99", 0.0, -0.1, 0.1),
        ("100+", 0.0, -0.1, 0.1),
    )
    kind, sentence = _summary(metrics)
    assert kind == "open"
    assert sentence.endswith(
        "By positives to learn from: higher for 1-9 (+0.100 [+0.0500, +0.200]); lower for 10-29 "
        "(−0.100 [−0.200, −0.0500]); not told apart for 30-99 and 100+."
    )
    found = findings.summary(metrics)
    assert found is not None
    # Nobody can learn the bin 0: its difference is one of chance.
    assert [row["name"] for row in found["rows"]] == ["1-9", "10-29", "30-99", "100+", "all"]


@pytest.mark.parametrize(
    ("count", "words"),
    [(1, "for 1-9."), (2, "for 1-9 and 10-29."), (3, "for 1-9, 10-29 and 30-99.")],
)
def test_bins_are_listed_as_people_do(count, words):
    bins = [(name, 0.0, -0.1, 0.1) for name in ("1-9", "10-29", "30-99")[:count]]
    _, sentence = _summary(_by_rarity(_metrics(0.02, 0.01, 0.03), *bins))
    assert sentence.endswith(f"not told apart {words}")


def test_copies_of_what_is_learnt_from_are_a_caution_where_the_test_has_them():
    heart = "to learn from (train or valid): what is known by heart makes figures look too good."
    copies = {"total": 9, "test": 7, "test_same_labels": 1, "listed": []}
    pictures = {"total": 9, "test": 1_300, "listed": []}
    assert findings.cautions({"copies": copies, "pictures": pictures}) == [
        f"1 test example has the very features and labels of one {heart}",
        f"At least 1,300 test images are nearly the same as some {heart}",
    ]
    copies["test_same_labels"], pictures["test"] = 2, 1
    assert findings.cautions({"copies": copies, "pictures": pictures}) == [
        f"2 test examples have the very features and labels of some {heart}",
        f"At least 1 test image is nearly the same as one {heart}",
    ]


def test_other_copies_are_no_caution():
    row = {"name": "equal_examples_share_a_split", "success": False}
    row["observed"] = "13 of 786 examples break it"
    report: dict[str, Any] = {"expectations": [row]}
    assert findings.cautions(report) == []  # an earlier version did not count them
    report["copies"] = {"total": 9, "test": 5, "test_same_labels": 0, "listed": []}
    report["pictures"] = {"total": 3, "test": 0, "listed": []}
    assert findings.cautions(report) == []


def test_the_verdict_says_what_the_baseline_is_made_of():
    metrics = _by_rarity(_metrics(0.02, 0.01, 0.03, members=1))
    assert "over mcloss (1 member without weights):" in _summary(metrics)[1]
    metrics |= {"method": "ours", "kinds": ["network", "forest"]}
    assert "over mcloss (1 network without weights):" in _summary(metrics)[1]


def test_without_a_difference_to_mcloss_the_nearest_other_baseline_is_taken():
    metrics = _by_rarity(_metrics(0.02, 0.01, 0.03))
    other = dict(metrics["baselines"]["mcloss"])
    metrics["baselines"] = {"mcloss": {"members": 5, "difference": {}}, "bce": other}
    assert "Gain over bce (5 members):" in _summary(metrics)[1]
    metrics["baselines"]["bce"] = {"members": 5}
    assert findings.summary(metrics) is None
