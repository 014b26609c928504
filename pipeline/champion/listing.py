"""`rarenode models list`."""

import json
from typing import Any

from pipeline.champion import record, registry

_HEAD = ("version", "made", "commit", "data", "examples", "micro AP", "macro AP", "against", "")


def show(*, as_json: bool) -> int:
    """Print every version, the latest first; return 0."""
    found = entries()
    if as_json:
        print(json.dumps(found, indent=2))
        return 0
    if not found:
        print("No version yet. `rarenode retrain` makes one.")
        return 0
    lines = [_HEAD, *(_line(entry) for entry in found)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    for line in lines:
        print("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip())
    return 0


def entries() -> list[dict[str, Any]]:
    """What is told of each version, the latest first; less of one that was tagged by hand."""
    champion = registry.champion()
    made: list[dict[str, Any]] = []
    for version in registry.versions():
        entry: dict[str, Any] = {
            "version": version.name,
            "champion": version == champion,
            "commit": version.commit,
        }
        if (known := record.read(version)) is not None:
            told = ("made", "base", "dataset", "source", "examples", "against")
            entry |= {key: known[key] for key in told} | record.figures(known)
            entry["on"] = "holdout" if known["figures"] else "test split"
        made.append(entry)
    return made


def _line(entry: dict[str, Any]) -> tuple[str, ...]:
    known = "made" in entry
    return (
        entry["version"],
        entry["made"][:16].replace("T", " ") if known else "",
        entry["commit"][:9],
        f"{entry['dataset']} {entry['source'][:9]}" if known else "",
        f"{sum(entry['examples'].values()):,}" if known else "",
        _number(entry.get("micro_ap")),
        _number(entry.get("macro_ap")),
        entry.get("against") or "",
        "champion" if entry["champion"] else "",
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
