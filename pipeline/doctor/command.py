"""Every check, one after the other, and what is printed of it."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.doctor import installation
from pipeline.doctor.finding import Finding, of_error, plain
from pipeline.errors import RarenodeError

_LOOKS = {"ok": "green", "warning": "yellow", "problem": "bold red"}
_FAULT = "That is a fault of rarenode's: please report it."


def run(*, as_json: bool, ask_remote: bool) -> int:
    """Print what was found.

    Args:
        as_json: as a list of {check, state, found, remedy}.
        ask_remote: whether DVC's remote may be asked.

    Returns:
        0, or 2 if there is a problem.
    """
    findings = examine(ask_remote=ask_remote)
    if as_json:
        print(json.dumps([asdict(one) for one in findings], indent=2))
    else:
        _show(findings)
    return 2 if any(one.state == "problem" for one in findings) else 0


def examine(*, ask_remote: bool = False) -> list[Finding]:
    """What every check finds; none of them raises, and nothing on disk is changed."""
    found = _safely("python", installation.python)
    found += _safely("packages", installation.packages)
    found += _safely("torch", installation.torch)
    found += _safely("threads", installation.threads)
    found += _safely("extras", installation.extras)
    found += _safely("workspace", lambda: _workspace(ask_remote))
    return [
        Finding(one.check, one.state, plain(one.found), one.remedy and plain(one.remedy))
        for one in found
    ]


def _workspace(ask_remote: bool) -> list[Finding]:
    # Here: what these import may be missing, and then has to be said as well.
    from pipeline.config import load
    from pipeline.doctor import services, workspace

    found = _safely("workspace", workspace.parts)
    if workspace.is_here():
        found += _safely("git", workspace.git)
        parameters = _safely("params.yaml", workspace.parameters)
        found += parameters
        found += _safely("dvc.yaml", workspace.stages)
        try:
            config = load()
        except RarenodeError:
            pass  # params.yaml has been said
        else:
            for name, look in (
                ("data", workspace.data),
                ("own files", workspace.own_files),
                ("images.device", workspace.device),
            ):
                found += _safely(name, lambda look=look: look(config))
        found += _safely("folders", workspace.folders)
        found += _safely("leftovers", workspace.left)
    if Path(".dvc").is_dir():
        found += _safely("dvc remote", lambda: services.dvc_remote(ask_remote))
        found += _safely("disk", lambda: workspace.disk(*services.caches()))
    else:
        found += _safely("disk", workspace.disk)
    found += _safely("prefect", services.prefect)
    found += _safely("storage", services.postgresql)
    return found + _safely("dask", services.dask)


def _safely(name: str, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What a check finds, with what stopped it as the last line."""
    found: list[Finding] = []
    try:
        for one in check():
            found.append(one)
    except RarenodeError as error:
        found.append(of_error(name, error))
    except ImportError as error:
        said = f"cannot be told without the package {error.name or error}"
        found.append(Finding(name, "problem", said, "make install"))
    except OSError as error:
        found.append(Finding(name, "problem", f"cannot be told: {error}"))
    except Exception as error:
        found.append(Finding(name, "problem", f"{type(error).__name__}: {error}", _FAULT))
    return found


def _show(findings: list[Finding]) -> None:
    counts = Counter(one.state for one in findings)
    said = [f"{counts[s]} {s}{'s' if counts[s] > 1 else ''}" for s in ("problem", "warning")]
    summary = ", ".join(text for text in said if not text.startswith("0")) or "Nothing is missing"
    console = _terminal()
    if console is None:
        for one in findings:
            print(f"{one.state:<7}  {one.check}: {one.found}")
            if one.remedy is not None:
                print(f"{'':<7}  -> {one.remedy}")
        print(f"{summary}.")
        return
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2), pad_edge=False)
    for _ in ("state", "check"):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in findings:
        table.add_row(Text(one.state, _LOOKS[one.state]), Text(one.check), Text(one.found))
        if one.remedy is not None:
            table.add_row("", "", Text(f"-> {one.remedy}", "dim"))
    console.print(table)
    console.print(Text(f"{summary}."))


def _terminal() -> Any:
    """A terminal to print on, if this is one and rich is here."""
    if not sys.stdout.isatty():
        return None  # no edge to wrap at
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console()
