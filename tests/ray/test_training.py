"""``kgwalk train --seeds 0,1,2 --ray`` with a worker killed: the agents and metrics of one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kgwalk import agents, data
from kgwalk.cli import app
from kgwalk.evaluation import evaluate
from kgwalk.integrations import ray
from kgwalk.tensors import load_tensors
from tests.ray.conftest import Killer, TwoNodes

TINY = ["warm_up_steps=20", "steps=20", "batch=64", "warm_up_batch=64", "warm_up_paths=8", "rollouts=4", "beam=16"]
TINY += ["validate_every=10", "validate_queries=64", "policy.hidden_dim=16", "policy.mlp_dims=16"]
FLAGS = [part for setting in TINY for part in ("--set", setting)]


def train(folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> list[Path]:
    folder.mkdir()
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(app, ["train", "Family", "--seeds", "0,1,2", "--threads", "1", *FLAGS, *options])
    assert done.exit_code == 0, done.output
    return [folder / "runs" / f"family-reinforce-seed{seed}" for seed in (0, 1, 2)]


def test_three_seeds_are_those_of_one_process_though_a_worker_was_killed(
    cluster: TwoNodes, killer: Killer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ray.train_seeds

    def watched(*arguments: Any, progress: Any, **options: Any) -> None:
        whole(*arguments, progress=killer, **options)

    expected = train(tmp_path / "one", monkeypatch)
    monkeypatch.setattr("kgwalk.integrations.ray.train_seeds", watched)
    found = train(tmp_path / "ray", monkeypatch, "--ray")
    family = data.load("Family")
    metrics = []
    for ours, theirs in zip(found, expected, strict=True):
        tensors, note = load_tensors(ours / "agent.safetensors")
        expected_tensors, expected_note = load_tensors(theirs / "agent.safetensors")
        assert note == expected_note
        assert tensors.keys() == expected_tensors.keys()
        assert all(tensors[key].equal(expected_tensors[key]) for key in tensors)
        metrics.append(evaluate(agents.load(ours, family), family).metrics)
        assert metrics[-1] == evaluate(agents.load(theirs, family), family).metrics
    assert metrics[0] != metrics[1]


def test_a_run_that_is_there_stands_in_the_way(
    cluster: TwoNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "family-reinforce-seed1"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    done = CliRunner().invoke(app, ["train", "Family", "--seeds", "0,1", "--ray"])
    assert done.exit_code == 2
    assert "--resume goes on" in done.output
    assert not (tmp_path / "runs" / "family-reinforce-seed0").exists()
