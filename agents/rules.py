"""RuleAgent: answers queries with mined Horn rules (AnyBURL, Meilicke et al. 2019; PyClause, Betz et al. 2024)."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from kgwalk.data import Dataset, Directions
from kgwalk.graph import Expand, Graph
from kgwalk.protocols import Evidence, Ids, Ranked
from kgwalk.rules import Kind, MiningConfig, RulePredictor, RuleSet, applied_confidence, mine
from kgwalk.tensors import load_tensors, save_tensors

from .checkpoint import OtherRun
from .saved import check_trained_on
from .trainable import Trainable, check_seed

log = logging.getLogger(__name__)

NAME = "agent.safetensors"
# The arrays of a RuleSet, as its constructor takes them.
_DTYPES = {
    **dict.fromkeys(("head", "head_constant"), np.int32),
    "body_offsets": np.int64,
    **dict.fromkeys(("body", "body_constant"), np.int32),
    **dict.fromkeys(("support", "predictions"), np.int64),
    "confidence": np.float64,
}
_MADE_BY = ("rounds", "total_rounds", "seconds", "stopped")


@dataclass(frozen=True)
class RulesConfig(MiningConfig):
    """Everything that ``RuleAgent.fit`` may be told.

    The settings of mining are those of ``kgwalk.rules.MiningConfig``.

    Attributes:
        rounds: most rounds of mining; None for no limit.
        seconds: no round of mining begins after so many; None for no limit.
        aggregation: how the confidences of the rules that give one answer make its score. ``"max-plus"`` compares the
            best rule, then the second best and so on; ``"noisy-or"`` takes them for independent.
        top_k: how many of an answer's best rules count; 0 for all (noisy-or without discount only).
        discount: the k-th best of them counts ``discount ** (k - 1)`` in a noisy-or. Rules that give the same answer
            are seldom independent; 1 takes them so, towards 0 the order becomes that of max-plus.
        smoothing: a rule's confidence is ``support / (predictions + smoothing)``.
        growth: factor on the smoothing of a cyclic rule for each atom after its first.
        existential_weight: factor on the confidence of existential rules.
        zero_weight: factor on the confidence of zero rules.
    """

    rounds: int | None = None
    seconds: float | None = None
    aggregation: Literal["noisy-or", "max-plus"] = "noisy-or"
    top_k: int = 20
    discount: float = 0.7
    smoothing: float = 5.0
    growth: float = 5.0
    existential_weight: float = 0.3
    zero_weight: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what cannot be mined or answered with."""
        super().__post_init__()
        if self.rounds is not None and self.rounds < 1:
            raise ValueError(f"rounds must be at least 1, got {self.rounds}")
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            raise ValueError(f"seconds must be positive, got {self.seconds}")
        if self.aggregation not in ("noisy-or", "max-plus"):
            raise ValueError(f"aggregation must be noisy-or or max-plus, got {self.aggregation!r}")
        if type(self.top_k) is not int or not 0 <= self.top_k < 1 << 31:
            raise ValueError(f"top_k must be a whole number from 0 to {(1 << 31) - 1}, got {self.top_k!r}")
        if not 0 < self.discount <= 1:
            raise ValueError(f"discount must be above 0 and at most 1, got {self.discount}")
        if self.top_k == 0 and (self.aggregation == "max-plus" or self.discount < 1):
            raise ValueError("top_k must be at least 1; 0, for all, goes with aggregation noisy-or and discount 1 only")
        for key in ("smoothing", "growth"):
            if not 0 <= getattr(self, key) < math.inf:
                raise ValueError(f"{key} must be a finite number of 0 or more, got {getattr(self, key)}")
        for key in ("existential_weight", "zero_weight"):
            if not 0 <= getattr(self, key) <= 1:
                raise ValueError(f"{key} must be from 0 to 1, got {getattr(self, key)}")

    def confidence(self, rules: RuleSet) -> NDArray[np.float64]:
        """What each rule's conclusion is worth, (rules,) in [0, 1]."""
        weights: dict[Kind, float] = {"existential": self.existential_weight, "zero": self.zero_weight}
        return applied_confidence(rules, self.smoothing, self.growth, weights)


# What differs from the defaults, by dataset, chosen on valid; rounds are what fits in a few seconds. A third atom on
# FB15k-237 costs minutes and gives nothing beside the constants.
_TUNED: dict[str, dict[str, Any]] = {
    "WN18RR": {"max_length": 5, "object_identity": True, "rounds": 40},
    "NELL-995": {"rounds": 64},
    "FB15k-237": {
        "max_length": 2,
        "min_confidence": 0.02,
        "top_k": 10,
        "discount": 1.0,
        "smoothing": 2.0,
        "growth": 3.0,
        "zero_weight": 1.0,
    },
}


class RuleAgent(Trainable[RulesConfig]):
    """Rules with a way to add up what they say; every answer comes with the rules that gave it.

    Args:
        rules: in the vocabulary of the dataset.
        config: smoothing, weights and aggregation; what concerns mining only says how the rules were found.
        dataset: name of the dataset they are of.
        fingerprint: of that dataset; ids mean nothing on another.
        num_entities: of that dataset.
        num_relations: of that dataset, inverses not counted.
        made_by: ``seed``, ``rounds``, ``total_rounds``, ``seconds`` and ``stopped`` of the mining; empty if the rules
            come from a file.
    """

    name = "rules"
    Config = RulesConfig
    directions: Directions = "both"

    def __init__(
        self,
        rules: RuleSet,
        config: RulesConfig,
        *,
        dataset: str,
        fingerprint: str,
        num_entities: int,
        num_relations: int,
        made_by: Mapping[str, Any] | None = None,
    ) -> None:
        self.rules = rules
        self.config = config
        self.dataset = dataset
        self.fingerprint = fingerprint
        self.num_entities = num_entities
        self.num_relations = num_relations
        self.made_by = dict(made_by or {})
        self.confidence = config.confidence(rules)
        self._predictor: tuple[Graph | Expand, RulePredictor] | None = None

    @staticmethod
    def config_for(dataset: str) -> RulesConfig:
        """The configuration that was chosen on a dataset's valid split; the defaults for an unknown name."""
        return RulesConfig(**_TUNED.get(dataset, {}))

    @classmethod
    def trainer(cls, dataset: Dataset, config: RulesConfig, folder: Path, *, seed: int = 0) -> RuleTrainer:
        """What ``fit`` runs, before its first step."""
        check_seed(seed)
        return RuleTrainer(dataset, config, folder, seed)

    @classmethod
    def of_rules(
        cls, rules: RuleSet, dataset: Dataset, config: RulesConfig, made_by: Mapping[str, Any] | None = None
    ) -> RuleAgent:
        """An agent of rules that are at hand, such as those of a file."""
        return cls(
            rules,
            config,
            dataset=dataset.name,
            fingerprint=dataset.fingerprint,
            num_entities=dataset.graph.num_entities,
            num_relations=dataset.graph.num_relations,
            made_by=made_by,
        )

    def answer(self, queries: Ids, graph: Graph | Expand) -> Ranked:
        """See ``kgwalk.protocols.Agent``. Scores are evidence in nats (noisy-or) or about the best confidence."""
        return Ranked(*self._on(graph).answer(np.ascontiguousarray(queries, dtype=np.int32), skip_known=False))

    def evidence(self, query: tuple[int, int], entity: int, graph: Graph | Expand, groundings: int) -> list[Evidence]:
        """See ``kgwalk.protocols.Reasoner``."""
        found = self._on(graph).evidence(*query, entity, groundings)
        return [Evidence(rule, float(self.confidence[rule]), grounds) for rule, grounds in found]

    def save(self, folder: Path) -> None:
        """Write ``folder/agent.safetensors``: the rules, and as its note all that ``load`` needs."""
        tensors = {key: torch.from_numpy(getattr(self.rules, key).copy()) for key in _DTYPES}
        note = {
            "agent": self.name,
            "dataset": self.dataset,
            "fingerprint": self.fingerprint,
            "num_entities": self.num_entities,
            "num_relations": self.num_relations,
            "config": dataclasses.asdict(self.config),
            "made_by": self.made_by,
        }
        save_tensors(folder / NAME, tensors, note)

    @classmethod
    def load(cls, folder: Path, fingerprint: str | None = None) -> RuleAgent:
        """The agent in ``folder``.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is damaged, or ``fingerprint`` is given and is not that of the dataset it was mined from.
        """
        path = folder / NAME
        tensors, note = load_tensors(path)
        try:
            return cls._from_note({key: value.numpy() for key, value in tensors.items()}, note, fingerprint)
        except KeyError as error:
            raise ValueError(f"{path}: it lacks {error}") from error
        except (TypeError, ValueError, IndexError, OverflowError) as error:
            raise ValueError(f"{path}: {error}") from error

    @classmethod
    def _from_note(
        cls, arrays: Mapping[str, NDArray[Any]], note: Mapping[str, Any], fingerprint: str | None
    ) -> RuleAgent:
        check_trained_on(note["dataset"], note["fingerprint"], fingerprint)
        if arrays.keys() != _DTYPES.keys():
            raise ValueError(f"holds the arrays {', '.join(sorted(arrays))}; expected {', '.join(sorted(_DTYPES))}")
        wrong = [key for key, dtype in _DTYPES.items() if arrays[key].dtype != dtype]
        if wrong:
            raise ValueError(f"arrays of wrong types: {', '.join(wrong)}")
        sizes = {key: note[key] for key in ("num_entities", "num_relations")}
        if any(type(size) is not int for size in sizes.values()) or not isinstance(note["made_by"], dict):
            raise ValueError("its note tells no sizes, or not how the rules were made")
        rules = RuleSet(*(arrays[key] for key in _DTYPES), **sizes)
        own = {key: note[key] for key in ("dataset", "fingerprint", "made_by")}
        return cls(rules, RulesConfig(**note["config"]), **own, **sizes)

    def _on(self, graph: Graph | Expand) -> RulePredictor:
        """The rules made ready for a graph; kept, for the next batch asks about the same one."""
        if self._predictor is None or self._predictor[0] is not graph:
            c = self.config
            predictor = RulePredictor(
                graph,
                self.rules,
                self.confidence,
                object_identity=c.object_identity,
                aggregation=c.aggregation,
                top_k=c.top_k,
                discount=c.discount,
            )
            self._predictor = (graph, predictor)
        return self._predictor[1]


class RuleTrainer:
    """Mines the rules of a dataset and saves the agent.

    Args:
        dataset: whose facts are learnt from.
        config: what is mined, and for how long.
        folder: where the agent goes.
        seed: of the mining.

    Attributes:
        idle: whether ``run`` found nothing left to do.
    """

    def __init__(self, dataset: Dataset, config: RulesConfig, folder: Path, seed: int) -> None:
        self.dataset = dataset
        self.config = config
        self.folder = folder
        self.seed = seed
        self.idle = False

    def check(self) -> None:
        """Refuse as ``run`` would, and do nothing else.

        Raises:
            OtherRun: the folder holds an agent of another run.
            ValueError: one that is damaged.
        """
        self._there()

    def run(self, *, resume: bool) -> None:
        """Mine to the end of the budget, or until Ctrl-C: what was found by then is saved.

        Mining has no checkpoints. A resumed run that was interrupted begins anew, and keeps what was there if it comes
        less far; one that was not has nothing to do.

        Raises:
            FileExistsError: the folder holds an agent and ``resume`` was not asked for.
            ValueError: the agent there is damaged or of another run; a configuration that the miner refuses.
        """
        path = self.folder / NAME
        if path.exists() and not resume:
            raise FileExistsError(f"{path} is there already: resume it, or choose another folder")
        there = self._there()
        self.idle = there is not None and there.made_by.get("stopped") != "interrupted"
        if self.idle:
            return
        kept_rounds = 0 if there is None else there.made_by.get("rounds", 0)
        c = self.config
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("mining", total=c.rounds)
            mined = mine(
                self.dataset.graph,
                c,
                seed=self.seed,
                rounds=c.rounds,
                seconds=c.seconds,
                progress=lambda done, total, _: bar.update(task, completed=done, total=min(total, c.rounds or total)),
            )
        if mined.stopped == "interrupted" and mined.rounds <= kept_rounds:
            log.warning("interrupted earlier than before: the rules of %d rounds stay", kept_rounds)
            return
        made_by = {"seed": self.seed, **{key: getattr(mined, key) for key in _MADE_BY}}
        RuleAgent.of_rules(mined.rules, self.dataset, c, made_by).save(self.folder)
        if mined.stopped == "interrupted":
            log.warning("interrupted: the rules of %d of %d rounds are kept", mined.rounds, mined.total_rounds)

    def _there(self) -> RuleAgent | None:
        """The agent in the folder, None if there is none."""
        path = self.folder / NAME
        if not path.exists():
            return None
        agent = RuleAgent.load(self.folder, self.dataset.fingerprint)
        if (agent.config, agent.made_by.get("seed")) != (self.config, self.seed):
            raise OtherRun(f"{path} is of another run: resume with the configuration and seed it was begun with")
        return agent
