"""Tests of the library run on one thread, and can call it the way its users do."""

from collections.abc import Iterator

import jaxtyping
import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture
def as_users_call_it() -> Iterator[None]:
    """Without the tests' shape checks, so that the library's own messages are what is seen."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
