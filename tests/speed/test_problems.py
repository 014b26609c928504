import numpy as np
import pytest

from benchmarks.speed import problems


@pytest.mark.parametrize("nodes", [50, 500, 4_000])
def test_synthetic_hierarchy_has_the_nodes_asked_for_and_is_of_a_real_one_s_shape(nodes: int):
    hierarchy = problems.synthetic_hierarchy(nodes)
    assert len(hierarchy) == nodes
    assert (hierarchy.depth == 0).sum() == 1
    assert 7 <= hierarchy.depth.max() <= 12
    parents = np.bincount(hierarchy.edge_index[0], minlength=nodes)
    assert set(parents) <= {0, 1, 2}
    assert (parents == 2).mean() == pytest.approx(0.1, abs=0.1 if nodes == 50 else 0.03)


def test_synthetic_problem_is_the_same_each_time():
    first, second = (problems.synthetic_problem(200, 30, 5) for _ in range(2))
    assert (first.features == second.features).all()
    assert (first.labels != second.labels).nnz == 0
    assert first.features.dtype == np.float32
    assert 1 <= np.diff(first.labels.indptr).min() <= np.diff(first.labels.indptr).max() <= 5


def test_benchmark_without_its_files_is_synthetic_and_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(problems.HMC_DIR, raising=False)
    problems.benchmark.cache_clear()
    problem = problems.benchmark("cellcycle_FUN")
    problems.benchmark.cache_clear()
    assert problem.name == "cellcycle_FUN (synthetic)"
    assert problem.features.shape == (2476, 77)
    assert len(problem.hierarchy) == 499


def test_settings_are_the_published_ones():
    plain = problems.settings("cellcycle_GO", weighted=False)
    assert (plain.members, plain.batch_size, plain.hidden, plain.layers) == (1, 4, 1000, 3)
    assert plain.objective.variant is None
    weighted = problems.settings("cellcycle_FUN", weighted=True)
    assert (weighted.members, weighted.batch_size, weighted.hidden) == (5, 4, 500)
    assert (weighted.objective.variant, weighted.objective.mode) == ("released", "predictive")
