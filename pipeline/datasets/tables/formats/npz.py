"""Arrays of numpy: one (example, feature), perhaps the features' `names`, and further columns.

What has one value for each example, such as ids or splits, is a column by its name.
"""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.datasets.tables.files import shown
from pipeline.datasets.tables.refusals import problem, refuse
from pipeline.datasets.tables.remembered import Last

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_NAMES = "names"
_ROWS = 1 << 14  # of a block


def names(path: Path) -> tuple[str, ...]:
    """See `formats`."""
    return tuple(_read(path))


def tables(path: Path, columns: Sequence[str]) -> Iterator["pa.Table"]:
    """See `formats`."""
    import pyarrow as pa

    found = _read(path)
    rows = len(next(iter(found.values())))
    for start in range(0, rows, _ROWS):
        block = {name: found[name][start : start + _ROWS] for name in columns}
        yield pa.table(
            {
                # Arrow does not know numpy's text.
                name: pa.array(values.tolist(), pa.string())
                if values.dtype.kind == "U"
                else pa.array(values)
                for name, values in block.items()
            }
        )


def _columns(path: Path) -> "dict[str, np.ndarray]":
    """All columns; features are views into their array."""
    arrays = _arrays(path)
    tables = [name for name, array in arrays.items() if array.ndim == 2]
    if len(tables) != 1 or not arrays[tables[0]].shape[1]:
        found = ", ".join(f"{shown(name)} {one.shape}" for name, one in arrays.items())
        refuse(path, "one array (example, feature)", found[:200] or "none")
    main = arrays.pop(tables[0])
    if main.dtype.kind not in "biuf":
        refuse(path, f"numbers in {shown(tables[0])}", str(main.dtype))
    rows, width = main.shape
    given = arrays.pop(_NAMES, None)
    if given is not None and (given.shape != (width,) or given.dtype.kind != "U"):
        found = f"{given.dtype} of shape {given.shape}"
        refuse(path, f"one name for each of {width} columns in {shown(_NAMES)}", found)
    columns: dict[str, Any] = {}
    for name, array in arrays.items():
        if array.shape != (rows,) or array.dtype.kind not in "Ubiuf":
            found = f"{array.dtype} of shape {array.shape}"
            refuse(path, f"one value for each of {rows} rows in {shown(name)}", found)
        columns[name] = array
    for place in range(width):
        name = f"{tables[0]}:{place}" if given is None else str(given[place])
        if name in columns:
            refuse(path, "each column's name once", f"{shown(name)} again")
        columns[name] = main[:, place]
    return columns


def _arrays(path: Path) -> dict[str, Any]:
    import numpy as np
    from scipy import sparse

    try:
        # Without a file of our own numpy leaves a damaged archive open.
        with path.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("error")  # as for arrays of Python 2
            found: Any = np.load(stream, allow_pickle=False)
            if not hasattr(found, "files"):
                raise ValueError("a single array, as np.save writes it")
            arrays = {name: _plain(found[name]) for name in found.files}
            if {"format", "shape", "data"} <= set(arrays):  # as scipy's save_npz writes it
                stream.seek(0)
                return {"features": sparse.load_npz(stream).toarray()}
    except Exception as error:  # zipfile, zlib, numpy and scipy raise all sorts
        what = problem(error)
        if "pickle" in what:  # numpy goes on to say how they could be loaded
            what = "pickled objects, which are never loaded"
        refuse(path, "an .npz file of plain arrays", what)
    return arrays


def _plain(array: "np.ndarray") -> "np.ndarray":
    """As Arrow takes it: in this machine's order of bytes, and no longer than 8 of them."""
    if array.dtype.kind == "U":
        "".join(array.ravel().tolist()).encode()  # raises for what is no text
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        return array.astype("f8")
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


_read = Last(_columns, lambda columns: sum(values.nbytes for values in columns.values()))
