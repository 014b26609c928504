# ruff: noqa: RUF001  (true minus signs and dashes)
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
