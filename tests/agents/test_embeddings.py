"""Training of embeddings: the same run again, resumed, stopped; what it learns and what it refuses."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kgwalk import agents
from kgwalk.agents import EmbeddingAgent, EmbeddingConfig
from kgwalk.agents.checkpoint import NAME as CHECKPOINT
from kgwalk.agents.embeddings import RelationBatches
from kgwalk.data import Dataset
from kgwalk.evaluation import evaluate
from kgwalk.scorers import MODELS
from kgwalk.scorers.location import NAME
from kgwalk.tensors import load_tensors, save_tensors

SIZES: dict[str, dict[str, Any]] = {
    "complex": {"dim": 32},
    "conve": {"dim": 32, "height": 4, "channels": 4},
    "distmult": {"dim": 32},
    "rotate": {"dim": 32},
    "transe": {"dim": 32},
    "transr": {"dim": 16, "relation_size": 8},
}
#: Those whose training differs in kind: sparse rows alone, dropout and layers, batches of one relation.
KINDS = ("complex", "conve", "transr")


def config_of(name: str, **changes: Any) -> EmbeddingConfig:
    settings: dict[str, Any] = {"negatives": 64, "batch_size": 512, "epochs": 3, "validate_every": 1}
    settings |= {"validate_queries": 20, "rounded": False, **changes}
    return EmbeddingConfig(model=MODELS[name].Config(**SIZES[name]), **settings)


def assert_same_run(a: Path, b: Path) -> None:
    for name in (CHECKPOINT, NAME):
        (first, one), (second, other) = (load_tensors(folder / name) for folder in (a, b))
        assert first.keys() == second.keys()
        for key, value in first.items():
            assert torch.equal(value, second[key]), key
        for note in (one, other):
            note.get("progress", {}).pop("seconds", None)
        assert one == other


@pytest.fixture(scope="module")
def unbroken(family: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of whole runs by model."""
    folder = tmp_path_factory.mktemp("unbroken")
    for name in KINDS:
        agents.get(name).fit(family, config_of(name), folder / name)
    return folder


@pytest.mark.parametrize("name", KINDS)
def test_same_seed_same_run(family: Dataset, unbroken: Path, tmp_path: Path, name: str) -> None:
    torch.manual_seed(77)  # nobody else's draws matter
    agents.get(name).fit(family, config_of(name), tmp_path)
    assert_same_run(unbroken / name, tmp_path)


def test_another_seed_another_run(family: Dataset, unbroken: Path, tmp_path: Path) -> None:
    agents.get("complex").fit(family, config_of("complex"), tmp_path, seed=1)
    assert not torch.equal(
        load_tensors(tmp_path / NAME)[0]["entities"], load_tensors(unbroken / "complex" / NAME)[0]["entities"]
    )


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("epochs", [1, 2])
def test_a_resumed_run_ends_like_an_unbroken_one(
    family: Dataset, unbroken: Path, tmp_path: Path, name: str, epochs: int
) -> None:
    trainer = agents.get(name).trainer(family, config_of(name), tmp_path)
    trainer.steps = trainer.steps // 3 * epochs
    trainer.run(resume=False)
    agents.get(name).fit(family, config_of(name), tmp_path, resume=True)
    assert_same_run(unbroken / name, tmp_path)


def test_a_finished_run_resumes_to_itself(family: Dataset, unbroken: Path) -> None:
    before = (unbroken / "complex" / NAME).read_bytes()
    agents.get("complex").fit(family, config_of("complex"), unbroken / "complex", resume=True)
    assert (unbroken / "complex" / NAME).read_bytes() == before


def test_a_run_is_not_overwritten(family: Dataset, unbroken: Path) -> None:
    with pytest.raises(FileExistsError, match="resume it, or choose another folder"):
        agents.get("complex").fit(family, config_of("complex"), unbroken / "complex")


def test_a_checkpoint_of_another_run_is_refused(family: Dataset, unbroken: Path) -> None:
    folder = unbroken / "complex"

    def refused(name: str, config: EmbeddingConfig, dataset: Dataset = family, seed: int = 0) -> str:
        with pytest.raises(ValueError, match="is of another run") as caught:
            agents.get(name).fit(dataset, config, folder, resume=True, seed=seed)
        return str(caught.value)

    assert "agent differ" in refused("distmult", config_of("distmult"))
    assert "config differ" in refused("complex", config_of("complex", n3=0.5))
    assert "dataset differ" in refused(
        "complex", config_of("complex"), dataclasses.replace(family, fingerprint="f" * 64)
    )
    assert "seed differ" in refused("complex", config_of("complex"), seed=1)


@pytest.mark.parametrize(
    ("tensor", "shape"),
    [("model.entities", None), ("optimizer.0.sum", (1, 32)), ("optimizer.1.step", (2,)), ("optimizer.9.sum", (1,))],
)
def test_a_damaged_checkpoint_is_refused(
    family: Dataset, unbroken: Path, tmp_path: Path, tensor: str, shape: tuple[int, ...] | None
) -> None:
    tensors, note = load_tensors(unbroken / "complex" / CHECKPOINT)
    tensors.pop(tensor, None)
    if shape is not None:
        tensors[tensor] = torch.zeros(shape)
    save_tensors(tmp_path / CHECKPOINT, tensors, note)
    with pytest.raises(ValueError, match=f"is damaged: {tensor}"):
        agents.get("complex").fit(family, config_of("complex"), tmp_path, resume=True)


@pytest.mark.parametrize("name", SIZES)
def test_every_model_learns(family: Dataset, tmp_path: Path, name: str) -> None:
    """A guess has an MRR of about 1/30 here."""
    config = config_of(name, negatives=0, batch_size=256, epochs=6, validate_every=6)
    agent = agents.get(name).fit(family, config, tmp_path)
    assert agent.name == agent.scorer.name == name
    assert agent.scorer.made_by["config"]["epochs"] == 6
    metrics = evaluate(agent, family, progress=False).metrics
    assert min(metrics[direction]["mrr"] for direction in ("tail", "head")) > 0.2
    probabilities = agent.scorer.score_facts(family.queries("test", "both"))
    wrong = family.queries("test", "both")
    wrong[:, 2] = np.random.default_rng(0).permutation(wrong[:, 2])
    assert probabilities.mean() > 2 * agent.scorer.score_facts(wrong).mean()


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "binary", "margin": 2.0},
        {"loss": "self-adversarial", "margin": 6.0, "scale": 2.0},
        {"hide_answers": True},
        {"hide_answers": True, "negatives": 0},
        {"n3": 0.01, "final_learning_rate": 0.1},
        {"rounded": True},
    ],
    ids=str,
)
def test_every_setting_learns(family: Dataset, tmp_path: Path, changes: dict[str, Any]) -> None:
    config = config_of("distmult", **{"batch_size": 128, "validate_every": 3, **changes})
    trainer = agents.get("distmult").trainer(family, config, tmp_path)
    losses = [trainer.make_step(step)["train/loss"] for step in range(60)]
    assert np.mean(losses[-5:]) < 0.97 * np.mean(losses[:5])


def test_the_learning_rate_falls_to_its_share(family: Dataset, tmp_path: Path) -> None:
    trainer = agents.get("complex").trainer(
        family, config_of("complex", learning_rate=0.5, final_learning_rate=0.2), tmp_path
    )
    rates = [trainer.learning_rate(step) for step in range(trainer.steps + 1)]
    assert rates[0] == 0.5
    assert rates[-1] == pytest.approx(0.1)
    assert np.allclose(np.diff(rates), np.diff(rates)[0])


def test_every_fact_is_seen_in_batches_of_one_relation() -> None:
    relations = np.random.default_rng(0).integers(0, 4, 50)
    batches = RelationBatches(relations, 7, seed=3)
    passes = []
    for epoch in range(2):
        rows = [batches(epoch * len(batches) + step) for step in range(len(batches))]
        assert max(map(len, rows)) <= 7
        assert all(len(set(relations[batch].tolist())) == 1 for batch in rows)
        assert sorted(np.concatenate(rows).tolist()) == list(range(50))
        passes.append([batch.tolist() for batch in rows])
    assert passes[0] != passes[1]
    again = RelationBatches(relations, 7, seed=3)
    assert again(len(batches)).tolist() == passes[1][0], "a resumed run need not begin at the first pass"


def test_it_ends_when_validation_no_longer_rises(family: Dataset, tmp_path: Path) -> None:
    trainer = agents.get("distmult").trainer(family, config_of("distmult", epochs=50, patience=2), tmp_path)
    scores: Iterator[float] = iter([0.1, 0.3, 0.2, 0.3, 0.9])
    trainer.validate = lambda: next(scores)
    state = trainer.run(resume=False)
    assert state.step == 4 * trainer.validate_every
    assert (state.best, state.best_step) == (0.3, 2 * trainer.validate_every)


def test_the_agent_that_was_best_is_kept(family: Dataset, tmp_path: Path) -> None:
    trainer = agents.get("distmult").trainer(family, config_of("distmult"), tmp_path)
    scores: Iterator[float] = iter([0.1, 0.3, 0.2])
    seen = []

    def validate() -> float:
        seen.append(trainer.model.entities.detach().clone())
        return next(scores)

    trainer.validate = validate
    trainer.run(resume=False)
    assert torch.equal(load_tensors(tmp_path / NAME)[0]["entities"], seen[1])
    assert torch.equal(load_tensors(tmp_path / CHECKPOINT)[0]["model.entities"], seen[2])


@pytest.mark.parametrize("loss", ["softmax", "binary", "self-adversarial"])
def test_a_learning_rate_that_breaks_it_is_named(family: Dataset, tmp_path: Path, loss: Any) -> None:
    """The last checkpoint stays, and a run that was begun with a lower rate could go on from it."""
    trainer = agents.get("complex").trainer(family, config_of("complex", loss=loss), tmp_path)
    honest = trainer.learning_rate
    trainer.learning_rate = lambda step: honest(step) if step < trainer.validate_every + 2 else 1e30
    with pytest.raises(ValueError, match=r"the loss is (nan|inf) at step \d+: lower the learning rate from 1e\+30"):
        trainer.run(resume=False)
    tensors, note = load_tensors(tmp_path / CHECKPOINT)
    assert note["progress"]["step"] == trainer.validate_every
    assert all(torch.isfinite(value).all() for value in tensors.values())
    assert agents.load(tmp_path, family).name == "complex"
    resumed = agents.get("complex").fit(family, config_of("complex", loss=loss), tmp_path, resume=True)
    assert resumed.name == "complex"


def test_a_table_that_is_broken_stops_at_once(family: Dataset, tmp_path: Path) -> None:
    trainer = agents.get("transe").trainer(family, config_of("transe", negatives=0), tmp_path)
    with torch.no_grad():
        trainer.model.entities[3] = math.nan
    with pytest.raises(
        ValueError, match="the loss is nan at step 0: nothing was learnt yet, so it is the settings or the data"
    ):
        trainer.run(resume=False)
    assert not (tmp_path / CHECKPOINT).exists()
    assert not (tmp_path / NAME).exists()


def test_weights_that_break_before_a_validation_are_told_like_a_loss(family: Dataset, tmp_path: Path) -> None:
    trainer = agents.get("distmult").trainer(family, config_of("distmult"), tmp_path)
    honest = trainer.learning_rate
    trainer.learning_rate = lambda step: honest(step) if step < trainer.validate_every - 1 else 1e25
    with pytest.raises(
        ValueError,
        match=r"validation after step \d+: .*; if the weights have diverged, lower the learning rate from 1e\+25",
    ):
        trainer.run(resume=False)
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize(
    ("tensor", "value"),
    [("model.entities", math.nan), ("model.relations", math.inf), ("optimizer.0.sum", -1.0)],
)
def test_a_checkpoint_that_no_training_makes_is_refused(
    family: Dataset, unbroken: Path, tmp_path: Path, tensor: str, value: float
) -> None:
    tensors, note = load_tensors(unbroken / "complex" / CHECKPOINT)
    tensors[tensor][0, 0] = value
    save_tensors(tmp_path / CHECKPOINT, tensors, note)
    trainer = agents.get("complex").trainer(family, config_of("complex"), tmp_path)
    with pytest.raises(ValueError, match=f"is damaged: {tensor} hold what no training makes"):
        trainer.run(resume=True)


@pytest.mark.parametrize(
    "change",
    [
        {"loss": "hinge"},
        {"negatives": -1},
        {"negatives": 2.0},
        {"margin": math.inf},
        {"scale": 0.0},
        {"batch_size": 1},
        {"batch_size": True},
        {"learning_rate": 0.0},
        {"learning_rate": math.nan},
        {"final_learning_rate": 0.0},
        {"final_learning_rate": 1.5},
        {"n3": -0.1},
        {"n3": math.nan},
        {"epochs": 0},
        {"validate_every": 0},
        {"validate_queries": -1},
        {"patience": 0},
    ],
    ids=str,
)
def test_a_configuration_that_cannot_train_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(change))} must be"):
        config_of("distmult", **change)


def test_what_belongs_to_another_model_is_refused_before_anything_is_written(family: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="transe has no N3 penalty"):
        agents.get("transe").trainer(family, config_of("transe", n3=0.1), tmp_path)
    with pytest.raises(ValueError, match="complex has sizes of ComplExConfig, got TransEConfig"):
        agents.get("complex").trainer(family, config_of("transe"), tmp_path)
    for seed in (-1, 1 << 31):
        with pytest.raises(ValueError, match=f"seed must be from 0 .* got {seed}"):
            agents.get("complex").trainer(family, config_of("complex"), tmp_path, seed=seed)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("splits", [{}, {"valid": np.zeros((0, 3), np.int32)}], ids=["none", "empty"])
def test_without_valid_facts_there_is_nothing_to_select_by(
    family: Dataset, tmp_path: Path, splits: dict[str, np.ndarray]
) -> None:
    kept = {key: rows for key, rows in family.splits.items() if key != "valid"}
    bare = dataclasses.replace(family, splits={**kept, **splits})
    with pytest.raises(ValueError, match="Family has no valid facts"):
        agents.get("complex").trainer(bare, config_of("complex"), tmp_path)


def test_an_empty_graph_is_refused(family: Dataset, tmp_path: Path) -> None:
    graph = type(family.graph).from_triples(np.zeros((0, 3), np.int32), 219, 15)
    with pytest.raises(ValueError, match="Family has no training facts"):
        agents.get("complex").trainer(dataclasses.replace(family, graph=graph), config_of("complex"), tmp_path)


def test_a_file_of_another_model_or_dataset_is_refused(family: Dataset, unbroken: Path) -> None:
    with pytest.raises(ValueError, match="holds a model complex, not distmult"):
        agents.get("distmult").load(unbroken / "complex")
    other = dataclasses.replace(family, fingerprint="f" * 64)
    with pytest.raises(ValueError, match=r"trained on Family with fingerprint .*: its ids mean other things"):
        agents.load(unbroken / "complex", other)


@pytest.mark.parametrize("name", SIZES)
def test_every_benchmark_has_a_configuration(name: str) -> None:
    for dataset in ("WN18RR", "NELL-995", "FB15k-237", "Family", "mine"):
        config = agents.get(name).config_for(dataset)
        assert type(config.model) is MODELS[name].Config
        json.dumps(dataclasses.asdict(config))
    assert issubclass(agents.get(name), EmbeddingAgent)
