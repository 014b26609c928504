"""The section `tables` of params.yaml, from what one's files hold and what one says of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.artifacts import paths
from pipeline.config import parse
from pipeline.config.images import Images
from pipeline.config.load import read
from pipeline.config.tables import Tables
from pipeline.datasets.tables import (
    frames,
    hierarchies,
    layouts,
    offenders,
    pictures,
    strings,
)
from pipeline.datasets.tables.files import several, shown
from pipeline.datasets.tables.kinds import INDEX, Kind, Summary
from pipeline.datasets.tables.problems import Problems
from pipeline.datasets.tables.source import OwnTables, text
from pipeline.datasets.verified import sha256_of
from pipeline.errors import ConfigError, DatasetError

_IDS = ("id", "ids", "example", "example_id", "key", "uid", "identifier")
_NEARLY = 0.95  # different values of a column that was meant to tell rows apart, as a share
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
        images: the folder that names of images are relative to.
        image: the column with these names.
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
    images: Path | None = None
    image: str | None = None


def whole(request: Request, values: dict[str, Any], columns: list[Summary]) -> Tables:
    """The section, now that it is known what each file is."""
    if _same(request.labels, request.features):
        _keep_labels_out(values, columns)
    _name_numbers(values["features"], columns)
    return checked(values)


def checked(values: dict[str, Any]) -> Tables:
    """The section, checked as if it stood in params.yaml."""
    try:
        tables = parse({"tables": {"name": "-"} | values}, "what you say of the files").tables
    except ConfigError as error:
        said = str(error)
        for parameter, option in _SAID.items():
            said = said.replace(f" {parameter}:", f" {option}:")
        for word in ("state", "negative", "unknown"):
            said = said.replace(f"`{word}`", f"--label-{word}")
        said = said.replace("tables.labels: ", "").replace(
            "absent 'unknown'", "--label-absent unknown"
        )
        raise ConfigError(said) from None
    assert tables is not None
    return tables


def _file(path: Path) -> dict[str, Any]:
    """Path and sha256, relative to the workspace if it lies in there."""
    return {"path": _relative(path), "sha256": sha256_of(frames.regular(path))}


def _relative(path: Path) -> str:
    absolute, workspace = path.absolute(), Path.cwd()
    inside = absolute.is_relative_to(workspace)
    return (absolute.relative_to(workspace) if inside else absolute).as_posix()


# Parameters that are said by options and not checked otherwise.
_SAID = {
    "tables.labels.absent is 'unknown'": "--label-absent is unknown",
    "tables.labels.delimiter": "--delimiter",
    "tables.hierarchy.separator": "--separator",
    "tables.separator": "--separator",
}
ANY_FILE = {"path": "-", "sha256": "0" * 64}
ANY_LABELS = ANY_FILE | {"layout": "delimited", "node": "-"}
ANY_IMAGES = {"images": ANY_FILE}


def alone(features: dict[str, Any]) -> OwnTables:
    """The examples, whatever their labels are."""
    values = {"features": features, "labels": ANY_LABELS}
    return OwnTables("-", checked(values | ({} if features.get("image") is None else ANY_IMAGES)))


def features_of(
    request: Request, columns: list[Summary], problems: Problems
) -> dict[str, Any] | None:
    """The values of `tables.features`; None if a column is not there."""
    there = {column.name: column for column in columns}
    said = {"--id": request.id, "--groups": request.group, "--split": request.split}
    said |= {"--time": request.time, "--image": request.image}
    said |= {f"--{kind} {name}": name for name, kind in request.kinds.items()}
    missing = [(o.split()[0], name) for o, name in said.items() if name and name not in there]
    for option, name in missing:
        with problems.collecting(request.features):
            raise DatasetError(
                f"{request.features}: expected the column {shown(name)} ({option}), "
                f"found {several(list(there))}{strings.did_you_mean([name], there)}"
            )
    if missing:
        return None
    image = None
    with problems.collecting(request.features):
        image = _image_column(columns, request)
    if image is None and request.images is not None:
        return None
    # Names of images tell examples apart, but for those who have ids as well.
    id_column = request.id or _id_column(columns, request, problems) or image
    special = {id_column, request.group, request.split, request.time, image}
    lists: dict[str, list[str]] = {kind: [] for kind in _NAMED}
    for column in columns:
        if column.name not in special and column.kind in lists:
            lists[column.kind].append(column.name)
    found = _file(request.features) | {
        "id": id_column,
        "group": request.group,
        "split": request.split,
        "time": request.time,
        "image": image,
    }
    for column in columns:
        if column.name == image:
            column.kind, column.why = "image", ""
    return found | {kind: names for kind, names in lists.items() if names}


def _image_column(columns: list[Summary], request: Request) -> str | None:
    """The column that was said to hold names of images, or the first one that does.

    Raises:
        ConfigError: a column without a folder.
        DatasetError: no column has such names.
    """
    if request.images is None:
        if request.image is not None:
            raise ConfigError(
                "--image: expected --images as well, the folder that its names are relative to, "
                "found none"
            )
        return None
    if request.image is not None:
        return request.image
    from pipeline.images.folder import SUFFIXES

    said = {request.group, request.split, request.time, request.label_column, *request.kinds}
    free = [column for column in columns if column.name not in said and not column.missing]
    for column in free:
        if column.kind in ("ignored", "categorical", "text"):
            names = text(request.features, column.name, "the name of an image")
            if all(name.lower().endswith(SUFFIXES) for name in names):
                return column.name
    raise DatasetError(
        f"{request.features}: expected a column of names such as cats/1.jpg, or --image to say "
        f"which, found none among {several([column.name for column in columns])}"
    )


def images_of(request: Request, features: dict[str, Any], problems: Problems) -> dict[str, Any]:
    """The values of `tables.images`, where there are images.

    Every file is decoded once, so that whatever is wrong with one is known before anything is
    written.

    Raises:
        DatasetError: the folder is not there, or files are no images; names them.
    """
    if request.images is None:
        return {}
    root, names = request.images, pictures.names_in(request.features, features["image"])
    with problems.collecting(root):
        sha256 = pictures.judged(root, names, _options())
        return {"images": {"path": _relative(root), "sha256": sha256}}
    return {}


def _options() -> Images:
    """The section `images` of params.yaml, whatever stands in others."""
    _, values = read(paths.PARAMS, YAML(typ="safe", pure=True))
    return parse({"images": values.get("images", {})}, str(paths.PARAMS)).images


def _id_column(columns: list[Summary], request: Request, problems: Problems) -> str | None:
    """A column that is called so, that the labels have too, or the first one that tells rows apart.

    Numbers can be ids as well, but only the labels can tell.
    """
    taken = (request.group, request.split, request.time, request.label_column)
    named = [c for c in columns if c.name not in {*request.kinds, *taken}]
    free = [c for c in named if not c.missing]
    called = [c.name for c in free if c.name.strip().casefold() in _IDS]
    apart = [c.name for c in free if c.kind == "ignored" and c.distinct == c.rows]
    among_labels: set[str] = set()
    with offenders.reading(problems, request.labels):
        frames.regular(request.labels)
        if not _same(request.labels, request.features):
            among_labels |= set(strings.header(request.labels))
    both = [c for c in free if c.name in among_labels and not INDEX.fullmatch(c.name)]
    different = {c.name: len(set(text(request.features, c.name, "an id"))) for c in both}
    shared = [c.name for c in both if different[c.name] == c.rows]
    # Where a few are there again or missing, these are what is wrong.
    nearly = [c.name for c in both if different[c.name] >= _NEARLY * c.rows]
    gaps = [c for c in named if 0 < c.missing <= (1 - _NEARLY) * c.rows and c.name in among_labels]
    gaps += [c for c in named if 0 < c.missing < c.rows and c.name.strip().casefold() in _IDS]
    nearly += [column.name for column in gaps]
    return next(iter([*called, *shared, *apart, *nearly]), None)


def labels_of(
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
    if nodes is None and request.hierarchy is None:
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
    others |= {features[role] for role in ("id", "group", "split", "time", "image")}
    numeric = [column.name for column in columns if column.name not in others]
    if len(numeric) <= _LISTED:
        features["numeric"] = numeric


def hierarchy_of(request: Request, path: Path) -> dict[str, Any]:
    """The values of `tables.hierarchy`."""
    ends = {"child": request.child, "parent": request.parent}
    found: dict[str, Any] = {"format": "edges"} | ends
    missing = [end for end, column in ends.items() if column is None]
    if len(missing) == 1:
        (given,) = ends.keys() - set(missing)
        raise ConfigError(
            f"--{given}: expected --{missing[0]} as well, the column of the other ends of the "
            f"edges, found none. {path} has {several(strings.header(path))}"
        )
    if missing:
        found = hierarchies.detect(path)
    elif (name := hierarchies.names_column(path)) not in (None, *ends.values()):
        found["name"] = name
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
    special = {features[role] for role in ("id", "group", "split", "time", "image")}
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
