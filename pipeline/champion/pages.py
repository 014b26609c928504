"""A verdict in words and tables, for the terminal, for artifacts and for the message of a tag."""

from typing import Any

from pipeline.champion.decision import Verdict, difference, label


def headline(verdict: Verdict, challenger: str, champion: str | None) -> str:
    """One sentence: what was decided and why."""
    if champion is None:
        return f"{challenger} is the first champion: there was none to be held against."
    if verdict.promote:
        return f"{challenger} takes the place of {champion}: {verdict.why}."
    return f"{champion} stays the champion: {verdict.why}."


def rows(verdict: Verdict) -> list[dict[str, Any]]:
    """A row for each figure."""
    words = {True: "yes", False: "no", None: "does not count"}
    return [
        {
            "figure": label(figure["name"]),
            "nodes": figure["nodes"],
            "champion": _number(figure["champion"]),
            "challenger": _number(figure["challenger"]),
            "difference": difference(figure),
            "margin": "" if figure["margin"] is None else f"{figure['margin']:g}",
            "holds": words[figure["holds"]],
        }
        for figure in verdict.figures
    ]


def holdout(comparison: dict[str, Any] | None) -> str:
    """What both were held against."""
    if not comparison or comparison["holdout"] is None:
        return ""
    found = comparison["holdout"]
    out = f" Left out: {found['left_out']:,} that the champion has learnt from."
    return (
        f"{found['examples']:,} test examples in {found['groups']:,} groups that neither has "
        f"learnt from, {found['accepted']:,} of them with the labels of the champion's data; "
        f"{found['nodes']:,} nodes that both have, {found['with_positive']:,} with a positive."
        f"{out if found['left_out'] else ''}"
    )


def plain(verdict: Verdict) -> list[str]:
    """The figures as lines of a terminal or of a tag's message."""
    table = rows(verdict)
    if not table:
        return []
    lines = [[*table[0]], *([str(cell) for cell in row.values()] for row in table)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
