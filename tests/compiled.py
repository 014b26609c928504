"""What numba has compiled, for copies of the working tree: it takes longer than what they run."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]


def carry(folder: Path) -> None:
    """Give a copy what is compiled here, where its files are those that are here.

    numba goes by a file's time and size: whoever copies must keep the times (`shutil.copy2`).
    """
    # An index names its data files, which are written before it.
    for kind in ("*.nbi", "*.nbc"):
        for path in (ROOT / "pipeline").rglob(f"__pycache__/{kind}"):
            copied = folder / path.relative_to(ROOT)
            copied.parent.mkdir(exist_ok=True)
            shutil.copy2(path, copied)
