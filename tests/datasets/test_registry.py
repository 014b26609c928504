import subprocess
import sys

import pytest

from pipeline.datasets import registry
from pipeline.datasets.source import Source
from pipeline.errors import DatasetError


def test_unknown_name_is_refused_with_the_known_ones_and_the_closest():
    with pytest.raises(DatasetError, match=r"hpo_eye, hpo_nervous.*'hpo_eyes'.*mean 'hpo_eye'"):
        registry.get("hpo_eyes")


def test_a_name_like_no_other_gets_no_suggestion():
    with pytest.raises(DatasetError, match=r"found 'zzz'\. `rarenode init` makes"):
        registry.check("zzz")


@pytest.mark.parametrize("name", registry.names())
def test_every_known_name_has_a_source(name):
    registry.check(name)
    assert isinstance(registry.get(name), Source)


def test_checking_a_name_loads_no_heavy_library():
    code = (
        "import sys; from pipeline.datasets import registry; registry.check('hpo_eye');"
        "heavy = {'torch', 'numpy', 'pandas', 'sklearn', 'networkx'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
