"""What NSER may be told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Users = Literal["history", "table"]
Module = Literal["shallow", "deep", "linear"]
Positives = Literal["train", "teacher"]
Score = Literal["evidence", "likelihood"]
Allocation = Literal["uniform", "prior", "heuristic"]
Ranking = Literal["last", "sum", "max", "noisy-or"]


@dataclass(frozen=True)
class NserConfig:
    """Everything that ``Nser.fit`` may be told.

    The paper's own method is ``users="table", module="deep", score="likelihood", ranking="last", rank_weight=10``.

    Attributes:
        dim: size of the entity vectors.
        users: a user's vector: the scaled sum of the vectors of the user's items (``"history"``), so that a user who
            is new to the graph has one too, or a row of the entity table (``"table"``, as published).
        module: network of a relation, see ``modules``.
        hidden: width of its hidden layer.
        dropout: in the modules.
        history_dropout: share of a user's items that a training step does not see.
        metapaths: in words, as ``Recommendation.metapath`` reads them; none for those of the dataset.
        positives: what walks are trained to arrive at: the items of train, or those that a teacher lists first.
        teacher: file or folder of the scorer that ``positives="teacher"`` asks.
        teacher_top: length of the teacher's list.
        rank_weight: weight of the ranking loss, lambda in the paper.
        inner_weight: weight of the likelihood of all hops but the last.
        full_softmax: entities of a type up to which the softmax is over all of them; beyond, over ``negatives``.
        negatives: entities that a sampled softmax is over, beside the batch's own.
        weight_decay: of AdamW.
        learning_rate: of AdamW; it falls linearly to nothing.
        batch_size: walks in a step; all follow one metapath.
        steps: of training.
        validate_every: steps between validations, each followed by a checkpoint.
        validate_users: users of valid that select the model, 0 for all.
        patience: validations without a better NDCG@10 after which training ends.
        score: what an item is worth to a user. ``"evidence"``: the number of walks that lead there, each counted by how
            telling its edges are, times the likelihood of the item (``evidence``). ``"likelihood"``: as published, by
            the likelihoods of the hops of the walks that a layout lets through.
        likelihood_weight: of the logarithm of an item's likelihood beside that of its evidence; None learns it.
        allocation: how ``score="likelihood"`` deals out the budget to metapaths.
        budget: items for a user (``"evidence"``), or walks, K in the paper (``"likelihood"``).
        cap: most that the prior and the heuristic count a user's walks along a metapath for, 5 in the published code.
        exact: the heuristic spends the budget whole, see `kgwalk.search.allocate`; the published code stops at ``cap``.
        repair: deal out what Algorithm 1 loses by rounding down.
        breadth: of ``score="likelihood"``: 0 gives inner nodes the budgets of Algorithm 1; else so many walks.
        ranking: of ``score="likelihood"``: an item's best last hop (``"last"``, as published), its best walk
            (``"max"``), the sum of its walks, or that one of them is right (``"noisy-or"``).
        explained: walks listed for an item that ``score="evidence"`` answers.
    """

    dim: int = 64
    users: Users = "history"
    module: Module = "shallow"
    hidden: int = 256
    dropout: float = 0.5
    history_dropout: float = 0.3
    metapaths: tuple[str, ...] = ()
    positives: Positives = "train"
    teacher: str = ""
    teacher_top: int = 20
    rank_weight: float = 0.0
    inner_weight: float = 0.1
    full_softmax: int = 20_000
    negatives: int = 2048
    weight_decay: float = 0.0
    learning_rate: float = 0.01
    batch_size: int = 1024
    steps: int = 600
    validate_every: int = 100
    validate_users: int = 3000
    patience: int = 3
    score: Score = "evidence"
    likelihood_weight: float | None = None
    allocation: Allocation = "heuristic"
    budget: int = 100
    cap: int = 5
    exact: bool = True
    repair: bool = False
    breadth: int = 0
    ranking: Ranking = "last"
    explained: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        choices = {
            "users": Users,
            "module": Module,
            "positives": Positives,
            "score": Score,
            "allocation": Allocation,
            "ranking": Ranking,
        }
        for key, choice in choices.items():
            if getattr(self, key) not in get_args(choice):
                raise ValueError(f"{key} must be {', '.join(get_args(choice))}, got {getattr(self, key)!r}")
        least = {
            "dim": 1,
            "hidden": 1,
            "teacher_top": 2,
            "full_softmax": 0,
            "negatives": 1,
            "batch_size": 2,  # a batch norm over one row has no variance
            "steps": 1,
            "validate_every": 1,
            "validate_users": 0,
            "patience": 1,
            "budget": 1,
            "cap": 1,
            "breadth": 0,
            "explained": 0,
        }
        for key, smallest in least.items():
            if type(getattr(self, key)) is not int or getattr(self, key) < smallest:
                raise ValueError(f"{key} must be a whole number from {smallest}, got {getattr(self, key)!r}")
        for key in ("dropout", "history_dropout"):
            if not 0 <= getattr(self, key) < 1:
                raise ValueError(f"{key} must be at least 0 and below 1, got {getattr(self, key)!r}")
        for key in ("rank_weight", "inner_weight", "weight_decay"):
            if not 0 <= getattr(self, key) < math.inf:
                raise ValueError(f"{key} must be a finite number of 0 or more, got {getattr(self, key)!r}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate!r}")
        if self.likelihood_weight is not None and not 0 <= self.likelihood_weight < math.inf:
            raise ValueError(f"likelihood_weight must be a finite number of 0 or more, got {self.likelihood_weight!r}")
        if self.score == "likelihood" and not self.inner_weight:
            raise ValueError("score=likelihood asks for hops inside that were trained: inner_weight above 0")
        if self.positives == "teacher" and not self.teacher:
            raise ValueError("positives=teacher asks for a teacher: the file or folder of a trained scorer")
        if self.teacher and self.positives != "teacher":
            raise ValueError("a teacher is asked only by positives=teacher")
