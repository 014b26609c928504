"""Values of options."""

import argparse
from typing import Any


def count(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, found {text!r}")
    return int(text)


def share(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, found {text!r}")
    return value


def add_cluster(parser: Any, what: str) -> None:
    """Add --cluster, which runs `what` elsewhere."""
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help=f"run {what} on a Dask cluster: the scheduler's address (tcp://host:8786 or "
        "tls://host:8786), or local for workers on this machine; see docs/clusters.md",
    )


def add_json(parser: Any, what: str) -> None:
    """Add --json, with which stdout is one document that has `what`."""
    parser.add_argument(
        "--json",
        action="store_true",
        help=f"print one JSON document: outcome (completed, refused, failed or interrupted), "
        f"error, {what}; all else goes to stderr",
    )


TABLE = "CSV, TSV, Parquet, NPZ or ARFF"
