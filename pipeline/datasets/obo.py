"""OBO files, the format of biomedical ontologies, through obonet."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from pipeline.datasets.tables import files
from pipeline.errors import DatasetError, absent


@dataclass(frozen=True)
class Term:
    """What a stanza [Term] says.

    Attributes:
        id: unlike any other term's.
        name: for people, "" where there is none.
        obsolete: whether it should not be used.
        relations: (relation, id of another term), in the file's order, `is_a` first.
        alternatives: other ids of the same.
        successors: ids of what replaced it.
    """

    id: str
    name: str
    obsolete: bool
    relations: tuple[tuple[str, str], ...]
    alternatives: tuple[str, ...]
    successors: tuple[str, ...]


@dataclass(frozen=True)
class Ontology:
    """The terms in the file's order, and the release that the file says it is, or ""."""

    path: Path
    terms: dict[str, Term]
    release: str

    def place(self, term: str) -> str:
        """Where a term is, for people."""
        for number, line in enumerate(files.lines(self.path), start=1):
            tag, _, value = line.partition(":")
            if tag.strip() == "id" and value.split("!")[0].strip() == term:
                return f"line {number}"
        return f"term {files.shown(term)}"


def read(path: Path) -> Ontology:
    """Read the terms of an ontology, obsolete ones included.

    Raises:
        DatasetError: obonet is not installed, or names the file, what was expected and was found.
    """
    try:
        # Its `read_obo` would merge terms with one id in silence.
        from obonet.read import get_sections
    except ImportError:
        raise DatasetError(absent("obonet", "which reads the ontology", "hpo")) from None
    lines: list[str] = []  # as far as they are read
    try:
        _, stanzas, _, header = get_sections(_kept(files.lines(path), lines))
    except ValueError as error:
        _refuse_line(path, lines, error)
    terms: dict[str, Term] = {}
    for stanza in stanzas:
        term = _term(path, stanza, len(terms) + 1)
        if term.id in terms:
            files.refuse(path, f"term {files.shown(term.id)}", "each id once", "it again")
        terms[term.id] = term
    if not terms:
        files.refuse(path, "content", "an OBO file with [Term] stanzas", "none")
    release = header.get("data-version") or ""
    return Ontology(path, terms, str(release).rsplit("/", 1)[-1])


def _term(path: Path, stanza: dict[str, Any], number: int) -> Term:
    if not stanza.get("id"):
        files.refuse(path, f"[Term] stanza {number}", "an id", "none")
    name = stanza["id"]
    relations = [("is_a", parent) for parent in stanza.get("is_a", ())]
    for relationship in stanza.get("relationship", ()):
        words = relationship.split()
        if len(words) != 2:
            place = f"term {files.shown(name)}"
            files.refuse(path, place, "a relation and an id", files.shown(relationship))
        relations.append((words[0], words[1]))
    return Term(
        id=name,
        name=stanza.get("name", ""),
        obsolete=stanza.get("is_obsolete") == "true",
        relations=tuple(relations),
        alternatives=tuple(stanza.get("alt_id", ())),
        successors=tuple(stanza.get("replaced_by", ())),
    )


def _kept(lines: Iterator[str], kept: list[str]) -> Iterator[str]:
    for line in lines:
        kept.append(line)
        yield line


def _refuse_line(path: Path, lines: list[str], error: ValueError) -> NoReturn:
    """What obonet's parser stumbles over: its message ends with the line, of the last stanza."""
    bad = str(error).partition("\n")[2]
    if bad not in lines:
        files.refuse(path, "content", "an OBO file", files.shown(str(error)))
    place = f"line {len(lines) - lines[::-1].index(bad)}"
    files.refuse(path, place, "tag: value, as OBO files have it", files.shown(bad.strip()))
