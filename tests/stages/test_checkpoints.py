"""The stage `train` goes on where it was killed, and ends with the same bytes."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import progress
from pipeline.artifacts import files, paths, prepared
from pipeline.hml.checkpoint import State
from pipeline.stages import checkpoints, train, tune
from pipeline.stages.checkpoints import Kept
from pipeline.stages.seconds import Seconds

from .problem import prepared_problem, small_config
from .test_train import trained

CONFIG = small_config(tune={"trials": 0}, train={"kinds": ["network", "forest"], "members": 4})
EPOCHS = CONFIG.train.epochs
METHODS = 3  # ours, bce and mcloss


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    prepared.write(prepared_problem())
    tune.run(CONFIG)
    monkeypatch.setattr(checkpoints, "PAUSE", 0.0)
    monkeypatch.setattr(checkpoints, "SHARE", math.inf)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("train"))
        prepared.write(prepared_problem())
        tune.run(CONFIG)
        return trained(CONFIG)


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    heard: list[str] = []
    monkeypatch.setattr(progress, "note", heard.append)
    return heard


def cut_off(monkeypatch: pytest.MonkeyPatch, after: int, config: Any = CONFIG) -> None:
    """Run the stage until so many checkpoints were written."""
    with monkeypatch.context() as patch:
        save, count = Kept.save, iter(range(1, after + 1))

        def until(self: Kept, state: State) -> None:
            save(self, state)
            if next(count) == after:
                raise KeyboardInterrupt

        patch.setattr(Kept, "save", until)
        with pytest.raises(KeyboardInterrupt):
            train.run(config)


def kept() -> list[Path]:
    return sorted(paths.CHECKPOINTS.glob("*"))


@pytest.mark.parametrize("after", [1, EPOCHS, EPOCHS + 2, METHODS * EPOCHS])
def test_the_same_bytes_and_no_epoch_is_done_twice(
    expected: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, notes: list[str], after: int
):
    cut_off(monkeypatch, after)
    assert len(kept()) == math.ceil(after / EPOCHS)
    saved: list[int] = []
    save = Kept.save

    def counting(self: Kept, state: State) -> None:
        saved.append(state.epoch)
        save(self, state)

    monkeypatch.setattr(Kept, "save", counting)
    assert trained(CONFIG) == expected
    assert len(saved) == METHODS * EPOCHS - after
    done = after % EPOCHS or EPOCHS
    assert notes[-1].endswith(f"going on after epoch {done} of {EPOCHS}")
    assert kept() == []  # the stage has ended well


@pytest.mark.parametrize("damage", ["empty", "half", "a bit", "the epoch", "text"])
def test_damaged_checkpoint_is_passed_over_with_a_note(
    expected: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, notes: list[str], damage: str
):
    cut_off(monkeypatch, 2)
    (path,) = kept()
    whole = path.read_bytes()
    content = bytearray(whole)
    content[-100] ^= 1
    damaged = {"empty": b"", "half": content[: len(content) // 2], "text": b"x" * 999}
    damaged["the epoch"] = whole.replace(rb"\"epoch\": 2", rb"\"epoch\": 3", 1)
    assert damaged["the epoch"] != whole
    path.write_bytes(damaged.get(damage, content))
    assert trained(CONFIG) == expected
    assert any(note.startswith(f"{path}: damaged (") for note in notes)


def test_other_parameters_and_data_start_from_the_beginning(
    monkeypatch: pytest.MonkeyPatch, notes: list[str]
):
    cut_off(monkeypatch, 1)
    cut_off(monkeypatch, 1, CONFIG.model_copy(update={"seed": 1}))
    assert len(kept()) == 1  # nobody goes on from the first one
    prepared.write(prepared_problem(seed=5))
    cut_off(monkeypatch, 1, CONFIG.model_copy(update={"seed": 1}))
    assert not notes
    # What the networks do not depend on changes nothing.
    section = CONFIG.train.model_copy(update={"kinds": ["network"], "beta": 2.0})
    cut_off(monkeypatch, 1, CONFIG.model_copy(update={"seed": 1, "train": section}))
    assert len(notes) == 1


def test_training_goes_on_where_no_checkpoint_can_be_written(
    expected: dict[str, bytes], notes: list[str]
):
    paths.STATE.mkdir(exist_ok=True)
    paths.CHECKPOINTS.write_text("a file")
    assert trained(CONFIG) == expected
    assert len(notes) == METHODS
    assert "no checkpoint can be written" in notes[0]


def test_they_are_written_now_and_then_and_after_the_last_epoch(monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    monkeypatch.setattr(checkpoints, "_clock", lambda: now[0])
    monkeypatch.setattr(checkpoints, "PAUSE", 10.0)
    monkeypatch.setattr(checkpoints, "SHARE", 0.02)
    keeper = Kept(paths.CHECKPOINTS / "a.safetensors", 50, Seconds(), lambda epoch: None)
    write = files.whole_file

    def slow(path: Path) -> Any:
        now[0] += 1.0
        return write(path)

    monkeypatch.setattr(files, "whole_file", slow)
    due: list[int] = []
    for epoch in range(1, 51):
        now[0] += 5.0
        if keeper.due(epoch):
            due.append(epoch)
            keeper.save(State(epoch, {"a": np.zeros(3)}, {}))
    assert due == [2, 12, 22, 32, 42, 50]  # after ten seconds, then 1 second in 50


def test_seconds_of_what_was_done_before_count_and_lost_ones_do_not(
    monkeypatch: pytest.MonkeyPatch,
):
    clock = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    monkeypatch.setattr("time.process_time", lambda: 2 * clock[0])
    first = Seconds()
    for _ in range(3):
        clock[0] += 2.0
        first.mark()
    told = first.kept()
    clock[0] = 7.0  # of another process
    resumed = Seconds()
    resumed.resume(told)
    clock[0] += 2.0
    resumed.mark()
    assert (resumed.networks, resumed.cpu_networks) == (8.0, 16.0)
    assert (resumed.epoch, resumed.cpu_epoch) == (2.0, 4.0)
    clock[0] += 1.0
    assert resumed.total() == 9.0
