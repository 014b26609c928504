"""Ontologies in OBO as hierarchies."""

from pathlib import Path

from pipeline.config.tables import HierarchyFile
from pipeline.datasets import obo
from pipeline.datasets.tables import files
from pipeline.datasets.tables.graph import Draft, Graph
from pipeline.datasets.tables.problems import AT_ONCE, Problems
from pipeline.errors import HierarchyError


def read(path: Path, options: HierarchyFile, problems: Problems = AT_ONCE) -> Graph:
    """Read the terms in use; edges are the relations that `options.relations` lists.

    Raises:
        DatasetError: names the file, the place, what was expected and what was found.
        HierarchyError: a parent is not in the file, or the relations form a cycle.
    """
    ontology = obo.read(path)
    used = [term for term in ontology.terms.values() if not term.obsolete]
    there = {relation: None for term in used for relation, _ in term.relations}
    if absent := [relation for relation in options.relations if relation not in there]:
        found = files.several(list(there)) if there else "none"
        files.refuse(path, "content", f"terms related by {files.several(absent)}", found)
    draft = Draft(path, ontology.place, problems)
    for term in used:  # all before the edges: the order is that of the terms
        draft.add(term.id, term.id, term.name)
    retired = 0
    for term in used:
        for relation, parent in term.relations:
            if relation not in options.relations:
                continue
            if parent not in ontology.terms:
                found = f"{files.shown(parent)} as parent of {files.shown(term.id)}"
                expected = f"a term of the file behind {files.shown(relation)}"
                draft.take("a term of the file", term.id, expected, found, HierarchyError)
            elif ontology.terms[parent].obsolete:
                retired += 1
            else:
                draft.connect(term.id, parent, term.id)
    notes: list[str] = []
    if obsolete := len(ontology.terms) - len(used):
        notes.append(f"Obsolete terms left out: {obsolete}.")
    if retired:
        notes.append(f"Edges to obsolete terms left out: {retired}.")
    return draft.finish(notes, ontology.release)
