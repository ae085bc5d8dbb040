from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from kgwalk import agents
from kgwalk.agents.pgpr import Pgpr, PgprConfig, PgprPolicyConfig
from kgwalk.agents.pgpr.learner import ndcg_of_one
from kgwalk.agents.pgpr.rewards import WalkReward
from kgwalk.data import Dataset, new_users
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.graph import Expand, Overlay
from kgwalk.protocols import Agent, FinishedWalks, Ranked, Walker
from kgwalk.scorers import MODELS, EmbeddingScorer
from kgwalk.tensors import load_tensors, save_tensors

from .pgpr_world import shop

CONFIG = PgprConfig(
    policy=PgprPolicyConfig(16, (32,), hidden_dropout=0.1),
    warm_up_steps=40,
    warm_up_batch=64,
    steps=4,
    batch=16,
    rollouts=4,
    learning_rate=2e-2,
    validate_every=22,
    beam=(10, 5, 3),
)


@pytest.fixture(scope="module")
def world() -> Recommendation:
    return shop()


@pytest.fixture(scope="module")
def folder(world: Recommendation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pgpr")
    Pgpr.fit(world, CONFIG, path)
    return path


@pytest.fixture(scope="module")
def agent(world: Recommendation, folder: Path) -> Pgpr:
    return Pgpr.load(folder, world.fingerprint)


@pytest.fixture(scope="module")
def teacher(world: Recommendation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scorer that likes items of low ids."""
    model = MODELS["distmult"](world.graph.num_entities, world.graph.num_relations, MODELS["distmult"].Config(dim=16))
    with torch.no_grad():
        model.entities.fill_(1.0)
        model.relations.fill_(1.0)
        model.entities[:] -= torch.arange(world.graph.num_entities)[:, None] / 100
    path = tmp_path_factory.mktemp("teacher") / "agent.safetensors"
    EmbeddingScorer.of(model, world).save(path)
    return path


def everyone(world: Recommendation) -> np.ndarray:
    users = np.arange(world.users.first, world.users.last, dtype=np.int32)
    return np.column_stack([users, np.full_like(users, world.interact), np.full_like(users, -1)])


def lists(ranked: Ranked) -> list[list[int]]:
    return [part.tolist() for part in np.split(ranked.entities, ranked.offsets[1:-1])]


def bought(world: Recommendation, user: int) -> list[int]:
    return [t for r, t in world.graph.slice(user).tolist() if r == world.interact]


def maker_of(world: Recommendation, item: int) -> int:
    return world.graph.slice(item, world.relation("made_by")).tolist()[0][1]


def favourite(world: Recommendation, user: int) -> int:
    makers = [maker_of(world, item) for item in bought(world, user)]
    return max(makers, key=makers.count)


def test_it_is_an_agent_that_walks(agent: Pgpr) -> None:
    assert isinstance(agent, Agent)
    assert isinstance(agent, Walker)
    assert agents.get("pgpr") is Pgpr


def test_it_learns_whose_maker_a_user_likes(world: Recommendation, agent: Pgpr) -> None:
    """A list by chance has a third of its items from the maker that a user buys of."""
    own = [
        np.mean([maker_of(world, item) == favourite(world, user) for item in row[:5]])
        for user, row in enumerate(lists(agent.answer(everyone(world), world.graph)))
    ]
    assert np.mean(own) > 0.6


def test_answers_are_new_items_with_real_paths_to_them(world: Recommendation, agent: Pgpr) -> None:
    queries = everyone(world)
    ranked = agent.answer(queries, world.graph)
    graph = world.graph
    for user, row in enumerate(lists(ranked)):
        assert row
        assert len(set(row)) == len(row)
        assert all(world.items.first <= item < world.items.last for item in row)
        assert not set(row) & set(bought(world, user))
        own = ranked.paths.of(user)
        assert set(own.entities[:, -1].tolist()) == set(row)
        for entities, relations in zip(own.entities.tolist(), own.relations.tolist(), strict=True):
            assert entities[0] == user
            for a, r, b in zip(entities, relations, entities[1:], strict=False):
                assert a == b if r == graph.stay else graph.find(a, r, b) >= 0
    scores = np.split(ranked.scores, ranked.offsets[1:-1])
    assert all((np.diff(row) <= 0).all() for row in scores)


def test_an_items_score_sums_the_paths_to_it(world: Recommendation, agent: Pgpr) -> None:
    ranked = agent.answer(everyone(world)[:1], world.graph)
    for item, score in zip(ranked.entities.tolist(), ranked.scores.tolist(), strict=True):
        assert score == pytest.approx(np.log(np.exp(ranked.paths.to(item).log_prob).sum()), abs=1e-5)


def test_the_beam_keeps_its_budgets_for_each_path(world: Recommendation, agent: Pgpr) -> None:
    before = agent.beam
    agent.beam = (2, 2, 1)
    try:
        paths = agent.answer(everyone(world), world.graph).paths
    finally:
        agent.beam = before
    for user in range(len(world.users)):
        own = paths.of(user)
        assert len(own) <= 4
        assert len(np.unique(own.entities[:, 1])) <= 2


def test_answers_depend_on_neither_targets_nor_dropout(world: Recommendation, agent: Pgpr) -> None:
    queries = everyone(world)
    other = queries.copy()
    other[:, 2] = world.items.first
    agent.network.train()
    try:
        first, second = agent.answer(queries, world.graph), agent.answer(other, world.graph)
        assert agent.network.training
    finally:
        agent.network.eval()
    np.testing.assert_array_equal(first.entities, second.entities)
    np.testing.assert_array_equal(first.scores, agent.answer(queries, world.graph).scores)


def test_a_query_of_another_relation_is_refused(world: Recommendation, agent: Pgpr) -> None:
    with pytest.raises(ValueError, match="answers queries of relation"):
        agent.answer(np.array([[0, world.relation("^buys"), -1]], np.int32), world.graph)


def test_a_folded_in_copy_of_a_user_is_recommended_what_the_user_is(world: Recommendation, agent: Pgpr) -> None:
    users = list(range(12))
    copies = new_users(world, [bought(world, user) for user in users])
    theirs = lists(agent.answer(copies.queries, copies.graph))
    originals = lists(agent.answer(everyone(world)[:12], world.graph))
    strangers = originals[1:] + originals[:1]

    def shared(one: list[list[int]], other: list[list[int]]) -> float:
        return float(np.mean([len(set(a[:5]) & set(b[:5])) / 5 for a, b in zip(one, other, strict=True)]))

    assert shared(theirs, originals) > 0.6
    assert shared(theirs, originals) > shared(theirs, strangers) + 0.2
    for row, user in zip(theirs, users, strict=True):
        assert not set(row) & set(bought(world, user))
    # The graph is as it was.
    assert lists(agent.answer(everyone(world)[:12], world.graph)) == originals


def test_a_hidden_fact_is_not_walked(world: Recommendation, agent: Pgpr) -> None:
    user = 0
    item = bought(world, user)[0]
    hidden = np.array([[user, world.interact, item]], np.int32)
    seen = Expand(world.graph, Overlay(world.graph, hidden, np.empty((0, 3), np.int32)))
    paths = agent.walks(everyone(world)[:1], seen)
    assert item not in paths.entities[:, 1]
    assert item in agent.walks(everyone(world)[:1], world.graph).entities[:, 1]


def test_a_saved_agent_answers_as_before(world: Recommendation, agent: Pgpr, tmp_path: Path) -> None:
    agent.save(tmp_path)
    loaded = agents.load(tmp_path, world)
    assert type(loaded) is Pgpr
    before, after = (some.answer(everyone(world), world.graph) for some in (agent, loaded))
    np.testing.assert_array_equal(before.entities, after.entities)
    np.testing.assert_array_equal(before.scores, after.scores)
    assert [p.name for p in tmp_path.iterdir()] == ["agent.safetensors"]


@pytest.mark.parametrize(
    "change",
    [
        {"num_entities": 10**12},
        {"num_entities": "many"},
        {"num_relations": -5},
        {"policy": {}},
        {"policy": {"hidden_dims": [10**9]}},
        {"policy": {"hidden_dims": [32], "unheard_of": 1}},
        {"beam": [0, 1]},
        {"beam": "wide"},
        {"beam": []},
        {"items": [0, 1]},
        {"items": ["item", -1, 5]},
        {"items": ["item", 0, 10**9]},
        {"interact": 99},
        {"max_out_degree": -1},
        {"max_out_degree": 1 << 31},
        {"prune": -1},
        {"ranking": "mood"},
        {"fingerprint": None},
        {"agent": "stranger"},
    ],
    ids=str,
)
def test_a_hostile_note_is_refused(
    world: Recommendation, agent: Pgpr, tmp_path: Path, change: dict[str, object]
) -> None:
    agent.save(tmp_path)
    path = tmp_path / "agent.safetensors"
    tensors, note = load_tensors(path)
    save_tensors(path, tensors, {**note, **change})
    with pytest.raises(ValueError, match=r"agent\.safetensors"):
        agents.load(tmp_path, world)


def test_damaged_weights_are_refused(world: Recommendation, agent: Pgpr, tmp_path: Path) -> None:
    agent.save(tmp_path)
    path = tmp_path / "agent.safetensors"
    tensors, note = load_tensors(path)
    save_tensors(path, {**tensors, "critic.bias": torch.tensor([float("nan")])}, note)
    with pytest.raises(ValueError, match=r"critic\.bias are not all finite"):
        agents.load(tmp_path, world)
    save_tensors(path, {**tensors, "critic.bias": torch.zeros(7)}, note)
    with pytest.raises(ValueError, match=r"critic\.bias do not have the shapes"):
        agents.load(tmp_path, world)


@pytest.mark.parametrize(("stop", "frozen"), [(22, False), (42, False), (22, True)])
def test_a_resumed_run_ends_like_an_unbroken_one(
    world: Recommendation, folder: Path, tmp_path: Path, stop: int, frozen: bool
) -> None:
    config = dataclasses.replace(CONFIG, train_embeddings=not frozen)
    if frozen:
        folder = tmp_path / "unbroken"
        Pgpr.fit(world, config, folder)
    broken = tmp_path / "broken"
    trainer = Pgpr.trainer(world, config, broken)
    trainer.steps = stop
    trainer.run(resume=False)
    Pgpr.fit(world, config, broken, resume=True)
    whole, resumed = (load_tensors(f / "checkpoint.safetensors")[0] for f in (folder, broken))
    assert whole.keys() == resumed.keys()
    for key, value in whole.items():
        torch.testing.assert_close(resumed[key], value, rtol=0, atol=0, msg=key)
    begun = Pgpr.trainer(world, config, tmp_path / "new").model
    moved = load_tensors(broken / "agent.safetensors")[0]["entities"]
    if frozen:
        fresh = Pgpr.trainer(world, dataclasses.replace(CONFIG), tmp_path / "other").model
        torch.testing.assert_close(moved, fresh.state_dict()["entities"], rtol=0, atol=0)
    else:
        assert not torch.equal(moved, begun.state_dict()["entities"])


def test_a_teacher_begins_prunes_and_ranks(world: Recommendation, teacher: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(
        CONFIG,
        teacher=str(teacher),
        start_from_teacher=True,
        train_embeddings=False,
        teacher_reward=0.5,
        prune=6,
        ranking="scorer",
        warm_up_steps=2,
        steps=2,
        validate_every=4,
    )
    made = Pgpr.fit(world, config, tmp_path)
    scorer = EmbeddingScorer.load(teacher)
    torch.testing.assert_close(made.network.entities.detach(), scorer.model.entities.detach())
    ranked = made.answer(everyone(world), world.graph)
    for row in lists(ranked):
        assert row == sorted(row)  # it likes low ids
    plain = dataclasses.replace(CONFIG, warm_up_steps=2, steps=2, validate_every=4)
    free = Pgpr.fit(world, plain, tmp_path / "plain").answer(everyone(world), world.graph)
    assert any(row != sorted(row) for row in lists(free))
    assert (tmp_path / "teacher.safetensors").is_file()
    (tmp_path / "teacher.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="teacher"):
        Pgpr.load(tmp_path)


def test_a_teacher_of_other_facts_or_another_width_is_refused(
    world: Recommendation, teacher: Path, tmp_path: Path
) -> None:
    config = dataclasses.replace(CONFIG, teacher=str(teacher), start_from_teacher=True)
    with pytest.raises(ValueError, match="was fitted on facts of"):
        Pgpr.trainer(shop(seed=1), config, tmp_path)
    narrow = dataclasses.replace(config, policy=dataclasses.replace(CONFIG.policy, dim=8))
    with pytest.raises(ValueError, match=r"set policy\.dim=16"):
        Pgpr.trainer(world, narrow, tmp_path)


def finished(
    world: Recommendation, user: int, steps: list[tuple[str, str]], target: str
) -> tuple[FinishedWalks, np.ndarray]:
    entities = [user, *(world.entity(entity) for _, entity in steps)]
    relations = [world.relation(relation) for relation, _ in steps]
    query = np.array([[user, world.interact, world.entity(target)]], np.int32)
    hit = np.array([entities[-1] == query[0, 2]])
    zero = np.zeros(1, np.int32)
    return FinishedWalks(
        zero, zero.astype(np.int64), np.array([entities], np.int32), np.array([relations], np.int32), hit
    ), query


class LowIds:
    """Items are the better the lower their id."""

    def score(self, sources, relation, targets):
        return (1 / (1 + targets)).astype(np.float32)

    def top_k(self, sources, relation, k, *, entity_type=None):
        best = np.full((len(sources), k), 24, np.int32)
        return best, self.score(sources, relation, best)


def test_what_a_walk_earns(world: Recommendation) -> None:
    steps = [("buys", "item/3"), ("made_by", "maker/0"), ("^made_by", "item/6")]
    hit = finished(world, 0, steps, "item/6")
    miss = finished(world, 0, steps, "item/9")
    elsewhere = finished(world, 0, [*steps[:2], ("STAY", "maker/0")], "item/9")
    waiting = finished(world, 0, [("buys", "item/3"), ("about", "theme/1"), ("STAY", "theme/1")], "item/9")
    stay = world.graph.stay
    only_hits = WalkReward(world.items, stay)
    assert [only_hits(*walk)[0] for walk in (hit, miss, elsewhere)] == [1, 0, 0]
    taught = WalkReward(world.items, stay, hit=2.0, teacher=0.5, scorer=LowIds())
    share = 0.5 * (1 / (1 + world.entity("item/6"))) / (1 / 25)
    assert taught(*hit)[0] == pytest.approx(2 + share)
    assert taught(*miss)[0] == pytest.approx(share)
    assert taught(*elsewhere)[0] == 0
    along = WalkReward(world.items, stay, teacher=1.0, scorer=LowIds(), metapaths=world.metapaths)
    assert along(*miss)[0] > 0
    other_way = finished(world, 0, [("buys", "item/3"), ("about", "theme/1"), ("^about", "item/6")], "item/6")
    assert along(*other_way)[0] == 0
    assert along(*waiting)[0] == 0


def test_waiting_is_no_part_of_the_metapath_a_walk_follows(world: Recommendation) -> None:
    short = (world.interact,)
    reward = WalkReward(world.items, world.graph.stay, metapaths=[short])
    walk = finished(world, 0, [("STAY", "user/0"), ("buys", "item/3"), ("STAY", "item/3")], "item/3")
    assert reward(*walk)[0] == 1


def test_a_teacher_pays_nothing_for_waiting_at_an_item_that_the_user_has(world: Recommendation) -> None:
    train = world.queries("train")
    user, item = int(train[0, 0]), world.entities[int(train[0, 2])]
    steps = [("buys", item), ("STAY", item), ("STAY", item)]
    other = next(f"item/{i}" for i in range(len(world.items)) if f"item/{i}" != item)
    taught = WalkReward(world.items, world.graph.stay, teacher=1.0, scorer=LowIds(), owned=train)
    assert taught(*finished(world, user, steps, other))[0] == 0
    assert taught(*finished(world, user, steps, item))[0] > 1


def test_rewards_that_pay_nothing_are_refused(world: Recommendation) -> None:
    with pytest.raises(ValueError, match="must earn something"):
        WalkReward(world.items, world.graph.stay, hit=0)
    with pytest.raises(ValueError, match="no scorer to ask"):
        WalkReward(world.items, world.graph.stay, teacher=1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"steps": -1}, "steps"),
        ({"steps": 0, "warm_up_steps": 0}, "nothing to train"),
        ({"beam": (5, 5)}, "for each of 3 hops"),
        ({"beam": (5, 0, 1)}, "positive number"),
        ({"ranking": "mood"}, "ranking"),
        ({"ranking": "scorer"}, "needs a teacher"),
        ({"prune": 5}, "needs a teacher"),
        ({"teacher_reward": 0.5}, "needs a teacher"),
        ({"value": -1.0}, "value"),
        ({"action_dropout": 1.0}, "action_dropout"),
        ({"learning_rate": float("nan")}, "learning_rate"),
    ],
    ids=str,
)
def test_a_configuration_that_cannot_be_trained_with_is_refused(change: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        PgprConfig(**change)


def test_a_set_without_users_is_refused(family: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pgpr recommends items to users"):
        Pgpr.trainer(family, CONFIG, tmp_path)


def test_ndcg_of_one_right_answer() -> None:
    ranked = Ranked(np.array([0, 3, 3, 5]), np.array([7, 8, 9, 7, 8], np.int32), np.array([3.0, 2, 1, 2, 1]))
    assert ndcg_of_one(ranked, np.array([8, 8, 7], np.int32)) == pytest.approx((1 / np.log2(3) + 0 + 1) / 3)
    assert ndcg_of_one(ranked, np.array([8, 8, 7], np.int32), k=1) == pytest.approx(1 / 3)
