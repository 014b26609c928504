"""Images beside a manifest: from `rarenode init` to predictions of a folder."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from PIL import Image

from pipeline import cli, own_files
from pipeline.artifacts import paths
from pipeline.artifacts.prepared import Prepared
from pipeline.champion import committed, compare
from pipeline.champion.processes import git
from pipeline.config import edit, load, parse
from pipeline.datasets import registry
from pipeline.encoders import encoder
from pipeline.encoders.statistics import settle
from pipeline.errors import ConfigError, DatasetError
from pipeline.hml import Hierarchy, Settings, fit_members, load_bundle, save_bundle
from pipeline.images import workers
from pipeline.images.job import Outcome
from pipeline.prediction import images as looking
from pipeline.prediction import model as models
from pipeline.prediction.images import Looker
from pipeline.stages import bundling, evaluate, gallery, learning, linear_pixels, train
from pipeline.stages.prepare import prepare
from pipeline.validation import pictures
from tests.bad_inputs import workspace

COLOURS = {"warm/red": (200, 40, 40), "warm/yellow": (210, 200, 40), "cold/blue": (40, 60, 200)}
SMALL = {
    "size": 16,
    "workers": 0,
    "encoder": {"pretrain_epochs": 0, "features": 16},
    "device": "cpu",
}
INIT = (
    *("init", "--features", "manifest.csv", "--labels", "manifest.csv", "--images", "photos"),
    *("--label-column", "shown", "--groups", "roll"),
)

FOLDER = ("--input", "photos", "--output", "predicted.csv")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with 120 photographs of one colour each, a few noisy pixels on them."""
    folder = tmp_path_factory.mktemp("photos")
    workspace.make(folder)
    rng = np.random.default_rng(0)
    rows: list[dict[str, str]] = []
    for number in range(120):
        label = [*COLOURS][number % 3]
        noisy = np.array(COLOURS[label]) + rng.integers(-30, 30, (20, 24, 3))
        name = f"day{number // 40}/{number:03}.{'jpg' if number % 2 else 'png'}"
        (folder / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / "photos" / name)
        rows.append({"photo": name, "shown": label, "roll": f"r{number // 4}"})
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True, symlinks=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_broken_image_is_named_with_its_folder(folder: Path, capsys: pytest.CaptureFixture[str]):
    broken = Path("photos/day1/040.png")
    whole = broken.read_bytes()
    broken.write_bytes(whole[:60])
    assert workspace.refusal([*INIT], capsys).startswith(
        "photos/day1/040.png: expected a whole image, found a damaged one ("
    )
    broken.unlink()
    assert workspace.refusal([*INIT], capsys) == "photos/day1/040.png: expected a file, found none"
    broken.write_bytes(whole)
    assert cli.main([*INIT]) == 0
    broken.unlink()
    assert workspace.refusal(["run"], capsys) == "photos/day1/040.png: expected a file, found none"


def made(**sections: object) -> Prepared:
    """What fetch and prepare make of the workspace."""
    values = {"dataset": "manifest", "images": SMALL, "prepare": {"min_support": 1}}
    tables = load().tables
    assert tables is not None
    config = parse(values | {"tables": tables.model_dump()} | sections, "test")
    source = registry.of(config)
    raw_folder = paths.raw("manifest")
    source.fetch(raw_folder)
    return prepare(source.read(raw_folder), source, config)


def bundle(data: Prepared, folder: Path) -> Path:
    edges = data.edges.itertuples(index=False, name=None)
    fitted = fit_members(
        data.features,
        data.labels,
        Hierarchy.from_edges([*edges], nodes=[*data.nodes["id"]]),
        Settings(members=4, hidden=16, epochs=15, batch_size=16, learning_rate=0.01),
        seed=0,
        rows=data.rows("train", "valid"),
    )
    save_bundle(folder, fitted.ensemble(), card="# Card\n", extra=bundling.extra(data))
    return folder


def test_init_finds_the_column_and_pins_the_images(folder: Path):
    assert cli.main([*INIT]) == 0
    tables = load().tables
    assert tables is not None
    assert tables.images is not None
    assert (tables.features.image, tables.features.id, tables.images.path) == (
        *("photo", "photo"),
        "photos",
    )
    assert own_files.changed(load()) == []
    Image.new("RGB", (20, 20), "black").save(folder / "photos/day0/000.png")
    assert [key for key, _ in own_files.changed(load())] == ["tables.images.sha256"]


def test_init_reads_images_as_the_pipeline_will(folder: Path, capsys: pytest.CaptureFixture[str]):
    edit.plan([("images.max_pixels", 20 * 24 - 1)]).write()
    assert cli.main([*INIT]) == 2
    assert "at most 479 pixels" in capsys.readouterr().err
    edit.plan([("images.max_pixels", 20 * 24)]).write()
    assert cli.main([*INIT]) == 0


def committed_with(changes: list[tuple[str, Any]]) -> committed.Start:
    edit.plan(changes).write()
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    git("add", "--", "params.yaml")
    git(*identity, "commit", "--quiet", "--message", "parameters")
    return committed.look()


def test_a_retrain_sees_that_images_have_changed(folder: Path):
    git("init", "--quiet")
    assert cli.main([*INIT]) == 0
    before = committed_with([])
    assert committed.look().fingerprint == before.fingerprint
    Image.new("RGB", (20, 20), "black").save(folder / "photos/day0/000.png")
    changed = committed.look()
    assert [key for key, _ in changed.renewed] == ["tables.images.sha256"]
    assert changed.fingerprint["source"] != before.fingerprint["source"]
    # The same once it is committed: what was made of it needs no other model.
    assert committed_with(changed.renewed).fingerprint == changed.fingerprint


def test_a_retrain_sees_that_the_weights_of_an_encoder_have_changed(folder: Path):
    git("init", "--quiet")
    assert cli.main([*INIT]) == 0
    weights = folder / "weights"
    weights.mkdir()
    (weights / "config.json").write_text("{}")
    edit.plan([("images.encoder.kind", "vit"), ("images.encoder.weights", "weights")]).write()
    first = committed_with(own_files.changed(load()))
    assert first.renewed == []
    (weights / "config.json").write_text("{ }")
    changed = committed.look()
    assert [key for key, _ in changed.renewed] == ["images.encoder.sha256"]
    assert changed.fingerprint["source"] != first.fingerprint["source"]
    assert changed.fingerprint["settings"] == first.fingerprint["settings"]
    assert committed_with(changed.renewed).fingerprint == changed.fingerprint


def test_a_folder_is_predicted_by_what_was_learnt(folder: Path):
    assert cli.main([*INIT]) == 0
    data = made()
    assert data.images is not None
    assert data.images.pixels.shape == (120, 16, 16, 3)
    assert {"name", "sha256", "width"} <= {*data.images.files}
    assert data.info["images"]["learnt_from"] is None
    model = bundle(data, folder / "bundle")
    argv = ["predict", "--model", str(model), "--output", "out.csv", "--min-probability", "0"]
    assert cli.main([*argv, "--input", "photos"]) == 0
    found = pd.read_csv("out.csv").pivot_table(
        index="example", columns="node", values="probability"
    )
    assert found.index.tolist() == sorted(data.examples["id"])
    test = data.examples["id"].iloc[data.rows("test")]
    shown = pd.read_csv("manifest.csv").set_index("photo")["shown"]
    leaves = found.loc[test, [*COLOURS]]
    assert (leaves.idxmax(axis=1) == shown[test]).mean() > 0.9
    # The same by a table, whose names are relative to --images.
    pd.DataFrame({"photo": test}).to_csv("new.csv", index=False)
    assert cli.main([*argv, "--input", "new.csv", "--images", "photos"]) == 0
    again = pd.read_csv("out.csv").pivot_table(
        index="example", columns="node", values="probability"
    )
    np.testing.assert_allclose(again.loc[test], found.loc[test], atol=1e-5)


def test_files_that_are_no_images_are_refused_by_name(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    (folder / "photos/day1/041.jpg").write_bytes(b"no image")
    (folder / "photos/day2/100.png").unlink()
    before = Path("params.yaml").read_bytes()
    assert cli.main([*INIT]) == 2
    said = capsys.readouterr().err
    assert "day1/041.jpg" in said
    assert "day2/100.png" in said
    assert Path("params.yaml").read_bytes() == before


def test_predict_names_every_file_that_is_no_image(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    assert cli.main([*INIT]) == 0
    model = bundle(made(), folder / "bundle")
    for name in ("day0/000.png", "day2/119.jpg"):
        (folder / "photos" / name).write_bytes(b"no image")
    argv = ["predict", "--model", str(model), "--output", "out.csv"]
    assert cli.main([*argv, "--input", "photos", "--output", "p.csv"]) == 2
    said = capsys.readouterr().err
    assert "day0/000.png" in said
    assert "day2/119.jpg" in said
    assert not Path("out.csv").exists()


def test_a_folder_asks_for_an_output_as_a_table_does(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    assert cli.main([*INIT]) == 0
    argv = ["predict", "--model", str(bundle(made(), folder / "bundle")), "--input", "photos"]
    for output, said in (("out.txt", ".parquet"), ("nowhere/out.csv", "folder nowhere")):
        assert cli.main([*argv, "--output", output]) == 2
        assert said in capsys.readouterr().err


def test_a_name_that_is_no_text_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert cli.main([*INIT]) == 0
    model = bundle(made(), folder / "bundle")
    shutil.copy("photos/day0/000.png", os.fsdecode(b"photos/day0/\xff.png"))
    argv = ["predict", "--model", str(model), "--output", "out.csv"]
    assert cli.main([*argv, "--input", "photos", "--output", "p.csv"]) == 2
    assert "UTF-8" in capsys.readouterr().err


def test_images_are_held_a_few_at_a_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert cli.main([*INIT]) == 0
    model = bundle(made(), folder / "bundle")
    argv = ["predict", "--model", str(model), "--input", "photos", "--min-probability", "0"]
    assert cli.main([*argv, "--output", "whole.csv"]) == 0
    seen: list[int] = []
    features = Looker.features

    def counted(self: Looker, pixels: np.ndarray) -> np.ndarray:
        seen.append(len(pixels))
        return features(self, pixels)

    monkeypatch.setattr(Looker, "features", counted)
    monkeypatch.setattr(looking, "_HELD", 50 * 16 * 16 * 3)
    assert cli.main([*argv, "--output", "parts.csv"]) == 0
    assert seen == [50, 50, 20]
    one, other = (pd.read_csv(name)["probability"] for name in ("whole.csv", "parts.csv"))
    np.testing.assert_allclose(one, other, atol=1e-5)
    # What is wrong in several parts is named at once.
    for name in ("day0/000.png", "day2/119.jpg"):
        (folder / "photos" / name).write_bytes(b"no image")
    assert cli.main([*argv, "--output", "parts.csv"]) == 2
    said = capsys.readouterr().err
    assert "day0/000.png" in said
    assert "day2/119.jpg" in said


def test_images_that_are_predicted_may_be_as_large_as_those_of_the_training(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    assert cli.main([*INIT]) == 0
    model = bundle(made(images=SMALL | {"max_pixels": 20 * 24}), folder / "bundle")
    Image.new("RGB", (20, 25), "black").save(folder / "photos/day0/000.png")
    assert (
        cli.main(["predict", "--model", str(model), "--input", "photos", "--output", "p.csv"]) == 2
    )
    assert "day0/000.png: expected at most 480 pixels" in capsys.readouterr().err


def test_an_image_over_which_its_decoder_dies_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert cli.main([*INIT]) == 0
    model = bundle(made(), folder / "bundle")

    class Dying(workers.Worker):
        def take(self) -> Outcome | None:
            if self.todo[0][1] == "day0/001.jpg":
                self.process.kill()
                return None
            return super().take()

    monkeypatch.setattr(workers, "Worker", Dying)
    assert (
        cli.main(["predict", "--model", str(model), "--input", "photos", "--output", "p.csv"]) == 2
    )
    found = "found one that ended the process that decoded it (signal 9)"
    assert f"day0/001.jpg: expected an image, {found}" in capsys.readouterr().err


def test_a_feature_that_is_called_as_one_of_an_image_is_refused(folder: Path):
    rows = pd.read_csv("manifest.csv")
    rows.assign(**{"image:999": np.arange(120) % 7 + 0.5}).to_csv("manifest.csv", index=False)
    assert cli.main([*INIT]) == 0
    with pytest.raises(DatasetError, match="image:999"):
        made()


def test_fine_tuning_without_a_validation_split_is_refused(folder: Path):
    assert cli.main([*INIT]) == 0
    with pytest.raises(ConfigError, match=r"expected a validation split .*valid_share"):
        made(
            images=SMALL | {"fine_tune": {"epochs": 1}},
            prepare={"min_support": 1, "valid_share": 1e-9},
        )


def test_images_that_are_all_the_same_are_refused(folder: Path):
    for path in (folder / "photos").rglob("*.*"):
        Image.new("RGB", (20, 20), "black").save(path)
    assert cli.main([*INIT]) == 0
    with pytest.raises(DatasetError, match="images that differ"):
        made()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--images", "nowhere"), "folder"),
        (("--image", "shown"), "warm/red"),
        (("--image", "nothing"), "nothing"),
    ],
)
def test_init_says_what_is_missing(
    folder: Path, options: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
):
    assert cli.main([*INIT, *options]) == 2
    assert said in capsys.readouterr().err


def test_an_image_that_has_changed_is_not_read_in_silence(folder: Path):
    assert cli.main([*INIT]) == 0
    Image.new("RGB", (20, 20), "black").save(folder / "photos/day0/000.png")
    with pytest.raises(DatasetError, match=r"photos.*changed"):
        made()


def test_a_fine_tuned_encoder_is_judged_by_images_that_it_has_not_learnt_from(folder: Path):
    assert cli.main([*INIT]) == 0
    data = made(images=SMALL | {"fine_tune": {"epochs": 1, "heads": 2}})
    assert data.info["images"]["learnt_from"] == "train"
    assert not np.array_equal(data.features, made().features)
    problem, rows = learning.problem(data), data.rows("train", "valid")
    judged = train.judged(problem, rows)
    assert judged is not None
    np.testing.assert_array_equal(rows[judged], data.rows("valid"))
    # Pixels know no label, whoever has learnt from it.
    assert train.judged(linear_pixels.problem(problem), rows) is None


def test_a_mixed_encoder_goes_by_statistics_of_its_own(folder: Path):
    assert cli.main([*INIT]) == 0
    mixture = {"pretrain_epochs": 1, "features": 16, "random_share": 0.5}
    data = made(images=SMALL | {"encoder": mixture})
    assert data.images is not None
    again = encoder.load(dict(data.encoder))
    before = again.files()
    settle(again, data.images.pixels, data.rows("train", "valid"), seed=0)
    assert again.files() == before


def test_what_images_can_do_without_an_encoder(folder: Path):
    assert cli.main([*INIT]) == 0
    problem = learning.problem(made())
    pixels = linear_pixels.problem(problem).data.features
    assert pixels.shape == (120, 16 * 16 * 3)
    assert 0 <= pixels.min() < pixels.max() <= 1


def test_the_gallery_has_images_of_the_rarest_nodes(folder: Path):
    assert cli.main([*INIT]) == 0
    data = made()
    problem = learning.problem(data)
    ensemble = load_bundle(bundle(data, folder / "bundle"))
    seen = gallery.Gallery(ensemble, problem, problem.support())
    for rows, p in evaluate.on_test(ensemble, problem):
        seen.add(rows, p)
    found = seen.result()
    positives = problem.positives(data.rows("test"))
    assert len(found["nodes"]) == (positives > 0).sum()
    for node in found["nodes"]:
        place = problem.hierarchy.index[node["id"]]
        hits = problem.labels[data.rows("test")][:, [place]].sum()
        assert node["found"]["total"] + node["missed"]["total"] == hits


def test_a_champion_looks_at_images_with_its_own_encoder(folder: Path):
    assert cli.main([*INIT]) == 0
    data = made()
    champion = bundle(data, folder / "bundle")
    rows = data.rows("test")
    found = models.load(champion)
    encoded = compare._encoded(found, champion, data, rows, load())
    np.testing.assert_allclose(encoded, data.features[rows], atol=1e-4)
    other = made(images=SMALL | {"size": 8})
    with pytest.raises(compare.Incomparable, match="16, 16, 3"):
        compare._encoded(found, champion, other, rows, load())


def test_onnx_goes_from_pixels_to_the_same_probabilities(folder: Path):
    assert cli.main([*INIT]) == 0
    data = made()
    assert data.images is not None
    model = bundle(data, folder / "bundle")
    assert cli.main(["export", "--model", str(model), "--output", "all.onnx"]) == 0
    session = onnxruntime.InferenceSession("all.onnx", providers=["CPUExecutionProvider"])
    (p,) = session.run(None, {"pixels": np.asarray(data.images.pixels)})
    expected = load_bundle(model).predict_proba(np.asarray(data.features))
    np.testing.assert_allclose(p, expected, atol=1e-5)


def test_columns_beside_images_are_features_too(folder: Path):
    rows = pd.read_csv("manifest.csv")
    rows.assign(length=np.arange(120) % 7 + 0.5, place=["a", "b"] * 60).to_csv(
        "manifest.csv", index=False
    )
    assert cli.main([*INIT]) == 0
    data = made()
    assert data.feature_names[:3] == ("length", "place=a", "place=b")
    assert data.feature_names[3] == "image:0"
    model = bundle(data, folder / "bundle")
    argv = ["--model", str(model), "--output"]
    rows = pd.read_csv("manifest.csv")[["photo", "length", "place"]]
    rows.to_csv("new.csv", index=False)
    given = ["--input", "new.csv", "--images", "photos", "--min-probability", "0"]
    assert cli.main(["predict", *argv, "out.csv", *given]) == 0
    found = pd.read_csv("out.csv").pivot_table(
        index="example", columns="node", values="probability"
    )
    expected = load_bundle(model).predict_proba(np.asarray(data.features))
    nodes = [*data.nodes["id"]]
    np.testing.assert_allclose(found.loc[data.examples["id"], nodes], expected, atol=1e-5)
    assert cli.main(["export", *argv, "all.onnx"]) == 0
    session = onnxruntime.InferenceSession("all.onnx", providers=["CPUExecutionProvider"])
    assert data.images is not None
    inputs = {
        "pixels": np.asarray(data.images.pixels),
        "table_features": np.ascontiguousarray(data.features[:, :3]),
    }
    (p,) = session.run(None, inputs)
    np.testing.assert_allclose(p, expected, atol=1e-5)
    # A folder has no lengths.
    assert cli.main(["predict", *argv, "out.csv", "--input", "photos", "--output", "p.csv"]) == 2


def test_a_copy_in_another_split_is_named(folder: Path):
    photo = Image.open(folder / "photos/day0/000.png").resize((48, 40))
    shape = photo.load()
    assert shape is not None
    for place in range(20):  # something to see: plain colours are all alike
        shape[place, (place * 7) % 40] = (0, 0, 0)
        for more in range(8):
            shape[(place * 5 + more) % 48, place + more] = (255, 255, 255)
    for name, quality in (("day0/000.jpg", 95), ("day2/118.jpg", 70)):
        photo.save(folder / "photos" / name, quality=quality)
    rows = pd.read_csv("manifest.csv")
    rows["part"] = ["train"] * 60 + ["valid"] * 30 + ["test"] * 30
    rows.loc[0, "photo"], rows.loc[118, "photo"] = "day0/000.jpg", "day2/118.jpg"
    rows.to_csv("manifest.csv", index=False)
    assert cli.main([*INIT, "--split", "part"]) == 0
    found = pictures.pictures(made(images=SMALL | {"size": 32})).query("near > 0")
    assert "day0/000.jpg (train) like day2/118.jpg (test)" in [*found["picture"]]
    learnt = found.set_index("picture")["learnt"]
    assert learnt["day0/000.jpg (train) like day2/118.jpg (test)"] == 0
    assert learnt["day2/118.jpg (test) like day0/000.jpg (train)"] == 1
    assert learnt[[" (test) like" not in name for name in learnt.index]].sum() == 0
