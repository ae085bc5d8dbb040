"""Options of KGCN, KGNN-LS and MI-KGNN; equations are those of the papers that `receptive` names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from kgwalk.scorers.recommenders.base import RecommenderConfig, one_of, share, whole

Aggregator = Literal["sum", "concat", "neighbor", "bi-interaction"]
Attention = Literal["relation", "dual", "none"]
Means = Literal["code", "paper"]
Field = Literal["tree", "chain"]
Passes = Literal["full", "once"]
Penalized = Literal["tables", "weights"]


@dataclass(frozen=True)
class ReceptiveConfig(RecommenderConfig):
    """Options of the family; the defaults are KGCN's with the sum aggregator.

    Attributes:
        neighbours: sampled for each entity, K (with replacement where it has fewer).
        depth: hops that are looked at, H.
        aggregator: how an entity v and its neighbourhood n become one: ``sum`` act(W(v + n) + b), ``concat``
            act(W[v; n] + b), ``neighbor`` act(W n + b), ``bi-interaction`` act(W1(v + n) + W2(v * n) + b).
        attention: what a neighbour counts: ``relation`` softmax of u . r (KGCN, equation 2), ``dual`` that of MI-KGNN
            (equation 22), ``none`` the same for all (KGCN-avg).
        theta: of ``dual``: the share of the user's attention; 1 - theta is that of the entity in the centre.
        soft_features: of ``dual``: a neighbour is softmax(r * n) as in equation 17, or r * n as in 25 ("a").
        means: ``code`` takes the mean over numbers in place of inner products, and the mean over K in place of the
            weighted sum, as KGCN's published code does; ``paper`` sums, as the equations do.
        field: ``tree`` samples K neighbours of every entity on the way; ``chain`` K at the first hop, then one of each
            that is not the entity it was reached from ("r").
        passes: ``full``: H passes over all hops that are left, one aggregator each; ``once``: from the outermost hop
            inwards, each hop aggregated once ("l").
        penalized: ``l2`` is on the tables and aggregators, or (``weights``) on W1 + W2 alone, as equation 24 has it.
        label_smoothness: weight of KGNN-LS' loss of propagated labels; 0 for none. At depth 1 it teaches something only
            if items are neighbours of items.
        inverses: whether inverse relations have vectors of their own; as published they share the relation's.
        spread: standard deviation of the tables in the beginning; 0 for Xavier's, about .02, as published.
        warm_up: epochs before the penalty sets in. Tables that begin as small as Xavier's give gradients that it may
            outweigh, and then they shrink to nothing.
    """

    l2: float = 1e-4
    neighbours: int = 8
    depth: int = 1
    aggregator: Aggregator = "sum"
    attention: Attention = "relation"
    theta: float = 0.9
    soft_features: bool = True
    means: Means = "code"
    field: Field = "tree"
    passes: Passes = "full"
    penalized: Penalized = "tables"
    label_smoothness: float = 0.0
    inverses: bool = False
    spread: float = 0.0
    warm_up: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        super().__post_init__()
        whole(self, 1, "neighbours", most=1 << 10)
        whole(self, 0, "warm_up")
        whole(self, 1, "depth", most=8)
        share(self, "label_smoothness", "spread")
        options = {
            "aggregator": Aggregator,
            "attention": Attention,
            "means": Means,
            "field": Field,
            "passes": Passes,
            "penalized": Penalized,
        }
        for key, choice in options.items():
            one_of(self, key, get_args(choice))
        for key in ("soft_features", "inverses"):
            if type(getattr(self, key)) is not bool:
                raise ValueError(f"{key} must be true or false, got {getattr(self, key)!r}")
        if type(self.theta) not in (int, float) or not -1 <= self.theta <= 1:
            raise ValueError(f"theta must be from -1 to 1, got {self.theta!r}")
        if self.penalized == "weights" and self.aggregator != "bi-interaction":
            raise ValueError("penalized=weights is W1 + W2 of aggregator=bi-interaction")
        if self.label_smoothness and (self.attention != "relation" or self.field != "tree" or self.passes != "full"):
            raise ValueError("label_smoothness goes with attention=relation, field=tree and passes=full")


@dataclass(frozen=True)
class LabelSmoothConfig(ReceptiveConfig):
    """As `ReceptiveConfig`, with the weight of label smoothness published for Last.FM."""

    label_smoothness: float = 0.1


@dataclass(frozen=True)
class MultiInteractionConfig(ReceptiveConfig):
    """As `ReceptiveConfig`, with the attention and the aggregator of MI-KGNN."""

    aggregator: Aggregator = "bi-interaction"
    attention: Attention = "dual"
    l2: float = 9.1e-5
