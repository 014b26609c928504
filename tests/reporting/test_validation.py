"""The page of the stage validate: whole, offline, and names in it are data."""

import copy
import re
from typing import Any

import pytest

from pipeline.reporting import validation
from tests.reporting.sample import HOSTILE, QUOTES
from tests.reporting.test_page import Reader

PROFILE: dict[str, Any] = {
    "examples": {"total": 1234, "train": 800, "valid": 200, "test": 234, "remembered": []},
    "features": [{}] * 7,
    "hierarchy": {"nodes": 55, "depth": 4},
}
NOTHING: dict[str, Any] = {"total": 0, "listed": []}


def finding(
    name: str, severity: str = "error", success: bool = True, **more: Any
) -> dict[str, Any]:
    found = {"name": name, "severity": severity, "success": success, "expected": "some"}
    return found | {"drift": False, "observed": "2 of 9 break it", "offenders": []} | more


PASSED: dict[str, Any] = {
    "schema": 2,
    "passed": True,
    "dataset": "mine",
    "expectations": [finding("all_is_well"), finding("some_is_well", "warning")],
    "copies": NOTHING,
    "leaks": NOTHING,
    "spellings": NOTHING,
    "drift": {"compared": False, "nothing": "no data have been accepted yet"},
}


def feature(name: str, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"feature": name, "findings": ["moved"]}
    for key in ("kind", "missing", "min", "max", "mean"):
        row |= {key: None, f"{key}_was": None}
    return row | {"shift": None, "psi": None, "psi_limit": None} | more


def node(name: str, **more: Any) -> dict[str, Any]:
    row = {"node": name, "name": name, "findings": ["new"], "support": 3}
    return row | {"support_was": None, "expected": None} | more


FEATURES = [
    feature("grew", min=0, max=9.5, min_was=0, max_was=2, mean=4.0, mean_was=1.0, shift=2.5,
            psi=0.41, psi_limit=0.33, kind="real", kind_was="integer", missing=0, missing_was=0),
    feature("gone", findings=["vanished"], kind_was="binary", min_was=0, max_was=1),
    feature(HOSTILE),
]  # fmt: skip
REFUSED: dict[str, Any] = PASSED | {
    "passed": False,
    "expectations": [
        finding("all_is_well"),
        finding("less_grave", "warning", False, offenders=[HOSTILE]),
        finding("most_grave", "error", False, offenders=[QUOTES]),
    ],
    "dataset": HOSTILE,
    "copies": {
        "total": 7,
        "listed": [
            {
                "examples": [{"id": HOSTILE, "split": "train"}, {"id": "e2", "split": HOSTILE}],
                "total": 5,
                "same_labels": True,
            }
        ],
    },
    "leaks": {
        "total": 2,
        "listed": [
            {"feature": HOSTILE, "told": 0.97, "node": QUOTES, "by": "missing", "why": None},
            {"feature": "row", "told": None, "node": None, "by": None, "why": "follows the order"},
        ],
    },
    "spellings": {"total": 1, "listed": [f"{HOSTILE} | {QUOTES}"]},
    "drift": {
        "compared": True,
        "nothing": None,
        "sizes": {"train": [1000, 1200], "depth": [4, 4]},
        "features": {
            "in_both": 2,
            "counts": {"vanished": 1, "moved": 1, "new": 0},
            "total": 3,
            "listed": FEATURES,
        },
        "nodes": {
            "in_both": 40,
            "counts": {"vanished": 0, "support changed": 0, "new": 1},
            "total": 1,
            "listed": [node(HOSTILE)],
        },
        "examples": {"looked_at": 10_000, "vanished": 12, "total": 54_321},
    },
}


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", " ".join(Reader(html).text))


@pytest.fixture(scope="module")
def refused() -> str:
    return validation.render(REFUSED, PROFILE)


@pytest.mark.parametrize(
    ("report", "profile"), [(PASSED, PROFILE), (PASSED, None), (REFUSED, None)]
)
def test_the_page_is_whole_and_leads_nowhere_else(report, profile):
    html = validation.render(report, profile)
    reader = Reader(html)
    assert len(reader.ids) == len(set(reader.ids))
    assert {link.removeprefix("#") for link in reader.links} <= set(reader.ids)
    assert all(link.startswith("#") for link in reader.links)
    assert not re.search(r"@import|@font-face|url\((?!#)|<link|<img|<iframe|fetch\(|https?:", html)
    assert "default-src 'none'" in html


def test_hostile_names_are_shown_as_text_wherever_they_stand(refused):
    assert HOSTILE not in refused
    reader = Reader(refused)
    assert "script" not in reader.tags
    # title, heading, warning, copies twice, leak, spelling, feature, node twice
    assert " ".join(reader.text).count(HOSTILE) == 10
    assert " ".join(reader.text).count(QUOTES) == 3


def test_the_verdict_counts_errors_and_warnings(refused):
    assert "Refused: 1 of 3 expectations are met; 1\N{NO-BREAK SPACE}error and" in refused
    assert "Passed: all 2 expectations are met." in validation.render(PASSED, PROFILE)
    warned = copy.deepcopy(PASSED)
    warned["expectations"][1]["success"] = False
    assert "Passed: 1 of 2 expectations are met; 1\N{NO-BREAK SPACE}warning to judge." in (
        validation.render(warned, PROFILE)
    )


def test_broken_expectations_come_first_errors_before_warnings(refused):
    text = text_of(refused)
    assert text.index("most grave") < text.index("less grave") < text.index("all is well")


def test_without_a_comparison_the_page_says_why():
    text = text_of(validation.render(PASSED, PROFILE))
    assert text.count("Nothing was compared: no data have been accepted yet.") == 2


def test_figures_of_drift_stand_beside_the_accepted_ones(refused):
    text = text_of(refused)
    assert "3 of 3 features and 1 of 41 nodes stand out" in text
    assert "12 of 10,000 accepted examples are no longer there; 10,000 of 54,321 were" in text
    assert "grew moved integer → real 0 to 2 → 0 to 9.50 1 → 4 +2.50 0 0.410 limit 0.330" in (
        text.replace("1.00 → 4.00", "1 → 4")
    )
    assert "gone vanished binary 0 to 1" in text
    assert "train 1,000 → 1,200 depth 4 Features" in text


def test_lists_that_were_cut_say_so(refused):
    text = text_of(refused)
    assert "Listed are 1 of 7 groups" in text
    assert "… 3 more" in text
    assert "2 of 2" not in text


def test_figures_of_the_data_are_shown_where_there_is_a_profile(refused):
    assert "examples 1,234 train 800 valid 200 test 234 features 7 nodes 55 depth 4" in text_of(
        refused
    )


def test_what_is_code_stands_as_code_and_names_stay_names():
    report = copy.deepcopy(PASSED)
    report["drift"]["nothing"] = "`rarenode data accept` <b> accepts `these"
    page = validation.render(report, PROFILE)
    said = "Nothing was compared: <code>rarenode data accept</code> &lt;b&gt; accepts `these."
    assert page.count(said) == 2


def test_images_that_are_nearly_the_same_are_listed_where_examples_are_images():
    report = copy.deepcopy(PASSED)
    assert "nearly the same" not in validation.render(report, PROFILE)
    report["pictures"] = {"total": 0, "listed": []}
    assert "No image is nearly one of another split." in validation.render(report, PROFILE)
    report["pictures"] = {"total": 300, "listed": [f"{HOSTILE} (test) like e2 (train)"] * 200}
    page = validation.render(report, PROFILE)
    assert 'href="#pictures"' in page
    assert page.count(" (test) like e2 (train)</li>") == 200
    assert HOSTILE not in page
    assert "Listed are 200 of 300 images" in page


@pytest.mark.parametrize("length", [12, 13])
def test_long_lists_of_offenders_are_folded(length: int):
    report = copy.deepcopy(PASSED)
    group = {"examples": [{"id": "e", "split": "test"}], "total": 1, "same_labels": True}
    leak = {"feature": "f", "node": "n", "told": 1.0, "by": "value", "why": None}
    report["copies"] = {"total": length, "listed": [group] * length}
    report["leaks"] = {"total": length, "listed": [leak] * length}
    report["spellings"] = {"total": length, "listed": ["'a' and 'A'"] * length}
    page = validation.render(report, PROFILE)
    folded = page.count("<details>"), page.count("</details>")
    assert folded == ((3, 3) if length == 13 else (1, 1))
    assert (f"<summary>{length} features</summary>" in page) == (length == 13)
    assert f"<summary>{length - 10} more</summary>" in page
