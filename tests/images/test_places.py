"""Where an image lies and what it is called."""

import os
import socket

import pytest

from pipeline.errors import DatasetError
from pipeline.images.decoding import decode
from tests.images.made import encoded, photo

CONTENT = encoded(photo(), "PNG")


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "images"
    (folder / "below").mkdir(parents=True)
    (folder / "a.png").write_bytes(CONTENT)
    (tmp_path / "secret.png").write_bytes(CONTENT)
    return folder


def read(root, name, *, within=True):
    return decode(
        root / name,
        root=root if within else None,
        size=16,
        channels=3,
        max_pixels=10**6,
        name=name,
    )


def refusal(root, name):
    with pytest.raises(DatasetError) as refused:
        read(root, name)
    return str(refused.value)


@pytest.mark.parametrize("name", ["../secret.png", "below/../a.png", "below/../../a.png", ".."])
def test_nothing_above_the_folder(root, name):
    assert refusal(root, name) == (
        f"{name}: expected a path inside the folder of images, found `..` in it"
    )


def test_no_absolute_name(root):
    name = str(root / "a.png")
    assert refusal(root, name).endswith("relative to the folder of images, found an absolute one")
    read(root, name, within=False)


def test_link_inside_is_read(root):
    (root / "below" / "link.png").symlink_to("../a.png")
    read(root, "below/link.png")


def test_folder_that_is_a_link_itself(root, tmp_path):
    (tmp_path / "other").symlink_to(root)
    read(tmp_path / "other", "a.png")


def test_link_outside_is_not(root, tmp_path):
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    found = refusal(root, "link.png")
    assert found.startswith(
        "link.png: expected a file inside the folder of images, found a link to"
    )
    read(root, "link.png", within=False)


def test_folder_that_leads_outside_is_not(root, tmp_path):
    (root / "up").symlink_to(tmp_path)
    assert "found a link to" in refusal(root, "up/secret.png")


def test_links_that_lead_nowhere(root):
    (root / "dangling.png").symlink_to("nothing.png")
    assert refusal(root, "dangling.png").endswith("expected a file, found a link to nothing")
    (root / "loop.png").symlink_to("loop.png")
    assert refusal(root, "loop.png").startswith("loop.png: expected a readable file, found ")


def test_folder_called_like_an_image(root):
    (root / "x.jpg").mkdir()
    assert refusal(root, "x.jpg") == "x.jpg: expected a file, found a folder"
    assert refusal(root, "") == ": expected a file, found a folder"


def test_what_need_not_end(root):
    os.mkfifo(root / "pipe.png")
    (root / "device.png").symlink_to("/dev/zero")
    assert "a regular file, found a pipe" in refusal(root, "pipe.png")
    assert "found a link to /dev/zero" in refusal(root, "device.png")
    with pytest.raises(DatasetError, match="a regular file, found a pipe, a socket or a device"):
        read(root, "device.png", within=False)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(root / "s.png"))
        assert "a regular file, found a pipe, a socket" in refusal(root, "s.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_no_permission(root):
    (root / "a.png").chmod(0)
    assert refusal(root, "a.png") == "a.png: expected a readable file, found Permission denied"


def test_not_there(root):
    assert refusal(root, "none.png") == "none.png: expected a file, found none"
    assert refusal(root, "a.png/b.png").startswith("a.png/b.png: expected a ")


@pytest.mark.parametrize("name", ["<script>.png", "a b%20%s{0}.png", "größe-日本.png", "-rf", "~"])
def test_odd_names(root, name):
    assert refusal(root, name) == f"{name}: expected a file, found none"
    (root / name).write_bytes(CONTENT)
    read(root, name)


def test_names_that_would_steer_a_terminal_are_plain_in_messages(root):
    assert refusal(root, "a\n\x1b[31m.png") == "a\ufffd\ufffd[31m.png: expected a file, found none"
    (root / "a\nb.png").write_bytes(CONTENT)
    read(root, "a\nb.png")


def test_names_that_no_file_can_have(root):
    assert "expected a readable file" in refusal(root, "a\0.png")
    long = refusal(root, "x" * 5000)
    assert "expected a readable file" in long
    assert len(long) < 500
