"""A study's trials on a Dask cluster, in PostgreSQL."""

from pathlib import Path

import pytest

from pipeline.artifacts import files
from pipeline.cluster import connection
from pipeline.errors import ConfigError
from pipeline.study import command
from pipeline.study.on_cluster import OnCluster
from pipeline.study.results import FOLDER
from tests.services.dask_cluster import cluster as dask_cluster
from tests.services.dask_cluster import environment
from tests.services.postgresql import PASSWORD
from tests.study import workspace

TRIALS = 6


def test_workers_of_a_cluster_run_the_trials_of_a_study(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    workspace.fresh(tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    variables = environment(tmp_path, PGPASSWORD=PASSWORD)
    with (
        dask_cluster(tmp_path / "dask", variables) as started,
        connection.reach(started.address) as reached,
    ):
        asked = command.Asked(trials=TRIALS, storage=database)
        assert command.run(asked, lambda opened: OnCluster(opened, reached)) == 0
        finished = files.read_json(FOLDER / "trials.json")["trials"]
        assert len(finished) == TRIALS
        asked = command.Asked(trials=TRIALS, storage="journal")
        with pytest.raises(ConfigError, match="--cluster: expected --storage postgresql, found"):
            command.run(asked, lambda opened: OnCluster(opened, reached))
