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
    entity_dim: int = 64
    hidden_dim: int = 64
    lstm_layers: int = 1
    mlp_dims: tuple[int, ...] = (128,)
    embedding_dropout: float = 0.0
    hidden_dropout: float = 0.0


class PathState(NamedTuple):
    """Walkers' memory.

    Attributes:
        hidden, cell: (lstm_layers, num_states, hidden_dim).
        relation: (num_states,) int64, the relation asked.
        at: (num_states,) int64, the entity stood on.
    """

    hidden: Tensor
    cell: Tensor
    relation: Tensor
    at: Tensor


class PathPolicy(nn.Module):
    """Policy over (relation, entity) moves; see the module's text for the equations.

    Args:
        num_entities: entities with an embedding; entities added later share a zero vector.
        num_relations: R, forward relations.
        config: sizes.
    """

    def __init__(self, num_entities: int, num_relations: int, config: PathPolicyConfig) -> None:
        super().__init__()
        self.config = config
        self.num_entities = num_entities
        self.num_relations = num_relations
        # Inverses, STAY, and one more id: the move that has not been made yet at the source.
        self.start = 2 * num_relations + 1
        self.relations = nn.Embedding(2 * num_relations + 2, config.relation_dim)
        nn.init.xavier_normal_(self.relations.weight)
        self.entities: nn.Embedding | None = None
        if config.entity_dim:
            self.entities = nn.Embedding(num_entities, config.entity_dim)
            nn.init.xavier_normal_(self.entities.weight)
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
        self.embedding_dropout = nn.Dropout(config.embedding_dropout)

    @property
    def factorises(self) -> bool:
        """Whether a move's logit depends on relations alone, so that ``propagate`` may be used."""
        return self.entities is None

    def begin(self, queries: Ids) -> PathState:
        """See ``kgwalk.protocols.Policy``."""
        n, layers = len(queries), self.config.lstm_layers
        device = self.relations.weight.device
        zeros = torch.zeros(layers, n, self.config.hidden_dim, device=device)
        columns = torch.from_numpy(np.ascontiguousarray(queries.T, dtype=np.int64)).to(device)
        empty = PathState(zeros, zeros, columns[1], columns[0])
        return self._step(empty, torch.full((n,), self.start, device=device), columns[0])

    def select(self, state: PathState, rows: NDArray[np.int64]) -> PathState:
        """See ``kgwalk.protocols.Policy``."""
        index = torch.from_numpy(rows).to(state.at.device)
        return PathState(
            state.hidden.index_select(1, index),
            state.cell.index_select(1, index),
            state.relation.index_select(0, index),
            state.at.index_select(0, index),
        )

    def logits(self, state: PathState, candidates: Candidates) -> Tensor:
        """See ``kgwalk.protocols.Policy``."""
        relation_query, entity_query = self._queries(state)
        scores = relation_query @ self.relations.weight[: self.start].T
        table = self.entities.weight if self.entities is not None else None
        return ragged.edge_logits(scores, entity_query, table, candidates)

    def relation_logits(self, state: PathState) -> Tensor:
        """Logits of all relations, (num_states, 2R + 1), of a policy that factorises over relation paths."""
        if not self.factorises:
            raise ValueError("relation_logits needs a relation-only policy (entity_dim=0)")
        return self._queries(state)[0] @ self.relations.weight[: self.start].T

    def log_norm(self, state: PathState, logits: Tensor, candidates: Candidates) -> Tensor:
        """See ``kgwalk.protocols.Policy``: a walker's policy is normalised over its candidates."""
        return ragged.log_sum_exp(logits, candidates.offsets)

    def advance(self, state: PathState, moves: Moves) -> PathState:
        """See ``kgwalk.protocols.Policy``."""
        device = state.at.device
        relations = torch.from_numpy(moves.relations.astype(np.int64)).to(device)
        return self._step(state, relations, torch.from_numpy(moves.entities.astype(np.int64)).to(device))

    def _step(self, state: PathState, relations: Tensor, at: Tensor) -> PathState:
        x = self._embed(relations, at)
        hidden, cell = [], []
        for layer, lstm in enumerate(self.lstm):
            h, c = lstm(x, (state.hidden[layer], state.cell[layer]))
            hidden.append(h)
            cell.append(c)
            x = h
        return PathState(torch.stack(hidden), torch.stack(cell), state.relation, at)

    def _queries(self, state: PathState) -> tuple[Tensor, Tensor | None]:
        x = self.mlp(torch.cat([state.hidden[-1], self._embed(state.relation, state.at)], dim=1))
        if self.entities is None:
            return x, None
        relation_query, entity_query = x.split([self.config.relation_dim, self.config.entity_dim], dim=1)
        return relation_query, entity_query

    def _embed(self, relations: Tensor, at: Tensor) -> Tensor:
        x = self.relations(relations)
        if self.entities is not None:
            x = torch.cat([x, self.entities(at)], dim=1)
        return self.embedding_dropout(x)
