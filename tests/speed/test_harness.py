"""The harness at sizes that take seconds, so that it still works when somebody needs it."""

import io
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmarks.speed import (
    __main__ as command,
)
from benchmarks.speed import (
    bounds,
    breakdown,
    clock,
    machine,
    memory,
    problems,
    rows,
    scale,
    startup,
    table,
    workspace,
)
from benchmarks.speed.bounds import Bound
from benchmarks.speed.rows import Row
from pipeline.__main__ import STAGES
from pipeline.config import edit
from pipeline.datasets import registry
from pipeline.hml import Objective, Settings
from tests.datasets.toy import Toy

ROOT = Path(__file__).parents[2]
SETTINGS = Settings(members=2, hidden=8, layers=3, batch_size=4, objective=rows.OBJECTIVE)
MIB = 2**20


@pytest.fixture(scope="module")
def problem() -> problems.Problem:
    return problems.synthetic_problem(60, 24, 5)


@pytest.mark.slow
def test_rows_run_under_pytest_benchmark():
    command = [sys.executable, "-m", "pytest", "benchmarks/speed", "--benchmark-disable"]
    done = subprocess.run(
        [*command, "-k", "500-1 or epoch-100000-20"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rows.OPERATIONS)} passed, 1 skipped" in done.stdout


@pytest.mark.parametrize("operation", rows.OPERATIONS)
def test_every_operation_can_be_called_again_and_has_a_floor(operation: str):
    row = Row(operation, 40, 2)
    action = rows.build(row)
    action()
    action()
    assert rows.work(row).bytes > 0
    assert 0 < rows.needed(row) < rows.LIMIT
    assert rows.skipped(row) == ""


def test_grid_has_every_size_of_every_operation_and_leaves_out_what_is_too_large():
    grid = rows.grid()
    assert len(set(grid)) == len(rows.OPERATIONS) * len(rows.NODES) * len(rows.MEMBERS)
    assert "left out" in rows.skipped(Row("step", 100_000, 20))


def test_epochs_train_one_after_the_other_and_pass_on_what_goes_wrong(problem: problems.Problem):
    epochs = rows.Epochs(problem, SETTINGS)
    epochs()
    epochs()
    broken = replace(problem, labels=problem.labels[:, 1:])
    with pytest.raises(ValueError, match="labels must have shape"):
        rows.Epochs(broken, SETTINGS)


def allocating(size: int) -> Callable[[], object]:
    np.ones(64 * MIB, dtype=np.uint8)  # gone before the action: must not count
    return lambda: np.ones(size, dtype=np.uint8).sum()


def ending(_: int) -> Callable[[], object]:
    return lambda: sys.exit(3)


@pytest.mark.slow
def test_peak_memory_is_that_of_the_action_alone():
    assert memory.peak_of(allocating, 200 * MIB) == pytest.approx(200 * MIB, rel=0.05)
    assert memory.peak_of(allocating, 8) < 10 * MIB
    assert 0 < memory.peak_of(rows.with_its_inputs, Row("constraint", 500, 1)) < 50 * MIB


@pytest.mark.slow
def test_process_that_ends_early_is_no_measurement():
    with pytest.raises(MemoryError, match="ended early"):
        memory.peak_of(ending, 1)


def test_interleaved_actions_take_turns():
    calls: list[str] = []
    actions = {name: lambda name=name: calls.append(name) for name in "ab"}
    took = clock.interleaved(actions, rounds=2)
    assert "".join(calls) == "ababab"  # one round to warm up
    assert list(took) == ["a", "b"]
    assert min(took.values()) > 0


def test_machine_reaches_something():
    found = machine.measure(copied=2**20, side=128, rounds=2)
    assert found.bytes_per_second > 1e8
    assert found.flops_per_second > 1e8
    assert machine.describe(found)["threads"] >= 1


def test_bounds_are_measured(problem: problems.Problem):
    found = [
        *bounds.constraint(problem.hierarchy, "tiny", rows=4, rounds=2),
        *bounds.dense_product(problem.hierarchy, "tiny", rounds=1),
        *bounds.growth(nodes=(50, 100), rows=4, rounds=2),
        *bounds.epoch(problem, SETTINGS, 20, rounds=1, dense_rounds=2),
    ]
    assert len(found) == 6
    for bound in found:
        assert 0 < bound.measured < math.inf
        assert 0 < bound.limit < math.inf
        assert bound.detail


def test_step_ratio_is_measured_at_both_batch_sizes(problem: problems.Problem):
    found = list(bounds.training_step(problem, SETTINGS, seconds=0.05))
    assert [bound.name.rpartition(", ")[2] for bound in found] == ["batch 4", "batch 64"]
    assert all(0 < bound.measured < math.inf for bound in found)


@pytest.mark.parametrize(
    ("kind", "measured", "met"),
    [
        ("at most", 2.0, True),
        ("at most", 2.1, False),
        ("below", 1.9, True),
        ("below", 2.0, False),
        ("at least", 2.0, True),
        ("at least", 1.9, False),
        ("at least", math.nan, False),
        ("at most", math.nan, False),
    ],
)
def test_bound_is_met_on_its_side_of_the_limit(kind, measured: float, met: bool):
    assert Bound("a", measured, 2.0, kind).met is met


@pytest.mark.parametrize("constraint", [True, False])
def test_breakdown_of_a_step_accounts_for_all_of_its_time(
    problem: problems.Problem, constraint: bool
):
    settings = Settings(members=2, hidden=8, batch_size=4, objective=Objective(constraint))
    found = breakdown.of_step(problem, settings, steps=3)
    assert sum(found["shares"].values()) == pytest.approx(1, abs=0.02)
    assert {"Adam", "batches and Python", "backward: matrix products"} <= set(found["shares"])
    ours = [
        name for name in found["shares"] if name.startswith("backward: ") and name[10].isupper()
    ]
    assert bool(ours) is constraint  # a function of ours has its own line
    assert found["step_us"] > 0


@pytest.mark.slow
def test_start_of_the_command_is_measured():
    found = {bound.name: bound for bound in startup.interpreters(rounds=1)}
    assert 0 < found["`rarenode --help`"].measured < 5
    # The difference of two processes' times, so on a busy machine it may be below 0.
    assert -20 < found["`import pipeline.hml` beyond `import torch`"].measured < 20


def test_prefect_alone_has_as_many_tasks_as_the_pipeline_has_stages():
    assert len(STAGES) == workspace.STAGES


def test_the_tiny_budget_can_run(tmp_path: Path):
    copy = shutil.copy(workspace.ROOT / "params.yaml", tmp_path)
    assert edit.plan(workspace.TINY.items(), Path(copy)).config.train.members == 1


def test_scale_test_prepares_and_trains(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(registry._SOURCES, "toy", ("tests.datasets.toy", Toy.__name__, ()))
    found = scale.epoch("toy")
    assert found["nodes"] == 5
    assert found["seconds"] > 0
    assert found["peak_bytes"] >= found["prepared_bytes"] > 0


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a page to fill, and a command whose only parts are two that cost nothing."""
    monkeypatch.chdir(tmp_path)
    for path in (command.PAGE, command.RESULTS):
        path.parent.mkdir(parents=True)
    command.PAGE.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    monkeypatch.setattr(machine, "measure", lambda: machine.Machine(2e9, 3e9))
    kept, missed = Bound("kept", 1, 2), Bound("missed", 3, 2, detail="why")
    row = {"operation": "loss", "nodes": 5, "members": 1}
    full = {**row, "bytes": 4e9, "flops": 3e9, "seconds": 6.0, "peak_bytes": 7 * MIB}
    parts = {
        "start": lambda: command._verdicts([kept]),
        "bounds": lambda: command._verdicts([kept, missed]),
        "rows": lambda: {"rows": [full, {**row, "nodes": 6, "skipped": "left out: too large"}]},
    }
    monkeypatch.setattr(command, "PARTS", parts)
    return command.PAGE


def test_a_bound_that_is_not_met_is_the_exit_code(page: Path, capsys: pytest.CaptureFixture[str]):
    assert command.main(["start"]) == 0
    assert command.main(["start", "bounds"]) == 1
    assert "NOT MET: missed" in capsys.readouterr().out


def test_results_keep_the_parts_that_were_not_measured_and_the_page_quotes_all(
    page: Path, capsys: pytest.CaptureFixture[str]
):
    command.main(["bounds"])
    capsys.readouterr()
    command.main(["rows"])
    printed = capsys.readouterr().out
    assert "missed" not in printed  # what was not measured now is not printed
    assert set(json.loads(command.RESULTS.read_text())) == {"bounds", "rows"}
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| missed | 3 x | at most 2 x | NOT MET | why |" in text
    # 4 GB at 2 GB/s take two seconds, 3 GFlop at 3 GFlop/s one: six seconds are three floors.
    assert "| loss | 5 | 1 | 6.00 s | 7 MB | 2.00 s (memory) | 3.0 |" in text
    assert "| loss | 6 | 1 |  |  |  | left out: too large |" in text


def test_page_without_markers_is_refused(tmp_path: Path):
    other = tmp_path / "page.md"
    other.write_text("nothing")
    with pytest.raises(ValueError, match="expected the lines"):
        table.write(iter(()), other)


def test_terminal_shows_the_same_figures():
    out = io.StringIO()
    results = {"start": {"machine": machine.describe(machine.Machine(1e9, 1e9)), "bounds": []}}
    results["start"] |= command._verdicts([Bound("a bound", 0.25, 2, unit="s")])
    table.show(table.tables(results), Console(file=out, width=200))
    assert "0.25 s" in out.getvalue()
    assert "at most 2 s" in out.getvalue()


def test_the_page_has_its_markers():
    text = (ROOT / command.PAGE).read_text(encoding="utf-8")
    assert text.index(table.BEGIN) < text.index(table.END)
