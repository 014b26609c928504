"""`rarenode export`: a file that runs, or one message and no file."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from pipeline import cli, export_command
from pipeline.hml import Settings, fit_members, load_bundle, save_bundle

from .hml.toy import HIERARCHY, problem

X, LABELS = problem()


def bundle(folder: Path, *kinds: str) -> Path:
    settings = Settings(members=4, hidden=8, epochs=1, batch_size=16)
    fitted = fit_members(X, LABELS, HIERARCHY, settings, kinds=kinds, seed=0)
    save_bundle(folder, fitted.ensemble())
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle(tmp_path_factory.mktemp("models") / "bundle", "network", "neighbours")


def export(model: Path, output: Path, *options: str) -> int:
    return cli.main(["export", "--model", str(model), "--output", str(output), *options])


def outputs(path: Path) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"features": X}), strict=True))


@pytest.mark.parametrize("options", [[], ["--members"]])
def test_the_file_gives_what_the_networks_of_the_bundle_give(
    options: list[str], model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "networks.onnx"
    path.write_text("an older one")
    assert export(model, path, *options) == 0
    each = load_bundle(model).member_probability(X)["network"]
    found = outputs(path)
    np.testing.assert_allclose(found.pop("probability"), each.mean(0), rtol=0, atol=1e-5)
    if options:
        np.testing.assert_allclose(found.pop("member_probability"), each, rtol=0, atol=1e-5)
    assert not found
    assert [file.name for file in tmp_path.iterdir()] == ["networks.onnx"]
    said = capsys.readouterr().out
    assert f"{path}: 0.0 MB, 9 nodes, 4 networks" in said
    assert "Not in it: neighbours, the mixture and the calibration. Decide at 0.5." in said


def test_of_networks_alone_nothing_is_said_to_be_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert export(bundle(tmp_path / "bundle", "network"), tmp_path / "networks.onnx") == 0
    assert "Not in it" not in capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], message: str, code: int) -> None:
    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert message in said.err
    assert said.err.count("\n") == 1


def test_without_the_package_the_message_says_how_to_get_it(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(export_command, "find_spec", lambda name: None)
    code = export(model, tmp_path / "networks.onnx")
    refused(capsys, "expected the package onnx, which writes the file, found none. Install", code)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_not_made(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    code = export(model, tmp_path / "mistyped" / "networks.onnx")
    refused(capsys, f"expected a folder {tmp_path / 'mistyped'}, found none", code)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_place_of_the_file_is_named(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    refused(capsys, f"expected a file {tmp_path} or none, found a folder", export(model, tmp_path))


def test_what_is_no_bundle_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    output = tmp_path / "networks.onnx"
    refused(capsys, "expected a bundle in", export(tmp_path / "nowhere", output))
    assert not output.exists()


def test_a_bundle_without_networks_leaves_the_older_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output = tmp_path / "networks.onnx"
    output.write_text("an older one")
    code = export(bundle(tmp_path / "bundle", "neighbours"), output)
    refused(capsys, "expected networks in the ensemble, found neighbours", code)
    assert output.read_text() == "an older one"


def test_the_output_has_to_be_named(capsys: pytest.CaptureFixture[str]):
    missing, arguments = "--output", {"--model": "models/bundle"}
    with pytest.raises(SystemExit) as stop:
        cli.main(["export", *(text for pair in arguments.items() for text in pair)])
    assert stop.value.code == 2
    assert f"arguments are required: {missing}" in capsys.readouterr().err


def test_the_snippet_of_the_documentation_runs(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    page = (Path(__file__).parents[1] / "docs" / "bundle.md").read_text(encoding="utf-8")
    snippet = page.split("```python\n")[1].split("```")[0]
    assert export(model, tmp_path / "networks.onnx") == 0
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    exec(snippet, {})
    missing = np.full(X.shape, np.nan, np.float32)[:1]
    networks = load_bundle(model).member_probability(missing)["network"].mean((0, 1))
    found = [name for name, p in zip(HIERARCHY.nodes, networks, strict=True) if p >= 0.5]
    assert found  # or the snippet would have nothing to show
    assert capsys.readouterr().out == 3 * f"{found}\n"
