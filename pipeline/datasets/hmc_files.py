"""Which files make up a benchmark, and where they are published. Cheap to import."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

from pipeline.datasets.verified import RawFile

REPOSITORY = "https://github.com/EGiunchiglia/C-HMCNN"
# The files came with this commit and are the same ones at e887855, the commit usually cited.
COMMIT = "06d35feab7067756e288c3b0f3e570a8fb7c99d5"
ORIGIN = f"https://raw.githubusercontent.com/EGiunchiglia/C-HMCNN/{COMMIT}/HMC_data"

_SHA256 = Path(__file__).with_name("hmc.sha256")  # as sha256sum writes it: digest, two blanks, path
_SPLITS = ("train", "valid", "test")
_YEAST = {
    "cellcycle": "cell cycle",
    "church": "expression (Church)",
    "derisi": "diauxic shift",
    "eisen": "expression (Eisen)",
    "expr": "all expression",
    "gasch1": "stress",
    "gasch2": "DNA damage",
    "pheno": "growth of knock-outs",
    "seq": "sequence statistics",
    "spo": "sporulation",
}
_VENS = (
    "Please cite Vens et al., 'Decision trees for hierarchical multi-label classification', "
    "Machine Learning 73 (2008)."
)
_DIMITROVSKI_IMAGES = (
    "Please cite Dimitrovski et al., 'Hierarchical annotation of medical images', Pattern "
    "Recognition 44 (2011)."
)


class About(NamedTuple):
    """What a benchmark is about, and whom to cite."""

    title: str
    reference: str


ABOUT: dict[str, About] = {
    f"{name}_{hierarchy}": About(f"Yeast genes, {title} -> {functions}", _VENS)
    for hierarchy, functions in (("FUN", "FunCat"), ("GO", "Gene Ontology"))
    for name, title in _YEAST.items()
    if (name, hierarchy) != ("church", "GO")  # was never published
} | {
    "diatoms": About(
        "Photographs of diatoms -> taxa",
        "Please cite Dimitrovski et al., 'Hierarchical classification of diatom images using "
        "ensembles of predictive clustering trees', Ecological Informatics 7 (2012).",
    ),
    "enron": About(
        "E-mails -> genre, topic and tone",
        "Please cite Klimt & Yang, 'The Enron corpus', ECML 2004.",
    ),
    "imclef07a": About("X-ray images -> anatomy", _DIMITROVSKI_IMAGES),
    "imclef07d": About("X-ray images -> direction", _DIMITROVSKI_IMAGES),
}
NAMES = tuple(ABOUT)

# Published without a validation file.
_OTHERS = {
    "diatoms": {"train": "Diatoms_train", "test": "Diatoms_test"},
    "enron": {"train": "Enron_corr_trainvalid", "test": "Enron_corr_test"},
    "imclef07a": {"train": "ImCLEF07A_Train", "test": "ImCLEF07A_Test"},
    "imclef07d": {"train": "ImCLEF07D_Train", "test": "ImCLEF07D_Test"},
}


def files(name: str) -> dict[str, RawFile]:
    """Split -> file of a benchmark, as far as they are published."""
    if name in _OTHERS:
        paths = {split: f"others/{stem}.arff" for split, stem in _OTHERS[name].items()}
    else:
        folder = f"datasets_{name.rpartition('_')[2]}/{name}"
        paths = {split: f"{folder}/{name}.{split}.arff" for split in _SPLITS}
    return {
        split: RawFile(Path(path).name, path, _published()[path])
        for split, path in paths.items()
        if path in _published()
    }


@cache
def _published() -> dict[str, str]:
    """Path -> sha256."""
    lines = _SHA256.read_text(encoding="utf-8").splitlines()
    return {path: digest for digest, path in (line.split(maxsplit=1) for line in lines)}
