"""What all tests share: hypothesis profile, and shapes in signatures that are checked."""

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

# Two processes of tests share two cores, and threads that wait for one another spin there: a fit of
# the kernel took 25 times the time. OpenBLAS has one thread, and OpenMP's sleep in between, here
# and in processes that tests start; what more threads do is tested where a test asks for them.
# numpy reads it when it is imported, which jaxtyping does.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

# Under nohup, and behind a script's `&`, these are ignored, by processes that tests start and end
# with them, too.
for _number, _default in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _default)

gc.disable()  # until the tests run: of their imports it takes a quarter, and finds nothing

# Before anything imports the library: from here on every shape in a signature is checked. The hook
# wraps functions inside their other decorators, and numba cannot compile what it wrapped: the
# compiled kernels (which have no shapes to check) are left out.
LIBRARY = Path(__file__).parents[1] / "pipeline" / "hml"
install_import_hook(
    [
        ".".join(("pipeline", "hml", *file.relative_to(LIBRARY).with_suffix("").parts))
        for file in LIBRARY.rglob("*.py")
        if not file.stem.endswith("kernels")
    ],
    "beartype.beartype",
)

settings.register_profile(
    "rarenode",
    deadline=None,
    max_examples=60,
    derandomize="CI" in os.environ,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],  # two shared cores are slow now and then
)
settings.load_profile("rarenode")

# The files that take longest, those before the others: else one process ends, and the other begins
# with them. xdist hands them out in this order (`--no-loadscope-reorder`). The first ones of `make
# test` compile the kernels that test_pipeline.py carries.
LONGEST = (
    "hml/test_estimator_checks.py",
    "hml/test_baselines.py",
    "test_pipeline.py",
    "flows/test_retrain.py",
    "flows/test_train.py",
    "flows/test_terminal.py",
    "datasets/test_icd10cm.py",
    "flows/test_benchmark.py",
    "flows/test_stages.py",
    "study/test_command.py",
    "study/test_lead.py",
    "stages/test_train.py",
    "stages/test_prepare.py",
    "stages/test_validate_findings.py",
    "test_doctor.py",
    "speed/test_harness.py",
    "test_own_images.py",
    "services/test_scheduled_retrain.py",
    "faults/test_kills.py",
    "services/test_dask.py",
    "services/test_retrain.py",
    "services/test_retrain_failures.py",
    "services/test_schedule.py",
    "faults/test_dask_workers.py",
    "faults/test_study.py",
    "faults/test_retrain.py",
    "services/test_postgresql.py",
    "services/test_dvc.py",
    "services/test_teams.py",
)
TESTS = Path(__file__).parent
# Fixtures that take half a minute and more; servers also go on working while nobody asks them.
SHARED = ("prefect_server", "prefect", "serial")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    gc.enable()


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files, and let one process have all tests that share what takes long."""
    assert [name for name in LONGEST if not (TESTS / name).is_file()] == []
    order = {TESTS / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(LONGEST)))
    for item in items:
        shared = [name for name in SHARED if name in getattr(item, "fixturenames", ())]
        group = shared[0] if shared else item.path.relative_to(TESTS).as_posix()
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """One temporary Prefect server for all tests that need one.

    Here, as a fixture that a module imports is another one, with another server.
    """
    import flows  # noqa: F401, I001  sets what Prefect reads from the environment
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=90):
        yield


@pytest.fixture(scope="session")
def trained_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that `rarenode predict` reads, see tests/prediction/trained.py; to be copied."""
    from tests.prediction.trained import train  # torch takes a while

    return train(tmp_path_factory.mktemp("trained"))
