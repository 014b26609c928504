"""Shapes in signatures are checked here, and tests run on one thread."""

from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
import torch
from jaxtyping import install_import_hook

ENCODERS = Path(__file__).parents[2] / "pipeline" / "encoders"
install_import_hook(
    [f"pipeline.encoders.{file.stem}" for file in ENCODERS.glob("[!_]*.py")], "beartype.beartype"
)

torch.set_num_threads(1)


@pytest.fixture
def as_users_call_it() -> Iterator[None]:
    """Without the tests' shape checks, so that the library's own messages are what is seen."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
