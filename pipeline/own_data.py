"""`rarenode init`: looks at one's own tables, says what it understood, and writes params.yaml.

Nothing is guessed twice: what is written there is what every later run keeps to.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline import data_card, progress
from pipeline.artifacts import files, paths
from pipeline.config import Config, edit, parse
from pipeline.config.tables import Tables
from pipeline.data_card import Understood
from pipeline.datasets import registry
from pipeline.datasets.tables import frames, hierarchies, kinds, layouts, strings
from pipeline.datasets.tables.files import several, shown
from pipeline.datasets.tables.kinds import Kind, Summary
from pipeline.datasets.tables.source import OwnTables, text
from pipeline.datasets.verified import sha256_of
from pipeline.errors import ConfigError, DatasetError

_IDS = ("id", "ids", "example", "example_id", "key", "uid", "identifier")
_LISTED = 300  # numeric columns in params.yaml, at most
_NAMED = ("categorical", "boolean", "date", "text", "ignored")  # lists of `tables.features`


@dataclass(frozen=True)
class Request:
    """What the user says of the files; what is None or empty is found out.

    Attributes:
        features, labels: the tables; may be the same.
        hierarchy: None where labels are paths and make it.
        name: of the data set; None takes that of the features.
        kinds: column -> what it is.
        relations: of an ontology that are edges.
    """

    features: Path
    labels: Path
    hierarchy: Path | None = None
    name: str | None = None
    id: str | None = None
    group: str | None = None
    split: str | None = None
    time: str | None = None
    label_id: str | None = None
    label_column: str | None = None
    label_state: str | None = None
    label_negative: str | None = None
    label_unknown: str | None = None
    label_absent: str | None = None
    delimiter: str | None = None
    separator: str | None = None
    child: str | None = None
    parent: str | None = None
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    relations: Sequence[str] = ()


def init(request: Request) -> int:
    """Look at the files, write params.yaml and the data card, print both; return 0.

    Raises:
        DatasetError, HierarchyError: a file is malformed, or does not tell what it is.
        ConfigError: what was said of the files does not fit them.
        WorkspaceError: params.yaml or the card cannot be written.
    """
    found = understand(request)
    lines = [*data_card.described(found)]
    changes: list[tuple[str, Any]] = [("dataset", found.name), ("tables", _written(found.tables))]
    edited = edit.plan(changes)
    if (request.time is None) == (edited.config.prepare.split_by == "time"):
        by = "hash" if request.time is None else "time"
        edited = edit.plan([*changes, ("prepare.split_by", by)])
    card = paths.CARDS / f"{found.name}.md"
    with files.whole_file(card) as temporary:
        temporary.write_bytes(data_card.card(found, lines, card))
        edited.write()  # the card is there only if that succeeds
    print("\n".join(lines))
    print()
    print("\n".join(edited.diff()))
    for column in layouts.unread_states(request.labels, found.tables.labels):
        print(
            f"\nNote: column {shown(column)} of {request.labels} says positive, negative or "
            f"unknown in each row, and is not read; --label-state reads it."
        )
    print(f"\nThe data card is {card}: say there where the data comes from and who may use it.")
    print("Next: rarenode run")
    return 0


def understand(request: Request) -> Understood:
    """Find out what the files hold, and read them accordingly.

    Raises:
        DatasetError, HierarchyError, ConfigError: see `init`.
    """
    for path in (request.features, request.labels, request.hierarchy):
        if path is not None:
            frames.regular(path)
    parts = 2 + (request.hierarchy is not None)
    with progress.bar("looking at the files", total=parts, unit="file") as bar:
        columns = kinds.understand(request.features, request.kinds)
        features = _features(request, columns)
        bar.advance()
        graph, hierarchy = None, None
        if request.hierarchy is not None:
            hierarchy = _hierarchy(request, request.hierarchy)
            options = _tables(
                {"features": features, "labels": _ANY_LABELS, "hierarchy": hierarchy}
            ).hierarchy
            assert options is not None
            graph = hierarchies.read(request.hierarchy, options)
            bar.advance()
        values: dict[str, Any] = {"features": features, "labels": _ANY_LABELS}
        first = OwnTables("-", _tables(values))
        ids = None
        if features["id"] is not None:
            ids = first.ids(request.features, columns[0].rows)
        values |= _labels(request, ids, None if graph is None else graph.nodes, features["id"])
        if hierarchy is not None:
            values["hierarchy"] = hierarchy
        if _same(request.labels, request.features):
            _keep_labels_out(values, columns)
        _name_numbers(features, columns)
        name = _name(request)
        tables = _tables({"name": name} | values)
        raw = OwnTables(name, tables).read_from(
            {"features": request.features, "labels": request.labels}
            | ({"hierarchy": request.hierarchy} if request.hierarchy is not None else {})
        )
        bar.advance()
    return Understood(name, tables, columns, raw)


def changed(config: Config) -> list[tuple[str, Any]]:
    """The sha256 of files of one's own that have changed, as changes of params.yaml."""
    if config.tables is None or config.dataset in registry.names():
        return []
    roles = {"features": config.tables.features, "labels": config.tables.labels}
    if config.tables.hierarchy is not None:
        roles["hierarchy"] = config.tables.hierarchy  # pyright: ignore[reportArgumentType]
    found: list[tuple[str, Any]] = []
    for role, file in roles.items():
        # Who has only the copies in data/raw, from a DVC remote, runs with these.
        if not Path(file.path).is_file():
            continue
        if (sha256 := sha256_of(frames.regular(Path(file.path)))) != file.sha256:
            found.append((f"tables.{role}.sha256", sha256))
    return found


def _tables(values: dict[str, Any]) -> Tables:
    """The section, checked as if it stood in params.yaml."""
    tables = parse({"tables": {"name": "-"} | values}, "what you say of the files").tables
    assert tables is not None
    return tables


def _file(path: Path) -> dict[str, Any]:
    """Path and sha256, relative to the workspace if it lies in there."""
    absolute, workspace = path.absolute(), Path.cwd()
    inside = absolute.is_relative_to(workspace)
    kept = absolute.relative_to(workspace) if inside else absolute
    return {"path": kept.as_posix(), "sha256": sha256_of(frames.regular(path))}


_ANY_LABELS = {"path": "-", "sha256": "0" * 64, "layout": "delimited", "node": "-"}


def _features(request: Request, columns: list[Summary]) -> dict[str, Any]:
    """The values of `tables.features`."""
    there = {column.name: column for column in columns}
    said = {"--id": request.id, "--groups": request.group, "--split": request.split}
    said["--time"] = request.time
    said |= {f"--{kind} {name}": name for name, kind in request.kinds.items()}
    for option, name in said.items():
        if name is not None and name not in there:
            raise DatasetError(
                f"{request.features}: expected the column {shown(name)} ({option.split()[0]}), "
                f"found {several(list(there))}"
            )
    id_column = request.id or _id_column(columns, request)
    special = {id_column, request.group, request.split, request.time}
    lists: dict[str, list[str]] = {kind: [] for kind in _NAMED}
    for column in columns:
        if column.name not in special and column.kind in lists:
            lists[column.kind].append(column.name)
    found = _file(request.features) | {
        "id": id_column,
        "group": request.group,
        "split": request.split,
        "time": request.time,
    }
    return found | {kind: names for kind, names in lists.items() if names}


def _id_column(columns: list[Summary], request: Request) -> str | None:
    """A column that is called so, that the labels have too, or the first one that tells rows apart.

    Numbers can be ids as well, but only the labels can tell.
    """
    taken = (request.group, request.split, request.time, request.label_column)
    free = [c for c in columns if c.name not in {*request.kinds, *taken} and not c.missing]
    called = [c.name for c in free if c.name.strip().casefold() in _IDS]
    apart = [c.name for c in free if c.kind == "ignored" and c.distinct == c.rows]
    shared: list[str] = []
    if not _same(request.labels, request.features):
        among_labels = set(strings.header(request.labels))
        shared = [c.name for c in free if c.name in among_labels and _tells_apart(c, request)]
    return next(iter([*called, *shared, *apart]), None)


def _tells_apart(column: Summary, request: Request) -> bool:
    return len(set(text(request.features, column.name, "an id"))) == column.rows


def _labels(
    request: Request, ids: tuple[str, ...] | None, nodes: Mapping[str, str] | None, id_: str | None
) -> dict[str, Any]:
    """The values of `tables.labels`, and of `tables.separator` where labels are paths."""

    def detect(separator: str | None) -> dict[str, str | None]:
        said = {name: getattr(request, f"label_{name}") for name in layouts.STATED}
        return layouts.detect(
            request.labels,
            ids,
            nodes,
            id_column=request.label_id,
            node_column=request.label_column,
            delimiter=request.delimiter,
            features_id=id_,
            separator=separator,
            with_features=_same(request.labels, request.features),
            stated={name: column for name, column in said.items() if column is not None},
        )

    found, separator = detect(request.separator), request.separator
    if nodes is None:
        separator = separator or layouts.separator(request.labels, str(found["node"]))
        found = detect(separator)
    values: dict[str, Any] = {"labels": _file(request.labels) | found}
    if request.label_absent is not None:
        values["labels"]["absent"] = request.label_absent
    return values | ({} if separator is None else {"separator": separator})


def _name_numbers(features: dict[str, Any], columns: list[Summary]) -> None:
    """Name the numeric columns, too, so that a new one is no feature in silence.

    Where they are very many, such as those of arrays, whoever reads params.yaml is spared.
    """
    others = {name for kind in _NAMED for name in features.get(kind, [])}
    others |= {features[role] for role in ("id", "group", "split", "time")}
    numeric = [column.name for column in columns if column.name not in others]
    if len(numeric) <= _LISTED:
        features["numeric"] = numeric


def _hierarchy(request: Request, path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {"format": "edges", "child": request.child, "parent": request.parent}
    if request.child is None or request.parent is None:
        found = hierarchies.detect(path)
    if request.separator is not None and found["format"] == "paths":
        found["separator"] = request.separator
    if request.relations:
        if found["format"] != "obo":
            raise ConfigError(
                f"--relations: expected an ontology (.obo) as --hierarchy, found {path}"
            )
        found["relations"] = [*request.relations]
    return _file(path) | found


def _keep_labels_out(values: dict[str, Any], columns: list[Summary]) -> None:
    """Columns of labels that stand among the features are none."""
    given, features = values["labels"], values["features"]
    special = {features[role] for role in ("id", "group", "split", "time")}
    if given["layout"] == "one_hot":
        raise DatasetError(
            f"{given['path']}: expected labels as zeros and ones in a table of their own, found "
            "them among the features"
        )
    if given["layout"] == "long":
        raise DatasetError(
            f"{given['path']}: expected one row for each example of a table that holds features, "
            "too, found several"
        )
    out = [given[role] for role in ("node", *layouts.STATED) if given.get(role) is not None]
    for kind in _NAMED:
        features[kind] = [name for name in features.get(kind, []) if name not in out]
    features["ignored"] += [name for name in out if name not in special]
    for column in columns:
        if column.name in out:
            column.kind, column.why = "ignored", "the labels"


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def _name(request: Request) -> str:
    """The name that was said, or that of the table of features."""
    name = request.name or re.sub(r"[^A-Za-z0-9_-]+", "_", request.features.stem).strip("_-")
    if name in registry.names():
        raise ConfigError(
            f"--name: expected a name that no data set of ours has, found {name!r}. Say another one"
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}", name):
        raise ConfigError(
            f"--name: expected letters, digits, - and _, at most 60, found {shown(name)}"
        )
    return name


def _written(tables: Tables) -> dict[str, Any]:
    """The section as params.yaml holds it: nothing that has its usual value."""
    return tables.model_dump(exclude_defaults=True)
