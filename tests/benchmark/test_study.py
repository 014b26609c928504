"""A study is typed and checked, and DVC sees the cells that we see."""

import re
import shutil
from pathlib import Path

import pytest
from dvc.dependency import ParamsDependency
from dvc.repo import Repo

from pipeline.benchmark import pages, study
from pipeline.config.published import PUBLISHED
from pipeline.errors import RarenodeError

from .sample import COMPARED, TEXT, cell, load, write

ROOT = Path(__file__).parents[2]
STUDIES = sorted(file.parent.name for file in ROOT.glob("benchmarks/*/study.yaml"))


def test_cells_are_the_data_sets_times_the_methods_of_each_grid(tmp_path: Path):
    grid = load(tmp_path)
    start = f"{tmp_path}/dvc.yaml"
    assert {stage: (c.name, c.seeds) for stage, c in grid.cells.items()} == {
        f"{start}:one@spo_FUN-mcloss_1": ("spo_FUN, mcloss_1", [0, 1]),
        f"{start}:one@enron-mcloss_1": ("enron, mcloss_1", [0, 1]),
        f"{start}:five@spo_FUN-mcloss": ("spo_FUN, mcloss", [0]),
        f"{start}:five@spo_FUN-weighted-released": ("spo_FUN, weighted-released", [0]),
    }
    assert grid.datasets == ["spo_FUN", "enron"]
    assert grid.file(cell(grid, "enron", "mcloss_1")) == tmp_path / "results/enron.mcloss_1.json"


def test_a_cell_has_the_published_settings_of_its_data_set(tmp_path: Path):
    grid = load(tmp_path)
    config = grid.config(cell(grid, "spo_FUN", "weighted-released"), 7)
    assert (config.dataset, config.seed, config.train.members) == ("spo_FUN", 7, 5)
    assert config.train.epochs == PUBLISHED["spo_FUN"].epochs
    assert (config.train.weighting.variant, config.train.kinds) == ("released", ["network"])
    assert config.train.weighting.reduction == "sum"
    assert config.train.reduction == "mean"
    assert config.prepare.missing == "split_mean"
    assert (config.profile, config.tune.trials) == ("published", 0)


def test_the_networks_of_a_variant_are_alone_and_the_product_s_method_has_all_kinds(
    tmp_path: Path,
):
    text = COMPARED.replace("[ours, ", "[ours, weighted-none, weighted-released, ")
    grid = load(tmp_path, text)
    train = {
        method: grid.config(cell(grid, "spo_FUN", method), 0).train
        for method in ("ours", "weighted-none", "weighted-released")
    }
    assert len(train["ours"].kinds) > 1
    assert train["weighted-none"].kinds == train["weighted-released"].kinds == ["network"]
    assert train["weighted-none"].weighting.variant == "none"
    assert train["weighted-released"].weighting.variant == "released"


def test_a_cell_beside_ours_must_not_be_what_ours_yields(tmp_path: Path):
    with pytest.raises(RarenodeError, match="ours yields weighted-paper, which must be no cell"):
        load(tmp_path, COMPARED.replace("[ours, ", "[ours, weighted-paper, "))


def test_of_several_parameters_a_method_s_counts_before_a_data_set_s_before_those_of_all(
    tmp_path: Path,
):
    text = COMPARED + (
        "parameters:\n"
        "  mcloss: {train.epochs: 3}\n"
        "  spo_FUN: {train.epochs: 2, train.hidden: 20}\n"
        "  all: {train.epochs: 1, train.hidden: 10}\n"
    )
    grid = load(tmp_path, text)

    def found(dataset: str, method: str) -> tuple[int, int]:
        train = grid.config(cell(grid, dataset, method), 0).train
        return train.epochs, train.hidden

    assert found("enron", "bce") == (1, 10)
    assert found("spo_FUN", "bce") == (2, 20)
    assert found("spo_FUN", "mcloss") == (3, 20)
    assert found("enron", "mcloss") == (3, 10)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("spo_FUN, enron", "spo_FUM", "found 'spo_FUM'. Did you mean 'spo_FUN'?"),
        ("spo_FUN, enron", "hpo_eye", "a data set with published settings"),
        ("methods: [mcloss_1]", "methods: [mcloss_2]", "grids.one.methods.0: "),
        ("methods: [mcloss_1]", "methods: []", "grids.one.methods: "),
        ("seeds: [0, 1]", "seeds: []", "grids.one.seeds: "),
        ("seeds: [0, 1]", "seeds: [-1]", "grids.one.seeds.0: "),
        ("members: 5", "members: 0", "members: "),
        ("page: page.md\n", "", "page: Field required"),
        ("page: page.md", "pages: page.md", "page"),
        ("profile: published", "profile: nightly", "profile: "),
        ("[mcloss, weighted-released]", "[mcloss_1]", "each cell once, found spo_FUN, mcloss_1"),
        ("grids:", "development: [derisi_FUN]\ngrids:", "found ['derisi_FUN']"),
        ("grids:", "parameters: {bce: {train.epochs: 3}}\ngrids:", "found ['bce']"),
        ("grids:", "parameters: {all: {train.epoch: 3}}\ngrids:", "Did you mean 'epochs'?"),
        ("grids:", "parameters: {enron: {train.epochs: 0}}\ngrids:", "enron, mcloss_1: train.ep"),
        (TEXT, "", "expected sections"),
    ],
)
def test_a_study_that_cannot_be_run_is_one_message(
    old: str, new: str, message: str, tmp_path: Path
):
    assert old in TEXT
    path = write(tmp_path, TEXT.replace(old, new, 1))
    with pytest.raises(RarenodeError, match=re.escape(message)) as raised:
        study.load(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", STUDIES)
def test_the_stages_that_dvc_sees_are_the_cells_of_the_study(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    folder = Path("benchmarks") / name
    shutil.copytree(ROOT / folder, folder, ignore=lambda _, names: {"results"} & {*names})
    grid = study.load(folder / "study.yaml")
    Repo.init(".", no_scm=True).close()
    with Repo(".") as repo:
        stages = {stage.addressing: stage for stage in repo.index.stages}
    assert [*stages] == [*grid.cells]
    further = {"parameters", "settings", "seeded"}
    shared = {"profile", "members"} | {name for name in further if getattr(grid, name)}
    for address, one in grid.cells.items():
        stage = stages[address]
        file = grid.file(one)
        assert stage.cmd == f"python -m pipeline.benchmark {grid.path} {' '.join(one.address)}"
        assert Path(stage.wdir) == tmp_path
        # Not in DVC's cache, and not removed before a run: its other seeds are kept.
        assert [(out.fs_path, out.use_cache, out.persist) for out in stage.outs] == [
            (str(tmp_path / file), False, True)
        ]
        [parameters] = stage.deps
        seeds = f"grids.{address.partition(':')[2].partition('@')[0]}.seeds"
        assert parameters.fs_path == str(tmp_path / grid.path)
        assert isinstance(parameters, ParamsDependency)
        assert {*parameters.params} == {*shared, seeds}


def test_every_study_of_the_repository_has_a_page_of_its_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    loaded = {name: study.load(Path(f"benchmarks/{name}/study.yaml")) for name in STUDIES}
    assert pages.DEFAULT in [grid.path for grid in loaded.values()]
    assert len({grid.page for grid in loaded.values()}) == len(loaded)
    for name, grid in loaded.items():
        known = {grid.file(one).name for one in grid.cells.values()}
        left = {file.name for file in Path(f"benchmarks/{name}/results").glob("*")} - known
        assert not left, "results of no cell"
