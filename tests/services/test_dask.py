"""A study on a Dask scheduler and its workers gives what it gives here, whatever dies meanwhile."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from .dask_cluster import Cluster, cluster, environment

CELLS = 16
STUDY = """\
profile: quick
members: 4
page: page.md
parameters:
  all: {prepare.min_support: 0, train.hidden: 8, train.epochs: 2}
grids:
  one:
    datasets: [hpo_eye, hpo_nervous, enron, spo_FUN]
    methods: [mcloss, bce, weighted-paper, logistic_regression]
    seeds: [0]
  seeds:
    datasets: [diatoms]
    methods: [mcloss_1]
    seeds: [0, 1, 2]
"""
STAGE = """\
  {name}:
    matrix:
      dataset: ${{grids.{name}.datasets}}
      method: ${{grids.{name}.methods}}
    wdir: ..
    cmd: python -m pipeline.benchmark study/study.yaml ${{item.dataset}} ${{item.method}}
    params:
      - study/study.yaml:
          - grids.{name}.seeds
    outs:
      - study/results/${{item.dataset}}.${{item.method}}.json:
          cache: false
          persist: true
"""
STAGES = "vars: [study.yaml]\nstages:\n" + "".join(STAGE.format(name=n) for n in ("one", "seeds"))


def workspace(folder: Path) -> Path:
    """A workspace with a study of nothing but toys."""
    folder.mkdir()
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    Repo.init(str(folder)).close()
    (folder / "dvc.yaml").write_text("stages: {}\n")
    (folder / "study").mkdir()
    (folder / "study/study.yaml").write_text(STUDY)
    (folder / "study/dvc.yaml").write_text(STAGES)
    return folder


def start(folder: Path, *options: str, patience: float = 60, **changes: str) -> Any:
    """`rarenode benchmark` in a workspace."""
    code = (
        f"import sys\nfrom pipeline.cluster import connection\nconnection.PATIENCE = {patience}\n"
        "from pipeline import cli\nsys.exit(cli.main(sys.argv[1:]))\n"
    )
    arguments = ["benchmark", "--study", "study/study.yaml", *options]
    if "--datasets" not in options:
        arguments += ["--methods", "mcloss", "bce", "weighted-paper", "logistic_regression"]
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=environment(folder, OMP_NUM_THREADS="1", **changes),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: Any, seconds: float = 1500) -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=seconds)
    finally:
        process.kill()
    return process.returncode, out, err


def run(folder: Path, *options: str, **changes: Any) -> str:
    code, out, err = ended(start(folder, *options, **changes))
    assert (code, err) == (0, "")
    return out


def found(folder: Path) -> dict[str, Any]:
    """What results say, without what a machine says of itself; and the entries of dvc.lock."""
    files: dict[str, Any] = {}
    for path in sorted((folder / "study/results").glob("*.json")):
        content = json.loads(path.read_text())
        for one in content["runs"]:
            one["machine"].pop("threads")
            for method in one["methods"].values():
                method.pop("cost")
        files[path.name] = json.dumps(content)  # the order of keys counts, too
    lock = YAML(typ="safe", pure=True).load((folder / "study/dvc.lock").read_text())
    for stage in lock["stages"].values():
        for out in stage["outs"]:
            out.pop("md5"), out.pop("size")
    return {"files": files, "lock": lock["stages"]}


def wait_for(results: int, folder: Path, process: Any) -> None:
    """Until so many cells have one."""
    for _ in range(6000):
        if len([*(folder / "study/results").glob("[a-z]*.json")]) >= results:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    raise AssertionError("nothing came")


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the study gives on this machine."""
    return serially(tmp_path_factory)


# A fixture would be computed once for each module that imports it.
_SERIAL: list[dict[str, Any]] = []


def serially(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if _SERIAL:
        return _SERIAL[0]
    folder = workspace(tmp_path_factory.mktemp("serial") / "here")
    assert f"{CELLS} cells, 0 with a result, {CELLS} to run" in run(folder)
    result = found(folder)
    assert len(result["files"]) == len(result["lock"]) == CELLS
    _SERIAL.append(result)
    return result


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return workspace(tmp_path / "here")


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path / "dask", environment(tmp_path)) as started:
        yield started


def test_sixteen_cells_on_two_workers_are_those_of_the_serial_run(
    serial: dict[str, Any], here: Path, dask: Cluster
):
    dask.wait(2)
    out = run(here, "--cluster", dask.address)
    assert f"{CELLS} cells, 0 with a result, {CELLS} to run, on 2 workers." in out
    assert f"[{CELLS}/{CELLS}] " in out
    assert found(here) == serial
    assert "nothing to run" in run(here)
    left = [*(here.parent / "dask/local").rglob("*.json")]
    assert left == []  # workers keep raw files alone


def test_a_worker_that_is_killed_loses_nothing_that_is_finished(
    serial: dict[str, Any], here: Path, dask: Cluster
):
    process = start(here, "--cluster", dask.address)
    wait_for(3, here, process)
    early = {p.name: p.read_bytes() for p in (here / "study/results").glob("[a-z]*.json")}
    children = psutil.Process(dask.workers[0].pid).children(recursive=True)
    dask.workers[0].kill()
    code, _, err = ended(process)
    assert (code, err) == (0, "")
    assert found(here) == serial
    for name, content in early.items():
        assert (here / "study/results" / name).read_bytes() == content
    assert [child for child in children if child.is_running()] == []  # ended with the worker


def test_seeds_of_a_cell_come_back_one_by_one_and_in_the_order_of_the_study(
    here: Path, dask: Cluster
):
    run(here, "--cluster", dask.address, "--datasets", "diatoms")
    [file] = (here / "study/results").glob("*.json")
    assert [one["seed"] for one in json.loads(file.read_text())["runs"]] == [0, 1, 2]


def test_without_a_worker_the_study_ends_with_one_message_and_keeps_its_results(
    here: Path, dask: Cluster
):
    process = start(here, "--cluster", dask.address, patience=3)
    wait_for(1, here, process)
    for worker in dask.workers:
        worker.kill()
    code, out, err = ended(process, 200)
    assert code == 2
    assert err == (
        f"expected a worker at {dask.address}, found none for 3 s. What is finished is kept; the "
        "same command goes on from there.\n"
    )
    assert "failed" not in out
    done = len([*(here / "study/results").glob("[a-z]*.json")])
    dask.worker()
    dask.worker()
    dask.wait(2)
    again = run(here, "--cluster", dask.address, "--datasets", "diatoms")
    assert "1 cells, 0 with a result, 1 to run, on 2 workers." in again
    assert len([*(here / "study/results").glob("[a-z]*.json")]) == done + 1


def test_a_scheduler_that_goes_ends_the_study_with_one_message(here: Path, dask: Cluster):
    process = start(here, "--cluster", dask.address)
    wait_for(1, here, process)
    dask.scheduler.kill()
    code, _, err = ended(process, 200)
    assert code == 2
    assert re.fullmatch(r"expected the Dask scheduler at \S+ to stay, found .*\n", err)


def test_a_run_that_is_ended_takes_its_work_back(here: Path, dask: Cluster):
    process = start(here, "--cluster", dask.address)
    wait_for(1, here, process)
    process.terminate()
    code, _, err = ended(process, 200)
    assert code == 130
    assert err.startswith("Interrupted.")
    for _ in range(100):
        if not any(psutil.Process(w.pid).children() for w in dask.workers):
            return
        time.sleep(0.1)
    raise AssertionError("workers still work")


def test_nobody_at_the_address_is_one_message(here: Path):
    code, out, err = ended(start(here, "--cluster", "tcp://127.0.0.1:9"), 200)
    assert (code, out) == (2, "")
    assert err.startswith("expected a Dask scheduler at tcp://127.0.0.1:9, found: ")
    assert err.count("\n") == 1


def test_a_worker_with_other_code_is_refused_by_name(here: Path, dask: Cluster, tmp_path: Path):
    site = tmp_path / "other/sitecustomize.py"
    site.parent.mkdir()
    changed = "from pipeline.cluster import fingerprint\nfingerprint.PACKAGES = ('torch',)\n"
    changed += "fingerprint.version = lambda name: '1.0'\n"
    site.write_text((tmp_path / "site/sitecustomize.py").read_text() + changed)
    root = environment(tmp_path)["PYTHONPATH"].split(os.pathsep)[0]
    dask.worker(PYTHONPATH=os.pathsep.join([root, str(site.parent)]))
    dask.wait(3)
    code, out, err = ended(start(here, "--cluster", dask.address), 200)
    assert (code, out) == (2, "")
    assert re.match(
        r"worker tcp://127.0.0.1:\d+: expected numpy .*; torch \S+, found 1\.0; numba ", err
    )
    assert not (here / "page.md").exists()


def test_a_cluster_that_prefect_dask_starts_here(here: Path):
    with socket.socket() as other:  # as another cluster of this machine would have it
        with suppress(OSError):  # and one has
            other.bind(("127.0.0.1", 8787))
            other.listen()
        run(here, "--cluster", "local", "--datasets", "diatoms")
    [file] = (here / "study/results").glob("*.json")
    assert len(json.loads(file.read_text())["runs"]) == 3


def test_a_cluster_with_tls(here: Path, tmp_path: Path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    where = ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*made, *where], check=True, capture_output=True)
    files = ("--tls-ca-file", certificate, "--tls-cert", certificate, "--tls-key", key)
    client = {
        "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": str(certificate),
        "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT": str(certificate),
        "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY": str(key),
    }
    with cluster(tmp_path / "dask", environment(tmp_path), *map(str, files)) as dask:
        assert dask.address.startswith("tls://")
        asked = ("--cluster", dask.address, "--datasets", "diatoms")
        code, _, err = ended(start(here, *asked), 200)  # without a certificate
        assert code == 2
        assert err.startswith(f"expected certificates for {dask.address} in Dask's configuration")
        assert err.count("\n") == 1
        run(here, *asked, **client)
