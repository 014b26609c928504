"""`python -m pipeline.benchmark STUDY CELL`: run one cell; `rarenode benchmark` calls it.

CELL is the cell as JSON. Its result goes to the study's folder; a line on stderr says what is wrong
if the user can mend it.
"""

import os
import sys
from pathlib import Path

from pipeline import progress
from pipeline.artifacts import files
from pipeline.benchmark import study
from pipeline.errors import RarenodeError

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in `python -m pipeline`


def main(arguments: list[str]) -> int:
    """Run one cell; return 0, or 2 if the user can fix what stopped it."""
    path, text = arguments
    try:
        grid = study.load(Path(path))
        one = study.Cell.model_validate_json(text)
        from pipeline.benchmark import cell  # torch: only after the environment is set

        files.write_json(Path(grid.results) / one.file_name, cell.run(one, grid.profile))
    except RarenodeError as error:
        progress.refuse(str(error))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
