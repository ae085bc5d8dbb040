"""RuleReward by itself against a dict of paths, and in the environments."""

from __future__ import annotations

import pickle
from itertools import product
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec

from kgwalk.data import Dataset, load
from kgwalk.data.family import RULES
from kgwalk.protocols import Candidates, FinishedWalks, Ids
from kgwalk.rules import RuleReward, RuleSet, RuleTrie
from tests.rules.oracle import Rule, inverse
from tests.rules.rule_sets import rule_set, without_counts

R = 2
STAY = 2 * R
REWARD = {"hit": 1.0, "rules": 0.65}
ENVS = 64


def ids(values: object) -> Ids:
    return np.array(values, np.int32)


def finished(relations: Ids) -> FinishedWalks:
    count, hops = relations.shape
    zeros = np.zeros(count, np.int32)
    return FinishedWalks(zeros, zeros.astype(np.int64), np.zeros((count, hops + 1), np.int32), relations, zeros > 0)


def test_every_walk_is_paid_as_by_a_dict() -> None:
    counts = {Rule(0, (1,)): (9, 10), Rule(0, (2, 1)): (3, 5), Rule(1, (0, 0, 3)): (5, 5), Rule(1, (2,)): (1, 10)}
    pays = {(rule.head, rule.body): s / (p + 5) for rule, (s, p) in counts.items() if s / (p + 5) >= 0.15}
    pays |= {(h + R, tuple(inverse(b, R) for b in reversed(body))): c for (h, body), c in pays.items()}
    assert len(pays) == 6  # the last rule's confidence is too low
    asked = list(product(range(2 * R), product(range(STAY + 1), repeat=4)))
    queries = ids([[0, query, 0] for query, _ in asked])
    paid = RuleReward(rule_set(counts, 3, R), R)(finished(ids([path for _, path in asked])), queries)
    assert paid.dtype == np.float64
    stripped = [(query, tuple(r for r in path if r != STAY)) for query, path in asked]
    assert paid.tolist() == [pays.get(key, 0.0) for key in stripped]


@pytest.mark.parametrize(("threshold", "paid"), [(0.15, 0.15), (np.nextafter(0.15, 1), 0.0), (0.0, 0.15)])
def test_the_threshold_is_the_least_that_pays(threshold: float, paid: float) -> None:
    walk, query = finished(ids([[1, STAY]])), ids([[0, 0, 1]])
    for rules in (rule_set({Rule(0, (1,)): (3, 15)}, 3, R), without_counts({Rule(0, (1,)): 0.15}, 3, R)):
        assert RuleReward(rules, R, threshold=threshold)(walk, query).tolist() == [paid]


def test_smoothing() -> None:
    walk, query = finished(ids([[1]])), ids([[0, 0, 1]])
    rules = rule_set({Rule(0, (1,)): (3, 5)}, 3, R)
    assert RuleReward(rules, R)(walk, query).tolist() == [0.3]
    assert RuleReward(rules, R, smoothing=0)(walk, query).tolist() == [0.6]


@pytest.fixture(scope="module")
def family() -> Dataset:
    return load("Family")


@pytest.fixture(scope="module")
def planted(family: Dataset) -> RuleSet:
    """Family's rules, each with another confidence."""
    rules = [Rule(family.relation(rule.head), tuple(map(family.relation, rule.body))) for rule in RULES]
    counts = {rule: (40 + 2 * place, 95) for place, rule in enumerate(rules)}
    return rule_set(counts, len(family.entities), len(family.relations))


@pytest.fixture(scope="module")
def rule_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`planted` as AnyBURL writes it."""
    lines = []
    for place, rule in enumerate(RULES):
        names = [*"XABC"[: len(rule.body)], "Y"]
        atoms = [
            f"{name[1:]}({b},{a})" if name.startswith("^") else f"{name}({a},{b})"
            for name, a, b in zip(rule.body, names[:-1], names[1:], strict=True)
        ]
        support = 40 + 2 * place
        lines.append(f"95\t{support}\t{support / 95}\t{rule.head}(X,Y) <= {', '.join(atoms)}\n")
    path = tmp_path_factory.mktemp("rules") / "family.txt"
    path.write_text("".join(lines))
    return path


def follow_rules(env: gym.vector.VectorEnv[Any, Any, Any], rows: Any, trie: RuleTrie) -> tuple[Any, Any]:
    """Walk the rules of these queries, choosing at random: actions (hops, n) and the rewards at the end."""
    inner: Any = env.unwrapped
    rng = np.random.default_rng(0)
    obs, _ = env.reset(seed=1, options={"query": rows})
    nodes = trie.start(inner.queries[rows, 1])
    taken = []
    for _ in range(inner.task.horizon):
        candidates = Candidates(obs["offsets"], obs["relations"], obs["entities"])
        mask = trie.mask(nodes, candidates)
        bounds = zip(candidates.offsets[:-1], candidates.offsets[1:], strict=True)
        actions = np.array([rng.choice(np.flatnonzero(mask[begin:end])) for begin, end in bounds])
        nodes = trie.advance(nodes, candidates.relations[candidates.offsets[:-1] + actions])
        obs, rewards, over, _, _ = env.step(actions)
        taken.append(actions)
    assert over.all()
    return np.array(taken), rewards


def test_environments_pay_it(family: Dataset, planted: RuleSet, rule_file: Path) -> None:
    envs = gym.make_vec(
        "KGWalk-Family", ENVS, candidates="ragged", directions="both", reward=REWARD, rules=str(rule_file)
    )
    inner: Any = envs.unwrapped
    rows = np.random.default_rng(3).integers(0, len(inner.queries), ENVS)
    actions, rewards = follow_rules(envs, rows, RuleTrie(planted, len(family.relations)))
    walks = inner.finished_walks()
    paid = RuleReward(planted, len(family.relations))(walks, inner.queries[walks.query])
    assert (paid > 0.15).sum() > 20, "walks that follow rules are paid"
    assert (paid[~walks.hit] > 0).any(), "those that missed too"
    assert (paid == 0).any()
    np.testing.assert_allclose(rewards, walks.hit + 0.65 * paid)

    env = gym.make("KGWalk-Family", directions="both", reward=REWARD, rules=str(rule_file))
    for i, row in enumerate(rows.tolist()):
        env.reset(seed=1, options={"query": row})
        total = sum(float(env.step(int(action))[1]) for action in actions[:, i])
        assert total == pytest.approx(rewards[i])


def test_it_is_paid_alone_and_with_each_form_of_option(family: Dataset, planted: RuleSet, rule_file: Path) -> None:
    def total(rules: Any) -> float:
        envs = gym.make_vec("KGWalk-Family", ENVS, candidates="ragged", reward={"rules": 1.0}, rules=rules)
        rows = np.random.default_rng(3).integers(0, len(envs.unwrapped.queries), ENVS)
        return float(follow_rules(envs, rows, RuleTrie(planted, len(family.relations)))[1].sum())

    usual = total(str(rule_file))
    assert usual > 0
    assert total(rule_file) == total({"file": str(rule_file)}) == total(planted) == usual
    assert total({"file": str(rule_file), "threshold": 1.0}) == 0
    assert total({"file": str(rule_file), "smoothing": 0.0}) > usual
    assert total(RuleReward(planted, len(family.relations), threshold=1.0)) == 0
    assert 0 < total({"file": rule_file, "threshold": 0.6}) < usual


def test_specs_are_json_and_environments_pickle(rule_file: Path) -> None:
    option = {"file": str(rule_file), "threshold": 0.3}
    envs = gym.make_vec("KGWalk-Family", num_envs=2, reward=REWARD, rules=option)
    spec = EnvSpec.from_json(envs.spec.to_json())
    assert spec.kwargs["rules"] == option
    twins = [envs, gym.make_vec(spec), pickle.loads(pickle.dumps(envs.unwrapped)), gym.make_vec(spec).unwrapped]
    rollouts = []
    for each in twins:
        each.reset(seed=5)
        rollouts.append([each.step(each.unwrapped.sample_actions())[1].tolist() for _ in range(20)])
    assert rollouts.count(rollouts[0]) == len(twins)
    single = gym.make("KGWalk-Family", reward=REWARD, rules=option)
    assert EnvSpec.from_json(single.spec.to_json()).kwargs["rules"] == option
    assert gym.make(pickle.loads(pickle.dumps(single.spec))).unwrapped.action_space == single.action_space


def test_a_file_is_read_once_until_it_changes(family: Dataset, rule_file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "rules.txt"
    copy.write_bytes(rule_file.read_bytes())
    first = RuleReward.make(family, str(copy))
    assert RuleReward.make(family, {"file": copy}) is first
    assert RuleReward.make(family, {"file": copy, "threshold": 0.2}) is not first
    copy.write_bytes(b"".join(rule_file.read_bytes().splitlines(keepends=True)[:3]))
    assert RuleReward.make(family, copy) is not first


@pytest.mark.parametrize("option", [None, 3, {}, {"threshold": 0.2}, {"file": "x", "threshold_": 0.2}])
def test_what_to_give_is_told(family: Dataset, option: Any) -> None:
    arguments = {} if option is None else {"rules": option}
    with pytest.raises(ValueError, match=r"rules=: expected the path of a rule file.*a RuleSet.*; got"):
        gym.make("KGWalk-Family", reward=REWARD, **arguments)


def test_bad_settings(family: Dataset, rule_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="threshold: expected a confidence"):
        RuleReward.make(family, {"file": rule_file, "threshold": 15})
    with pytest.raises(ValueError, match="smoothing must be a number, got 'five'"):
        RuleReward.make(family, {"file": rule_file, "smoothing": "five"})
    with pytest.raises(ValueError, match="for 2 relations, but Family has 15"):
        RuleReward.make(family, RuleReward(rule_set({Rule(0, (1,)): (3, 5)}, 3, R), R))
    with pytest.raises(FileNotFoundError, match="absent"):
        RuleReward.make(family, str(tmp_path / "absent.txt"))
    many = rule_set({Rule(90, (1,)): (1, 1)}, 3, 100)
    with pytest.raises(IndexError, match="heads of rules"):
        RuleReward.make(family, many)
    with pytest.raises(TypeError, match="'rules'"):
        gym.make("KGWalk-Family", rules=str(rule_file))
