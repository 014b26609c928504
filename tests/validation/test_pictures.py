"""What can be said of images without an encoder, and held against later ones."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from pipeline.artifacts.prepared import Images, Prepared
from pipeline.validation import drift, leaks, profile
from pipeline.validation.pictures import measured
from tests.validation.tiny import tiny

COUNT = 400


def photographs(*, light: float = 1.0, width: Any = 640, seed: int = 0) -> Prepared:
    """Noise of 8 x 8, an encoder's two features, which differ with the seed, and a column."""
    rng = np.random.default_rng(seed)
    pixels = (rng.integers(0, 256, (COUNT, 8, 8, 3)) * light).astype(np.uint8)
    files = pd.DataFrame({"name": [f"{row}.png" for row in range(COUNT)]})
    files["width"], files["height"] = width, 480
    age = np.tile(np.arange(8), COUNT // 8)
    return dataclasses.replace(
        tiny(
            np.stack([rng.normal(10 * seed, 1, COUNT), age, rng.normal(size=COUNT)], 1),
            labels=np.arange(COUNT) < COUNT // 4,
            feature_names=["image:0", "age", "image:1"],
        ),
        images=Images(pixels, files),
    )


def drifted(before: Prepared, after: Prepared) -> pd.DataFrame:
    one, other = measured(before), measured(after)
    found = drift.compare(profile.profile(one, "a"), profile.profile(other, "b"), other).features
    assert found is not None
    return found.set_index("feature")


def test_measures_take_the_place_of_an_encoders_features():
    data = photographs()
    found = measured(data)
    assert found.feature_names == (
        *("age", "image:brightness", "image:contrast", "image:width", "image:height"),
    )
    assert data.images is not None
    expected = data.images.pixels.reshape(COUNT, -1) / 255
    np.testing.assert_array_equal(found.features[:, 0], data.features[:, 1])
    np.testing.assert_allclose(found.features[:, 1], expected.mean(1), rtol=1e-6)
    np.testing.assert_allclose(found.features[:, 2], expected.std(1), rtol=1e-6)
    assert (found.features[:, 3:] == [640, 480]).all()


def test_without_images_nothing_changes():
    data = tiny([1.0, 2.0])
    assert measured(data) is data


def test_files_of_which_nothing_is_known_have_no_size():
    data = photographs()
    assert data.images is not None
    named = Images(data.images.pixels, data.images.files[["name"]])
    assert len(measured(dataclasses.replace(data, images=named)).feature_names) == 3


def test_another_encoder_is_no_drift_and_darker_or_smaller_images_are():
    same = drifted(photographs(), photographs(seed=1))
    assert not same[["new", "vanished", "widened", "beyond", "moved"]].any(axis=None)
    dark = drifted(photographs(), photographs(light=0.5))
    assert dark.loc["image:brightness", "moved"] == dark.loc["image:contrast", "moved"] == 1
    assert not dark.loc[["age", "image:width"], "moved"].any()
    small = drifted(
        photographs(width=np.resize([600, 700], COUNT)), photographs(width=np.full(COUNT, 64))
    )
    assert small.loc["image:width", "beyond"] == 1


def test_a_size_that_gives_the_label_away_is_a_leak_and_a_learnt_feature_is_none():
    telling = np.where(np.arange(COUNT) < COUNT // 4, 300, 800)
    data = photographs(width=telling)
    data.features[:, 0] = telling
    suspects = leaks.suspects(leaks.leaks(measured(data)))
    assert [suspect["feature"] for suspect in suspects] == ["image:width"]
