"""``--rerank`` and ``--prune`` with real agents, and a scorer from a table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kgwalk import scorers
from kgwalk.cli import app
from kgwalk.cli.runs import Run
from kgwalk.data import Dataset, family
from tests.scorers.fakes import TableScorer

pytest.importorskip("torch", reason="agents need torch: pip install 'kgwalk[agents]'")

from kgwalk.agents import Reinforce, RuleAgent, RulesConfig
from kgwalk.agents.policies.path import PathPolicy, PathPolicyConfig
from kgwalk.rules import MiningConfig, mine

pytestmark = pytest.mark.usefixtures("keep_num_threads")

RERANK = ("--rerank", "complex.safetensors")
PRUNE = ("--prune", "complex.safetensors", "--prune-to", "3")


def kgwalk(*arguments: str | Path) -> Result:
    words = [*(str(argument) for argument in arguments), "--threads", "1"]
    return CliRunner(env={"COLUMNS": "160"}).invoke(app, words)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return family()


@pytest.fixture(scope="module")
def walker(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> Path:
    folder = tmp_path_factory.mktemp("walker")
    policy = PathPolicy(dataset.graph.num_entities, dataset.graph.num_relations, PathPolicyConfig(8, 4, 8, 1, (8,)))
    own = {"dataset": dataset.name, "fingerprint": dataset.fingerprint}
    Reinforce(policy, **own, hops=2, max_out_degree=64, beam=4096).save(folder)
    Run("Family", None, "reinforce", 0, (), 1).save(folder)
    return folder


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> Path:
    folder = tmp_path_factory.mktemp("rules")
    RuleAgent.of_rules(mine(dataset.graph, MiningConfig(), rounds=4).rules, dataset, RulesConfig()).save(folder)
    Run("Family", None, "rules", 0, (), 1).save(folder)
    return folder


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The paths of scorers that were loaded; in truth it is always the same one."""
    paths = []

    def load(path: Path, dataset: Dataset) -> TableScorer:
        paths.append(path)
        return TableScorer(len(dataset.entities), len(dataset.relations))

    monkeypatch.setattr(scorers, "load", load, raising=False)
    return paths


def evaluated(tmp_path: Path, *arguments: str | Path) -> dict[str, object]:
    done = kgwalk("evaluate", *arguments, "--save", tmp_path / "report.json")
    assert done.exit_code == 0, done.output
    report: dict[str, object] = json.loads((tmp_path / "report.json").read_text())
    assert f"{report['agent']} on Family test" in done.stdout
    return report


def test_the_report_says_what_was_done(walker: Path, rules: Path, tmp_path: Path, loaded: list[Path]) -> None:
    plain = evaluated(tmp_path, walker)
    reranked = evaluated(tmp_path, walker, *RERANK)
    both = evaluated(tmp_path, walker, *PRUNE, *RERANK, "--rerank-weight", "0.5")
    assert plain["agent"] == "reinforce"
    assert reranked["agent"] == "reinforce+table"
    assert both["agent"] == "reinforce (3 moves by table)+0.5*table"
    assert evaluated(tmp_path, rules, *RERANK)["agent"] == "rules+table"
    assert loaded == [Path("complex.safetensors").absolute()] * 4
    assert plain["counts"] == reranked["counts"] != both["counts"]
    assert plain["metrics"] != reranked["metrics"]


def test_predictions_are_those_of_the_scorer(rules: Path, dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "queries.tsv").write_text(f"{dataset.entities[3]}\t{dataset.relations[0]}\n")
    done = kgwalk("predict", rules, tmp_path / "queries.tsv", tmp_path / "out.jsonl", *RERANK)
    assert done.exit_code == 0, done.output
    answers = json.loads((tmp_path / "out.jsonl").read_text())["answers"]
    scorer = TableScorer(len(dataset.entities), len(dataset.relations))
    scores = [scorer.of(3, 0, dataset.entity(answer["entity"])) for answer in answers]
    assert len(scores) > 1
    assert scores == sorted(scores, reverse=True)
    assert answers[0]["rules"]
    refused = kgwalk("predict", rules, tmp_path / "queries.tsv", tmp_path / "out.jsonl", *PRUNE)
    assert refused.exit_code == 2


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (PRUNE[:2], "--prune SCORER and --prune-to N go together"),
        (PRUNE[2:], "--prune SCORER and --prune-to N go together"),
        (("--rerank-weight", "0.5"), "--rerank-weight goes with --rerank"),
        ((*RERANK, "--rerank-weight", "2"), "weight must be from 0 to 1, got 2.0"),
        ((*PRUNE[:3], "0"), "--prune-to is 0; expected 2 or more"),
    ],
)
def test_flags_that_mean_nothing(walker: Path, flags: tuple[str, ...], message: str) -> None:
    done = kgwalk("evaluate", walker, *flags)
    assert done.exit_code == 2
    assert message in done.stderr


def test_only_walkers_are_pruned(rules: Path) -> None:
    done = kgwalk("evaluate", rules, *PRUNE)
    assert done.exit_code == 2
    assert "--prune caps the moves of an agent that walks, and 'rules' does not; --rerank can" in done.stderr
