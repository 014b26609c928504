import builtins
import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from pipeline.datasets import icd10cm, registry, text
from pipeline.datasets.source import RawDataset
from pipeline.errors import DatasetError
from pipeline.stages import labelling
from tests.datasets.contract import SourceContract

BLOCKS_OF_THEIR_ONLY_CATEGORY = (
    "B10 B20 B99 C50 C7A C7B D3A D49 D78 E36 E89 F99 H59 H95 J95 L76 M04 M95 M96 M97 M99 N99 O09 "
    "P09 P84 QA0 R97 R99 T07 T14 T79 X50 Z16 Z17 Z18 Z19 Z66 Z67 Z68"
).split()


@pytest.fixture(scope="module")
def icd_files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("icd10cm")
    registry.get("icd10cm").fetch(folder)
    return folder


@pytest.fixture(scope="module")
def icd(icd_files) -> RawDataset:
    return registry.get("icd10cm").read(icd_files)


@pytest.fixture(scope="module")
def tabular(icd_files) -> ElementTree.Element:
    return ElementTree.parse(icd_files / icd10cm.TABULAR).getroot()


def listed_parents(tabular: ElementTree.Element, folder: Path) -> dict[str, str | None]:
    """Code -> parent, read from the files and not with the package.

    The tabular list nests chapters, blocks and codes of up to six characters (seven in some). The
    others with seven are in the list of codes only, and each of them is such a code with `X` up to
    the sixth character and one more.
    """
    parents: dict[str, str | None] = {}

    def walk(element: ElementTree.Element, above: str | None) -> None:
        name = element.get("id") or element.findtext("name")
        assert name is not None
        if name != above:  # the only category of a block of the same name
            assert name not in parents
            parents[name] = above
        for child in element:
            if child.tag in ("section", "diag"):
                walk(child, name)

    for chapter in tabular.iter("chapter"):
        walk(chapter, None)
    nested = set(parents)
    for line in (folder / icd10cm.CODES).read_text(encoding="utf-8").splitlines():
        code = line.split(" ")[0]
        dotted = code if len(code) < 4 or "-" in code else f"{code[:3]}.{code[3:].lstrip('.')}"
        if code and dotted not in nested:
            assert len(dotted) == 8
            above = dotted[:-1]
            while above.rstrip(".") not in nested:
                assert above.endswith("X")
                above = above[:-1]
            parents[dotted] = above.rstrip(".")
    return parents


class TestIcd10Cm(SourceContract):
    @pytest.fixture(scope="class")
    @classmethod
    def source(cls):
        return registry.get("icd10cm")

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, icd_files):
        return icd_files

    @pytest.fixture(scope="class")
    @classmethod
    def raw(cls, icd):
        return icd


def test_counts_are_those_known_of_the_release(icd):
    hierarchy = labelling.build(icd.nodes, icd.edges)
    assert (len(icd.ids), len(icd.nodes), len(icd.edges)) == (111_040, 98_466, 98_444)
    assert np.bincount(hierarchy.depth).tolist() == [22, 297, 2072, 10543, 17914, 27286, 40332]
    assert hierarchy.ancestor_matrix.nnz == 584_614  # a node with itself counts
    assert icd.info["version"] in icd.info["notice"]


def test_hierarchy_is_that_of_the_files_read_without_the_package(icd, tabular, icd_files):
    listed = listed_parents(tabular, icd_files)
    assert set(icd.nodes) == set(listed)
    assert dict(icd.edges) == {code: parent for code, parent in listed.items() if parent}
    pairs = 0
    for code in listed:
        above: str | None = code
        while above is not None:
            pairs, above = pairs + 1, listed[above]
    assert pairs == 584_614


def test_a_block_and_its_only_category_of_the_same_name_are_one_node(icd, tabular):
    double = [
        section.get("id")
        for section in tabular.iter("section")
        if section.get("id") in {diag.findtext("name") for diag in section.findall("diag")}
    ]
    assert double == BLOCKS_OF_THEIR_ONLY_CATEGORY
    parents = dict(icd.edges)
    chapters = {chapter.findtext("name") for chapter in tabular.iter("chapter")}
    assert all(parents[code] in chapters for code in double)
    assert parents["C50.0"] == "C50"
    assert icd.nodes["C50"] == "Malignant neoplasm of breast"  # the block's says neoplasms


def test_examples_are_the_descriptions_and_inclusion_terms_of_the_files(icd, tabular):
    """Of the codes that the tabular list holds itself; a section of a merged node gives nothing."""
    expected: Counter[tuple[str, str]] = Counter()
    for element in (*tabular.iter("chapter"), *tabular.iter("section"), *tabular.iter("diag")):
        name = element.get("id") or element.findtext("name", "")
        if element.tag == "section" and name in BLOCKS_OF_THEIR_ONLY_CATEGORY:
            continue
        notes = element.findall("inclusionTerm/note")
        expected.update((name, note.text or "") for note in (element.find("desc"), *notes))
    nested = {name for name, _ in expected}
    found = Counter(
        (labels[0], phrase)
        for labels, phrase in zip(icd.labels, icd.attributes["phrase"], strict=True)
    )
    assert max(found.values()) == 1
    assert {pair for pair in found if pair[0] in nested} == set(expected)
    beyond = Counter(code for code, _ in found if code not in nested)
    assert len(beyond) == 51_305  # codes of seven characters: one phrase each, made by the package
    assert set(beyond.values()) == {1}
    made = dict(pair for pair in found if pair[0] in beyond)
    assert made["S00.00XA"] == f"{icd.nodes['S00.00']}, initial encounter"


def test_phrases_of_the_same_words_form_a_group(icd):
    words = [text.normalise(phrase) for phrase in icd.attributes["phrase"]]
    assert list(icd.groups) == words
    assert len(set(words)) == 109_793


def test_whoever_sees_a_figure_is_told_that_it_says_nothing_of_quality(icd):
    assert icd.info["caution"].startswith("For speed and memory only")
    assert "speed and memory only" in registry.get("icd10cm").about()


def test_more_features_than_needed_are_never_made(icd):
    few = RawDataset(**{**vars(icd), "attributes": icd.attributes[:5]})
    assert registry.get("icd10cm").features(few, np.arange(5), 10_000)[0].shape == (5, 512)


def test_absent_package_is_explained(tmp_path, monkeypatch):
    monkeypatch.setattr(icd10cm, "find_spec", lambda name: None)
    with pytest.raises(DatasetError, match=r"simple-icd-10-cm.*make install.*\[scale\]"):
        icd10cm.Icd10Cm().fetch(tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


def test_absent_package_is_explained_where_only_the_files_are_here(icd_files, monkeypatch):
    monkeypatch.setattr(icd10cm, "find_spec", lambda name: None)
    icd10cm.Icd10Cm().fetch(icd_files)
    imported = builtins.__import__

    def without_package(name, *arguments):
        if name == icd10cm.PACKAGE:
            raise ImportError(name)
        return imported(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without_package)
    with pytest.raises(DatasetError, match=r"which reads ICD-10-CM, found none.*\[scale\]"):
        icd10cm.Icd10Cm().read(icd_files)


def test_damaged_file_is_never_read_and_fetched_again(icd_files, tmp_path):
    source = icd10cm.Icd10Cm()
    source.fetch(tmp_path / "raw")
    file = tmp_path / "raw" / icd10cm.TABULAR
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(
        DatasetError, match=r"expected sha256 f161f8.*tabular.*, found [0-9a-f]{64}"
    ):
        source.read(tmp_path / "raw")
    source.fetch(tmp_path / "raw")
    assert file.read_bytes() == (icd_files / icd10cm.TABULAR).read_bytes()


def test_reading_is_the_same_in_another_process(icd, icd_files):
    """The order of nodes, too: sets of names must not show."""
    code = (
        "import hashlib, json, pathlib; from pipeline.datasets import registry;"
        f"raw = registry.get('icd10cm').read(pathlib.Path({str(icd_files)!r}));"
        "print(hashlib.sha256(json.dumps([raw.ids, list(raw.nodes.items()), raw.edges])"
        ".encode()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = json.dumps([icd.ids, list(icd.nodes.items()), icd.edges])
    assert done.stdout.strip() == hashlib.sha256(here.encode()).hexdigest()


def test_fetching_runs_no_code_of_the_package(tmp_path):
    code = (
        "import sys, pathlib; from pipeline.datasets import registry;"
        f"registry.get('icd10cm').fetch(pathlib.Path({str(tmp_path)!r}) / 'raw');"
        "print('simple_icd_10_cm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
