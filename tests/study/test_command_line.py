"""`rarenode study` as it is typed: what is wrong is one message, before anything runs."""

from pathlib import Path

import pytest

from pipeline import cli
from tests.study.workspace import PARAMS


@pytest.fixture(autouse=True)
def workspace(folder: Path) -> None:
    """It looks like one; nothing gets as far as running in it."""
    for name in (".git", ".dvc"):
        (folder / name).mkdir()
    (folder / "dvc.yaml").write_text("stages: {}\n")
    (folder / "params.yaml").write_text(PARAMS.replace("toy", "hpo_eye"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--trials", "0"], "expected a number of at least 1, found '0'"),
        (["--workers", "0"], "expected a number of at least 1, found '0'"),
        (["--workers", "many"], "expected a number of at least 1, found 'many'"),
        (["--objectives", "accuracy"], "invalid choice: 'accuracy'"),
        (["--objectives"], "expected at least one argument"),
        (["--choose", "-1"], "expected"),
        (["--choose", "best"], "expected a number of at least 0, found 'best'"),
        (["--name", "../../x"], "expected letters, digits and _ . - (at most 100), found"),
        (["--join", "--dashboard"], "not allowed with argument"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as refused:
        cli.main(["study", *arguments])
    assert refused.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--storage", "mysql://me:hush@host/db"], "--storage: expected sqlite, journal, postgres"),
        (["--storage", "postgresql://me:hush@127.0.0.1:1/db"], "expected a PostgreSQL database at"),
        (["--objectives", "macro_ap", "macro_ap"], "--objectives: expected each once"),
        (["--join", "--storage", "journal"], "expected the file data/prepared/dataset.json"),
        (["--dashboard", "--storage", "journal"], "expected the file data/prepared/dataset.json"),
    ],
)
def test_bad_request_is_one_message_and_nothing_is_written(
    arguments: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
):
    before = sorted(folder.rglob("*"))
    assert cli.main(["study", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "hush" not in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert sorted(folder.rglob("*")) == before
