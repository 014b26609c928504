"""Journals lose no whole line, whatever ends the one that mends them."""

import resource
from pathlib import Path

import optuna

from pipeline.stages import journals


def test_mending_needs_no_room_on_the_disk_so_that_nothing_is_lost_where_there_is_none(
    tmp_path: Path,
):
    file = tmp_path / "x.journal"
    optuna.create_study(study_name="x", storage=journals.opened(file))
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"op_code": 5, "wor')
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        journals.opened(file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert file.read_bytes() == whole
