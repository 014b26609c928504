"""Real data sets as people would have them: what is prepared is what the built-in readers prepare.

Everything behind the prepared data is the same for both, so the metrics are, too.
"""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import own_data
from pipeline.artifacts.prepared import Prepared
from pipeline.config import Config
from pipeline.datasets import registry
from pipeline.datasets.source import RawDataset
from pipeline.datasets.tables.source import OwnTables
from pipeline.own_data import Request
from pipeline.stages import prepare

HMC = os.environ.get("RARENODE_HMC_DIR")
needs_benchmarks = pytest.mark.skipif(HMC is None, reason="RARENODE_HMC_DIR names no folder")


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(Path(__file__).parents[3] / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def built_in(name: str) -> tuple[RawDataset, Prepared]:
    source = registry.get(name)
    source.fetch(Path("raw"), None if name.startswith("hpo") else HMC)
    raw = source.read(Path("raw"))
    return raw, prepare.prepare(raw, source, Config(dataset=name))


def own(request: Request) -> Prepared:
    found = own_data.understand(request)
    source = OwnTables(found.name, found.tables)
    return prepare.prepare(found.raw, source, Config(dataset=found.name, tables=found.tables))


def assert_same(ours: Prepared, theirs: Prepared) -> None:
    assert ours.feature_names == theirs.feature_names
    np.testing.assert_array_equal(ours.features, theirs.features)
    assert (ours.labels != theirs.labels).nnz == 0
    columns = ["id", "depth", "scored"]
    pd.testing.assert_frame_equal(ours.nodes[columns], theirs.nodes[columns])
    pd.testing.assert_frame_equal(ours.examples, theirs.examples)
    pd.testing.assert_frame_equal(ours.edges, theirs.edges)


def long(raw: RawDataset, example: str, node: str) -> pd.DataFrame:
    rows = [(one, label) for one, given in zip(raw.ids, raw.labels, strict=True) for label in given]
    return pd.DataFrame(rows, columns=[example, node])


@needs_benchmarks
def test_genes_as_text_with_labels_that_are_paths():
    raw, theirs = built_in("cellcycle_FUN")
    table = raw.attributes.copy()
    table.insert(0, "gene", list(raw.ids))
    table["family"], table["part"] = list(raw.groups), list(raw.splits or ())
    table["functions"] = ["; ".join(given) for given in raw.labels]
    table.to_csv("genes.csv", index=False)
    Path("hierarchy.txt").write_text("\n".join(raw.nodes), encoding="utf-8")
    genes = Path("genes.csv")
    ours = own(
        Request(
            genes,
            genes,
            Path("hierarchy.txt"),
            label_column="functions",
            group="family",
            split="part",
        )
    )
    assert_same(ours, theirs)


@needs_benchmarks
def test_mails_as_arrays_with_a_long_table_of_labels():
    raw, theirs = built_in("enron")
    np.savez_compressed(
        "mails.npz",
        features=theirs.features,
        names=np.array(theirs.feature_names),
        ids=np.array(raw.ids),
        _part=np.array(raw.splits),
        _thread=np.array(raw.groups),
    )
    long(raw, "mail", "category").to_csv("categories.tsv", sep="\t", index=False)
    pd.DataFrame(raw.edges, columns=["child", "parent"]).to_csv("edges.csv", index=False)
    files = Path("mails.npz"), Path("categories.tsv"), Path("edges.csv")
    assert_same(own(Request(*files, group="_thread", split="_part")), theirs)


def test_diseases_as_parquet_with_an_ontology():
    raw, theirs = built_in("hpo_nervous")
    table = pd.DataFrame(theirs.features, columns=list(theirs.feature_names))
    table.insert(0, "disease", list(raw.ids))
    table["family"] = list(raw.groups)
    table.to_parquet("diseases.parquet", index=False)
    long(raw, "disease", "term").to_parquet("terms.parquet", index=False)
    parents: dict[str, list[str]] = {}
    for child, parent in raw.edges:
        parents.setdefault(child, []).append(f"is_a: {parent}\n")
    terms = (
        f"[Term]\nid: {node}\nname: {name}\n{''.join(parents.get(node, ()))}\n"
        for node, name in raw.nodes.items()
    )
    Path("branch.obo").write_text(f"format-version: 1.2\n\n{''.join(terms)}", encoding="utf-8")
    files = Path("diseases.parquet"), Path("terms.parquet"), Path("branch.obo")
    ours = own(Request(*files, group="family"))
    assert_same(ours, theirs)
    assert ours.nodes["name"].tolist() == theirs.nodes["name"].tolist()
