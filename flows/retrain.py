"""Retraining that never gets worse: a challenger is promoted only if it is not worse by margins.

It is trained in a clean worktree of what is committed, on the data as they are now. Whatever fails
leaves the champion, the workspace and the remote as they were (docs/retraining.md).
"""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.blocks.core import Block
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.logging import get_logger
from prefect.states import Completed

from flows import guard, history, watch, workspace
from flows.headline import escape
from pipeline import progress
from pipeline.artifacts import files, paths
from pipeline.champion import (
    committed,
    decision,
    pages,
    place,
    record,
    registry,
    training,
    versions,
    worktree,
)
from pipeline.champion.committed import Start
from pipeline.champion.decision import Verdict
from pipeline.champion.registry import Version
from pipeline.errors import RarenodeError

STEPS = ("look", "validate", "train", "compare", "promote")
UNCHANGED, REJECTED, PROMOTED = "Unchanged", "Rejected", "Promoted"
VERDICT = paths.REPORT.with_name("verdict.md")
_JUDGED = paths.STATE / "judged.json"  # what the last challenger was, so that none comes twice
_NETWORK: Any = {  # of tasks that a network may break off
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "retries": 2,
    "retry_delay_seconds": 10,
}


def notify(flow: Any, flow_run: Any, state: State) -> None:
    """Tell people, through the notification block that `retrain.notify` names, how it ended."""
    try:
        name = committed.config_of("HEAD").retrain.notify
    except RarenodeError:
        return  # then this is why it ended, and nobody knows whom to tell
    if name is None or state.name == UNCHANGED:
        return
    try:
        block: Any = Block.load(name)
        block.notify(str(state.message), subject=f"rarenode retrain: {state.name}")
    except Exception as error:  # whatever a block is made of; a message is not worth a failure
        # By its kind alone: its text may hold the block's address, and that a secret.
        said = f"nobody was told through the block {name!r}: {type(error).__name__}"
        get_logger("retrain").warning("%s", said)
        watch.current().progressed("notify", progress.Event(bar=0, note=said))


@flow(
    name="retrain",
    persist_result=False,
    on_completion=[notify],
    on_failure=[notify],
    on_crashed=[notify],
)
def retrain(force: bool = False, promote: bool = False) -> State:
    """Train a challenger if the data or the parameters have changed, and promote it if it may be.

    Args:
        force: train even if nothing has changed.
        promote: promote it whatever the comparison says; it still has to pass the validation.

    Returns:
        A completed state named Unchanged, Rejected or Promoted, with the verdict as its message.

    Raises:
        RarenodeError: something that the user can fix, such as data that fail the validation.
        StepFailed: a stage failed.
    """
    workspace.check()
    watch.current().planned(list(STEPS))
    with workspace.retraining():
        history.reconcile("retrain")
        start, champion = _step("look", look)
        left_out = f" Not committed, so left out: {', '.join(start.left_out)}."
        also = left_out if start.left_out else ""
        if not (force or promote) and (why := _same(start, champion)) is not None:
            return Completed(name=UNCHANGED, message=why + also)
        watch.current().progressed(
            "look", progress.Event(0, note=f"data set {start.config.dataset}, as committed.{also}")
        )
        if also:
            get_run_logger().warning(also.strip())
        with worktree.checked_out(start.commit) as folder:
            name, said = _challenge(folder, start, champion, promote)
        return Completed(name=name, message=said + also)


def _challenge(
    folder: Path, start: Start, champion: Version | None, anyway: bool
) -> tuple[str, str]:
    """Make a challenger in a worktree, and hold it against the champion: how it ends, and why."""
    pull = worktree.has_remote()
    accepted = training.renew(folder, start, champion)
    _step("validate", validate, folder, pull)
    _step("train", train, folder, pull)
    verdict, comparison = Verdict(True, "", []), None
    if champion is not None:
        comparison = _step("compare", compare, folder, champion, accepted)
        verdict = decision.judge(comparison, start.config.retrain)
    named = champion.name if champion is not None else None
    if not (verdict.promote or anyway):
        said = pages.headline(verdict, "the challenger", named)
        if comparison is not None and comparison["reason"] is not None:
            said += " `rarenode retrain --promote` promotes it all the same."
        _publish(folder, said, verdict, comparison)
        files.write_json(_JUDGED, _judged(start, champion) | {"why": said})
        return REJECTED, said
    with _watched("promote"):
        said = _promote(folder, start, champion, verdict, comparison, pull)
    try:
        _publish(folder, said, verdict, comparison)
    except Exception as error:  # what is promoted has not failed
        get_run_logger().warning("The verdict could not be published: %s", type(error).__name__)
    return PROMOTED, said


def _promote(
    folder: Path,
    start: Start,
    champion: Version | None,
    verdict: Verdict,
    comparison: dict[str, Any] | None,
    remote: bool,
) -> str:
    """Commit, push and tag; in this order, so that a kill leaves one whole champion.

    Until the tags there is nothing that anybody sees. The second tag makes the champion, and the
    link follows it, if need be at the start of the next retrain.
    """
    named = champion.name if champion is not None else None
    record.write(
        folder,
        base=start.commit,
        fingerprint=start.fingerprint,
        against=named,
        holdout=comparison and comparison["holdout"],
        figures=verdict.figures,
    )
    commit = training.commit(folder, f"Retrained on {start.config.dataset}")
    if remote:
        push(folder)
    bundle, link = place.materialise(commit, "the challenger"), place.current()
    with ExitStack() as undo:
        figures = "\n".join(pages.plain(verdict))
        version, tag = registry.register(commit, f"{start.config.dataset}\n\n{figures}".strip())
        undo.callback(registry.delete, tag)
        said = pages.headline(verdict, version.name, named)
        if not verdict.promote:
            said = f"{version.name} was promoted by hand in spite of this: {verdict.why}."
        assigned = registry.assign(version, said)
        undo.callback(registry.delete, assigned)
        undo.callback(place.swap, link)
        place.swap(bundle)
        if (git_remote := start.config.retrain.push_tags) is not None:
            with registry.unless_arrived(git_remote, assigned, undo):
                push_tags(git_remote)
        undo.pop_all()
    place.clean(bundle, link)
    return said


@task(task_run_name="look", cache_policy=NO_CACHE, persist_result=False)
def look() -> tuple[Start, Version | None]:
    """See what is committed, what the data are and which version is the champion."""
    registry.check_identity()
    guard.wait_for_others()
    worktree.remove()  # what a killed retrain may have left
    start = committed.look()
    remote = start.config.retrain.push_tags
    if remote is not None:
        fetch_tags(remote)
    versions.discard_unfinished()
    if remote is not None and registry.unpushed(remote):  # a promotion was cut off before
        push_tags(remote)
    return start, place.reconcile()


@task(task_run_name="validate", cache_policy=NO_CACHE, persist_result=False)
def validate(folder: Path, pull: bool) -> None:
    """Hold the data against expectations, and against the last accepted ones."""
    log, hear = get_run_logger(), _hearing("validate")
    training.reproduce(folder, "validate", pull=pull, log=log.info, on_event=hear)


@task(task_run_name="train", cache_policy=NO_CACHE, persist_result=False)
def train(folder: Path, pull: bool) -> None:
    """Run the rest of the pipeline."""
    log, hear = get_run_logger(), _hearing("train")
    training.reproduce(folder, None, pull=pull, log=log.info, on_event=hear)


@task(task_run_name="compare", cache_policy=NO_CACHE, persist_result=False)
def compare(folder: Path, champion: Version, accepted: bool) -> dict[str, Any]:
    """Hold the challenger against the champion, on examples that neither has learnt from."""
    log, hear = get_run_logger(), _hearing("compare")
    return training.compare(folder, champion, accepted=accepted, log=log.info, on_event=hear)


@task(name="dvc push", task_run_name="dvc push", **_NETWORK)
def push(folder: Path) -> None:
    """Push the challenger's files."""
    training.push(folder, log=get_run_logger().info)


@task(name="git push", task_run_name="git push", **_NETWORK)
def push_tags(remote: str) -> None:
    """Push the versions."""
    registry.push(remote)


@task(name="git fetch", task_run_name="git fetch", **_NETWORK)
def fetch_tags(remote: str) -> None:
    """Fetch the versions that others have pushed."""
    registry.fetch(remote)


def _same(start: Start, champion: Version | None) -> str | None:
    """Why no challenger is needed, if none is."""
    if champion is None:
        return None
    for version in registry.versions():
        made = record.read(version)
        if made is not None and all(made[key] == value for key, value in start.fingerprint.items()):
            if version == champion:
                return f"Neither data nor parameters have changed since {version.name}."
            return (
                f"{version.name} was made from these data and parameters and is not the champion: "
                f"`rarenode models promote {version.name}` makes it that again."
            )
    judged = files.read_json(_JUDGED) if _JUDGED.exists() else {}
    if {key: judged.get(key) for key in _judged(start, champion)} == _judged(start, champion):
        return (
            f"Neither data nor parameters have changed since the last challenger: {judged['why']}"
        )
    return None


def _judged(start: Start, champion: Version | None) -> dict[str, Any]:
    """What a verdict follows from."""
    rules = start.config.retrain.model_dump(mode="json", exclude={"notify", "push_tags"})
    accepted = committed.file_or_none(start.commit, paths.ACCEPTED.as_posix())
    return {
        **start.fingerprint,
        "rules": rules,
        "champion": champion and champion.commit,
        "accepted": accepted and hashlib.sha256(accepted.encode()).hexdigest(),
    }


def _publish(folder: Path, said: str, verdict: Verdict, comparison: dict[str, Any] | None) -> None:
    """The verdict among the challenger's reports, and as artifacts.

    Prefect stores markdown raw: what may hold names of data is escaped.
    """
    rows = pages.rows(verdict)
    parts = ["# Retraining", escape(said)]
    if rows:
        lines = [[*rows[0]], ["---"] * len(rows[0])]
        lines += [[escape(str(cell)) for cell in row.values()] for row in rows]
        parts += [
            pages.holdout(comparison),
            "\n".join(f"| {' | '.join(line)} |" for line in lines),
            "Difference: challenger minus champion, with its 95 % interval. A figure holds if the "
            "lower end is at least minus the margin.",
        ]
    text = "\n\n".join(parts) + "\n"
    try:
        (folder / VERDICT).write_text(text, encoding="utf-8")
        if rows:
            create_table_artifact(rows, key="retrain-figures", description="Figures")
        create_markdown_artifact(text, key="retrain", description="Verdict")
    except Exception as error:  # a server that is gone undoes no promotion
        get_run_logger().warning("The verdict could not be published: %s", error)


def _step(name: str, work: Any, *arguments: Any) -> Any:
    """Run a task while the watcher is told."""
    with _watched(name):
        return work(*arguments)


@contextmanager
def _watched(name: str) -> Iterator[None]:
    watcher, state = watch.current(), "Failed"
    watcher.started(name)
    try:
        yield
        state = "Completed"
    except KeyboardInterrupt:
        state = "interrupted"
        raise
    finally:
        watcher.ended(name, state)


def _hearing(name: str) -> Any:
    watcher = watch.current()

    def hear(event: progress.Event) -> None:
        watcher.progressed(name, event)

    return hear
