from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kgwalk.agents import Reinforce, ReinforceConfig
from kgwalk.agents.checkpoint import NAME as CHECKPOINT
from kgwalk.agents.policies.path import PathPolicyConfig
from kgwalk.agents.training import seed_draws
from kgwalk.data import Dataset
from kgwalk.evaluation import evaluate
from kgwalk.tensors import load_tensors, save_tensors

CONFIG = ReinforceConfig(
    policy=PathPolicyConfig(8, 4, 8, 1, (8,), embedding_dropout=0.1, hidden_dropout=0.1),
    hops=2,
    warm_up_steps=6,
    warm_up_batch=32,
    steps=6,
    batch=16,
    rollouts=4,
    validate_every=2,
    validate_queries=20,
    beam=16,
)

CHILD = f"""
import sys
from pathlib import Path
import kgwalk.data
from kgwalk.agents import Reinforce, ReinforceConfig
from kgwalk.agents.policies.path import PathPolicyConfig
Reinforce.fit(kgwalk.data.load("Family"), {CONFIG!r}, Path(sys.argv[1]), resume=True)
"""


def tensors_in(folder: Path) -> dict[str, torch.Tensor]:
    return load_tensors(folder / CHECKPOINT)[0] | load_tensors(folder / "agent.safetensors")[0]


def assert_same_run(a: Path, b: Path) -> None:
    first, second = tensors_in(a), tensors_in(b)
    assert first.keys() == second.keys()
    for key, value in first.items():
        torch.testing.assert_close(second[key], value, rtol=0, atol=0, msg=key)
    progress = [load_tensors(f / CHECKPOINT)[1]["progress"] for f in (a, b)]
    for p in progress:
        del p["seconds"]
    assert progress[0] == progress[1]


@pytest.fixture(scope="module")
def unbroken(family: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken")
    Reinforce.fit(family, CONFIG, folder)
    return folder


def test_same_seed_same_run(family: Dataset, unbroken: Path, tmp_path: Path) -> None:
    Reinforce.fit(family, CONFIG, tmp_path)
    assert_same_run(unbroken, tmp_path)


@pytest.mark.parametrize("stop", [2, 4, 8])
def test_a_resumed_run_ends_like_an_unbroken_one(family: Dataset, unbroken: Path, tmp_path: Path, stop: int) -> None:
    trainer = Reinforce.trainer(family, CONFIG, tmp_path)
    trainer.steps = stop
    trainer.run(resume=False)
    Reinforce.fit(family, CONFIG, tmp_path, resume=True)
    assert_same_run(unbroken, tmp_path)


def kill_once(folder: Path, seen: str) -> None:
    """Run the training in a process of its own and SIGKILL it as soon as a file like ``seen`` is in the folder."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], stderr=subprocess.DEVNULL)
    before = {p.name: p.stat().st_mtime_ns for p in folder.glob("*")}
    while child.poll() is None:
        try:
            fresh = [p for p in folder.glob(seen) if before.get(p.name) != p.stat().st_mtime_ns]
        except FileNotFoundError:  # it was renamed while we looked
            continue
        if fresh:
            os.kill(child.pid, signal.SIGKILL)
            break
        time.sleep(0)
    child.wait()


@pytest.mark.parametrize(
    "seen", [CHECKPOINT, f".{CHECKPOINT}*.tmp", "events*"], ids=["between", "during a checkpoint", "before"]
)
def test_a_killed_run_loses_nothing(family: Dataset, unbroken: Path, tmp_path: Path, seen: str) -> None:
    kill_once(tmp_path, seen)
    Reinforce.fit(family, CONFIG, tmp_path, resume=True)
    assert_same_run(unbroken, tmp_path)


def test_a_run_is_not_overwritten(family: Dataset, unbroken: Path) -> None:
    with pytest.raises(FileExistsError, match="resume it, or choose another folder"):
        Reinforce.fit(family, CONFIG, unbroken)


def test_a_checkpoint_of_another_run_is_refused(family: Dataset, unbroken: Path) -> None:
    with pytest.raises(ValueError, match="of another run: seed differ"):
        Reinforce.fit(family, CONFIG, unbroken, resume=True, seed=1)
    with pytest.raises(ValueError, match="of another run: config differ"):
        Reinforce.fit(family, dataclasses.replace(CONFIG, batch=8), unbroken, resume=True)
    other = dataclasses.replace(family, fingerprint="f" * 64)
    with pytest.raises(ValueError, match="of another run: dataset differ"):
        Reinforce.fit(other, CONFIG, unbroken, resume=True)


def test_a_damaged_checkpoint_is_refused(family: Dataset, unbroken: Path, tmp_path: Path) -> None:
    path = tmp_path / CHECKPOINT
    whole = (unbroken / CHECKPOINT).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="no whole safetensors file"):
        Reinforce.fit(family, CONFIG, tmp_path, resume=True)


@pytest.mark.parametrize(
    ("tensor", "change"),
    [
        ("model.relations", None),
        ("optimizer.0.exp_avg", None),
        ("optimizer.0.exp_avg", lambda t: t[:1]),
        ("optimizer.1.exp_avg_sq", lambda t: t.double()),
        ("optimizer.99.step", lambda t: torch.zeros(())),
    ],
)
def test_a_checkpoint_with_tensors_that_do_not_fit_is_refused(
    family: Dataset, unbroken: Path, tmp_path: Path, tensor: str, change: Callable[[Any], torch.Tensor] | None
) -> None:
    tensors, note = load_tensors(unbroken / CHECKPOINT)
    value = tensors.pop(tensor, None)
    if change:
        tensors[tensor] = change(value)
    save_tensors(tmp_path / CHECKPOINT, tensors, note)
    with pytest.raises(ValueError, match=f"is damaged: {tensor}"):
        Reinforce.fit(family, CONFIG, tmp_path, resume=True)


@pytest.mark.parametrize(
    "change",
    [
        {"run": [1]},
        {"progress": None},
        {"progress": {"step": 1}},
        {"step": "x"},
        {"step": 10**9},
        {"best": float("nan")},
        {"best": float("inf")},
        {"extra": {"baseline": "x"}},
        {"extra": {}},
    ],
    ids=str,
)
def test_a_checkpoint_with_counters_that_make_no_sense_is_refused(
    family: Dataset, unbroken: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    tensors, note = load_tensors(unbroken / CHECKPOINT)
    (key,) = change
    if key in note:
        note |= change
    else:
        note["progress"] |= change
    save_tensors(tmp_path / CHECKPOINT, tensors, note)
    with pytest.raises(ValueError, match="is damaged"):
        Reinforce.fit(family, CONFIG, tmp_path, resume=True)


@pytest.mark.parametrize(
    "change",
    [{"steps": -1}, {"batch": 0}, {"learning_rate": 0.0}, {"action_dropout": 1.0}, {"directions": "head"}, {"hops": 0}],
    ids=str,
)
def test_a_configuration_that_cannot_train_is_refused(family: Dataset, tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        Reinforce.trainer(family, dataclasses.replace(CONFIG, **change), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seed", [-1, 1 << 31])
def test_a_seed_out_of_range_is_refused(family: Dataset, tmp_path: Path, seed: int) -> None:
    with pytest.raises(ValueError, match=f"seed must be from 0 .* got {seed}"):
        Reinforce.trainer(family, CONFIG, tmp_path, seed=seed)
    assert not list(tmp_path.iterdir())


def test_a_loss_that_is_no_number_stops_with_step_and_rate(family: Dataset, tmp_path: Path) -> None:
    trainer = Reinforce.trainer(family, CONFIG, tmp_path)
    honest = trainer.loss
    trainer.loss = lambda step: (honest(step)[0] * (float("nan") if step == 3 else 1), {})
    with pytest.raises(ValueError, match=r"nan at step 3: lower the learning rate from 0\.003"):
        trainer.run(resume=False)


def test_training_finds_the_planted_rules(family: Dataset, tmp_path: Path) -> None:
    config = dataclasses.replace(
        Reinforce.config_for("Family"), warm_up_steps=120, steps=30, validate_every=50, validate_queries=50
    )
    agent = Reinforce.fit(family, config, tmp_path)
    assert evaluate(agent, family).metrics["tail"]["mrr"] > 0.75


def test_reinforcement_alone_learns(family: Dataset, tmp_path: Path) -> None:
    config = dataclasses.replace(
        Reinforce.config_for("Family"), warm_up_steps=0, steps=60, hops=2, reinforce_learning_rate=3e-3
    )
    trainer = Reinforce.trainer(family, config, tmp_path)
    hits = [trainer.make_step(step)["reinforce/hit"] for step in range(60)]
    assert np.mean(hits[-10:]) > 2 * np.mean(hits[:10])


def test_tail_only_training_is_evaluated_tail_only(family: Dataset, tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, directions="tail", warm_up_steps=2, steps=2)
    agent = Reinforce.fit(family, config, tmp_path)
    metrics = evaluate(agent, family).metrics
    assert "tail" in metrics
    assert "both" not in metrics


@pytest.mark.parametrize("seed", [0, 7_000_021, (1 << 31) * 1_000_003])
def test_draws_are_those_of_torchs_own_seed(seed: int) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        expected = torch.rand(5)
        torch.rand(3)
        seed_draws(seed)
        assert torch.equal(torch.rand(5), expected)
