"""`rarenode predict`."""

import argparse
from typing import Any

from pipeline.commands import options


def add(commands: Any) -> None:
    """Add the command to the others."""
    predict = commands.add_parser(
        "predict",
        help="find the nodes of new examples",
        description="Predict each row of a table with a trained bundle, in long form: a row for "
        "each example and node that is decided for, or asked for with --top or --min-probability.",
    )
    predict.add_argument(
        "--input",
        required=True,
        metavar="FILE",
        help=f"examples: {options.TABLE}; or a folder of images",
    )
    predict.add_argument(
        "--images",
        metavar="FOLDER",
        help="that names of images are relative to; default: that of the table",
    )
    predict.add_argument(
        "--output", required=True, metavar="FILE", help="ends in .parquet, .csv or .jsonl"
    )
    predict.add_argument(
        "--model", default="models/bundle", metavar="FOLDER", help="default: %(default)s"
    )
    predict.add_argument("--rule", help="that decides: tuned, prior_matched, half, budget")
    predict.add_argument(
        "--top",
        type=options.count,
        default=0,
        metavar="K",
        help="also the K most probable nodes of each",
    )
    predict.add_argument(
        "--min-probability",
        type=options.share,
        metavar="P",
        help="also nodes of at least this probability",
    )
    predict.add_argument(
        "--per-example",
        type=options.count,
        metavar="K",
        help="decide for at most K nodes of an example",
    )
    predict.add_argument("--id", metavar="COLUMN", help="the examples' ids")
    predict.add_argument(
        "--ignore-unknown",
        action="store_true",
        help="pass over columns that the model does not know, instead of refusing them",
    )
    options.add_json(
        predict, "model, data set it learnt from, input, output, rule, counts and notes"
    )
    predict.set_defaults(command=_predict)


def _predict(asked: argparse.Namespace) -> int:
    from flows import signals

    with signals.ending_like_ctrl_c():
        if not asked.json:
            return _write(asked, {})
        from flows import document

        return document.tell(lambda told: _write(asked, told))


def _write(asked: argparse.Namespace, told: dict[str, Any]) -> int:
    from pathlib import Path

    from pipeline import predict_command

    return predict_command.run(
        Path(asked.model),
        Path(asked.input),
        Path(asked.output),
        rule=asked.rule,
        top=asked.top,
        least=asked.min_probability,
        per_example=asked.per_example,
        id_column=asked.id,
        ignore_unknown=asked.ignore_unknown,
        images=None if asked.images is None else Path(asked.images),
        told=told,
    )
