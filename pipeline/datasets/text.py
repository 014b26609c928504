"""Text as features. What is learnt from text is learnt from the fitted rows alone."""

import re
import unicodedata
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from threadpoolctl import threadpool_limits


class Block(NamedTuple):
    """(example, feature) float32 and one name per feature."""

    values: np.ndarray
    names: tuple[str, ...]


def normalise(text: str) -> str:
    """Lower case, no accents or punctuation, words sorted ('Cataract, congenital'); with digits."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().casefold()
    return " ".join(sorted(re.findall(r"[a-z0-9]+", plain)))


def ngrams(texts: pd.Series, fit_rows: np.ndarray, lengths: tuple[int, int]) -> sparse.csr_array:
    """Character n-grams within words as sublinear TF-IDF, one row per text.

    An n-gram counts if two fitted texts hold it; of these the 20,000 most frequent.
    """
    return _fit(
        TfidfVectorizer,
        texts,
        fit_rows,
        analyzer="char_wb",
        ngram_range=lengths,
        sublinear_tf=True,
        max_features=20_000,
        min_df=2,
    )[0]


def components(columns: sparse.csr_array, fit_rows: np.ndarray, most: int, prefix: str) -> Block:
    """The leading directions of sparse columns (latent semantic analysis), `most` at most."""
    fitted = columns[fit_rows]
    count = min(most, *fitted.shape)
    if count == 0 or not fitted.nnz:
        return Block(np.zeros((columns.shape[0], 0), np.float32), ())
    # Threads would change the order of sums, so the last bits would follow the number of cores.
    with threadpool_limits(limits=1):
        svd = TruncatedSVD(count, random_state=0).fit(fitted)
        values = svd.transform(columns)
    real = svd.singular_values_ > 1e-5 * svd.singular_values_[0]  # the rest is rounding noise
    names = tuple(f"{prefix}:{number}" for number in np.flatnonzero(real))
    return Block(values[:, real].astype(np.float32), names)


def hashed(texts: pd.Series, lengths: tuple[int, int], count: int, prefix: str) -> Block:
    """Words and runs of words, counted in `count` columns by a hash; each row has length 1 or 0.

    For many texts: nothing is learnt, and no vocabulary is held. Signs are hashed too, so that what
    meets in a column cancels out on average.
    """
    vectorizer = HashingVectorizer(
        ngram_range=lengths,
        token_pattern=r"\b\w+\b",  # the default leaves out what tells hepatitis A from B
        n_features=count,
        dtype=np.float32,  # pyright: ignore[reportArgumentType]
    )
    values: Any = vectorizer.transform(texts)
    return Block(values.toarray(), tuple(f"{prefix}:{number}" for number in range(count)))


def indicators(texts: pd.Series, fit_rows: np.ndarray, least: int, most: int, prefix: str) -> Block:
    """0 or 1 per term of tab-separated lists; terms in at least `least` fitted rows."""
    if most < 1:
        return Block(np.zeros((len(texts), 0), np.float32), ())
    values, terms = _fit(
        CountVectorizer,
        texts,
        fit_rows,
        tokenizer=_split_at_tabs,
        token_pattern=None,
        lowercase=False,
        binary=True,
        min_df=least,
        max_features=most,
    )
    return Block(values.toarray().astype(np.float32), tuple(f"{prefix}:{term}" for term in terms))


def beside(*blocks: Block) -> tuple[np.ndarray, tuple[str, ...]]:
    """Put blocks side by side."""
    names = tuple(name for block in blocks for name in block.names)
    return np.concatenate([block.values for block in blocks], axis=1), names


def _fit(
    vectorizer: Any, texts: pd.Series, fit_rows: np.ndarray, **options: Any
) -> tuple[sparse.csr_array, list[str]]:
    """Learn terms from the fitted rows and find them in all rows; perhaps there is no term."""
    everything: list[str] = texts.tolist()
    fitted = [everything[row] for row in fit_rows]
    if len(fitted) < options["min_df"] or not any(text.strip() for text in fitted):
        return sparse.csr_array((len(everything), 0)), []
    learnt = vectorizer(**options)
    try:
        learnt.fit(fitted)
    except ValueError as error:
        # scikit-learn has no way to ask for an empty vocabulary.
        if "no terms remain" not in str(error).lower():
            raise
        return sparse.csr_array((len(everything), 0)), []
    return sparse.csr_array(learnt.transform(everything)), list(learnt.get_feature_names_out())


def _split_at_tabs(text: str) -> list[str]:
    return [term for term in text.split("\t") if term]
