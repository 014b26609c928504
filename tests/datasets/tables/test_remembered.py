"""What a file was found to hold is remembered as long as nothing about it changes."""

import os
from pathlib import Path

import pytest

from pipeline.datasets.tables import remembered
from pipeline.datasets.tables.remembered import Last


@pytest.mark.parametrize("most", [1, 2, 3])
def test_the_last_answers_are_kept_for_each_file_and_question(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(remembered, "_SETTLED", -1)
    read: list[str] = []

    def answer(path: Path, question: str) -> str:
        read.append(path.name + question)
        return path.read_text() + question

    last = Last(answer, len, most)
    one, other = tmp_path / "1", tmp_path / "2"
    for path in (one, other):
        path.write_text(path.name)
    for _ in range(2):
        assert [last(one, "a"), last(one, "b"), last(other, "a")] == ["1a", "1b", "2a"]
        assert last(other, "a") == "2a"
    assert read == ["1a", "1b", "2a"] * (1 if most == 3 else 2)
    one.write_text("3")
    os.utime(one, ns=(1, 1))
    assert [last(one, "a"), last(other, "a")] == ["3a", "2a"]


def test_what_is_large_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(remembered, "_SETTLED", -1)
    monkeypatch.setattr(remembered, "_KEPT", 3)
    path, read = tmp_path / "x", []
    path.write_text("")
    last = Last(lambda path, content: (read.append(path), content)[1], len)
    assert [last(path, "1234"), last(path, "1234"), last(path, "123"), last(path, "123")]
    assert len(read) == 3
