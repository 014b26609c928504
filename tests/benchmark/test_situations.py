"""A study with settings says first what was not found, and nothing before all is there."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from pipeline.benchmark import pages, situations, study
from pipeline.benchmark.results import RARE, Table, mean_difference, settings_of
from pipeline.benchmark.study import Study
from pipeline.errors import RarenodeError

from .sample import COMPARED, IN_SETTINGS, Figures, cell, load, put, write
from .test_pages import row, rows, section

BETTER = {"macro_recall/half": 0.05, "macro_recall/tuned": 0.35, RARE: 0.1}
SET = "fashion_mnist"


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def filled(figures: Figures, **others: Figures) -> Study:
    """A study whose weighted cells have figures; those of a setting may be others."""
    grid = load(Path(), IN_SETTINGS)
    for one in grid.cells.values():
        weighted = one.method == "weighted-paper"
        put(grid, one, others.get(one.setting, figures) if weighted else {})
    return grid


def page(grid: Study) -> str:
    pages.write(grid)
    return Path(grid.page).read_text()


def words(text: str) -> dict[str, str]:
    """What was asked -> the word for it, in the order of the page."""
    lines = [line.strip("|").split("|") for line in text.splitlines() if "above `mcloss`" in line]
    return {line[1].strip().removesuffix(" above `mcloss`"): line[0].strip() for line in lines}


def test_what_is_higher_beyond_its_interval_is_met():
    text = page(filled(BETTER))
    assert text.startswith("# Harder\n\n## Verdict\n")
    assert [*words(text).values()] == ["met"] * 3
    assert "met, beyond the interval: macro recall at `half`, macro recall at `tuned`" in text
    assert "not met" not in text
    found = row(text, "met", "macro recall at `half` above `mcloss`")
    assert found[2] == "0.0500 against 0.0200: +0.0300 ± 0.0000"


def test_what_is_not_met_comes_first():
    text = page(filled({**BETTER, RARE: 0.07}))
    assert next(iter(words(text).items())) == ("macro AP on rare nodes", "**not met**")
    assert "over 3 settings: **not met**: macro AP on rare nodes; met, beyond" in text
    equal = page(filled({**BETTER, "macro_recall/tuned": 0.3}))
    assert words(equal)["macro recall at `tuned`"] == "**not met**"


def test_what_is_higher_by_chance_perhaps_is_said_to_be():
    # 0.04 and 0.02 higher in two seeds: t(0.975, 1) = 12.706 times 0.01.
    text = page(filled({**BETTER, "macro_recall/half": [0.06, 0.04]}))
    assert words(text)["macro recall at `half`"] == "met, but the interval holds 0"
    assert "+0.0300 ± 0.1271" in text


def test_a_mean_over_settings_is_paired_by_seed():
    # What one setting wins in a seed, another one loses.
    grid = filled(
        {}, half={"macro_recall/half": [0.03, 0.05]}, random={"macro_recall/half": [0.05, 0.03]}
    )
    table = Table(grid)
    pairs = [
        (table.found[f"{SET}, {name}", "weighted-paper"], table.found[f"{SET}, {name}", "mcloss"])
        for name in ("half", "random")
    ]
    found = mean_difference(pairs, "macro_recall/half")
    assert (found.mean, found.half) == (pytest.approx(0.02), pytest.approx(0, abs=1e-9))
    alone = mean_difference(pairs[:1], "macro_recall/half")
    assert alone.half == pytest.approx(12.706 * 0.01, rel=1e-3)
    assert alone == pairs[0][0].difference(pairs[0][1], "macro_recall/half")


def test_seeds_that_one_lacks_do_not_count():
    grid = filled(BETTER)
    put(grid, cell(grid, SET, "mcloss", "half"), {"macro_recall/half": 0.01}, seeds=[0])
    table = Table(grid)
    pairs = [
        (table.found[name, "weighted-paper"], table.found[name, "mcloss"])
        for name in grid.situations
    ]
    found = mean_difference(pairs, "macro_recall/half")
    assert found.mean == pytest.approx((0.04 + 0.03 + 0.03) / 3)


def test_without_every_cell_there_is_no_verdict():
    grid = filled(BETTER)
    grid.file(cell(grid, SET, "mcloss", "tuned")).unlink()
    put(grid, cell(grid, SET, "mcloss", "half"), seeds=[1])
    text = page(grid)
    assert "**No verdict yet: 2 of 6 cells lack a result.**" in text
    assert words(text) == {}
    differences = section(text, "Differences")
    assert rows(differences, "**all settings**") == rows(differences, "**frozen**") == []
    assert row(differences, "a random encoder")[1] == "+0.0300 ± 0.0000"
    assert "- fashion_mnist, tuned, mcloss\n" in text
    grid = load(Path(), IN_SETTINGS.replace("[0, 1]", "[7]"))
    assert "**No verdict yet: 6 of 6 cells lack a result.**" in page(grid)


def test_every_setting_has_its_figures_and_grids_their_means():
    costs: Mapping[str, object] = {"cpu_seconds": 20.0, "cpu_seconds_of_encoder": 4.5}
    grid = filled(BETTER)
    put(grid, cell(grid, SET, "weighted-paper", "half"), BETTER, cost=costs)
    text = page(grid)
    of_setting = section(text, "Setting by setting").partition("### half of it")[2]
    found = row(of_setting.partition("###")[0], "weighted-paper")
    assert found[1:3] == ["2", "5.00 ± 0.20"]
    assert found[6] == "0.1000 ± 0.0020"
    assert found[-1] == "24.5"
    assert "80 training and 20 test images; 3 of 11 nodes are rare." in of_setting
    assert row(section(text, "Differences"), "**frozen**")[1] == "+0.0300 ± 0.0000"
    assert row(section(text, "Cost"), "frozen", "weighted-paper")[2] == "2.2"
    fixed = row(section(text, "Fixed beforehand"), "random")
    assert fixed[1:] == ["a random encoder", "100 %", "images.encoder.random_share=1.0"]
    assert "--settings half --again" in text


def test_the_default_study_tells_of_others_on_its_first_lines():
    grid = filled({**BETTER, RARE: 0.07})
    pages.DEFAULT.parent.mkdir(parents=True)
    main = COMPARED.replace("page.md", "main.md\nbeside: [study.yaml]")
    write(pages.DEFAULT.parent, main)
    pages.write(grid)  # which writes both
    text = Path("main.md").read_text()
    assert text.index("[Harder](page.md): `weighted-paper` against") < text.index("## ")
    assert "**not met**: macro AP on rare nodes" in section(text, "Harder")
    assert "### Verdict" in section(text, "Harder")
    pages.write(study.load(pages.DEFAULT))
    assert Path("main.md").read_text() == text


def test_a_cell_has_the_parameters_of_its_setting_and_seed():
    grid = load(Path(), IN_SETTINGS)
    random = grid.config(cell(grid, SET, "mcloss", "random"), 1)
    assert random.images.encoder.random_share == 1
    assert (random.seed, random.images.seed, random.prepare.split_seed) == (1, 1, 1)
    assert random.images.fine_tune is None
    loss = {
        method: grid.config(cell(grid, SET, method, "tuned"), 0).images.fine_tune
        for method in ("mcloss", "weighted-paper")
    }
    assert {m: (f.variant, f.uncertainty) for m, f in loss.items() if f is not None} == {
        "mcloss": ("none", "none"),
        "weighted-paper": ("paper", "epistemic"),
    }


def test_what_the_seed_moves_is_no_setting_and_a_narrowed_study_has_the_same():
    grid = load(Path(), IN_SETTINGS)
    one = cell(grid, SET, "weighted-paper", "half")
    settings = settings_of(grid, one)
    assert settings["train_share"] == 0.5
    assert "split_seed" not in settings["prepare"]
    assert "seed" not in settings["images"]
    narrow = grid.only(one, 1)
    [same] = narrow.cells.values()
    assert settings_of(narrow, same) == settings
    assert narrow.config(same, 1) == grid.config(one, 1)
    assert narrow.file(same).name == grid.file(one).name == "fashion_mnist.half.weighted-paper.json"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("settings: [half, random]", "settings: [half, odd]", r"found \['odd'\]"),
        ("settings: [half, random]", "settings: [half, half]", "setting of frozen once"),
        ("settings: [tuned]", "settings: [half]", "found fashion_mnist, half, mcloss again"),
        ("train_share: 0.5", "train_share: 0.0", "settings.half.train_share"),
        ("images.encoder.random_share", "images.encoder.share", "images.encoder"),
    ],
)
def test_settings_that_cannot_be_are_refused(old: str, new: str, message: str):
    with pytest.raises(RarenodeError, match=message):
        load(Path(), IN_SETTINGS.replace(old, new))


def test_a_study_of_other_methods_has_no_verdict():
    grid = load(Path(), IN_SETTINGS.replace("[mcloss, weighted-paper]", "[mcloss, bce]"))
    for one in grid.cells.values():
        put(grid, one)
    assert situations.lines(Table(grid)) == []
    assert "**No verdict: no setting has both `weighted-paper` and `mcloss`.**" in page(grid)
