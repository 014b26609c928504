"""The rows under pytest-benchmark. `make bench` runs them; `make test` does not look here."""

import time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.speed import memory, rows
from benchmarks.speed.rows import Row

_SECONDS = 1.0  # to spend on a row, if it takes no longer than that by itself


@pytest.mark.parametrize("row", rows.grid(), ids=str)
def test_row(row: Row, benchmark: BenchmarkFixture) -> None:
    """Time and peak memory of a row, beside the least that it has to do."""
    if reason := rows.skipped(row):
        pytest.skip(reason)
    work = rows.work(row)
    benchmark.extra_info |= {**row._asdict(), "bytes": work.bytes, "flops": work.flops}
    if benchmark.enabled:
        benchmark.extra_info["peak_bytes"] = memory.peak_of(rows.with_its_inputs, row)
    action = rows.build(row)
    action()
    started = time.perf_counter()
    action()
    once = time.perf_counter() - started
    rounds = 1 if once > 5 else min(200, max(5, round(_SECONDS / once)))
    # The first few calls still clear pages, until the heap has grown to what a call takes.
    benchmark.pedantic(action, rounds=rounds, warmup_rounds=0 if once > 5 else 4)
