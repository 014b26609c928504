"""Products that do not know in which row an example stands."""

import numpy as np
import pytest
import torch

from pipeline.hml.products import product


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("columns", [1, 5, 16, 100])
@pytest.mark.parametrize("inner", [1, 57, 300])
def test_a_row_has_one_answer_wherever_it_stands(inner: int, columns: int):
    rng = np.random.default_rng(0)
    row = rng.standard_normal((1, inner)).astype(np.float32)
    weight = rng.standard_normal((inner, columns)).astype(np.float32)
    alone = product(row, weight)
    for rows in (3, 12, 61, 1024):
        found = product(np.tile(row, (rows, 1)), weight)
        assert np.array_equal(found, np.tile(alone, (rows, 1)))


def test_a_product_is_one_in_the_wider_precision():
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((20, 30)), rng.standard_normal((30, 40))
    np.testing.assert_allclose(product(x, weight), x @ weight, rtol=1e-13)
    narrow = product(x.astype(np.float32), weight.astype(np.float32))
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, x @ weight, atol=1e-4)
    assert product(x.astype(np.float32), weight).dtype == np.float64
