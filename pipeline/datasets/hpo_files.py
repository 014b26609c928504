"""The raw files of the Human Phenotype Ontology."""

import itertools
from pathlib import Path

import networkx as nx
import pandas as pd

from pipeline.datasets import obo
from pipeline.errors import DatasetError


def read_ontology(path: Path) -> tuple[nx.DiGraph, dict[str, str], str]:
    """Terms in use with their `is_a` edges (child -> parent), any id -> id in use, the release."""
    ontology = obo.read(path)
    obsolete = {term.id for term in ontology.terms.values() if term.obsolete}
    terms = nx.DiGraph()
    current: dict[str, str] = {}
    for term in ontology.terms.values():
        if term.obsolete:
            successors = [new for new in term.successors if new not in obsolete]
            if len(successors) == 1:  # several would be a guess
                current[term.id] = successors[0]
        elif term.name:
            terms.add_node(term.id, name=term.name)
            current.update(dict.fromkeys(term.alternatives, term.id))
    current.update((node, node) for node in terms)  # an id in use means itself
    terms.add_edges_from(
        (node, parent)
        for node in list(terms)
        for relation, parent in ontology.terms[node].relations
        if relation == "is_a" and parent in terms
    )
    return terms, current, ontology.release or "unknown"


def read_annotations(path: Path, current: dict[str, str]) -> tuple[pd.DataFrame, list[str]]:
    """Annotations that hold (`disease`, `name`, `node` in use, `aspect`), and notes on the rest."""
    table = _table(
        path,
        {
            "database_id": "disease",
            "disease_name": "name",
            "qualifier": "qualifier",
            "hpo_id": "term",
            "frequency": "frequency",
            "aspect": "aspect",
        },
    )
    negated = table["qualifier"] == "NOT"
    never = table["frequency"].str.fullmatch(r"0/\d+|0+(\.0+)?%|HP:0040285") & ~negated
    node = table["term"].map(current)
    unknown = node.isna() & ~negated & ~never
    notes = [
        f"Annotations left out: {int(negated.sum())} with the qualifier NOT, {int(never.sum())} "
        f"with a frequency of zero, {int(unknown.sum())} with a term that is no longer in use."
    ]
    kept = table.assign(node=node)[~negated & ~never & ~unknown]
    return kept[["disease", "name", "node", "aspect"]], notes


def read_genes(path: Path) -> dict[str, set[str]]:
    """Gene symbols per disease. The file's phenotype columns are the labels again: never read."""
    table = _table(path, {"gene_symbol": "gene", "disease_id": "disease"})
    genes: dict[str, set[str]] = {}
    for gene, disease in table.drop_duplicates().itertuples(index=False):
        if gene not in ("", "-"):
            genes.setdefault(disease, set()).add(gene)
    return genes


def _remarks(path: Path) -> int:
    """How many lines start with '#' before the table; a '#' further on belongs to a name."""
    with path.open(encoding="utf-8") as lines:
        return sum(1 for _ in itertools.takewhile(lambda line: line.startswith("#"), lines))


def _table(path: Path, columns: dict[str, str]) -> pd.DataFrame:
    try:
        table = pd.read_csv(
            path,
            sep="\t",
            skiprows=_remarks(path),
            dtype=str,
            keep_default_na=False,
            quoting=3,  # csv.QUOTE_NONE: names hold single quotes
            usecols=list(columns),
        )
    except (ValueError, UnicodeDecodeError) as error:  # pandas' parser errors are ValueErrors
        raise DatasetError(
            f"expected tab-separated columns {', '.join(columns)} in {path}, found: {error}"
        ) from None
    return table.rename(columns=columns)
