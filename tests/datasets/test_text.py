import numpy as np
import pandas as pd
from scipy import sparse
from threadpoolctl import threadpool_limits

from pipeline.datasets import text

TEXTS = pd.Series(["blue eye", "blue ear", "red eye", "red ear", "zzz zzz"])
FIT = np.array([0, 1, 2, 3])


def test_components_are_the_singular_value_decomposition():
    columns = text.ngrams(TEXTS, FIT, (1, 2))
    block = text.components(columns, FIT, 2, "text")
    u, s, _ = np.linalg.svd(columns[FIT].toarray())
    np.testing.assert_allclose(np.abs(block.values[FIT]), np.abs(u[:, :2] * s[:2]), atol=1e-6)
    assert block.names == ("text:0", "text:1")


def test_a_term_of_rows_that_are_not_fitted_is_no_feature():
    columns = text.ngrams(TEXTS, FIT, (2, 3))
    assert columns[[4]].nnz == 0
    assert columns[[0]].nnz > 0


def test_rounding_noise_is_no_component():
    repeated = sparse.csr_array(np.outer([1.0, 2, 3, 4], [1.0, 1, 0, 2]))
    assert text.components(repeated, FIT, 3, "text").names == ("text:0",)


def test_texts_without_a_term_give_no_column():
    nothing = pd.Series(["", "", ""])
    columns = text.ngrams(nothing, np.arange(3), (2, 3))
    assert text.components(columns, np.arange(3), 5, "text").values.shape == (3, 0)
    assert text.indicators(nothing, np.arange(3), 1, 5, "term").values.shape == (3, 0)
    rare = pd.Series(["a", "b", "c"])
    assert text.indicators(rare, np.arange(3), 2, 5, "term").values.shape == (3, 0)


def test_indicators_keep_terms_whole_and_count_each_once():
    lists = pd.Series(["X-linked, late\tRare", "X-linked, late\tX-linked, late", "Rare", ""])
    block = text.indicators(lists, np.arange(4), 2, 5, "term")
    assert block.names == ("term:Rare", "term:X-linked, late")
    assert block.values.tolist() == [[1, 1], [0, 1], [1, 0], [0, 0]]


def test_components_do_not_depend_on_the_number_of_threads():
    random = np.random.default_rng(0)
    columns = sparse.csr_array(random.random((600, 500)) * (random.random((600, 500)) < 0.2))
    rows = np.arange(600)
    with threadpool_limits(limits=2):
        two = text.components(columns, rows, 100, "text").values
    with threadpool_limits(limits=1):
        one = text.components(columns, rows, 100, "text").values
    np.testing.assert_array_equal(one, two)


def test_normalised_texts_keep_digits_and_lose_case_accents_and_the_order_of_words():
    assert text.normalise("Cataract 2, CONGÉNITAL") == text.normalise("congenital cataract (2)")
    assert text.normalise("cataract 2") != text.normalise("cataract 1")
    assert text.normalise("\N{EM DASH}") == ""


def test_hashed_rows_tell_texts_apart_by_words_and_neighbours_and_have_length_one():
    texts = pd.Series(["hepatitis A", "hepatitis B", "a hepatitis", "Hepatitis, a", "..."])
    block = text.hashed(texts, (1, 2), 64, "words")
    assert block.values.shape == (5, 64)
    assert block.values.dtype == np.float32
    assert block.names[:2] == ("words:0", "words:1")
    np.testing.assert_allclose(np.linalg.norm(block.values, axis=1), [1, 1, 1, 1, 0], rtol=1e-6)
    assert len(np.unique(block.values[:3], axis=0)) == 3
    np.testing.assert_array_equal(block.values[3], block.values[0])


def test_a_hashed_row_does_not_depend_on_the_others():
    texts = pd.Series(["blue eye", "red ear", "red eye"])
    together = text.hashed(texts, (1, 2), 16, "words").values
    alone = text.hashed(texts[2:], (1, 2), 16, "words").values
    np.testing.assert_array_equal(together[2:], alone)
