"""The teacher: it learns who likes what, a run goes on as if it had not been broken, and files are not trusted."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from kgwalk import agents, scorers
from kgwalk._core import TripleReader
from kgwalk.agents import TransEDotAgent, TypedEmbeddingConfig
from kgwalk.agents.checkpoint import NAME as CHECKPOINT
from kgwalk.data.recommendation.dataset import Recommendation, assemble_recommendation
from kgwalk.evaluation import evaluate_recommendations
from kgwalk.scorers import ModelConfig
from kgwalk.tensors import load_tensors, save_tensors
from tests.evaluation.shop import CARD

CONFIG = TypedEmbeddingConfig(
    model=ModelConfig(dim=8),
    negatives=6,
    batch_size=32,
    epochs=6,
    validations=3,
    validate_queries=0,
    final_learning_rate=1.0,
)


@pytest.fixture(scope="module")
def tastes() -> Recommendation:
    """Users of two tastes, each of which buys items of its own genre."""
    generator = np.random.default_rng(0)
    reader = TripleReader()
    rows = [
        f"user/{u}\tbuys\titem/{item}\n"
        for u in range(40)
        for item in generator.choice(np.arange(u % 2, 30, 2), 8, replace=False)
    ]
    parts = {"train": rows[::8] + rows[1::8] + rows[2::8] + rows[3::8] + rows[4::8] + rows[5::8], "test": rows[6::8]}
    splits = {name: reader.add("".join(part).encode(), name) for name, part in parts.items()}
    facts = "".join(f"item/{i}\tof\tgenre/{i % 2}\n" for i in range(30))
    return assemble_recommendation(CARD, reader, reader.add(facts.encode(), "facts"), splits)


@pytest.fixture(scope="module")
def trained(tastes: Recommendation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    TransEDotAgent.fit(tastes, CONFIG, folder)
    return folder


def test_it_recommends_what_is_of_a_users_taste(tastes: Recommendation, trained: Path) -> None:
    agent = agents.load(trained, tastes)
    users = np.arange(tastes.users.first, tastes.users.last, dtype=np.int32)
    queries = np.stack([users, np.full_like(users, tastes.interact), np.full_like(users, -1)], 1)
    ranked = agent.answer(queries, tastes.graph)
    right = 0
    for row, user in enumerate(users.tolist()):
        top = ranked.entities[ranked.offsets[row] : ranked.offsets[row + 1]]
        assert not set(top.tolist()) & set(tastes.graph.slice(user, tastes.interact)[:, 1].tolist())
        taste = int(tastes.entities[user].split("/")[1]) % 2
        right += sum(int(tastes.entities[int(item)].split("/")[1]) % 2 == taste for item in top[:3])
    assert right > 0.9 * 3 * len(users)
    assert evaluate_recommendations(agent, tastes).metrics["hr@10"] > 0.8


def test_its_scorer_ranks_items_and_knows_its_facts(tastes: Recommendation, trained: Path) -> None:
    scorer = scorers.load(trained, tastes)
    users = np.arange(tastes.users.first, tastes.users.last, dtype=np.int32)
    place = tastes.types.index(tastes.items)
    best, scores = scorer.top_k(users, tastes.interact, 5, entity_type=place)
    assert ((best >= tastes.items.first) & (best < tastes.items.last)).all()
    again = scorer.score(np.repeat(users, 5), tastes.interact, best.reshape(-1))
    np.testing.assert_allclose(again.reshape(-1, 5), scores, rtol=1e-4)
    every = scorer.top_k(users, tastes.interact, tastes.graph.num_entities)[0]
    own = [[i for i in row if tastes.items.first <= i < tastes.items.last][:5] for row in every.tolist()]
    assert own == best.tolist()


def test_a_resumed_run_ends_as_an_unbroken_one(
    tastes: Recommendation, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = TransEDotAgent.trainer(tastes, CONFIG, tmp_path)
    make_step = trainer.make_step

    def killed(step: int) -> object:
        if step == trainer.validate_every + 1:
            raise KeyboardInterrupt
        return make_step(step)

    monkeypatch.setattr(trainer, "make_step", killed)
    with pytest.raises(KeyboardInterrupt):
        trainer.run(resume=False)
    TransEDotAgent.fit(tastes, CONFIG, tmp_path, resume=True)
    for name in (CHECKPOINT, "agent.safetensors"):
        one, other = (load_tensors(folder / name)[0] for folder in (trained, tmp_path))
        for key, value in one.items():
            assert torch.equal(value, other[key]), key


def test_interactions_alone_leave_facts_as_they_were(tastes: Recommendation, tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, facts=0.0, inverses=0.0, epochs=2.0)
    agent = TransEDotAgent.fit(tastes, config, tmp_path)
    relations = agent.scorer.model.relations
    assert relations[tastes.interact].abs().max() > 0
    assert relations[[r for r in range(4) if r != tastes.interact]].abs().max() == 0


@pytest.mark.parametrize("told", [None, {}, {"interact": 99, "item_type": 1, "answers": 5}, {"interact": "0"}])
def test_a_file_that_does_not_tell_what_it_recommends(
    tastes: Recommendation, trained: Path, tmp_path: Path, told: object
) -> None:
    tensors, note = load_tensors(trained / "agent.safetensors")
    save_tensors(tmp_path / "agent.safetensors", tensors, {**note, "made_by": {**note["made_by"], "recommends": told}})
    with pytest.raises(ValueError, match="what it recommends"):
        agents.load(tmp_path, tastes)


@pytest.mark.parametrize(
    "wrong", [{"dropout": 1.0}, {"negatives": 0}, {"epochs": 0}, {"facts": -1}, {"final_learning_rate": 0}]
)
def test_refuses_senseless_settings(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        dataclasses.replace(CONFIG, **wrong)
