"""The command line: thin, and quick to start because it imports what a command needs only then."""

import argparse
import sys
import traceback

from pipeline.errors import RarenodeError

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
        print("Interrupted. `rarenode run` goes on where it stopped.", file=sys.stderr)
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
        choices=("quick", "full"),
        help="the budget: quick (minutes) or full (members, epochs, trials and replicates for "
        "results to report)",
    )
    run.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="a parameter; may be given several times",
    )
    run.set_defaults(command=_run)
    return parser


def _run(options: argparse.Namespace) -> int:
    from flows import workspace
    from pipeline.config import edit, profiles
    from pipeline.datasets import registry

    workspace.check()
    changes = []
    if options.dataset is not None:
        changes.append(("dataset", options.dataset))
    if options.profile is not None:
        changes.append(("profile", options.profile))
        changes += profiles.PROFILES[options.profile].items()
    changes += [edit.assignment(text) for text in options.set]
    with workspace.exclusive():
        edited = edit.plan(changes)
        registry.check(edited.config.dataset)
        workspace.check_sections(edited.sections)
        edited.write()
        for line in edited.diff():
            print(line)
        from flows import terminal  # Prefect takes seconds to import: only now is it worth it

        return terminal.run()
