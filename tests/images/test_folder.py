"""What lies in a folder, and the number that pins it."""

import hashlib
import os

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from pipeline.errors import DatasetError
from pipeline.images import known
from pipeline.images.folder import digest, listing


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "images"
    for name in (
        "b.JPG",
        "a/c.png",
        "a/d.txt",
        ".hidden.png",
        ".git/e.png",
        "a/é.TiFf",
        "x.jpg/f.gif",
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


ALL = ["a/c.png", "a/é.TiFf", "b.JPG", "x.jpg/f.gif"]


def test_images_by_suffix_sorted(root):
    assert listing(root) == ALL


def test_links(root, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "g.png").write_bytes(b"g")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "in").symlink_to("a")
    (root / "up").symlink_to(".")
    (root / "z.png").symlink_to("a/c.png")
    assert listing(root) == [*ALL, "z.png"]


def test_no_folder(tmp_path):
    (tmp_path / "a.png").write_bytes(b"a")
    for name, found in (("none", "none"), ("a.png", "a file")):
        with pytest.raises(DatasetError, match=f"expected a folder .*{name}, found {found}"):
            listing(tmp_path / name)


def test_digest_is_of_names_and_contents(root):
    found = digest(root, ALL)
    assert found == digest(root, [*reversed(ALL), ALL[0]], threads=3)
    assert len(found) == 64
    assert digest(root, ALL[:-1]) != found
    (root / "b.JPG").rename(root / "b2.JPG")
    assert digest(root, listing(root)) != found
    (root / "b2.JPG").rename(root / "b.JPG")
    assert digest(root, listing(root)) == found
    (root / "b.JPG").write_bytes(b"other")
    assert digest(root, ALL) != found


def test_digest_stays_what_it_is(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    assert digest(tmp_path, ["a"]) == (
        "b19e33612f1b07d551d1c1aef76b08a273b62060ffcd37c62187654cdc2147c6"
    )


@pytest.mark.parametrize("threads", [0, 2])
def test_all_files_that_cannot_be_read_are_named(root, threads):
    (root / "x.png").symlink_to("/etc/hostname")
    with pytest.raises(DatasetError) as refused:
        digest(root, [*ALL, "../up.png", "none.png", "x.png"], threads=threads)
    assert [line.split(":")[0].strip() for line in str(refused.value).split("\n")] == [
        "3 problems in 7 images",
        f"{root}/../up.png",
        f"{root}/none.png",
        f"{root}/x.png",
    ]


def test_a_name_that_is_absolute_is_named_as_it_is(root):
    with pytest.raises(DatasetError, match=r"^/etc/hostname: expected a path relative to the fol"):
        digest(root, ["/etc/hostname"])


def test_what_looks_the_same_is_not_read_again(root, tmp_path, monkeypatch):
    memory = tmp_path / "state" / "images.parquet"
    for name in ALL:
        os.utime(root / name, (1e9, 1e9))
    whole = digest(root, ALL)
    read = count_reading(monkeypatch)
    monkeypatch.setattr(known, "_SETTLED", 0)  # not to wait for two seconds
    assert [digest(root, ALL, memory=memory, threads=n) for n in (0, 2)] == [whole] * 2
    assert len(read) == len(ALL)
    assert digest(root, ALL[1:], memory=memory) != whole
    assert len(read) == len(ALL)
    # The same size and time: that it was written is seen nevertheless.
    (root / ALL[1]).write_bytes(bytes(len((root / ALL[1]).read_bytes())))
    os.utime(root / ALL[1], (1e9, 1e9))
    assert digest(root, ALL, memory=memory) == digest(root, ALL) != whole


def test_what_may_still_be_changing_is_read_again(root, tmp_path, monkeypatch):
    memory = tmp_path / "images.parquet"
    digest(root, ALL, memory=memory)
    read = count_reading(monkeypatch)
    digest(root, ALL, memory=memory)
    assert len(read) == len(ALL)


def test_a_name_that_is_no_text_is_remembered_as_others_are(root, tmp_path, monkeypatch):
    monkeypatch.setattr(known, "_SETTLED", 0)
    memory = tmp_path / "images.parquet"
    name = os.fsdecode(b"a/\xff.png")
    (root / name).write_bytes(b"y")
    whole = digest(root, [*ALL, name], memory=memory)
    before = memory.stat().st_ino  # written anew, it is another file
    read = count_reading(monkeypatch)
    assert digest(root, [*ALL, name], memory=memory) == whole
    assert read == []
    assert memory.stat().st_ino == before


@pytest.mark.parametrize("damage", [b"", b"no parquet"])
def test_a_damaged_memory_knows_nothing(root, tmp_path, monkeypatch, damage):
    monkeypatch.setattr(known, "_SETTLED", 0)
    memory = tmp_path / "images.parquet"
    whole = digest(root, ALL, memory=memory)
    memory.write_bytes(damage)
    assert digest(root, ALL, memory=memory) == whole
    assert len(known.read(memory, root)) == len(ALL)
    assert known.read(memory, tmp_path) == {}  # of another folder
    pq.write_table(pa.table({"name": ALL}), memory)
    assert digest(root, ALL, memory=memory) == whole


def count_reading(monkeypatch):
    read, reading = [], hashlib.file_digest
    monkeypatch.setattr(
        hashlib, "file_digest", lambda file, kind: read.append(1) or reading(file, kind)
    )
    return read
