"""`rarenode export`."""

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the command to the others."""
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


def _export(options: argparse.Namespace) -> int:
    from pathlib import Path

    from pipeline import export_command

    return export_command.export(Path(options.model), Path(options.output), members=options.members)
