"""What training of a recommender may be told."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from kgwalk.scorers.recommenders import Objective, RecommenderConfig

Negatives = Literal["fixed", "fresh"]
Select = Literal["auc", "ndcg@10"]


@dataclass(frozen=True)
class RecommenderTraining:
    """Everything that ``RecommenderAgent.fit`` may be told.

    Attributes:
        model: sizes and options of the model.
        objective: what it learns by: ``clicks`` labelled pairs, ``pairs`` a positive item against a negative one
            (BPR), ``softmax`` a positive item against all others.
        negatives: of ``clicks`` and ``pairs``: ``fixed`` are drawn once, one for each positive (those of a
            ``LabelledRecommendation`` where it is one); ``fresh`` are drawn anew in each epoch.
        batch_size: rows in a step.
        learning_rate: of Adam.
        epochs: passes over the training pairs at most.
        validate_epochs: passes between validations, each followed by a checkpoint.
        select: measure on valid that selects the epoch: area under the ROC curve of labelled pairs, or lists.
        validate_users: users of valid that ``ndcg@10`` is measured on, 0 for all.
        patience: validations without a better one after which training ends.
        answers: items listed for a user.
    """

    model: RecommenderConfig = field(default_factory=RecommenderConfig)
    objective: Objective = "clicks"
    negatives: Negatives = "fixed"
    batch_size: int = 128
    learning_rate: float = 5e-4
    epochs: int = 10
    validate_epochs: int = 1
    select: Select = "auc"
    validate_users: int = 3000
    patience: int = 5
    answers: int = 100

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        choices = {"objective": Objective, "negatives": Negatives, "select": Select}
        for key, choice in choices.items():
            if getattr(self, key) not in get_args(choice):
                raise ValueError(f"{key} must be {', '.join(get_args(choice))}, got {getattr(self, key)!r}")
        least = {"validate_users": 0, **dict.fromkeys(("batch_size", "epochs", "validate_epochs", "patience"), 1)}
        for key, smallest in {**least, "answers": 1}.items():
            if type(getattr(self, key)) is not int or getattr(self, key) < smallest:
                raise ValueError(f"{key} must be a whole number from {smallest}, got {getattr(self, key)!r}")
        if getattr(self.model, "label_smoothness", 0) and self.objective != "clicks":
            raise ValueError(f"label_smoothness is about labels: objective=clicks, got {self.objective!r}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate!r}")
