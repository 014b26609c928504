"""Downloads over HTTP that go on where they stopped."""

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from pipeline import progress
from pipeline.errors import DatasetError, TransientError, WorkspaceError

CONNECT, READ = 15.0, 60.0  # seconds: to get a connection, and between two pieces of an answer
PAUSES = (0.5, 2.0)  # seconds before the second and before the third attempt


def complete(url: str, part: Path, name: str) -> None:
    """Download `url` into `part`; what is in `part` already is not asked for again.

    `part` keeps what came if the download breaks off. Whether that is the expected content is not
    checked here.

    Args:
        url: http or https.
        part: a file that is absent or holds the beginning of this download.
        name: of the file, for whoever watches.

    Raises:
        DatasetError: names the URL and why it cannot be downloaded; a `TransientError` where that
            may pass.
        WorkspaceError: `part` cannot be written.
    """
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with _client() as client:
            for pause in (*PAUSES, None):
                try:
                    return _receive(client, url, part, name)
                except httpx.HTTPError as error:
                    if pause is None or not _may_pass(error):
                        raise
                    progress.note(f"{name}: {_cause(error)}; trying again")
                    time.sleep(pause)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # of a host's name
        passing = isinstance(error, httpx.HTTPError) and (_may_pass(error) or _is_busy(error))
        kind = TransientError if passing else DatasetError
        raise kind(f"expected the file {url}, found: {_cause(error)}") from None
    except OSError as error:
        raise WorkspaceError(
            f"expected a writable file {part}, found: {error.strerror or error}"
        ) from None


def _client() -> httpx.Client:
    try:
        return httpx.Client(
            follow_redirects=True,
            timeout=httpx.Timeout(READ, connect=CONNECT),
            # Compressed for the way, the bytes would be neither those of the checksum nor those
            # that a range counts.
            headers={"Accept-Encoding": "identity"},
        )
    except (httpx.InvalidURL, ImportError, OSError, ValueError) as error:
        raise DatasetError(
            f"expected usable settings of proxy and certificates in the environment, found: {error}"
        ) from None


def _receive(client: httpx.Client, url: str, part: Path, name: str) -> None:
    have = part.stat().st_size if part.exists() else 0
    asked = {"Range": f"bytes={have}-"} if have else {}
    with client.stream("GET", url, headers=asked) as response:
        status = response.status_code
        if status == 200:
            return _store(response, part, name, 0)
        if status == 206 and have:
            _check_range(response, url, part, have)
            return _store(response, part, name, have)
        if status != 416 or not have:
            message = f"HTTP {status} {response.reason_phrase}"
            raise httpx.HTTPStatusError(message, request=response.request, response=response)
    part.unlink()  # as long as the file or longer: no beginning of it
    return _receive(client, url, part, name)


def _check_range(response: httpx.Response, url: str, part: Path, have: int) -> None:
    """Refuse anything but the whole rest."""
    found = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", found.strip())
    if match and int(match[1]) == have and match[3] in ("*", str(int(match[2]) + 1)):
        return
    part.unlink()  # or the next call would ask, and be answered, the same
    raise DatasetError(
        f"expected the bytes from {have} on of {url}, found Content-Range {found!r}; the next try "
        "starts from the beginning"
    )


def _store(response: httpx.Response, part: Path, name: str, have: int) -> None:
    length = response.headers.get("Content-Length", "")
    total = have + int(length) if length.isdigit() else None
    with part.open("ab" if have else "wb") as stream, _bar(name, have, total) as advance:
        for chunk in response.iter_raw():
            stream.write(chunk)
            advance(len(chunk))


def _may_pass(error: httpx.HTTPError) -> bool:
    """Whether trying again may help."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_server_error
    passing = (
        httpx.TimeoutException,
        httpx.NetworkError,
        httpx.RemoteProtocolError,
        httpx.ProxyError,
    )
    return isinstance(error, passing)


def _is_busy(error: httpx.HTTPError) -> bool:
    """Whether the server asks to come again, which may be later than a moment from now."""
    return isinstance(error, httpx.HTTPStatusError) and error.response.status_code in (408, 429)


def _cause(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"no answer in time ({type(error).__name__})"  # has no text of its own
    return str(error).strip().rstrip(".") or type(error).__name__


@contextlib.contextmanager
def _bar(name: str, have: int, total: int | None) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes how many more bytes came."""
    label = f"downloading {name}"
    if total is None:
        progress.note(f"{label}, of a size that the server does not tell")
        yield lambda count: None
        return
    with progress.bar(label, total=_kb(total), unit="KB") as bar:
        bar.advance(_kb(have))
        done = have

        def advance(count: int) -> None:
            nonlocal done
            bar.advance(_kb(done + count) - _kb(done))
            done += count

        yield advance


def _kb(count: int) -> int:
    return -(-count // 1000)  # rounded up: the last one ends at the total
