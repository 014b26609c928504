"""The suite: what prepared data have to keep, and what they had better.

An error stops the pipeline, a warning is reported. Errors are not negotiable, but for drift
(`validate.drift`).
"""

from typing import Any, Literal, NamedTuple

from pipeline.artifacts.prepared import SPLITS
from pipeline.config import Config
from pipeline.validation.drift import MISSING, MUCH, ROOM
from pipeline.validation.leaks import TOLD

Severity = Literal["error", "warning"]

# The tables of facts: what their rows are, and the column that names one of them.
TABLES = {
    "shapes": ("shapes", "table"),
    "splits": ("splits", "split"),
    "examples": ("examples", "id"),
    "groups": ("groups", "group"),
    "copies": ("examples", "id"),
    "pictures": ("examples", "picture"),
    "nodes": ("nodes", "id"),
    "spellings": ("nodes", "spelling"),
    "edges": ("edges", "edge"),
    "features": ("features", "feature"),
    "leaks": ("features", "feature"),
    "drift_of_features": ("features", "feature"),
    "drift_of_nodes": ("nodes", "node"),
    "drift_of_examples": ("examples", "example"),
}


class Expectation(NamedTuple):
    """One line of the suite; `kind` and `arguments` are those of Great Expectations."""

    name: str
    severity: Severity
    table: str
    expected: str
    kind: str
    arguments: dict[str, Any]

    @property
    def of_drift(self) -> bool:
        """Whether it holds the data against the accepted ones."""
        return self.table.startswith("drift")


def suite(config: Config, *, compared: bool = False, pictured: bool = False) -> list[Expectation]:
    """What prepared data has to keep, in the order of the report.

    Args:
        config: holds the limits, and whether drift is an error.
        compared: whether there are tables of drift to judge.
        pictured: whether examples are images.
    """
    between, equal = "ExpectColumnValuesToBeBetween", "ExpectColumnPairValuesToBeEqual"
    unique, among = "ExpectColumnValuesToBeUnique", "ExpectColumnValuesToBeInSet"
    positives = config.validate_.min_positives
    missing = config.validate_.max_missing_share
    rows: list[tuple[str, Severity, str, str, str, dict[str, Any]]] = [
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
        ("equal_examples_share_a_split", "warning", "copies", "no example with the very features "
         "of one in another split", between, {"column": "elsewhere", "max_value": 0}),
        *([("equal_images_share_a_split", "warning", "pictures", "no image that is nearly one in "
            "another split", between, {"column": "near", "max_value": 0})] if pictured else []),
        ("labels_are_most_specific", "error", "examples", "no label above another of its example",
         between, {"column": "implied", "max_value": 0}),
        ("examples_have_labels", "warning", "examples", "at least one label per example",
         between, {"column": "labels", "min_value": 1}),
        ("node_ids_are_unique", "error", "nodes", "each node id once", unique, {"column": "id"}),
        ("each_node_has_one_spelling", "warning", "spellings", "no nodes that differ only in case, "
         "blanks or punctuation", between, {"column": "others", "max_value": 0}),
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
        ("no_feature_tells_a_node", "warning", "leaks", f"no feature that by itself has an average "
         f"precision of {TOLD} or more for a node",
         between, {"column": "told", "max_value": TOLD, "strict_max": True}),
        ("no_feature_numbers_the_rows", "warning", "leaks", "no feature that follows the order of "
         "the rows or is another integer in each",
         between, {"column": "numbers_rows", "max_value": 0}),
    ]  # fmt: skip
    found = [Expectation(*row) for row in rows]
    return found + (_drift(config) if compared else [])


def _drift(config: Config) -> list[Expectation]:
    """What must not differ from the accepted data. What is merely new is never an error."""
    severity: Severity = "error" if config.validate_.drift == "refuse" else "warning"
    of_features, of_nodes = "drift_of_features", "drift_of_nodes"
    rows: list[tuple[str, Severity, str, str, str]] = [
        ("no_feature_vanished", severity, of_features, "every accepted feature", "vanished"),
        ("no_feature_is_new", "warning", of_features, "accepted features only", "new"),
        ("features_keep_their_kind", severity, of_features,
         "no values of a kind that the accepted ones could not have", "widened"),
        ("features_keep_their_range", severity, of_features,
         f"no value beyond the accepted range by more than {ROOM} of its width", "beyond"),
        ("features_keep_their_gaps", severity, of_features, "a share of missing values within "
         f"{MISSING} of the accepted one, or as chance has it", "gaps"),
        ("features_keep_their_distribution", severity, of_features,
         f"a population stability index of at most {MUCH}, or as chance has it", "moved"),
        ("no_node_vanished", severity, of_nodes, "every accepted node", "vanished"),
        ("no_node_is_new", "warning", of_nodes, "accepted nodes only", "new"),
        ("nodes_keep_their_support", severity, of_nodes,
         "as many positives among the examples as chance allows", "changed"),
        ("no_example_vanished", severity, "drift_of_examples", "every accepted example",
         "vanished"),
    ]  # fmt: skip
    return [
        Expectation(
            name, severity, table, expected, "ExpectColumnValuesToBeBetween",
            {"column": column, "max_value": 0},
        )
        for name, severity, table, expected, column in rows
    ]  # fmt: skip
