"""`python -m tests.hml.golden`: write the curves of today."""

import json

import torch

from tests.hml.golden import OBJECTIVES, PATH, curve

torch.set_num_threads(1)
lines = [
    f"  {json.dumps(name)}: {json.dumps([float(f'{loss:.7g}') for loss in curve(objective)])}"
    for name, objective in OBJECTIVES.items()
]
PATH.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
print(f"wrote {len(lines)} curves to {PATH}")
