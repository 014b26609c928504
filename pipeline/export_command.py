"""`rarenode export`: the networks of a bundle as an ONNX file."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts import files
from pipeline.errors import WorkspaceError, absent

if TYPE_CHECKING:
    from pipeline.prediction.images import Looker


def export(model: Path, output: Path, *, members: bool) -> int:
    """Write the file, print what is in it; return 0.

    Args:
        model: the folder of a bundle.
        output: the file; one that is there is replaced, once the new one is whole.
        members: whether it gives each member's probabilities, too.

    Raises:
        ArtifactError: there is no bundle, or it has no networks that an ONNX file can hold.
        WorkspaceError: the package onnx is missing, or the file cannot be written.
    """
    if find_spec("onnx") is None:
        raise WorkspaceError(absent("onnx", "which writes the file", "onnx"))
    # Before the work: a folder that is made for a mistyped name is a file that nobody finds.
    if not output.parent.is_dir():
        raise WorkspaceError(f"expected a folder {output.parent}, found none")
    if output.is_dir():
        raise WorkspaceError(f"expected a file {output} or none, found a folder")
    # torch and numba take seconds: only now is it worth it.
    from pipeline.hml import load_bundle
    from pipeline.hml.onnx_export import network_onnx

    ensemble = load_bundle(model)
    content, front = network_onnx(ensemble, members=members), ""
    looker, others = _looker(model, len(ensemble.preprocessing.mean))
    if looker is not None:
        from pipeline.encoders.in_front import with_encoder

        content = with_encoder(looker.encoder, looker.kept, content, others=others)
        size, _, channels = looker.shape
        front = f", from pixels ({size} x {size} x {channels})"
    with files.whole_file(output) as temporary:
        temporary.write_bytes(content)
    nodes, networks = len(ensemble.hierarchy), ensemble.members["network"].count
    print(f"{output}: {len(content) / 1e6:.1f} MB, {nodes} nodes, {networks} networks{front}")
    others = [kind for kind in ensemble.members if kind != "network"]
    if others:
        print(f"Not in it: {', '.join(others)}, the mixture and the calibration. Decide at 0.5.")
    return 0


def _looker(model: Path, features: int) -> "tuple[Looker | None, int]":
    """What looks at images, if the bundle has that, and how many features are no image's."""
    from pipeline.hml.bundle import read_extra
    from pipeline.prediction import images

    found = images.of(read_extra(model))
    return found, 0 if found is None else features - len(found.names)
