"""What Arrow is asked for."""

from typing import Any


def compute() -> Any:
    """Arrow's functions on columns, which are made at import: no type checker knows them."""
    import pyarrow.compute

    return pyarrow.compute
