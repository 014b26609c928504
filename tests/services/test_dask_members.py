"""Members that are learnt on a Dask cluster are those of this machine, to the byte."""

import os
import subprocess
import sys
from pathlib import Path

from pipeline.artifacts import files, paths, prepared
from pipeline.cluster import connection
from tests.stages.problem import prepared_problem, small_config

from .dask_cluster import ROOT, cluster, environment

CODE = """\
import sys
from pipeline.config import parse
from pipeline.stages import train
from tests.services.test_dask_members import CONFIG
train.run(CONFIG)
"""
CONFIG = small_config(
    tune={"trials": 0}, train={"kinds": ["network", "forest", "kernel", "neighbours"]}
)


def trained(**variables: str) -> dict[str, bytes]:
    """Every file of every bundle, by a process that has one thread as the workers' have."""
    subprocess.run(
        [sys.executable, "-c", CODE],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | variables,
        check=True,
    )
    folder = Path("models")
    return {str(file): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_bundles_are_the_same_to_the_byte(tmp_path: Path, monkeypatch):
    from pipeline.stages import tune

    monkeypatch.chdir(tmp_path)
    prepared.write(prepared_problem())
    tune.run(CONFIG)
    here = trained()
    with cluster(tmp_path / "dask", environment(tmp_path)) as dask:
        there = trained(**{connection.VARIABLE: dask.address})
    assert there == here
    assert len(here) > 10
    spent = files.read_json(paths.COST)["methods"]
    assert all(spent[name]["train"]["seconds_per_epoch"] > 0 for name in ("ours", "bce"))
