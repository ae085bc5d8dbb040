"""NSER trained on a small shop: the same run again, resumed, saved; what it answers and what it refuses."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kgwalk import data
from kgwalk.agents.checkpoint import NAME as CHECKPOINT
from kgwalk.agents.nser import Nser, NserConfig
from kgwalk.agents.nser.selection import Selection
from kgwalk.data import Recommendation
from kgwalk.evaluation import evaluate_recommendations
from kgwalk.graph import Expand, Overlay
from kgwalk.protocols import Agent, Ids, Ranked
from kgwalk.search import known_items
from kgwalk.tensors import load_tensors, save_tensors

from .conftest import SMALL

NAME = "agent.safetensors"
LIKELIHOOD = {"score": "likelihood", "budget": 15, "users": "table", "module": "deep", "ranking": "last"}


def questions(dataset: Recommendation, users: Ids | None = None) -> Ids:
    users = np.arange(len(dataset.users), dtype=np.int32) if users is None else users
    return np.column_stack([users, np.full_like(users, dataset.interact), np.full_like(users, -1)])


def assert_same_file(a: Path, b: Path) -> None:
    (first, one), (second, other) = load_tensors(a), load_tensors(b)
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert torch.equal(value, second[key]), key
    for note in (one, other):
        note.get("progress", {}).pop("seconds", None)
    assert one == other


@pytest.fixture(params=["evidence", "likelihood"])
def agent(request: pytest.FixtureRequest, shop: Recommendation, trained: Path, tmp_path: Path) -> Nser:
    if request.param == "evidence":
        return Nser.load(trained, shop.fingerprint)
    return Nser.fit(shop, dataclasses.replace(SMALL, **LIKELIHOOD), tmp_path)


def test_it_is_an_agent(agent: Nser) -> None:
    assert isinstance(agent, Agent)


def test_selection_measures_what_evaluation_measures(shop: Recommendation, trained: Path) -> None:
    agent = Nser.load(trained, shop.fingerprint)
    agent.config = dataclasses.replace(agent.config, budget=len(shop.items))
    selection = Selection(agent.on(shop.graph), agent.network.mixture, shop.splits["valid"])
    measured = selection()
    other = dataclasses.replace(shop, splits={**shop.splits, "valid": shop.splits["valid"][1::2]})
    report = evaluate_recommendations(agent, other, "valid", progress=False)
    assert 0 < measured < 1
    assert measured == pytest.approx(report.metrics["ndcg@10"], rel=1e-6)


def test_the_published_score_selects_by_the_lists_that_it_gives(shop: Recommendation, tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, **LIKELIHOOD, steps=1, validate_every=1)
    agent = Nser.fit(shop, config, tmp_path)
    report = evaluate_recommendations(agent, shop, "valid", progress=False)
    selected = load_tensors(tmp_path / CHECKPOINT)[1]["progress"]["best"]
    assert selected == pytest.approx(report.metrics["ndcg@10"], rel=1e-6)


def test_same_seed_same_run(shop: Recommendation, trained: Path, tmp_path: Path) -> None:
    torch.manual_seed(77)  # nobody else's draws matter
    Nser.fit(shop, SMALL, tmp_path)
    for name in (CHECKPOINT, NAME):
        assert_same_file(trained / name, tmp_path / name)


def test_a_resumed_run_ends_like_an_unbroken_one(
    shop: Recommendation, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Nser.trainer(shop, SMALL, tmp_path)
    step = trainer.make_step

    def killed(number: int) -> Any:
        if number == 17:
            raise KeyboardInterrupt
        return step(number)

    monkeypatch.setattr(trainer, "make_step", killed)
    with pytest.raises(KeyboardInterrupt):
        trainer.run(resume=False)
    with pytest.raises(FileExistsError):
        Nser.fit(shop, SMALL, tmp_path)
    Nser.fit(shop, SMALL, tmp_path, resume=True)
    for name in (CHECKPOINT, NAME):
        assert_same_file(trained / name, tmp_path / name)


def test_what_is_learnt_beats_what_is_popular(shop: Recommendation, trained: Path) -> None:
    agent = Nser.load(trained)
    test = shop.splits["test"]
    ranked = agent.answer(questions(shop, np.ascontiguousarray(test[:, 0])), shop.graph)
    first = np.array([ranked.entities[begin] for begin in ranked.offsets[:-1]])
    # Of 24 items a user likes 8 and knows 4; chance is a right one in 20.
    assert (first == test[:, 2]).mean() > 0.15


def test_answers_are_sorted_and_never_known(shop: Recommendation, agent: Nser) -> None:
    asked = questions(shop)
    ranked = agent.answer(asked, shop.graph)
    offsets, items = known_items(shop.graph, asked[:, 0].copy(), shop.interact)
    assert len(ranked.entities)
    for row in range(len(asked)):
        listed, scores = (part[ranked.offsets[row] : ranked.offsets[row + 1]] for part in parts(ranked))
        assert len(set(listed.tolist())) == len(listed) <= agent.config.budget
        assert not set(listed.tolist()) & set(items[offsets[row] : offsets[row + 1]].tolist())
        assert ((listed >= shop.items.first) & (listed < shop.items.last)).all()
        order = np.lexsort((listed, -scores))
        assert order.tolist() == list(range(len(listed)))


def parts(ranked: Ranked) -> tuple[Ids, Any]:
    return ranked.entities, ranked.scores


def test_every_path_is_in_the_graph_and_follows_its_metapath(shop: Recommendation, agent: Nser) -> None:
    asked = questions(shop)
    ranked = agent.answer(asked, shop.graph)
    paths = ranked.paths
    stay = shop.graph.stay
    explained = set()
    for i in range(len(paths)):
        relations = [r for r in paths.relations[i].tolist() if r != stay]
        assert tuple(relations) in shop.metapaths
        assert paths.entities[i, 0] == asked[paths.query[i], 0]
        for hop, relation in enumerate(relations):
            assert shop.graph.find(int(paths.entities[i, hop]), relation, int(paths.entities[i, hop + 1])) >= 0
        explained.add((int(paths.query[i]), int(paths.entities[i, -1])))
    rows = np.repeat(np.arange(len(asked)), np.diff(ranked.offsets))
    assert explained == set(zip(rows.tolist(), ranked.entities.tolist(), strict=True))
    assert np.all(np.diff(paths.query) >= 0)
    within = np.diff(paths.query) == 0
    assert np.all(np.diff(paths.log_prob)[within] <= 0)


def test_scores_are_shares_of_the_walks(shop: Recommendation, trained: Path) -> None:
    agent = Nser.load(trained)
    ranked = agent.answer(questions(shop), shop.graph)
    for row in range(len(shop.users)):  # all items are listed here
        assert np.exp(ranked.scores[ranked.offsets[row] : ranked.offsets[row + 1]]).sum() == pytest.approx(1, rel=1e-4)
    agent.config = dataclasses.replace(agent.config, explained=1000)
    paths = agent.answer(questions(shop), shop.graph).paths
    for row in range(len(shop.users)):
        of = paths.of(row)
        for item, score in zip(*(p[ranked.offsets[row] : ranked.offsets[row + 1]] for p in parts(ranked)), strict=True):
            assert np.exp(of.to(item).log_prob).sum() == pytest.approx(np.exp(score), rel=1e-3)


def test_batches_and_repeats_do_not_matter(shop: Recommendation, agent: Nser) -> None:
    whole = agent.answer(questions(shop), shop.graph)
    users = np.array([7, 3, 7], np.int32)
    few = agent.answer(questions(shop, users), shop.graph)
    for row, user in enumerate(users.tolist()):
        mine = few.entities[few.offsets[row] : few.offsets[row + 1]]
        assert mine.tolist() == whole.entities[whole.offsets[user] : whole.offsets[user + 1]].tolist()
        assert len(few.paths.of(row)) == len(whole.paths.of(user))


def test_a_new_user_is_answered_from_an_overlay(shop: Recommendation, trained: Path) -> None:
    agent = Nser.load(trained)
    twin = 5
    own = known_items(shop.graph, np.array([twin], np.int32), shop.interact)[1]
    new = shop.graph.num_entities
    added = np.array([[new, shop.interact, item] for item in own.tolist()], np.int32)
    overlay = Overlay(shop.graph, np.empty((0, 3), np.int32), added, [shop.types.index(shop.users)])
    ranked = agent.answer(questions(shop, np.array([new], np.int32)), Expand(shop.graph, overlay))
    assert len(ranked.entities)
    assert not set(ranked.entities.tolist()) & set(own.tolist())
    old = agent.answer(questions(shop, np.array([twin], np.int32)), shop.graph)
    assert ranked.entities[:3].tolist() == old.entities[:3].tolist()


def test_a_user_without_items_gets_an_empty_list(shop: Recommendation, trained: Path) -> None:
    agent = Nser.load(trained)
    none = np.empty((0, 3), np.int32)
    new, overlay = shop.graph.num_entities, Overlay(shop.graph, none, none, [shop.types.index(shop.users)])
    ranked = agent.answer(questions(shop, np.array([new], np.int32)), Expand(shop.graph, overlay))
    assert ranked.offsets.tolist() == [0, 0]


def test_no_query_no_answer(shop: Recommendation, agent: Nser) -> None:
    ranked = agent.answer(np.empty((0, 3), np.int32), shop.graph)
    assert ranked.offsets.tolist() == [0]


def test_more_than_the_catalogue_is_the_catalogue(shop: Recommendation, trained: Path) -> None:
    agent = Nser.load(trained)
    agent.config = dataclasses.replace(agent.config, budget=1000)
    ranked = agent.answer(questions(shop), shop.graph)
    assert np.diff(ranked.offsets).max() <= len(shop.items)


def test_bad_queries_are_refused(shop: Recommendation, agent: Nser) -> None:
    with pytest.raises(ValueError, match="answers relation"):
        agent.answer(np.array([[0, shop.interact + 1, -1]], np.int32), shop.graph)
    with pytest.raises(ValueError, match="expected"):
        agent.answer(np.array([[0, shop.interact]], np.int32), shop.graph)
    with pytest.raises(IndexError):
        agent.answer(np.array([[10**6, shop.interact, -1]], np.int32), shop.graph)


@pytest.mark.parametrize("ranking", ["last", "sum", "max", "noisy-or"])
@pytest.mark.parametrize("allocation", ["uniform", "prior", "heuristic"])
def test_layouts_and_rankings(shop: Recommendation, trained: Path, ranking: Any, allocation: Any) -> None:
    agent = Nser.load(trained)
    settings = {"score": "likelihood", "ranking": ranking, "allocation": allocation, "budget": 6}
    agent.config = dataclasses.replace(agent.config, **settings)
    ranked = agent.answer(questions(shop), shop.graph)
    assert 0 < np.bincount(ranked.paths.query).max() <= 6
    agent.config = dataclasses.replace(agent.config, breadth=5)
    assert len(agent.answer(questions(shop), shop.graph).paths) > len(ranked.paths)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"module": "wide"}, "module must be"),
        ({"dim": 0}, "dim must be"),
        ({"dropout": 1.0}, "dropout must be"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"rank_weight": -1.0}, "rank_weight"),
        ({"likelihood_weight": -1.0}, "likelihood_weight"),
        ({"positives": "teacher"}, "asks for a teacher"),
        ({"teacher": "somewhere"}, "asked only by"),
        ({"score": "likelihood", "inner_weight": 0.0}, "inner_weight above 0"),
    ],
)
def test_what_cannot_be_trained_with_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NserConfig(**changes)


def test_bad_metapaths_and_sets_are_refused(shop: Recommendation, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not type-check"):
        Nser.trainer(shop, dataclasses.replace(SMALL, metapaths=("bought bought",)), tmp_path)
    with pytest.raises(KeyError, match="no relation"):
        Nser.trainer(shop, dataclasses.replace(SMALL, metapaths=("bought painted_by",)), tmp_path)
    with pytest.raises(ValueError, match="no recommendation set"):
        Nser.trainer(data.load("Family"), SMALL, tmp_path)


class Teacher:
    """Lists items by id, its favourites the same for everyone."""

    name = "by-id"

    def __init__(self, facts: str | None, first: int) -> None:
        self.facts = facts
        self.first = first

    def score(self, sources: Ids, relation: int, targets: Ids) -> Any:
        return np.full(len(sources), 0.5, np.float32)

    def top_k(self, sources: Ids, relation: int, k: int, *, entity_type: int | None = None) -> Any:
        best = np.tile(np.arange(self.first, self.first + k, dtype=np.int32), (len(sources), 1))
        return best, np.ones(best.shape, np.float32)


def test_a_teacher_tells_the_positives(shop: Recommendation, tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, positives="teacher", teacher="x", teacher_top=4, rank_weight=1.0, steps=20)
    agent = Nser.fit(shop, config, tmp_path, teacher=Teacher(shop.facts_fingerprint, shop.items.first))
    assert agent.config.teacher_top == 4
    with pytest.raises(ValueError, match="fitted on facts"):
        Nser.trainer(shop, config, tmp_path / "b", teacher=Teacher("0" * 64, shop.items.first))


def test_saved_and_loaded_it_answers_alike(shop: Recommendation, trained: Path, tmp_path: Path) -> None:
    agent = Nser.load(trained)
    agent.save(tmp_path)
    a, b = (x.answer(questions(shop), shop.graph) for x in (agent, Nser.load(tmp_path, shop.fingerprint)))
    assert a.entities.tolist() == b.entities.tolist()
    assert a.scores.tolist() == b.scores.tolist()


def test_another_dataset_is_refused(trained: Path) -> None:
    with pytest.raises(ValueError, match="its ids mean other things"):
        Nser.load(trained, "0" * 64)


@pytest.mark.parametrize(
    "damage",
    [
        {"num_entities": 1 << 40},
        {"num_entities": 3},
        {"interact": -1},
        {"interact": "0"},
        {"metapaths": []},
        {"metapaths": [[]]},
        {"metapaths": [[0, "x"]]},
        {"metapaths": 3},
        {"items": ["item", 5, 2]},
        {"items": ["item"]},
        {"users": ["user", 0, 1 << 20]},
        {"config": {}},
        {"config": {"dim": 1 << 30}},
        {"config": {"wrong": 1}},
        {"agent": "reinforce"},
    ],
    ids=json.dumps,
)
def test_hostile_notes_are_refused(trained: Path, tmp_path: Path, damage: dict[str, Any]) -> None:
    tensors, note = load_tensors(trained / NAME)
    save_tensors(tmp_path / NAME, tensors, {**note, **damage})
    with pytest.raises(ValueError, match="safetensors"):
        Nser.load(tmp_path)


def test_hostile_weights_are_refused(trained: Path, tmp_path: Path) -> None:
    tensors, note = load_tensors(trained / NAME)
    tensors["bias"][0] = torch.nan
    save_tensors(tmp_path / NAME, tensors, note)
    with pytest.raises(ValueError, match="not all finite"):
        Nser.load(tmp_path)
    del tensors["bias"]
    save_tensors(tmp_path / NAME, tensors, note)
    with pytest.raises(ValueError, match="bias"):
        Nser.load(tmp_path)
