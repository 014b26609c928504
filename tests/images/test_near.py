"""Copies and near copies across splits."""

import io
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.images import store
from pipeline.images.agreement import agreement, thumbs
from pipeline.images.candidates import candidates
from pipeline.images.hashing import BITS, difference_hash, hashes
from pipeline.images.near import Pair, near_duplicates

SIDE = 32


def scene(seed, side=SIDE, channels=3):
    """Spots of several sizes, the small ones without colour, as in a photo."""
    random = np.random.default_rng(seed)
    layers: list[np.ndarray] = []
    for cells, colours, weight in ((3, 3, 0.5), (6, 1, 0.3), (12, 1, 0.2)):
        spots = random.integers(0, 256, (cells, cells, colours), dtype=np.uint8)
        image = Image.fromarray(spots if colours == 3 else spots[..., 0]).convert("RGB")
        layers.append(weight * np.asarray(image.resize((side, side), Image.Resampling.BICUBIC)))
    return sum(layers).astype(np.uint8)[..., :channels]


def encoded(pixels, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **options)
    return np.asarray(Image.open(file))


def resized(pixels, side):
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))


CHANGES = {
    "encoded": lambda pixels: encoded(pixels, quality=75),
    "encoded badly": lambda pixels: encoded(pixels, quality=40),
    "smaller": lambda pixels: resized(pixels, 60),
    "larger": lambda pixels: resized(pixels, 200),
    "lighter": lambda pixels: (pixels * 0.7 + 70).astype(np.uint8),
    "darker": lambda pixels: (pixels * 0.7).astype(np.uint8),
    "all of it": lambda pixels: encoded(resized((pixels * 0.8).astype(np.uint8), 90), quality=80),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found_and_nothing_else(change):
    count = 60
    files = [scene(seed, 4 * SIDE) for seed in range(count)]
    here = np.stack([resized(image, SIDE) for image in files])
    there = np.stack([resized(CHANGES[change](image), SIDE) for image in files])
    found = near_duplicates(np.concatenate([here, there]), None, ["a"] * count + ["b"] * count)
    assert [(pair.first, pair.second) for pair in found] == [
        (row, row + count) for row in range(count)
    ]
    assert {pair.kind for pair in found} == {"near"}
    assert all(0.985 <= pair.agreement <= 1 for pair in found)


def test_others_are_none():
    pixels = np.stack([scene(seed) for seed in range(200)])
    assert near_duplicates(pixels, None, ["a", "b"] * 100) == []


def test_another_colour_is_another_image():
    image = scene(0)
    pixels = np.stack([image, image[..., ::-1]])
    assert near_duplicates(pixels, None, ["a", "b"]) == []


def test_silhouettes_of_one_cut_are_none():
    """Their outlines differ a little, what is on them much."""
    pixels = np.zeros((2, 28, 28, 1), np.uint8)
    pixels[:, 4:24, 8:20] = 180
    pixels[0, 8:20, 10:18] += np.random.default_rng(0).integers(0, 70, (12, 8, 1), dtype=np.uint8)
    pixels[1, 8:20, 10:18] += np.random.default_rng(1).integers(0, 70, (12, 8, 1), dtype=np.uint8)
    assert near_duplicates(pixels, None, ["a", "b"]) == []


def test_equal_pixels_and_equal_files():
    pixels = np.stack([scene(0), scene(1), scene(0), scene(1), scene(0)])
    files = pd.DataFrame(
        {
            "sha256": ["x", "y", "x", "z", "w"],
            "hash": [difference_hash(image).hex() for image in pixels],
        }
    )
    assert near_duplicates(pixels, files, ["a", "a", "b", "b", "a"]) == [
        Pair(0, 2, "file", 1.0),
        Pair(1, 3, "pixels", 1.0),
        Pair(2, 4, "pixels", 1.0),
    ]


def test_one_split_alone_has_none():
    pixels = np.stack([scene(0)] * 3)
    assert near_duplicates(pixels, None, ["a"] * 3) == []


def test_plain_images_are_compared_as_equal_or_not():
    pixels = np.stack([np.full((16, 16, 1), level, np.uint8) for level in (0, 0, 255, 250)])
    assert near_duplicates(pixels, None, ["a", "b", "a", "b"]) == [Pair(0, 1, "pixels", 1.0)]


def test_thousands_of_equal_images_are_as_many_pairs():
    count = 3000
    pixels = np.zeros((count, 8, 8, 1), np.uint8)
    start = time.monotonic()
    found = near_duplicates(pixels, None, ["a"] + ["b"] * (count - 1))
    assert time.monotonic() - start < 10
    assert [(pair.first, pair.second) for pair in found] == [(0, row) for row in range(1, count)]


def test_many_near_copies_of_one_image_are_as_many_pairs():
    image, count = scene(0), 600
    noise = np.random.default_rng(0).integers(0, 3, (count, *image.shape), dtype=np.uint8)
    start = time.monotonic()
    found = near_duplicates(np.minimum(image, 252) + noise, None, ["a", "b"] * (count // 2))
    assert time.monotonic() - start < 10
    assert {row for pair in found for row in pair[:2]} == {*range(count)}
    assert all((pair.first + pair.second) % 2 for pair in found)
    assert len(found) < count


def test_near_copies_of_groups_that_lie_in_two_splits():
    """Both firsts are in split a; a copy of the second one is in b."""
    image = scene(0)
    other = encoded(image, quality=95)
    found = near_duplicates(np.stack([image, other, other]), None, ["a", "a", "b"])
    assert [(pair.first, pair.second, pair.kind) for pair in found] == [
        (0, 2, "near"),
        (1, 2, "pixels"),
    ]
    found = near_duplicates(np.stack([image, image, other]), None, ["a", "b", "a"])
    assert [(pair.first, pair.second, pair.kind) for pair in found] == [
        (0, 1, "pixels"),
        (1, 2, "near"),
    ]


def test_same_on_files_and_memory_maps(tmp_path):
    root = tmp_path / "images"
    root.mkdir()
    for seed in range(4):
        image = Image.fromarray(scene(seed, 200))
        image.save(root / f"{seed}.png")
        image.resize((120, 120)).save(root / f"{seed}.jpg", quality=80)
    names = [f"{seed}.{kind}" for kind in ("png", "jpg") for seed in range(4)]
    images = store.write(
        tmp_path / "store",
        names,
        root=root,
        size=64,
        channels=3,
        max_pixels=10**6,
        workers=0,
    )
    splits = ["train"] * 4 + ["test"] * 4
    found = near_duplicates(images.pixels, images.files, splits)
    assert [(pair.first, pair.second) for pair in found] == [(0, 4), (1, 5), (2, 6), (3, 7)]
    assert found == near_duplicates(np.array(images.pixels), None, splits)


def test_agreement_is_of_pairs_and_at_most_one():
    first = np.stack([scene(0), scene(1), np.zeros_like(scene(0))])
    second = np.stack([scene(0), scene(2), scene(0)])
    found = agreement(first, second)
    assert found.shape == (3,)
    assert found[0] == pytest.approx(1, abs=1e-6)
    assert found[1] < 0.9
    assert found[2] == 0
    assert thumbs(first).dtype == np.int8


@pytest.mark.parametrize("side", [8, 17, 33, 224])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_side(side, channels):
    pixels = np.stack([scene(seed, side, channels) for seed in (0, 0, 1)])
    assert hashes(pixels).shape == (3, BITS // 8)
    assert agreement(pixels[:1], pixels[1:2])[0] == pytest.approx(1, abs=1e-5)
    assert len(near_duplicates(pixels, None, ["a", "b", "c"])) == 1


def test_candidates_are_close_and_bounded():
    random = np.random.default_rng(0)
    codes = random.integers(0, 256, (500, 32), dtype=np.uint8)
    codes[1] = codes[0]
    codes[1, 3] ^= 0b101
    codes[200:400] = 0
    found = [*candidates(codes, np.arange(500.0), most=20, window=5, rounds=8)]
    assert len(found) == 8
    assert all(len(pairs) <= 500 * 5 for pairs in found)
    pairs = np.concatenate(found)
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert (pairs == (0, 1)).all(1).any()
    differ = np.bitwise_count(codes[pairs[:, 0]] ^ codes[pairs[:, 1]]).sum(1)
    assert differ.max() <= 20


def test_the_hash_does_not_see_brightness():
    image = scene(0)
    darker = (image * 0.5).astype(np.uint8)
    first, second = hashes(np.stack([image, darker]))
    assert np.bitwise_count(first ^ second).sum() <= 12
