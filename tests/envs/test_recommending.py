"""Recommendation environments: what is asked, masked, paid and pruned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from hypothesis import given
from hypothesis import strategies as st

from kgwalk.data import Dataset, Recommendation, bookshop, load
from kgwalk.envs import KGWalkEnv, KGWalkVectorEnv, PatternReward, TeacherReward
from kgwalk.envs.recommending import Gated
from kgwalk.protocols import FinishedWalks
from kgwalk.scorers.pruning import pruned
from tests.scorers.fakes import TableScorer

HORIZON = 3


class Teacher(TableScorer):
    """A table with the best of a type."""

    def __init__(self, data: Recommendation, seed: int = 0) -> None:
        super().__init__(len(data.entities), len(data.relations), seed)
        self.offsets = data.graph.type_offsets

    def top_k(self, sources: Any, relation: int, k: int, *, entity_type: int | None = None) -> Any:
        assert entity_type is not None
        first, last = self.offsets[entity_type : entity_type + 2]
        scores = np.array([[self.of(s, relation, e) for e in range(first, last)] for s in sources.tolist()], np.float32)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return (first + order).astype(np.int32), np.take_along_axis(scores, order, axis=1)


@pytest.fixture(scope="module")
def shop() -> Recommendation:
    return bookshop(seed=5, readers=20, authors=20)


def walks_of(envs: KGWalkVectorEnv, seed: int = 1) -> tuple[FinishedWalks, Any, Any]:
    """Random walks to their end: what they were, their queries, what they were paid."""
    envs.reset(seed=seed)
    for _ in range(HORIZON):
        _, rewards, *_ = envs.step(envs.sample_actions())
    walks = envs.finished_walks()
    return walks, envs.queries[walks.query], rewards[walks.env]


def test_users_are_asked_about_not_items(shop: Recommendation, tmp_path: Path) -> None:
    env: Any = gym.make("KGWalk-Bookshop").unwrapped
    assert len(env.queries) == len(bookshop().splits["train"])
    assert (env.queries[:, 1] == bookshop().interact).all()
    assert len(KGWalkEnv(shop, directions="both").queries) == 2 * len(shop.splits["train"])
    family = KGWalkEnv("Family")
    assert len(family.queries) == 2 * len(family.task.dataset.splits["train"])


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_no_walk_moves_to_an_item_that_its_user_has(shop: Recommendation, split: str) -> None:
    envs = KGWalkVectorEnv(shop, 512, split=split, candidates="ragged", max_out_degree=0)
    train = {(user, item) for user, _, item in shop.queries("train").tolist()}
    obs, _ = envs.reset(seed=0)
    for _ in range(HORIZON - 1):
        obs, *_ = envs.step(envs.sample_actions())
    shown = 0
    for i, user in enumerate(obs["source"][:, 0].tolist()):
        moves = obs["entities"][obs["offsets"][i] + 1 : obs["offsets"][i + 1]].tolist()  # STAY comes first
        row, _, _ = envs._walk.path(i)
        own = {(user, envs.queries[row, 2])} if split == "train" else set()
        assert not {(user, item) for item in moves} & (train - own)
        shown += len(moves)
    assert shown > 0


def test_held_out_interactions_are_no_edges(shop: Recommendation) -> None:
    for split in ("valid", "test"):
        graph = KGWalkEnv(shop, split=split).task.actions.graph
        assert all(graph.find(*row) < 0 for row in shop.queries(split).tolist())


def test_the_teacher_is_paid_beside_the_best_item_of_the_user(shop: Recommendation) -> None:
    teacher = Teacher(shop)
    envs = KGWalkVectorEnv(shop, 400, candidates="ragged", reward={"teacher": 2.0}, teacher=teacher)
    walks, queries, paid = walks_of(envs)
    train = {(user, item) for user, _, item in shop.queries("train").tolist()}
    expected = []
    for (user, relation, target), end in zip(queries.tolist(), walks.entities[:, -1].tolist(), strict=True):
        best = max(teacher.of(user, relation, item) for item in range(shop.items.first, shop.items.last))
        is_item = shop.items.first <= end < shop.items.last
        open_ = end == target or (user, end) not in train
        expected.append(2 * teacher.of(user, relation, end) / best if is_item and open_ else 0.0)
    np.testing.assert_allclose(paid, expected, rtol=1e-6)
    assert 0 < np.count_nonzero(expected) < len(expected)


MOVE = st.sampled_from([0, 1, 5, 6])  # of which 6 is STAY


@given(st.lists(st.tuples(MOVE, MOVE, MOVE, st.integers(0, 9)), min_size=1, max_size=20))
def test_patterns_are_what_is_left_without_waiting(drawn: list[tuple[int, int, int, int]]) -> None:
    from kgwalk.data import EntityType

    patterns = [(0, 5), (0, 1, 5), (1,), (0, 0, 0, 0)]
    relations = np.array([row[:3] for row in drawn], np.int32)
    entities = np.zeros((len(drawn), 4), np.int32)
    entities[:, -1] = [row[3] for row in drawn]
    none = np.zeros(len(drawn), np.int32)
    walks = FinishedWalks(none, none.astype(np.int64), entities, relations, none.astype(np.bool_))
    paid = PatternReward(patterns, EntityType("item", 2, 6), 6)(walks, np.zeros((len(drawn), 3), np.int32))
    left = [tuple(r for r in row[:3] if r != 6) for row in drawn]
    assert paid.tolist() == [float(path in patterns and 2 <= row[3] < 6) for path, row in zip(left, drawn, strict=True)]


def test_patterns_default_to_the_metapaths_of_the_set(shop: Recommendation) -> None:
    words = [shop.metapath_name(path) for path in shop.metapaths]
    _, _, paid = walks_of(KGWalkVectorEnv(shop, 300, candidates="ragged", reward={"pattern": 1}))
    _, _, same = walks_of(KGWalkVectorEnv(shop, 300, candidates="ragged", reward={"pattern": 1}, pattern=words))
    _, _, one = walks_of(KGWalkVectorEnv(shop, 300, candidates="ragged", reward={"pattern": 1}, pattern=words[:1]))
    np.testing.assert_array_equal(paid, same)
    assert 0 < one.sum() < paid.sum() < len(paid)


def test_other_terms_may_be_paid_along_patterns_only(shop: Recommendation) -> None:
    teacher = Teacher(shop)
    chosen: dict[str, Any] = {"candidates": "ragged", "teacher": teacher}
    reward = {"hit": 1.0, "teacher": 0.5}
    envs = KGWalkVectorEnv(shop, 600, reward=reward, only_pattern=True, **chosen)
    walks, queries, paid = walks_of(envs)
    _, _, free = walks_of(KGWalkVectorEnv(shop, 600, reward=reward, **chosen))
    follows = PatternReward.make(shop, None)(walks, queries)
    np.testing.assert_allclose(paid, free * follows)
    assert np.count_nonzero(free) > np.count_nonzero(paid) > 0
    assert walks.hit[paid >= 1].all()

    single = KGWalkEnv(shop, reward=reward, only_pattern=True, teacher=teacher)
    single.reset(seed=1)
    total = sum(float(single.step(single.sample_action())[1]) for _ in range(HORIZON))
    assert total == pytest.approx(float(paid[0]))


def test_a_gated_term_is_not_asked_about_walks_that_do_not_pass(shop: Recommendation) -> None:
    class Never:
        name = "never"

        def __call__(self, walks: FinishedWalks, queries: Any) -> Any:
            return np.zeros(len(walks.hit))

    walks, queries, _ = walks_of(KGWalkVectorEnv(shop, 8, candidates="ragged"))
    teacher = Teacher(shop)
    assert not Gated(TeacherReward(teacher, shop), Never())(walks, queries).any()
    assert teacher.asked == []


def test_pruning_shows_what_the_scorer_finds_most_plausible(shop: Recommendation) -> None:
    scorer = Teacher(shop, seed=2)
    expand = pruned(shop.graph, scorer, 6)
    for head in range(0, len(shop.entities), 3):
        edges = [tuple(edge) for edge in shop.graph.slice(head).tolist()]
        best = sorted(edges, key=lambda edge: (-scorer.of(head, *edge), edge[1], edge[0]))[:6]
        _, relations, tails = expand(np.array([head], np.int32), np.array([-1], np.int32))
        assert list(zip(relations.tolist(), tails.tolist(), strict=True)) == sorted(best)
    with pytest.raises(ValueError, match="at least 1"):
        pruned(shop.graph, scorer, 0)


@pytest.mark.parametrize("decision", ["edge", "split"])
def test_pruned_environments_walk_the_pruned_graph(shop: Recommendation, decision: Any) -> None:
    scorer = Teacher(shop, seed=2)
    envs = KGWalkVectorEnv(shop, 64, max_out_degree=6, prune=scorer, decision=decision)
    plain = KGWalkVectorEnv(shop, 64, max_out_degree=6, decision=decision)
    assert envs.single_action_space.n == plain.single_action_space.n == 7
    shown = [
        x.task.actions.expand(np.array([shop.users.first], np.int32), np.array([-1], np.int32)) for x in (envs, plain)
    ]
    assert shown[0][2].tolist() != shown[1][2].tolist()
    envs.reset(seed=3)
    illegal = np.full(64, 6)
    *_, infos = envs.step(illegal)
    assert infos["illegal_action"].shape == (64,)
    env = KGWalkEnv(shop, max_out_degree=6, prune=scorer, decision=decision)
    np.testing.assert_array_equal(env.reset(seed=3)[0]["entities"], envs.reset(seed=3)[0]["entities"][0])
    with pytest.raises(ValueError, match="max_out_degree of at least 1"):
        KGWalkEnv(shop, max_out_degree=0, prune=scorer)


def test_specs_are_json() -> None:
    arguments: dict[str, Any] = {"reward": {"hit": 1, "pattern": 0.5}, "pattern": ["reads written_by ^written_by"]}
    env = gym.make("KGWalk-Bookshop", only_pattern=True, **arguments)
    assert env.spec is not None
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    np.testing.assert_equal(env.reset(seed=2)[0], again.reset(seed=2)[0])


BAD: dict[str, tuple[str, dict[str, Any], type[Exception], str]] = {
    "no teacher": (
        "Bookshop",
        {"reward": {"teacher": 1}},
        ValueError,
        "teacher=: expected the path of a scorer.*got none",
    ),
    "no recommendation": ("Family", {"reward": {"pattern": 1}}, ValueError, "which Family is not"),
    "pattern of a wrong kind": (
        "Bookshop",
        {"reward": {"pattern": 1}, "pattern": "reads"},
        ValueError,
        "a list of me",
    ),
    "pattern that ends elsewhere": (
        "Bookshop",
        {"reward": {"pattern": 1}, "pattern": ["reads written_by"]},
        ValueError,
        "ends at author",
    ),
    "unknown relation": ("Bookshop", {"reward": {"pattern": 1}, "pattern": ["reads it"]}, KeyError, "no relation 'it'"),
    "no pattern": ("Bookshop", {"reward": {"pattern": 1}, "pattern": []}, ValueError, "at least one metapath"),
    "patterns nobody asks for": ("Bookshop", {"pattern": ["reads followed_by"]}, TypeError, "'pattern'"),
    "only of a wrong kind": ("Bookshop", {"only_pattern": 1}, ValueError, "only_pattern: expected True or False"),
    "prune of a wrong kind": ("Bookshop", {"prune": 3}, ValueError, "prune=: expected the path of a scorer"),
}


@pytest.mark.parametrize(("name", "arguments", "error", "message"), BAD.values(), ids=BAD)
def test_what_to_give_is_told(name: str, arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        gym.make(f"KGWalk-{name}", **arguments)


def test_a_pruner_of_other_facts_is_refused(shop: Recommendation) -> None:
    scorer = Teacher(shop)
    scorer.facts = "0123"  # type: ignore[attr-defined]
    for arguments in ({"prune": scorer}, {"reward": {"teacher": 1.0}, "teacher": scorer}):
        with pytest.raises(ValueError, match="fitted on facts of another dataset"):
            KGWalkEnv(shop, **arguments)  # type: ignore[arg-type]


def test_a_set_of_ones_own_asks_about_users(tmp_path: Path) -> None:
    from kgwalk.data.card_json import card_to_json
    from kgwalk.data.cards import Card

    card = Card("tiny", "tiny", "", graph="kg.txt", splits=(("train", "train.txt"),), interaction="buys")
    (tmp_path / "card.json").write_text(card_to_json(card))
    (tmp_path / "kg.txt").write_text("item/a\tis\tcolour/red\nitem/b\tis\tcolour/red\n")
    (tmp_path / "train.txt").write_text("user/1\tbuys\titem/a\nuser/2\tbuys\titem/b\n")
    env: Any = gym.make("KGWalk-Custom", dataset=str(tmp_path)).unwrapped
    assert isinstance(env.task.dataset, Dataset)
    assert len(env.queries) == 2
    assert isinstance(load(tmp_path), Recommendation)
