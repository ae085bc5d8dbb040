"""The four stages of RuleGuider (Lei et al. 2020, section 3.2): embeddings, rules, pretraining, joint training.

Each stage leaves what it makes in a folder of its own, the last in that of the run. What is there and was made with the
same configuration is not made again.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from kgwalk import scorers
from kgwalk.data import Dataset
from kgwalk.envs import Hit, ScorerReward
from kgwalk.protocols import RewardTerm
from kgwalk.rules import RuleReward
from kgwalk.tensors import load_tensors

from ..checkpoint import NAME as CHECKPOINT
from ..embeddings import EMBEDDINGS
from ..policies.path import PathPolicy, PathPolicyConfig
from ..policies.split import SplitPolicy
from ..rules import RuleAgent
from ..training import Trainer, plain
from ..walker import WalkPolicy
from .config import RuleGuiderConfig
from .learners import JointLearner, Pretraining

if TYPE_CHECKING:
    from .agent import RuleGuider

log = logging.getLogger(__name__)

RULES = "rules"
#: The stages in turn; also the names of the folders of all but the last.
STAGES = ("embeddings", RULES, "pretraining", "joint")


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
        if not 0 <= seed < 1 << 31:
            raise ValueError(f"seed must be from 0 to {(1 << 31) - 1}, got {seed}")
        if config.scorer and config.scorer not in EMBEDDINGS:
            raise ValueError(f"no embedding {config.scorer!r}; there are {', '.join(sorted(EMBEDDINGS))}")
        self.agent_class = agent_class
        self.dataset = dataset
        self.config = config
        self.folder = folder
        self.seed = seed

    def forget(self, stage: str) -> None:
        """Delete what a stage and those after it have made, so that ``run(resume=True)`` begins there.

        Raises:
            ValueError: there is no such stage.
        """
        if stage not in STAGES:
            raise ValueError(f"no stage {stage!r}; there are {', '.join(STAGES)}")
        for later in STAGES[STAGES.index(stage) : -1]:
            shutil.rmtree(self.folder / later, ignore_errors=True)
        for name in (CHECKPOINT, "agent.safetensors"):
            (self.folder / name).unlink(missing_ok=True)

    def run(self, *, resume: bool) -> None:
        """Make what is not there yet.

        Raises:
            FileExistsError: a stage has begun in the folder and ``resume`` was not asked for.
            ValueError: a stage there is damaged or was made otherwise; the loss is not finite.
        """
        begun = [stage for stage in STAGES[:-1] if (self.folder / stage).exists()]
        if not resume and (begun or (self.folder / CHECKPOINT).exists()):
            raise FileExistsError(f"{self.folder} holds {begun[0] if begun else 'a checkpoint'} already: resume it")
        if self.config.scorer:
            self._stage("embeddings", self._embed)
        self._stage(RULES, self._mine)
        if self.config.pretraining.steps:
            self._stage("pretraining", self._pretrain)
        self._stage("joint", self._train)

    def seconds(self) -> dict[str, float]:
        """Wall-clock time that each stage took, whenever it was made."""
        taken = {}
        for stage in ("embeddings", "pretraining", "joint"):
            path = self._folder(stage) / CHECKPOINT
            if path.exists():
                taken[stage] = float(load_tensors(path)[1]["progress"]["seconds"])
        taken[RULES] = float(RuleAgent.load(self.folder / RULES).made_by["seconds"])
        return {stage: taken[stage] for stage in STAGES if stage in taken}

    def _stage(self, name: str, make: Callable[[], None]) -> None:
        began = time.monotonic()
        log.info("stage %d of %d: %s", STAGES.index(name) + 1, len(STAGES), name)
        try:
            make()
        except ValueError as error:
            if "another run" in str(error):
                raise ValueError(f"{error}; or make it again, and all that follows, from stage {name}") from error
            raise
        log.info("%s done after %.0f s", name, time.monotonic() - began)

    def _folder(self, stage: str) -> Path:
        return self.folder if stage == "joint" else self.folder / stage

    def _embed(self) -> None:
        kind = EMBEDDINGS[self.config.scorer]
        kind.trainer(self.dataset, kind.config_for(self.dataset.name), self.folder / "embeddings", seed=self.seed).run(
            resume=True
        )

    def _mine(self) -> None:
        RuleAgent.trainer(self.dataset, self.config.rules, self.folder / RULES, seed=self.seed).run(resume=True)

    def _pretrain(self) -> None:
        c = self.config
        agent = self._agent()
        learner = Pretraining(agent, self._rule_reward(agent), self.dataset, c, self.seed)
        # What the stage does not depend on may change without it.
        told = {key: plain(c)[key] for key in ("policy", "decision", "hops", "max_out_degree", "directions", "rules")}
        told |= {"rule_threshold": c.rule_threshold, "guidance": c.guidance, "pretraining": plain(c.pretraining)}
        model = agent.policy.relation_agent if isinstance(agent.policy, SplitPolicy) else agent.policy
        folder = self.folder / "pretraining"
        Trainer(
            model,
            torch.optim.Adam(model.parameters(), lr=c.pretraining.learning_rate, fused=True),
            folder,
            seed=self.seed,
            run_id={"config": told, "dataset": self.dataset.fingerprint, "seed": self.seed},
            loss=learner.gradient.loss,
            validate=learner.validate,
            keep=lambda: super(type(agent), agent).save(folder),
            steps=c.pretraining.steps,
            validate_every=c.validate_every,
            learning_rate=learner.gradient.learning_rate,
            clip=c.clip,
            extra=learner.extra,
        ).run(resume=True)

    def _train(self) -> None:
        c = self.config
        agent = self._agent()
        if c.pretraining.steps:
            agent.policy.load_state_dict(load_tensors(self.folder / "pretraining" / "agent.safetensors")[0])
        learner = JointLearner(agent, self._rule_reward(agent), self._end_reward(), self.dataset, c, self.seed)
        model: nn.Module = agent.policy
        if c.freeze:
            assert isinstance(agent.policy, SplitPolicy)
            assert agent.policy.entity_agent is not None  # the configuration says so
            agent.policy.relation_agent.requires_grad_(False)
            model = agent.policy.entity_agent
        weigh, agent.walk_weight = agent.walk_weight, None  # walks are selected by what they find alone

        def keep() -> None:
            agent.walk_weight = weigh
            agent.save(self.folder)
            agent.walk_weight = None

        Trainer(
            model,
            torch.optim.Adam(model.parameters(), lr=c.likelihood.learning_rate, fused=True),
            self.folder,
            seed=self.seed,
            run_id={"config": plain(c), "dataset": self.dataset.fingerprint, "seed": self.seed},
            loss=learner.loss,
            validate=learner.validate,
            keep=keep,
            steps=c.likelihood.steps + c.joint.steps,
            validate_every=c.validate_every,
            learning_rate=learner.learning_rate,
            clip=c.clip,
            extra=learner.extra,
        ).run(resume=True)

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
