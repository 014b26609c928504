"""ARFF files with one hierarchical class attribute, as the benchmarks of the field come.

The header declares numeric and nominal attributes and, last, `@attribute class hierarchical` with
the hierarchy as a comma-separated list. A row ends with its labels, joined by `@`; `?` is a missing
value. A `%` starts a comment only where it starts a line: names of attributes may hold one.
"""

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import NoReturn

from pipeline.datasets.tables import files
from pipeline.errors import DatasetError

# A name in quotes (which may be escaped inside) or without blanks, then the type.
_ATTRIBUTE = re.compile(
    r"""@attribute\s+(?P<name>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^\s{]+)\s*(?P<type>.*)""",
    re.IGNORECASE,
)
_HIERARCHICAL = re.compile(r"hierarchical(?:\s+(?P<entries>.*))?", re.IGNORECASE)
# Up to the next comma that is not in quotes; what only begins like a quotation has no quotes.
_VALUE = re.compile(r"""\s*('(?:\\.|[^'\\])*'\s*|"(?:\\.|[^"\\])*"\s*|[^,]*),""")
_NUMERIC = {"numeric", "real", "integer"}
_BINARY = re.compile(r"[\x00-\x08\x0b\x0e-\x1f]")
_SHOWN = 40  # characters of a value in a message


@dataclass(frozen=True)
class Attribute:
    """A column: numeric where `values` is None, else nominal with the values it may take.

    Names may repeat: one of the published benchmarks has a name twice.
    """

    name: str
    values: tuple[str, ...] | None


@dataclass(frozen=True)
class ArffFile:
    """What one file holds.

    Attributes:
        path: where it was read from.
        sha256: of what was read, in hex.
        attributes: the columns before the class.
        hierarchy: entries of the class attribute, in the file's order, duplicates included.
        columns: one list per attribute, with a float or a text per row; None is missing.
        labels: per row, in the file's order.
        lines: per row, the number of its line in the file.
        class_line: the number of the line that declares the hierarchy.
    """

    path: Path
    sha256: str
    attributes: tuple[Attribute, ...]
    hierarchy: tuple[str, ...]
    columns: tuple[list[float | None] | list[str | None], ...]
    labels: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    class_line: int

    def refuse(self, line: int, expected: str, found: str) -> NoReturn:
        """Raise the DatasetError for something in this file."""
        _refuse(self.path, line, expected, found)


def read(path: Path, *, classes: bool = True) -> ArffFile:
    """Read a file.

    Args:
        path: the file.
        classes: whether it has to have a hierarchical class; without, the hierarchy and all labels
            may be missing.

    Raises:
        DatasetError: names the file, the line, what was expected and what was found. Labels are not
            checked against the hierarchy, whose entries mean different things in different sets.
    """
    content = _content(path)
    lines = _lines(path, content)
    attributes, hierarchy, class_line, data_line = _header(path, lines, classes)
    columns: list[list[float | None] | list[str | None]] = [[] for _ in attributes]
    labels: list[tuple[str, ...]] = []
    numbers: list[int] = []
    for number, text in lines:
        cells = _cells(path, number, text)
        if len(cells) != len(attributes) + bool(hierarchy):
            wanted = f"{len(attributes) + bool(hierarchy)} values, one per attribute"
            _refuse(path, number, wanted, str(len(cells)))
        for attribute, column, cell in zip(attributes, columns, cells, strict=False):
            column.append(_value(path, number, attribute, cell))  # pyright: ignore[reportArgumentType]
        labels.append(_labels(path, number, _unquoted(cells[-1])) if hierarchy else ())
        numbers.append(number)
    if not labels:
        _refuse(path, data_line, "rows after @data", "none")
    return ArffFile(
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        attributes=attributes,
        hierarchy=hierarchy,
        columns=tuple(columns),
        labels=tuple(labels),
        lines=tuple(numbers),
        class_line=class_line,
    )


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DatasetError(f"expected the file {path}, found none") from None
    except OSError as error:
        raise DatasetError(f"expected a readable file {path}, found: {error.strerror}") from None


def _lines(path: Path, content: bytes) -> Iterator[tuple[int, str]]:
    """The numbered lines that say something."""
    if not content.strip():
        _refuse(path, 1, "an ARFF header", "an empty file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # the files of the field predate UTF-8
    if match := _BINARY.search(text):
        _refuse(path, text.count("\n", 0, match.start()) + 1, "text", "binary data")
    return (
        (number, line)
        # Not `splitlines`: it breaks lines at characters that latin-1 text may hold, too.
        for number, line in enumerate(io.StringIO(text, newline=None), start=1)
        if line.strip() and not line.lstrip().startswith("%")
    )


def _header(
    path: Path, lines: Iterator[tuple[int, str]], classes: bool
) -> tuple[tuple[Attribute, ...], tuple[str, ...], int, int]:
    """Attributes, hierarchy, the lines of the class and of @data, behind which `lines` is left."""
    attributes: list[Attribute] = []
    hierarchy: tuple[str, ...] = ()
    class_line = number = 0
    for number, text in lines:
        line = text.strip()
        keyword = line.split(None, 1)[0].lower()
        if keyword == "@data":
            if classes and not hierarchy:
                wanted = "an attribute of type hierarchical before @data"
                _refuse(path, number, wanted, f"none among {len(attributes)} attributes")
            return tuple(attributes), hierarchy, class_line, number
        if keyword == "@relation":
            continue
        match = _ATTRIBUTE.fullmatch(line)
        if match is None:
            _refuse(path, number, "@relation, @attribute or @data", repr(line[:_SHOWN]))
        if hierarchy:
            _refuse(path, number, "the hierarchical attribute to be the last", "one behind it")
        name, kind = _unquoted(match["name"]), match["type"].strip()
        if declared := _HIERARCHICAL.fullmatch(kind):
            class_line = number
            hierarchy = tuple(entry.strip() for entry in (declared["entries"] or "").split(","))
            if not all(hierarchy):
                _refuse(path, number, "a hierarchy without empty entries", "one")
            continue
        attributes.append(Attribute(name, _type(path, number, name, kind)))
    _refuse(path, max(number, 1), "@data", "the end of the file")


def _type(path: Path, number: int, name: str, kind: str) -> tuple[str, ...] | None:
    if kind.lower() in _NUMERIC:
        return None
    if kind.startswith("{") and kind.endswith("}"):
        return tuple(_unquoted(value) for value in _split(kind[1:-1]))
    wanted = f"a numeric, nominal or hierarchical attribute {name!r}"
    _refuse(path, number, wanted, repr(kind[:_SHOWN]) if kind else "no type")


def _cells(path: Path, number: int, text: str) -> list[str]:
    if text.lstrip().startswith("{"):
        _refuse(path, number, "a row with every value", "a sparse row")
    return _split(text)


def _split(text: str) -> list[str]:
    """Values between commas, still in their quotes; a comma in quotes is none of those."""
    if "'" not in text and '"' not in text:
        return [value.strip() for value in text.split(",")]
    return [match[1].strip() for match in _VALUE.finditer(f"{text},")]


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def _value(path: Path, number: int, attribute: Attribute, cell: str) -> float | str | None:
    if cell == "?":
        return None
    cell = _unquoted(cell)
    if attribute.values is not None:
        if cell not in attribute.values:
            shown = ", ".join(attribute.values[:10]) + (", …" if attribute.values[10:] else "")
            wanted = f"{attribute.name!r} out of {shown}"
            _refuse(path, number, wanted, repr(cell[:_SHOWN]))
        return cell
    try:
        value = float(cell)
    except ValueError:
        value = float("nan")
    # Python reads 'nan', 'inf', '1_000' and the digits of all scripts; ARFF does not.
    if not isfinite(value) or "_" in cell or not cell.isascii():
        _refuse(path, number, f"a number or ? for {attribute.name!r}", repr(cell[:_SHOWN]))
    return value


def _labels(path: Path, number: int, cell: str) -> tuple[str, ...]:
    labels = tuple(label.strip() for label in cell.split("@"))
    if not all(labels):
        _refuse(path, number, "labels joined by @", repr(cell[:_SHOWN]) if cell else "none")
    return labels


def _refuse(path: Path, line: int, expected: str, found: str) -> NoReturn:
    wanted = files.cut(expected, 400)  # names and values may hold anything
    raise DatasetError(f"{path}, line {line}: expected {wanted}, found {files.cut(found, 200)}")
