import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import __main__, cli
from pipeline.config import Config, edit, load
from pipeline.errors import ConfigError, WorkspaceError

ALONE = ["--set", "train.kinds=[network]", "--set", "train.cross_fit=false"]
PARAMS = """\
# which data
dataset: hpo_eye
profile: quick
seed: 0  # of everything
train:
  members: 10
  learning_rate: 0.001  # Adam
tune:
  search:
    variant: [paper, released]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like a workspace; nothing in these tests gets as far as running it."""
    monkeypatch.chdir(tmp_path)
    for name in (".git", ".dvc"):
        (tmp_path / name).mkdir()
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    (tmp_path / "params.yaml").write_text(PARAMS)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "hpo_eyes"], "Did you mean 'hpo_eye'?"),
        (["--set", "train.member=3"], "train.member: unknown parameter. Known here: baselines"),
        (["--set", "train.epoch=3"], "Did you mean 'epochs'?"),
        (["--set", "trian.members=3"], "trian: unknown parameter"),
        (["--set", "train.members=0"], "train.members: Input should be greater than or equal to 1"),
        (["--set", "train.members=many"], "found 'many'"),
        (["--set", "train.members"], "expected section.key=value, found 'train.members'"),
        (["--set", "seed.x=1"], "expected a section 'seed', found 0"),
        (["--set", "seed=["], "expected YAML after ="),
        (["--set", "profile=full"], "expected --profile for the profile"),
        (["--set", "train.learning_rate=.inf"], "train.learning_rate: Input should be a finite"),
        (["--set", "train=3"], "train: expected parameters below it, found 3"),
        (
            [*ALONE, "--set", "train.members=1", "--set", "train.weighting.uncertainty=epistemic"],
            "members must be at least 2, found 1",
        ),
        (["--set", "train.learning_rate=0.5"], "must lie in tune.search.learning_rate, found 0.5"),
        (["--set", "train.weighting.variant=none"], "must lie in tune.search.variant"),
        (["--set", "tune.members=1"], "members must be at least 2, found 1"),
        ([*ALONE, "--set", "train.members=1"], "so train.members must be at least 2, found 1"),
        (["--set", "train.members=3"], "members must be at least 4 where cross_fit"),
        (["--set", "train.cross_fit=false"], "kinds must be [network] without cross_fit"),
        (["--set", "train.kinds=[forest]"], "kinds must hold network, and each once"),
    ],
)
def test_bad_request_is_one_message_and_nothing_is_written(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
):
    assert cli.main(["run", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert Path("params.yaml").read_text() == PARAMS


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("dvc.yaml", "expected dvc.yaml in"),
        (".git", "expected a git repository in"),
        (".dvc", "expected a DVC repository in"),
        ("params.yaml", "expected params.yaml in"),
    ],
)
def test_folder_that_is_no_workspace_is_refused(
    missing: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
):
    path = folder / missing
    path.unlink() if path.is_file() else path.rmdir()
    assert cli.main(["run"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected sections such as `train:` in params.yaml, found None"),
        (b"- 1\n", "expected sections such as `train:` in params.yaml, found [1]"),
        (b"a: [\n", "expected YAML in params.yaml, found: "),
        (b"seed: 0\nseed: 1\n", 'found duplicate key "seed" with value "1"'),
        (b"caf\xe9: 1\n", "expected text in UTF-8 in params.yaml, found: "),
        (None, "expected a readable file params.yaml, found: Is a directory"),
    ],
)
@pytest.mark.parametrize("arguments", [["run"], ["run", "--dataset", "hpo_eye"], ["stage"]])
def test_unreadable_parameters_are_one_message(
    content: bytes | None, message: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
):
    path = Path("params.yaml")
    path.unlink()
    path.mkdir() if content is None else path.write_bytes(content)
    code = __main__.main(["fetch"]) if arguments == ["stage"] else cli.main(arguments)
    error = capsys.readouterr().err
    assert code == 2
    assert message in error
    assert error.count("\n") == 1
    assert content is None or path.read_bytes() == content


def test_missing_section_is_refused_before_anything_runs(capsys: pytest.CaptureFixture[str]):
    Path("dvc.yaml").write_text("stages:\n  a:\n    params: [seed, evaluate, train]\n")
    assert cli.main(["run", "--set", "seed=1"]) == 2
    assert "expected evaluate in params.yaml, found none" in capsys.readouterr().err
    assert Path("params.yaml").read_text() == PARAMS


def test_read_only_parameters_stay_as_they_are(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everything
    with pytest.raises(WorkspaceError, match=r"expected a writable file params\.yaml"):
        edit.plan([("seed", 1)]).write()
    assert Path("params.yaml").read_text() == PARAMS


def test_a_change_is_undone_to_the_byte_unless_others_have_written_since():
    path = Path("params.yaml")
    before = PARAMS.replace("\n", "\r\n").encode()
    path.write_bytes(before)
    change = edit.plan([("seed", 1)])
    assert not change.undo()  # there is nothing yet
    change.write()
    assert path.read_bytes() != before
    assert change.undo()
    assert path.read_bytes() == before
    change.write()
    path.write_text(written := path.read_text() + "# mine\n")
    assert not change.undo()
    assert path.read_text() == written


def test_folder_that_cannot_be_written_is_named(capsys: pytest.CaptureFixture[str]):
    Path("data").write_text("in the way")
    assert __main__.main(["fetch"]) == 2
    assert "data/raw, found: Not a directory" in capsys.readouterr().err


def test_second_run_in_the_same_workspace_is_refused(capsys: pytest.CaptureFixture[str]):
    from flows import workspace

    with workspace.exclusive():
        assert cli.main(["run"]) == 2
    assert "expected no other run in" in capsys.readouterr().err


def test_unknown_profile_is_refused_by_name(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        cli.main(["run", "--profile", "nightly"])
    assert stop.value.code == 2
    assert "invalid choice: 'nightly'" in capsys.readouterr().err


def test_help_and_refusals_do_not_wait_for_prefect():
    code = (
        "import sys\nfrom pipeline import cli\n"
        "assert cli.main(['run', '--set', 'train.members=0']) == 2\n"
        "slow = {'prefect', 'dvc', 'torch', 'great_expectations'} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )
    root = str(Path(__file__).parents[1])
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": root})


def test_edit_keeps_comments_and_changes_only_what_was_asked():
    edited = edit.plan([edit.assignment("train.learning_rate=3e-3"), edit.assignment("seed=3")])
    assert Path("params.yaml").read_text() == PARAMS
    edited.write()
    assert Path("params.yaml").read_text() == PARAMS.replace("0.001 ", "0.003 ").replace(
        "seed: 0 ", "seed: 3 "
    )
    assert load().train.learning_rate == 0.003


def test_diff_shows_old_and_new():
    lines = edit.plan([("train.members", 4)]).diff()
    assert "-  members: 10" in lines
    assert "+  members: 4" in lines


def test_parameter_that_is_not_in_the_file_is_added():
    edit.plan([edit.assignment("train.weighting.uncertainty=predictive")]).write()
    assert load().train.weighting.uncertainty == "predictive"


def test_list_is_read_as_yaml():
    edit.plan([edit.assignment("tune.search.variant=[paper]")]).write()
    assert load().tune.search.variant == ["paper"]


def test_profile_is_a_table_of_values_and_back():
    edit.plan([("profile", "full")]).write()
    config = load()
    assert config.profile == "full"
    assert (config.train.members, config.train.epochs) == (10, 60)
    assert (config.tune.trials, config.evaluate.bootstrap) == (30, 1000)
    edit.plan([("profile", "quick")]).write()
    assert load().profile == "quick"
    assert load().train.members == 10


def test_full_profile_trains_the_published_network_in_larger_batches_and_follows_the_data_set():
    edit.plan([("dataset", "spo_FUN"), ("profile", "full")]).write()
    config = load()
    assert (config.profile, config.prepare.min_support) == ("full", 0)
    train, searched = config.train, config.tune.search.learning_rate
    assert (train.layers, train.hidden, train.dropout, train.weight_decay) == (3, 250, 0.7, 1e-5)
    assert (train.batch_size, train.learning_rate, train.epochs) == (64, 1e-3, 63)
    assert (searched.low, searched.high) == (5e-4, 3e-3)
    edit.plan([("dataset", "imclef07d")]).write()
    config = load()
    assert (config.profile, config.train.hidden) == ("full", 1000)
    assert config.tune.search.learning_rate.low < config.train.learning_rate == 1e-4
    edit.plan([("dataset", "hpo_eye")]).write()
    config = load()
    assert (config.profile, config.prepare.min_support) == ("full", 10)
    assert (config.train.layers, config.train.learning_rate, config.train.epochs) == (2, 2e-3, 60)
    edit.plan([("profile", "quick")]).write()
    assert load().tune.search.learning_rate == Config().tune.search.learning_rate


def test_published_profile_takes_the_settings_of_the_data_set():
    edit.plan([("dataset", "spo_FUN"), ("profile", "published")]).write()
    config = load()
    assert (config.dataset, config.profile) == ("spo_FUN", "published")
    assert (config.train.learning_rate, config.train.hidden, config.train.epochs) == (
        1e-4,
        250,
        115,
    )
    assert (config.train.batch_size, config.train.layers, config.train.dropout) == (4, 3, 0.7)
    assert config.train.weight_decay == 1e-5
    assert (config.train.reduction, config.train.weighting.reduction) == ("mean", "sum")
    assert config.train.weighting.variant == "released"
    assert (config.tune.trials, config.train.cross_fit) == (0, False)
    assert (config.prepare.min_support, config.prepare.missing) == (0, "split_mean")
    assert set(config.train.baselines) == {"mcloss_1", "mcloss", "weighted/paper"}


def test_published_profile_leaves_the_members_to_the_user():
    edit.plan([("dataset", "enron"), ("profile", "published"), ("train.members", 1)]).write()
    assert (load().profile, load().train.members) == ("published", 1)
    edit.plan([("train.epochs", 7)]).write()
    assert load().profile == "custom"


def test_published_settings_follow_the_data_set():
    edit.plan([("dataset", "spo_FUN"), ("profile", "published")]).write()
    edit.plan([("train.members", 3)]).write()
    edit.plan([("dataset", "derisi_FUN")]).write()
    config = load()
    assert (config.profile, config.train.epochs, config.train.members) == ("published", 67, 3)


def test_the_published_profile_is_left_for_other_data_by_name(
    capsys: pytest.CaptureFixture[str],
):
    edit.plan([("dataset", "spo_FUN"), ("profile", "published")]).write()
    before = Path("params.yaml").read_text()
    assert cli.main(["run", "--dataset", "hpo_eye"]) == 2
    assert "`--profile quick` leaves the profile" in capsys.readouterr().err
    assert Path("params.yaml").read_text() == before
    edit.plan([("dataset", "hpo_eye"), ("profile", "quick")]).write()
    assert load() == Config()


def test_published_profile_of_an_unpublished_data_set_is_refused(
    capsys: pytest.CaptureFixture[str],
):
    assert cli.main(["run", "--profile", "published"]) == 2
    message = "expected a data set with published settings (one of cellcycle_FUN, "
    assert message in capsys.readouterr().err
    assert Path("params.yaml").read_text() == PARAMS


def test_a_profile_sets_whatever_any_profile_sets():
    edit.plan([("dataset", "spo_FUN"), ("profile", "published")]).write()
    edit.plan([("train.epochs", 3), ("train.learning_rate", 0.7)]).write()
    assert load().profile == "custom"
    edit.plan([("profile", "quick")]).write()
    assert load() == Config(dataset="spo_FUN")


def test_a_quick_run_with_published_imputation_is_custom():
    edit.plan([("prepare.missing", "split_mean")]).write()
    assert load().profile == "custom"


def test_lists_stay_in_one_line():
    Path("params.yaml").write_text("train:\n  baselines: [bce, mcloss] # two\n")
    edit.plan([("train.baselines", ["mcloss"])]).write()
    assert "  baselines: [mcloss]" in Path("params.yaml").read_text()


def test_a_data_set_that_nobody_can_have_is_refused_before_anything_is_written(
    capsys: pytest.CaptureFixture[str],
):
    Path("dvc.yaml").write_text("stages: {}\n")
    assert cli.main(["run", "--dataset", "expr_FUN"]) == 2
    assert "expr_FUN was published without its training file" in capsys.readouterr().err
    assert Path("params.yaml").read_text() == PARAMS


@pytest.mark.parametrize("option", ["--members", "--seeds"])
def test_a_study_is_narrowed_by_data_sets_and_methods_alone(
    option: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as stop:
        cli.main(["benchmark", option, "1"])
    assert stop.value.code == 2
    assert f"unrecognized arguments: {option} 1" in capsys.readouterr().err


def test_the_study_that_runs_by_default_is_the_one_whose_page_says_so(
    capsys: pytest.CaptureFixture[str],
):
    from pipeline.benchmark import pages

    assert cli.main(["benchmark"]) == 2  # it is not in this folder
    assert f"expected {pages.DEFAULT} in" in capsys.readouterr().err
    assert (Path(__file__).parents[1] / pages.DEFAULT).is_file()


@pytest.mark.parametrize("workers", ["0", "-1", "many"])
def test_number_of_workers_is_checked(workers: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        cli.main(["benchmark", f"--workers={workers}"])
    assert stop.value.code == 2
    assert "expected a number of at least 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"train.baselines": ["mcloss_1"]},
            "compared without tuning, so tune.trials must be 0",
        ),
        (
            {"train.baselines": ["weighted/paper"], "tune.trials": 0},
            "must not repeat weighting.variant",
        ),
        ({"train.baselines": ["bce", "bce"]}, "must name each once, found ['bce'] again"),
        ({"train.baselines": ["focus"]}, "found 'focus'"),
    ],
)
def test_baselines_that_make_no_comparison_are_refused(changes: dict, message: str):
    with pytest.raises(ConfigError, match=re.escape(message)):
        edit.plan(changes.items())


def test_budget_that_is_no_profile_is_called_custom():
    edit.plan([("train.members", 7)]).write()
    assert load().profile == "custom"


def test_budget_that_was_edited_by_hand_loses_its_name_too():
    path = Path("params.yaml")
    path.write_text(PARAMS.replace("members: 10", "members: 7"))
    edit.plan([]).write()
    assert path.read_text() == PARAMS.replace("members: 10", "members: 7").replace(
        "quick", "custom"
    )


def test_nothing_asked_is_nothing_changed():
    edited = edit.plan([])
    edited.write()
    assert edited.diff() == []
    assert Path("params.yaml").read_text() == PARAMS


def test_assignment_without_key_is_refused():
    with pytest.raises(ConfigError, match=r"expected section\.key=value, found '=3'"):
        edit.assignment("=3")


def test_stage_that_refuses_exits_with_2_and_its_message_alone(
    capsys: pytest.CaptureFixture[str],
):
    Path("params.yaml").write_text("dataset: nonsense\n")
    assert __main__.main(["fetch"]) == 2
    assert "found 'nonsense'" in capsys.readouterr().err


def test_stage_that_is_ended_leaves_nothing_half_written(folder: Path):
    code = (
        "import runpy, sys, time, types\nfrom pathlib import Path\n"
        "from pipeline.artifacts import files\n"
        "def run(config):\n"
        "    with files.whole_folder(Path('models/bundle')):\n"
        "        print('writing', flush=True)\n"
        "        time.sleep(60)\n"
        "sys.modules['pipeline.stages.train'] = types.SimpleNamespace(run=run)\n"
        "sys.argv = ['pipeline', 'train']\n"
        "runpy.run_module('pipeline', run_name='__main__')\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 128 + signal.SIGTERM
    assert list((folder / "models").iterdir()) == []
