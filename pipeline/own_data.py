"""`rarenode init`: looks at one's own tables, says what it understood, and writes params.yaml.

Nothing is guessed twice: what is written there is what every later run keeps to.
"""

import re
from pathlib import Path
from typing import Any

from pipeline import data_card, progress
from pipeline.artifacts import files, paths
from pipeline.config import edit
from pipeline.config.tables import Tables
from pipeline.data_card import Understood
from pipeline.datasets import registry
from pipeline.datasets.tables import (
    frames,
    hierarchies,
    kinds,
    labels,
    layouts,
    offenders,
    strings,
)
from pipeline.datasets.tables.files import shown
from pipeline.datasets.tables.graph import Graph
from pipeline.datasets.tables.kinds import Summary
from pipeline.datasets.tables.problems import Problems
from pipeline.datasets.tables.source import OwnTables
from pipeline.errors import ConfigError
from pipeline.own_sections import (
    ANY_FILE,
    ANY_LABELS,
    Request,
    alone,
    checked,
    features_of,
    hierarchy_of,
    images_of,
    labels_of,
    whole,
)

__all__ = ["Request", "init", "understand"]


def init(request: Request) -> int:
    """Look at the files, write params.yaml and the data card, print both; return 0.

    Raises:
        DatasetError, HierarchyError: a file is malformed, or does not tell what it is.
        ConfigError: what was said of the files does not fit them.
        WorkspaceError: params.yaml or the card cannot be written.
    """
    found = understand(request)
    lines, nodes = [*data_card.described(found)], found.raw.nodes
    lines += [
        f"  caution    {line}"
        for line in layouts.unread(request.labels, found.tables.labels, nodes)
    ]
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
    print(f"\nThe data card is {card}: say there where the data comes from and who may use it.")
    print("Next: rarenode run")
    return 0


def understand(request: Request) -> Understood:
    """Find out what the files hold, and read them accordingly.

    Raises:
        DatasetError, HierarchyError, ConfigError: see `init`.
    """
    named = (request.features, request.labels, request.hierarchy)
    problems = Problems([path for path in named if path is not None])
    name = "-"
    parts = 2 + (request.hierarchy is not None)
    with progress.bar("looking at the files", total=parts, unit="file") as bar:
        columns, features = _look_at_features(request, problems)
        with problems.collecting(None):
            if columns or request.name:
                name = _name(request)
        bar.advance()
        hierarchy, graph = None, None
        if request.hierarchy is not None:
            hierarchy, graph = _look_at_hierarchy(request, request.hierarchy, problems)
            bar.advance()
        given = _look_at_labels(request, features, graph, problems)
        if given is None:
            if features is not None:  # what else is wrong with them?
                with problems.collecting(request.features):
                    alone(features).examples(request.features, problems)
            problems.raise_if_any()
        assert features is not None  # else there was a problem
        assert given is not None
        values: dict[str, Any] = {"name": name, "features": features} | given
        values |= images_of(request, features, problems)
        if request.images is not None and "images" not in values:
            problems.raise_if_any()
        if hierarchy is not None:
            values["hierarchy"] = hierarchy
        tables = problems.tried(request.labels, lambda: whole(request, values, columns))
        if tables is None:
            problems.raise_if_any()
        assert tables is not None
        raw = OwnTables(name, tables).read_from(
            {"features": request.features, "labels": request.labels}
            | ({"hierarchy": request.hierarchy} if request.hierarchy is not None else {}),
            problems,
        )
        bar.advance()
    return Understood(name, tables, columns, raw)


def _look_at_features(
    request: Request, problems: Problems
) -> tuple[list[Summary], dict[str, Any] | None]:
    """The columns, and the values of `tables.features`; None where they cannot be told."""
    columns: list[Summary] = []
    with offenders.reading(problems, request.features):
        frames.regular(request.features)
        special = (request.id, request.group, request.split, request.image)
        said: dict[str, kinds.Kind] = {name: "ignored" for name in special if name is not None}
        columns = kinds.understand(request.features, {**said, **request.kinds}, problems)
        features = features_of(request, columns, problems)
        if features is not None:
            alone(features)  # a column for two purposes is refused
        return columns, features
    return columns, None


def _look_at_hierarchy(
    request: Request, path: Path, problems: Problems
) -> tuple[dict[str, Any] | None, Graph | None]:
    """The values of `tables.hierarchy`, and what can be read of the graph; None where nothing."""
    with offenders.reading(problems, path):
        frames.regular(path)
        found = hierarchy_of(request, path)
        options = checked(
            {"features": ANY_FILE, "labels": ANY_LABELS, "hierarchy": found}
        ).hierarchy
        assert options is not None
        graph = hierarchies.read(path, options, problems)
        return found, graph if graph.nodes else None
    return None, None


def _look_at_labels(
    request: Request, features: dict[str, Any] | None, graph: Graph | None, problems: Problems
) -> dict[str, Any] | None:
    """The values of `tables.labels` and `tables.separator`; None where they cannot be told."""
    with offenders.reading(problems, request.labels):
        frames.regular(request.labels)
        if features is None or (graph is None and request.hierarchy is not None):
            _judge_labels(request, features, graph, problems)
            return None
        ids = None
        if features["id"] is not None:
            ids = alone(features).ids(request.features, 0, problems)
        return labels_of(request, ids, None if graph is None else graph.nodes, features["id"])
    return None


def _judge_labels(
    request: Request, features: dict[str, Any] | None, graph: Graph | None, problems: Problems
) -> None:
    """Look at labels where the features or the hierarchy cannot be read, as far as that goes."""
    table = strings.read(request.labels)
    quiet = Problems()  # of what cannot be told there is nothing to say
    with quiet.collecting(request.labels):
        if features is None:  # all that are among the labels are taken for examples
            there = (request.label_id, request.id, *frames.names(request.features))
            column = next((name for name in there if name in table.columns), None)
            if column is None:
                return
            ids = tuple(dict.fromkeys(table.columns[column]))
        else:
            column = features["id"]
            ids = alone(features).ids(request.features, 0) if column is not None else None
        nodes = None if graph is None else graph.nodes
        given = labels_of(request, ids, nodes, column)
        options = checked({"features": ANY_FILE} | given).labels
        if ids is not None:
            problems.tried(
                request.labels, lambda: labels.read(request.labels, options, ids, nodes, problems)
            )


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
