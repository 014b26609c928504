"""Weaker encoders: as given at 0, without a trace of it at 1."""

import numpy as np
import pytest
import torch

from pipeline.config.images import Encoder
from pipeline.encoders.build import build
from pipeline.encoders.mixing import mixed_with_random

from .toy import SIZE, encoder, images


def test_a_share_of_0_changes_nothing_and_one_of_1_leaves_nothing() -> None:
    one, other = encoder(seed=1), encoder(seed=2)
    with torch.no_grad():
        for name, buffer in one.network.named_buffers():
            if name.endswith("running_mean"):
                buffer += 3
    before = one.files()
    assert mixed_with_random(one, 0.0, 5).files() == before
    assert mixed_with_random(one, 1.0, 5).files() == mixed_with_random(other, 1.0, 5).files()
    assert mixed_with_random(one, 1.0, 5).files() != mixed_with_random(one, 1.0, 6).files()
    assert one.files() == before


def test_a_share_between_moves_all_weights_towards_the_drawn_ones() -> None:
    ours = encoder()
    pixels, _ = images(30)
    ends = [mixed_with_random(ours, share, 5) for share in (0.0, 0.5, 1.0)]
    given, mixed, fresh = ([*end.network.parameters()] for end in ends)
    for low, middle, high in zip(given, mixed, fresh, strict=True):
        torch.testing.assert_close(middle, (low + high) / 2)
    features = [end.embed(pixels) for end in ends]
    assert not np.allclose(features[0], features[1])


def test_a_network_that_has_learnt_nothing_is_not_mixed() -> None:
    weak = build(Encoder(features=32, random_share=0.5), size=SIZE, channels=1, seed=0)
    assert weak.files() == encoder().files()


def test_a_share_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="share"):
        mixed_with_random(encoder(), 1.5, 0)
