"""Malicious pickles under every name that is read: refused, and never opened."""

import hashlib
import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import pytest
import skops.io
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import FunctionTransformer

from flows import headline
from pipeline.artifacts import cost, paths, prepared, validated
from pipeline.config.tables import HierarchyFile
from pipeline.datasets import arff
from pipeline.datasets.tables import frames, hierarchies, kinds, layouts, strings
from pipeline.datasets.tables.encoder import Encoder
from pipeline.errors import ArtifactError, RarenodeError
from pipeline.hml import load_bundle
from pipeline.prediction import model
from pipeline.reporting import sources
from pipeline.stages import learning
from tests.stages.problem import prepared_problem

Read = Callable[[Path], object]


class Trap:
    """Unpickling it writes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.target, "sprung")


@pytest.fixture(autouse=True)
def as_users_call_it() -> Iterator[None]:
    """Without the tests' shape checks: what is no array must meet the library's own."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "sprung"


@pytest.fixture
def blob(marker: Path) -> Iterator[bytes]:
    """The pickle. No reader may have opened it, and it is a trap indeed."""
    content = pickle.dumps(Trap(marker))
    yield content
    assert not marker.exists()
    pickle.loads(content)
    assert marker.exists()


def objects(marker: Path) -> np.ndarray:
    """An array that only pickle can hold."""
    array = np.empty((3, 2), object)
    array[:] = Trap(marker)
    return array


def refused(read: Read, path: Path) -> None:
    with pytest.raises(RarenodeError, match="expected"):
        read(path)


# one's own tables

READERS: dict[str, tuple[Read, tuple[str, ...]]] = {
    "features": (kinds.understand, frames.SUFFIXES),
    "labels": (lambda path: layouts.detect(path, None, None), strings.SUFFIXES),
    "tables": (strings.read, strings.SUFFIXES),
    "hierarchies found out": (hierarchies.detect, (".csv", ".tsv", ".txt", ".parquet")),
    "ARFF of the field": (arff.read, (".arff",)),
}
FORMATS: dict[str, dict[str, str]] = {
    ".csv": {"format": "edges", "child": "child", "parent": "parent"},
    ".parquet": {"format": "paths", "column": "path"},
    ".txt": {"format": "paths"},
    ".json": {"format": "nested"},
    ".yaml": {"format": "nested"},
    ".yml": {"format": "nested"},
    ".obo": {"format": "obo"},
}


@pytest.mark.parametrize(
    ("what", "suffix"), [(what, suffix) for what, (_, all_) in READERS.items() for suffix in all_]
)
def test_a_pickle_is_no_table(what: str, suffix: str, blob: bytes, tmp_path: Path):
    path = tmp_path / f"table{suffix}"
    path.write_bytes(blob)
    refused(READERS[what][0], path)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("protocol", [0, 5])  # the first one is text
def test_a_pickle_is_no_hierarchy(suffix: str, protocol: int, marker: Path, tmp_path: Path):
    path = tmp_path / f"table{suffix}"
    path.write_bytes(pickle.dumps(Trap(marker), protocol))
    options = HierarchyFile.model_validate(
        {"path": str(path), "sha256": "0" * 64, **FORMATS[suffix]}
    )
    refused(lambda path: hierarchies.read(path, options), path)
    assert not marker.exists()


@pytest.mark.parametrize("place", ["features", "ids", "names", "sparse format", "single"])
def test_objects_within_arrays_are_refused(place: str, marker: Path, tmp_path: Path):
    path, plain = tmp_path / "table.npz", np.ones((3, 2))
    with path.open("wb") as stream:
        if place == "features":
            np.savez(stream, features=objects(marker))
        elif place == "ids":
            np.savez(stream, features=plain, ids=objects(marker)[:, 0])
        elif place == "names":
            np.savez(stream, features=plain, names=objects(marker)[0])
        elif place == "sparse format":
            kept = vars(sparse.csr_array(plain))
            assert "data" in kept
            np.savez(stream, format=objects(marker), shape=np.array([3, 2]), data=plain)
        else:
            np.save(stream, objects(marker))
    refused(kinds.understand, path)
    assert not marker.exists()
    with path.open("rb") as stream:
        loaded = np.load(stream, allow_pickle=True)
        for name in getattr(loaded, "files", ()):
            loaded[name]
    assert marker.exists()  # it is a trap indeed


# prepared data


@pytest.fixture(scope="module")
def prepared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "prepared"
    prepared.write(prepared_problem(40), folder)
    return folder


TABLES = ["dataset.json", "features.npy", "feature_names.json", "labels.npz"]
TABLES += ["examples.parquet", "nodes.parquet", "edges.parquet"]


def test_the_names_below_are_those_that_prepare_writes(prepared_folder: Path):
    assert sorted(file.name for file in prepared_folder.iterdir()) == sorted(TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_a_pickle_is_no_prepared_table(
    name: str, prepared_folder: Path, blob: bytes, tmp_path: Path
):
    folder = Path(shutil.copytree(prepared_folder, tmp_path / "prepared"))
    (folder / name).write_bytes(blob)
    refused(prepared.read, folder)


@pytest.mark.parametrize("part", ["data", "indices", "indptr", "shape", "format"])
def test_objects_among_prepared_labels_are_refused(
    part: str, prepared_folder: Path, marker: Path, tmp_path: Path
):
    folder = Path(shutil.copytree(prepared_folder, tmp_path / "prepared"))
    with np.load(folder / "labels.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    assert part in arrays
    np.savez(folder / "labels.npz", **(arrays | {part: objects(marker)}))
    refused(prepared.read, folder)
    assert not marker.exists()


def test_objects_as_prepared_features_are_refused(
    prepared_folder: Path, marker: Path, tmp_path: Path
):
    folder = Path(shutil.copytree(prepared_folder, tmp_path / "prepared"))
    np.save(folder / "features.npy", objects(marker))
    refused(prepared.read, folder)
    assert not marker.exists()


# bundles

PARTS = ["bundle.json", "arrays.safetensors", "nodes.json", "columns.json", "features.json"]
PARTS += ["encoder.skops"]
NOT_READ = [
    "README.md",
    "learnt.npy",
]  # the latter by retrain: test_learnt.py


def put(bundle: Path, name: str, content: bytes) -> None:
    """Replace a file of a bundle, sha256 included: somebody who edits both."""
    (bundle / name).write_bytes(content)
    if name != "bundle.json":
        path = bundle / "bundle.json"
        description = json.loads(path.read_text())
        description["sha256"][name] = hashlib.sha256(content).hexdigest()
        path.write_text(json.dumps(description))


@pytest.fixture
def bundle(trained_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_bundle, tmp_path / "bundle"))


def test_the_parts_below_are_those_of_a_bundle(bundle: Path):
    assert sorted(file.name for file in bundle.iterdir()) == sorted([*PARTS, *NOT_READ])


@pytest.mark.parametrize("name", PARTS)
def test_a_pickle_is_no_part_of_a_bundle(name: str, bundle: Path, blob: bytes):
    put(bundle, name, blob)
    refused(model.load, bundle)


def test_a_pickle_as_card_is_not_even_read(bundle: Path, blob: bytes):
    (bundle / "README.md").write_bytes(blob)
    load_bundle(bundle)
    model.load(bundle)


def untrusted(marker: Path) -> dict[str, bytes]:
    """Archives of skops with what nobody may make."""

    def transformer(part: Any) -> bytes:
        parts = ColumnTransformer([("a", part, ["age"])])
        return skops.io.dumps(parts)

    whole = transformer("passthrough")
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        schema = json.loads(archive.read("schema.json"))
    schema["__module__"], schema["__class__"] = "subprocess", "Popen"
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    return {
        "a trap": transformer(Trap(marker)),
        "a function": transformer(FunctionTransformer(func=shutil.rmtree)),
        "another class": other.getvalue(),
        "no transformer": skops.io.dumps([1, 2]),
    }


@pytest.mark.parametrize("what", ["a trap", "a function", "another class", "no transformer"])
def test_an_encoder_of_other_types_is_refused(what: str, bundle: Path, marker: Path):
    put(bundle, "encoder.skops", untrusted(marker)[what])
    with pytest.raises(ArtifactError, match=r"bundle: expected the encoder .* found: \w+\("):
        model.load(bundle)
    assert not marker.exists()


def test_objects_within_the_encoder_are_refused(bundle: Path, marker: Path):
    made = io.BytesIO()
    replaced = 0
    with (
        zipfile.ZipFile(bundle / "encoder.skops") as given,
        zipfile.ZipFile(made, "w") as archive,
    ):
        for name in given.namelist():
            content = given.read(name)
            if name.endswith(".npy"):
                array = io.BytesIO()
                np.save(array, objects(marker))
                content = array.getvalue()
                replaced += 1
            archive.writestr(name, content)
    assert replaced
    put(bundle, "encoder.skops", made.getvalue())
    refused(model.load, bundle)
    files = {name: (bundle / name).read_bytes() for name in ("features.json", "encoder.skops")}
    with pytest.raises(ArtifactError, match="allow_pickle=False"):
        Encoder.load(files)
    assert not marker.exists()


# what stages say to each other

REPORTS = [paths.METRICS, paths.EVALUATION / "nodes.csv", paths.EVALUATION / "reliability.json"]
REPORTS += [paths.EVALUATION / "precision_recall.json", paths.EVALUATION / "outcomes.json"]
REPORTS += [paths.HIERARCHY / "nodes.csv", paths.HIERARCHY / "edges.csv"]
REPORTS += [paths.PREPARED / "dataset.json", paths.VALIDATION / "validation.json"]
REPORTS += [paths.HIERARCHY / "summary.json", paths.HIERARCHY / "picture.svg"]
REPORTS += [paths.TUNING / "best.json", paths.TUNING / "trials.json"]


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the report reads, as far as its schema goes."""
    monkeypatch.chdir(tmp_path)
    for path in (*REPORTS, paths.COST, paths.MANIFEST, paths.ACCEPTED, paths.PROFILE):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"schema": 1, "trials": [], "methods": {}, "stages": {"a": {}}}')
    report = {"schema": validated.SCHEMA, "expectations": []}
    (paths.VALIDATION / "validation.json").write_text(json.dumps(report))
    (paths.EVALUATION / "nodes.csv").write_text("id\na\n")
    (paths.HIERARCHY / "nodes.csv").write_text("id,name,depth,support\na,a,0,1\n")
    (paths.HIERARCHY / "edges.csv").write_text("child,parent\n")
    sources.read()


@pytest.mark.parametrize("path", REPORTS, ids=str)
@pytest.mark.usefixtures("reports")
def test_a_pickle_is_no_result(path: Path, blob: bytes):
    path.write_bytes(blob)
    refused(lambda _: sources.read(), path)


@pytest.mark.parametrize(
    ("path", "read"),
    [
        (paths.TUNING / "best.json", learning.tuned_values),
        (paths.METRICS, headline.read),
        (paths.ACCEPTED, validated.read_accepted),
        (paths.PROFILE, validated.read_acceptable),
    ],
    ids=["tuned values", "headline", "accepted profile", "profile to accept"],
)
@pytest.mark.usefixtures("reports")
def test_a_pickle_is_no_result_for_other_readers(
    path: Path, read: Callable[[], object], blob: bytes
):
    path.write_bytes(blob)
    refused(lambda _: read(), path)


@pytest.mark.usefixtures("reports")
def test_what_may_be_missing_is_not_shown_if_it_is_a_pickle(blob: bytes):
    assert cost.stages() == {"a": {}}
    for path in (paths.COST, paths.MANIFEST):
        path.write_bytes(blob)
    found = sources.read()
    assert str(found.cost).startswith("Not shown: expected JSON in reports/cost.json")
    assert str(found.manifest).startswith("Not shown: expected JSON in reports/manifest.json")
    assert cost.stages() == {}
