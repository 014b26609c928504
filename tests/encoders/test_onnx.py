"""Exported encoders: onnxruntime makes the same features of the same pixels."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from pipeline.config.images import Encoder
from pipeline.encoders.build import build
from pipeline.encoders.onnx import encoder_onnx

from .test_pretrained import CONFIGS

TOLERANCE = 1e-4


@pytest.mark.parametrize(
    ("kind", "size", "channels"),
    [
        ("cnn", 28, 1),
        ("cnn", 37, 3),
        ("resnet", 32, 1),
        ("vit", 32, 3),
        ("vit", 24, 1),
        ("convnext", 20, 3),
    ],
)
def test_features_are_the_same(kind: Any, size: int, channels: int) -> None:
    config = CONFIGS.get(kind, {}) | ({"image_size": 32} if kind == "vit" else {})
    encoder = build(Encoder(kind=kind, config=config), size=size, channels=channels, seed=0)
    shape = (6, size, size, channels)
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    exported = encoder_onnx(encoder)
    onnx.checker.check_model(onnx.load_from_string(exported), full_check=True)
    assert exported == encoder_onnx(encoder)
    session = onnxruntime.InferenceSession(exported)
    for count in (6, 1):
        (found,) = session.run(["features"], {"pixels": pixels[:count]})
        np.testing.assert_allclose(found, encoder.embed(pixels[:count]), atol=TOLERANCE)
