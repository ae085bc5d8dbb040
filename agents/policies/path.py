"""PathPolicy: the walker's network.

A state is what the walker has done (an LSTM over its moves), where it stands and what it is asked. One perceptron turns
it into a relation query and an entity query, and a move is scored by their inner products with the embeddings of the
move's relation and entity (MINERVA, Das et al. 2018, equations 1 to 3; MultiHopKG, Lin et al. 2018, section 3.1):

    h_t = LSTM(h_{t-1}, [r_{t-1}; e_t]),   [x_r; x_e] = MLP([h_t; e_t; r_q]),   logit(r, e) = x_r . R[r] + x_e . E[e]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kgwalk import ragged
from kgwalk.protocols import Candidates, Ids, Moves


@dataclass(frozen=True)
class PathPolicyConfig:
    """Sizes of a PathPolicy.

    Attributes:
        relation_dim: width of the relation embeddings.
        entity_dim: width of the entity embeddings; 0 makes a relation-only policy, blind to entities.
        hidden_dim: width of the LSTM.
        lstm_layers: LSTM layers.
        mlp_dims: widths of the perceptron's hidden layers.
        embedding_dropout: share of embedding entries dropped while training.
        hidden_dropout: share of hidden units of the perceptron dropped while training.
    """

    relation_dim: int = 64
    entity_dim: int = 0
    hidden_dim: int = 64
    lstm_layers: int = 1
    mlp_dims: tuple[int, ...] = (128,)
    embedding_dropout: float = 0.0
    hidden_dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuse sizes that make no network, or one that no memory holds."""
        sizes = (self.relation_dim, self.hidden_dim, *self.mlp_dims)
        if any(type(size) is not int or not 1 <= size <= 1 << 16 for size in sizes):
            raise ValueError(f"widths must be whole numbers from 1 to {1 << 16}, got {sizes}")
        if type(self.entity_dim) is not int or not 0 <= self.entity_dim <= 1 << 16:
            raise ValueError(f"entity_dim must be 0 or a width, got {self.entity_dim!r}")
        if type(self.lstm_layers) is not int or not 1 <= self.lstm_layers <= 64:
            raise ValueError(f"lstm_layers must be from 1 to 64, got {self.lstm_layers!r}")
        if not (0 <= self.embedding_dropout < 1 and 0 <= self.hidden_dropout < 1):
            raise ValueError("dropout is a share of at least 0 and below 1")


class PathState(NamedTuple):
    """Walkers' memory.

    Attributes:
        memory: (num_states, 2 * lstm_layers * hidden_dim), hidden and cell of each LSTM layer in turn.
        relation: (num_states,) int64, the relation asked.
        at: (num_states, entity_dim), embedding of the entity stood on.
    """

    memory: Tensor
    relation: Tensor
    at: Tensor


class PathPolicy(nn.Module):
    """Policy over (relation, entity) moves; see the module's text for the equations.

    Args:
        num_entities: entities of the graph. With entity embeddings an id beyond them, such as an overlay adds, is an
            IndexError; a relation-only policy walks there like anywhere else.
        num_relations: R, forward relations.
        config: sizes.
    """

    def __init__(self, num_entities: int, num_relations: int, config: PathPolicyConfig) -> None:
        super().__init__()
        if type(num_entities) is not int or type(num_relations) is not int or min(num_entities, num_relations) < 0:
            raise ValueError(f"expected counts of entities and relations, got {num_entities!r} and {num_relations!r}")
        self.config = config
        self.num_entities = num_entities
        self.num_relations = num_relations
        # Inverses, STAY, and one more id: the move that has not been made yet at the source.
        self.start = 2 * num_relations + 1
        self.relations = nn.Parameter(torch.empty(2 * num_relations + 2, config.relation_dim))
        nn.init.xavier_normal_(self.relations)
        self.entities: nn.Parameter | None = None
        if config.entity_dim:
            self.entities = nn.Parameter(torch.empty(num_entities, config.entity_dim))
            nn.init.xavier_normal_(self.entities)
        width = config.relation_dim + config.entity_dim
        self.lstm = nn.ModuleList(
            nn.LSTMCell(width if layer == 0 else config.hidden_dim, config.hidden_dim)
            for layer in range(config.lstm_layers)
        )
        layers: list[nn.Module] = []
        previous = config.hidden_dim + width
        for size in config.mlp_dims:
            layers += [nn.Linear(previous, size), nn.ReLU(), nn.Dropout(config.hidden_dropout)]
            previous = size
        layers.append(nn.Linear(previous, width))
        self.mlp = nn.Sequential(*layers)

    @property
    def factorises(self) -> bool:
        """Whether a move's logit depends on relations alone, so that ``propagate`` may be used."""
        return self.entities is None

    def begin(self, queries: Ids) -> PathState:
        """See ``kgwalk.protocols.Policy``."""
        source, relation = torch.from_numpy(np.ascontiguousarray(queries.T[:2], dtype=np.int64)).to(
            self.relations.device
        )
        memory = self.relations.new_zeros(len(queries), 2 * self.config.lstm_layers * self.config.hidden_dim)
        return self._step(memory, relation, torch.full_like(source, self.start), source)

    def select(self, state: PathState, rows: NDArray[np.int64]) -> PathState:
        """See ``kgwalk.protocols.Policy``."""
        index = torch.from_numpy(rows).to(state.relation.device)
        at = ragged.lookup(state.at, index) if self.entities is not None else state.at.index_select(0, index)
        return PathState(ragged.lookup(state.memory, index), state.relation.index_select(0, index), at)

    def logits(self, state: PathState, candidates: Candidates) -> Tensor:
        """See ``kgwalk.protocols.Policy``."""
        relation_query, entity_query = self._queries(state)
        scores = relation_query @ self.relations[: self.start].T
        return ragged.edge_logits(scores, entity_query, self.entities, candidates, accumulate=True)

    def relation_logits(self, state: PathState) -> Tensor:
        """Logits of all relations, (num_states, 2R + 1), of a policy that factorises over relation paths."""
        if not self.factorises:
            raise ValueError("relation_logits needs a relation-only policy (entity_dim=0)")
        return self._queries(state)[0] @ self.relations[: self.start].T

    def log_norm(self, state: PathState, logits: Tensor, candidates: Candidates) -> Tensor:
        """See ``kgwalk.protocols.Policy``: a walker's policy is normalised over its candidates."""
        return ragged.log_sum_exp(logits, candidates.offsets)

    def advance(self, state: PathState, moves: Moves) -> PathState:
        """See ``kgwalk.protocols.Policy``."""
        device = state.relation.device
        relations = torch.from_numpy(moves.relations.astype(np.int64)).to(device)
        return self._step(
            state.memory, state.relation, relations, torch.from_numpy(moves.entities.astype(np.int64)).to(device)
        )

    def _step(self, memory: Tensor, asked: Tensor, relations: Tensor, entities: Tensor) -> PathState:
        at = self._entity(entities)
        x = torch.cat([self._relation(relations), at], dim=1)
        parts = torch.split(memory, self.config.hidden_dim, dim=1)
        after: list[Tensor] = []
        for layer, lstm in enumerate(self.lstm):
            hidden, cell = lstm(x, (parts[2 * layer], parts[2 * layer + 1]))
            after += [hidden, cell]
            x = hidden
        return PathState(torch.cat(after, dim=1), asked, at)

    def _queries(self, state: PathState) -> tuple[Tensor, Tensor | None]:
        width = self.config.hidden_dim
        last_hidden = state.memory[:, -2 * width : -width]
        x = self.mlp(torch.cat([last_hidden, self._relation(state.relation), state.at], dim=1))
        if self.entities is None:
            return x, None
        return x[:, : self.config.relation_dim], x[:, self.config.relation_dim :]

    def _relation(self, relations: Tensor) -> Tensor:
        return self._drop(ragged.lookup(self.relations, relations))

    def _entity(self, entities: Tensor) -> Tensor:
        if self.entities is None:
            return self.relations.new_empty(len(entities), 0)
        return self._drop(ragged.lookup(self.entities, entities, accumulate=True))

    def _drop(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, self.config.embedding_dropout, self.training)
