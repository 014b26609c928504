"""The command line: thin, and quick to start because it imports what a command needs only then."""

import argparse
import sys
import traceback
from typing import Any

from pipeline.errors import DatasetError, RarenodeError

_INTERRUPTED = 130  # what a shell reports after Ctrl-C


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Returns:
        0: done; 1: a fault of ours; 2: the user can fix it; 130: interrupted.
    """
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except RarenodeError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted. The same command goes on where it stopped.", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        return 1  # whoever read our output has gone; there is nobody to tell
    except Exception:
        traceback.print_exc()
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rarenode", description="Finds the rare nodes of a label hierarchy, reproducibly."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="run the whole pipeline",
        description="Bring every stage up to date. --dataset, --profile and --set edit params.yaml "
        "(in this order) and print the diff, so that what ran is what is committed.",
    )
    run.add_argument("--dataset", metavar="NAME", help="the data set")
    run.add_argument(
        "--profile",
        choices=("quick", "full", "published"),
        help="quick (minutes), full (members, epochs, trials and replicates for results to report) "
        "or published (a benchmark as the literature trained it)",
    )
    run.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="a parameter; may be given several times",
    )
    run.set_defaults(command=_run)
    _add_benchmark(commands)
    _add_data(commands.add_parser("data", help="list, fetch and verify the raw files of data sets"))
    return parser


def _add_data(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    show = commands.add_parser("list", help="the data sets, and what is here of each")
    show.add_argument("--json", action="store_true", help="as JSON, for programs")
    get = commands.add_parser(
        "get",
        help="fetch and verify the raw files of a data set",
        description="Fetch and verify the raw files of a data set. Files that are right already "
        "are kept; if any cannot be had, all stays as it was.",
    )
    get.add_argument("name", metavar="NAME", help="the data set")
    get.add_argument(
        "--from",
        dest="origin",
        metavar="DIR|URL",
        help="a folder or an http(s) address that holds the files, instead of their usual origin",
    )
    check = commands.add_parser("check", help="verify the raw files that are here")
    check.add_argument("name", metavar="NAME", nargs="?", help="one data set; it has to be here")
    for command, does in ((show, _data_list), (get, _data_get), (check, _data_check)):
        command.set_defaults(command=does)


def _add_benchmark(commands: Any) -> None:
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
    for name in ("datasets", "methods"):
        benchmark.add_argument(f"--{name}", nargs="+", metavar=name[:-1].upper())
    benchmark.add_argument(
        "--workers", type=_count, metavar="NUMBER", help="cells at a time; default: one per core"
    )
    benchmark.add_argument("--again", action="store_true", help="cells with a result, too")
    benchmark.set_defaults(command=_benchmark)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, found {text!r}")
    return int(text)


def _benchmark(options: argparse.Namespace) -> int:
    from pathlib import Path

    from flows import benchmark, workspace

    workspace.check()
    with workspace.exclusive():
        return benchmark.run(
            Path(options.study),
            datasets=options.datasets,
            methods=options.methods,
            workers=options.workers,
            again=options.again,
        )


def _run(options: argparse.Namespace) -> int:
    from flows import workspace
    from pipeline.artifacts import paths
    from pipeline.config import edit
    from pipeline.datasets import registry

    workspace.check()
    changes = []
    if options.dataset is not None:
        changes.append(("dataset", options.dataset))
    if options.profile is not None:
        changes.append(("profile", options.profile))
    changes += [edit.assignment(text) for text in options.set]
    with workspace.exclusive():
        edited = edit.plan(changes)
        source = registry.get(edited.config.dataset)
        if (reason := source.unavailable()) is not None:
            raise DatasetError(reason)
        workspace.check_sections(edited.sections)
        source.keep(paths.raw(edited.config.dataset))  # where people put files by hand
        edited.write()
        for line in edited.diff():
            print(line)
        from flows import terminal  # Prefect takes seconds to import: only now is it worth it

        return terminal.run()


def _data_list(options: argparse.Namespace) -> int:
    from flows import workspace
    from pipeline import data_commands

    workspace.check()
    return data_commands.show(as_json=options.json)


def _data_get(options: argparse.Namespace) -> int:
    from flows import workspace
    from pipeline import data_commands
    from pipeline.datasets import registry

    workspace.check()
    registry.check(options.name)
    with workspace.exclusive():
        return data_commands.get(options.name, options.origin)


def _data_check(options: argparse.Namespace) -> int:
    from flows import workspace
    from pipeline import data_commands

    workspace.check()
    return data_commands.check(options.name)
