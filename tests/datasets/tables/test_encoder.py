"""Features of columns: beside scikit-learn, the same bytes in every process, nothing unpickled."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import OneHotEncoder

from pipeline.config.tables import Features
from pipeline.datasets.tables.columns import Plan
from pipeline.datasets.tables.encoder import FILES, Encoder
from pipeline.errors import ArtifactError, DatasetError

LISTS = {"categorical": ["c"], "boolean": ["b"], "date": ["d"], "text": ["t"], "ignored": ["i"]}


def plan(names: list[str], **lists: Any) -> Plan:
    options = Features.model_validate({"path": "-", "sha256": "0" * 64, **lists})
    return Plan.of(names, options, Path("x.csv"))


PLAN = plan(["n", "c", "b", "d", "t", "i"], **LISTS)


def frame(rows: int = 60, seed: int = 0) -> pd.DataFrame:
    """What `columns.read` makes of such a table."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, 5)).astype(np.float32)
    numbers[::7, 0] = np.nan
    words = np.array(["arm", "leg", "head", "back", "pain", "again"])
    text = [" ".join(words[rng.integers(6, size=4)]) for _ in range(rows)]
    values: dict[str, Any] = {
        "n": numbers[:, 0],
        "c": pd.Series(rng.choice(["red", "green", "", "blue"], rows), dtype="str"),
        "b": (numbers[:, 1] > 0).astype(np.float32),
    }
    values |= dict(zip(("d: days", "d: year, sine", "d: year, cosine"), numbers.T[2:], strict=True))
    return pd.DataFrame(values | {"t": pd.Series(text, dtype="str")})


ROWS = np.arange(0, 60, 2)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.fit(frame(), PLAN, ROWS, 40)


def test_numbers_stay_and_categories_are_what_scikit_learn_makes_of_them(encoder: Encoder):
    given, made = frame(), encoder.transform(frame())
    assert made.dtype == np.float32
    assert encoder.names[:6] == ("n", "c=blue", "c=green", "c=red", "b", "d: days")
    assert np.array_equal(made[:, 0], given["n"], equal_nan=True)
    reference: Any = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    known = given[["c"]].iloc[ROWS]
    reference.fit(known[known["c"] != ""])
    assert np.array_equal(made[:, 1:4], reference.transform(given[["c"]]))
    assert np.array_equal(made[:, 4:8], given[given.columns[2:6]])


def test_columns_that_never_differ_are_needed_by_nobody(encoder: Encoder):
    assert not encoder.needless
    same = frame().assign(**{"c": "red", "b": np.float32(1), "t": "pain"})
    same["d: days"] = same["d: year, sine"] = np.float32(0)
    left = Encoder.fit(same, PLAN, ROWS, 40)
    assert left.needless == {"c", "b", "t"}
    assert Encoder.load(left.files()).needless == left.needless
    same["d: year, cosine"] = same["c"] = ""
    same["d: year, cosine"] = np.float32(0)
    assert Encoder.fit(same, PLAN, ROWS, 40).needless == {"c", "b", "t", "d"}


def test_directions_have_names_for_people(encoder: Encoder):
    assert encoder.readable[:2] == ("'n'", "'c=blue'")
    assert encoder.readable[8:10] == ("direction 0 of the text 't'", "direction 1 of the text 't'")
    assert len(encoder.readable) == len(encoder.names)


def test_texts_become_the_leading_directions_of_their_ngrams(encoder: Encoder):
    given = frame()["t"]
    ngrams = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2, max_features=20_000
    )
    fitted = ngrams.fit_transform(given.iloc[ROWS])
    made = encoder.transform(frame())[:, 8:]
    width = made.shape[1]
    assert encoder.names[8:] == tuple(f"t:{place}" for place in range(width))
    svd = TruncatedSVD(min(40, *fitted.shape), random_state=0).fit(fitted)
    assert np.allclose(made, svd.transform(ngrams.transform(given))[:, :width], atol=1e-5)
    # All that tells the fitted texts apart is kept.
    kept = made[ROWS].astype(np.float64)
    assert np.allclose(kept @ kept.T, (fitted @ fitted.T).toarray(), atol=1e-5)


def test_new_and_missing_categories_are_zero_throughout(encoder: Encoder):
    row = frame(3)
    row["c"] = pd.Series(["violet", "", "red"], dtype="str")
    assert encoder.transform(row)[:, 1:4].tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 1]]


def test_rows_that_were_not_fitted_change_nothing(encoder: Encoder):
    other = frame()
    others = np.setdiff1d(np.arange(60), ROWS)
    other.loc[others, "c"] = "violet"
    other.loc[others, "t"] = "entirely different words"
    other.loc[others, "n"] = np.float32(1e30)
    assert Encoder.fit(other, PLAN, ROWS, 40).files() == encoder.files()


def test_what_says_nothing_in_the_fitted_rows_is_left_out():
    given = frame()
    given["b"] = np.float32(1)
    given.loc[1, "b"] = np.float32(0)  # not fitted
    given["t"] = pd.Series([chr(0x4E00 + row) for row in range(60)], dtype="str")  # no n-gram twice
    found = Encoder.fit(given, PLAN, ROWS, 40)
    assert found.names == ("n", "c=blue", "c=green", "c=red", *given.columns[3:6])
    assert found.transform(given).shape == (60, 7)


def test_columns_without_any_difference_are_refused():
    given = pd.DataFrame({"n": np.ones(5, np.float32)})
    with pytest.raises(DatasetError, match="expected a column that differs between the rows"):
        Encoder.fit(given, plan(["n"]), np.arange(5), 40)


@pytest.mark.parametrize("name", ["c=red", "t:0"])
def test_a_column_that_is_called_like_a_feature_is_refused(name: str):
    given = frame().rename(columns={"n": name})
    names = [name, "c", "b", "d", "t"]
    lists = {kind: columns for kind, columns in LISTS.items() if kind != "ignored"}
    with pytest.raises(DatasetError, match=f"two features would be called '{name}'"):
        Encoder.fit(given, plan(names, **lists), ROWS, 40)


def test_no_more_directions_than_asked_for_over_all_texts():
    given = frame()
    given["u"] = given["t"].iloc[::-1].to_numpy()
    both = plan(["n", "t", "u"], text=["t", "u"])
    names = Encoder.fit(given[["n", "t", "u"]], both, ROWS, 10).names
    assert sum(name.startswith("t:") for name in names) == 5
    assert sum(name.startswith("u:") for name in names) == 5


def test_rows_are_encoded_alike_one_by_one_and_together(encoder: Encoder):
    given = frame()
    whole = encoder.transform(given)
    for row in range(0, 60, 11):
        alone = encoder.transform(given.iloc[row : row + 1])
        assert np.array_equal(alone[0], whole[row], equal_nan=True)


def test_what_was_stored_encodes_the_same_bit_by_bit(encoder: Encoder):
    files = encoder.files()
    assert set(files) == set(FILES)
    loaded = Encoder.load(files)
    assert (loaded.names, loaded.plan) == (encoder.names, encoder.plan)
    new = frame(200, seed=1)
    assert loaded.transform(new).tobytes() == encoder.transform(new).tobytes()


def test_every_process_stores_the_same_bytes(encoder: Encoder):
    code = (
        "import hashlib\nfrom tests.datasets.tables import test_encoder as t\n"
        "files = t.Encoder.fit(t.frame(), t.PLAN, t.ROWS, 40).files()\n"
        "print(*(hashlib.sha256(files[name]).hexdigest() for name in t.FILES))\n"
    )
    root = str(Path(__file__).parents[3])
    own = [hashlib.sha256(encoder.files()[name]).hexdigest() for name in FILES]
    for seed in ("1", "2"):  # of Python's hashes, which order sets
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": root, "PYTHONHASHSEED": seed},
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == own


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_missing_is_named(name: str, encoder: Encoder):
    files = encoder.files()
    del files[name]
    with pytest.raises(ArtifactError, match=rf"expected the encoder .*found: KeyError\('{name}"):
        Encoder.load(files)


@given(
    name=st.sampled_from(FILES),
    start=st.integers(0, 10**6),
    length=st.integers(0, 9),
    put=st.binary(max_size=9),
)
def test_damaged_files_are_read_or_refused(
    name: str, start: int, length: int, put: bytes, encoder: Encoder
):
    files = encoder.files()
    content = files[name]
    start %= len(content)
    files[name] = content[:start] + put + content[start + length :]
    try:
        loaded = Encoder.load(files)
    except ArtifactError as error:
        message = str(error)
    else:
        message = ""
        assert loaded.transform(frame(2)).shape == (2, len(loaded.names))
    assert not message or message.startswith("expected the encoder of a bundle in features.json, ")
    assert len(message) < 500
