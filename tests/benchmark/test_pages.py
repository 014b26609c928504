"""The page says what the results say, no more."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.benchmark import pages
from pipeline.benchmark.results import RAREST
from pipeline.errors import ArtifactError

from .sample import COMPARED, CONFIRMING, TEXT, cell, load, put


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def page(text: str = TEXT) -> str:
    grid = load(Path(), text)
    pages.write(grid)
    return Path(grid.page).read_text()


def rows(text: str, *start: str) -> list[list[str]]:
    """The cells of the rows that start so."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| " + " | ".join(start) + " |")
    ]


def row(text: str, *start: str) -> list[str]:
    """The only one."""
    found = rows(text, *start)
    assert len(found) == 1, found
    return found[0]


def section(text: str, title: str) -> str:
    return text.partition(f"## {title}\n")[2].partition("\n## ")[0]


def fill(text: str = TEXT, sets: Sequence[str] | None = None) -> None:
    """Results of all cells, or of those of some data sets."""
    grid = load(Path(), text)
    for one in grid.cells.values():
        if sets is None or one.dataset in sets:
            put(grid, one)


def test_published_figures_stand_beside_the_mean_over_seeds():
    grid = load(Path())
    put(grid, cell(grid, "spo_FUN", "mcloss_1"), {"micro_ap": [0.21, 0.23]})
    found = row(page(), "spo_FUN", "1", "0.215")
    # Two values 0.02 apart: t(0.975, 1) = 12.706, times a standard error of 0.01.
    assert found[3:6] == ["0.2200 ± 0.1271", "+0.0050", "2"]


def test_one_seed_has_no_interval_over_seeds():
    grid = load(Path())
    put(grid, cell(grid, "enron", "mcloss_1"), {"micro_ap": 0.75}, seeds=[0])
    assert row(page(), "enron", "1", "0.756")[3:6] == ["0.7500", "-0.0060", "1"]


def test_gains_are_shown_beside_those_at_equal_members():
    grid = load(Path())
    for one in grid.cells.values():
        recall = {"mcloss_1": 0.01, "mcloss": 0.02}.get(one.method, 0.05)
        put(grid, one, {"macro_recall/half": recall})
    text = page()
    assert row(text, "weighted-released", "5")[-2:] == ["5.00", "2.50"]
    assert row(text, "mcloss", "5")[-2:] == ["2.00", "1.00"]
    assert row(text, "mcloss_1", "1")[-2:] == ["1.00", "1.00"]
    assert "### enron" not in text  # nothing to compare there
    assert "Without a result" not in text
    assert "lack a result" not in text


def test_cells_without_a_result_are_counted_first_and_named():
    grid = load(Path())
    put(grid, cell(grid, "spo_FUN", "mcloss_1"))
    text = page()
    count = "**3 of 4 cells lack a result of these settings**"
    assert text.index(count) < text.index("| spo_FUN | 1 | 0.215 |")
    missing = [line for line in section(text, "Commands").splitlines() if line.startswith("- ")]
    assert missing == ["- enron, mcloss_1", "- spo_FUN, mcloss", "- spo_FUN, weighted-released"]
    assert "## The weighted loss" not in text


def test_a_result_of_other_settings_is_not_on_the_page():
    grid = load(Path())
    one = cell(grid, "spo_FUN", "mcloss_1")
    put(grid, one, {"micro_ap": 0.99})
    assert "0.99" in page()
    file = grid.file(one)
    file.write_text(file.read_text().replace('"epochs": 115', '"epochs": 1'))
    text = page()
    assert "**4 of 4 cells lack a result" in text
    assert "0.99" not in text
    assert pages.line(grid, one) == "no result"


def test_a_bin_without_nodes_is_left_empty():
    fill()
    grid = load(Path())
    put(grid, cell(grid, "spo_FUN", "mcloss"), {RAREST: None})
    text = page()
    assert row(text, "mcloss", "5")[6] == ""
    assert row(text, "mcloss_1", "1")[6] == "0.0500 ± 0.0000"


def test_the_loss_of_each_row_is_named():
    fill()
    text = page()
    assert row(text, "weighted-released", "5")[2:4] == ["sum", "predictive"]
    assert row(text, "mcloss", "5")[2:4] == ["mean", "none"]


def test_every_cell_has_its_command():
    fill()
    text = page()
    start = "rarenode benchmark --study study.yaml"
    assert f"All that is missing: `{start}`" in text
    assert f"{start} --datasets spo_FUN --methods mcloss_1 --again" in text


def test_the_default_study_needs_no_option():
    pages.DEFAULT.parent.mkdir(parents=True)
    grid = load(pages.DEFAULT.parent)
    pages.write(grid)
    assert "All that is missing: `rarenode benchmark`." in Path(grid.page).read_text()


def test_a_damaged_result_is_refused_by_name_and_no_page_is_written():
    grid = load(Path())
    one = cell(grid, "spo_FUN", "mcloss_1")
    put(grid, one)
    grid.file(one).write_text("{")
    with pytest.raises(ArtifactError, match=r"results/spo_FUN\.mcloss_1\.json"):
        page()
    assert not Path(grid.page).exists()


def test_the_cost_is_that_of_the_clock_where_that_alone_is_known():
    grid = load(Path())
    clock = {"seconds": 20.0, "seconds_per_epoch": 0.25}
    spent = {"cpu_seconds": 45.0, "cpu_seconds_to_predict": 0.5}
    put(grid, cell(grid, "spo_FUN", "mcloss"), cost=spent)
    put(grid, cell(grid, "spo_FUN", "weighted-released"))
    put(grid, cell(grid, "enron", "mcloss_1"), cost=clock)
    costs = section(page(), "Cost")
    assert row(costs, "spo_FUN", "mcloss")[2:] == ["45", "", "1.00", "0.5", ""]
    assert row(costs, "spo_FUN", "weighted-released")[2:] == ["90", "1.5", "2.00", "", "600"]
    assert row(costs, "enron", "mcloss_1")[2:] == ["20", "0.25", "", "", ""]


def test_all_hours_are_those_of_the_cells_and_of_nothing_twice():
    grid = load(Path(), COMPARED)
    for name in ("spo_FUN", "enron"):
        runs = {"cost": {"cpu_seconds": 3600.0, "cpu_seconds_to_predict": 720.0}}
        put(grid, cell(grid, name, "ours"), **runs)
    seeds = len(cell(grid, "enron", "ours").seeds)
    expected = f"together took {2 * 1.2 * seeds:.1f} hours of this kind"
    assert expected in section(page(COMPARED), "Cost")


def test_a_cell_in_one_line():
    grid = load(Path())
    one = cell(grid, "enron", "mcloss_1")
    assert pages.line(grid, one) == "no result"
    put(grid, one, {"micro_ap": [0.21, 0.23]})
    line = "micro AP 0.2200 ± 0.1271, macro AP 0.1000 ± 0.0000, macro recall at 0.5 2.00 ± 0.00 %"
    assert pages.line(grid, one) == line


def test_what_was_asked_stands_first_and_what_is_not_met_before_the_rest():
    grid = load(Path(), COMPARED)
    for one in grid.cells.values():
        if one.method in ("ours", "bce"):
            put(grid, one, {"macro_ap": 0.109 if one.method == "ours" else 0.1})
    text = page(COMPARED)
    titles = [line for line in text.splitlines() if line.startswith("## ")]
    assert titles[0] == "## What was asked, and what was found"
    assert titles[1] == "## Each method against `mcloss`"
    asked = section(text, "What was asked, and what was found")
    words = [line.split("|")[1].strip() for line in asked.splitlines() if line.startswith("| ")]
    words = words[2:]  # the table's head
    plain = [word.removeprefix("so far ") for word in words]  # some cells are missing
    order = ["**not met**", "no result yet", "met"]
    assert sorted(plain, key=order.index) == plain
    assert [*dict.fromkeys(plain)] == order
    counts = [plain.count(word) for word in ("met", "**not met**")]
    assert f"Of {len(words)} lines {counts[0]} are met and **{counts[1]} are not met**" in asked
    line = "macro AP at least 1.08 times `bce`, mean over confirmation sets, its difference above 0"
    assert row(asked, "met", line)[2].startswith("1.090 times")
    assert any(word.startswith("so far ") for word in words)  # what speaks of every method


def test_methods_are_compared_on_the_confirmation_sets_that_have_both():
    fill(COMPARED, [*CONFIRMING, "cellcycle_FUN"])
    grid = load(Path(), COMPARED)
    put(grid, cell(grid, "enron", "ours"), {"micro_ap": 0.26, "macro_ap": 0.8})
    grid.file(cell(grid, "spo_FUN", "bce")).unlink()
    # Of the set by which it was chosen, which does not count here.
    put(grid, cell(grid, "cellcycle_FUN", "ours"), {"micro_ap": 0.9, "macro_ap": 0.9})
    found = section(page(COMPARED), "Each method against `mcloss`")
    # (0.06 + 0 + 0) / 3, and the cube root of 8.
    ours = row(found, "ours", "3")
    assert ours[2].startswith("+0.0200 ± ")
    assert ours[3:] == ["2.000", "1.000", "1.000", "1.000"]
    assert row(found, "bce", "2")[2].startswith("+0.0000 ± ")


def test_data_sets_say_what_they_are_and_their_role():
    fill(COMPARED, ["enron", "cellcycle_FUN"])
    found = section(page(COMPARED), "Data set by data set")
    assert [line for line in found.splitlines() if line.startswith("### ")] == [
        "### enron",
        "### cellcycle_FUN",
    ]
    text = "80 training and 20 test examples, 11 scored nodes, of which 9 have a test positive."
    assert f"### enron\n\nA confirmation set: {text}" in found
    assert f"### cellcycle_FUN\n\nA development set: {text}" in found
    # Seeds alike: the interval is that of the replicates, 1.96 x 0.001.
    assert rows(found, "ours")[0][1:4] == ["2", "0.2000 ± 0.0020", "0.1000 ± 0.0020"]
    assert rows(found, "mcloss")[0][-1] == "12.00 ± 0.20"


def test_differences_are_ours_minus_a_baseline_s():
    grid = load(Path(), COMPARED)
    put(grid, cell(grid, "enron", "ours"), {"micro_ap": [0.22, 0.23]}, spread=0.002)
    put(grid, cell(grid, "enron", "bce"), {"micro_ap": [0.21, 0.22]}, spread=0.001)
    found = section(page(COMPARED), "Paired differences")
    assert row(found, "enron", "bce")[2] == "+0.0100 ± 0.0020"
    assert rows(found, "enron", "mcloss") == []


def test_nodes_that_a_data_set_does_not_have_are_left_empty_in_every_table():
    grid = load(Path(), COMPARED)
    for one in grid.cells.values():
        lacks: dict[str, Any] = {}
        if one.dataset == "enron":
            lacks = {"figures": {RAREST: None}, "brier_skill": {"rarity=100+": 0.02}}
        put(grid, one, **lacks)
    text = page(COMPARED)
    assert row(section(text, "Paired differences"), "enron", "bce")[4] == ""
    honest = row(section(text, "Honest cuts and probabilities"), "enron")
    assert honest[5:9] == ["", "", "", "+0.0200"]
    per_set = section(text, "Data set by data set").partition("### enron")[2]
    assert rows(per_set, "ours")[0][3:5] == ["0.1000 ± 0.0020", ""]


def test_signed_ranks_are_those_of_a_table():
    fill(COMPARED)
    grid = load(Path(), COMPARED)
    for place, name in enumerate([*CONFIRMING, "cellcycle_FUN"]):
        put(grid, cell(grid, name, "ours"), {"micro_ap": 0.21 + place / 100})
    found = section(page(COMPARED), "Over data sets")
    # All higher: two of 2^3 and of 2^4 arrangements of signs are as unequal.
    assert row(found, "bce", "confirmation", "3")[3] == "0.250 (3 of 3 higher)"
    assert row(found, "bce", "all", "4")[3] == "0.125 (4 of 4 higher)"
    assert rows(found, "ours") == []


def test_quarters_are_means_over_confirmation_sets():
    fill(COMPARED)
    grid = load(Path(), COMPARED)
    rare = {"macro_ap": 0.1, "recall/tuned": 0.5}
    common = {"macro_ap": 0.2, "recall/tuned": 0.6}
    quarters = {
        "rare": {"rare": rare, "common": common},
        "common": {"rare": {**rare, "macro_ap": 0.3}, "common": common},
    }
    for name in ("enron", "cellcycle_FUN"):
        put(grid, cell(grid, name, "bce"), quadrants=quarters)
    found = section(page(COMPARED), "Rare nodes are not rare observations")
    # One of three sets is another: (0.1 + 2 x 0.04) / 3 and so on.
    expected = ["0.0600", "0.1400", "0.1267", "0.1400", "0.3000", "0.4667", "0.3000", "0.4667"]
    assert row(found, "bce", "3")[2:] == expected


def test_promises_stand_beside_what_was_found():
    fill(COMPARED)
    grid = load(Path(), COMPARED)
    put(grid, cell(grid, "enron", "ours"), {"macro_f1/tuned": 0.1234})
    found = row(section(page(COMPARED), "Honest cuts and probabilities"), "enron")
    promised = ["11.00 ± 0.44", "11.00", "12.00 ± 0.44", "12.34"]
    assert found[1:] == [*promised, *["+0.0100"] * 4, *["0.010 (chance 0.054)"] * 2]


def test_gene_ontology_has_the_field_s_own_figures_by_namespace():
    grid = load(Path(), COMPARED)
    spaces = {"process": {"examples": 7, "f_max": 0.25, "s_min": 3.5}}
    put(grid, cell(grid, "cellcycle_GO", "bce"), cafa=spaces)
    found = section(page(COMPARED), "Gene ontology")
    assert row(found, "cellcycle_GO")[1:] == [
        "process",
        "bce",
        "7",
        "0.2500 ± 0.0000",
        "3.5000 ± 0.0000",
    ]


def test_depths_are_those_of_the_results():
    fill(COMPARED, ["enron"])
    found = section(page(COMPARED), "Macro AP by depth")
    assert row(found, "1", "3")[2:] == ["0.2500 ± 0.0000"] * 4
    assert row(found, "2", "3")[2:] == ["0.1500 ± 0.0000"] * 4


def test_a_study_without_any_result_has_a_page():
    text = page(COMPARED)
    assert "**16 of 16 cells lack a result" in text
    assert "Of 16 lines 0 are met and **0 are not met**" in text
