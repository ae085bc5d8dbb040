"""RuleGuider on Family: its four stages, what is made again and what is not, and what it answers."""

from __future__ import annotations

import dataclasses
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kgwalk import agents
from kgwalk._core import set_num_threads
from kgwalk.agents import RuleGuider, RuleGuiderConfig, RulesConfig
from kgwalk.agents.checkpoint import NAME as CHECKPOINT
from kgwalk.agents.policies.path import PathPolicy
from kgwalk.agents.policies.split import SplitPolicy, SplitPolicyConfig
from kgwalk.agents.policy_gradient import PolicyGradientConfig
from kgwalk.agents.rollouts import roll_out
from kgwalk.agents.rule_guider.config import LikelihoodConfig
from kgwalk.agents.rule_guider.stages import STAGES
from kgwalk.agents.training import Trainer
from kgwalk.agents.walker import WalkerAgent, walking_rules
from kgwalk.data import Dataset
from kgwalk.evaluation import evaluate
from kgwalk.explain import explain
from kgwalk.protocols import Reasoner, RuleGuided, Walker
from kgwalk.search import weigh_evidence
from kgwalk.tensors import load_tensors, save_tensors

GRADIENT = PolicyGradientConfig(steps=3, batch=16, rollouts=4, learning_rate=3e-3)
CONFIG = RuleGuiderConfig(
    policy=SplitPolicyConfig(8, 6, 8, (8,), embedding_dropout=0.1, hidden_dropout=0.1),
    hops=2,
    scorer="",
    rules=RulesConfig(max_length=2, rounds=2),
    pretraining=GRADIENT,
    likelihood=LikelihoodConfig(steps=2, batch=32, paths=8, branch=8),
    joint=dataclasses.replace(GRADIENT, steps=2),
    validate_every=1,
    validate_queries=20,
    beam=16,
    spread=200,
)
AGENT = "agent.safetensors"
FILES = {"rules": f"rules/{AGENT}", "pretraining": f"pretraining/{AGENT}", "joint": AGENT}


def changed(**changes: Any) -> RuleGuiderConfig:
    return dataclasses.replace(CONFIG, **changes)


@pytest.fixture(scope="module")
def unbroken(family: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guided") / "run"
    RuleGuider.fit(family, CONFIG, folder)
    return folder


@pytest.fixture
def run(unbroken: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be spoilt."""
    return Path(shutil.copytree(unbroken, tmp_path / "run"))


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def weights(folder: Path, file: str = AGENT) -> dict[str, torch.Tensor]:
    return load_tensors(folder / file)[0]


def assert_same_run(a: Path, b: Path) -> None:
    """Weights, moments and counters; not how long it took."""
    for file in (AGENT, CHECKPOINT, f"pretraining/{AGENT}", f"pretraining/{CHECKPOINT}"):
        (first, note), (second, other) = load_tensors(a / file), load_tensors(b / file)
        assert first.keys() == second.keys()
        for key, value in first.items():
            torch.testing.assert_close(second[key], value, rtol=0, atol=0, msg=f"{file}: {key}")
        for one in (note, other):
            one.get("progress", {}).pop("seconds", None)
        assert note == other


def assert_same_answers(a: WalkerAgent, b: WalkerAgent, family: Dataset) -> None:
    queries = family.queries("test")[:40]
    one, other = a.answer(queries, family.graph), b.answer(queries, family.graph)
    np.testing.assert_array_equal(one.offsets, other.offsets)
    np.testing.assert_array_equal(one.entities, other.entities)
    np.testing.assert_array_equal(one.scores, other.scores)


def test_every_stage_leaves_its_part(family: Dataset, unbroken: Path) -> None:
    left = {path for path in contents(unbroken) if "tfevents" not in path}
    assert left == {f"rules/{AGENT}"} | {f"{folder}{n}" for folder in ("pretraining/", "") for n in (AGENT, CHECKPOINT)}
    seconds = RuleGuider.trainer(family, CONFIG, unbroken).seconds()
    assert list(seconds) == ["rules", "pretraining", "joint"]
    assert all(taken > 0 for taken in seconds.values())


def test_pretraining_trains_the_relation_agent_alone(family: Dataset, unbroken: Path) -> None:
    trainer = RuleGuider.trainer(family, CONFIG, unbroken)
    begun = trainer._agent().policy.state_dict()
    pretrained = weights(unbroken, FILES["pretraining"])
    for key, value in begun.items():
        assert torch.equal(value, pretrained[key]) == key.startswith("entity_agent."), key
    joint = weights(unbroken)
    assert not any(torch.equal(value, joint[key]) for key, value in pretrained.items())


def test_same_seed_same_run(family: Dataset, unbroken: Path, tmp_path: Path) -> None:
    RuleGuider.fit(family, CONFIG, tmp_path)
    assert_same_run(unbroken, tmp_path)
    assert evaluate(agents.load(tmp_path, family), family).metrics == (
        evaluate(agents.load(unbroken, family), family).metrics
    )


def test_another_seed_is_another_run(family: Dataset, unbroken: Path, tmp_path: Path) -> None:
    RuleGuider.fit(family, CONFIG, tmp_path, seed=1)
    assert not torch.equal(weights(tmp_path)["relation_agent.table"], weights(unbroken)["relation_agent.table"])


@pytest.mark.usefixtures("keep_num_threads")
def test_other_threads_same_walks(family: Dataset, unbroken: Path) -> None:
    agent = agents.load(unbroken, family)
    queries = family.queries("train")[:300]
    rules = walking_rules(family.graph, 0, training=True)
    walked = []
    for threads in (1, 2):
        set_num_threads(threads)
        _, walks = roll_out(agent.policy, rules, queries, hops=2, rollouts=4, seed=3, stream=0)
        walked.append((walks.entities, walks.relations, agent.answer(queries, family.graph).entities))
    for one, other in zip(*walked, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_is_there_is_not_made_again(family: Dataset, run: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = contents(run)
    with caplog.at_level(logging.INFO):
        RuleGuider.fit(family, CONFIG, run, resume=True)
    assert contents(run) == before
    told = [record.getMessage() for record in caplog.records if "stages" in record.name]
    assert told == [
        *("stage 2 of 4: rules", "rules is there already"),
        *("stage 3 of 4: pretraining", "pretraining is there already"),
        *("stage 4 of 4: joint", "joint is there already"),
    ]


@pytest.mark.parametrize("stage", STAGES)
def test_a_forgotten_stage_and_those_after_it_are_made_again(
    family: Dataset, unbroken: Path, run: Path, stage: str
) -> None:
    mine = run / "pretraining" / "notes.txt"
    mine.write_text("mine")
    before = contents(run)
    trainer = RuleGuider.trainer(family, CONFIG, run)
    trainer.forget(stage)
    kept = [name for name, file in FILES.items() if (run / file).exists()]
    assert kept == [name for name in FILES if STAGES.index(name) < STAGES.index(stage)]
    assert mine.read_text() == "mine"
    trainer.run(resume=True)
    assert_same_run(unbroken, run)
    after = contents(run)
    for name, file in FILES.items():
        assert (after[file] == before[file]) == (name in kept)


def test_unknown_stages_are_errors(family: Dataset, run: Path) -> None:
    before = contents(run)
    trainer = RuleGuider.trainer(family, CONFIG, run)
    for ask in (trainer.forget, trainer.check):
        with pytest.raises(ValueError, match="no stage 'dreaming'; there are embeddings, rules, pretraining, joint"):
            ask("dreaming")
    assert contents(run) == before


def test_a_run_is_not_overwritten(family: Dataset, run: Path) -> None:
    before = contents(run)
    with pytest.raises(FileExistsError, match="holds the stage rules already: resume it"):
        RuleGuider.fit(family, CONFIG, run)
    assert contents(run) == before


@pytest.mark.parametrize(
    ("change", "stage"),
    [
        ({"rules": RulesConfig(max_length=2, rounds=3)}, "rules"),
        ({"hops": 3}, "pretraining"),
        ({"guidance": "prior"}, "pretraining"),
        ({"clip": 1.0}, "pretraining"),
        ({"pretraining": dataclasses.replace(GRADIENT, steps=4)}, "pretraining"),
        ({"rule_weight": 0.9}, "joint"),
        ({"beam": 17}, "joint"),
    ],
    ids=str,
)
def test_a_changed_configuration_is_refused_by_the_stage_that_depends_on_it(
    family: Dataset, run: Path, change: dict[str, Any], stage: str
) -> None:
    before = contents(run)
    with pytest.raises(ValueError, match=f"another run.*make the stage {stage} and those after it again: --from-stage"):
        RuleGuider.fit(family, changed(**change), run, resume=True)
    assert contents(run) == before
    later = [name for name in STAGES if STAGES.index(name) > STAGES.index(stage)]
    trainer = RuleGuider.trainer(family, changed(**change), run)
    for name in later:
        with pytest.raises(ValueError, match=f"the stage {stage}"):
            trainer.check(name)
    trainer.check(stage)
    assert contents(run) == before


def test_another_dataset_is_refused(family: Dataset, run: Path) -> None:
    before = contents(run)
    with pytest.raises(ValueError, match="trained on Family with fingerprint"):
        RuleGuider.fit(dataclasses.replace(family, fingerprint="f" * 64), CONFIG, run, resume=True)
    assert contents(run) == before


def test_pretraining_serves_every_joint_training(family: Dataset, run: Path) -> None:
    """That does not change what it depends on."""
    before = contents(run)
    config = changed(rule_weight=0.9, walk_weight=None, beam=8)
    trainer = RuleGuider.trainer(family, config, run)
    trainer.check("joint")
    trainer.forget("joint")
    trainer.run(resume=True)
    after = contents(run)
    assert all(after[file] == before[file] for file in before if "/" in file)
    assert after[AGENT] != before[AGENT]


class Killed(BaseException):
    """As sudden as a signal."""


@pytest.mark.parametrize("steps", [1, 2, 4, 6], ids=lambda steps: f"after {steps} steps")
def test_a_broken_run_resumes_to_the_same_end(
    family: Dataset, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """Three of its steps are pretraining, four joint training; a checkpoint follows each."""
    honest = Trainer.make_step
    made = 0

    def step_or_die(self: Trainer, step: int) -> Any:
        nonlocal made
        if made == steps:
            raise Killed
        made += 1
        return honest(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "make_step", step_or_die)
        with pytest.raises(Killed):
            RuleGuider.fit(family, CONFIG, tmp_path)
    RuleGuider.fit(family, CONFIG, tmp_path, resume=True)
    assert_same_run(unbroken, tmp_path)


def test_interrupted_mining_ends_the_run(family: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C keeps the rules found so far, and nothing is trained on half of them."""
    from kgwalk.agents import rules as module

    honest = module.mine

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        return dataclasses.replace(honest(*args, **kwargs), stopped="interrupted")

    with monkeypatch.context() as patch:
        patch.setattr(module, "mine", interrupted)
        with pytest.raises(KeyboardInterrupt):
            RuleGuider.fit(family, CONFIG, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["rules"]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def noted(**changes: Any) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        tensors, note = load_tensors(path)
        save_tensors(path, tensors, {**note, **changes})

    spoil.__name__ = str(changes)
    return spoil


def poisoned(path: Path) -> None:
    tensors, note = load_tensors(path)
    key = next(key for key, value in tensors.items() if value.is_floating_point())
    save_tensors(path, {**tensors, key: torch.full_like(tensors[key], float("nan"))}, note)


def reshaped(path: Path) -> None:
    tensors, note = load_tensors(path)
    key = next(iter(tensors))
    save_tensors(path, {**tensors, key: torch.zeros(3)}, note)


def shrunk(path: Path) -> None:
    """A whole and honest agent, but not the one that was asked for."""
    agent = WalkerAgent.load(path.parent)
    policy = SplitPolicy(agent.policy.num_entities, agent.policy.num_relations, SplitPolicyConfig(4, 3, 4, (4,)))
    agent.policy = policy
    agent.save(path.parent)


def gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("file", "spoil"),
    [
        *((f"rules/{AGENT}", spoil) for spoil in (cut, emptied, reshaped, poisoned, noted(num_relations=1))),
        *((f"rules/{AGENT}", noted(**{key: 5})) for key in ("config", "made_by", "fingerprint")),
        *((f"pretraining/{CHECKPOINT}", spoil) for spoil in (cut, emptied, reshaped, poisoned, noted(run=5))),
        (f"pretraining/{CHECKPOINT}", noted(progress={"step": 10**9})),
        *((f"pretraining/{AGENT}", spoil) for spoil in (cut, emptied, reshaped, poisoned, shrunk, gone)),
        *((f"pretraining/{AGENT}", noted(**{key: 5})) for key in ("policy", "decision", "num_entities", "fingerprint")),
        *((CHECKPOINT, spoil) for spoil in (cut, emptied, reshaped, poisoned, noted(run=5), noted(progress=5))),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_damaged_stage_is_told_and_left_alone(
    family: Dataset, run: Path, file: str, spoil: Callable[[Path], None]
) -> None:
    spoil(run / file)
    before = contents(run)
    with pytest.raises(ValueError, match="safetensors"):
        RuleGuider.fit(family, CONFIG, run, resume=True)
    assert contents(run) == before


@pytest.mark.parametrize(
    "spoil",
    [
        *(cut, emptied, reshaped),
        *(noted(decision=decision) for decision in ("edge", "vote", ["split"], None)),
        *(noted(guidance=guidance) for guidance in ("rumour", None, ["mask"])),
        *(noted(rule_threshold=threshold) for threshold in (-1, "high", None, float("nan"))),
        *(noted(walk_weight=weight) for weight in (-1, "high", float("inf"), [1])),
        *(noted(spread=spread) for spread in (-1, 1.5, "wide")),
        *(noted(num_relations=3), noted(num_entities=-1), noted(policy={"sight": "all"}), noted(policy=None)),
        *(noted(agent="reinforce", decision="vote"), noted(fingerprint="x" * 64)),
    ],
    ids=lambda spoil: spoil.__name__,
)
def test_a_damaged_agent_is_refused(family: Dataset, run: Path, spoil: Callable[[Path], None]) -> None:
    spoil(run / AGENT)
    with pytest.raises(ValueError, match=r"agent\.safetensors"):
        agents.load(run, family)


def test_an_agent_without_its_rules_is_refused(family: Dataset, run: Path) -> None:
    (run / "rules" / AGENT).unlink()
    with pytest.raises(FileNotFoundError, match=r"rules.agent\.safetensors"):
        agents.load(run, family)


def test_seconds_are_those_of_the_stages_asked_for(family: Dataset, run: Path) -> None:
    """A stage that was taken over or made before, and is not part of this configuration, costs nothing."""
    assert list(RuleGuider.trainer(family, CONFIG, run).seconds()) == list(STAGES[1:])
    without = changed(pretraining=dataclasses.replace(GRADIENT, steps=0))
    assert set(RuleGuider.trainer(family, without, run).seconds()) == {"rules", "joint"}


def test_seconds_of_a_damaged_run(family: Dataset, run: Path) -> None:
    noted(progress=[])(run / CHECKPOINT)
    with pytest.raises(ValueError, match="does not tell how long"):
        RuleGuider.trainer(family, CONFIG, run).seconds()


def test_a_saved_agent_answers_as_before(family: Dataset, unbroken: Path, tmp_path: Path) -> None:
    agent = agents.load(unbroken, family)
    assert type(agent) is RuleGuider
    assert (agent.walk_weight, agent.spread, agent.guidance) == (CONFIG.walk_weight, CONFIG.spread, CONFIG.guidance)
    agent.save(tmp_path)
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.*")) == [AGENT, f"rules/{AGENT}"]
    assert_same_answers(agent, agents.load(tmp_path, family), family)


def test_answers_weigh_walks_and_rules(family: Dataset, unbroken: Path) -> None:
    agent = agents.load(unbroken, family)
    queries = family.queries("test")[:30]
    both = agent.answer(queries, family.graph)
    agent.walk_weight = None
    walked = agent.answer(queries, family.graph)
    expected = weigh_evidence(agent.rule_agent.answer(queries, family.graph), walked, 0.5)
    np.testing.assert_array_equal(both.entities, expected.entities)
    np.testing.assert_array_equal(both.scores, expected.scores)
    probability = np.exp(walked.scores)
    sums = np.add.reduceat(probability, walked.offsets[:-1])
    assert (sums < 1 + 1e-4).all()
    agent.spread = 100_000
    everywhere = agent.answer(queries, family.graph)
    np.testing.assert_allclose(np.add.reduceat(np.exp(everywhere.scores), everywhere.offsets[:-1]), 1, atol=1e-4)
    assert (np.diff(everywhere.offsets) >= np.diff(walked.offsets)).all()
    assert len(both.entities) > len(walked.entities)


def test_answers_do_not_depend_on_targets(family: Dataset, unbroken: Path) -> None:
    agent = agents.load(unbroken, family)
    queries = family.queries("test")[:30]
    other = queries.copy()
    other[:, 2] = other[::-1, 2]
    np.testing.assert_array_equal(
        agent.answer(queries, family.graph).entities, agent.answer(other, family.graph).entities
    )


def test_it_explains_by_walks_it_did_not_list(family: Dataset, unbroken: Path) -> None:
    """Answers are added up; walks come from the beam, rules stand below the walks that are instances of them."""
    agent = agents.load(unbroken, family)
    assert isinstance(agent, Walker)
    assert isinstance(agent, Reasoner)
    assert isinstance(agent, RuleGuided)
    source, relation, _ = family.splits["test"][0].tolist()
    queries = np.array([(source, relation, -1)], np.int32)
    assert agent.answer(queries, family.graph).paths is None
    agent.beam = 300
    told = explain(agent, family, source, relation, answers=family.graph.num_entities, paths=4)
    walks = agent.walks(queries, family.graph)
    ends = set(walks.entities[:, -1].tolist())
    assert any(answer.paths for answer in told.answers)
    for answer in told.answers:
        assert bool(answer.paths) == (family.entity(answer.entity) in ends)
        here = source
        for path in answer.paths:
            here = source
            for hop in path.hops:
                there, followed = family.entity(hop.entity), family.relation(hop.relation)
                assert family.graph.find(*((there, followed, here) if hop.inverse else (here, followed, there))) >= 0
                here = there
            assert here == family.entity(answer.entity)
    below = [rule for answer in told.answers for path in answer.paths for rule in path.rules]
    assert below
    assert all(family.relations[relation % len(family.relations)] in rule.text.split("<=")[0] for rule in below)
    assert any(answer.rules for answer in told.answers)  # and evidence beside the walks


TINY = changed(
    pretraining=dataclasses.replace(GRADIENT, steps=1),
    likelihood=LikelihoodConfig(steps=1, batch=32, paths=8, branch=8),
    joint=dataclasses.replace(GRADIENT, steps=1),
    validate_every=2,
)


@pytest.mark.parametrize(
    "change",
    [
        {"decision": "edge", "spread": 0},
        {"decision": "edge", "spread": 0, "policy": SplitPolicyConfig(8, 0, 8, (8,))},
        {"policy": SplitPolicyConfig(8, 0, 8, (8,))},
        {"policy": SplitPolicyConfig(8, 4, 8, (8,), sight="places"), "spread": 0},
        {"policy": SplitPolicyConfig(8, 4, 8, (8,), sight="history", independent=True), "spread": 0},
        {"guidance": "prior"},
        {"guidance": "mask"},
        {"walk_weight": None},
        {"walk_weight": 0.0},
        {"rule_weight": 0.0},
        {"rule_weight": 1.0},
        {"pretraining": dataclasses.replace(GRADIENT, steps=0)},
        {"likelihood": LikelihoodConfig(steps=0)},
        {"joint": dataclasses.replace(GRADIENT, steps=0)},
        {"directions": "tail"},
        {"max_out_degree": None},
        {"rule_threshold": 1.0},
    ],
    ids=lambda change: " ".join(f"{k}={getattr(v, 'steps', v)}" for k, v in change.items())[:50],
)
def test_every_variant_trains_and_is_loaded_as_it_was(family: Dataset, tmp_path: Path, change: dict[str, Any]) -> None:
    config = dataclasses.replace(TINY, **change)
    agent = RuleGuider.fit(family, config, tmp_path)
    assert isinstance(agent.policy, PathPolicy if config.decision == "edge" else SplitPolicy)
    assert_same_answers(agent, agents.load(tmp_path, family), family)
    metrics = evaluate(agent, family).metrics
    assert ("both" in metrics) == (config.directions == "both")
    assert 0 < metrics["tail"]["mrr"] <= 1


def test_frozen_relation_agents_learn_nothing(family: Dataset, run: Path) -> None:
    pretrained = weights(run, FILES["pretraining"])
    trainer = RuleGuider.trainer(family, changed(freeze=True), run)
    trainer.check("joint")
    trainer.forget("joint")
    trainer.run(resume=True)
    after = weights(run)
    for key, value in pretrained.items():
        assert torch.equal(value, after[key]) == key.startswith("relation_agent."), key
    trainer.run(resume=True)
    assert all(torch.equal(value, weights(run)[key]) for key, value in after.items())


@pytest.fixture
def quick_embedding(monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of an embedding that is trained in no time."""
    from kgwalk.agents.embeddings import EMBEDDINGS

    kind = EMBEDDINGS["distmult"]
    full = kind.config_for("Family")
    tiny = dataclasses.replace(full, epochs=1, validate_every=1, model=dataclasses.replace(full.model, dim=8))
    monkeypatch.setattr(kind, "config_for", staticmethod(lambda dataset: tiny))
    return "distmult"


def test_an_embedding_that_pays_nobody_may_come_later(family: Dataset, run: Path, quick_embedding: str) -> None:
    before = contents(run)
    RuleGuider.trainer(family, changed(scorer=quick_embedding), run).run(resume=True)
    after = contents(run)
    assert f"embeddings/{AGENT}" in after
    assert {key: after[key] for key in before} == before


@pytest.mark.usefixtures("quick_embedding")
def test_a_scorer_shapes_the_reward(family: Dataset, tmp_path: Path) -> None:
    """The first stage trains it; its score pays where a walk misses."""
    config = dataclasses.replace(TINY, scorer="distmult", hit="shaped", rule_weight=0.0)
    trainer = RuleGuider.trainer(family, config, tmp_path)
    trainer.run(resume=False)
    assert list(trainer.seconds()) == list(STAGES)
    queries = family.queries("train")[:200]
    rules = walking_rules(family.graph, 0, training=True)
    _, walks = roll_out(trainer._agent().policy, rules, queries, hops=2, rollouts=2, seed=0, stream=0)
    reward = trainer._end_reward()(walks, queries[walks.query])
    assert (reward[walks.hit] == 1).all()
    assert 0 < reward[~walks.hit].max() < 1
    before = contents(tmp_path)
    trainer.run(resume=True)
    assert contents(tmp_path) == before
    other = RuleGuider.trainer(family, dataclasses.replace(config, scorer="complex"), tmp_path)
    with pytest.raises(ValueError, match="make the stage embeddings"):
        other.run(resume=True)
    cut(tmp_path / "embeddings" / AGENT)
    trainer.forget("joint")
    with pytest.raises(ValueError, match="safetensors"):
        trainer.run(resume=True)
    trainer.forget("embeddings")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decision": "vote"}, "decision must be one of split, edge"),
        ({"hit": "miss"}, "hit must be one of"),
        ({"guidance": "rumour"}, "guidance must be one of"),
        ({"directions": "head"}, "directions must be"),
        ({"hops": 0}, "hops must be a whole number from 1 to 16"),
        ({"hops": 17}, "hops must be"),
        ({"beam": 0}, "beam must be"),
        ({"spread": -1}, "spread must be"),
        ({"spread": 1.5}, "spread must be"),
        ({"max_out_degree": -1}, "max_out_degree"),
        ({"rule_weight": 1.5}, "rule_weight must be from 0 to 1"),
        ({"rule_weight": float("nan")}, "rule_weight must be"),
        ({"rule_threshold": -0.1}, "rule_threshold must be"),
        ({"walk_weight": -0.5}, "walk_weight must not be negative"),
        ({"walk_weight": float("nan")}, "walk_weight"),
        ({"clip": 0.0}, "clip must be positive"),
        ({"validate_every": 0}, "validate_every must be at least 1"),
        ({"validate_queries": -1}, "validate_queries must be at least 0"),
        ({"hit": "shaped"}, "asks for a scorer"),
        (
            {"likelihood": LikelihoodConfig(steps=0), "joint": dataclasses.replace(GRADIENT, steps=0)},
            "nothing to train",
        ),
        ({"freeze": True, "pretraining": dataclasses.replace(GRADIENT, steps=0)}, "freeze needs"),
        ({"freeze": True, "policy": SplitPolicyConfig(entity_dim=0)}, "freeze needs"),
        ({"freeze": True, "decision": "edge", "spread": 0}, "freeze needs"),
        ({"guidance": "mask", "decision": "edge", "spread": 0}, "guidance is for the relation agent"),
        ({"rules": RulesConfig(aggregation="max-plus")}, "a noisy-or of rules, not max-plus"),
        ({"decision": "edge"}, "set spread=0"),
        ({"policy": SplitPolicyConfig(entity_dim=4, sight="places")}, "set spread=0"),
    ],
    ids=str,
)
def test_wrong_combinations_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        changed(**change)


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        (LikelihoodConfig, {"steps": -1}, "steps must not be negative"),
        (LikelihoodConfig, {"paths": 0}, "paths must be at least 1"),
        (LikelihoodConfig, {"branch": 1.5}, "branch must be at least 1"),
        (LikelihoodConfig, {"learning_rate": 0.0}, "learning_rate must be positive"),
        (PolicyGradientConfig, {"steps": -1}, "steps must not be negative"),
        (PolicyGradientConfig, {"rollouts": 0}, "rollouts must be at least 1"),
        (PolicyGradientConfig, {"learning_rate": float("inf")}, "learning_rate must be positive"),
        (PolicyGradientConfig, {"action_dropout": 1.0}, "action_dropout must be a share"),
    ],
    ids=str,
)
def test_numbers_that_cannot_be_trained_with_are_refused(kind: Any, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**change)


@pytest.mark.parametrize(
    ("config", "seed", "message"),
    [(CONFIG, -1, "seed must be"), (CONFIG, 1 << 31, "seed must be"), (changed(scorer="word2vec"), 0, "no embedding")],
)
def test_what_no_trainer_takes(
    family: Dataset, tmp_path: Path, config: RuleGuiderConfig, seed: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        RuleGuider.trainer(family, config, tmp_path, seed=seed)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dataset", ["Family", "WN18RR", "NELL-995", "FB15k-237", "mine"])
def test_there_is_a_configuration_for_every_dataset(dataset: str) -> None:
    config = RuleGuider.config_for(dataset)
    assert isinstance(config, RuleGuiderConfig)


def test_it_finds_the_planted_rules(family: Dataset, tmp_path: Path) -> None:
    config = changed(
        policy=SplitPolicyConfig(32, 0, 32, (64,)),
        pretraining=dataclasses.replace(GRADIENT, steps=0),
        likelihood=LikelihoodConfig(steps=100, batch=128, learning_rate=1e-2),
        joint=dataclasses.replace(GRADIENT, steps=0),
        validate_every=50,
        spread=3000,
    )
    agent = RuleGuider.fit(family, config, tmp_path)
    both = evaluate(agent, family).metrics["tail"]["mrr"]
    agent.walk_weight = None
    walked = evaluate(agent, family).metrics["tail"]["mrr"]
    assert 0.75 < walked < both
