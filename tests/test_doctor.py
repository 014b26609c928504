"""`rarenode doctor`: each thing that can be wrong is a line with a remedy; nothing is changed."""

import functools
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo

from flows import workspace as held
from pipeline import cli
from pipeline.artifacts import paths
from pipeline.config import edit
from pipeline.datasets import registry
from pipeline.doctor import command, installation, workspace
from pipeline.doctor.finding import Finding, without_secrets

from .flows.conftest import git

ROOT = Path(__file__).parents[1]
MAIN = "import sys; from pipeline.cli import main; sys.exit(main(sys.argv[1:]))"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_WAIT_POLICY")
CONFIGURED = ("PREFECT_API_URL", "RARENODE_STORAGE", "RARENODE_CLUSTER", *THREADS)


@pytest.fixture(autouse=True)
def nothing_configured(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """No Prefect, storage or cluster but what a test asks for; the home folder."""
    home = tmp_path_factory.mktemp("home")
    for name in CONFIGURED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PREFECT_HOME", str(home / ".prefect"))
    return home


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with this code and a commit, to be copied."""
    folder = tmp_path_factory.mktemp("whole") / "workspace"
    folder.mkdir()
    for name in ("dvc.yaml", "params.yaml", "constraints.txt", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, folder)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=ignored)
    here = Path.cwd()
    os.chdir(folder)
    try:
        git("init", "--quiet")
        git("config", "user.name", "t")
        git("config", "user.email", "t@example.org")
        Repo.init(".").close()
        git("add", "--all")
        git("commit", "--quiet", "--message", "all")
    finally:
        os.chdir(here)
    return folder


@pytest.fixture
def here(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workspace, and the current folder; its own code is the code that runs."""
    folder = tmp_path / "workspace"
    shutil.copytree(whole, folder, symlinks=True)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(workspace, "_CODE", folder)
    return folder


def found(*checks: str, remote: bool = False) -> list[Finding]:
    findings = command.examine(ask_remote=remote)
    return [one for one in findings if not checks or one.check in checks]


def only(check: str, **options: Any) -> Finding:
    (one,) = found(check, **options)
    return one


def tree(folder: Path) -> dict[str, str]:
    """Every file and folder below, with content and time of its last change."""
    content = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        content[str(path)] = f"{status.st_mtime_ns} {status.st_size} {digest}"
    return content


def test_a_workspace_as_cloned_has_no_problem(here: Path, capsys: pytest.CaptureFixture[str]):
    problems = [one for one in found() if one.state == "problem"]
    assert problems == []
    assert cli.main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert f"ok       workspace: {here}\n" in out
    assert "ok       params.yaml: data set hpo_eye, profile quick\n" in out
    assert "ok       dvc.yaml: 8 stages\n" in out
    assert "\x1b" not in out


def test_json_is_the_same_as_the_lines(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    usage = shutil.disk_usage(here)  # what others write between the two calls is not seen
    monkeypatch.setattr(workspace.shutil, "disk_usage", lambda folder: usage)
    Path("params.yaml").write_text("dataset: nonsense\n")
    assert cli.main(["doctor", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert all(list(one) == ["check", "state", "found", "remedy"] for one in told)
    assert {one["state"] for one in told} <= {"ok", "warning", "problem"}
    assert cli.main(["doctor"]) == 2
    lines = capsys.readouterr().out.splitlines()
    for one in told:
        assert f"{one['state']:<7}  {one['check']}: {one['found']}" in lines
        assert one["remedy"] is None or f"         -> {one['remedy']}" in lines


def test_nothing_is_changed_on_disk_and_neither_torch_nor_prefect_is_imported(
    here: Path, nothing_configured: Path
):
    code = (
        "import sys\nfrom pipeline.cli import main\n"
        "code = main(['doctor', '--json', '--remote'])\n"
        "assert not {'torch', 'prefect', 'pandas', 'optuna'} & set(sys.modules)\n"
        "sys.exit(code)\n"
    )
    before = tree(here), tree(nothing_configured)
    environment = os.environ | {"PYTHONPATH": str(here), "PYTHONDONTWRITEBYTECODE": "1"}
    shutil.copytree(ROOT / "flows", here / "flows", ignore=shutil.ignore_patterns("__pycache__"))
    before = tree(here), tree(nothing_configured)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert (tree(here), tree(nothing_configured)) == before


def test_an_empty_folder_is_no_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["doctor"]) == 2
    captured = capsys.readouterr()
    line = f"problem  workspace: expected dvc.yaml in {tmp_path}, found none: this is no workspace"
    assert line in captured.out
    assert "-> Run rarenode in the root of a clone" in captured.out
    assert captured.out.endswith("1 problem.\n")
    assert captured.err == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("missing", "check"), [(".git", "git"), (".dvc", "dvc")])
def test_a_part_that_is_missing_is_named_and_the_rest_is_looked_at(
    here: Path, missing: str, check: str
):
    shutil.rmtree(missing)
    one = only(check)
    assert one.state == "problem"
    assert one.remedy is not None
    assert "init" in one.remedy
    assert only("params.yaml").state == "ok"


def test_broken_parameters_are_their_own_message(here: Path):
    edit.plan([]).write()
    text = Path("params.yaml").read_text().replace("\nseed:", "\nsead:")
    Path("params.yaml").write_text(text)
    one = only("params.yaml")
    assert one.state == "problem"
    assert one.found.startswith("params.yaml: sead: unknown parameter")
    Path("params.yaml").write_bytes(b"caf\xe9: [")
    assert only("params.yaml").found.startswith("expected text in UTF-8 in params.yaml, found")
    assert only("dvc.yaml").state == "ok"
    assert found("data") == []


def test_a_section_that_is_missing_is_named(here: Path):
    Path("params.yaml").write_text("dataset: hpo_eye\n")
    assert "expected evaluate, images" in only("params.yaml").found


def test_without_the_program_git(here: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nowhere")
    one = only("git")
    assert (one.state, one.remedy) == ("warning", "Install git.")
    assert [one for one in found() if one.state == "problem"] == []


def test_a_repository_without_a_commit_and_one_without_an_identity(
    here: Path, monkeypatch: pytest.MonkeyPatch
):
    shutil.rmtree(".git")
    git("init", "--quiet")
    assert only("git").remedy == "git add --all && git commit"
    git("commit", "--quiet", "--allow-empty", "--message", "one")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    git("config", "user.useConfigOnly", "true")
    assert "does not know who commits" in only("git").found


def absent(monkeypatch: pytest.MonkeyPatch, *names: str, **versions: str) -> None:
    """Let packages be absent, or of other versions."""
    really = importlib.metadata.distribution
    # What is installed is read once for all tests; here anew, and nobody else sees what is found.
    for function in (installation._installed, installation._lacking):
        monkeypatch.setattr(installation, function.__name__, functools.cache(function.__wrapped__))

    def distribution(name: str) -> Any:
        if name in names:
            raise importlib.metadata.PackageNotFoundError(name)
        one = really(name)
        if name not in versions:
            return one
        return type("Other", (), {"version": versions[name], "requires": one.requires})

    monkeypatch.setattr(importlib.metadata, "distribution", distribution)


def test_an_extra_that_is_missing_is_a_warning_with_its_command(
    here: Path, monkeypatch: pytest.MonkeyPatch
):
    absent(monkeypatch, "onnx", "psycopg")
    one = only("extra onnx")
    assert (one.state, one.remedy) == (
        "warning",
        ".venv/bin/pip install -c constraints.txt -e '.[onnx]'",
    )
    assert "onnx" in one.found
    assert "psycopg" in only("extra teams").found
    assert only("extra go").state == "ok"
    assert only("packages").state == "ok"


def test_a_package_that_is_required_is_a_problem(here: Path, monkeypatch: pytest.MonkeyPatch):
    absent(monkeypatch, "numba", "voluptuous", pandas="2.0.0")  # DVC requires voluptuous
    one = only("packages")
    assert one.state == "problem"
    assert "numba, pandas 2.0.0 (rarenode wants " in one.found
    assert "voluptuous" in one.found


def test_another_version_than_the_pinned_one_is_a_warning(
    here: Path, monkeypatch: pytest.MonkeyPatch
):
    assert only("packages").state == "ok"  # 2.13.0+cpu is torch 2.13.0
    Path("constraints.txt").write_text("# pins\npandas==99.1\nno-such-package==1.0\n")
    one = only("packages")
    assert one.state == "warning"
    assert "1 of 1 are not of the version in constraints.txt: pandas " in one.found
    assert "(pinned: 99.1)" in one.found


def test_python_that_is_too_old_is_a_problem(here: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(installation.platform, "python_version", lambda: "3.9.1")
    assert only("python").state == "problem"


def test_missing_packages_of_the_doctor_itself_are_lines(here: Path):
    shutil.copytree(ROOT / "flows", here / "flows", ignore=shutil.ignore_patterns("__pycache__"))
    code = f"import sys; sys.modules.update(dict.fromkeys(['psutil', 'rich', 'packaging'])); {MAIN}"
    done = subprocess.run(
        [sys.executable, "-c", code, "doctor"],
        env=os.environ | {"PYTHONPATH": str(here)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr == ""
    assert "problem  workspace: cannot be told without the package psutil\n" in done.stdout


def test_a_gpu_beside_torch_for_the_cpu_is_a_warning(here: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(installation, "has_gpu", lambda: True)
    monkeypatch.setattr(installation, "_cuda_of_torch", lambda: None)
    assert only("torch").state == "warning"
    monkeypatch.setattr(installation, "_cuda_of_torch", lambda: "12.8")
    monkeypatch.setattr(installation, "gpu", lambda: None)
    assert "cannot use the GPU" in only("torch").found
    monkeypatch.setattr(installation, "gpu", lambda: "A GPU")
    assert only("torch").found.endswith("for CUDA 12.8, on A GPU")


def test_cuda_in_the_parameters_without_a_gpu_is_a_problem(
    here: Path, monkeypatch: pytest.MonkeyPatch
):
    assert found("images.device") == []
    edit.plan([("images.device", "cuda")]).write()
    monkeypatch.setattr(installation, "gpu", lambda: None)
    assert only("images.device").state == "problem"


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("OMP_NUM_THREADS", "0", "expected a number of at least 1, found OMP_NUM_THREADS=0"),
        ("OMP_NUM_THREADS", "all", "found OMP_NUM_THREADS=all"),
        ("MKL_NUM_THREADS", "9999", "for MKL_NUM_THREADS=9999: threads wait"),
        ("OMP_WAIT_POLICY", "active", "OMP_WAIT_POLICY=ACTIVE"),
    ],
)
def test_threads_that_hinder_each_other_are_a_warning(
    here: Path, variable: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(variable, value)
    one = only("threads")
    assert one.state == "warning"
    assert message in one.found


def test_a_container_with_fewer_cores_than_it_shows(here: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(installation, "_cores", lambda: 64)
    monkeypatch.setattr(installation, "_limit", lambda: 2.5)
    assert only("threads").remedy == "export OMP_NUM_THREADS=2"
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert only("threads").state == "ok"


def test_code_of_another_folder_is_a_warning(here: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workspace, "_CODE", ROOT)
    one = only("workspace")
    assert one.state == "warning"
    assert one.found == f"commands run the code of {ROOT}, stages that of {here}"


def test_stages_of_another_version_are_named(here: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workspace, "_CODE", ROOT)
    text = Path("dvc.yaml").read_text()
    Path("dvc.yaml").write_text(text.replace("      - pipeline/images\n", "", 1))
    one = only("dvc.yaml")
    assert (one.state, one.found) == ("problem", "not the stages of this version: fetch")
    Path("dvc.yaml").write_text(text.replace("\n  tune:\n", "\n  tuned:\n"))
    assert only("dvc.yaml").found == "no stage tune"
    Path("dvc.yaml").write_text(text)
    shutil.rmtree("pipeline/images")
    assert only("dvc.yaml").found == "stages depend on files that are not here: pipeline/images"
    Path("dvc.yaml").write_text("stages: 3\n")
    assert only("dvc.yaml").found.startswith("expected stages in dvc.yaml, found")


def test_raw_files_are_absent_then_verified_then_incomplete_then_damaged(here: Path):
    source, folder = registry.get("hpo_eye"), paths.raw("hpo_eye")
    assert only("data").state == "ok"
    assert "not in data/raw/hpo_eye yet; `rarenode run` takes it from /" in only("data").found
    source.fetch(folder)
    assert only("data").found.startswith("hpo_eye: verified in data/raw/hpo_eye, from /")
    first, second = (folder / file.name for file in source.files()[:2])
    first.unlink()
    assert only("data").state == "warning"
    second.write_text("other\n")
    one = only("data")
    assert (one.state, one.remedy) == ("problem", "rarenode data get hpo_eye")
    assert f"of {second}, found" in one.found


def test_data_that_nobody_can_have_are_a_problem(here: Path):
    edit.plan([("dataset", "expr_FUN")]).write()
    assert "without its training file" in only("data").found


def test_own_files_are_there_then_changed_then_gone(here: Path):
    shutil.copytree(ROOT / "docs/example", "example")
    options = ["--features", "example/sightings.csv", "--labels", "example/taxa.csv"]
    assert cli.main(["init", *options, "--hierarchy", "example/taxonomy.csv"]) == 0
    assert only("own files") == Finding("own files", "ok", "there, and as in params.yaml")
    assert "takes it from example/sightings.csv" in only("data").found
    labels = Path("example/taxa.csv")
    text = labels.read_text()
    labels.write_text(text + text.splitlines()[1] + "\n")
    one = only("own files")
    assert (one.state, one.found) == ("warning", "changed since the last run: tables.labels")
    labels.write_text(text.replace("taxon", "of", 1))
    labels.unlink()
    one = only("own files")
    assert one.state == "problem"
    assert one.found.startswith("expected example/taxa.csv, as params.yaml says, found none")


def test_folders_that_cannot_be_written(here: Path, monkeypatch: pytest.MonkeyPatch):
    assert only("folders").state == "ok"
    Path("reports").write_text("in the way")
    assert only("folders").found.startswith("expected a folder reports, found a file")
    Path("reports").unlink()
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everything
    assert {one.state for one in found("folders")} == {"problem"}


@pytest.mark.parametrize(("free", "state"), [(1e8, "problem"), (1e9, "warning"), (1e10, "ok")])
def test_free_space(here: Path, free: float, state: str, monkeypatch: pytest.MonkeyPatch):
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(workspace.shutil, "disk_usage", lambda folder: usage)
    assert only("disk").state == state


def test_a_cache_elsewhere_has_its_space_told(here: Path, tmp_path: Path):
    (here / ".dvc/config").write_text(f"[cache]\n    dir = {tmp_path / 'cache'}\n")
    assert [one.found.rpartition(" in ")[2] for one in found("disk")] == [
        str(here),
        str(tmp_path / "cache"),
    ]


def test_what_killed_runs_have_left_is_named_and_stays(here: Path):
    assert only("leftovers").found == "none of killed runs"
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    paths.BUNDLE.parent.mkdir()
    half = paths.BUNDLE.parent / f".bundle.{process.pid}-abcdefgh.unfinished"
    living = paths.BUNDLE.parent / f".bundle.{os.getpid()}-abcdefgh.unfinished"
    half.mkdir()
    living.mkdir()
    Path(".dvc/tmp").mkdir(exist_ok=True)
    Path(".dvc/tmp/rwlock").write_text(
        json.dumps({"write": {"x": {"pid": process.pid, "cmd": "dvc repro"}}, "read": {}})
    )
    Path("dvc.lock").write_text("schema: '2.0'\nstages:\n  fetch:\n    cm")
    one = only("leftovers")
    assert one.state == "warning"
    assert one.found == (
        f"half-written: {half}; locks of a DVC that is no more; "
        "dvc.lock was cut off while DVC wrote it"
    )
    assert half.exists()
    assert Path("dvc.lock").exists()
    with held.exclusive():
        half.mkdir(exist_ok=True)
        assert only("leftovers").found.startswith("a run is under way here")


def test_a_merge_conflict_and_a_locked_index_are_named(here: Path):
    Path("dvc.lock").write_text("<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n")
    Path(".git/index.lock").touch()
    conflict, index = found("leftovers")
    assert (conflict.state, index.state) == ("problem", "warning")
    assert index.remedy is not None
    assert index.remedy.endswith("rm .git/index.lock")


def test_an_empty_lock_of_a_dvc_that_ended_well_is_none(here: Path):
    Path(".dvc/tmp").mkdir(exist_ok=True)
    Path(".dvc/tmp/rwlock").write_text("{}")
    assert only("leftovers").state == "ok"


def remote(text: str) -> None:
    Path(".dvc/config").write_text(text)


def test_the_remote_is_named_without_its_secrets_and_not_asked(here: Path):
    remote(
        "[core]\n    remote = far\n['remote \"far\"']\n    url = https://me:s3cret@127.0.0.1:9/x\n"
    )
    one = only("dvc remote")
    assert one.state == "ok"
    assert one.found == "far: https://127.0.0.1:9/x; not asked"
    one = only("dvc remote", remote=True)
    assert one.state == "problem"
    assert "s3cret" not in one.found


def test_a_remote_that_is_asked_is_reached(here: Path, tmp_path: Path):
    remote(f"[core]\n    remote = near\n['remote \"near\"']\n    url = {tmp_path / 'far'}\n")
    assert only("dvc remote", remote=True).found.endswith("reached; there is nothing in it yet")
    (tmp_path / "far").mkdir()
    assert only("dvc remote", remote=True).found.endswith(": reached")


def test_a_default_remote_that_is_none_is_a_problem(here: Path):
    remote("[core]\n    remote = gone\n")
    assert only("dvc remote").found == "expected the default remote 'gone', found no remote"
    remote("['remote \"a\"']\n    url = /a\n")
    assert only("dvc remote").remedy == "dvc remote default a"
    remote("[core\n")
    assert {one.state for one in found("dvc remote", "disk")} == {"problem"}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://token@host/x?sig=1", "https://host/x"),
        ("ssh://me:word@host:22/x", "ssh://me@host:22/x"),
        ("ssh://me@host/x", "ssh://me@host/x"),
        ("s3://bucket/x", "s3://bucket/x"),
        ("postgresql+psycopg://me:a:b@host/d", "postgresql+psycopg://me@host/d"),
        ("/a/folder", "/a/folder"),
    ],
)
def test_secrets_stand_in_no_line(url: str, shown: str):
    assert without_secrets(url) == shown


class Server:
    """Something on the loopback that speaks HTTP as Prefect's server does, as far as asked."""

    def __init__(self) -> None:
        import threading
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        self.answers: dict[str, tuple[int, Any]] = {}
        self.authorization: str | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                outer.authorization = self.headers["Authorization"]
                status, body = outer.answers.get(self.path, (404, None))
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/api"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    one = Server()
    monkeypatch.setenv("PREFECT_API_URL", one.url)
    yield one
    one.close()


def test_without_a_server_that_is_said(here: Path):
    assert "no server configured" in only("prefect").found
    assert only("deploy").state == "ok"


def test_a_prefect_server_that_does_not_answer_is_a_problem(
    here: Path, monkeypatch: pytest.MonkeyPatch
):
    for url in ("http://127.0.0.1:9/api", "nonsense"):
        monkeypatch.setenv("PREFECT_API_URL", url)
        one = only("prefect")
        assert one.state == "problem"
        assert one.found.startswith(f"expected a Prefect server at {url} (PREFECT_API_URL), found")


def test_a_prefect_server_that_does_not_let_us_in(
    here: Path, server: Server, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "me:word")
    server.answers["/api/deployments/filter"] = (401, None)
    assert "does not let us in: 401" in only("prefect").found
    assert server.authorization == "Basic bWU6d29yZA=="


def test_schedules_without_a_worker_are_a_warning(here: Path, server: Server):
    server.answers["/api/deployments/filter"] = (200, [])
    assert only("prefect").found == f"the server at {server.url} answers"
    assert only("deploy").found == "no schedule of this workspace"
    one = {"job_variables": {"working_dir": str(here)}, "work_pool_name": "rarenode"}
    other = {"job_variables": {"working_dir": "/elsewhere"}, "work_pool_name": "theirs"}
    server.answers["/api/deployments/filter"] = (200, [one, other])
    workers = "/api/work_pools/rarenode/workers/filter"
    server.answers[workers] = (200, [{"status": "OFFLINE"}])
    idle = only("deploy")
    assert (idle.state, idle.remedy) == ("warning", "prefect worker start --pool rarenode")
    server.answers[workers] = (200, [{"status": "ONLINE"}])
    assert only("deploy").found == "1 schedule of this workspace, with workers"


def test_a_profile_of_prefect_is_asked(here: Path, nothing_configured: Path):
    folder = nothing_configured / ".prefect"
    folder.mkdir()
    (folder / "profiles.toml").write_text(
        'active = "far"\n[profiles.far]\nPREFECT_API_URL = "http://127.0.0.1:9/api"\n'
    )
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "doctor", "--json"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    (one,) = (one for one in json.loads(done.stdout) if one["check"] == "prefect")
    assert one["state"] == "problem"
    assert "http://127.0.0.1:9/api" in one["found"]


def test_a_database_and_a_cluster_are_asked_only_where_they_are_configured(
    here: Path, monkeypatch: pytest.MonkeyPatch
):
    assert found("storage", "dask") == []
    monkeypatch.setenv("RARENODE_STORAGE", "postgresql://me:s3cret@127.0.0.1:9/studies")
    monkeypatch.setenv("PGPASSWORD", "")  # a URL's password goes there, and back when we are done
    monkeypatch.setenv("RARENODE_CLUSTER", "tcp://127.0.0.1:9")
    storage, dask = found("storage", "dask")
    assert (storage.state, dask.state) == ("problem", "problem")
    assert "at postgresql+psycopg://me@127.0.0.1:9/studies (RARENODE_STORAGE)" in storage.found
    assert "s3cret" not in f"{storage.found} {storage.remedy}"
    monkeypatch.setenv("RARENODE_CLUSTER", "somewhere")
    assert "found 'somewhere'" in only("dask").found


def test_a_check_that_fails_is_a_line_and_the_others_go_on(
    here: Path, monkeypatch: pytest.MonkeyPatch
):
    def broken() -> Iterator[Finding]:
        yield Finding("threads", "ok", "so far")
        raise KeyError("x\x1b[31m")

    monkeypatch.setattr(installation, "threads", broken)
    first, second = found("threads")
    assert first.found == "so far"
    assert second.state == "problem"
    assert "\x1b" not in second.found
    assert only("workspace").state == "ok"
