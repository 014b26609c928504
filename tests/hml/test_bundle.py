"""Bundles: what comes back is what was stored, and nothing else is believed."""

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save

from pipeline.errors import ArtifactError
from pipeline.hml import Ensemble, Settings, fit_members, load_bundle, save_bundle
from pipeline.hml.bundle import read_extra
from pipeline.hml.members import KINDS, NetworkMembers

from .toy import HIERARCHY, problem

# Without the tests' shape checks: what a damaged file holds must meet the library's own.
pytestmark = pytest.mark.usefixtures("as_users_call_it")

FILES = ["README.md", "arrays.safetensors", "bundle.json"]
X, LABELS = problem()
FRESH, _ = problem(50, seed=1)
FRESH[3, 2] = np.nan  # a missing value goes through the stored preprocessing


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    return fitted(seed=0)


@pytest.fixture(scope="module")
def original(ensemble: Ensemble, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "deep" / "bundle"
    save_bundle(folder, ensemble, config={"note": "Größe"}, card="# Card ä\n")
    return folder


@pytest.fixture
def bundle(original: Path, tmp_path: Path) -> Path:
    """A copy, to damage."""
    return Path(shutil.copytree(original, tmp_path / "bundle"))


def fitted(seed: int, layers: int = 3) -> Ensemble:
    settings = Settings(members=4, hidden=8, layers=layers, epochs=2, batch_size=16)
    fitted = fit_members(X, LABELS, HIERARCHY, settings, kinds=[*KINDS], seed=seed)
    return fitted.ensemble()


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def describe(folder: Path, **changes: Any) -> None:
    """Edit bundle.json; its other fields stay."""
    path = folder / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def put_arrays(folder: Path, blob: bytes) -> None:
    """Replace the arrays, sha256 included: somebody who edits both."""
    (folder / "arrays.safetensors").write_bytes(blob)
    describe(folder, sha256={"arrays.safetensors": hashlib.sha256(blob).hexdigest()})


def assert_same(ours: Ensemble, theirs: Ensemble) -> None:
    p = theirs.predict_proba(FRESH)
    assert ours.predict_proba(FRESH).tobytes() == p.tobytes()
    assert [*ours.members] == [*theirs.members] == [*KINDS]
    each = theirs.member_probability(FRESH)
    for kind, members in ours.member_probability(FRESH).items():
        assert members.tobytes() == each[kind].tobytes()
    assert set(ours.cuts) == set(theirs.cuts) == {"half", "prior_matched", "tuned"}
    for rule in theirs.cuts:
        assert np.array_equal(ours.decide(p, rule), theirs.decide(p, rule))
    assert ours.share.tobytes() == theirs.share.tobytes()


def test_what_is_loaded_predicts_and_decides_the_same_bit_by_bit(
    ensemble: Ensemble, original: Path
):
    loaded = load_bundle(original)
    assert_same(loaded, ensemble)
    assert ensemble.decide(ensemble.predict_proba(FRESH), "prior_matched").any()
    assert loaded.hierarchy.nodes == HIERARCHY.nodes
    assert np.array_equal(loaded.hierarchy.edge_index, HIERARCHY.edge_index)
    assert loaded.cuts["prior_matched"].tobytes() == ensemble.cuts["prior_matched"].tobytes()
    networks = loaded.members["network"]
    assert isinstance(networks, NetworkMembers)
    assert not networks.networks.training


def test_a_node_that_is_never_predicted_stays_so(original: Path):
    cut = load_bundle(original).cuts["prior_matched"][HIERARCHY.index["never"]]
    assert cut == np.inf


def test_saving_twice_and_saving_what_was_loaded_give_the_same_bytes(
    ensemble: Ensemble, original: Path, tmp_path: Path
):
    config, card = {"note": "Größe"}, "# Card ä\n"
    save_bundle(tmp_path / "again", ensemble, config=config, card=card)
    save_bundle(str(tmp_path / "loaded"), load_bundle(original), config=config, card=card)
    assert list(contents(original)) == FILES
    assert contents(tmp_path / "again") == contents(tmp_path / "loaded") == contents(original)


def test_an_older_bundle_is_replaced(bundle: Path):
    newer = fitted(seed=1, layers=2)
    save_bundle(bundle, newer, config={}, card="# Newer\n")
    assert list(contents(bundle)) == FILES
    assert (bundle / "README.md").read_text() == "# Newer\n"
    assert_same(load_bundle(bundle), newer)


def test_config_and_card_can_be_read_without_us(original: Path):
    description = json.loads((original / "bundle.json").read_text(encoding="utf-8"))
    assert description["schema"] == 5
    assert description["config"] == {"note": "Größe"}
    assert [*description["kinds"]] == [*KINDS]
    network = {"members": 4, "sizes": [6, 8, 8, len(HIERARCHY)], "dropout": 0.5}
    assert description["kinds"]["network"] == network
    assert description["rules"] == ["half", "prior_matched", "tuned"]
    assert (original / "README.md").read_text(encoding="utf-8") == "# Card ä\n"


def test_no_module_that_unpickles_is_used(
    original: Path, ensemble: Ensemble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a pickle was loaded or written")

    for module, names in (
        (pickle, ("load", "loads", "dump", "dumps", "Unpickler", "Pickler")),
        (torch, ("load", "save")),
        (np, ("load",)),
    ):
        for name in names:
            monkeypatch.setattr(module, name, refuse)
    save_bundle(tmp_path / "bundle", ensemble, config={}, card="")
    assert_same(load_bundle(original), ensemble)


class Trap:
    """Unpickling it writes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.target, "sprung")


@pytest.mark.parametrize("name", FILES)
def test_a_pickle_under_any_of_the_names_is_never_opened(name: str, bundle: Path, tmp_path: Path):
    blob = pickle.dumps(Trap(tmp_path / "sprung"))
    if name == "arrays.safetensors":
        put_arrays(bundle, blob)
    else:
        (bundle / name).write_bytes(blob)
    if name == "README.md":
        load_bundle(bundle)  # the card is for people: not even read
    else:
        with pytest.raises(ArtifactError, match=r"expected a .*bundle in .*bundle, found"):
            load_bundle(bundle)
    assert not (tmp_path / "sprung").exists()
    pickle.loads(blob)
    assert (tmp_path / "sprung").exists()  # it is a trap indeed


@pytest.mark.parametrize("name", ["arrays.safetensors", "bundle.json"])
def test_a_missing_file_is_named(name: str, bundle: Path):
    (bundle / name).unlink()
    with pytest.raises(ArtifactError, match=f"expected a bundle in .*{name}"):
        load_bundle(bundle)


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path):
    with pytest.raises(ArtifactError, match="nowhere"):
        load_bundle(tmp_path / "nowhere")


def test_bundle_of_schema_4_predicts_the_same(
    ensemble: Ensemble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # Its regressions are what they come from, and are solved when they are asked for.
    monkeypatch.setattr("pipeline.hml.members.kernel.STORED", 0)
    save_bundle(tmp_path / "old", ensemble)
    kinds = json.loads((tmp_path / "old" / "bundle.json").read_text())["kinds"]
    assert kinds["kernel"].pop("solved") is False
    describe(tmp_path / "old", kinds=kinds, schema=4)
    assert_same(load_bundle(tmp_path / "old"), ensemble)


def test_newer_bundle_says_so(bundle: Path):
    describe(bundle, schema=6)
    with pytest.raises(ArtifactError, match="found 6: it was written by a newer rarenode"):
        load_bundle(bundle)


def test_further_files_come_back_and_are_checked(ensemble: Ensemble, tmp_path: Path):
    files = {"nodes.json": b"{}\n", "encoder.skops": bytes(range(256))}
    save_bundle(tmp_path, ensemble, extra=files)
    assert read_extra(tmp_path) == files
    assert_same(load_bundle(tmp_path), ensemble)
    (tmp_path / "nodes.json").write_bytes(b"[]\n")
    with pytest.raises(ArtifactError, match=r"nodes\.json with sha256"):
        read_extra(tmp_path)
    (tmp_path / "nodes.json").unlink()
    with pytest.raises(ArtifactError, match=r"nodes\.json"):
        read_extra(tmp_path)


@pytest.mark.parametrize(
    "name", ["bundle.json", "README.md", "../up", "in/folder", ".hidden", ".."]
)
def test_further_files_have_names_of_their_own(name: str, ensemble: Ensemble, tmp_path: Path):
    with pytest.raises(ValueError, match="plain names"):
        save_bundle(tmp_path / "bundle", ensemble, extra={name: b""})
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("schema", [0, 3, 6, "5", None])
def test_another_schema_is_refused(schema: Any, bundle: Path):
    describe(bundle, schema=schema)
    with pytest.raises(ArtifactError, match=f"bundle of schema 5 .* found {schema!r}"):
        load_bundle(bundle)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"text"', "\x00"])
def test_a_description_that_is_none_is_refused(text: str, bundle: Path):
    (bundle / "bundle.json").write_text(text)
    with pytest.raises(ArtifactError, match="expected a bundle"):
        load_bundle(bundle)


@pytest.mark.parametrize("key", ["sha256", "kinds", "combined", "rules", "nodes", "edges"])
def test_a_description_that_lacks_a_key_is_refused(key: str, bundle: Path):
    description = json.loads((bundle / "bundle.json").read_text())
    del description[key]
    (bundle / "bundle.json").write_text(json.dumps(description))
    with pytest.raises(ArtifactError, match=key):
        load_bundle(bundle)


def flip_a_bit(blob: bytes) -> bytes:
    return blob[:-5] + bytes([blob[-5] ^ 1]) + blob[-4:]


@pytest.mark.parametrize(
    "damage",
    [flip_a_bit, lambda blob: blob[:-1], lambda blob: blob[:20], lambda _: b""],
    ids=["one bit", "last byte lost", "cut short", "empty"],
)
def test_arrays_that_changed_are_refused_by_their_hash(
    damage: Callable[[bytes], bytes], bundle: Path
):
    path = bundle / "arrays.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(
        ArtifactError, match=r"arrays\.safetensors with sha256 \w{64}, found \w{64}"
    ):
        load_bundle(bundle)


@pytest.mark.parametrize("blob", [b"", b"\x00" * 8, b"\xff" * 64], ids=["empty", "zeros", "ones"])
def test_arrays_that_are_no_safetensors_are_refused_under_a_matching_hash(
    blob: bytes, bundle: Path
):
    put_arrays(bundle, blob)
    with pytest.raises(ArtifactError, match="complete bundle"):
        load_bundle(bundle)


LAYERS = [f"network/{what}/{layer}" for what in ("weight", "bias") for layer in range(3)]
TREES = ["root", "member", "feature", "threshold", "left", "right", "start", "row"]
AVERAGES = ["learns", "labels/indptr", "labels/indices"]
NETWORK = {"members": 4, "sizes": [6, 8, 8, len(HIERARCHY)], "dropout": 0.5}
ARRAYS = [
    *LAYERS,
    *(f"{kind}/{name}" for kind in ("neighbours", "forest") for name in AVERAGES),
    *("neighbours/features", "kernel/landmarks", "kernel/coefficients", "kernel/prior"),
    *(f"forest/trees/{name}" for name in TREES),
    *(f"combination/{kind}" for kind in ("network", "neighbours", "forest", "kernel")),
    *("calibration/low", "calibration/high", "calibration/bias"),
    *(f"cut/{rule}" for rule in ("half", "prior_matched", "tuned")),
    *("preprocessing/mean", "preprocessing/scale", "share"),
]


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_that_lacks_is_refused_by_name(name: str, bundle: Path):
    arrays = load((bundle / "arrays.safetensors").read_bytes())
    assert sorted(arrays) == sorted(ARRAYS)
    del arrays[name]
    put_arrays(bundle, save(arrays))
    with pytest.raises(ArtifactError, match=name.split("/", 1)[-1]):
        load_bundle(bundle)


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_of_another_shape_is_refused(name: str, bundle: Path):
    arrays = load((bundle / "arrays.safetensors").read_bytes())
    arrays[name] = np.ascontiguousarray(arrays[name][..., :-1])
    put_arrays(bundle, save(arrays))
    with pytest.raises(ArtifactError):
        load_bundle(bundle)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, np.inf) for name in [*LAYERS, "preprocessing/mean", "preprocessing/scale"]),
        *((name, np.nan) for name in [*LAYERS, "preprocessing/mean", "preprocessing/scale"]),
        *((f"combination/{kind}", value) for kind in ("network", "forest") for value in (-1, 1e9)),
        *((f"calibration/{end}", value) for end in ("low", "high") for value in (-1, np.inf)),
        *(("calibration/bias", value) for value in (np.nan, -np.inf)),
        *(("share", value) for value in (-0.1, 1.1, np.nan)),
        *(("cut/tuned", value) for value in (-0.1, -np.inf, np.nan)),
        *(("preprocessing/scale", value) for value in (0, -1)),
    ],
)  # fmt: skip
def test_a_number_out_of_range_is_refused_by_name(name: str, value: float, bundle: Path):
    arrays = load((bundle / "arrays.safetensors").read_bytes())
    arrays[name] = arrays[name].copy()
    arrays[name].flat[-1] = value
    put_arrays(bundle, save(arrays))
    with pytest.raises(ArtifactError, match=f"{name} holds NaN, or a number outside of"):
        load_bundle(bundle)


def test_a_node_that_is_never_predicted_has_an_infinite_cut(bundle: Path):
    arrays = load((bundle / "arrays.safetensors").read_bytes())
    arrays["cut/tuned"] = np.full_like(arrays["cut/tuned"], np.inf)
    put_arrays(bundle, save(arrays))
    assert np.isinf(load_bundle(bundle).cuts["tuned"]).all()


def test_numbers_of_another_type_and_arrays_that_nothing_describes_are_refused(bundle: Path):
    arrays = load((bundle / "arrays.safetensors").read_bytes())
    put_arrays(bundle, save(arrays | {"cut/half": arrays["cut/half"] > 0}))
    with pytest.raises(ArtifactError, match="cut/half is bool, expected floating-point"):
        load_bundle(bundle)
    put_arrays(bundle, save(arrays | {"cut/spare": arrays["cut/half"]}))
    with pytest.raises(ArtifactError, match=r"nothing describes: .*cut/spare"):
        load_bundle(bundle)


def test_kinds_have_as_many_members_each(bundle: Path):
    arrays = load((bundle / "arrays.safetensors").read_bytes())
    arrays["kernel/coefficients"] = np.ascontiguousarray(arrays["kernel/coefficients"][:2])
    put_arrays(bundle, save(arrays))
    with pytest.raises(ArtifactError, match="different numbers of members"):
        load_bundle(bundle)


def test_the_order_in_which_json_has_the_kinds_means_nothing(bundle: Path):
    x = np.random.default_rng(3).normal(size=(20, 6)).astype(np.float32)
    expected = load_bundle(bundle).predict_proba(x)
    kinds = json.loads((bundle / "bundle.json").read_text())["kinds"]
    describe(bundle, kinds=dict(reversed(kinds.items())))
    np.testing.assert_allclose(load_bundle(bundle).predict_proba(x), expected, atol=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {"nodes": list(HIERARCHY.nodes[::-1])},
        {"nodes": [*HIERARCHY.nodes, "another"]},
        {"edges": [["t", "d"], ["d", "l"], ["l", "t"]]},
        {"edges": [["t"]]},
        *(
            {"kinds": {"network": NETWORK | change}}
            for change in (
                {"members": 3},
                {"members": -1},
                {"members": "two"},
                {"sizes": []},
                {"sizes": [6]},
                {"sizes": [6, 8, len(HIERARCHY)]},
                {"sizes": 6},
                {"dropout": "much"},
            )
        ),
        {"kinds": {}},
        {"kinds": ["network"]},
        {"kinds": {"network": None}},
        {"kinds": {"oracle": {}}},
        {
            "kinds": {
                "network": NETWORK,
                "neighbours": {"neighbours": float("inf")},
                "forest": {"features": 6},
            }
        },
        {"kinds": {"network": NETWORK}},
        {"kinds": {"network": NETWORK, "neighbours": {"neighbours": 0}, "forest": {"features": 6}}},
        {"kinds": {"network": NETWORK, "neighbours": {"neighbours": 4}, "forest": {"features": 2}}},
        {"kinds": {"network": NETWORK, "neighbours": {"neighbours": 4}, "forest": {"features": 7}}},
        {"combined": False},
        {"rules": ["guessed"]},
        {"sha256": {}},
    ],
    ids=str,
)
def test_a_description_at_odds_with_the_arrays_is_refused(changes: dict[str, Any], bundle: Path):
    describe(bundle, **changes)
    with pytest.raises(ArtifactError, match="expected a complete bundle in"):
        load_bundle(bundle)
