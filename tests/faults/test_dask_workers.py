"""Workers of a Dask cluster that die at random moments cost time, and nothing else."""

import os
import random
import time
from pathlib import Path
from typing import Any

from tests.services.dask_cluster import cluster, environment
from tests.services.test_dask import ended, found, serial, start, workspace

__all__ = ["serial"]  # a fixture
KILLS = int(os.environ.get("RARENODE_KILLS", "2"))


def test_workers_that_die_at_random_moments_and_come_back(serial: dict[str, Any], tmp_path: Path):
    moments, killed = random.Random(0), 0
    here = workspace(tmp_path / "here")
    # Else the fourth loss of the same seed is held to be the seed's own doing.
    allowed = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(KILLS)}
    with cluster(tmp_path / "dask", environment(tmp_path, **allowed)) as dask:
        process = start(here, "--cluster", dask.address)
        while process.poll() is None:
            time.sleep(moments.uniform(1, 12))
            if killed < KILLS and process.poll() is None:
                moments.choice([w for w in dask.workers if w.poll() is None]).kill()
                dask.worker()
                killed += 1
        code, _, err = ended(process)
    assert (code, err) == (0, "")
    assert killed
    assert found(here) == serial
