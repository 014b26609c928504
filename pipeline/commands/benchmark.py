"""`rarenode benchmark`."""

import argparse
from typing import Any

from pipeline.commands import options


def add(commands: Any) -> None:
    """Add the command to the others."""
    benchmark = commands.add_parser(
        "benchmark",
        help="run a study of methods on data sets",
        description="Run the cells of a study that have no result yet and write its page. The "
        "other options narrow the study.",
    )
    benchmark.add_argument(
        "--study",
        default="benchmarks/rare_nodes/study.yaml",  # pipeline.benchmark.pages.DEFAULT
        metavar="FILE",
        help="default: %(default)s",
    )
    for name in ("datasets", "methods", "settings"):
        benchmark.add_argument(f"--{name}", nargs="+", metavar=name[:-1].upper())
    benchmark.add_argument(
        "--workers",
        type=options.count,
        metavar="NUMBER",
        help="cells at a time; default: one per core",
    )
    options.add_cluster(benchmark, "the seeds of the cells")
    benchmark.add_argument("--again", action="store_true", help="cells with a result, too")
    options.add_json(benchmark, "cells with their states and files, and the page")
    benchmark.set_defaults(command=_benchmark)


def _benchmark(asked: argparse.Namespace) -> int:
    if not asked.json:
        return _run(asked, {})
    from flows import document

    return document.tell(lambda told: _run(asked, told))


def _run(asked: argparse.Namespace, told: dict[str, Any]) -> int:
    from pathlib import Path

    from flows import benchmark, workspace

    workspace.check()
    with workspace.exclusive():
        return benchmark.run(
            Path(asked.study),
            datasets=asked.datasets,
            methods=asked.methods,
            settings=asked.settings,
            workers=asked.workers,
            again=asked.again,
            on=asked.cluster,
            told=told,
        )
