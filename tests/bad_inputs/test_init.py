"""`rarenode init` on malformed tables: one message, exit code 2, and nothing changed."""

from pathlib import Path

import pytest

from tests.bad_inputs import workspace
from tests.bad_inputs.tables import CASES


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    workspace.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", CASES)
def test_malformed_input_is_one_message_that_names_the_place(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
):
    case = CASES[name]
    workspace.put(folder, case.files)
    message = workspace.refusal([*workspace.INIT, *case.options], capsys)
    place = -1
    for part in case.says:
        place = message.find(part, place + 1)
        assert place >= 0, f"{part!r} is not in {message}"
