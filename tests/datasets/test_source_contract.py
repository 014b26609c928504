import pytest

from tests.datasets.contract import SourceContract
from tests.datasets.toy import Toy


class TestToy(SourceContract):
    @pytest.fixture(scope="class")
    @classmethod
    def source(cls):
        return Toy()
