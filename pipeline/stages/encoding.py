"""Images of a data set -> features, by an encoder that is drawn, read, pretrained or fine-tuned."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import sparse

from pipeline import progress
from pipeline.artifacts.prepared import IMAGE, Images
from pipeline.config import Config
from pipeline.datasets.source import Features, RawDataset
from pipeline.datasets.tables.files import shown
from pipeline.errors import ConfigError, DatasetError
from pipeline.hml import Hierarchy, Objective

if TYPE_CHECKING:
    from pipeline.encoders.encoder import ImageEncoder


class Labelled(NamedTuple):
    """What an encoder may be fine-tuned on.

    Attributes:
        rows: (row,) of the training split.
        fit_rows: (row,) of train+valid, whose images may be looked at without their labels.
        closed: (example, node) boolean CSR.
        hierarchy: of the nodes.
        scored: (node,) bool.
        unknown: (example, node) boolean CSR, or None.
    """

    rows: np.ndarray
    fit_rows: np.ndarray
    closed: sparse.csr_array
    hierarchy: Hierarchy
    scored: np.ndarray
    unknown: sparse.csr_array | None


def with_images(
    made: Features,
    raw: RawDataset,
    labelled: Labelled,
    config: Config,
    pretrained: "ImageEncoder | None" = None,
) -> Features:
    """The features of a source, and beside them those of its images.

    Args:
        made: features of the source.
        raw: with images.
        labelled: what may be learnt from.
        config: what is asked for.
        pretrained: what `pretrained_of` gives, where that was done before.

    Raises:
        DatasetError: a feature of the source is called as one of an image, or all images are the
            same to the encoder.
        ConfigError: the encoder cannot be had.
        TrainingError: the encoder cannot be trained.
    """
    from pipeline.encoders.devices import device_of

    assert raw.images is not None
    # Whatever its number: by its name it would be taken for one of an image later on.
    if taken := [name for name in made.names if name.startswith(f"{IMAGE}:")]:
        raise DatasetError(
            f"expected features of other names than those of images, found {shown(taken[0])}"
        )
    pixels = raw.images.pixels
    if pretrained is None:
        pretrained = pretrained_of(raw, labelled.fit_rows, config)
    encoder = encoder_of(pretrained, raw, labelled, config)
    with progress.bar("encoding images", total=len(pixels), unit="image") as bar:
        values = encoder.embed(pixels, device=device_of(config.images.device))
        bar.advance(len(pixels))
    names = tuple(f"{IMAGE}:{number}" for number in range(values.shape[1]))
    # What says nothing among the images that may be looked at would say nothing to any member.
    varies = np.ptp(values[labelled.fit_rows], axis=0) > 0
    if not varies.any():
        raise DatasetError(
            "expected images that differ between the rows of train+valid, found that the encoder "
            "makes the same of all of them"
        )
    kept = tuple(name for name, keep in zip(names, varies, strict=True) if keep)
    together = np.concatenate([made.values, values[:, varies]], axis=1)
    return Features(together, (*made.names, *kept), {**made.encoder, **encoder.files()})


def pictures(raw: RawDataset) -> Images:
    """The images as the prepared data have them."""
    import pandas as pd

    assert raw.images is not None
    names = pd.DataFrame({"name": list(raw.images.names)}, dtype="str")
    facts = raw.images.facts
    return Images(raw.images.pixels, names if facts is None else names.join(facts))


def described(config: Config, raw: RawDataset) -> dict[str, Any]:
    """What dataset.json says of the images; `learnt_from` is the split whose labels were used."""
    assert raw.images is not None
    options, shape = config.images, raw.images.pixels.shape
    return {
        "size": shape[1],
        "channels": shape[3],
        "max_pixels": options.max_pixels,
        "encoder": options.encoder.model_dump(exclude_defaults=True)
        | {"kind": options.encoder.kind},
        "learnt_from": None if options.fine_tune is None else "train",
    }


def pretrained_of(raw: RawDataset, fit_rows: np.ndarray, config: Config) -> "ImageEncoder":
    """The encoder that params.yaml asks for, before any of it is random or fine-tuned.

    Args:
        raw: with images.
        fit_rows: (row,) of the images to learn from where the data set has no auxiliary ones.
        config: what is asked for.

    Raises:
        ConfigError, TrainingError: see `with_images`.
    """
    from pipeline.encoders.build import build
    from pipeline.encoders.pretraining import pretrain

    assert raw.images is not None
    options, images = config.images, raw.images
    size, channels = images.pixels.shape[1], images.pixels.shape[3]
    chosen = options.encoder
    encoder = build(chosen, size=size, channels=channels, seed=options.seed)
    if chosen.kind != "cnn" or not chosen.pretrain_epochs:
        return encoder
    # Rows, and no copy of the images: they may be more than fits into memory.
    looked_at, classes, rows = images.pixels, None, fit_rows
    if images.auxiliary is not None:
        looked_at, classes, rows = images.auxiliary, images.auxiliary_classes, None
    with progress.bar("pretraining", total=chosen.pretrain_epochs, unit="epoch") as bar:
        return pretrain(
            encoder,
            looked_at,
            classes,
            rows=rows,
            epochs=chosen.pretrain_epochs,
            on_epoch=lambda *_: bar.advance(1),
            **_common(config),
        )


def encoder_of(
    encoder: "ImageEncoder", raw: RawDataset, labelled: Labelled, config: Config
) -> "ImageEncoder":
    """A pretrained encoder, as random and as fine-tuned as params.yaml asks for.

    Raises:
        ConfigError: it is to be fine-tuned, and there is no validation split.
        TrainingError: see `with_images`.
    """
    from pipeline.encoders.fine_tuning import fine_tune
    from pipeline.encoders.mixing import mixed_with_random
    from pipeline.encoders.statistics import settle

    assert raw.images is not None
    options, chosen, images = config.images, config.images.encoder, raw.images
    if chosen.kind == "cnn":  # the others were mixed as soon as they had weights
        encoder = mixed_with_random(encoder, chosen.random_share, options.seed + 1)
    if chosen.random_share:  # what was mixed are no statistics of the mixture
        settle(encoder, images.pixels, labelled.fit_rows, seed=options.seed)
    if (tuning := options.fine_tune) is None:
        return encoder
    if len(labelled.fit_rows) == len(labelled.rows):
        raise ConfigError(
            "expected a validation split to place cuts by where images.fine_tune learns the "
            "labels of the training split, found no example in it. prepare.valid_share makes one"
        )
    with progress.bar("fine-tuning", total=tuning.epochs, unit="epoch") as bar:
        return fine_tune(
            encoder,
            raw.images.pixels,
            labelled.rows,
            labelled.closed,
            labelled.hierarchy,
            Objective(
                variant=None if tuning.variant == "none" else tuning.variant,
                mode=None if tuning.uncertainty == "none" else tuning.uncertainty,
            ),
            tuning,
            scored=labelled.scored,
            unknown=None if labelled.unknown is None else labelled.unknown[labelled.rows],
            on_epoch=lambda *_: bar.advance(1),
            **_common(config),
        ).encoder


def _common(config: Config) -> dict[str, Any]:
    """What pretraining and fine-tuning are told alike."""
    from pipeline.encoders.devices import device_of

    options = config.images
    return {
        "seed": options.seed,
        "device": device_of(options.device),
        "workers": options.workers,
        "augment": options.augment,
    }
