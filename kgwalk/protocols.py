"""The types that layers hand to each other, as Protocols and plain records.

Imports nothing of kgwalk, so that no layer reaches up for a type.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Ids = NDArray[np.int32]
Offsets = NDArray[np.int64]
State = TypeVar("State")


class Candidates(NamedTuple):
    """Ragged moves: row ``i`` holds ``relations[offsets[i]:offsets[i + 1]]`` and the entities they lead to.

    Attributes:
        offsets: (num_states + 1,) int64.
        relations: (num_candidates,) int32; STAY (``2R``) first in every row.
        entities: (num_candidates,) int32.
    """

    offsets: Offsets
    relations: Ids
    entities: Ids


class Moves(NamedTuple):
    """One move per state: the relation followed and the entity reached, both (num_states,) int32."""

    relations: Ids
    entities: Ids


class Policy(Protocol[State]):
    """Scores moves. Holds no graph: what is legal comes in as candidates."""

    def begin(self, queries: Ids) -> State:
        """State of walkers standing at the sources of ``queries``, (n, 3) int32: source, relation, ignored."""
        ...

    def select(self, state: State, rows: NDArray[np.int64]) -> State:
        """The states in ``rows``, in that order, repeats allowed: a beam re-indexes."""
        ...

    def logits(self, state: State, candidates: Candidates) -> torch.Tensor:
        """Unnormalised log-scores, (num_candidates,) float32, ragged by ``candidates.offsets``."""
        ...

    def log_norm(self, state: State, logits: torch.Tensor, candidates: Candidates) -> torch.Tensor:
        """Log of the sum the logits are normalised by, (num_states,) float32.

        Walkers normalise over the candidates; a policy normalised over another set says so here.
        """
        ...

    def advance(self, state: State, moves: Moves) -> State:
        """State after each walker has made its move."""
        ...


@runtime_checkable
class Critic(Protocol):
    """A policy that also foretells what a walker will earn: the baseline of its policy gradient."""

    def value(self, state: Any) -> torch.Tensor:
        """The reward expected from each state on, (num_states,) float32."""
        ...


@dataclass(frozen=True)
class Ranked:
    """Answers per query, best first: row ``i`` is ``entities[offsets[i]:offsets[i + 1]]``.

    Attributes:
        offsets: (num_queries + 1,) int64.
        entities: (num_answers,) int32, distinct within a row.
        scores: (num_answers,) float64, non-increasing within a row. An entity that is not listed was not reached.
        paths: ``kgwalk.search.Paths`` behind the answers, or None for agents that have none.
    """

    offsets: Offsets
    entities: Ids
    scores: NDArray[np.float64]
    paths: Any = None


@runtime_checkable
class Agent(Protocol):
    """Whatever answers queries: walkers, rules, embeddings, recommenders, SB3 models."""

    name: str

    def answer(self, queries: Ids, graph: Any) -> Ranked:
        """Ranked answers of ``queries``, (n, 3) int32, walking ``graph``. Targets are not read.

        Args:
            queries: (n, 3) int32: source, relation, ignored.
            graph: ``kgwalk.graph.Graph``; agents that walk also take an ``Expand`` over it, whose overlay hides facts
                or adds facts and entities (``kgwalk.data.new_users``) without retraining. Its cap is not read.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write safetensors and JSON, whole or not at all."""
        ...


@runtime_checkable
class DenseAgent(Agent, Protocol):
    """An agent that has a score for every entity; it is measured without sorting them."""

    def scores(self, queries: Ids, graph: Any) -> NDArray[np.float32]:
        """Scores of all entities as answers of ``queries``, (n, num_entities), finite; targets are not read."""
        ...


@runtime_checkable
class Walker(Agent, Protocol):
    """An agent that can list walks to its answers, even where it ranked without listing them."""

    def walks(self, queries: Ids, graph: Any) -> Any:
        """``kgwalk.search.Paths`` of ``queries``, (n, 3) int32, the most probable ones; targets are not read."""
        ...


class Reasons(NamedTuple):
    """What speaks for given answers; n of them.

    Attributes:
        metapaths: relations hop by hop.
        weights: (n, num_metapaths) float64: what all walks along each weigh for each answer, 0 where there is none.
        paths: ``kgwalk.search.Paths``; the query of a path is the answer it leads to, from 0 to n - 1.
    """

    metapaths: tuple[tuple[int, ...], ...]
    weights: NDArray[np.float64]
    paths: Any


@runtime_checkable
class MetapathWalker(Agent, Protocol):
    """An agent that weighs all walks along metapaths, though it lists a few."""

    def reasons(self, queries: Ids, graph: Any, count: int) -> Reasons | None:
        """What speaks for answers, and the ``count`` weightiest walks to each.

        Args:
            queries: (n, 3) int32: source, relation and the answer that is asked about.
            graph: as in ``answer``.
            count: walks of each answer.

        Returns:
            None if the walks that ``answer`` lists are all there are.
        """
        ...


class Evidence(NamedTuple):
    """A rule that speaks for an answer.

    Attributes:
        rule: its place in the agent's ``rules``.
        confidence: that the agent gives it, in [0, 1].
        groundings: some of the walks that make its body true, each entities (hops + 1) and relations (hops). They
            begin at the rule's X: the source, or the answer if the rule's head is the inverse of the query's relation.
            Those of a cyclic rule lead to the other of the two. Those of a rule with constants need not: of
            ``h(X, c) <- b(X, d)`` it is the edge from X to d. A zero rule has none, or one without a hop.
    """

    rule: int
    confidence: float
    groundings: list[tuple[list[int], list[int]]]


@runtime_checkable
class Reasoner(Agent, Protocol):
    """An agent whose answers have rules behind them instead of paths."""

    rules: Any
    """``kgwalk.rules.RuleSet``."""

    def evidence(self, query: tuple[int, int], entity: int, graph: Any, groundings: int) -> list[Evidence]:
        """The rules that give ``entity`` in answer to (source, relation), most confident first.

        Each comes with ``groundings`` of its walks at most.
        """
        ...


@runtime_checkable
class RuleGuided(Agent, Protocol):
    """An agent that knows what rules are worth; where it walks, its paths are explained by those they instantiate.

    It may be a `Reasoner` at once: then its answers have paths, and evidence beside them.
    """

    rules: Any
    """``kgwalk.rules.RuleSet``."""
    confidence: NDArray[np.float64]
    """(len(rules),): what the agent takes each rule to be worth, in [0, 1]; it does not use those of 0."""


@runtime_checkable
class Scorer(Protocol):
    """How plausible a fact is: reward shaping, teacher, pruner, baseline, re-ranker."""

    def score(self, sources: Ids, relation: int, targets: Ids) -> NDArray[np.float32]:
        """How plausible the facts (sources[i], relation, targets[i]) are, (n,) in [0, 1].

        Raises:
            IndexError: an id out of range; ``relation`` is forward or inverse.
            ValueError: another shape or dtype.
        """
        ...

    def top_k(
        self, sources: Ids, relation: int, k: int, *, entity_type: int | None = None
    ) -> tuple[Ids, NDArray[np.float32]]:
        """Best targets and their scores, (n, k) each, best first, equal ones by id; of one entity type if given.

        Raises:
            IndexError: an id out of range, or no such type.
            ValueError: there are fewer than ``k`` targets to choose from.
        """
        ...


@runtime_checkable
class ProfileScorer(Scorer, Protocol):
    """A scorer that knows a user by items alone, so that a user who is new to it can be scored for too."""

    def item_scores(self, offsets: Offsets, items: Ids) -> NDArray[np.float32]:
        """Scores of all items for users with given items, (n, num_items); not squeezed into [0, 1].

        Args:
            offsets: (n + 1,) int64.
            items: entity ids, ragged by ``offsets``.
        """
        ...


@runtime_checkable
class ClickScorer(Scorer, Protocol):
    """A scorer that tells how probable it is that a user takes up an item: it needs no curve to be fitted."""

    def clicks(self, users: Ids, items: Ids) -> NDArray[np.float32]:
        """Probabilities that ``users[i]`` interacts with ``items[i]``, (n,) in [0, 1].

        Args:
            users: (n,) entity ids.
            items: (n,) entity ids.

        Raises:
            IndexError: an id out of range.
            ValueError: another shape or dtype.
        """
        ...


class FinishedWalks(NamedTuple):
    """Walks that ended in one step of a vector environment; k of them.

    Attributes:
        env: (k,) int32, index of the environment.
        query: (k,) int64, row of the environment's query table.
        entities: (k, horizon + 1) int32.
        relations: (k, horizon) int32, STAY included.
        hit: (k,) bool, whether the walk ended at its query's own target.
    """

    env: Ids
    query: NDArray[np.int64]
    entities: Ids
    relations: Ids
    hit: NDArray[np.bool_]


class RewardTerm(Protocol):
    """A named terminal reward, added to the others with its weight."""

    name: str

    def __call__(self, walks: FinishedWalks, queries: Ids) -> NDArray[np.float64]:
        """Reward of each finished walk, (k,); ``queries`` (k, 3) are the walks' own."""
        ...
