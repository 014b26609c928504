import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipeline.artifacts.prepared import Prepared
from pipeline.config.tables import Features
from pipeline.datasets.tables.columns import Plan
from pipeline.datasets.tables.encoder import Encoder
from pipeline.validation import drift, profile
from tests.validation.tiny import tiny

RNG = np.random.default_rng(5)
N = 2000
BASE = RNG.normal(size=(N, 3)).astype(np.float32)
COUNTS = st.lists(st.integers(0, 1000), min_size=2, max_size=10)


def compare(before, after) -> drift.Drift:
    return drift.compare(profile.profile(before, "a"), profile.profile(after, "b"), after)


def features(before, after) -> pd.DataFrame:
    found = compare(tiny(before), tiny(after)).features
    assert found is not None
    return found.set_index("feature")


def nodes(before, after, **changes) -> pd.DataFrame:
    """Supports of one node each, by its column, among as many examples as there are rows."""
    found = compare(
        tiny(np.zeros(len(before)), labels=before), tiny(np.zeros(len(after)), labels=after)
    ).nodes
    assert found is not None
    return found.set_index("node")


FLAGS = ["new", "vanished", "widened", "beyond", "gaps", "moved"]


def test_psi_is_that_worked_out_by_hand():
    # With half a value more in each bin, the shares are 1/2, 1/2 and 1/4, 3/4:
    # 1/4 ln 2 - 1/4 ln (2/3) = 1/4 ln 3.
    assert drift.psi([9.5, 9.5], [4.5, 14.5]) == pytest.approx(0.25 * math.log(3), abs=1e-12)


@given(COUNTS, st.data())
def test_psi_is_finite_symmetric_and_zero_for_equal_shares(counts, draw):
    other = draw.draw(st.lists(st.integers(0, 1000), min_size=len(counts), max_size=len(counts)))
    assert 0 <= drift.psi(counts, other) < math.inf
    assert drift.psi(counts, other) == pytest.approx(drift.psi(other, counts))
    assert drift.psi(counts, counts) == 0


def test_the_limit_of_small_samples_is_what_chance_exceeds_as_seldom_as_was_asked():
    bins, n, m = 10, 80, 120
    limit = drift.psi_limit(n, m, bins, 0.01)
    assert limit == pytest.approx((1 / n + 1 / m) * stats.chi2.isf(0.01, bins - 1))
    rng = np.random.default_rng(0)
    draws = [
        drift.psi(rng.multinomial(n, [0.1] * bins), rng.multinomial(m, [0.1] * bins))
        for _ in range(4000)
    ]
    assert 0.003 < np.mean(np.array(draws) > limit) < 0.02
    assert drift.psi_limit(10_000, 10_000, bins, 0.01) == drift.MUCH


def test_the_same_data_do_not_drift():
    data = tiny(BASE, labels=BASE > 1)
    found = compare(data, data)
    assert found.nothing is None
    assert found.features is not None
    assert found.nodes is not None
    assert found.examples is not None
    assert found.features[FLAGS].to_numpy().sum() == 0
    assert found.features["psi"].abs().max() == 0
    assert found.nodes[["new", "vanished", "changed"]].to_numpy().sum() == 0
    assert found.examples["vanished"].sum() == 0


def test_another_sample_of_the_same_does_not_drift():
    again = np.random.default_rng(6).normal(size=(500, 3))
    assert features(BASE, again)[FLAGS].to_numpy().sum() == 0
    few = np.random.default_rng(7).normal(size=(60, 3))  # ten bins of six values vary much
    assert features(few, again)["psi"].max() > 0.1
    assert features(few, again)["moved"].sum() == 0


def test_a_moved_feature_is_found_and_how_far_it_moved():
    moved = BASE.copy()
    moved[:, 1] += 1
    found = features(BASE, moved)
    assert found["moved"].tolist() == [0, 1, 0]
    assert found.loc["x1", "shift"] == pytest.approx(1 / BASE[:, 1].std(), rel=1e-3)
    assert found.loc["x1", "psi"] > drift.MUCH == found.loc["x1", "psi_limit"]


def test_psi_of_data_is_over_the_accepted_tenths():
    before = np.arange(100)
    after = np.concatenate([np.arange(50), np.arange(50)])
    found = features(before, after).loc["x0", "psi"]
    assert found == pytest.approx(drift.psi([10] * 10, [20] * 5 + [0] * 5))


@pytest.mark.parametrize(("value", "beyond"), [(149, 0), (151, 1), (-49, 0), (-51, 1)])
def test_a_value_is_beyond_the_range_by_half_of_its_width(value, beyond):
    before = np.linspace(0, 100, 50)
    assert features(before, [*before, value]).loc["x0", "beyond"] == beyond


def test_a_constant_has_no_room():
    assert features(np.full(30, 2.0), [*np.full(30, 2.0), 2.5]).loc["x0", "beyond"] == 1


@pytest.mark.parametrize(
    ("before", "after", "widened"),
    [
        ([0, 1, 1], [0, 1, 2], 1),
        ([0, 1, 3], [0, 1, 2.5], 1),
        ([0, 1, 2.5], [0, 1, 1], 0),
        ([np.nan] * 3, [0, 1, 2.5], 0),
    ],
)
def test_a_kind_of_values_that_was_not_there_is_found(before, after, widened):
    assert features(before, after).loc["x0", "widened"] == widened


def test_gaps_are_found_if_they_are_no_trifle_and_no_chance():
    def with_gaps(n, share):
        return np.where(np.arange(n) < share * n, np.nan, np.arange(n))

    assert features(with_gaps(1000, 0.1), with_gaps(1000, 0.2)).loc["x0", "gaps"] == 1
    assert features(with_gaps(1000, 0.2), with_gaps(1000, 0.1)).loc["x0", "gaps"] == 1
    assert features(with_gaps(100_000, 0.1), with_gaps(100_000, 0.14)).loc["x0", "gaps"] == 0
    assert features(with_gaps(50, 0.1), with_gaps(50, 0.2)).loc["x0", "gaps"] == 0


def test_a_feature_that_lost_all_values_has_gaps_and_no_index():
    found = features(np.arange(100), np.full(100, np.nan)).loc["x0"]
    assert found["gaps"] == 1
    assert pd.isna(found["psi"])
    assert pd.isna(found["shift"])


def test_new_and_vanished_features_and_nodes_are_named():
    before = tiny(np.ones((4, 2)), labels=np.ones((4, 2)))
    after = tiny(
        np.ones((4, 2)), labels=np.ones((4, 2)), feature_names=["x1", "y"], nodes=["n0", "m"]
    )
    found = compare(before, after)
    assert found.features is not None
    assert found.nodes is not None
    by_name = found.features.set_index("feature")[["new", "vanished"]].T.to_dict("list")
    assert by_name == {"x1": [0, 0], "y": [1, 0], "x0": [0, 1]}
    by_id = found.nodes.set_index("node")[["new", "vanished"]].T.to_dict("list")
    assert by_id == {"n0": [0, 0], "m": [1, 0], "n1": [0, 1]}


def support(count, n):
    return (np.arange(n) < count)[:, None]


@pytest.mark.parametrize(
    ("was", "now", "changed"),
    [
        ((10, 1000), (20, 2000), 0),
        ((10, 1000), (18, 1000), 0),
        ((10, 1000), (40, 1000), 1),
        ((40, 1000), (10, 1000), 1),
        ((500, 1000), (520, 1000), 0),
        ((500, 1000), (650, 1000), 1),
        ((990, 1000), (960, 1000), 1),  # the negatives went from 10 to 40
        ((990, 1000), (988, 1000), 0),
        ((0, 1000), (0, 1000), 0),
    ],
)
def test_support_is_changed_where_chance_does_not_explain_it(was, now, changed):
    found = nodes(support(*was), support(*now)).loc["n0"]
    assert found["changed"] == changed
    assert (found["support_was"], found["support"]) == (was[0], now[0])
    assert found["expected"] == pytest.approx(was[0] * now[1] / was[1])


def test_chance_is_that_of_the_exact_binomial_test_shared_by_all_nodes():
    n, m = 900, 600
    # Given 30 positives in all, 600 of 1,500 examples have k of them.
    for k in range(31):
        p = min(1, 2 * min(stats.binom.cdf(k, 30, 0.4), stats.binom.sf(k - 1, 30, 0.4)))
        for others in (0, 99):
            before = np.hstack([support(30 - k, n), np.zeros((n, others))])
            after = np.hstack([support(k, m), np.zeros((m, others))])
            assert nodes(before, after).loc["n0", "changed"] == (p < 0.01 / (1 + others))


def test_among_many_nodes_that_did_not_change_a_false_alarm_is_rare():
    rng = np.random.default_rng(1)
    rates = rng.uniform(0.002, 0.9, 150)
    alarms = [
        nodes(rng.random((700, 150)) < rates, rng.random((900, 150)) < rates)["changed"].any()
        for _ in range(40)
    ]
    assert sum(alarms) <= 2


def test_vanished_examples_are_counted_and_new_ones_are_none():
    before = tiny(np.zeros(5), ids=list("abcde"))
    after = tiny(np.zeros(4), ids=list("acxy"))
    found = compare(before, after).examples
    assert found is not None
    assert found["vanished"].sum() == 3
    assert len(found) == 5


def test_sizes_of_both_are_told():
    before = tiny(np.zeros(3), labels=np.ones((3, 1)), split=["train", "test", "test"])
    after = tiny(
        np.zeros(2), labels=np.ones((2, 2)), edges=[("n1", "n0")], split=["train", "valid"]
    )
    sizes = compare(before, after).sizes
    assert sizes["train"] == [1, 1]
    assert sizes["valid"] == [0, 1]
    assert sizes["test"] == [2, 0]
    assert sizes["nodes"] == [1, 2]
    assert sizes["edges"] == [0, 1]
    assert sizes["labels per example"] == [1.0, 2.0]


def test_directions_of_text_are_counted_and_the_columns_beside_them_compared():
    plan = Plan.of(["n", "t"], Features(path="-", sha256="0" * 64, text=["t"]), Path("x.csv"))

    def described(words: str, mean: float) -> Prepared:
        rng = np.random.default_rng(0)
        texts = [" ".join(rng.choice(words.split(), 3)) for _ in range(400)]
        numbers = rng.normal(mean, size=400).astype(np.float32)
        table = pd.DataFrame({"n": numbers, "t": pd.Series(texts, dtype="str")})
        encoder = Encoder.fit(table, plan, np.arange(400), 300)
        return dataclasses.replace(
            tiny(encoder.transform(table), feature_names=list(encoder.names)),
            encoder=encoder.files(),
        )

    before = described("arm leg head back pain", 0)
    others = described("arm leg head back pain hand foot", 0)
    found = compare(before, others)
    assert found.features is not None
    assert found.features[FLAGS].to_numpy().sum() == 0
    assert found.features["feature"].tolist() == ["n"]
    counted = [len(data.feature_names) - 1 for data in (before, others)]
    assert found.sizes["learnt features, not compared"] == counted
    assert counted[0] != counted[1]
    moved = compare(before, described("hand foot toe", 3)).features
    assert moved is not None
    assert moved.set_index("feature").loc["n", "moved"] == 1
    assert "learnt features, not compared" not in compare(tiny(BASE), tiny(BASE)).sizes


def test_other_data_are_not_compared_and_the_reason_names_both():
    data = tiny(BASE)
    other = dataclasses.replace(data, info={"name": "other"})
    found = compare(data, other)
    assert found.nothing == "the accepted data are 'tiny', these are 'other'"
    assert found.tables() == {}
    none = drift.compare({"schema": 1, "dataset": None}, profile.profile(data, "a"), data)
    assert none.nothing is not None
    assert "rarenode data accept" in none.nothing
