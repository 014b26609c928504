"""The codes of ICD-10-CM and the phrases that describe them: a hierarchy of 98,466 nodes.

For speed and memory only (`CAUTION`); `NOTES` says why. The raw files lie inside
the package simple-icd-10-cm. An example is a phrase, a node is a code, an edge goes from a code to
the one that it is listed under.
"""

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.datasets import verified
from pipeline.datasets.source import Features, RawDataset, Source
from pipeline.datasets.verified import RawFile
from pipeline.errors import DatasetError, absent

if TYPE_CHECKING:  # what reads and computes is imported there: the command line asks for names only
    import numpy as np

PACKAGE = "simple_icd_10_cm"
# simple-icd-10-cm 1.5.0
CODES, TABULAR = "code-list-April-2026.txt", "icd10c-tabular-April-1-2026.xml"
FILES = {
    CODES: "df54d9743a3499f4a4fc12882edb7ce0d975b44ada5a2a25597aa56d0c2ac1c4",
    TABULAR: "f161f8182aff3ce3a2a78e202f8259c08eaee2c670a9e45b0072445c52302935",
}
VERSION = "2026, update of April 1"
NOTICE = (
    f"ICD-10-CM ({VERSION}) is a work of the United States government: the National Center for "
    "Health Statistics (NCHS) and the Centers for Medicare & Medicaid Services (CMS) publish it, "
    "https://www.cdc.gov/nchs/icd/icd-10-cm. The files come from the package simple-icd-10-cm "
    "1.5.0, (c) Stefano Travasci, MIT licence. ICD-10, which it modifies, is the World Health "
    "Organization's."
)
CAUTION = (
    "For speed and memory only: no figure of this data set says how well a method finds nodes."
)
NOTES = (
    "An example is a phrase of the hierarchy's own text, and a node's phrases repeat the words of "
    "its ancestors: what is above a node can be read off its phrase.",
    "There is hardly more than one phrase per node (111,040 for 98,466). Where the only phrase of "
    "a leaf is held out, the leaf has no positive to learn from; where it is not, the leaf has "
    "none to be tested on.",
    "Phrases of the same words, whatever their order, form one group, and a group never spans two "
    "splits. Grouping by category would put each code below it into one split, and no such code "
    "could be both learnt and tested. So phrases that differ in one word ('left', 'right', "
    "'initial encounter') lie in different splits.",
    "39 codes name both a block and the only category in it (B20, C50, …). Each such pair is one "
    "node, with the category's phrases, below the block's chapter.",
    "Features: words and pairs of words of the phrase, counted in hashed columns; nothing is "
    "learnt.",
)
MOST_FEATURES = 512  # of 111,040 examples: 227 MB


class Icd10Cm(Source):
    """All codes of ICD-10-CM, from chapters to seven characters, and every phrase of each."""

    def files(self) -> tuple[RawFile, ...]:
        """The list of codes, and the tabular list, which has no code of seven characters itself."""
        return tuple(RawFile(name, name, sha256) for name, sha256 in FILES.items())

    def origin(self) -> Path:
        """The data folder of the package simple-icd-10-cm.

        Raises:
            DatasetError: the package is not installed.
        """
        package = find_spec(PACKAGE)  # locates it without running its code
        if package is None or package.origin is None:
            raise _absent("whose files hold ICD-10-CM")
        return Path(package.origin).parent / "data"

    def keep(self, folder: Path) -> None:
        """Nothing to do: the package keeps them."""

    def about(self) -> str:
        """In the form that all data sets have: examples -> nodes."""
        return "Phrases -> codes of ICD-10-CM; for speed and memory only"

    def read(self, folder: Path) -> RawDataset:
        """Read codes and phrases, in the order of the tabular list."""
        import pandas as pd

        from pipeline.datasets import text

        icd = _package(folder)
        codes: list[str] = list(dict.fromkeys(icd.get_all_codes()))
        # Of a block and category of one name the block's parent: the category's is the block.
        parents = {code: icd.get_parent(code, prioritize_blocks=True) for code in codes}
        phrases = [
            (f"{code}/{number}" if number else code, code, phrase)
            for code in codes
            for number, phrase in enumerate(
                dict.fromkeys((icd.get_description(code), *icd.get_inclusion_term(code)))
            )
        ]
        return RawDataset(
            ids=tuple(example for example, _, _ in phrases),
            groups=tuple(text.normalise(phrase) for _, _, phrase in phrases),
            labels=tuple((code,) for _, code, _ in phrases),
            nodes={code: icd.get_description(code) for code in codes},
            edges=tuple((code, parent) for code, parent in parents.items() if parent),
            attributes=pd.DataFrame({"phrase": [phrase for _, _, phrase in phrases]}),
            info={
                "source": "ICD-10-CM, tabular list of diseases and injuries, with all codes",
                "version": VERSION,
                "notice": NOTICE,
                "caution": CAUTION,
                "notes": list(NOTES),
            },
        )

    def features(self, raw: RawDataset, fit_rows: "np.ndarray", max_features: int) -> Features:
        """Hashed words and pairs of words: one second.

        Leading directions of 512 columns, such as `hpo` has, would take twenty, and 2.3 GB, for
        figures that nobody is to quote.
        """
        from pipeline.datasets import text

        phrases, most = raw.attributes["phrase"], min(max_features, MOST_FEATURES)
        return Features(*text.hashed(phrases, (1, 2), most, "words"))


def _package(folder: Path) -> Any:
    """The package's own reader, with what is in `folder` loaded.

    It keeps what it reads in module variables, and after a file that it cannot read it keeps parts
    of two. So it is only ever given the expected files.
    """
    if wrong := verified.wrong([RawFile(n, n, s) for n, s in FILES.items()], folder):
        raise DatasetError("; ".join(wrong.values()) + ". Run the stage `fetch`.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of how it finds its own files
            import simple_icd_10_cm as icd
    except ImportError:
        raise _absent("which reads ICD-10-CM") from None
    icd.change_version(
        all_codes_file_path=str(folder / CODES), classification_data_file_path=str(folder / TABULAR)
    )
    return icd


def _absent(use: str) -> DatasetError:
    return DatasetError(absent("simple-icd-10-cm", use, "scale"))
