"""Any damage to any file: `rarenode init` and `predict` do it, or refuse, and never break."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.bad_inputs import workspace
from tests.bad_inputs.workspace import HIERARCHY, RIGHT
from tests.prediction import trained

OTHERS = {
    "hierarchy.json": '{"top": {"a": {"c": null, "d": null}, "b": {"d": null}}}',
    "hierarchy.yaml": "top:\n  a:\n    c:\n    d:\n  b: [d]\n",
    "hierarchy.txt": "top/a/c\ntop/a/d\ntop/b\n",
    "hierarchy.obo": "format-version: 1.2\n"
    + "".join(
        f"\n[Term]\nid: {child}\nis_a: {parent}\n"
        for child, parent in (line.split(",") for line in HIERARCHY.split()[1:])
        if child != "d"
    )
    + "\n[Term]\nid: d\nis_a: a\nis_a: b\n\n[Term]\nid: top\n",
    "features.arff": "@relation r\n@attribute age real\n@attribute colour {red,green}\n@data\n"
    + "1,red\n2,green\n?,?\n" * 4,
}
PIECES = st.sampled_from(
    [
        *(",", ";", '"', "\n", "\r", "\t", " ", "\0", "\ufeff", "é", "id", "e1", "e99", "a", "top"),
        *(
            "nan",
            "inf",
            "1e999",
            "2026-02-30",
            "{",
            "}",
            "[",
            "]",
            ":",
            "- ",
            "&a ",
            "*a",
            "!!str ",
        ),
        *("null", "@data", "?", "%", "is_a: ", "/", "//", "\n\n", "\u2028", "'"),
    ]
).map(str.encode)
DAMAGE = st.tuples(
    st.integers(0, 10**6),
    st.integers(0, 20),
    st.binary(max_size=4) | st.lists(PIECES).map(b"".join),
)


def damaged(content: bytes, damage: tuple[int, int, bytes]) -> bytes:
    start, length, put = damage
    start %= len(content) + 1
    return content[:start] + put + content[start + length :]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    workspace.make(tmp_path)
    workspace.put(tmp_path, OTHERS)
    monkeypatch.chdir(tmp_path)
    # Without the tests' shape checks: what is damaged must meet the library's own.
    jaxtyping.config.update("jaxtyping_disable", True)
    yield tmp_path
    jaxtyping.config.update("jaxtyping_disable", False)


def done_or_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> bool:
    """Whether it was done; else there is one message, and all is as it was."""
    capsys.readouterr()
    before = workspace.tree(Path())
    code = workspace.run(arguments)
    message = capsys.readouterr().err
    assert code in (0, 2), message
    if code == 2:
        workspace.check(message)
        assert workspace.tree(Path()) == before
    return code == 0


def options(name: str) -> list[str]:
    """The options for a file of another format."""
    found = ["--" + name.split(".")[0], name]
    if name == "hierarchy.txt":  # nodes are paths
        found += ["--labels", "paths.csv"]
    if name == "features.arff":
        found += ["--labels", "rows.csv"]
    return found


LABELS = {
    "paths.csv": "id,labels\n"
    + "".join(f"e{row},{('top/a', 'top/a/c', 'top/b')[row % 3]}\n" for row in range(12)),
    "rows.csv": "labels\n" + "a\nb\nc\n" * 4,
}


@pytest.mark.parametrize("name", [*RIGHT, *OTHERS])
def test_what_is_damaged_below_is_sound(name: str, capsys: pytest.CaptureFixture[str]):
    workspace.put(Path(), LABELS)
    assert done_or_refused([*workspace.INIT, *options(name)], capsys)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(name=st.sampled_from([*RIGHT, *OTHERS]), damage=DAMAGE)
def test_init_of_damaged_files_is_done_or_refused(
    name: str, damage: tuple[int, int, bytes], capsys: pytest.CaptureFixture[str]
):
    contents = {**RIGHT, **OTHERS, **LABELS}
    workspace.put(Path(), contents)
    shutil.copy(workspace.ROOT / "params.yaml", "params.yaml")
    Path(name).write_bytes(damaged(contents[name].encode(), damage))
    done_or_refused([*workspace.INIT, *options(name)], capsys)


@example(name="bundle/bundle.json", damage=(54, 0, "\ue000".encode()))
@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    name=st.sampled_from(["new.csv", "bundle/bundle.json", "bundle/arrays.safetensors"]),
    damage=DAMAGE,
)
def test_prediction_from_damaged_files_is_done_or_refused(
    name: str,
    damage: tuple[int, int, bytes],
    trained_bundle: Path,
    capsys: pytest.CaptureFixture[str],
):
    shutil.copytree(trained_bundle, "bundle", dirs_exist_ok=True)
    trained.write(Path("new.csv"), trained.rows(8, seed=1))
    Path(name).write_bytes(damaged(Path(name).read_bytes(), damage))
    arguments = ["predict", "--model", "bundle", "--input", "new.csv", "--output", "out.csv"]
    Path("out.csv").unlink(missing_ok=True)
    done = done_or_refused(arguments, capsys)
    assert Path("out.csv").exists() == done
