import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.validation import profile
from tests.validation.tiny import tiny

FLOATS = st.floats(-1e6, 1e6, width=32) | st.just(np.nan)


def entry(values, **changes):
    return profile.profile(tiny(values, **changes), "abc")["features"][0]


def test_a_feature_is_described_by_what_can_be_worked_out_by_hand():
    values = [*range(1, 21), np.nan, np.nan, np.nan, np.nan, np.nan]
    assert entry(values) == {
        "name": "x0",
        "kind": "integer",
        "missing": 0.2,
        "min": 1.0,
        "max": 20.0,
        "mean": 10.5,
        "sd": pytest.approx(np.sqrt(33.25)),
        "deciles": [2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0],
        "counts": [2] * 10,
    }


def test_equal_deciles_are_one_edge():
    found = entry([0] * 17 + [1] * 3)
    assert found["deciles"] == [0.0] * 8 + [1.0]
    assert profile.edges(found["deciles"]).tolist() == [0, 1]
    assert found["counts"] == [17, 3, 0]


@pytest.mark.parametrize(
    ("values", "kind"),
    [([0, 1, np.nan], "binary"), ([0, 2], "integer"), ([0.5, 1], "real"), ([np.nan] * 2, "empty")],
)
def test_kinds(values, kind):
    assert entry(values)["kind"] == kind


def test_infinite_values_are_described_by_the_finite_ones_and_fit_into_json():
    found = entry([1.0, 2.0, np.inf, -np.inf])
    assert (found["min"], found["max"], found["mean"], found["missing"]) == (1.0, 2.0, 1.5, 0.0)
    json.dumps(found, allow_nan=False)


def test_nodes_examples_and_hierarchy_are_counted_with_labels_closed_upward():
    y = [[0, 1, 0], [1, 0, 0], [0, 1, 1], [0, 0, 0]]
    data = tiny(
        [0, 1, 2, 3],
        labels=y,
        split=["train", "valid", "test", "train"],
        edges=[("n1", "n0")],
        names=["up", "down", "alone"],
    )
    data.nodes["depth"] = [0, 1, 0]
    found = profile.profile(data, "abc")
    assert found["nodes"] == [
        {"id": "n0", "name": "up", "train": 1, "valid": 1, "test": 1},
        {"id": "n1", "name": "down", "train": 1, "valid": 0, "test": 1},
        {"id": "n2", "name": "alone", "train": 0, "valid": 0, "test": 1},
    ]
    assert found["labels_per_example"] == {"min": 0.0, "mean": 1.5, "max": 3.0}
    assert found["hierarchy"] == {"nodes": 3, "scored": 3, "roots": 2, "edges": 1, "depth": 1}
    counts = {k: v for k, v in found["examples"].items() if k != "remembered"}
    assert counts == {"total": 4, "train": 2, "valid": 1, "test": 1}
    assert (found["dataset"], found["dataset_json"]) == ("tiny", "abc")


def test_no_id_of_an_example_is_in_the_profile():
    text = json.dumps(profile.profile(tiny([0, 1], ids=["Jane Roe", "John Doe"]), "abc"))
    assert "Jane" not in text
    assert "Doe" not in text


def test_as_many_examples_are_remembered_as_were_asked_for_whatever_their_order():
    ids = [f"id {number}" for number in range(50)]
    found = profile.remembered(tiny(np.zeros(50), ids=ids), 8)
    assert len(found) == 8
    assert found == profile.remembered(tiny(np.zeros(50), ids=ids[::-1]), 8)
    assert set(found) <= set(profile.remembered(tiny(np.zeros(50), ids=ids), None))
    # What is remembered of more examples holds what is remembered of fewer, or lies below it.
    more = profile.remembered(tiny(np.zeros(60), ids=[*ids, *map(str, range(10))]), 8)
    assert all(example in found or example < max(found) for example in more)


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 40), st.just(2)), elements=FLOATS))
def test_moments_of_blocks_are_those_of_the_whole(x):
    before, profile._VALUES = profile._VALUES, 6
    try:
        found = profile.profile(tiny(x), "abc")["features"]
    finally:
        profile._VALUES = before
    for column, described in enumerate(found):
        values = x[:, column].astype(np.float64)
        values = values[~np.isnan(values)]
        assert described["missing"] == pytest.approx(1 - len(values) / len(x))
        if len(values):
            scale = max(1.0, np.abs(values).max())
            assert described["mean"] == pytest.approx(values.mean(), abs=1e-8 * scale)
            assert described["sd"] == pytest.approx(values.std(), abs=1e-6 * scale)
            assert (described["min"], described["max"]) == pytest.approx(
                (values.min(), values.max())
            )


@given(hnp.arrays(np.float32, st.integers(1, 60), elements=FLOATS))
def test_counts_are_those_of_numpy_and_edges_survive_json_to_the_bit(x):
    found = json.loads(json.dumps(entry(x)))
    values = x[~np.isnan(x)]
    edges = profile.edges(found["deciles"])
    assert set(edges.tolist()) <= set(values.tolist())
    above = [int((values > edge).sum()) for edge in edges]
    assert found["counts"] == [
        before - after for before, after in zip([len(values), *above], [*above, 0], strict=True)
    ]
    for tenth, decile in enumerate(found["deciles"], start=1):
        assert 10 * (values <= np.float32(decile)).sum() >= tenth * len(values)
        assert 10 * (values < np.float32(decile)).sum() < tenth * len(values)
