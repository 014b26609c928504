"""Encoders as files, and what is damaged is refused."""

import json
import struct
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from pipeline.encoders.encoder import ImageEncoder, load
from pipeline.encoders.files import DESCRIPTION, WEIGHTS
from pipeline.errors import ArtifactError

from .toy import SIZE, encoder, images


def changed(files: dict[str, bytes], **values: Any) -> dict[str, bytes]:
    return files | {DESCRIPTION: json.dumps(json.loads(files[DESCRIPTION]) | values).encode()}


@pytest.mark.parametrize("channels", [1, 3])
def test_an_encoder_comes_back_from_its_files_to_the_same_bytes(channels: int) -> None:
    ours = encoder(channels=channels)
    pixels, _ = images(20, channels=channels)
    files = ours.files()
    again = load(files | {"another": b"file"})
    assert again.files() == files == encoder(channels=channels).files()
    np.testing.assert_array_equal(again.embed(pixels), ours.embed(pixels))
    assert (again.kind, again.size, again.channels, again.features) == ("cnn", SIZE, channels, 32)


def test_features_do_not_depend_on_batch_or_place_and_may_be_read_from_a_file(
    tmp_path: Any,
) -> None:
    ours, (pixels, _) = encoder(), images(50)
    np.save(tmp_path / "pixels.npy", pixels)
    mapped = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    whole = ours.embed(pixels)
    assert whole.dtype == np.float32
    assert np.median(whole.std(0)) > 0
    np.testing.assert_allclose(ours.embed(mapped, batch=7), whole, atol=1e-5)
    np.testing.assert_allclose(ours.embed(pixels[::-1].copy(), batch=1)[::-1], whole, atol=1e-5)
    np.testing.assert_array_equal(ours.embed(pixels), whole)


def test_embedding_leaves_the_encoder_in_its_mode_and_its_statistics_alone() -> None:
    ours = encoder().train()
    before = ours.files()
    ours.embed(images(10)[0])
    assert ours.training
    assert ours.files() == before


def test_embedding_no_image_gives_no_features() -> None:
    assert encoder().embed(images(3)[0][:0]).shape == (0, 32)


@pytest.mark.parametrize("size", [8, 28, 64])
def test_a_small_network_takes_other_sizes(size: int) -> None:
    pixels = np.zeros((3, size, size, 1), np.uint8)
    assert encoder(size=size).embed(pixels).shape == (3, 32)


@pytest.mark.usefixtures("as_users_call_it")
@pytest.mark.parametrize("shape", [(2, 8, 8, 1), (2, SIZE, SIZE, 3)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"uint8 of shape \(image, size, size, channel\)"):
        encoder().embed(np.zeros(shape, np.uint8))


def test_drawing_an_encoder_leaves_the_generator_of_others_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    encoder()
    load(encoder().files())
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize("name", [DESCRIPTION, WEIGHTS])
def test_a_missing_or_cut_file_is_refused(name: str) -> None:
    files = encoder().files()
    with pytest.raises(ArtifactError, match=name):
        load({other: content for other, content in files.items() if other != name})
    for end in (0, 4, 20, len(files[name]) - 2):
        with pytest.raises(ArtifactError, match="expected"):
            load(files | {name: files[name][:end]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema"),
        ({"schema": True}, "schema"),
        ({"kind": "resnext"}, "kind"),
        ({"kind": ["cnn"]}, "kind"),
        ({"kind": "vit"}, "layers|model_type|expected"),
        ({"size": 10**9}, "size"),
        ({"size": True}, "size"),
        ({"channels": 2}, "channels"),
        ({"channels": 3}, "channels"),
        ({"config": []}, "config"),
        ({"config": {}}, "expected"),
        ({"config": {"channels": 1, "features": 36, "widths": [16]}}, "shape"),
        ({"config": {"channels": 1, "features": 32, "widths": [16, 16]}}, "left over"),
        ({"config": {"channels": 1, "features": 32, "widths": [8] * 10**5}}, "more layers"),
        ({"config": {"channels": 1, "features": 10**12, "widths": [8]}}, "widths from 1"),
        ({"normalisation": {"mean": [0.5], "scale": [0.0]}}, "scale"),
        ({"normalisation": {"mean": [0.5]}}, "scale"),
        ({"normalisation": {"mean": [0.5] * 2, "scale": [1.0] * 2}}, "channels"),
        ({"normalisation": {"mean": 0.5, "scale": [1.0]}}, "expected"),
        ({"auto_map": {"AutoModel": "evil.Model"}}, "keys"),
    ],
)
def test_a_description_that_is_none_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        load(changed(encoder().files(), **change))


@pytest.mark.parametrize("content", [b"[]", b"null", b"\xff", b"[" * 100_000])
def test_a_description_that_is_no_object_is_refused(content: bytes) -> None:
    with pytest.raises(ArtifactError, match="expected"):
        load(encoder().files() | {DESCRIPTION: content})


def test_weights_that_claim_to_be_huge_are_refused() -> None:
    header = json.dumps({"x": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}})
    blob = struct.pack("<Q", len(header)) + header.encode() + b"\0" * 8
    with pytest.raises(ArtifactError, match="expected"):
        load(encoder().files() | {WEIGHTS: blob})


def test_weights_that_are_not_finite_are_refused() -> None:
    ours = encoder()
    with torch.no_grad():
        next(ours.network.parameters())[0] = float("nan")
    with pytest.raises(ArtifactError, match="NaN"):
        load(ours.files())


def test_channels_that_the_network_does_not_take_are_refused() -> None:
    ours = encoder()
    with pytest.raises(ValueError, match="1 or 1 channels"):
        ImageEncoder(
            ours.network, kind="cnn", config={}, size=8, channels=3, mean=(0.5,), scale=(1.0,)
        )


def test_features_of_a_small_network_come_in_fours() -> None:
    with pytest.raises(ValidationError, match="multiple of 4"):
        encoder(features=33)
