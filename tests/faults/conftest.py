"""A Prefect server for most of the runs: a temporary one for each would be most of the time."""

from tests.flows.conftest import prefect_server

__all__ = ["prefect_server"]
