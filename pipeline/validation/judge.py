"""Great Expectations judges tables of facts. It takes seconds to import: only `judge` does it."""

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pipeline.validation.suite import TABLES, Expectation

SHOWN = 5  # offenders named per expectation
_ASKED = 100  # offenders asked for, among which as many different ones are looked for


def judge(
    tables: Mapping[str, pd.DataFrame], expectations: Sequence[Expectation]
) -> list[dict[str, Any]]:
    """One finding per expectation, in their order.

    Args:
        tables: facts by the names of `suite.TABLES`.
        expectations: about these tables.

    Returns:
        `name`, `severity`, `drift` (whether it is about drift), `success`, `expected`, `observed`
        (how many rows break it) and `offenders`, up to `SHOWN` different ones.

    Raises:
        RuntimeError: an expectation could not be judged: a fault of ours.
    """
    gx = _great_expectations()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # pyright: ignore
    source = context.data_sources.add_pandas("prepared")
    findings: dict[str, dict[str, Any]] = {}
    for table in dict.fromkeys(e.table for e in expectations):
        mine = {e.name: e for e in expectations if e.table == table}
        batch = source.add_dataframe_asset(table).add_batch_definition_whole_dataframe(table)
        judged = gx.ExpectationSuite(
            name=table,
            expectations=[
                getattr(gx.expectations, e.kind)(
                    **e.arguments,
                    severity="critical" if e.severity == "error" else "warning",
                    meta={"name": e.name},
                )
                for e in mine.values()
            ],
        )
        definition = context.validation_definitions.add(
            gx.ValidationDefinition(name=table, data=batch, suite=context.suites.add(judged))
        )
        results = definition.run(
            batch_parameters={"dataframe": tables[table]},
            result_format={
                "result_format": "SUMMARY",  # COMPLETE copies all offenders, many times
                "partial_unexpected_count": _ASKED,
                "unexpected_index_column_names": [TABLES[table][1]],
            },
        )
        for result in results.results:
            expectation = mine[result.expectation_config.meta["name"]]
            findings[expectation.name] = _finding(expectation, result)
    return [findings[e.name] for e in expectations]


def _great_expectations() -> Any:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read at import
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it imports sre_constants
        import great_expectations
    return great_expectations


def _finding(expectation: Expectation, result: Any) -> dict[str, Any]:
    details = result.result
    rows, key = TABLES[expectation.table]
    if "element_count" not in details:  # it raised instead of judging: a fault of ours
        raise RuntimeError(f"{expectation.name} was not judged: {result.exception_info}")
    offenders = [str(row[key]) for row in details.get("partial_unexpected_index_list") or []]
    return {
        "name": expectation.name,
        "severity": expectation.severity,
        "drift": expectation.of_drift,
        "success": bool(result.success),
        "expected": expectation.expected,
        "observed": f"{details['unexpected_count']} of {details['element_count']} {rows} break it",
        "offenders": list(dict.fromkeys(offenders))[:SHOWN],
    }
