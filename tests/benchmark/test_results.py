"""The page says what the results say, no more."""

from pathlib import Path

import pytest

from pipeline.benchmark import results
from pipeline.errors import ArtifactError

from .sample import load, put


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def page(folder: Path) -> str:
    grid = load(folder)
    results.write(grid, Path("study.yaml"))
    return Path(grid.page).read_text()


def row(text: str, *start: str) -> list[str]:
    """The cells of the row that starts so."""
    found = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| " + " | ".join(start) + " |")
    ]
    assert len(found) == 1, found
    return found[0]


def test_published_figures_stand_beside_the_mean_over_seeds(tmp_path: Path):
    grid = load(tmp_path)
    for cell in grid.all_cells()[:2]:
        put(grid, cell, 0.21 + 0.02 * cell.seed)
    found = row(page(tmp_path), "spo_FUN", "1", "0.215")
    # Two values 0.02 apart: t(0.975, 1) = 12.706, times a standard error of 0.01.
    assert found[3:6] == ["0.2200 ± 0.1271", "+0.0050", "2"]


def test_one_seed_has_no_interval(tmp_path: Path):
    grid = load(tmp_path)
    put(grid, grid.all_cells()[2], 0.75)
    found = row(page(tmp_path), "enron", "1", "0.756")
    assert found[3:6] == ["0.7500", "-0.0060", "1"]


def test_gains_are_shown_beside_those_at_equal_members(tmp_path: Path):
    grid = load(tmp_path)
    for cell in grid.all_cells():
        recall = {("mcloss", 1): 0.01, ("mcloss", 5): 0.02}.get((cell.method, cell.members), 0.05)
        put(grid, cell, 0.2, recall)
    text = page(tmp_path)
    assert row(text, "weighted/released", "5")[-2:] == ["5.00", "2.50"]
    assert row(text, "mcloss", "5")[-2:] == ["2.00", "1.00"]
    assert "### enron" not in text  # nothing to compare there
    assert "no result" not in text


def test_missing_cells_are_listed_first(tmp_path: Path):
    grid = load(tmp_path)
    put(grid, grid.all_cells()[0], 0.2)
    text = page(tmp_path)
    assert "**6 cells have no result of these settings yet:**" in text
    assert text.index("- enron, mcloss, 1 member, seed 0") < text.index("| spo_FUN | 1 | 0.215 |")
    assert "## The weighted loss" not in text


def test_a_result_of_other_settings_is_not_on_the_page(tmp_path: Path):
    grid = load(tmp_path)
    cell = grid.all_cells()[0]
    put(grid, cell, 0.99)
    file = Path(grid.results) / cell.file_name
    file.write_text(file.read_text().replace('"epochs": 115', '"epochs": 1'))
    text = page(tmp_path)
    assert "**7 cells have no result" in text
    assert "0.99" not in text


def test_a_bin_without_nodes_is_left_empty(tmp_path: Path):
    grid = load(tmp_path)
    for cell in grid.all_cells():
        put(grid, cell, 0.2)
    file = Path(grid.results) / grid.all_cells()[-1].file_name
    file.write_text(file.read_text().replace('"macro_ap": 0.05', '"macro_ap": null'))
    assert row(page(tmp_path), "mcloss", "5")[6] == ""
    assert row(page(tmp_path), "mcloss", "1")[6] == "0.0500 ± 0.0000"


def test_the_loss_of_each_row_is_named(tmp_path: Path):
    grid = load(tmp_path)
    for cell in grid.all_cells():
        put(grid, cell, 0.2)
    text = page(tmp_path)
    assert row(text, "weighted/released", "5")[2:4] == ["sum", "predictive"]
    assert row(text, "mcloss", "5")[2:4] == ["mean", "none"]


def test_every_result_has_its_command(tmp_path: Path):
    grid = load(tmp_path)
    for cell in grid.all_cells():
        put(grid, cell, 0.2)
    text = page(tmp_path)
    assert text.count("rarenode benchmark --study study.yaml --datasets ") == 7
    assert "--datasets spo_FUN --methods weighted/released --members 5 --seeds 1 --again" in text


def test_a_damaged_result_is_refused_by_name(tmp_path: Path):
    grid = load(tmp_path)
    cell = grid.all_cells()[0]
    put(grid, cell, 0.2)
    (Path(grid.results) / cell.file_name).write_text("{")
    with pytest.raises(ArtifactError, match=r"results/spo_FUN\.mcloss\.1\.0\.json"):
        results.write(grid, Path("study.yaml"))
    assert not Path(grid.page).exists()
