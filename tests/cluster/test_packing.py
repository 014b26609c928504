"""Files arrive as they were sent."""

from pathlib import Path

from pipeline.cluster import packing


def test_files_arrive_under_their_names(tmp_path: Path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(bytes(range(256)) * 9)
    other.write_bytes(b"")
    packed = packing.pack({"params.yaml": one, "data/prepared/nodes": other}, level=1)
    packing.write(packing.same(packed), tmp_path / "there")
    assert (tmp_path / "there/params.yaml").read_bytes() == one.read_bytes()
    assert (tmp_path / "there/data/prepared/nodes").read_bytes() == b""


def test_a_digest_differs_where_names_or_contents_do():
    found = {packing.digest(p) for p in ({"a": b"bc"}, {"ab": b"c"}, {"a": b"b", "c": b""}, {})}
    assert len(found) == 4
    assert packing.digest({"a": b"1", "b": b"2"}) == packing.digest({"b": b"2", "a": b"1"})
