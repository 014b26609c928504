"""Fetching raw files; whatever goes wrong, the target folder stays as it was."""

import errno
import hashlib
import os
import re
import shutil
import socket
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.artifacts import paths
from pipeline.datasets import download, verified
from pipeline.datasets.verified import RawFile
from pipeline.errors import DatasetError, TransientError, WorkspaceError

CONTENTS = {"set/a.txt": b"alpha" * 40_000, "set/b.txt": b"beta" * 50_000}
FILES = tuple(
    RawFile(path.removeprefix("set/"), path, hashlib.sha256(content).hexdigest())
    for path, content in CONTENTS.items()
)
A, B = FILES
SIZE = len(CONTENTS["set/a.txt"])


class Server:
    """Serves `contents` with Range support; `answers` overrule it, one request each.

    An answer is a status, a number of bytes after which it breaks off, or a header's new value.
    """

    def __init__(self) -> None:
        self.contents = {f"/{path}": content for path, content in CONTENTS.items()}
        self.answers: list[dict] = []
        self.requests: list[tuple[str, str | None]] = []  # path, range
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.requests.append((self.path, self.headers["Range"]))
                server.answer(self)

            def log_message(self, *_):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        special = self.answers.pop(0) if self.answers else {}
        content = self.contents.get(handler.path)
        status = special.get("status", 200 if content is not None else 404)
        if status != 200 or content is None:
            handler.send_response(status)
            for name, value in special.get("headers", {}).items():
                handler.send_header(name, value)
            handler.end_headers()
            return
        headers = {"Content-Length": str(len(content))}
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers["Range"] or "")
        if asked and not special.get("whole"):
            start = int(asked[1])
            if start >= len(content):
                handler.send_response(416)
                handler.end_headers()
                return
            status, rest = 206, content[start:]
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            headers["Content-Length"] = str(len(rest))
        else:
            rest = content
        handler.send_response(status)
        for name, value in (headers | special.get("headers", {})).items():
            if value is not None:
                handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(rest[: special.get("breaks_after", len(rest))])

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The target, which holds one file that is wrong and one that belongs to somebody else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(download, "PAUSES", (0.0, 0.0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = Path("data/raw/toy")
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("damaged")
    (folder / "other.txt").write_text("somebody's")
    return folder


@pytest.fixture
def origin(tmp_path) -> Path:
    return write(tmp_path / "origin")


def write(folder: Path) -> Path:
    for path, content in CONTENTS.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """All beside and below the folder: nothing may be left next to it either."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.parent.rglob("*"))
    }


def refused(origin, folder: Path, message: str, error=DatasetError) -> str:
    """`fetch` refuses with one line, and the folder and all beside it stay as they were."""
    before = snapshot(folder)
    with pytest.raises(error, match=message) as caught:
        verified.fetch(FILES, origin, folder)
    assert snapshot(folder) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def is_complete(folder: Path) -> bool:
    names = sorted(path.name for path in folder.iterdir())
    beside = [path.name for path in folder.parent.iterdir()]
    return (
        names == ["a.txt", "b.txt"]
        and beside == [folder.name]
        and verified.state(FILES, folder) == "verified"
    )


KEPT = sorted(file.sha256 for file in FILES)


def downloads() -> list[str]:
    return sorted(path.name for path in paths.DOWNLOADS.glob("*"))


# A folder as origin


def test_all_files_are_put_into_place_and_nothing_else_stays(origin, folder):
    verified.fetch(FILES, origin, folder)
    assert is_complete(folder)
    assert not paths.STATE.exists()


@pytest.mark.parametrize("origin_type", [str, Path])
def test_folder_that_is_not_there_yet_is_made(origin, origin_type, folder):
    shutil.rmtree(folder)
    verified.fetch(FILES, origin_type(origin), folder)
    assert is_complete(folder)


def test_folder_without_its_layout_will_do(origin, folder):
    verified.fetch(FILES, origin / "set", folder)
    assert is_complete(folder)


def test_file_may_have_the_name_that_it_gets_here(origin, folder):
    (origin / "set" / "a.txt").rename(origin / "renamed.txt")
    files = (RawFile("renamed.txt", A.path, A.sha256), B)
    verified.fetch(files, origin, folder)
    assert verified.state(files, folder) == "verified"


def test_files_that_are_all_right_are_not_touched_and_no_origin_is_asked(origin, folder):
    verified.fetch(FILES, origin, folder)
    before = snapshot(folder)
    verified.fetch(FILES, "/not/there", folder)
    assert snapshot(folder) == before


def test_files_that_are_right_are_not_asked_for_again(origin, server, folder):
    shutil.copy(origin / A.path, folder / A.name)
    verified.fetch(FILES, server.url, folder)
    assert is_complete(folder)
    assert server.requests == [("/set/b.txt", None)]


def test_folder_that_is_a_link_stays_one(origin, folder, tmp_path):
    elsewhere = tmp_path / "disk" / "toy"
    elsewhere.parent.mkdir()
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    verified.fetch(FILES, origin, folder)
    assert folder.is_symlink()
    assert is_complete(elsewhere)


def test_other_content_is_refused_with_both_checksums(origin, folder):
    (origin / B.path).write_bytes(b"another release")
    found = hashlib.sha256(b"another release").hexdigest()
    refused(origin, folder, rf"expected sha256 {B.sha256} of {origin / B.path}, found {found}$")


def test_empty_file_is_called_empty(origin, folder):
    (origin / A.path).write_bytes(b"")
    refused(origin, folder, rf"of {origin / A.path}, found an empty file$")


def test_missing_file_is_named_with_the_layout_that_is_expected(origin, folder):
    (origin / B.path).unlink()
    message = refused(origin, folder, rf"^expected set/b\.txt in {origin}, found none\. ")
    assert "has to hold set/a.txt, set/b.txt, each at this path or directly in the" in message


def test_folder_of_another_data_set_is_refused_with_the_layout(origin, folder, tmp_path):
    other = tmp_path / "others"
    (other / "set").mkdir(parents=True)
    (other / "set" / "c.txt").write_text("of another set")
    refused(other, folder, r"found none of them\. The folder has to hold set/a\.txt, set/b\.txt")


def test_origin_that_does_not_exist_is_named_in_full(folder, tmp_path):
    refused("nowhere", folder, rf"found none at {tmp_path}/nowhere$")


def test_origin_that_is_a_file_is_refused(origin, folder):
    refused(origin / A.path, folder, rf"expected a folder .* found a file at {origin / A.path}$")


def test_folder_in_the_place_of_a_file_is_refused(origin, folder):
    (origin / A.path).unlink()
    (origin / A.path).mkdir()
    refused(origin, folder, rf"expected to copy {origin / A.path} .* found: Is a directory$")


def test_file_that_vanishes_while_it_is_copied_is_named(origin, folder, monkeypatch):
    copyfile = shutil.copyfile

    def vanishing(source, target):
        if Path(source).name == "b.txt":
            Path(source).unlink()
        return copyfile(source, target)

    monkeypatch.setattr(shutil, "copyfile", vanishing)
    refused(
        origin,
        folder,
        rf"expected to copy {origin / B.path} to {folder / B.name}, found: No such file",
    )


def test_file_that_shrinks_while_it_is_copied_is_refused(origin, folder, monkeypatch):
    monkeypatch.setattr(shutil, "copyfile", lambda source, target: Path(target).write_bytes(b"al"))
    refused(origin, folder, rf"expected sha256 {A.sha256} of {origin / A.path}, found [0-9a-f]")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_that_may_not_be_read_is_named(origin, folder):
    (origin / A.path).chmod(0)
    refused(origin, folder, rf"expected to copy {origin / A.path} .* found: Permission denied$")


def test_disk_that_cannot_be_read_is_one_message(origin, folder, monkeypatch):
    def broken(source, target):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(shutil, "copyfile", broken)
    refused(origin, folder, rf"expected to copy {origin / A.path} .* found: Input/output error$")


# A folder that cannot be written


def test_file_in_the_place_of_the_folder_stays(origin, folder):
    shutil.rmtree(folder)
    folder.write_text("in the way")
    refused(origin, folder, "expected a folder data/raw/toy, found a file", WorkspaceError)


def test_file_above_the_folder_stays(origin, folder):
    shutil.rmtree("data")
    Path("data").write_text("in the way")
    with pytest.raises(WorkspaceError, match=r"expected a writable folder .*data/raw, found: Not"):
        verified.fetch(FILES, origin, folder)
    assert Path("data").read_text() == "in the way"


def test_read_only_disk_is_one_message(origin, folder, monkeypatch):
    def read_only(*args, **kwargs):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "mkdtemp", read_only)
    refused(origin, folder, "expected a writable folder .*: Read-only file system", WorkspaceError)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder closed even to root")
def test_folder_that_even_root_cannot_make_is_one_message(origin):
    with pytest.raises(WorkspaceError, match="expected a writable folder /proc/none, found: No"):
        verified.fetch(FILES, origin, Path("/proc/none/toy"))


def test_old_files_come_back_if_the_new_ones_cannot_take_their_place(origin, folder, monkeypatch):
    replace = Path.replace

    def busy(self, target):
        if Path(target).name == folder.name:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", busy)
    refused(
        origin, folder, "expected a writable folder data/raw/toy, found: .*busy", WorkspaceError
    )


# A URL as origin


def test_files_are_downloaded_once(server, folder):
    verified.fetch(FILES, server.url + "/", folder)
    assert is_complete(folder)
    assert server.requests == [("/set/a.txt", None), ("/set/b.txt", None)]
    assert downloads() == KEPT
    shutil.rmtree(folder)  # as DVC does before a stage runs
    verified.fetch(FILES, server.url, folder)
    assert is_complete(folder)
    assert len(server.requests) == 2


def test_kept_download_that_was_damaged_is_downloaded_again(server, folder):
    paths.DOWNLOADS.mkdir(parents=True)
    (paths.DOWNLOADS / A.sha256).write_text("damaged")
    verified.fetch(FILES, server.url, folder)
    assert is_complete(folder)
    assert downloads() == KEPT
    assert verified.sha256_of(paths.DOWNLOADS / A.sha256) == A.sha256


def test_chosen_folder_is_asked_once_and_its_files_are_kept(origin, folder):
    verified.fetch(FILES, origin, folder, chosen=True)
    assert is_complete(folder)
    assert downloads() == KEPT
    shutil.rmtree(folder)
    verified.fetch(FILES, "http://nobody.invalid", folder)
    assert is_complete(folder)


def test_files_that_were_put_there_by_hand_can_be_kept(origin, folder):
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(origin / A.path, folder / A.name)
    verified.keep(FILES, folder)
    assert downloads() == [A.sha256]
    (paths.DOWNLOADS / A.sha256).write_text("damaged")
    verified.keep(FILES, folder)
    assert verified.sha256_of(paths.DOWNLOADS / A.sha256) == A.sha256
    (folder / A.name).write_text("damaged")
    (paths.DOWNLOADS / A.sha256).unlink()
    verified.keep(FILES, folder)
    assert downloads() == []


def test_kept_file_that_cannot_be_written_is_one_message(origin, folder, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    verified.fetch(FILES, origin, folder)
    monkeypatch.setattr(shutil, "copyfile", full)
    message = "expected a writable folder .rarenode/downloads, found: No space left"
    with pytest.raises(WorkspaceError, match=message):
        verified.keep(FILES, folder)
    assert downloads() == []


def test_chosen_folder_with_a_wrong_file_is_refused_though_it_is_not_needed(origin, folder):
    verified.fetch(FILES, origin, folder, chosen=True)
    before = snapshot(folder)
    (origin / A.path).write_text("another")
    with pytest.raises(DatasetError, match=rf"expected sha256 {A.sha256} of .*a\.txt, found "):
        verified.fetch(FILES, origin, folder, chosen=True)
    assert snapshot(folder) == before


def test_progress_is_told_in_kilobytes(server, folder, capsys):
    verified.fetch(FILES, server.url, folder)
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("downloading a.txt: 200/200 KBs, took ")
    assert len(out) == 2


def test_size_that_the_server_does_not_tell_is_no_obstacle(server, folder, capsys):
    server.answers = [{"headers": {"Content-Length": None}}]
    verified.fetch(FILES, server.url, folder)
    assert is_complete(folder)
    assert "downloading a.txt, of a size that the server does not tell" in capsys.readouterr().out


def test_path_is_quoted(server, folder):
    server.contents = {"/my%20set/a%23.txt": b"x"}
    file = RawFile("a.txt", "my set/a#.txt", hashlib.sha256(b"x").hexdigest())
    verified.fetch([file], server.url, folder)
    assert verified.state([file], folder) == "verified"


def test_redirect_is_followed(server, folder):
    server.answers = [{"status": 302, "headers": {"Location": "/moved.txt"}}]
    server.contents["/moved.txt"] = CONTENTS[A.path]
    verified.fetch(FILES, server.url, folder)
    assert is_complete(folder)


def test_endless_redirect_is_refused(server, folder):
    server.answers = [{"status": 302, "headers": {"Location": "/set/a.txt"}}] * 30
    refused(server.url, folder, r"expected the file .*/set/a\.txt, found: Exceeded maximum allowed")


def test_without_a_network_the_way_out_is_shown(folder):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    message = refused(f"http://127.0.0.1:{port}", folder, rf"127\.0\.0\.1:{port}/set/a\.txt, found")
    assert "Connection refused" in message
    assert "`rarenode data get toy --from DIR` takes the files from a folder" in message


@pytest.mark.parametrize(
    "url", ["http://", "http://[", "https://127.0.0.1:x", "http://a..b/x", f"http://{'a' * 70}/x"]
)
def test_address_that_is_none_is_one_message(url, folder):
    refused(url, folder, "expected the file ")


def test_download_that_breaks_off_is_resumed_at_once(server, folder, capsys):
    server.answers = [{"breaks_after": 70_000}]
    verified.fetch(FILES, server.url, folder)
    assert is_complete(folder)
    assert server.requests[:2] == [("/set/a.txt", None), ("/set/a.txt", "bytes=70000-")]
    assert "trying again" in capsys.readouterr().out


def test_download_that_keeps_breaking_off_is_resumed_by_the_next_call(server, folder):
    server.answers = [{"breaks_after": 50_000}] * 3
    refused(server.url, folder, r"expected the file .*/set/a\.txt, found: peer closed connection")
    assert downloads() == [f"{A.sha256}.part"]
    assert (paths.DOWNLOADS / f"{A.sha256}.part").stat().st_size == 150_000
    server.requests.clear()
    verified.fetch(FILES, server.url, folder)
    assert is_complete(folder)
    assert server.requests == [("/set/a.txt", "bytes=150000-"), ("/set/b.txt", None)]
    assert downloads() == KEPT


def test_finished_file_of_an_interrupted_fetch_is_not_downloaded_again(server, folder):
    server.answers = [{}, {"status": 404}]
    refused(server.url, folder, r"/set/b\.txt, found: HTTP 404 Not Found")
    assert downloads() == [A.sha256]
    server.requests.clear()
    verified.fetch(FILES, server.url, folder)
    assert is_complete(folder)
    assert server.requests == [("/set/b.txt", None)]
    assert downloads() == KEPT


def test_finished_downloads_outlive_a_folder_that_cannot_be_written(server, folder, monkeypatch):
    def read_only(*args, **kwargs):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as context:
        context.setattr(tempfile, "mkdtemp", read_only)
        refused(server.url, folder, "expected a writable folder", WorkspaceError)
    server.requests.clear()
    verified.fetch(FILES, server.url, folder)
    assert is_complete(folder)
    assert server.requests == []


def started(content: bytes) -> None:
    """As if a download of the first file had broken off after this."""
    paths.DOWNLOADS.mkdir(parents=True)
    (paths.DOWNLOADS / f"{A.sha256}.part").write_bytes(content)


def test_server_without_ranges_starts_over(server, folder):
    started(CONTENTS[A.path][:1000])
    server.answers = [{"whole": True}]
    verified.fetch(FILES, server.url, folder)
    assert is_complete(folder)
    assert server.requests == [("/set/a.txt", "bytes=1000-"), ("/set/b.txt", None)]


def test_download_that_is_too_long_starts_over(server, folder):
    started(CONTENTS[A.path] + b"more")
    verified.fetch(FILES, server.url, folder)
    assert is_complete(folder)
    assert server.requests[:2] == [("/set/a.txt", f"bytes={SIZE + 4}-"), ("/set/a.txt", None)]


def test_download_that_began_as_another_file_starts_over(server, folder):
    started(b"something else")
    verified.fetch(FILES, server.url, folder)
    assert is_complete(folder)
    assert server.requests[:2] == [("/set/a.txt", "bytes=14-"), ("/set/a.txt", None)]


@pytest.mark.parametrize(
    "found",
    ["bytes 7-199999/200000", "bytes 1000-1999/200000", "bytes */200000", "1000-", "", None],
)
def test_another_range_than_asked_for_is_refused_and_the_next_call_starts_over(
    found, server, folder
):
    started(CONTENTS[A.path][:1000])
    server.answers = [{"headers": {"Content-Range": found}}]
    refused(
        server.url, folder, r"expected the bytes from 1000 on of .*/set/a\.txt, found Content-R"
    )
    verified.fetch(FILES, server.url, folder)
    assert is_complete(folder)


@pytest.mark.parametrize("content", [b"an error page", b""])
def test_download_with_a_wrong_checksum_is_deleted_and_refused(content, server, folder):
    server.contents["/set/a.txt"] = content
    found = hashlib.sha256(content).hexdigest() if content else "an empty file"
    refused(
        server.url, folder, rf"expected sha256 {A.sha256} of {server.url}/set/a\.txt, found {found}"
    )
    assert downloads() == []
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [401, 404, 410, 429, 416, 204, 206])
def test_refusal_of_the_server_is_final(status, server, folder):
    server.answers = [{"status": status}]
    refused(server.url, folder, rf"expected the file .*/set/a\.txt, found: HTTP {status} ")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "passes"), [(404, False), (401, False), (408, True), (429, True), (503, True)]
)
def test_what_may_pass_is_told_from_what_does_not(status, passes, server, folder):
    server.answers = [{"status": status}] * 3
    with pytest.raises(DatasetError) as error:
        verified.fetch(FILES, server.url, folder)
    assert isinstance(error.value, TransientError) is passes


def test_server_that_is_not_there_may_be_there_later(folder):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TransientError, match="Connection refused"):
        verified.fetch(FILES, f"http://127.0.0.1:{port}", folder)


def test_fault_of_the_server_that_passes_is_no_error(server, folder):
    server.answers = [{"status": 500}, {"status": 503}]
    verified.fetch(FILES, server.url, folder)
    assert is_complete(folder)
    assert len(server.requests) == 4


def test_fault_of_the_server_that_stays_is_an_error_after_three_attempts(server, folder):
    server.answers = [{"status": 502}] * 3
    refused(server.url, folder, r"found: HTTP 502 Bad Gateway\. ")
    assert len(server.requests) == 3


def test_server_that_does_not_answer_is_an_error(folder, monkeypatch):
    monkeypatch.setattr(download, "READ", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener:  # takes connections, says nothing
        port = listener.getsockname()[1]
        refused(f"http://127.0.0.1:{port}", folder, r"found: no answer in time \(ReadTimeout\)")


def test_file_in_the_place_of_the_downloads_is_one_message(server, folder):
    paths.STATE.mkdir()
    paths.DOWNLOADS.write_text("in the way")
    refused(server.url, folder, "expected a writable file .rarenode/downloads/", WorkspaceError)


def test_proxy_that_makes_no_sense_is_one_message(server, folder, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "gopher://127.0.0.1")
    monkeypatch.delenv("http_proxy", raising=False)
    refused(server.url, folder, "expected usable settings of proxy and certificates")


# What a folder has


def test_state_tells_absent_incomplete_damaged_and_verified(origin, tmp_path):
    folder = tmp_path / "some"
    assert verified.state(FILES, folder) == "absent"
    folder.mkdir()
    assert verified.state(FILES, folder) == "absent"
    shutil.copy(origin / A.path, folder / A.name)
    assert verified.state(FILES, folder) == "incomplete"
    assert verified.wrong(FILES, folder) == {
        "b.txt": f"expected sha256 {B.sha256} of {folder / 'b.txt'}, found none"
    }
    (folder / B.name).touch()
    assert verified.state(FILES, folder) == "damaged"
    assert verified.wrong(FILES, folder)["b.txt"].endswith("found an empty file")
    shutil.copy(origin / B.path, folder / B.name)
    assert verified.state(FILES, folder) == "verified"
    assert verified.wrong(FILES, folder) == {}


def test_folder_in_the_place_of_a_file_is_damage(folder):
    (folder / B.name).mkdir()
    assert verified.state(FILES, folder) == "damaged"
    assert verified.wrong(FILES, folder)["b.txt"].endswith("found no regular file")


def test_where_nothing_is_published_nothing_is_here(folder):
    assert verified.state((), folder) == "absent"
