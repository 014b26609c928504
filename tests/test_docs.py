"""What the documents point to is there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import data_card, own_data
from pipeline.errors import DatasetError

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *(ROOT / "README.md", ROOT / "data" / "README.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "benchmarks" / "notebook").glob("*.md"),
]
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path):
    text = document.read_text(encoding="utf-8")
    missing = [link for link in _LINK.findall(text) if not (document.parent / link).exists()]
    assert missing == []


def test_there_are_links_to_check():
    assert sum(len(_LINK.findall(path.read_text(encoding="utf-8"))) for path in DOCUMENTS) > 20


OWN_DATA = (ROOT / "docs" / "own-data.md").read_text(encoding="utf-8")
EXAMPLE = Path("docs/example")


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> own_data.Request:
    """The files of docs/own-data.md, and what its command says of them."""
    shutil.copytree(ROOT / EXAMPLE, tmp_path / EXAMPLE)
    monkeypatch.chdir(tmp_path)
    tables = (EXAMPLE / name for name in ("sightings.csv", "taxa.csv", "taxonomy.csv"))
    return own_data.Request(*tables, group="observer")


def test_what_init_says_of_the_example_stands_in_the_document(example: own_data.Request):
    lines = "\n".join(data_card.described(own_data.understand(example)))
    assert f"```\n{lines}\n```" in OWN_DATA


def test_the_mistake_in_the_document_is_refused_in_its_words(example: own_data.Request):
    rows = example.features.read_text(encoding="utf-8")
    example.features.write_text(rows.replace(",3.2,", ",big,", 1), encoding="utf-8")
    with pytest.raises(DatasetError) as refused:
        own_data.understand(example)
    assert str(refused.value) in OWN_DATA


def test_the_example_is_what_its_script_makes(tmp_path: Path):
    shutil.copy(ROOT / EXAMPLE / "make.py", tmp_path)
    subprocess.run([sys.executable, tmp_path / "make.py"], check=True, timeout=60)
    for made in tmp_path.glob("*.csv"):
        assert made.read_bytes() == (ROOT / EXAMPLE / made.name).read_bytes()
    assert len([*tmp_path.glob("*.csv")]) == 4
