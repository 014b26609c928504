"""What `--json` prints: one JSON document on stdout, whatever becomes of the command."""

import contextlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.errors import RarenodeError

SCHEMA = 1
_OUTCOMES = {0: "completed", 2: "refused"}  # by exit code; any other one: failed


def tell(work: Callable[[dict[str, Any]], int]) -> int:
    """Run a command whose stdout is one JSON document; what else it prints goes to stderr.

    Args:
        work: gets the document, to which it adds what it has done, and returns the exit code. The
            document has already the keys `schema`, `outcome` (completed; refused: the user can
            mend it; failed: a fault; interrupted) and `error`, a message or null.

    Returns:
        What `work` returns.
    """
    document: dict[str, Any] = {"schema": SCHEMA, "outcome": "failed", "error": None}
    try:
        with _stdout_kept():
            code = work(document)
        document["outcome"] = _OUTCOMES.get(code, "failed")
        return code
    except KeyboardInterrupt:
        document["outcome"] = "interrupted"
        raise
    except RarenodeError as error:
        document |= {"outcome": "refused", "error": str(error)}
        raise
    except Exception as error:
        document["error"] = f"{type(error).__name__}: {error}"
        raise
    finally:
        # ASCII: it is to come whatever stdout's encoding is, and whatever bytes a path has.
        print(json.dumps(_finite(document), indent=2, allow_nan=False), flush=True)


def _finite(value: Any) -> Any:
    """The same with null for NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def _stdout_kept() -> Iterator[None]:
    """Let what is printed go to stderr while the block runs, also what other processes print."""
    sys.stdout.flush()
    ours = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(ours, 1)
        os.close(ours)
