"""kgwalk score, and the other commands on a run of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kgwalk import _core
from kgwalk.cli import app
from kgwalk.cli.runs import Run

pytest.importorskip("torch", reason="agents need torch: pip install 'kgwalk[agents]'")

from kgwalk import scorers
from kgwalk.data import family

pytestmark = pytest.mark.usefixtures("keep_num_threads", "in_empty_folder")

TINY = ["model.dim=16", "negatives=0", "batch_size=128", "epochs=4", "validate_every=2", "validate_queries=30"]
FLAGS = [part for setting in TINY for part in ("--set", setting)] + ["--threads", "1"]


@pytest.fixture
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def invoke(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"}).invoke(app, [str(part) for part in arguments])


def kgwalk(*arguments: str | Path) -> Result:
    done = invoke(*arguments)
    assert done.exit_code == 0, done.output
    return done


def refused(*arguments: str | Path) -> str:
    done = invoke(*arguments)
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    assert len(done.stderr.strip().splitlines()) == 1
    return done.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    before = _core.num_threads()
    folder = tmp_path_factory.mktemp("runs") / "family"
    kgwalk("score", "train", "Family", "--folder", folder, *FLAGS)
    _core.set_num_threads(before)
    return folder


def test_it_is_what_train_makes(run: Path) -> None:
    kgwalk("train", "Family", "--agent", "complex", *FLAGS)
    made = Path("runs/family-complex-seed0")
    assert (made / "agent.safetensors").read_bytes() == (run / "agent.safetensors").read_bytes()
    assert Run.load(made) == Run.load(run)
    assert Run.load(run).agent == "complex"


def test_the_default_folder_names_the_model() -> None:
    done = kgwalk("score", "train", "KGWalk-Family", "--model", "distmult", "--seed", "3", *FLAGS)
    assert "kgwalk evaluate runs/family-distmult-seed3" in done.stderr
    assert scorers.load("runs/family-distmult-seed3", family()).name == "distmult"
    assert "holds a run already" in refused("score", "train", "Family", "--model", "distmult", "--seed", "3", *FLAGS)
    before = Path("runs/family-distmult-seed3/agent.safetensors").read_bytes()
    kgwalk("score", "train", "Family", "--model", "distmult", "--seed", "3", "--resume")
    kgwalk("score", "train", "Family", "--model", "distmult", "--seed", "3", "--restart", *FLAGS)
    assert Path("runs/family-distmult-seed3/agent.safetensors").read_bytes() == before


@pytest.mark.parametrize("model", ["complex", "conve", "distmult", "rotate", "transe", "transr"])
def test_every_model_is_named_and_has_a_configuration(model: str) -> None:
    assert model in kgwalk("score", "train", "--help").stdout
    shown = kgwalk("score", "train", "Family", "--model", model, "--show-config", "--set", "epochs=77").stdout
    assert "model.dim" in shown
    assert "77" in shown
    assert not Path("runs").exists()


def test_what_cannot_be_trained_is_said_in_one_line() -> None:
    named = "no model 'gcn'; there are complex, conve, distmult, rotate, transe, transe-dot, transr"
    assert named in refused("score", "train", "Family", "--model", "gcn")
    assert named.replace("gcn", "rules") in refused("score", "train", "Family", "--model", "rules")
    assert "give one of them" in refused("score", "train", "Family", "--resume", "--restart")
    assert "dim must be even" in refused("score", "train", "Family", "--set", "model.dim=7")
    assert "expected softmax or" in refused("score", "train", "Family", "--set", "loss=hinge")
    assert "transe has no N3 penalty" in refused("score", "train", "Family", "--model", "transe", "--set", "n3=0.1")
    broken = invoke("score", "train", "Family", *FLAGS, "--set", "learning_rate=1e30")
    assert broken.exit_code == 2
    assert "error: the loss is nan at step 1: lower the learning rate from 1e+30" in broken.stderr
    assert not list(Path().rglob("*.safetensors"))
    assert not list(Path().rglob("run.json")), "nothing stands in the way of the next try"


def test_evaluate_ranks_as_evaluate_does_and_judges_probabilities(run: Path) -> None:
    kgwalk("evaluate", run, "--save", "ranks.json", "--threads", "1")
    done = kgwalk("score", "evaluate", run, "--save", "both.json", "--threads", "1")
    ranks, both = (json.loads(Path(name).read_text()) for name in ("ranks.json", "both.json"))
    assert both["metrics"] == ranks["metrics"]
    assert set(both["metrics"]) == {"tail", "head", "both"}
    judged = both["probabilities"]
    assert judged["facts"] == 266
    assert judged["queries"] == 500
    assert judged["auc"] > 0.8
    assert judged["log_loss"] < judged["base_log_loss"]
    assert 0 <= judged["calibration_error"] < judged["base_rate"]
    assert f"{judged['auc']:.3f}" in done.stdout
    assert "complex on Family test" in done.stdout
    for word in ("AUC", "log-loss", "calibration error", "of the base rate alone"):
        assert word in done.stdout
    again = kgwalk("score", "evaluate", run, "--threads", "1")
    assert again.stdout == done.stdout
    valid = kgwalk("score", "evaluate", run, "--split", "valid", "--queries", "20", "--threads", "1")
    assert "complex on Family valid" in valid.stdout
    assert "answer to 20 queries" in valid.stdout


def test_it_reranks_and_is_no_walker(run: Path) -> None:
    flags = ("--set", "max_length=1", "--folder", "rules", "--threads", "1")
    kgwalk("train", "Family", "--agent", "rules", *flags)
    done = kgwalk("evaluate", "rules", "--rerank", run, "--threads", "1")
    assert "rules+complex on Family test" in done.stdout
    assert "no embedding model: kgwalk evaluate measures it" in refused("score", "evaluate", "rules", "--threads", "1")
    assert "--prune caps the moves" in refused("evaluate", run, "--prune", run, "--prune-to", "4", "--threads", "1")


def test_a_run_of_another_dataset_is_refused(run: Path) -> None:
    Path("mine.tsv").write_text("".join(f"a{i}\tr\ta{i + 1}\n" for i in range(60)))
    kgwalk("data", "import", "mine.tsv", "--out", "mine")
    kgwalk("train", "mine", "--agent", "rules", "--set", "max_length=1", "--folder", "rules", "--threads", "1")
    assert "fitted on facts of Family" in refused("evaluate", "rules", "--rerank", run, "--threads", "1")
    model = Path("rules/agent.safetensors")
    model.write_bytes((run / "agent.safetensors").read_bytes())
    for command in (("evaluate",), ("score", "evaluate")):
        message = refused(*command, "rules", "--threads", "1")
        assert str(model) in message
        assert "its ids mean other things" in message


def test_a_damaged_run_is_told_in_one_line(run: Path) -> None:
    Path("run").mkdir()
    Path("run/run.json").write_bytes((run / "run.json").read_bytes())
    assert "no model file" in refused("score", "evaluate", "run", "--threads", "1")
    Path("run/agent.safetensors").write_bytes((run / "agent.safetensors").read_bytes()[:-9])
    assert "is no whole safetensors file" in refused("score", "evaluate", "run", "--threads", "1")
    assert "is no run" in refused("score", "evaluate", "nowhere")
    assert "no split 'holdout'" in refused("score", "evaluate", run, "--split", "holdout", "--threads", "1")


def test_settings_that_only_fit_each_other_may_come_in_any_order() -> None:
    """Of ConvE a height of 4 goes with 20 numbers, and its usual height of 20 does not."""
    settings = ["--set", "model.dim=20", "--set", "model.height=4"]
    for order in (settings, settings[2:] + settings[:2]):
        assert "20" in kgwalk("score", "train", "Family", "--model", "conve", *order, "--show-config").output
    assert "larger than the picture" in refused("score", "train", "Family", "--model", "conve", *settings[:2])
