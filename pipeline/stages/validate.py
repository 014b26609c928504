"""data/prepared -> reports/validation: a Great Expectations suite on the prepared tables.

An error stops the pipeline, a warning is reported. Great Expectations takes seconds to import, so
only `run` does it.
"""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from pipeline.artifacts import files, paths, prepared
from pipeline.artifacts.prepared import SPLITS, Prepared
from pipeline.config import Config
from pipeline.datasets import facts
from pipeline.errors import ValidationError

SCHEMA = 1
SHOWN = 5  # offenders named per expectation
_ASKED = 100  # offenders asked for, among which as many different ones are looked for

# name -> how its facts are found, and the column that names an offender
TABLES: dict[str, tuple[Callable[[Prepared], pd.DataFrame], str]] = {
    "shapes": (facts.shapes, "table"),
    "splits": (facts.splits, "split"),
    "examples": (facts.examples, "id"),
    "groups": (facts.groups, "group"),
    "nodes": (facts.nodes, "id"),
    "edges": (facts.edges, "edge"),
    "features": (facts.features, "feature"),
}


class Expectation(NamedTuple):
    """One line of the suite; `kind` and `arguments` are those of Great Expectations."""

    name: str
    severity: Literal["error", "warning"]
    table: str
    expected: str
    kind: str
    arguments: dict[str, Any]


def run(config: Config) -> list[Path]:
    """Judge the prepared data.

    Raises:
        ValidationError: names each broken expectation, what was found and up to 5 offenders. The
            report is written all the same.
    """
    data = prepared.read()
    expectations = suite(config)
    findings = _judge(data, [e for e in expectations if e.table == "shapes"])
    if findings[0]["success"]:  # else the other facts cannot be worked out
        findings += _judge(data, [e for e in expectations if e.table != "shapes"])
    broken = [f for f in findings if not f["success"] and f["severity"] == "error"]
    with files.whole_folder(paths.VALIDATION) as folder:
        files.write_json(
            folder / "validation.json",
            {"schema": SCHEMA, "passed": not broken, "expectations": findings},
        )
    if broken:
        lines = [
            f"{f['name']}: expected {f['expected']}, found {f['observed']}, such as "
            + ", ".join(f["offenders"])
            for f in broken
        ]
        raise ValidationError(
            f"{paths.PREPARED} does not meet expectations:\n  " + "\n  ".join(lines)
        )
    return [paths.VALIDATION]


def suite(config: Config) -> list[Expectation]:
    """What prepared data has to keep, in the order of the report."""
    between, equal = "ExpectColumnValuesToBeBetween", "ExpectColumnPairValuesToBeEqual"
    unique, among = "ExpectColumnValuesToBeUnique", "ExpectColumnValuesToBeInSet"
    positives = config.validate_.min_positives
    missing = config.validate_.max_missing_share
    rows: list[tuple[str, str, str, str, str, dict[str, Any]]] = [
        ("tables_fit_together", "error", "shapes", "as many rows and columns as examples, features "
         "and nodes, no value of these missing", equal, {"column_A": "size", "column_B": "wanted"}),
        ("no_split_is_empty", "error", "splits", "at least one example per split",
         between, {"column": "examples", "min_value": 1}),
        ("splits_are_known", "error", "examples", f"splits out of {', '.join(SPLITS)}",
         among, {"column": "split", "value_set": list(SPLITS)}),
        ("splits_share_no_group", "error", "groups", "each group in one split",
         between, {"column": "splits", "max_value": 1}),
        ("example_ids_are_unique", "error", "examples", "each example id once",
         unique, {"column": "id"}),
        ("labels_are_most_specific", "error", "examples", "no label above another of its example",
         between, {"column": "implied", "max_value": 0}),
        ("examples_have_labels", "warning", "examples", "at least one label per example",
         between, {"column": "labels", "min_value": 1}),
        ("node_ids_are_unique", "error", "nodes", "each node id once", unique, {"column": "id"}),
        ("children_are_nodes", "error", "edges", "every child to be a node",
         between, {"column": "unknown_child", "max_value": 0}),
        ("parents_are_nodes", "error", "edges", "every parent to be a node",
         between, {"column": "unknown_parent", "max_value": 0}),
        ("hierarchy_is_acyclic", "error", "edges", "no edge on a cycle",
         between, {"column": "cycle", "max_value": 0}),
        ("depth_is_the_longest_path", "error", "nodes", "depths that are longest paths from a root",
         equal, {"column_A": "depth", "column_B": "longest_path"}),
        ("nodes_are_in_order", "error", "nodes", "nodes by depth, ties by id",
         equal, {"column_A": "place", "column_B": "rank"}),
        ("scored_nodes_have_positives", "warning", "nodes", f"at least {positives} positives in "
         "train+valid per scored node", between, {"column": "positives", "min_value": positives}),
        ("features_have_values", "error", "features", "a known value in train+valid per feature",
         between, {"column": "known", "min_value": 1}),
        ("no_feature_is_constant", "error", "features", "values that differ in train+valid",
         between, {"column": "constant", "max_value": 0}),
        ("features_are_finite", "error", "features", "no infinite value",
         between, {"column": "infinite", "max_value": 0}),
        ("few_values_are_missing", "warning", "features", f"at most a share of {missing} missing "
         "in train+valid per feature", between, {"column": "missing", "max_value": missing}),
    ]  # fmt: skip
    return [Expectation(*row) for row in rows]  # pyright: ignore[reportArgumentType]


def _judge(data: Prepared, expectations: list[Expectation]) -> list[dict[str, Any]]:
    """One finding per expectation, in their order."""
    gx = _great_expectations()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # pyright: ignore
    source = context.data_sources.add_pandas("prepared")
    findings: dict[str, dict[str, Any]] = {}
    for table in dict.fromkeys(e.table for e in expectations):
        find, key = TABLES[table]
        mine = {e.name: e for e in expectations if e.table == table}
        frame = find(data)
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
            batch_parameters={"dataframe": frame},
            result_format={
                "result_format": "SUMMARY",  # COMPLETE copies all offenders, many times
                "partial_unexpected_count": _ASKED,
                "unexpected_index_column_names": [key],
            },
        )
        for result in results.results:
            expectation = mine[result.expectation_config.meta["name"]]
            findings[expectation.name] = _finding(expectation, result, key)
    return [findings[e.name] for e in expectations]


def _great_expectations() -> Any:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read at import
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it imports sre_constants
        import great_expectations
    return great_expectations


def _finding(expectation: Expectation, result: Any, key: str) -> dict[str, Any]:
    details = result.result
    if "element_count" not in details:  # it raised instead of judging: a fault of ours
        raise RuntimeError(f"{expectation.name} was not judged: {result.exception_info}")
    offenders = [str(row[key]) for row in details.get("partial_unexpected_index_list") or []]
    return {
        "name": expectation.name,
        "severity": expectation.severity,
        "success": bool(result.success),
        "expected": expectation.expected,
        "observed": f"{details['unexpected_count']} of {details['element_count']} "
        f"{expectation.table} break it",
        "offenders": list(dict.fromkeys(offenders))[:SHOWN],
    }
