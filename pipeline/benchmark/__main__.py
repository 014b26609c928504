"""`python -m pipeline.benchmark STUDY DATASET METHOD [SETTING]`: run a cell, a stage of dvc.yaml.

With RARENODE_AGAIN in the environment seeds that have a result run, too. A line on stderr says what
is wrong if the user can mend it.
"""

import os
import sys
from pathlib import Path

from pipeline import parent, progress
from pipeline.benchmark import study
from pipeline.errors import ConfigError, RarenodeError

AGAIN = "RARENODE_AGAIN"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in `python -m pipeline`


def main(arguments: list[str]) -> int:
    """Run one cell; return 0, or 2 if the user can fix what stopped it."""
    path, *address = arguments
    parent.end_with_parent()
    try:
        grid = study.load(Path(path))
        found = [c for c in grid.cells.values() if c.address == address]
        if not found:
            raise ConfigError(f"expected a cell of {path}, found {', '.join(address)}")
        from pipeline.benchmark import cell  # torch: only after the environment is set

        cell.run(grid, found[0], again=AGAIN in os.environ)
    except RarenodeError as error:
        progress.refuse(str(error))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
