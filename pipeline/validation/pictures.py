"""Images that are nearly the same in different splits, and what can be held against later ones."""

from dataclasses import replace

import numpy as np
import pandas as pd

from pipeline.artifacts.prepared import IMAGE, Prepared
from pipeline.images.near import near_duplicates

_VALUES = 1 << 24  # of pixels, read at a time: they are memory-mapped
_MEASURED = ("brightness", "contrast")
_OF_FILES = ("width", "height")


def pictures(data: Prepared) -> pd.DataFrame:
    """The examples with `picture` (id and the name of its like), `near` and `learnt`.

    `near` is 1 where an image of another split is the same or nearly so, re-encoded, resized or
    lighter (`images.near`), else 0. `learnt` is 1 for those of the test split where this one is in
    train or valid.
    """
    assert data.images is not None
    files = data.images.files if "hash" in data.images.files else None
    ids, names = data.examples["id"].to_numpy(), data.images.files["name"].to_numpy()
    near, learnt = np.zeros((2, len(ids)), np.int64)
    picture = ids.astype(object)
    splits = data.examples["split"].tolist()
    for pair in near_duplicates(data.images.pixels, files, splits):
        for one, other in ((pair.first, pair.second), (pair.second, pair.first)):
            if not near[one]:
                picture[one] = f"{ids[one]} ({splits[one]}) like {names[other]} ({splits[other]})"
            near[one] = 1
            learnt[one] |= splits[one] == "test"
    return pd.DataFrame({"picture": picture, "near": near, "learnt": learnt})


def near(table: pd.DataFrame) -> list[str]:
    """What is nearly an image of another split, of each that is."""
    return table.loc[table["near"] == 1, "picture"].tolist()


def measured(data: Prepared) -> Prepared:
    """The same data with measures of images in place of what an encoder makes of them.

    Another encoder makes other features, so these say nothing of how images have changed. The
    measures are `image:brightness` and `image:contrast`, mean and standard deviation of the values
    from 0 to 1, and the files' `image:width` and `image:height` in pixels where they are known.
    """
    if data.images is None:
        return data
    pixels, files = data.images.pixels, data.images.files
    measures = np.empty((len(pixels), len(_MEASURED)), np.float32)
    step = max(1, _VALUES // max(pixels[:1].size, 1))
    for start in range(0, len(pixels), step):
        block = pixels[start : start + step].reshape(len(pixels[start : start + step]), -1) / 255
        measures[start : start + step] = np.stack([block.mean(1), block.std(1)], 1)
    known = [name for name in _OF_FILES if name in files]
    own = [
        place for place, name in enumerate(data.feature_names) if not name.startswith(f"{IMAGE}:")
    ]
    return replace(
        data,
        features=np.concatenate(
            [data.features[:, own], measures, files[known].to_numpy(np.float32)], axis=1
        ),
        feature_names=(
            *(data.feature_names[place] for place in own),
            *(f"{IMAGE}:{name}" for name in (*_MEASURED, *known)),
        ),
    )
