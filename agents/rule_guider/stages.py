"""The four stages of RuleGuider (Lei et al. 2020, section 3.2): embeddings, rules, pretraining, joint training.

Each stage leaves what it makes in a folder of its own, the last in that of the run. What is there and was made with the
same configuration is not made again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from kgwalk import scorers
from kgwalk.data import Dataset
from kgwalk.envs import Hit, ScorerReward
from kgwalk.files import delete
from kgwalk.protocols import RewardTerm
from kgwalk.rules import RuleReward
from kgwalk.tensors import load_tensors

from ..checkpoint import NAME as CHECKPOINT
from ..checkpoint import OtherRun
from ..embeddings import EMBEDDINGS
from ..policies.path import PathPolicy, PathPolicyConfig
from ..policies.split import SplitPolicy
from ..rules import NAME as AGENT_FILE
from ..rules import RuleAgent, RuleTrainer
from ..trainable import check_seed
from ..training import Trainer, plain
from ..walker import WalkerAgent, WalkPolicy
from .config import RuleGuiderConfig
from .learners import JointLearner, Pretraining

if TYPE_CHECKING:
    from .agent import RuleGuider

log = logging.getLogger(__name__)

RULES = "rules"
#: The stages in turn; also the names of the folders of all but the last.
STAGES = ("embeddings", RULES, "pretraining", "joint")
# What the third stage depends on.
_PRETRAINED_BY = (
    *("policy", "decision", "hops", "max_out_degree", "directions", "rules", "rule_threshold", "guidance"),
    *("pretraining", "clip", "validate_every", "validate_queries"),
)
# What a stage writes into its folder.
_MADE = (CHECKPOINT, AGENT_FILE, "events.out.tfevents.*")


class RuleGuiderTrainer:
    """Goes through the stages.

    Args:
        agent_class: what is trained.
        dataset: whose facts are learnt from.
        config: numbers.
        folder: where the stages leave what they make.
        seed: of all of them.

    Raises:
        ValueError: a seed out of range, or no embedding of that name.
    """

    stages = STAGES

    def __init__(
        self, agent_class: type[RuleGuider], dataset: Dataset, config: RuleGuiderConfig, folder: Path, seed: int
    ) -> None:
        check_seed(seed)
        if config.scorer and config.scorer not in EMBEDDINGS:
            raise ValueError(f"no embedding {config.scorer!r}; there are {', '.join(sorted(EMBEDDINGS))}")
        self.agent_class = agent_class
        self.dataset = dataset
        self.config = config
        self.folder = folder
        self.seed = seed

    def check(self, stage: str) -> None:
        """Refuse to begin at a stage if one before it was made otherwise, or is damaged.

        Raises:
            ValueError: so it is, or there is no such stage.
        """
        for name, trainer in self._trainers():
            if STAGES.index(name) >= self._place(stage) or not self._begun(name):
                return
            with _naming(name):
                trainer().check()

    def forget(self, stage: str) -> None:
        """Delete what a stage and those after it have made, so that ``run(resume=True)`` begins there.

        Raises:
            ValueError: there is no such stage.
        """
        for name in reversed(STAGES[self._place(stage) :]):  # of what is left no stage is later than one that is gone
            delete(self._folder(name), _MADE)

    def run(self, *, resume: bool) -> None:
        """Make what is not there yet.

        Raises:
            FileExistsError: a stage has begun in the folder and ``resume`` was not asked for.
            ValueError: a stage there is damaged or was made otherwise; the loss is not finite.
        """
        begun = [stage for stage in STAGES if self._begun(stage)]
        if begun and not resume:
            raise FileExistsError(f"{self.folder} holds the stage {begun[0]} already: resume it")
        for name, trainer in self._trainers():
            self._run(name, trainer)

    def seconds(self) -> dict[str, float]:
        """Wall-clock time that each stage of the configuration took, whenever it was made.

        Raises:
            FileNotFoundError: there are no rules yet.
            ValueError: a stage's file is damaged.
        """
        taken: dict[str, Any] = {RULES: RuleAgent.load(self.folder / RULES).made_by}
        for stage, _ in self._trainers():  # a folder may hold more, of a configuration that asked for it
            path = self._folder(stage) / CHECKPOINT
            if path.exists():
                taken[stage] = load_tensors(path)[1].get("progress")
        try:
            return {stage: float(taken[stage]["seconds"]) for stage in STAGES if stage in taken}
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{self.folder}: a stage does not tell how long it took ({error!r})") from error

    def _trainers(self) -> Iterator[tuple[str, Callable[[], Trainer | RuleTrainer]]]:
        """The stages that the configuration asks for; what trains one needs what those before it have made."""
        if self.config.scorer:
            yield "embeddings", self._embeddings
        yield RULES, self._rules
        if self.config.pretraining.steps:
            yield "pretraining", self._pretraining
        yield "joint", self._joint

    def _run(self, name: str, trainer: Callable[[], Trainer | RuleTrainer]) -> None:
        began = time.monotonic()
        log.info("stage %d of %d: %s", STAGES.index(name) + 1, len(STAGES), name)
        with _naming(name):
            stage = trainer()
            stage.run(resume=True)
        if stage.idle:
            log.info("%s is there already", name)
            return
        if name == RULES and RuleAgent.load(self.folder / RULES).made_by.get("stopped") == "interrupted":
            raise KeyboardInterrupt  # mining saves what it has, but half the rules are nothing to go on with
        log.info("%s done after %.0f s", name, time.monotonic() - began)

    def _place(self, stage: str) -> int:
        if stage not in STAGES:
            raise ValueError(f"no stage {stage!r}; there are {', '.join(STAGES)}")
        return STAGES.index(stage)

    def _folder(self, stage: str) -> Path:
        return self.folder if stage == "joint" else self.folder / stage

    def _begun(self, stage: str) -> bool:
        return any((self._folder(stage) / name).exists() for name in (CHECKPOINT, AGENT_FILE))

    def _embeddings(self) -> Trainer:
        kind = EMBEDDINGS[self.config.scorer]
        config = kind.config_for(self.dataset.name)
        return kind.trainer(self.dataset, config, self.folder / "embeddings", seed=self.seed)

    def _rules(self) -> RuleTrainer:
        return RuleAgent.trainer(self.dataset, self.config.rules, self.folder / RULES, seed=self.seed)

    def _pretraining(self) -> Trainer:
        c = self.config
        agent = self._agent()
        learner = Pretraining(agent, self._rule_reward(agent), self.dataset, c, self.seed)
        # What the stage does not depend on may change without it.
        told = {key: plain(c)[key] for key in _PRETRAINED_BY}
        model: nn.Module = agent.policy
        if isinstance(agent.policy, SplitPolicy):
            agent.policy.eval()  # the entity agent walks along, and does not learn
            agent.policy.requires_grad_(False)
            model = agent.policy.relation_agent.requires_grad_(True)
        folder = self.folder / "pretraining"
        return Trainer(
            model,
            torch.optim.Adam(model.parameters(), lr=c.pretraining.learning_rate, fused=True),
            folder,
            seed=self.seed,
            run_id={"config": told, "dataset": self.dataset.fingerprint, "seed": self.seed},
            loss=learner.gradient.loss,
            validate=learner.validate,
            keep=lambda: WalkerAgent.save(agent, folder),
            steps=c.pretraining.steps,
            validate_every=c.validate_every,
            learning_rate=learner.gradient.learning_rate,
            clip=c.clip,
            extra=learner.extra,
            score="rule reward",
        )

    def _joint(self) -> Trainer:
        c = self.config
        agent = self._agent()
        if c.pretraining.steps:
            agent.policy.load_state_dict(self._pretrained(agent.policy))
        learner = JointLearner(agent, self._rule_reward(agent), self._end_reward(), self.dataset, c, self.seed)
        model: nn.Module = agent.policy
        if c.freeze:
            assert isinstance(agent.policy, SplitPolicy)
            assert agent.policy.entity_agent is not None  # the configuration says so
            agent.policy.relation_agent.requires_grad_(False)
            model = agent.policy.entity_agent
        weigh, agent.walk_weight = agent.walk_weight, None  # walks are selected by what they find alone
        told = plain(c)
        if c.hit == "hit":
            del told["scorer"]  # the embedding takes no part, whichever it is

        def keep() -> None:
            agent.walk_weight = weigh
            agent.save(self.folder)
            agent.walk_weight = None

        return Trainer(
            model,
            torch.optim.Adam(model.parameters(), lr=c.likelihood.learning_rate, fused=True),
            self.folder,
            seed=self.seed,
            run_id={"config": told, "dataset": self.dataset.fingerprint, "seed": self.seed},
            loss=learner.loss,
            validate=learner.validate,
            keep=keep,
            steps=c.likelihood.steps + c.joint.steps,
            validate_every=c.validate_every,
            learning_rate=learner.learning_rate,
            clip=c.clip,
            extra=learner.extra,
        )

    def _pretrained(self, policy: WalkPolicy) -> dict[str, torch.Tensor]:
        """The weights that pretraining kept, for a policy of the same sizes."""
        folder = self.folder / "pretraining"
        path = folder / AGENT_FILE
        if not path.exists():
            raise ValueError(f"{path} is missing, though its stage is done: make it again from stage pretraining")
        kept = WalkerAgent.load(folder, self.dataset.fingerprint).policy
        weights: dict[str, torch.Tensor] = kept.state_dict()
        if (type(kept), kept.config, kept.num_relations) != (type(policy), policy.config, policy.num_relations):
            raise ValueError(f"{path} is damaged: it holds a policy of other sizes than its stage was told to make")
        if not all(bool(torch.isfinite(value).all()) for value in weights.values()):
            raise ValueError(f"{path} is damaged: it holds weights that are no finite numbers")
        return weights

    def _agent(self) -> RuleGuider:
        """An agent that has learnt nothing, with the rules of its stage."""
        c, graph = self.config, self.dataset.graph
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            policy: WalkPolicy
            if c.decision == "split":
                policy = SplitPolicy(graph.num_entities, graph.num_relations, c.policy)
            else:
                sizes = ("relation_dim", "entity_dim", "hidden_dim", "mlp_dims", "embedding_dropout", "hidden_dropout")
                path = PathPolicyConfig(**{key: getattr(c.policy, key) for key in sizes})
                policy = PathPolicy(graph.num_entities, graph.num_relations, path)
        return self.agent_class(
            policy,
            RuleAgent.load(self.folder / RULES, self.dataset.fingerprint),
            rule_threshold=c.rule_threshold,
            guidance=c.guidance,
            walk_weight=c.walk_weight,
            dataset=self.dataset.name,
            fingerprint=self.dataset.fingerprint,
            hops=c.hops,
            max_out_degree=self.dataset.card.max_out_degree if c.max_out_degree is None else c.max_out_degree,
            beam=c.beam,
            spread=c.spread,
            directions=c.directions,
        )

    def _rule_reward(self, agent: RuleGuider) -> RewardTerm:
        c = self.config
        smoothing = c.rules.smoothing
        return RuleReward(agent.rules, agent.policy.num_relations, threshold=c.rule_threshold, smoothing=smoothing)

    def _end_reward(self) -> RewardTerm:
        if self.config.hit == "hit":
            return Hit()
        return ScorerReward.make(self.dataset, scorers.load(self.folder / "embeddings", self.dataset))


@contextmanager
def _naming(stage: str) -> Iterator[None]:
    """Says of a stage that was made otherwise which it is, and what to do."""
    try:
        yield
    except OtherRun as error:
        raise OtherRun(
            f"{error}; or make the stage {stage} and those after it again: --from-stage {stage}, in Python forget()"
        ) from error
