"""Neighbours where many are equal, where there is nothing to go by, and where they are many."""

import numpy as np
import pytest
import torch
from scipy import sparse

from pipeline.hml.folds import learners
from pipeline.hml.members import NeighbourMembers, neighbours
from pipeline.hml.members.averages import PRIOR

from .toy import HIERARCHY

MEMBERS, ROWS, FEATURES, NUMBER = 5, 600, 12, 20
RNG = np.random.default_rng(0)
LABELS = sparse.csr_array(RNG.random((ROWS, len(HIERARCHY))) < 0.1)
CLOSED = HIERARCHY.close(LABELS.toarray())
LEARNS = learners(RNG.permutation(np.arange(ROWS) % MEMBERS), MEMBERS)
SMOOTH = RNG.standard_normal((ROWS, FEATURES)).astype(np.float32)
# Each pattern is shared by 200 rows, or by 5.
DISCRETE = SMOOTH[np.append(np.arange(ROWS // 3) % 40, np.repeat([40, 41], ROWS // 3))]
FRESH = np.concatenate([DISCRETE[::7], RNG.standard_normal((60, FEATURES))]).astype(np.float32)
ALONE = np.eye(MEMBERS)


def made(x: np.ndarray, number: int = NUMBER) -> NeighbourMembers:
    return NeighbourMembers(x, LABELS, HIERARCHY, LEARNS, neighbours=number)


def slow(x: np.ndarray, at: np.ndarray, number: int = NUMBER) -> np.ndarray:
    """Probabilities (member, example, node), one by one in float64; a last place is shared."""
    result = np.tile(CLOSED.mean(0), (MEMBERS, len(at), 1))
    train, at = x.astype(np.float64), at.astype(np.float64)
    lengths = np.linalg.norm(train, axis=1)
    for member in range(MEMBERS):
        rows = np.flatnonzero(LEARNS[member] & (lengths > 0))
        for example, one in enumerate(at):
            if not one.any() or not len(rows):
                continue
            similarity = train[rows] @ one / lengths[rows] / np.linalg.norm(one)
            edge = np.sort(similarity)[::-1][min(number, len(rows)) - 1]
            above, tied = similarity > edge + 1e-9, np.abs(similarity - edge) <= 1e-9
            places = min(number, len(rows)) - above.sum()
            weight = np.maximum(similarity, 1e-6) * (above + tied * places / tied.sum())
            mean = weight / weight.sum() @ CLOSED[rows]
            result[member, example] = (1 - PRIOR) * mean + PRIOR * CLOSED.mean(0)
    return result


class TestTies:
    def test_equally_near_ones_share_the_last_place(self):
        p = made(DISCRETE).probability(FRESH)
        np.testing.assert_allclose(p, slow(DISCRETE, FRESH), atol=2e-6)

    def test_different_examples_that_are_equally_near_share_it_too(self):
        x = np.sign(SMOOTH)[:, :6].copy()  # corners of a cube
        at = np.sign(FRESH)[:, :6].copy()
        np.testing.assert_allclose(made(x).probability(at), slow(x, at), atol=2e-6)

    def test_blocks_do_not_matter(self):
        for x in (DISCRETE, np.repeat(SMOOTH[:100], 6, axis=0)):
            members = made(x)
            together = members.probability(FRESH)
            for size in (1, 7, 64):
                parts = [members.probability(FRESH[i : i + size]) for i in range(0, 146, size)]
                np.testing.assert_allclose(np.concatenate(parts, axis=1), together, atol=1e-6)

    def test_the_order_of_the_training_examples_does_not_matter(self):
        order = np.random.default_rng(1).permutation(ROWS)
        other = NeighbourMembers(
            DISCRETE[order], LABELS[order], HIERARCHY, LEARNS[:, order], neighbours=NUMBER
        )
        expected = made(DISCRETE).probability(FRESH)
        np.testing.assert_allclose(other.probability(FRESH), expected, atol=1e-6)

    def test_it_looks_no_further_where_nothing_is_tied(self, monkeypatch: pytest.MonkeyPatch):
        members, asked = made(SMOOTH), list[int]()
        search = members._search
        monkeypatch.setattr(members, "_search", lambda x, n: (asked.append(n), search(x, n))[1])
        members.mean(FRESH)
        assert asked == [members._searched]
        members = made(DISCRETE)
        search = members._search
        monkeypatch.setattr(members, "_search", lambda x, n: (asked.append(n), search(x, n))[1])
        members.mean(FRESH)
        assert asked[1:] == [members._searched, ROWS]

    def test_what_is_searched_at_a_time_is_bounded(self, monkeypatch: pytest.MonkeyPatch):
        members, sizes = made(DISCRETE), list[int]()
        expected = members.probability(FRESH)
        search = members._search
        monkeypatch.setattr(neighbours, "_BLOCK", 5000)
        monkeypatch.setattr(
            members, "_search", lambda x, n: (sizes.append(len(x) * n), search(x, n))[1]
        )
        np.testing.assert_allclose(members.probability(FRESH), expected, atol=1e-6)
        assert 0 < max(sizes) <= 5000


class TestNothingToGoBy:
    def test_an_example_without_direction_gets_the_prior(self):
        at = FRESH[:5].copy()
        at[[1, 4]] = 0
        members = made(SMOOTH)
        p = members.probability(at)
        np.testing.assert_allclose(
            p[:, [1, 4]], np.tile(CLOSED.mean(0), (MEMBERS, 2, 1)), atol=1e-6
        )
        kept = [0, 2, 3]
        assert np.array_equal(p[:, kept], members.probability(at[kept]))
        alone = members.mean(np.zeros((1, FEATURES), np.float32))[0]
        np.testing.assert_allclose(alone, CLOSED.mean(0), atol=1e-6)

    @pytest.mark.parametrize("share", [0.1, 0.97])
    def test_training_examples_without_direction_are_nobodys_neighbours(self, share: float):
        x = SMOOTH.copy()
        x[np.random.default_rng(2).random(ROWS) < share] = 0
        members = made(x)
        np.testing.assert_allclose(members.probability(FRESH), slow(x, FRESH), atol=2e-6)
        for member in range(MEMBERS):
            weight = members.weights(FRESH, np.tile(ALONE[member, :, None], len(FRESH)))
            assert not weight[:, ~x.any(1)].toarray().any()

    def test_a_member_with_no_others_gives_the_prior(self):
        x = SMOOTH.copy()
        x[LEARNS[0]] = 0
        p = made(x).probability(FRESH)
        np.testing.assert_allclose(p, slow(x, FRESH), atol=2e-6)
        np.testing.assert_allclose(p[0], np.tile(CLOSED.mean(0), (len(FRESH), 1)), atol=1e-6)
        np.testing.assert_allclose(made(x).mean(FRESH), p.mean(0), atol=1e-6)

    def test_no_example_at_all_is_no_error(self):
        assert made(SMOOTH).mean(np.empty((0, FEATURES), np.float32)).shape == (0, len(HIERARCHY))


@pytest.fixture
def approximate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "EXACT", 100)


@pytest.mark.usefixtures("approximate")
class TestManyExamples:
    def test_up_to_so_many_examples_no_graph_is_built(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(neighbours, "EXACT", ROWS)
        members = made(SMOOTH)
        members.mean(FRESH)
        assert members._graph is None

    @pytest.mark.parametrize("x", [SMOOTH, DISCRETE], ids=["smooth", "discrete"])
    def test_among_few_hundred_all_neighbours_are_found(self, x: np.ndarray):
        members = made(x)
        np.testing.assert_allclose(members.probability(FRESH), slow(x, FRESH), atol=2e-6)
        assert members._graph is not None

    def test_nineteen_of_twenty_neighbours_are_found_among_many(self):
        rng = np.random.default_rng(3)
        hidden = rng.standard_normal((6300, 20)) * np.arange(1, 21) ** -0.5
        x = hidden @ rng.standard_normal((20, 64)) + 0.5 * rng.standard_normal((6300, 64))
        x = x.astype(np.float32)
        x[:1000] = x[0]  # all of these stand in the graph as one
        at, x = x[6000:], x[:6000]
        labels = sparse.csr_array((6000, len(HIERARCHY)), dtype=np.bool_)
        learns = learners(np.arange(6000) % MEMBERS, MEMBERS)
        members = NeighbourMembers(x, labels, HIERARCHY, learns)
        distance, row = members._search(at, 80)
        true, _ = members._index.kneighbors(at, n_neighbors=80)
        np.testing.assert_allclose(np.diff(distance, axis=1).clip(max=0), 0)
        assert (distance <= true[:, [-1]] + 1e-6).mean() > 0.95
        assert all(len(set(one)) == 80 for one in row.tolist())

    def test_the_graph_is_the_same_every_time_however_many_threads_torch_has(self):
        before = torch.get_num_threads()
        try:
            found = []
            for threads in (1, 2):
                torch.set_num_threads(threads)
                members = made(SMOOTH)
                found.append(members.probability(FRESH))
                assert torch.get_num_threads() == threads
                parts = [members.probability(FRESH[i : i + 1]) for i in range(5)]
                expected = found[-1][:, :5]
                np.testing.assert_allclose(np.concatenate(parts, axis=1), expected, atol=1e-6)
        finally:
            torch.set_num_threads(before)
        assert found[0].tobytes() == found[1].tobytes()

    def test_what_is_stored_gives_the_same_graph(self):
        members = made(SMOOTH)
        again = NeighbourMembers.from_arrays(members.arrays(), members.options(), HIERARCHY)
        assert again._graph is None
        assert again.mean(FRESH).tobytes() == members.mean(FRESH).tobytes()

    def test_where_the_graph_finds_too_few_all_are_looked_at(self, monkeypatch: pytest.MonkeyPatch):
        members = made(SMOOTH)
        expected = members.mean(FRESH)
        assert members._graph is not None

        def nothing(x: np.ndarray, number: int, **_: object) -> tuple[None, np.ndarray]:
            return None, np.full((len(x), number), -1)

        monkeypatch.setattr(members._graph._index, "search", nothing)
        np.testing.assert_allclose(members.mean(FRESH), expected, atol=1e-6)

    def test_examples_without_direction_do_not_stand_in_it(self):
        x = SMOOTH.copy()
        x[::3] = 0
        np.testing.assert_allclose(made(x).probability(FRESH), slow(x, FRESH), atol=2e-6)
