"""`python -m pipeline STAGE`: run one stage. dvc.yaml calls it; people call `rarenode run`."""

import argparse
import importlib
import os
import resource
import signal
import sys
import time

from pipeline import config, progress
from pipeline.artifacts import cost, manifest
from pipeline.errors import RarenodeError, TransientError

# Idle threads of torch's pool sleep instead of spinning: on a busy machine spinning made training
# six times slower, on an idle one it gains nothing. Has to be set before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

STAGES = ("fetch", "prepare", "validate", "analyze", "tune", "train", "evaluate", "report")


def main(arguments: list[str] | None = None) -> int:
    """Run a stage; return 0, or 2 if the user can fix what stopped it."""
    parser = argparse.ArgumentParser(prog="python -m pipeline", description="Run one stage.")
    parser.add_argument("stage", choices=STAGES)
    stage = parser.parse_args(arguments).stage
    try:
        _run(stage)
    except RarenodeError as error:
        progress.refuse(str(error), transient=isinstance(error, TransientError))
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _run(stage: str) -> None:
    settings = config.load()
    cost.forget_stage(stage)
    manifest.write(settings)  # before the stage too: the report shows it
    started = time.perf_counter()
    importlib.import_module(f"pipeline.stages.{stage}").run(settings)
    cost.record_stage(
        stage,
        seconds=round(time.perf_counter() - started, 2),
        peak_memory_mb=round(_peak_memory_mb()),
    )
    manifest.write(settings)


def _peak_memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # macOS counts bytes, Linux KiB


if __name__ == "__main__":
    # A flow that is stopped ends its stages so: as an exception, it takes half-written files along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
