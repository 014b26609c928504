"""Many images as one array, in one process or several."""

import os
import signal

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import ArtifactError, DatasetError, WorkspaceError
from pipeline.images import job, store, workers
from pipeline.images.job import Job
from tests.images.made import encoded, photo

COUNT = 40


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for number in range(COUNT):
        kind = ("PNG", "JPEG")[number % 2]
        (folder / f"{number}.png").write_bytes(encoded(photo(48, seed=number), kind))
    return folder


NAMES = [f"{number}.png" for number in range(COUNT)]


def write(target, names, root, *, count=0, channels=3):
    return store.write(
        target,
        names,
        root=root,
        size=16,
        channels=channels,
        max_pixels=10**6,
        workers=count,
    )


def test_same_whatever_the_workers(root, tmp_path):
    alone = write(tmp_path / "a", NAMES, root)
    beside = write(tmp_path / "b", NAMES, root, count=2)
    assert alone.pixels.shape == (COUNT, 16, 16, 3)
    assert (alone.pixels == beside.pixels).all()
    pd.testing.assert_frame_equal(alone.files, beside.files)
    for name in (store.PIXELS, store.FILES):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_what_is_known_of_the_files(root, tmp_path):
    files = write(tmp_path / "a", NAMES, root).files
    assert [*files] == ["name", "sha256", "format", "mode", "width", "height", "frames", "hash"]
    first = files.iloc[1]
    assert (first["name"], first["format"], first["width"]) == ("1.png", "JPEG", 48)


def test_name_that_comes_twice_is_decoded_once(root, tmp_path):
    images = write(tmp_path / "a", ["3.png", "1.png", "3.png"], root, channels=1)
    assert images.pixels.shape == (2, 16, 16, 1)
    assert images.rows(["3.png", "1.png", "3.png"]).tolist() == [0, 1, 0]
    with pytest.raises(DatasetError, match=r"an image of each name, found none of '2\.png'"):
        images.rows(["1.png", "2.png"])


def test_pixels_cannot_be_written(root, tmp_path):
    images = write(tmp_path / "a", NAMES[:1], root)
    with pytest.raises(ValueError, match="read-only"):
        images.pixels[0] = 0


@pytest.mark.parametrize("count", [0, 2])
def test_all_bad_files_are_named(root, tmp_path, count):
    bad = tmp_path / "bad"
    bad.mkdir()
    names = [f"{number:02}.png" for number in range(30)]
    for number, name in enumerate(names):
        (bad / name).write_bytes(encoded(photo(), "PNG")[: 400 if number >= 5 else None])
    with pytest.raises(DatasetError) as refused:
        write(tmp_path / "a", names, bad, count=count)
    lines = str(refused.value).split("\n")
    assert lines[0] == "25 problems in 30 images:"
    # With their folder, so that they can be found.
    assert [line.split(":")[0].strip() for line in lines[1:21]] == [
        f"{bad}/{name}" for name in names[5:25]
    ]
    assert lines[21:] == ["  … and 5 more"]
    assert os.listdir(tmp_path) == ["bad"]
    with pytest.raises(DatasetError, match=r"/bad/09\.png: expected a whole image"):
        write(tmp_path / "a", [*names[:5], "09.png"], bad, count=count)


def test_what_was_there_stays_if_anything_is_refused(root, tmp_path):
    write(tmp_path / "a", NAMES[:2], root)
    with pytest.raises(DatasetError, match=r"/none\.png: expected a file, found none"):
        write(tmp_path / "a", ["none.png"], root)
    assert len(store.read(tmp_path / "a").files) == 2
    write(tmp_path / "a", NAMES[:3], root)
    assert len(store.read(tmp_path / "a").files) == 3


def test_no_name_and_names_that_are_no_text(root, tmp_path):
    with pytest.raises(DatasetError, match="expected at least one image"):
        write(tmp_path / "a", [], root)
    with pytest.raises(DatasetError, match="expected names in UTF-8"):
        write(tmp_path / "a", ["\udcff.png"], root)


def test_relative_folders(root, tmp_path, monkeypatch):
    monkeypatch.chdir(root.parent)
    write(tmp_path / "a", NAMES[:2], type(root)(root.name), count=1)


def test_full_disk(root, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(WorkspaceError, match=r"expected room for .*found: No space left"):
        write(tmp_path / "a", NAMES[:1], root)


def test_stores_that_are_none(root, tmp_path):
    with pytest.raises(ArtifactError, match=r"expected the file .*pixels\.npy, found none"):
        store.read(tmp_path)
    write(tmp_path / "a", NAMES[:2], root)
    (tmp_path / "a" / store.FILES).write_bytes(b"PAR1")
    with pytest.raises(ArtifactError, match="expected images in"):
        store.read(tmp_path / "a")
    write(tmp_path / "a", NAMES[:2], root)
    np.save(tmp_path / "a" / store.PIXELS, np.zeros((3, 8, 8, 3), np.uint8))
    with pytest.raises(ArtifactError, match=r"expected the pixels of 2 images in .*\(3, 8, 8, 3\)"):
        store.read(tmp_path / "a")
    (tmp_path / "a" / store.PIXELS).write_bytes(b"\x93NUMPY\x01\0")
    with pytest.raises(ArtifactError, match="expected images in"):
        store.read(tmp_path / "a")


@pytest.fixture
def work(root, tmp_path):
    """A job, and what has the array for it."""
    pixels = tmp_path / "pixels.npy"
    np.save(pixels, np.zeros((COUNT, 16, 16, 3), np.uint8))
    return Job(root, pixels, 16, 3, 10**6)


def test_process_that_dies_is_known_by_its_file(work, monkeypatch):
    """It is told to end once it has given the outcomes of three files."""
    monkeypatch.setattr(workers, "_CHUNK", 8)
    taken = []
    take = workers.Worker.take

    def ended(worker):
        taken.append(worker)
        if len(taken) == 4:
            worker.process.send_signal(signal.SIGKILL)
            worker.process.wait()
            while worker.connection.poll():
                try:
                    worker.connection.recv()
                except EOFError:
                    break
            return None
        return take(worker)

    monkeypatch.setattr(workers.Worker, "take", ended)
    found = dict(workers.outcomes(work, [*enumerate(NAMES)], 1))
    assert sorted(found) == [*range(COUNT)]
    assert {row: text for row, text in found.items() if isinstance(text, str)} == {
        3: "3.png: expected an image, found one that ended the process that decoded it (signal 9)"
    }
    assert len({id(worker) for worker in taken}) == 2


def test_file_that_takes_for_ever(work, monkeypatch):
    """Nothing is decoded: the process waits for a job that never comes."""
    monkeypatch.setattr(workers.Worker, "_send", lambda *_: None)
    found = dict(workers.outcomes(work, [(0, "0.png")], 1, patience=0.1))
    assert found == {0: "0.png: expected an image, found one that needs more time than any should"}


def test_processes_that_all_die_are_not_started_for_ever(work, monkeypatch):
    monkeypatch.setattr(workers.Worker, "_send", lambda *_: None)
    with pytest.raises(DatasetError, match=r"^9\.png: expected an image, found .* after 9 others"):
        dict(workers.outcomes(work, [*enumerate(NAMES)], 1, patience=0.01))


def test_what_libraries_print_stays_inside(tmp_path, capfd):
    content = bytearray(encoded(photo(), "TIFF", compression="tiff_lzw"))
    content[8:60] = b"\xff" * 52
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(DatasetError, match=r"/a\.tif: expected a whole image"):
        write(tmp_path / "a", ["a.tif"], tmp_path, count=1)
    assert capfd.readouterr().err == ""


def test_fault_of_ours_is_no_refusal(work, tmp_path, capfd):
    work.pixels.unlink()
    with pytest.raises(RuntimeError, match="ended with exit code 1"):
        dict(workers.outcomes(work, [*enumerate(NAMES)], 1))
    assert "FileNotFoundError" in capfd.readouterr().err


def test_process_ends_with_who_started_it():
    ours, theirs = os.pipe()
    os.close(theirs)
    assert job.main(ours) == 0
