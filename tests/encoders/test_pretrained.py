"""Encoders of transformers: drawn or read, kept as plain files, and no code comes along."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.config.images import Encoder
from pipeline.datasets.tables.source import ROOT
from pipeline.encoders import weights
from pipeline.encoders.build import build
from pipeline.encoders.encoder import ImageEncoder, load
from pipeline.encoders.files import DESCRIPTION
from pipeline.encoders.mixing import mixed_with_random
from pipeline.errors import ArtifactError, ConfigError, DatasetError, RarenodeError

SIZE = 32
OF_A_PHOTOGRAPH: dict[str, Any] = {"size": SIZE, "channels": 3, "seed": 0}
CONFIGS: dict[str, dict[str, Any]] = {
    "resnet": {
        "embedding_size": 8,
        "hidden_sizes": [8, 16],
        "depths": [1, 1],
        "layer_type": "basic",
    },
    "vit": {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "patch_size": 8,
    },
    "convnext": {"hidden_sizes": [8, 16], "depths": [1, 1]},
}
KINDS = sorted(CONFIGS)


def drawn(
    kind: Any, *, channels: int = 3, seed: int = 0, size: int = SIZE, **config: Any
) -> ImageEncoder:
    options = Encoder(kind=kind, config=CONFIGS[kind] | config)
    return build(options, size=size, channels=channels, seed=seed)


def images(channels: int = 3, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, size, size, channels)).astype(np.uint8)


@pytest.fixture(params=KINDS)
def published(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path, Any]:
    """A folder as the library itself writes it, of a classifier; with its body."""
    import transformers

    names = {"resnet": "ResNet", "vit": "ViT", "convnext": "ConvNext"}
    kind = request.param
    config: Any = getattr(transformers, f"{names[kind]}Config")(
        **CONFIGS[kind],
        **({"image_size": SIZE} if kind == "vit" else {}),
        **({"num_stages": 2} if kind == "convnext" else {}),
    )
    with torch.random.fork_rng(()):
        torch.manual_seed(7)
        model = getattr(transformers, f"{names[kind]}ForImageClassification")(config).eval()
    model.save_pretrained(tmp_path)
    return kind, tmp_path, getattr(model, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_an_encoder_comes_back_from_its_files(kind: str, channels: int) -> None:
    ours, pixels = drawn(kind, channels=channels), images(channels)
    again = load(ours.files())
    assert again.files() == ours.files() == drawn(kind, channels=channels).files()
    assert again.features == 16
    np.testing.assert_array_equal(again.embed(pixels), ours.embed(pixels))
    np.testing.assert_allclose(ours.embed(pixels, batch=2), ours.embed(pixels), atol=1e-5)
    assert drawn(kind, channels=channels, seed=1).files() != ours.files()


@pytest.mark.parametrize("kind", KINDS)
def test_a_grey_image_is_one_whose_colours_are_the_same(kind: str) -> None:
    grey = images(1)
    found = drawn(kind, channels=1).embed(grey)
    np.testing.assert_allclose(drawn(kind).embed(grey.repeat(3, 3)), found, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [8, 48])
def test_other_sizes_go_in(kind: str, size: int) -> None:
    config = {"image_size": SIZE} if kind == "vit" else {}
    assert drawn(kind, size=size, **config).embed(images(size=size)).shape == (5, 16)


@pytest.mark.parametrize("kind", KINDS)
def test_half_of_the_weights_may_be_drawn(kind: str) -> None:
    one, other = drawn(kind, seed=1), drawn(kind, seed=2)
    assert mixed_with_random(one, 0.0, 5).files() == one.files()
    assert mixed_with_random(one, 1.0, 5).files() == mixed_with_random(other, 1.0, 5).files()
    options = Encoder(kind=kind, config=CONFIGS[kind], random_share=0.5)  # pyright: ignore
    assert build(options, size=SIZE, channels=3, seed=1).files() != one.files()


def test_weights_are_where_the_workspace_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, folder = drawn("resnet"), tmp_path / "workspace" / "weights"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "resnet"} | CONFIGS["resnet"]))
    weights: dict[str, Any] = ours.network.model.state_dict()
    save_file(
        {name: value.contiguous() for name, value in weights.items()}, folder / "model.safetensors"
    )
    (tmp_path / "copy").mkdir()
    monkeypatch.chdir(tmp_path / "copy")
    options = Encoder(kind="resnet", weights="weights")
    with pytest.raises(DatasetError, match="weights"):
        build(options, size=SIZE, channels=3, seed=1)
    monkeypatch.setenv(ROOT, str(tmp_path / "workspace"))  # as a retrain says it
    assert build(options, size=SIZE, channels=3, seed=1).files() == ours.files()


def test_a_published_folder_gives_what_the_library_gives(
    published: tuple[str, Path, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    kind, folder, body = published
    capsys.readouterr()
    ours = build(Encoder(kind=kind, weights=str(folder)), size=SIZE, channels=3, seed=0)
    x = torch.from_numpy(images()).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        found = body((x - ours.mean) / ours.scale)
    expected = found.last_hidden_state[:, 0] if kind == "vit" else found.pooler_output.flatten(1)
    np.testing.assert_allclose(ours.embed(images()), expected, atol=1e-5)
    assert load(ours.files()).files() == ours.files()
    assert capsys.readouterr() == ("", "")


def test_half_precision_becomes_float32_and_a_folder_says_how_pixels_are_normalised(
    published: tuple[str, Path, Any],
) -> None:
    kind, folder, _ = published
    file = folder / "model.safetensors"
    halves = {
        name: value.half() if value.is_floating_point() else value
        for name, value in load_file(file).items()
    }
    save_file(halves, file)
    normalisation = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.2, 0.1]}
    (folder / "preprocessor_config.json").write_text(json.dumps(normalisation))
    ours = build(Encoder(kind=kind, weights=str(folder)), size=SIZE, channels=1, seed=0)
    assert {value.dtype for value in ours.parameters()} == {torch.float32}
    assert ours.normalisation == {"mean": [0.5, 0.4, 0.3], "scale": [0.2, 0.2, 0.1]}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"auto_map": {"AutoModel": "evil.Model"}}, "without code"),
        ({"model_type": "llama"}, "expected model_type .* found 'llama'"),
        ({"model_type": None}, "model_type"),
        ({"hidden_act": "__import__"}, "hidden_act"),
        ({"num_channels": 10**9}, "num_channels"),
    ],
)
def test_a_folder_with_another_configuration_is_refused(
    published: tuple[str, Path, Any], config: dict[str, Any], message: str
) -> None:
    kind, folder, _ = published
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | config))
    with pytest.raises(RarenodeError, match=message):
        build(Encoder(kind=kind, weights=str(folder)), size=SIZE, channels=3, seed=0)


def test_a_folder_with_damaged_or_without_weights_is_refused(
    published: tuple[str, Path, Any],
) -> None:
    kind, folder, _ = published
    options, file = Encoder(kind=kind, weights=str(folder)), folder / "model.safetensors"
    content, weights = file.read_bytes(), load_file(file)
    file.write_bytes(content[:-10])
    with pytest.raises(DatasetError, match="expected weights"):
        build(options, size=SIZE, channels=3, seed=0)
    first = next(
        name for name in weights if "projection" in name or "convolution" in name or "patch" in name
    )
    save_file({name: value for name, value in weights.items() if name != first}, file)
    with pytest.raises(DatasetError, match="missing_keys"):
        build(options, size=SIZE, channels=3, seed=0)
    file.unlink()
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(DatasetError, match=r"pytorch_model\.bin may hold code"):
        build(options, size=SIZE, channels=3, seed=0)


def test_weights_that_cannot_be_had_are_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        DatasetError, match="expected a folder with weights at /nowhere, found none"
    ):
        build(Encoder(kind="vit", weights="/nowhere"), size=SIZE, channels=3, seed=0)
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DatasetError, match=r"expected nobody/nothing on the hub .* give a folder"):
        build(Encoder(kind="vit", weights=f"hub:nobody/nothing@{'0' * 40}"), **OF_A_PHOTOGRAPH)


def test_the_hub_is_asked_for_a_commit(
    published: tuple[str, Path, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, folder, _ = published
    asked: list[Any] = []

    def downloaded(*names: str, **options: Any) -> str:
        asked.append((names, options))
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", downloaded)
    commit = "0123456789" * 4
    options: Any = {"kind": kind, "weights": f"hub:somebody/some.thing-1@{commit}"}
    found = build(Encoder(**options), **OF_A_PHOTOGRAPH)
    assert (
        found.files()
        == build(Encoder(**options | {"weights": str(folder)}), **OF_A_PHOTOGRAPH).files()
    )
    wanted = ["config.json", "model.safetensors", "preprocessor_config.json"]
    assert asked == [(("somebody/some.thing-1",), {"revision": commit, "allow_patterns": wanted})]


@pytest.mark.parametrize("name", ["a/b", "a/b@main", f"a/b/c@{'0' * 40}", f"@{'0' * 40}", "../b@0"])
def test_a_name_of_the_hub_without_a_commit_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"hub:OWNER/NAME@COMMIT .* found hub:"):
        Encoder(kind="vit", weights=f"hub:{name}")


def test_weights_are_pinned_by_their_content(
    published: tuple[str, Path, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    kind, folder, _ = published
    options: Any = {"kind": kind, "weights": str(folder)}
    ((key, sha256),) = weights.renewed(Encoder(**options))
    assert key == "images.encoder.sha256"
    pinned = Encoder(**options, sha256=sha256)
    assert weights.renewed(pinned) == []
    assert (
        build(pinned, **OF_A_PHOTOGRAPH).files()
        == build(Encoder(**options), **OF_A_PHOTOGRAPH).files()
    )
    (folder / "other.txt").write_text("is not read")
    assert weights.renewed(pinned) == []
    (folder / "preprocessor_config.json").write_text('{"image_mean": [0, 0, 0]}')
    assert [value for _, value in weights.renewed(pinned)] not in ([], [None], [sha256])
    with pytest.raises(
        DatasetError, match=rf"images\.encoder\.sha256 {str(sha256)[:12]}.* changed"
    ):
        build(pinned, **OF_A_PHOTOGRAPH)
    gone = tmp_path_factory.mktemp("gone") / "nothing"
    assert weights.renewed(pinned.model_copy(update={"weights": str(gone)})) == []
    # Of the hub, or drawn: what was the folder's is nothing to go by.
    for other in (f"hub:somebody/something@{'0' * 40}", None):
        assert weights.renewed(pinned.model_copy(update={"weights": other})) == [(key, None)]


def test_without_the_package_the_message_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"transformers, .* found none.*\.\[images\]"):
        drawn("vit")
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    from pipeline.encoders.devices import fabric_on

    with pytest.raises(ConfigError, match=r"lightning-fabric, .* found none.*\.\[images\]"):
        fabric_on(torch.device("cpu"))


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("vit", {"_attn_implementation": "someone/kernels"}),
        ("vit", {"num_attention_heads": 3}),
        ("vit", {"image_size": 4}),
        ("resnet", {"depths": [1]}),
        ("resnet", {"depths": [10**9, 1]}),
        ("resnet", {"hidden_sizes": "big"}),
        ("convnext", {"layer_norm_eps": float("nan")}),
        ("vit", {"num_channels": 1}),
    ],
)
def test_a_configuration_that_is_none_is_refused(kind: Any, config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"expected a configuration of {kind}"):
        drawn(kind, **config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"auto_map": {"AutoModel": "evil.Model"}}, "auto_map"),
        ({"model_type": "llama"}, "model_type"),
        ({"num_hidden_layers": 60_000}, "more layers than weights"),
        ({"num_hidden_layers": 1}, "left over"),
        ({"hidden_size": 32}, "shape"),
        ({"hidden_act": "evil"}, "hidden_act"),
    ],
)
def test_files_with_another_configuration_are_refused(change: dict[str, Any], message: str) -> None:
    files = drawn("vit").files()
    description = json.loads(files[DESCRIPTION])
    description["config"] |= change
    with pytest.raises(ArtifactError, match=message):
        load(files | {DESCRIPTION: json.dumps(description).encode()})
