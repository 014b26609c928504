"""`dvc metrics show` and `dvc plots show` on what a run makes: the numbers of metrics.json."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from pipeline.artifacts import files, paths
from pipeline.stages import summary

from .conftest import ROOT, git
from .test_tables import BASELINES, metrics

BINS = ("0", "1-9", "10-29", "30-99", "100+")


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What metrics.json has, beside all that an evaluation leaves for DVC to show."""
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet")
    Repo.init(".").close()
    whole = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    with open("dvc.yaml", "w", encoding="utf-8") as stream:
        YAML().dump({key: whole[key] for key in ("metrics", "plots")}, stream)
    found = metrics()
    for place, entry in enumerate([found, *found["baselines"].values()]):
        test = entry["test"]
        test["by_rarity"] = [
            {"bin": name, "nodes": 3 + i, "macro_ap": 0.01 * place + 0.1 * i if i else None}
            for i, name in enumerate(BINS)
        ]
        test["by_depth"] = [
            {"depth": depth, "nodes": depth, "macro_ap": 0.02 * place + 0.1 * depth}
            for depth in range(1, 4)
        ]
    files.write_json(paths.METRICS, found)
    paths.EVALUATION.mkdir(parents=True)
    summary.write(found, paths.EVALUATION)
    return found


def dvc(*arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_metrics_show_has_the_numbers_of_metrics_json(built: dict[str, Any]):
    shown = json.loads(dvc("metrics", "show", "--json"))[""]["data"]
    (file,) = shown
    assert file == "reports/evaluation/headline.json"
    figures, test = shown[file]["data"], json.loads(paths.METRICS.read_text())["test"]
    assert figures["micro_ap"] == test["micro_ap"]
    assert figures["macro_ap"] == test["macro_ap"]
    assert figures["macro_f1"] == {name: one["macro_f1"] for name, one in test["rules"].items()}
    bins = {one["bin"]: one["macro_ap"] for one in test["by_rarity"] if one["macro_ap"] is not None}
    assert figures["macro_ap_of_positives"] == bins
    assert "0" not in bins  # nothing to be found there, and no gap in the table

    table = dvc("metrics", "show", "--md", "--precision", "6")
    head, _, values = (line.split("|")[2:-1] for line in table.strip().splitlines())
    row = dict(zip((cell.strip() for cell in head), map(float, values), strict=True))
    assert row["micro_ap"] == pytest.approx(test["micro_ap"], rel=1e-5)
    assert row["macro_f1.tuned"] == pytest.approx(test["rules"]["tuned"]["macro_f1"], rel=1e-5)


def test_plots_show_draws_the_slices_of_metrics_json(built: dict[str, Any], tmp_path: Path):
    drawn = json.loads(dvc("plots", "show", "--json", "--split", "--out", "plots"))["data"]
    for kind, key, column in (("by_rarity", "bin", "rarity"), ("by_depth", "depth", "depth")):
        (plot,) = drawn[f"reports/evaluation/{kind}.csv"]
        points = plot["anchor_definitions"]["<DVC_METRIC_DATA>"]
        expected = [one for one in built["test"][kind] if one["macro_ap"] is not None]
        assert [point[column] for point in points] == [str(one[key]) for one in expected]
        assert [float(point["macro_ap"]) for point in points] == pytest.approx(
            [one["macro_ap"] for one in expected]
        )
        with (paths.EVALUATION / f"{kind}.csv").open(encoding="utf-8") as stream:
            rows = [*csv.DictReader(stream)]
        for name in BASELINES:
            slices = built["baselines"][name]["test"][kind]
            assert [float(row[name]) for row in rows] == pytest.approx(
                [one["macro_ap"] for one in slices if one["macro_ap"] is not None]
            )


def test_plots_show_writes_a_page(built: dict[str, Any], tmp_path: Path):
    dvc("plots", "show", "--out", "plots")
    page = (tmp_path / "plots/index.html").read_text(encoding="utf-8")
    assert "Macro AP by the number of positives" in page
    assert "Macro AP by depth" in page
    shutil.rmtree(tmp_path / "plots")
