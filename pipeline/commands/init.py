"""`rarenode init`."""

import argparse
from typing import Any

from pipeline.commands import options


def add(commands: Any) -> None:
    """Add the command to the others."""
    init = commands.add_parser(
        "init",
        help="describe your own tables in params.yaml",
        description="Look at your tables, say what they hold, and write it into params.yaml and a "
        "data card. What is not said is found out; nothing is written if a file has a problem.",
    )
    init.add_argument(
        "--features", required=True, metavar="FILE", help=f"one row per example: {options.TABLE}"
    )
    init.add_argument(
        "--labels", required=True, metavar="FILE", help="nodes of the examples: CSV, TSV or Parquet"
    )
    init.add_argument(
        "--hierarchy",
        metavar="FILE",
        help="edges (CSV, TSV, Parquet), paths, JSON, YAML or OBO; without, labels are paths a/b/c",
    )
    init.add_argument(
        "--images",
        metavar="FOLDER",
        help="that the names of images in a column of --features are relative to",
    )
    for name, does in (
        ("name", "of the data set; default: that of the features' file"),
        ("id", "column of the examples' ids"),
        ("groups", "column of what must not be torn apart by splits, such as patients"),
        ("split", "column with train, valid or test; default: by a hash of the group"),
        ("image", "column with the names of images; default: the first one that has such"),
        ("time", "column with dates or numbers that grow: the latest examples are the test"),
        ("label-id", "column of the examples' ids among the labels"),
        ("label-column", "column of the nodes among the labels"),
        ("label-state", "column among the labels with positive, negative or unknown for each row"),
        ("label-negative", "column of nodes that an example is known not to have"),
        ("label-unknown", "column of nodes that nobody knows of whether an example has them"),
        ("child", "column of the children in a table of edges"),
        ("parent", "column of their parents"),
        ("delimiter", "what is between the nodes of a cell"),
        ("separator", "what is between the parts of a path; default: /"),
    ):
        init.add_argument(f"--{name}", metavar=name.split("-")[-1].upper(), help=does)
    init.add_argument(
        "--label-absent",
        choices=("negative", "unknown"),
        help="what it means that nothing is said of a node; default: negative",
    )
    for kind in ("numeric", "categorical", "boolean", "date", "text", "ignored"):
        init.add_argument(
            f"--{kind}", nargs="+", default=[], metavar="COLUMN", help=f"columns that are {kind}"
        )
    init.add_argument(
        "--relations", nargs="+", default=[], metavar="NAME", help="of an ontology; default: is_a"
    )
    init.set_defaults(command=_init)


def _init(asked: argparse.Namespace) -> int:
    from pathlib import Path

    from flows import workspace
    from pipeline import own_data
    from pipeline.errors import ConfigError

    workspace.check()
    kinds: dict[str, Any] = {}
    for kind in ("numeric", "categorical", "boolean", "date", "text", "ignored"):
        for column in getattr(asked, kind):
            if kinds.setdefault(column, kind) != kind:
                raise ConfigError(
                    f"--{kind}: expected a kind for each column, found {column!r} again"
                )
    with workspace.exclusive():
        return own_data.init(
            own_data.Request(
                features=Path(asked.features),
                labels=Path(asked.labels),
                hierarchy=None if asked.hierarchy is None else Path(asked.hierarchy),
                name=asked.name,
                id=asked.id,
                group=asked.groups,
                split=asked.split,
                time=asked.time,
                label_id=asked.label_id,
                label_column=asked.label_column,
                label_state=asked.label_state,
                label_negative=asked.label_negative,
                label_unknown=asked.label_unknown,
                label_absent=asked.label_absent,
                delimiter=asked.delimiter,
                separator=asked.separator and (asked.separator.strip() or " "),
                child=asked.child,
                parent=asked.parent,
                kinds=kinds,
                relations=asked.relations,
                images=None if asked.images is None else Path(asked.images),
                image=asked.image,
            )
        )
