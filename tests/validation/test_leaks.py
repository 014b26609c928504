import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from pipeline.validation import leaks, sample
from tests.validation.tiny import tiny

ROWS = 400
RNG = np.random.default_rng(3)
NOISE = RNG.normal(size=(ROWS, 4)).astype(np.float32)
Y = RNG.random((ROWS, 3)) < (0.1, 0.4, 0.9)


def table(x, y=Y, **changes):
    return leaks.leaks(tiny(x, labels=y, **changes)).set_index("feature")


def test_noise_tells_nothing():
    found = table(NOISE)
    assert found["told"].tolist() == [0.0] * 4
    assert found["numbers_rows"].tolist() == [0] * 4
    assert leaks.suspects(found.reset_index()) == []


@pytest.mark.parametrize("node", [0, 1, 2])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_feature_made_from_the_label_is_found_rising_or_falling(node, sign):
    x = NOISE.copy()
    x[:, 2] = sign * (Y[:, node] + 0.05 * x[:, 2])
    found = table(x)
    assert found.loc["x2", ["told", "node", "by"]].tolist() == [1.0, f"n{node}", "value"]
    assert (found["told"] >= leaks.TOLD).sum() == 1


def test_average_precision_is_that_of_the_rarer_side():
    x = NOISE.copy()
    x[:, 0] = Y[:, 2] + 0.22 * x[:, 0]  # nine in ten have the node
    told = table(x).loc["x0", "told"]
    assert told == pytest.approx(average_precision_score(~Y[:, 2], -x[:, 0]))
    assert leaks.TOLD < told < average_precision_score(Y[:, 2], x[:, 0])


def test_what_nearly_all_examples_have_is_not_told_by_noise():
    y = np.ones((ROWS, 1), dtype=bool)
    y[:25] = False
    assert average_precision_score(y[:, 0], NOISE[:, 0]) > 0.9
    assert table(NOISE, y)["told"].max() == 0


def test_a_value_that_only_positives_have_is_found_by_being_missing():
    x = NOISE.copy()
    x[~Y[:, 1], 1] = np.nan
    assert table(x).loc["x1", ["told", "node", "by"]].tolist() == [1.0, "n1", "missing"]


def test_a_leak_is_found_among_the_values_that_are_known():
    x = NOISE.copy()
    x[:, 1] = 0.01 * x[:, 1] - Y[:, 0]
    x[RNG.random(ROWS) < 0.3, 1] = np.nan
    assert table(x).loc["x1", ["told", "node", "by"]].tolist() == [1.0, "n0", "value"]


def test_nodes_with_few_positives_and_unscored_nodes_are_not_asked_about():
    y = np.zeros((ROWS, 1), dtype=bool)
    y[: leaks.FEWEST - 1] = True
    assert table(y.astype(np.float32), y)["told"].tolist() == [0.0]
    y[: leaks.FEWEST] = True
    assert table(y.astype(np.float32), y)["told"].tolist() == [1.0]
    data = tiny(y.astype(np.float32), labels=y)
    data.nodes["scored"] = False
    assert leaks.leaks(data)["told"].tolist() == [0.0]


def test_labels_count_upward_and_only_training_examples_are_asked():
    y = np.zeros((ROWS, 2), dtype=bool)
    y[:50, 1] = True  # of the child; the parent has them, and 50 of its own
    y[50:100, 0] = True
    x = np.zeros(ROWS)
    x[:100] = 1
    found = table(x, y, nodes=["up", "down"], edges=[("down", "up")])
    assert found.loc["x0", ["told", "node"]].tolist() == [1.0, "up"]
    split = ["test"] * 100 + ["train"] * 300
    found = table(x, y, nodes=["up", "down"], edges=[("down", "up")], split=split)
    assert found["told"].tolist() == [0.0]


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=30)
def test_auc_is_that_of_scikit_learn_with_ties_and_gaps(seed, gaps):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 5, size=(60, 2)).astype(np.float32)
    y = rng.random((60, 2)) < 0.4
    if gaps:
        x[rng.random(x.shape) < 0.3] = np.nan
    data = tiny(x, labels=y)
    known = ~np.isnan(x)
    auc, positives, _ = leaks._auc(x, known, leaks.sparse.csc_array(data.labels.astype(np.int64)))
    for feature in range(2):
        rows = known[:, feature]
        for node in range(2):
            assert positives[node, feature] == y[rows, node].sum()
            expected = roc_auc_score(y[rows, node], x[rows, feature])
            assert auc[node, feature] == pytest.approx(expected)


@given(st.integers(0, 2**32 - 1), st.floats(0, 0.6), st.sampled_from([0.1, 0.5, 0.9]))
def test_no_leak_hides_behind_the_area_under_the_curve(seed, noise, share):
    """What the screen lets go has no average precision from `TOLD` on."""
    rng = np.random.default_rng(seed)
    y = rng.random((300, 1)) < share
    assume(min(y.sum(), (~y).sum()) >= leaks.FEWEST)
    x = np.round(y + noise * rng.normal(size=(300, 1)), 1).astype(np.float32)
    few = y[:, 0] if y.sum() <= 150 else ~y[:, 0]
    ap = average_precision_score(few, x[:, 0] if y.sum() <= 150 else -x[:, 0])
    told = table(x, y)["told"].iloc[0]
    assert told == pytest.approx(ap) if ap >= leaks.TOLD else told < leaks.TOLD


def test_more_nodes_than_are_tried_hide_no_copy_of_a_label():
    y = np.repeat(Y[:, :1], 30, axis=1)
    y[:, 29] = Y[:, 1]
    assert table(np.stack([Y[:, 1], Y[:, 0]], axis=1), y)["told"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (np.arange(ROWS), "follows the order of the rows"),
        (-3.5 * np.arange(ROWS), "follows the order of the rows"),
        (np.arange(ROWS) // 2, "follows the order of the rows"),
        (20_000_000 + np.arange(ROWS), "follows the order of the rows"),  # float32 has every second
        (RNG.permutation(ROWS) + 1_000, "is another integer in every row"),
        (np.arange(ROWS) // 4, ""),  # sorted by a class
        (RNG.permutation(ROWS) + 0.5, ""),
        (RNG.permutation(ROWS) * 1e6, ""),  # beyond 2**24 all are integers
        (RNG.integers(0, 300, ROWS), ""),
        (np.where(np.arange(ROWS) == 5, np.nan, np.arange(ROWS)), ""),
        (np.full(ROWS, 7.0), ""),
        (NOISE[:, 0], ""),
    ],
)
def test_what_numbers_the_rows_is_told_from_what_measures(column, why):
    found = table(np.asarray(column, dtype=np.float32))
    assert found["why"].tolist() == [why]
    assert found["numbers_rows"].tolist() == [int(bool(why))]


def test_few_rows_are_no_ground_for_suspicion():
    assert table(np.arange(99), Y[:99])["why"].tolist() == [""]


def test_suspects_come_strongest_first_and_say_no_more_than_was_found():
    x = np.stack([np.arange(ROWS), Y[:, 0], NOISE[:, 0], Y[:, 1] + 0.25 * NOISE[:, 1]], axis=1)
    first, second, third = leaks.suspects(leaks.leaks(tiny(x, labels=Y)))
    assert first == {"feature": "x1", "told": 1.0, "node": "n0", "by": "value", "why": None}
    assert (second["feature"], second["node"]) == ("x3", "n1")
    assert leaks.TOLD <= second["told"] < 1
    why = "follows the order of the rows"
    assert third == {"feature": "x0", "told": None, "node": None, "by": None, "why": why}


def test_a_sample_is_asked_where_values_are_many(monkeypatch):
    x = np.concatenate([NOISE, Y[:, :1]], axis=1)
    monkeypatch.setattr(sample, "CELLS", 10)
    assert table(x)["told"].max() == 0  # two rows tell nothing


@pytest.mark.parametrize(
    ("cells", "features", "found"),
    [(300, 3, range(100, 200)), (15, 3, [100, 124, 149, 174, 199]), (10, 1_000_000, [100])],
)
def test_rows_of_a_sample_are_evenly_spaced_and_within_the_budget(
    monkeypatch, cells, features, found
):
    monkeypatch.setattr(sample, "CELLS", cells)
    assert sample.rows(np.arange(100, 200), features).tolist() == list(found)


def test_no_features_and_no_examples_are_no_fault():
    assert len(leaks.leaks(tiny(np.zeros((5, 0)), labels=np.ones((5, 1))))) == 0
    found = table(NOISE[:5], Y[:5], split=["test"] * 5)
    assert found["told"].tolist() == [0.0] * 4
