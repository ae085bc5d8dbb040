"""Mining in shards: heads divided among miners, and what they find put together as one would have found it."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import Graph, RuleSet
from kgwalk.protocols import Ids
from kgwalk.rules.mining import Mined, Stopped

# A RuleSet's arrays of one number a rule, in the order of its constructor.
_BY_RULE = ("head", "head_constant", "body_constant", "support", "predictions", "confidence")


@dataclass(frozen=True)
class Part:
    """What one shard found, in arrays: a ``Mined`` that can be sent.

    Attributes:
        by_rule: a RuleSet's arrays of one number a rule, by name.
        body: (atoms,) int32, its bodies one after the other.
        lengths: (rules,) int64, atoms of each body.
        errors: see ``Mined``; so for the rest.
    """

    by_rule: dict[str, NDArray[np.generic]]
    body: Ids
    lengths: NDArray[np.int64]
    errors: NDArray[np.float64]
    rounds: int
    total_rounds: int
    seconds: float
    stopped: Stopped

    @classmethod
    def of(cls, mined: Mined) -> Part:
        """The arrays of what was mined, copied."""
        rules = mined.rules
        return cls(
            {name: getattr(rules, name).copy() for name in _BY_RULE},
            rules.body.copy(),
            np.diff(rules.body_offsets),
            mined.errors,
            mined.rounds,
            mined.total_rounds,
            mined.seconds,
            mined.stopped,
        )


def divide_heads(graph: Graph, count: int) -> list[Ids]:
    """The forward relations in at most ``count`` shards with about as many facts each; relations without facts count 0.

    Returns:
        Rising relation ids, one array a shard, none empty; shards in the order of their first relation.

    Raises:
        ValueError: ``count`` is below 1.
    """
    if count < 1:
        raise ValueError(f"shards: expected 1 or more, got {count}")
    forward = graph.edges[:, 0][graph.edges[:, 0] < graph.num_relations]
    facts = np.bincount(forward, minlength=graph.num_relations)
    shards: list[tuple[int, int, list[int]]] = [(0, i, []) for i in range(min(count, graph.num_relations))]
    for relation in np.argsort(-facts, kind="stable").tolist():  # the largest first, each to who has least
        load, place, own = shards[0]
        heapq.heapreplace(shards, (load + int(facts[relation]) + 1, place, [*own, relation]))
    return sorted((np.sort(np.array(own, np.int32)) for _, _, own in shards), key=lambda own: int(own[0]))


def merge(parts: Sequence[Part], graph: Graph, seconds: float) -> Mined:
    """What one miner of all heads would have found in the same budget of rounds, bit for bit.

    Args:
        parts: of miners whose heads together are all of the graph's, each once.
        graph: that they mined.
        seconds: that all of them took.
    """
    lengths = np.concatenate([part.lengths for part in parts])
    arrays = {name: np.concatenate([part.by_rule[name] for part in parts]) for name in _BY_RULE}
    rules = RuleSet(
        arrays["head"],
        arrays["head_constant"],
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([part.body for part in parts]),
        *(arrays[name] for name in _BY_RULE[2:]),
        num_entities=graph.num_entities,
        num_relations=graph.num_relations,
    )
    # A miner lists rules by head, and all rules about one are of one shard.
    order = np.argsort(rules.head, kind="stable")
    # A shard that is through says so early; all of them are when the last is.
    last = min(parts, key=lambda part: part.rounds)
    return Mined(
        rules=rules.select(order),
        errors=np.concatenate([part.errors for part in parts])[order],
        rounds=last.rounds,
        total_rounds=last.total_rounds,
        seconds=seconds,
        stopped=last.stopped,
    )
