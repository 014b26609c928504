"""The encoder that the parameters ask for, before it learns anything."""

from pipeline.config.images import Encoder
from pipeline.encoders import networks
from pipeline.encoders.encoder import ImageEncoder
from pipeline.encoders.mixing import mixed_with_random
from pipeline.encoders.small import widths_of
from pipeline.errors import ConfigError

_MIDDLE, _SPREAD = 0.5, 0.25  # of pixels from 0 to 1


def build(options: Encoder, *, size: int, channels: int, seed: int) -> ImageEncoder:
    """An encoder with given or drawn weights, a share of which is random where so asked for.

    A small one has learnt nothing yet that could be mixed with what is drawn: `mixed_with_random`
    does so once it is pretrained.

    Args:
        options: see there.
        size: pixels a side of the images.
        channels: of the images.
        seed: of all that is drawn.

    Raises:
        ConfigError: options that do not fit the images, or each other, or a missing package.
        DatasetError: weights that cannot be had, or are those of something else.
    """
    if options.kind != "cnn":
        from pipeline.encoders.pretrained import pretrained  # needs an extra

        encoder = pretrained(options, size=size, channels=channels, seed=seed)
        return mixed_with_random(encoder, options.random_share, seed + 1).eval()
    config = {"channels": channels, "features": options.features, "widths": widths_of(size)}
    try:
        network = networks.drawn("cnn", config, size=size, seed=seed)
    except ValueError as error:
        raise ConfigError(f"expected an encoder for images of size {size}: {error}") from None
    return ImageEncoder(
        network,
        kind="cnn",
        config=config,
        size=size,
        channels=channels,
        mean=(_MIDDLE,) * channels,
        scale=(_SPREAD,) * channels,
    ).eval()
