"""What all tests share: hypothesis profile, and shapes in signatures that are checked."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

# Before anything imports the library: from here on every shape in a signature is checked. The hook
# wraps functions inside their other decorators, and numba cannot compile what it wrapped: the
# compiled kernels (which have no shapes to check) are left out.
LIBRARY = Path(__file__).parents[1] / "pipeline" / "hml"
install_import_hook(
    [
        ".".join(("pipeline", "hml", *file.relative_to(LIBRARY).with_suffix("").parts))
        for file in LIBRARY.rglob("*.py")
        if not file.stem.endswith("kernels")
    ],
    "beartype.beartype",
)

settings.register_profile(
    "rarenode",
    deadline=None,
    max_examples=60,
    derandomize="CI" in os.environ,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],  # two shared cores are slow now and then
)
settings.load_profile("rarenode")


@pytest.fixture(scope="session")
def trained_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that `rarenode predict` reads, see tests/prediction/trained.py; to be copied."""
    from tests.prediction.trained import train  # torch takes a while

    return train(tmp_path_factory.mktemp("trained"))
