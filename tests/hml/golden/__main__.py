"""`python -m tests.hml.golden`: write the curves of today."""

import json
from collections.abc import Callable
from pathlib import Path

import torch

from tests.hml import golden

torch.set_num_threads(1)


def write(path: Path, curve: Callable[..., list[float]], digits: int) -> None:
    lines = [
        f"  {json.dumps(name)}: {json.dumps([float(f'{x:.{digits}g}') for x in curve(objective)])}"
        for name, objective in golden.OBJECTIVES.items()
    ]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"wrote {len(lines)} curves to {path}")


write(golden.PATH, golden.curve, 7)
write(golden.PRECISE, golden.precise_curve, 12)
