"""The PGPR-style policy: a perceptron over the user and the walker's last moves, held against the embeddings of moves.

The state of PGPR (Xian et al., SIGIR 2019) is the user, the entity stood on and the last ``history`` entities and
relations; one perceptron serves the actor and the critic:

    h = MLP([u; e_t; e_{t-1}; r_t; ...]),   [x_r; x_e] = A h,   logit(r, e) = x_r . R[r] + x_e . E[e],   V = v . h

The published code gives a logit to each *slot* of a sorted candidate list, in which a slot means another move for each
node. Here a move is scored by what it is, STAY included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kgwalk import ragged
from kgwalk.graph import Expand
from kgwalk.protocols import Candidates, Ids, Moves, Offsets

UserVector = Literal["table", "history", "both"]


@dataclass(frozen=True)
class PgprPolicyConfig:
    """Sizes of the network.

    Attributes:
        dim: width of the embeddings of entities and relations.
        hidden_dims: widths of the perceptron's layers; the last one is read by actor and critic.
        history: entities and relations before the present ones that the state holds; 0 for none.
        user: what a user is to the policy: a row of the ``"table"``, the mean over the items of the user's
            ``"history"``, a training query's own item left out, or the sum of ``"both"``.
        hidden_dropout: share of the perceptron's units dropped while training, and only then.
    """

    dim: int = 64
    hidden_dims: tuple[int, ...] = (128,)
    history: int = 1
    user: UserVector = "history"
    hidden_dropout: float = 0.3

    def __post_init__(self) -> None:
        """Refuse sizes that make no network, or one that no memory holds."""
        sizes = (self.dim, *self.hidden_dims)
        if any(type(size) is not int or not 1 <= size <= 1 << 16 for size in sizes) or not self.hidden_dims:
            raise ValueError(
                f"widths must be whole numbers from 1 to {1 << 16}, one hidden layer at least, got {sizes}"
            )
        if type(self.history) is not int or not 0 <= self.history <= 16:
            raise ValueError(f"history must be from 0 to 16, got {self.history!r}")
        if self.user not in get_args(UserVector):
            raise ValueError(f"user must be {', '.join(get_args(UserVector))}, got {self.user!r}")
        if not 0 <= self.hidden_dropout < 1:
            raise ValueError("hidden_dropout is a share of at least 0 and below 1")


class PgprNetwork(nn.Module):
    """Tables, perceptron and heads.

    Args:
        num_entities: entities of the graph.
        num_relations: R, forward relations.
        config: sizes.
    """

    def __init__(self, num_entities: int, num_relations: int, config: PgprPolicyConfig) -> None:
        super().__init__()
        if type(num_entities) is not int or type(num_relations) is not int or min(num_entities, num_relations) < 0:
            raise ValueError(f"expected counts of entities and relations, got {num_entities!r} and {num_relations!r}")
        self.config = config
        self.num_entities = num_entities
        self.num_relations = num_relations
        self.entities = nn.Parameter(torch.empty(num_entities, config.dim))
        self.relations = nn.Parameter(torch.empty(2 * num_relations + 1, config.dim))  # inverses and STAY
        # Vectors of length 0.3, chosen on valid: what they learn soon outweighs the noise they begin with.
        nn.init.normal_(self.entities, std=0.3 * config.dim**-0.5)
        nn.init.normal_(self.relations, std=0.3 * config.dim**-0.5)
        layers: list[nn.Module] = []
        previous = 2 * config.dim * (1 + config.history)
        for size in config.hidden_dims:
            layers += [nn.Linear(previous, size), nn.ELU(), nn.Dropout(config.hidden_dropout)]
            previous = size
        self.trunk = nn.Sequential(*layers)
        self.actor = nn.Linear(previous, 2 * config.dim)
        self.critic = nn.Linear(previous, 1)


class PgprState(NamedTuple):
    """Walkers between two moves.

    Attributes:
        user: (num_states, dim), vector of the query's source.
        at: (num_states, dim), embedding of the entity stood on.
        trail: (num_states, 2 * history * dim), entities and relations before it, the newest first, zeros at the source.
        hidden: (num_states, hidden_dims[-1]), what the perceptron makes of all that.
    """

    user: Tensor
    at: Tensor
    trail: Tensor
    hidden: Tensor


class PgprPolicy:
    """The network walking one graph, or one graph with an overlay.

    A user that an overlay adds has no row in the table. It is given the mean over the items it interacted with of the
    mean row of the users who interact with these; its history is its own.

    Args:
        network: weights; gradients flow into them.
        expand: of the graph that is walked; interactions are read from it, never cut.
        interact: relation from users to items.
    """

    def __init__(self, network: PgprNetwork, expand: Expand, interact: int) -> None:
        self.network = network
        self.expand = expand
        self.interact = np.array([interact], np.int32)
        self.added: Tensor | None = None
        if expand.num_entities > network.num_entities:
            with torch.no_grad():
                self.added = self._implied(np.arange(network.num_entities, expand.num_entities, dtype=np.int32))

    def begin(self, queries: Ids) -> PgprState:
        """See ``kgwalk.protocols.Policy``. A training query's own item is no part of its user's history."""
        user = self._users(queries)
        trail = user.new_zeros(len(queries), 2 * self.network.config.history * self.network.config.dim)
        return self._state(user, user, trail)

    def select(self, state: PgprState, rows: NDArray[np.int64]) -> PgprState:
        """See ``kgwalk.protocols.Policy``."""
        index = torch.from_numpy(rows)
        return PgprState(
            *(ragged.lookup(part, index) if part.shape[1] else part.new_empty(len(rows), 0) for part in state)
        )

    def logits(self, state: PgprState, candidates: Candidates) -> Tensor:
        """See ``kgwalk.protocols.Policy``."""
        network = self.network
        for_relation, for_entity = network.actor(state.hidden).split(network.config.dim, dim=1)
        scores = for_relation @ network.relations.T
        if self.added is None:
            return ragged.edge_logits(scores, for_entity, network.entities, candidates, accumulate=True)
        new = candidates.entities >= network.num_entities
        known = candidates._replace(entities=np.where(new, 0, candidates.entities).astype(np.int32))
        logits = ragged.edge_logits(scores, for_entity, network.entities, known, accumulate=True)
        places = np.flatnonzero(new)
        rows = torch.from_numpy(np.searchsorted(candidates.offsets, places, side="right") - 1)
        ids = torch.from_numpy(candidates.entities[places].astype(np.int64) - network.num_entities)
        relations = torch.from_numpy(candidates.relations[places].astype(np.int64))
        own = scores[rows, relations] + (for_entity[rows] * self.added[ids]).sum(1)
        return logits.index_copy(0, torch.from_numpy(places), own)

    def log_norm(self, state: PgprState, logits: Tensor, candidates: Candidates) -> Tensor:
        """See ``kgwalk.protocols.Policy``: normalised over the candidates."""
        return ragged.log_sum_exp(logits, candidates.offsets)

    def value(self, state: PgprState) -> Tensor:
        """The reward expected from each state on, (num_states,) float32."""
        value: Tensor = self.network.critic(state.hidden)[:, 0]
        return value

    def advance(self, state: PgprState, moves: Moves) -> PgprState:
        """See ``kgwalk.protocols.Policy``."""
        at = self._entities(moves.entities)
        relation = ragged.lookup(self.network.relations, torch.from_numpy(moves.relations.astype(np.int64)))
        trail = torch.cat([state.at, relation, state.trail], dim=1)[:, : state.trail.shape[1]]
        return self._state(state.user, at, trail)

    def _state(self, user: Tensor, at: Tensor, trail: Tensor) -> PgprState:
        return PgprState(user, at, trail, self.network.trunk(torch.cat([user, at, trail], dim=1)))

    def _entities(self, entities: Ids) -> Tensor:
        ids = torch.from_numpy(entities.astype(np.int64))
        if self.added is None:
            return ragged.lookup(self.network.entities, ids, accumulate=True)
        new = ids >= self.network.num_entities
        vectors = ragged.lookup(self.network.entities, ids.masked_fill(new, 0), accumulate=True)
        if new.any():
            vectors = vectors.index_copy(0, new.nonzero()[:, 0], self.added[ids[new] - self.network.num_entities])
        return vectors

    def _users(self, queries: Ids) -> Tensor:
        """Vectors of the sources of queries (n, 3)."""
        sources = np.ascontiguousarray(queries[:, 0])
        kind = self.network.config.user
        if kind == "table":
            return self._entities(sources)
        offsets, _, items = self.expand(sources, self.interact, np.ascontiguousarray(queries), False)
        history = row_means(self._entities(items), offsets)
        return history if kind == "history" else history + self._entities(sources)

    def _implied(self, users: Ids) -> Tensor:
        """What the table might hold of users it does not know, (n, dim)."""
        offsets, _, items = self.expand(users, self.interact, None, False)
        back = np.array([self.expand.graph.inverse(int(self.interact[0]))], np.int32)
        ends, _, others = self.expand(items, back, None, False)
        known = others < self.network.num_entities
        item_of = np.repeat(np.arange(len(items)), np.diff(ends))[known]
        told, place = np.unique(item_of, return_inverse=True)  # an item without other users tells nothing
        of_item = row_means(self._entities(others[known]), np.searchsorted(place, np.arange(len(told) + 1)))
        return row_means(of_item, np.searchsorted(told, offsets))


def row_means(vectors: Tensor, offsets: Offsets) -> Tensor:
    """Mean of each ragged row of vectors (C, d), as (S, d); zeros for an empty row."""
    sizes = np.diff(offsets)
    rows = torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes))
    sums = vectors.new_zeros(len(sizes), vectors.shape[1]).index_add(0, rows, vectors)
    return sums / torch.from_numpy(np.maximum(sizes, 1).astype(np.float32))[:, None]
