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
    _add_init(commands)
    _add_predict(commands)
    _add_benchmark(commands)
    _add_export(commands)
    _add_data(commands.add_parser("data", help="list, fetch, verify and accept data sets"))
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
    accept = commands.add_parser(
        "accept",
        help="accept the prepared data",
        description="Make the prepared data, as the last run validated them, those that later ones "
        "are compared with, and print what changed. It is refused if they broke an expectation.",
    )
    for command, does in (
        (show, _data_list),
        (get, _data_get),
        (check, _data_check),
        (accept, _data_accept),
    ):
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


def _add_export(commands: Any) -> None:
    export = commands.add_parser(
        "export",
        help="write the networks of a model as ONNX",
        description="Write the networks of a bundle as an ONNX model, from raw features to "
        "coherent probabilities. Members of other kinds and the calibration are not in it.",
    )
    export.add_argument(
        "--model", default="models/bundle", metavar="BUNDLE", help="default: %(default)s"
    )
    export.add_argument("--output", required=True, metavar="FILE", help="such as networks.onnx")
    export.add_argument(
        "--members", action="store_true", help="with each member's probabilities, too"
    )
    export.set_defaults(command=_export)


def _add_init(commands: Any) -> None:
    init = commands.add_parser(
        "init",
        help="describe your own tables in params.yaml",
        description="Look at your tables, say what they hold, and write it into params.yaml and a "
        "data card. What is not said is found out; nothing is written if a file has a problem.",
    )
    init.add_argument(
        "--features", required=True, metavar="FILE", help=f"one row per example: {_F}"
    )
    init.add_argument(
        "--labels", required=True, metavar="FILE", help="nodes of the examples: CSV, TSV or Parquet"
    )
    init.add_argument(
        "--hierarchy",
        metavar="FILE",
        help="edges (CSV, TSV, Parquet), paths, JSON, YAML or OBO; without, labels are paths a/b/c",
    )
    for name, does in (
        ("name", "of the data set; default: that of the features' file"),
        ("id", "column of the examples' ids"),
        ("groups", "column of what must not be torn apart by splits, such as patients"),
        ("split", "column with train, valid or test; default: by a hash of the group"),
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


_F = "CSV, TSV, Parquet, NPZ or ARFF"


def _add_predict(commands: Any) -> None:
    predict = commands.add_parser(
        "predict",
        help="find the nodes of new examples",
        description="Predict each row of a table with a trained bundle, in long form: a row for "
        "each example and node that is decided for, or asked for with --top or --min-probability.",
    )
    predict.add_argument("--input", required=True, metavar="FILE", help=f"the examples: {_F}")
    predict.add_argument(
        "--output", required=True, metavar="FILE", help="ends in .parquet, .csv or .jsonl"
    )
    predict.add_argument(
        "--model", default="models/bundle", metavar="FOLDER", help="default: %(default)s"
    )
    predict.add_argument("--rule", help="that decides: tuned, prior_matched, half, budget")
    predict.add_argument(
        "--top", type=_count, default=0, metavar="K", help="also the K most probable nodes of each"
    )
    predict.add_argument(
        "--min-probability",
        type=_share,
        metavar="P",
        help="also nodes of at least this probability",
    )
    predict.add_argument(
        "--per-example", type=_count, metavar="K", help="decide for at most K nodes of an example"
    )
    predict.add_argument("--id", metavar="COLUMN", help="the examples' ids")
    predict.add_argument(
        "--ignore-unknown",
        action="store_true",
        help="pass over columns that the model does not know, instead of refusing them",
    )
    predict.set_defaults(command=_predict)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, found {text!r}")
    return value


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, found {text!r}")
    return int(text)


def _init(options: argparse.Namespace) -> int:
    from pathlib import Path

    from flows import workspace
    from pipeline import own_data
    from pipeline.errors import ConfigError

    workspace.check()
    kinds: dict[str, Any] = {}
    for kind in ("numeric", "categorical", "boolean", "date", "text", "ignored"):
        for column in getattr(options, kind):
            if kinds.setdefault(column, kind) != kind:
                raise ConfigError(
                    f"--{kind}: expected a kind for each column, found {column!r} again"
                )
    with workspace.exclusive():
        return own_data.init(
            own_data.Request(
                features=Path(options.features),
                labels=Path(options.labels),
                hierarchy=None if options.hierarchy is None else Path(options.hierarchy),
                name=options.name,
                id=options.id,
                group=options.groups,
                split=options.split,
                time=options.time,
                label_id=options.label_id,
                label_column=options.label_column,
                label_state=options.label_state,
                label_negative=options.label_negative,
                label_unknown=options.label_unknown,
                label_absent=options.label_absent,
                delimiter=options.delimiter,
                separator=options.separator and (options.separator.strip() or " "),
                child=options.child,
                parent=options.parent,
                kinds=kinds,
                relations=options.relations,
            )
        )


def _predict(options: argparse.Namespace) -> int:
    from pathlib import Path

    from pipeline import predict_command

    return predict_command.run(
        Path(options.model),
        Path(options.input),
        Path(options.output),
        rule=options.rule,
        top=options.top,
        least=options.min_probability,
        per_example=options.per_example,
        id_column=options.id,
        ignore_unknown=options.ignore_unknown,
    )


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
    from pipeline import own_files
    from pipeline.artifacts import paths
    from pipeline.config import edit
    from pipeline.datasets import registry

    workspace.check()
    changes: list[tuple[str, Any]] = []
    if options.dataset is not None:
        changes.append(("dataset", options.dataset))
    if options.profile is not None:
        changes.append(("profile", options.profile))
    changes += [edit.assignment(text) for text in options.set]
    with workspace.exclusive():
        edited = edit.plan(changes)
        if renewed := own_files.changed(edited.config):
            edited = edit.plan([*changes, *renewed])
        source = registry.of(edited.config)
        if (reason := source.unavailable()) is not None:
            raise DatasetError(reason)
        own_files.check(edited.config)
        workspace.check_sections(edited.sections)
        source.keep(paths.raw(edited.config.dataset))  # where people put files by hand
        edited.write()
        for line in edited.diff():
            print(line)
        for note in own_files.gone(edited.config):
            print(f"Note: {note}", file=sys.stderr)
        from flows import terminal  # Prefect takes seconds to import: only now is it worth it

        return terminal.run()


def _export(options: argparse.Namespace) -> int:
    from pathlib import Path

    from pipeline import export_command

    return export_command.export(Path(options.model), Path(options.output), members=options.members)


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


def _data_accept(options: argparse.Namespace) -> int:
    from flows import workspace
    from pipeline import data_commands

    workspace.check()
    with workspace.exclusive():
        return data_commands.accept()
