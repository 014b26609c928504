"""Batches of a training: the same ones whoever makes them."""

import pickle
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.encoders.augmentation import augmented
from pipeline.encoders.feeding import Batch, Feeding, Source
from pipeline.encoders.waiting import waiting

from .toy import SIZE, encoder, images


def batches(
    pixels: np.ndarray, workers: int, *, epochs: int = 2, seed: int = 0, augment: bool = True
) -> list[Batch]:
    rows = np.arange(3, len(pixels))
    return list(
        Feeding(
            pixels,
            rows,
            epochs=epochs,
            batch_size=16,
            seed=seed,
            augment=augment,
            workers=workers,
        )
    )


def assert_same(one: list[Batch], other: list[Batch]) -> None:
    assert len(one) == len(other)
    for mine, theirs in zip(one, other, strict=True):
        assert torch.equal(mine.pixels, theirs.pixels)
        np.testing.assert_array_equal(mine.positions, theirs.positions)
        assert (mine.epoch, mine.last) == (theirs.epoch, theirs.last)


@pytest.mark.parametrize("mapped", [False, True])
def test_processes_make_the_same_batches_as_none(mapped: bool, tmp_path: Path) -> None:
    pixels = images(60)[0]
    if mapped:
        np.save(tmp_path / "pixels.npy", pixels)
        pixels = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    # What a process hands over, 5 or 3 batches, goes on into the next epoch.
    assert_same(batches(pixels, 0, epochs=5), batches(pixels, 1 if mapped else 2, epochs=5))


def test_an_epoch_shows_each_row_once_in_batches_of_nearly_the_same_size() -> None:
    pixels = images(60)[0]
    made = batches(pixels, 0, augment=False)
    for epoch in (1, 2):
        some = [batch for batch in made if batch.epoch == epoch]
        assert [batch.last for batch in some] == [False] * 3 + [True]
        assert [len(batch.pixels) for batch in some] == [14, 14, 14, 15]
        positions = np.concatenate([batch.positions for batch in some])
        assert sorted(positions) == list(range(57))
        shown = torch.cat([batch.pixels for batch in some]).permute(0, 2, 3, 1).numpy()
        np.testing.assert_array_equal(shown, pixels[3 + positions])
    assert not np.array_equal(made[0].positions, made[4].positions)


def test_another_seed_gives_another_order() -> None:
    pixels = images(60)[0]
    first, other = (batches(pixels, 0, seed=seed)[0].positions for seed in (0, 1))
    assert not np.array_equal(first, other)


def test_a_part_of_a_file_is_not_taken_for_its_beginning(tmp_path: Path) -> None:
    np.save(tmp_path / "pixels.npy", images(60)[0])
    whole = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    for pixels in (whole, whole[20:]):
        again = pickle.loads(pickle.dumps(Source(pixels, shared=True)))
        np.testing.assert_array_equal(again.take(np.array([3, 1])).numpy(), pixels[[3, 1]])


def test_what_a_process_is_told_fits_into_its_pipe() -> None:
    # Else whoever starts it waits for ever where it dies before it reads.
    feeding = Feeding(
        images(60)[0],
        np.arange(50_000) % 60,
        epochs=1,
        batch_size=64,
        seed=0,
        augment=False,
        workers=1,
    )
    assert len(ForkingPickler.dumps(feeding._pieces)) < 1 << 14


def test_an_iteration_that_is_left_early_leaves_no_process() -> None:
    feeding = Feeding(
        images(60)[0],
        np.arange(60),
        epochs=5,
        batch_size=8,
        seed=0,
        augment=True,
        workers=1,
    )
    for _ in feeding:
        break
    assert not torch.multiprocessing.active_children()


def test_no_row_is_refused() -> None:
    with pytest.raises(ValueError, match="rows"):
        Feeding(
            images(2)[0],
            np.zeros(0, np.int64),
            epochs=1,
            batch_size=8,
            seed=0,
            augment=True,
            workers=0,
        )


def test_augmented_images_are_near_the_given_ones() -> None:
    pixels = torch.zeros(200, SIZE, SIZE, 1, dtype=torch.uint8)
    pixels[:, 8, 5] = 100
    before = pixels.clone()
    found = augmented(pixels, torch.Generator().manual_seed(0))
    assert torch.equal(pixels, before)
    image, row, column, _ = found.nonzero().T
    assert image.tolist() == list(range(200))
    assert set(row.tolist()) == {7, 8, 9}
    assert set(column.tolist()) == {4, 5, 6, 9, 10, 11}
    light = found[image, row, column, 0].float()
    assert light.min() >= 79
    assert light.max() <= 120
    assert light.std() > 5


def test_nothing_is_mirrored_where_that_is_not_wanted() -> None:
    pixels = torch.zeros(200, SIZE, SIZE, 3, dtype=torch.uint8)
    pixels[:, 8, 3] = 100
    found = augmented(pixels, torch.Generator().manual_seed(0), mirror=False)
    assert set(found.nonzero()[:, 2].tolist()) == {2, 3, 4}


def test_what_a_training_waits_for_is_measured() -> None:
    clock = waiting(encoder(), images=200, workers=0, device=torch.device("cpu"))
    assert 0 < clock.waited < clock.total
    assert clock.share == clock.waited / clock.total
    assert clock.start > 0
