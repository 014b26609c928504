"""What fails or is killed leaves champion, tags, workspace and remotes as they were."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import gto.api
import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock

from flows import retrain as flow
from flows.retrain import retrain
from pipeline.artifacts import files, paths
from pipeline.champion import committed, place, registry, training, worktree
from pipeline.champion.processes import git
from tests.flows.retraining import comparison, make, predicting, rows, state

pytestmark = pytest.mark.usefixtures("prefect_server")
HOOK = "#!/bin/sh\nexit 1\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make(tmp_path / "workspace", monkeypatch)


def finds(monkeypatch: pytest.MonkeyPatch, low: float) -> None:
    monkeypatch.setattr(training, "compare", lambda *_, **__: comparison(low))


def once(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
    """Let a function fail the next time that it is called, and work again after that."""
    works = getattr(module, name)

    def fail(*_: Any, **__: Any) -> None:
        monkeypatch.setattr(module, name, works)
        raise OSError("no space left on device")

    monkeypatch.setattr(module, name, fail)


def _store_is_a_file(_: pytest.MonkeyPatch) -> None:
    store = Path("../store")
    store.rename("../kept")
    store.write_text("")


def _store_is_back() -> None:
    Path("../store").unlink()
    Path("../kept").rename("../store")


def _origin_refuses(_: pytest.MonkeyPatch) -> None:
    hook = Path("../origin/hooks/pre-receive")
    hook.write_text(HOOK)
    hook.chmod(0o755)


FAILURES: dict[str, tuple[Callable[[pytest.MonkeyPatch], Any], str]] = {
    "validate": (lambda _: Path("refuse-validate").touch(), "found bad data"),
    "train": (lambda _: Path("break-train").touch(), "RuntimeError: broken on purpose"),
    "compare": (lambda m: once(m, training, "compare"), "no space"),
    "commit": (lambda m: once(m, training, "commit"), "no space"),
    "dvc push": (_store_is_a_file, "push` failed"),
    "bundle": (lambda m: once(m, place, "fetch"), "no space"),
    "register": (lambda m: once(m, gto.api, "register"), "no space"),
    "assign": (lambda m: once(m, gto.api, "assign"), "no space"),
    "swap": (lambda m: once(m, place, "swap"), "no space"),
    "git push": (_origin_refuses, "pre-receive hook declined"),
}


@pytest.mark.parametrize("step", FAILURES)
def test_failure_leaves_everything_as_it_was_and_the_next_retrain_succeeds(
    step: str, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(flow, "push", flow.push.with_options(retries=0))
    monkeypatch.setattr(flow, "push_tags", flow.push_tags.with_options(retries=0))
    origin = folder.parent / "origin"
    git("init", "--quiet", "--bare", str(origin))
    git("remote", "add", "origin", str(origin))
    with Path("params.yaml").open("a") as params:
        params.write("  push_tags: origin\n")
    git("commit", "--quiet", "--all", "--message", "push tags")
    finds(monkeypatch, 0)
    assert retrain(return_state=True).name == "Promoted"
    rows(2)
    fail, message = FAILURES[step]
    before, tags = state(folder), git("tag", folder=origin)
    fail(monkeypatch)
    ended = retrain(return_state=True)
    assert ended.is_failed()
    assert message in str(ended.message)
    for name in ("refuse-validate", "break-train"):
        Path(name).unlink(missing_ok=True)
    if step == "dvc push":
        _store_is_back()
    after = state(folder)
    if step in ("bundle", "register", "assign", "swap", "git push"):
        # What was pushed has the names of its contents: nothing refers to it.
        assert {k: v for k, v in after.items() if "store" not in k} == {
            k: v for k, v in before.items() if "store" not in k
        }
        assert before.items() <= after.items()
    else:
        assert after == before
    assert git("tag", folder=origin) == tags
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    finds(monkeypatch, 0)
    (origin / "hooks/pre-receive").unlink(missing_ok=True)
    assert retrain(return_state=True).name == "Promoted"
    assert predicting() == "id,x\n1,2\n2,0\n"
    assert "rarenode@v0.2.0" in git("tag", folder=origin)


def test_killed_retrain_leaves_nothing_in_the_way_of_the_next(folder: Path):
    git("worktree", "add", "--quiet", "--detach", ".rarenode/challenger", "HEAD")
    (folder / ".rarenode/challenger/params.yaml").write_text("half written")
    registry.register(git("rev-parse", "HEAD"), "registered, and killed before it was the champion")
    assert retrain(return_state=True).name == "Promoted"
    champion = registry.champion()
    assert champion is not None
    assert champion.name == "v0.2.0"
    assert len(git("worktree", "list").splitlines()) == 1


def test_accepted_data_are_the_champions_until_somebody_accepts_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    retrain()
    champion = registry.champion()
    assert champion is not None
    start = committed.look()
    with worktree.checked_out(start.commit) as copy:
        assert training.renew(copy, start, champion)
        assert files.read_json(copy / paths.ACCEPTED)["dataset"] == "toy"
    paths.ACCEPTED.write_text('{"schema": 1, "dataset": "by hand"}')
    git("commit", "--quiet", "--all", "--message", "accepted by hand")
    start = committed.look()
    with worktree.checked_out(start.commit) as copy:
        assert not training.renew(copy, start, champion)
        assert files.read_json(copy / paths.ACCEPTED)["dataset"] == "by hand"


@pytest.fixture
def told() -> Iterator[tuple[str, list[str]]]:
    """The address of a webhook, and what it has been told."""
    said: list[str] = []

    class Hears(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            said.append(json.loads(self.rfile.read(length))["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hears)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", said
    server.shutdown()
    server.server_close()
    thread.join()


def test_people_are_told_how_it_ended_but_not_that_nothing_changed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, told: tuple[str, list[str]]
):
    url, said = told
    text = Path("params.yaml").read_text() + "  notify: custom-webhook/team\n"
    Path("params.yaml").write_text(text)
    git("commit", "--quiet", "--all", "--message", "notify")
    assert retrain(return_state=True).is_completed()  # no such block yet: said, and no failure
    block = CustomWebhookNotificationBlock(
        name="team", url=url, json_data={"text": "{{subject}}: {{body}}"}
    )
    block.save("team", overwrite=True)
    retrain(return_state=True)
    assert said == []
    rows(3)
    finds(monkeypatch, -1)
    retrain(return_state=True)
    Path("refuse-validate").touch()
    rows(4)
    retrain(return_state=True)
    assert [text.partition(": ")[2].partition(": ")[0] for text in said] == ["Rejected", "Failed"]
    assert "v0.1.0 stays the champion" in said[0]
    assert "found bad data" in said[1]
