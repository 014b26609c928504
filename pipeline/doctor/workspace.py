"""The workspace in the current folder: its parts, parameters and data, and what a kill has left."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pipeline
from flows import leftovers, workspace
from pipeline.artifacts import paths
from pipeline.config import Config
from pipeline.doctor import installation
from pipeline.doctor.finding import Finding, of_error, several, without_secrets
from pipeline.errors import DatasetError, WorkspaceError

_CODE = Path(pipeline.__file__).parents[1]  # the folder whose code runs now
_FOLDERS = (
    Path(),
    paths.RAW,
    paths.PREPARED,
    paths.METRICS.parent,
    paths.BUNDLE.parent,
    paths.STATE,
    Path(".dvc"),
)
# The default data set writes some hundred MB, DVC's cache included; images some GB.
_LITTLE, _TOO_LITTLE = 2e9, 2e8  # bytes


def is_here() -> bool:
    """Whether there is enough of a workspace to look further."""
    return paths.DVC_YAML.is_file() or paths.PARAMS.exists()


def parts() -> Iterator[Finding]:
    """What the root of a workspace has to have."""
    for part in workspace.parts():
        if not is_here():
            found = f"expected {part.expected} in {Path.cwd()}, found none: this is no workspace"
            yield Finding("workspace", "problem", found, part.remedy)
            return
        if not part.there:
            found = f"expected {part.expected} in {Path.cwd()}, found none"
            yield Finding(part.name, "problem", found, part.remedy)
    if _CODE != Path.cwd().resolve() and (Path.cwd() / "pipeline").is_dir():
        yield Finding(
            "workspace",
            "warning",
            f"commands run the code of {_CODE}, stages that of {Path.cwd()}",
            "Use the environment of this workspace: `make install`, then .venv/bin/rarenode.",
        )
    else:
        yield Finding("workspace", "ok", str(Path.cwd()))


def git() -> Iterator[Finding]:
    """The program, a commit, and who makes the next one: what retraining and schedules need."""
    needed = "`rarenode retrain`, `models` and `deploy` need it"
    if installation.git() is None:
        yield Finding("git", "warning", f"no program git; {needed}", "Install git.")
        return
    if not next(part.there for part in workspace.parts() if part.name == "git"):
        return  # `parts` says so
    done = _git("rev-parse", "--verify", "--short", "HEAD")
    if done.returncode != 0 and _git("rev-parse", "--git-dir").returncode != 0:
        said = done.stderr.strip() or "nothing"
        yield Finding("git", "problem", f"expected that git works in {Path.cwd()}, found: {said}")
        return
    if done.returncode != 0:
        remedy = "git add --all && git commit"
        yield Finding("git", "warning", f"no commit; {needed}", remedy)
        return
    commit = done.stdout.strip()
    if any(_git("var", f"GIT_{who}_IDENT").returncode for who in ("AUTHOR", "COMMITTER")):
        yield Finding(
            "git",
            "warning",
            f"commit {commit}; git does not know who commits, which `rarenode retrain` does",
            "git config user.name NAME && git config user.email ADDRESS",
        )
        return
    yield Finding("git", "ok", f"commit {commit}")


def parameters() -> Iterator[Finding]:
    """params.yaml, with all that stages depend on."""
    from pipeline.config import edit

    planned = edit.plan([])
    if paths.DVC_YAML.is_file():
        workspace.check_parameters(planned.keys)
    config = planned.config
    yield Finding("params.yaml", "ok", f"data set {config.dataset}, profile {config.profile}")


def stages() -> Iterator[Finding]:
    """dvc.yaml, held against the one beside the code that runs, and against the files here."""
    from pipeline.__main__ import STAGES

    here = workspace.read_stages()
    update = "git checkout dvc.yaml, or merge the changes of the new version into it"
    if missing := [name for name in STAGES if name not in here]:
        yield Finding("dvc.yaml", "problem", f"no stage {several(missing)}", update)
        return
    expected = workspace.read_stages(_CODE) if (_CODE / paths.DVC_YAML).is_file() else here
    keys = ("cmd", "deps", "outs", "params")
    stale = [
        name
        for name in STAGES
        if any(here[name].get(key) != expected.get(name, {}).get(key) for key in keys)
        or here[name].get("cmd") != f"python -m pipeline {name}"
    ]
    if stale:
        yield Finding(
            "dvc.yaml", "problem", f"not the stages of this version: {several(stale)}", update
        )
        return
    code = {str(dep) for name in STAGES for dep in here[name].get("deps", ())}
    if gone := sorted(dep for dep in code if dep.startswith("pipeline") and not Path(dep).exists()):
        yield Finding(
            "dvc.yaml",
            "problem",
            f"stages depend on files that are not here: {several(gone)}",
            "git checkout pipeline",
        )
        return
    own = len(here.keys() - {*STAGES})
    yield Finding(
        "dvc.yaml", "ok", f"{len(STAGES)} stages" + (f" and {own} of yours" if own else "")
    )


def data(config: Config) -> Iterator[Finding]:
    """The raw files of the chosen data set, and where they come from."""
    from pipeline.datasets import registry, verified

    source, folder = registry.of(config), paths.raw(config.dataset)
    state = verified.state(source.files(), folder)
    if state != "verified" and (reason := source.unavailable()) is not None:
        raise DatasetError(reason)
    if config.dataset not in registry.names():
        origin = several([file.path for file in source.files()])
    else:
        try:
            origin = without_secrets(str(source.origin()))
        except DatasetError as error:
            if state != "verified":  # else nobody asks where it came from
                yield of_error("data", error)
                return
            origin = "somewhere else"
    again = f"rarenode data get {config.dataset}"
    if config.dataset not in registry.names():
        again = "rarenode run"
    if state == "verified":
        yield Finding("data", "ok", f"{config.dataset}: verified in {folder}, from {origin}")
    elif state == "absent":
        found = f"{config.dataset}: not in {folder} yet; `rarenode run` takes it from {origin}"
        yield Finding("data", "ok", found)
    elif state == "incomplete":
        found = (
            f"{config.dataset}: not all in {folder}; `rarenode run` takes the rest from {origin}"
        )
        yield Finding("data", "warning", found, again)
    else:
        wrong = several([*verified.wrong(source.files(), folder).values()], 2)
        yield Finding("data", "problem", f"{config.dataset}: damaged: {wrong}", again)


def own_files(config: Config) -> Iterator[Finding]:
    """One's own files: there, unchanged, and with the columns that params.yaml names."""
    from pipeline import own_files
    from pipeline.datasets import registry

    if config.tables is None or config.dataset in registry.names():
        return
    copies = paths.raw(config.dataset)
    gone = [
        file.path
        for file in registry.of(config).files()
        if not Path(file.path).exists() and not (copies / file.name).is_file()
    ]
    images = own_files.images(config)
    if images is not None and not Path(images.path).exists() and not copies.exists():
        gone.append(images.path)
    if gone:
        yield Finding(
            "own files",
            "problem",
            f"expected {several(gone)}, as params.yaml says, found none, and no copy in {copies}",
            "Put them there, or run `rarenode init` with the files as they are now.",
        )
        return
    own_files.check(config)
    noted = False
    for note in own_files.gone(config):
        noted = True
        yield Finding("own files", "warning", note, "Put it back, unless the copy is to stay.")
    if changed := [key.removesuffix(".sha256") for key, _ in own_files.changed(config)]:
        yield Finding(
            "own files",
            "warning",
            f"changed since the last run: {several(changed)}",
            "The next run takes them as they are now.",
        )
    elif not noted:
        yield Finding("own files", "ok", "there, and as in params.yaml")


def device(config: Config) -> Iterator[Finding]:
    """Whether the encoder of images can compute where params.yaml says."""
    if config.images.device == "cuda" and installation.gpu() is None:
        yield Finding(
            "images.device",
            "problem",
            "expected a GPU that torch can use for `cuda` in params.yaml, found none",
            "rarenode run --device auto",
        )


def folders() -> Iterator[Finding]:
    """Whether what a run writes can be written."""
    bad = [why for folder in _FOLDERS if (why := _in_the_way(folder)) is not None]
    if bad:
        remedy = "Give yourself the rights (`ls -ld` shows whose they are), or move the file away."
        for why in dict.fromkeys(bad):
            yield Finding("folders", "problem", why, remedy)
        return
    yield Finding("folders", "ok", "what a run writes can be written")


def disk(*further: Path) -> Iterator[Finding]:
    """Free space in the workspace, and in other folders that it writes to."""
    for folder in (Path.cwd(), *further):
        place = next(one for one in (folder, *folder.parents) if one.exists())
        free = shutil.disk_usage(place).free
        state = "problem" if free < _TOO_LITTLE else "warning" if free < _LITTLE else "ok"
        remedy = "Free some; `dvc gc --workspace` removes what no stage here has any more."
        said = f"{free / 1e9:.1f} GB free in {folder}"
        yield Finding("disk", state, said, None if state == "ok" else remedy)


def left() -> Iterator[Finding]:
    """What killed processes have left, and whether somebody is at work."""
    if workspace.is_held("run") or workspace.is_held("retrain"):
        yield Finding("leftovers", "ok", "a run is under way here; whatever is unfinished is its")
        return
    found: list[str] = []
    if unfinished := sorted(map(str, leftovers.unfinished())):
        found.append(f"half-written: {several(unfinished, 3)}")
    if leftovers.is_locked_by_the_dead():
        found.append("locks of a DVC that is no more")
    if leftovers.is_lock_file_cut_off():
        found.append("dvc.lock was cut off while DVC wrote it")
    if found:
        remedy = "The next run removes them; nothing is to be done."
        yield Finding("leftovers", "warning", "; ".join(found), remedy)
    if leftovers.is_lock_file_in_conflict():
        remedy = "Resolve it, or take one side: git checkout --ours dvc.lock"
        yield Finding("leftovers", "problem", "dvc.lock has a merge conflict", remedy)
        found.append("")
    index = _index_lock()
    if index is not None:
        remedy = f"If no git is at work here, remove it: rm {index}"
        yield Finding("leftovers", "warning", f"git's index is locked by {index}", remedy)
        found.append("")
    if not found:
        yield Finding("leftovers", "ok", "none of killed runs")


def _index_lock() -> Path | None:
    if installation.git() is None:
        return None
    done = _git("rev-parse", "--git-path", "index.lock")
    lock = Path(done.stdout.strip() or ".git/index.lock")
    return lock if done.returncode == 0 and lock.exists() else None


def _in_the_way(folder: Path) -> str | None:
    """Why nothing can be put into a folder, which need not be there yet."""
    place = folder
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        return f"expected a folder {place}, found a file or a link that leads nowhere"
    if not os.access(place, os.W_OK | os.X_OK):
        return f"expected a writable folder {place.absolute()}, found one that is not"
    return None


def _git(*arguments: str) -> Any:
    """As `git --no-optional-locks`, which writes nothing."""
    command = ["git", "--no-optional-locks", *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30)
    except subprocess.TimeoutExpired:
        raise WorkspaceError(f"expected an answer of `git {arguments[0]}`, found none") from None
