"""Headless Chromium, driven through its DevTools protocol: open a page, wait for it, look at it."""

import base64
import itertools
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

_FLAGS = (
    "--headless --no-sandbox --disable-gpu --hide-scrollbars --disable-background-networking "
    "--disable-dev-shm-usage --no-first-run --remote-debugging-port=0"
).split()


class Page:
    """A tab."""

    def __init__(self, connection: ClientConnection):
        self._connection = connection
        self._numbers = itertools.count(1)
        self._session: str | None = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]

    def open(self, url: str, *, width: int = 1280, height: int = 900) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)
        light = [{"name": "prefers-color-scheme", "value": "light"}]
        self._call("Emulation.setEmulatedMedia", features=light)
        self._call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of some JavaScript."""
        found = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def text(self) -> str:
        """What there is to read."""
        return self.run("document.body ? document.body.innerText : ''")

    def click(self, text: str) -> None:
        """The first thing that has this text and nothing else."""
        leaf = f"!e.children.length && e.textContent.trim() === {json.dumps(text)}"
        self.run(f"[...document.querySelectorAll('*')].find(e => {leaf}).click()")

    def screenshot(self, path: Path) -> None:
        data = self._call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._connection.send(json.dumps(message))
        while True:
            answer = json.loads(self._connection.recv(timeout=60))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]


@contextmanager
def page(profile: Path) -> Iterator[Page]:
    """A tab of a browser of its own, whose state is in a folder."""
    command = ["chromium", *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            lines = iter(process.stderr)
            url = next(m[1] for line in lines if (m := re.search(r"listening on (ws://\S+)", line)))
            with connect(url, max_size=None, proxy=None) as connection:
                yield Page(connection)
        finally:
            process.terminate()
