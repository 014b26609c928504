"""`rarenode data list | get | check`, on a registry of toy sources."""

import hashlib
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from pipeline import cli
from pipeline.datasets import download, registry
from pipeline.datasets.verified import RawFile
from tests.datasets.toy import Toy

CONTENTS = {"a.txt": b"alpha" * 1000, "b.txt": b"beta" * 1000}
FILES = tuple(
    RawFile(name, f"set/{name}", hashlib.sha256(content).hexdigest())
    for name, content in CONTENTS.items()
)
FOLDER = Path("data/raw/toy")


class Small(Toy):
    def files(self):
        return FILES

    def origin(self):
        return Path("usual")

    def about(self):
        return "Toys ->" + " kinds of toys" * 5


class Lost(Small):
    def unavailable(self):
        return "nobody has the file c.txt"


class Another(Small):
    def about(self):
        return "Other toys"


SOURCES = {"lost": Lost(), "other": Another(), "toy": Small()}


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch) -> Path:
    """A folder that looks like a workspace, with the files of the usual origin."""
    monkeypatch.chdir(tmp_path)
    for name in (".git", ".dvc"):
        (tmp_path / name).mkdir()
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    put(Path("usual"))
    known = {name: ("", "", ()) for name in SOURCES}
    monkeypatch.setattr(registry, "_SOURCES", known)
    monkeypatch.setattr(registry, "get", lambda name: (registry.check(name), SOURCES[name])[1])
    monkeypatch.setattr(download, "PAUSES", (0.0, 0.0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path


@pytest.fixture
def server(workspace):
    """The address of a server of the usual origin."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = partial(Handler, directory=str(workspace / "usual"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def put(folder: Path, **changes: bytes) -> Path:
    for name, content in (CONTENTS | changes).items():
        (folder / "set").mkdir(parents=True, exist_ok=True)
        (folder / "set" / name).write_bytes(content)
    return folder


def put_here(**changes: bytes) -> None:
    FOLDER.mkdir(parents=True)
    for name, content in (CONTENTS | changes).items():
        (FOLDER / name).write_bytes(content)


def snapshot() -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes()) if path.is_file() else (0, b"")
        for path in sorted(Path("data").rglob("*"))
    }


def refused(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, one message on stderr, and the data as it was."""
    before = snapshot()
    assert cli.main(["data", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert "Traceback" not in error
    assert snapshot() == before


# get


def test_getting_says_where_the_files_are_and_that_they_are_verified(capsys):
    assert cli.main(["data", "get", "toy"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "toy: 2 files in data/raw/toy, verified\n"
    assert captured.err == ""
    assert {file.name: file.read_bytes() for file in FOLDER.iterdir()} == CONTENTS


def test_getting_again_touches_nothing_and_asks_no_origin(capsys):
    put_here()
    shutil.rmtree("usual")
    before = snapshot()
    assert cli.main(["data", "get", "toy"]) == 0
    assert "verified" in capsys.readouterr().out
    assert snapshot() == before


def test_files_come_from_the_folder_that_the_user_names(capsys):
    Path("usual").rename("mine")
    assert cli.main(["data", "get", "toy", "--from", "mine"]) == 0
    assert "verified" in capsys.readouterr().out


def test_files_come_from_the_address_that_the_user_names(server, capsys):
    assert cli.main(["data", "get", "toy", "--from", server]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("downloading a.txt: 5/5 KBs")
    assert lines[-1] == "toy: 2 files in data/raw/toy, verified"


@pytest.mark.parametrize("here", [{}, {"a.txt": b"damaged"}], ids=["absent", "damaged"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"b.txt": b"another release"},
            "set/b.txt, found " + hashlib.sha256(b"another release").hexdigest(),
        ),
        ({"b.txt": b""}, "set/b.txt, found an empty file"),
    ],
)
def test_other_content_is_refused_and_all_stays(here, changes, message, capsys):
    put_here(**here) if here else FOLDER.mkdir(parents=True)
    put(Path("mine"), **changes)
    (FOLDER / "b.txt").unlink(missing_ok=True)
    refused(["get", "toy", "--from", "mine"], message, capsys)


def test_missing_file_is_refused_and_all_stays(capsys):
    put_here(**{"a.txt": b"damaged", "b.txt": b"damaged"})
    Path("usual/set/b.txt").unlink()
    refused(["get", "toy"], "expected set/b.txt in ", capsys)


def test_file_that_vanishes_while_it_is_copied_is_refused_and_all_stays(capsys, monkeypatch):
    put_here(**{"a.txt": b"damaged"})
    copyfile = shutil.copyfile

    def vanishing(source, target):
        Path(source).unlink()
        return copyfile(source, target)

    monkeypatch.setattr(shutil, "copyfile", vanishing)
    refused(["get", "toy"], "usual/set/a.txt to data/raw/toy/a.txt, found: No such file", capsys)


def test_folder_that_cannot_be_written_is_refused_and_all_stays(capsys):
    Path("data").mkdir()
    Path("data/raw").write_text("in the way")
    refused(["get", "toy"], "expected a writable folder ", capsys)


def test_file_in_the_place_of_the_folder_is_refused_and_stays(capsys):
    FOLDER.parent.mkdir(parents=True)
    FOLDER.write_text("in the way")
    refused(["get", "toy"], "expected a folder data/raw/toy, found a file", capsys)


def test_without_a_network_the_way_out_is_shown_and_all_stays(capsys):
    put_here(**{"a.txt": b"damaged"})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    refused(["get", "toy", "--from", url], f"expected the file {url}/set/a.txt, found: ", capsys)


def test_address_without_the_files_is_refused_and_all_stays(server, capsys):
    put_here(**{"a.txt": b"damaged"})
    refused(["get", "toy", "--from", f"{server}/set"], "found: HTTP 404 File not found", capsys)


def test_data_set_that_nobody_can_complete_is_refused_with_the_reason(capsys):
    refused(["get", "lost"], "nobody has the file c.txt", capsys)


@pytest.mark.parametrize("command", ["get", "check"])
def test_unknown_name_is_refused_with_the_closest(command, capsys):
    refused([command, "toys"], "found 'toys'. Did you mean 'toy'?", capsys)


@pytest.mark.parametrize("arguments", [["list"], ["get", "toy"], ["check"]])
def test_folder_that_is_no_workspace_is_refused(arguments, capsys):
    Path("dvc.yaml").unlink()
    refused(arguments, "expected dvc.yaml in ", capsys)


def test_getting_beside_a_run_is_refused(capsys):
    from flows import workspace

    with workspace.exclusive():
        refused(["get", "toy"], "expected no other run in ", capsys)


# check


def test_check_of_files_that_are_right_is_code_0(capsys):
    put_here()
    assert cli.main(["data", "check"]) == 0
    assert cli.main(["data", "check", "toy"]) == 0
    assert capsys.readouterr().out == "toy: 2 files in data/raw/toy, verified\n" * 2


def test_check_with_nothing_here_is_code_0(capsys):
    assert cli.main(["data", "check"]) == 0
    assert capsys.readouterr().out.startswith("No raw files in data/raw.")


def test_check_of_a_data_set_that_is_absent_is_refused(capsys):
    refused(["check", "toy"], "in data/raw/toy, found none. Run `rarenode data get toy`", capsys)


def test_check_of_an_absent_data_set_that_cannot_be_had_says_so(capsys):
    refused(["check", "lost"], "nobody has the file c.txt", capsys)


@pytest.mark.parametrize("arguments", [["check"], ["check", "toy"]])
def test_check_lists_the_files_that_are_wrong(arguments, capsys):
    put_here(**{"a.txt": b""})
    (FOLDER / "b.txt").unlink()
    before = snapshot()
    assert cli.main(["data", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "toy: damaged",
        f"  expected sha256 {FILES[0].sha256} of data/raw/toy/a.txt, found an empty file",
        f"  expected sha256 {FILES[1].sha256} of data/raw/toy/b.txt, found none",
    ]
    assert captured.err.count("\n") == 1
    assert "`rarenode data get toy` replaces what is wrong" in captured.err
    assert snapshot() == before


def test_check_as_json_names_what_is_here_and_what_is_wrong(capfd):
    assert cli.main(["data", "check", "--json"]) == 0
    head = {"schema": 1, "outcome": "completed", "error": None}
    assert json.loads(capfd.readouterr().out) == head | {"datasets": []}
    put_here()
    toy = {"name": "toy", "state": "verified", "folder": "data/raw/toy", "files": 2, "wrong": {}}
    assert cli.main(["data", "check", "toy", "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == head | {"datasets": [toy]}
    (FOLDER / "b.txt").write_bytes(b"")
    assert cli.main(["data", "check", "--json"]) == 2
    out, err = capfd.readouterr()
    found = json.loads(out)
    assert found["outcome"] == "refused"
    assert err.endswith(f"{found['error']}\n")
    wrong = f"expected sha256 {FILES[1].sha256} of data/raw/toy/b.txt, found an empty file"
    assert found["datasets"] == [toy | {"state": "damaged", "wrong": {"b.txt": wrong}}]
    assert cli.main(["data", "check", "lost", "--json"]) == 2
    assert json.loads(capfd.readouterr().out)["error"] == "nobody has the file c.txt"


# list


def test_list_is_a_table_that_fits_80_columns(capsys):
    put_here()
    assert cli.main(["data", "list"]) == 0
    assert capsys.readouterr().out == (
        "name   state          size  what it is\n"
        "lost   unavailable          Toys -> kinds of toys kinds of toys kinds of toys\n"
        "                            kinds of toys kinds of toys\n"
        "other  absent               Other toys\n"
        "toy    verified     0.0 MB  Toys -> kinds of toys kinds of toys kinds of toys\n"
        "                            kinds of toys kinds of toys\n"
    )


def test_list_as_json_has_the_size_in_bytes(capsys):
    put_here()
    (FOLDER / "b.txt").unlink()
    assert cli.main(["data", "list", "--json"]) == 0
    lost, other, toy = json.loads(capsys.readouterr().out)
    assert lost["unavailable"] == "nobody has the file c.txt"
    assert other == {
        "name": "other",
        "state": "absent",
        "bytes": 0,
        "about": "Other toys",
        "unavailable": None,
    }
    assert (toy["state"], toy["bytes"]) == ("incomplete", 5000)


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["check"]])
def test_listing_loads_no_heavy_library(arguments):
    """With the sources that there really are."""
    code = (
        "import sys; from pipeline import cli;"
        f"assert cli.main(['data', *{arguments}]) == 0;"
        "heavy = {'torch', 'dvc', 'prefect', 'scipy', 'sklearn', 'networkx', 'httpx', 'pandas'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.splitlines()[-1] == "[]"
