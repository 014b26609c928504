"""From columns to features: scikit-learn's ColumnTransformer, stored by skops without pickle."""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import OneHotEncoder
from threadpoolctl import threadpool_limits

from pipeline.artifacts.prepared import COLUMNS
from pipeline.datasets.tables.columns import Column, Plan
from pipeline.datasets.tables.files import several, shown, twice
from pipeline.errors import ArtifactError, DatasetError

if TYPE_CHECKING:
    import pandas as pd

FILES = (COLUMNS, "encoder.skops")
_SCHEMA = 1
_DIRECTIONS = 300  # of a column of text, at most
_ROWS = 10_000  # that are encoded at a time: what is learnt from text is wide before it is narrow


class TextDirections(TransformerMixin, BaseEstimator):
    """The leading directions of a text's character n-grams (latent semantic analysis).

    Args:
        most: how many, at most; none where the texts have no n-gram in common.
    """

    def __init__(self, most: int = _DIRECTIONS) -> None:
        self.most = most

    def fit(self, X: "pd.Series[str]", y: Any = None) -> "TextDirections":
        """Learn n-grams that two texts have, the 20,000 most frequent, and their directions."""
        self.ngrams_ = TfidfVectorizer(
            analyzer="char_wb",
            ngram_range=(2, 5),
            sublinear_tf=True,
            max_features=20_000,
            min_df=2,
        )
        self.directions_ = None
        self.count_ = 0
        try:
            found: Any = self.ngrams_.fit_transform(X)
        except ValueError as error:
            # scikit-learn has no way to ask for an empty vocabulary.
            wanted = ("no terms remain", "empty vocabulary", "max_df corresponds to")
            if any(words in str(error) for words in wanted):
                return self
            raise
        # Numbers of numpy would each be a file of the archive.
        places: Any = self.ngrams_.vocabulary_
        self.ngrams_.vocabulary_ = {term: int(place) for term, place in places.items()}
        with np.errstate(invalid="ignore"):  # shares of a variance that one text throughout has not
            svd: Any = TruncatedSVD(min(self.most, *found.shape), random_state=0).fit(found)
        real = svd.singular_values_ > 1e-5 * svd.singular_values_[0]  # the rest is rounding noise
        svd.components_ = np.ascontiguousarray(svd.components_[real])
        self.directions_, self.count_ = svd, int(real.sum())
        return self

    def transform(self, X: "pd.Series[str]") -> np.ndarray:
        """(text, direction) float32."""
        if self.directions_ is None:
            return np.zeros((len(X), 0), np.float32)
        return np.asarray(self.directions_.transform(self.ngrams_.transform(X)), np.float32)


@dataclass(frozen=True)
class Encoder:
    """What turns the columns of a `Plan` into features.

    Numbers, truth values and dates stay as they are; a category becomes 0 or 1 for each value that
    the fitted rows have (one that is new or missing is 0 throughout); of a text the leading
    directions are left. Features that say nothing in the fitted rows are left out.

    Attributes:
        plan: of the columns.
        names: of the features.
    """

    plan: Plan
    names: tuple[str, ...]
    _transformer: ColumnTransformer
    _kept: np.ndarray

    @classmethod
    def fit(
        cls, frame: "pd.DataFrame", plan: Plan, fit_rows: np.ndarray, max_features: int
    ) -> "Encoder":
        """Learn from some rows of the frame, and from no other.

        Args:
            frame: see `columns.frame`.
            plan: of these columns.
            fit_rows: which rows.
            max_features: of all columns of text together, at most.

        Raises:
            DatasetError: no column differs between these rows, or two features have one name.
        """
        fitted = frame.iloc[fit_rows]
        texts = sum(column.kind == "text" for column in plan.columns)
        most = min(_DIRECTIONS, max(1, max_features // max(texts, 1)))
        parts: list[tuple[str, Any, Any]] = []
        names: list[Any] = []  # of each part; how many a text has is known once it is fitted
        for column in plan.columns:
            number = str(len(parts))
            if column.kind == "image":  # `pipeline.encoders` makes features of what is in the file
                continue
            if column.kind == "categorical":
                values = sorted(set(fitted[column.name]) - {""})
                if values:
                    parts.append((number, _one_hot(values), [column.name]))
                    names.append([f"{column.name}={value}" for value in values])
            elif column.kind == "text":
                parts.append((number, TextDirections(most), column.name))
                names.append(column.name)
            elif parts and parts[-1][1] == "passthrough":  # a part for each would take a while
                parts[-1][2].extend(column.made)
                names[-1].extend(column.made)
            else:
                parts.append((number, "passthrough", [*column.made]))
                names.append([*column.made])
        transformer = ColumnTransformer(parts, sparse_threshold=0.0)
        # Threads would change the order of sums, so the last bits would follow the number of cores.
        with threadpool_limits(limits=1):
            transformer.fit(fitted)
        every: list[str] = []
        for (_, fitted_part, _), mine in zip(transformer.transformers_, names, strict=False):
            if isinstance(mine, str):
                mine = [f"{mine}:{number}" for number in range(fitted_part.count_)]
            every += mine
        if (again := twice(every)) is not None:
            raise DatasetError(
                "expected columns with other names than features get, found that two features "
                f"would be called {shown(again)}"
            )
        whole = cls(plan, tuple(every), transformer, np.arange(len(every)))
        low, high = np.full(len(every), np.inf), np.full(len(every), -np.inf)
        for block in whole._blocks(fitted):
            low = np.fmin(low, np.fmin.reduce(block, axis=0, initial=np.inf))
            high = np.fmax(high, np.fmax.reduce(block, axis=0, initial=-np.inf))
        kept = np.flatnonzero(low < high)
        if not len(kept) and plan.image is None:
            raise DatasetError(
                "expected a column that differs between the rows of train+valid, found none among "
                f"{several(plan.names)}"
            )
        return cls(plan, tuple(every[place] for place in kept), transformer, kept)

    def transform(self, frame: "pd.DataFrame") -> np.ndarray:
        """(row, feature) float32, NaN where a value is missing."""
        result = np.empty((len(frame), len(self.names)), np.float32)
        done = 0
        for block in self._blocks(frame):
            result[done : done + len(block)] = block
            done += len(block)
        return result

    def _try_out(self) -> None:
        """Raise whatever transforming an empty row raises."""
        import pandas as pd

        words = ("categorical", "text", "image")
        row = {
            name: "" if column.kind in words else np.float32(0)
            for column in self.plan.columns
            for name in column.made
        }
        self.transform(pd.DataFrame([row]))

    @property
    def needless(self) -> frozenset[str]:
        """Columns of which no feature is left: they were the same in all rows that were fitted."""
        kept = set(self.names)
        categories, directions = self._categories(), self._directions()
        made = {
            column.name: [f"{column.name}={value}" for value in categories.get(column.name, [])]
            if column.kind == "categorical"
            else directions.get(column.name, [])
            if column.kind == "text"
            else [*column.made]
            for column in self.plan.columns
            if column.kind != "image"
        }
        return frozenset(name for name, features in made.items() if kept.isdisjoint(features))

    @property
    def readable(self) -> tuple[str, ...]:
        """The features' names for people: `note:25` says nothing to them."""
        said = {
            feature: f"direction {number} of the text {shown(column)}"
            for column, features in self._directions().items()
            for number, feature in enumerate(features)
        }
        return tuple(said.get(name, shown(name)) for name in self.names)

    def late(self, first: int) -> frozenset[str]:
        """The names of texts' directions that come behind so many of the same text."""
        return frozenset(name for names in self._directions().values() for name in names[first:])

    def _directions(self) -> dict[str, list[str]]:
        """Column of text -> the names of its features."""
        return {
            column: [f"{column}:{number}" for number in range(part.count_)]
            for _, part, column in self._transformer.transformers_
            if isinstance(part, TextDirections)
        }

    def unseen(self, frame: "pd.DataFrame") -> dict[str, tuple[int, str]]:
        """Categorical column -> rows with a value that no fitted row has, and one such value."""
        found: dict[str, tuple[int, str]] = {}
        for name, values in self._categories().items():
            column = frame[name]
            new = column[~column.isin(values) & (column != "")]
            if len(new):
                found[name] = len(new), str(new.iloc[0])
        return found

    def _categories(self) -> dict[str, list[str]]:
        return {
            column[0]: part.categories_[0].tolist()
            for _, part, column in self._transformer.transformers_
            if isinstance(part, OneHotEncoder)
        }

    def _blocks(self, frame: "pd.DataFrame") -> Iterator[np.ndarray]:
        for start in range(0, len(frame), _ROWS):
            with threadpool_limits(limits=1):
                made: Any = self._transformer.transform(frame.iloc[start : start + _ROWS])
            yield np.asarray(made, np.float32)[:, self._kept]

    def files(self) -> dict[str, bytes]:
        """What `load` reads: the same bytes for the same encoder."""
        import skops.io

        description = {
            "schema": _SCHEMA,
            "columns": [[column.name, column.kind] for column in self.plan.columns],
            "others": list(self.plan.others),
            "id": self.plan.id,
            "names": list(self.names),
            "kept": self._kept.tolist(),
        }
        text = json.dumps(description, indent=1, ensure_ascii=False) + "\n"
        return {FILES[0]: text.encode(), FILES[1]: _canonical(skops.io.dumps(self._transformer))}

    @classmethod
    def load(cls, files: Mapping[str, bytes]) -> "Encoder":
        """Read what `files` gave; of types only scikit-learn's and the one above are made.

        Raises:
            ArtifactError: something is missing or damaged.
        """
        import skops.io

        try:
            found = json.loads(files[FILES[0]])
            if found["schema"] != _SCHEMA:
                raise ValueError(f"schema {found['schema']!r}, expected {_SCHEMA}")
            columns = tuple(Column(name, kind) for name, kind in found["columns"])
            plan = Plan(columns, tuple(found["others"]), found["id"])
            own = f"{TextDirections.__module__}.{TextDirections.__qualname__}"
            transformer = skops.io.loads(files[FILES[1]], trusted=[own])
            if not isinstance(transformer, ColumnTransformer):
                raise TypeError(f"a {type(transformer).__name__}")
            kept = np.array(found["kept"], np.intp)
            if kept.shape != (len(found["names"]),):
                raise ValueError(f"{len(found['names'])} names for {kept.size} features")
            encoder = cls(plan, tuple(found["names"]), transformer, kept)
            encoder._try_out()
            return encoder
        except Exception as error:  # damaged archives make zipfile, json and skops raise all sorts
            raise ArtifactError(
                f"expected the encoder of a bundle in {', '.join(FILES)}, found: {error!r:.300}"
            ) from None


def _one_hot(values: list[str]) -> OneHotEncoder:
    return OneHotEncoder(
        categories=[np.array(values, dtype=object)],  # pyright: ignore[reportArgumentType]
        handle_unknown="ignore",
        sparse_output=False,
        dtype=np.float32,  # pyright: ignore[reportArgumentType]
    )


def _canonical(archive: bytes) -> bytes:
    """An archive of skops with numbers in the order of appearance, and without the time of day.

    Skops names parts by where they lay in memory, so that no two archives would be the same.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as given:
        contents = {name: given.read(name) for name in given.namelist()}
    schema = json.loads(contents.pop("schema.json"))
    number: dict[str, str] = {}

    def renumbered(part: Any) -> Any:
        if isinstance(part, list):
            return [renumbered(one) for one in part]
        if not isinstance(part, dict):
            return part
        made = dict(part)
        if "__id__" in made:
            made["__id__"] = int(number.setdefault(str(made["__id__"]), str(len(number))))
        if isinstance(name := made.get("file"), str):
            stem, dot, suffix = name.partition(".")
            made["file"] = number.setdefault(stem, str(len(number))) + dot + suffix
        return {key: renumbered(one) for key, one in made.items()}

    text = json.dumps(renumbered(schema), indent=1)
    files = {"schema.json": text.encode()}
    for name, content in contents.items():
        stem, dot, suffix = name.partition(".")
        files[number.get(stem, stem) + dot + suffix] = content
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archived:
        for name in sorted(files):
            archived.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), files[name])
    return made.getvalue()
