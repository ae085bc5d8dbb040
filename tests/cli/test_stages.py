"""kgwalk train of an agent in stages: a tiny RuleGuider on Family, gone back to, broken off, restarted."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kgwalk.cli import app, runs
from kgwalk.cli.console import start_logging

pytest.importorskip("torch", reason="agents need torch: pip install 'kgwalk[agents]'")
pytestmark = pytest.mark.usefixtures("keep_num_threads")

AGENT, CHECKPOINT = "agent.safetensors", "checkpoint.safetensors"
TINY = ["scorer=", "hops=2", "spread=100", "beam=16", "validate_every=2", "validate_queries=32"]
TINY += ["policy.relation_dim=8", "policy.hidden_dim=8", "policy.mlp_dims=8", "rules.max_length=2", "rules.rounds=2"]
TINY += ["pretraining.steps=2", "pretraining.batch=16", "pretraining.rollouts=4"]
TINY += ["likelihood.steps=2", "likelihood.batch=32", "joint.steps=0"]


def flags(settings: list[str]) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]


def train(folder: Path, *arguments: str, agent: str = "rule-guider") -> Result:
    command = ["train", "Family", "--agent", agent, "--folder", str(folder), "--threads", "1", *arguments]
    return CliRunner(env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"}).invoke(app, command)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stages") / "run"
    done = train(folder, *flags(TINY))
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def settings_of(run: Path) -> list[str]:
    settings: list[str] = json.loads((run / "run.json").read_text())["settings"]
    return settings


def stages_told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.endswith(".stages")]


def test_from_stage_keeps_those_before(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = contents(run)
    with caplog.at_level(logging.INFO):
        done = train(run, "--from-stage", "pretraining")
    assert done.exit_code == 0, done.output
    told = stages_told(caplog)
    assert told[:3] == ["stage 2 of 4: rules", "rules is there already", "stage 3 of 4: pretraining"]
    assert [line.split(" after")[0] for line in told[3:]] == [
        "pretraining done",
        "stage 4 of 4: joint",
        "joint done",
    ]
    after = contents(run)
    assert after[AGENT] == before[AGENT]  # made again, and the same
    assert after[f"pretraining/{AGENT}"] == before[f"pretraining/{AGENT}"]
    assert {path.split("/")[0] for path in before if before[path] == after.get(path)} >= {"rules", "run.json"}
    assert settings_of(run) == TINY


def test_from_stage_takes_settings_that_earlier_stages_do_not_depend_on(run: Path) -> None:
    before = contents(run)
    done = train(run, "--from-stage", "joint", *flags(["walk_weight=none", "likelihood.steps=4", "beam=8"]))
    assert done.exit_code == 0, done.output
    after = contents(run)
    assert after[AGENT] != before[AGENT]
    assert all(after[path] == data for path, data in before.items() if "/" in path)
    replaced = {"likelihood.steps=2": "likelihood.steps=4", "beam=16": "beam=8"}
    assert settings_of(run) == [*(replaced.get(setting, setting) for setting in TINY), "walk_weight=none"]
    again = train(run, "--resume")
    assert again.exit_code == 0, again.output
    assert contents(run) == after


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from-stage", "joint", "--set", "hops=3"], "make the stage pretraining and those after it again"),
        (["--from-stage", "pretraining", "--set", "rules.rounds=3"], "make the stage rules and those after it again"),
        (["--from-stage", "dreaming"], "no stage 'dreaming'; there are embeddings, rules, pretraining, joint"),
        (["--from-stage", "joint", "--restart"], "give one of them"),
        (["--from-stage", "joint", "--seed", "3"], "with seed 0"),
        (["--from-stage", "joint", "--set", "guidance=rumour"], "expected none or prior or mask"),
        (["--from-stage", "joint", "--set", "spread=-1"], "spread must be"),
        (["--resume", "--set", "beam=8"], "begun with other settings"),
        (["--restart", "--set", "hops=99"], "hops must be"),
        ([], "--resume goes on with it"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_refused_leaves_the_run_as_it_was(run: Path, arguments: list[str], message: str) -> None:
    before = contents(run)
    done = train(run, *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert contents(run) == before


def test_from_stage_of_what_has_none(run: Path, tmp_path: Path) -> None:
    done = train(tmp_path / "nothing", "--from-stage", "joint")
    assert done.exit_code == 2
    assert "nothing is no run: --from-stage goes back to a stage of one" in done.stderr
    assert not (tmp_path / "nothing").exists()
    mined = ["--set", "rounds=1", "--set", "max_length=1"]
    assert train(tmp_path / "rules", *mined, agent="rules").exit_code == 0
    before = contents(tmp_path / "rules")
    done = train(tmp_path / "rules", "--from-stage", "rules", agent="rules")
    assert done.exit_code == 2
    assert "rules is trained in one stage: --from-stage is for agents of several" in done.stderr
    assert contents(tmp_path / "rules") == before


@pytest.mark.parametrize("stage", ["rules", "pretraining"])
def test_a_run_that_ended_in_an_early_stage_resumes(run: Path, stage: str) -> None:
    before = contents(run)
    for path in (run / AGENT, run / CHECKPOINT, *([run / "pretraining"] if stage == "rules" else [])):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert runs.has_model(run)
    refused = train(run)
    assert refused.exit_code == 2
    assert "--resume goes on with it" in refused.stderr
    assert train(run, "--resume").exit_code == 0
    assert contents(run)[AGENT] == before[AGENT]


def test_without_its_note_it_is_still_a_run(run: Path) -> None:
    """Nothing of it is overwritten unasked."""
    for name in ("run.json", AGENT, CHECKPOINT):
        (run / name).unlink()
    assert runs.is_run(run)
    assert train(run).exit_code == 2


def test_a_failure_in_a_late_stage_keeps_the_early_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kgwalk.agents.rule_guider.learners import JointLearner

    def fail(*_: object) -> None:
        raise ValueError("the loss is nan at step 0")

    with monkeypatch.context() as patch:
        patch.setattr(JointLearner, "loss", fail)
        done = train(tmp_path / "run", *flags(TINY))
    assert done.exit_code == 2
    assert (tmp_path / "run" / "rules" / AGENT).exists()
    assert (tmp_path / "run" / "pretraining" / AGENT).exists()
    assert train(tmp_path / "run", "--resume").exit_code == 0


def test_a_failure_in_the_first_stage_leaves_nothing_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kgwalk.agents import rules

    def fail(*_: object, **__: object) -> None:
        raise ValueError("no rules today")

    monkeypatch.setattr(rules, "mine", fail)
    assert train(tmp_path / "run", *flags(TINY)).exit_code == 2
    assert not (tmp_path / "run").exists()


def test_restart_deletes_what_stages_made_and_nothing_else(run: Path) -> None:
    mine = run / "pretraining" / "notes.txt"
    mine.write_text("mine")
    own_run = run / "embeddings"
    assert train(own_run, *flags(["rounds=1", "max_length=1"]), agent="rules").exit_code == 0
    kept = contents(own_run)
    left_by_a_kill = run / "rules" / f".{AGENT}.x1.tmp"
    left_by_a_kill.touch()
    small = ["warm_up_steps=1", "steps=1", "batch=8", "warm_up_batch=8", "rollouts=2", "validate_queries=8", "beam=8"]
    done = train(run, "--restart", *flags(small), agent="reinforce")
    assert done.exit_code == 0, done.output
    assert not (run / "rules").exists()
    assert [path.name for path in (run / "pretraining").iterdir()] == ["notes.txt"]
    assert mine.read_text() == "mine"
    assert contents(own_run) == kept


def test_a_folder_of_runs_is_no_run(tmp_path: Path) -> None:
    """Not even if one of them is called like a stage."""
    assert train(tmp_path / "rules", *flags(["rounds=1", "max_length=1"]), agent="rules").exit_code == 0
    assert not runs.is_run(tmp_path)
    runs.clear(tmp_path)
    assert (tmp_path / "rules" / AGENT).exists()


def test_the_stages_known_here_are_those_of_the_agents() -> None:
    from kgwalk.agents.rule_guider import stages
    from kgwalk.agents.sb3.trainer import WARM_UP

    assert (*stages.STAGES[:-1], WARM_UP) == runs.STAGES


def test_stages_are_told_in_a_terminal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where bars are shown, little else is."""
    from kgwalk.agents.rule_guider import stages

    monkeypatch.setattr(stages.log, "level", logging.NOTSET)
    start_logging()
    assert stages.log.isEnabledFor(logging.INFO)


def test_a_score_goes_by_its_name(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert train(run, "--from-stage", "pretraining").exit_code == 0
    told = [record.getMessage() for record in caplog.records if record.name.endswith(".training")]
    assert [line.split(" 0.")[0] for line in told] == ["step 2: valid rule reward", "step 2: valid MRR"]


def test_show_config_changes_nothing(run: Path) -> None:
    before = contents(run)
    done = train(run, "--from-stage", "joint", "--set", "beam=9", "--show-config")
    assert done.exit_code == 0
    assert contents(run) == before


def test_it_is_evaluated_and_explained_like_any_agent(run: Path) -> None:
    from kgwalk.data import family

    dataset = family()
    source, relation, _ = dataset.splits["test"][0].tolist()
    query = [dataset.entities[source], dataset.relations[relation]]
    done = CliRunner().invoke(app, ["explain", str(run), *query, "--json", "--threads", "1"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["answers"]
