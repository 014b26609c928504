"""What the kernels compute is tested where they are used; here is how they are compiled."""

import os
import subprocess
import sys

SCRIPT = """
import numpy as np
from pipeline.hml import Hierarchy
print(Hierarchy.from_edges([("b", "a")]).close(np.array([[0, 1]])).tolist())
"""


def test_kernels_work_where_no_folder_can_keep_compiled_code():
    # This locator finds no folder for a plain file, as if there were none to write to.
    nowhere = os.environ | {"NUMBA_CACHE_LOCATOR_CLASSES": "ZipCacheLocator"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=nowhere, capture_output=True, text=True, check=False
    )
    assert done.stdout == "[[1, 1]]\n", done.stderr
