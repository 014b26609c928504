"""reports/validation/validation.html: what was checked and what was found, as one file."""

from typing import Any

from pipeline.reporting import templating
from pipeline.reporting.numbers import NO_BREAK


def render(report: dict[str, Any], profile: dict[str, Any] | None) -> str:
    """The page as HTML.

    Args:
        report: what validation.json holds.
        profile: what profile.json holds, None where the tables do not fit together.
    """
    failed = [row for row in report["expectations"] if not row["success"]]
    errors = sum(row["severity"] == "error" for row in failed)
    return (
        templating.environment()
        .get_template("validation_page.html")
        .render(
            css=templating.asset("report.css"),
            report=report,
            profile=profile,
            verdict=verdict(len(report["expectations"]), errors, len(failed) - errors),
            # The broken ones first, errors before warnings.
            rows=sorted(
                report["expectations"], key=lambda row: (row["success"], row["severity"] != "error")
            ),
        )
    )


def verdict(asked: int, errors: int, warnings: int) -> str:
    """The outcome in a sentence."""
    met = f"{asked - errors - warnings} of {asked} expectations are met"
    if not errors and not warnings:
        return f"Passed: all {asked} expectations are met."
    if not errors:
        return f"Passed: {met}; {_number(warnings, 'warning')} to judge."
    also = f" and {_number(warnings, 'warning')}" if warnings else ""
    return f"Refused: {met}; {_number(errors, 'error')}{also}. Later stages do not run."


def _number(count: int, noun: str) -> str:
    return f"{count}{NO_BREAK}{noun}{'' if count == 1 else 's'}"
