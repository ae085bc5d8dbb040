"""SplitPolicy: two agents walk together, one choosing the relation, one the entity (RuleGuider, Lei et al. 2020).

The relation agent knows the relation that is asked and those followed so far; the entity agent knows what the relation
agent has done and, if its configuration says so, where the two have been:

    h_{t+1} = LSTM(h_t, r_t),   p(r | s) = softmax over the relations at the node of   MLP([h_t; r_q]) . R[r]
                                p(e | r, s) = softmax over the entities behind r of   MLP([h_{t+1}; r_q; places]) . E[e]

A move's probability is ``p(r | s) p(e | r, s)``; that is what is sampled from, trained and searched. The published
code multiplies two softmaxes, neither of which is over the legal moves: its product is no probability.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kgwalk import ragged
from kgwalk.protocols import Candidates, Ids, Moves, Offsets
from kgwalk.rules import RuleGuide

Sight = Literal["relations", "places", "history"]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class SplitPolicyConfig:
    """Sizes of a SplitPolicy.

    Attributes:
        relation_dim: width of the relation embeddings.
        entity_dim: width of the entity embeddings; 0 leaves the choice among a relation's entities to chance.
        hidden_dim: width of the LSTMs.
        mlp_dims: widths of the perceptrons' hidden layers.
        sight: what the entity agent knows of entities, apart from those it chooses from: ``"relations"``, nothing, so
            that the walks that meet can be added up (``kgwalk.search.propagate_split``); ``"places"``, the source and
            the entity it stands on; ``"history"``, all of them in turn, as published.
        independent: the entity agent does not know the relation chosen in this hop, only those before it, as published.
        embedding_dropout: share of embedding entries dropped while training.
        hidden_dropout: share of hidden units of the perceptrons dropped while training.
    """

    relation_dim: int = 64
    entity_dim: int = 0
    hidden_dim: int = 64
    mlp_dims: tuple[int, ...] = (128,)
    sight: Sight = "relations"
    independent: bool = False
    embedding_dropout: float = 0.0
    hidden_dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuse sizes that make no network, or one that no memory holds."""
        sizes = (self.relation_dim, self.hidden_dim, *self.mlp_dims)
        if any(type(size) is not int or not 1 <= size <= 1 << 16 for size in sizes):
            raise ValueError(f"widths must be whole numbers from 1 to {1 << 16}, got {sizes}")
        if type(self.entity_dim) is not int or not 0 <= self.entity_dim <= 1 << 16:
            raise ValueError(f"entity_dim must be 0 or a width, got {self.entity_dim!r}")
        if self.sight not in get_args(Sight):
            raise ValueError(f"sight must be one of {', '.join(get_args(Sight))}, got {self.sight!r}")
        if not (0 <= self.embedding_dropout < 1 and 0 <= self.hidden_dropout < 1):
            raise ValueError("dropout is a share of at least 0 and below 1")


class Prefixes(NamedTuple):
    """What the relation agent remembers of each distinct (relation asked, relations followed).

    Attributes:
        asked: (num_prefixes,) int64, the relation asked.
        memory: (num_prefixes, 2 * hidden_dim), hidden and cell after the relations followed.
        before: the same before the last of them; what an independent entity agent knows.
        nodes: (num_prefixes,) int32, where in the tree of rules they are; None without guidance.
    """

    asked: Tensor
    memory: Tensor
    before: Tensor
    nodes: Ids | None = None


class Places(NamedTuple):
    """Where a walker has been, as far as the entity agent sees it.

    Attributes:
        source: (num_states,) int64.
        at: (num_states,) int64.
        memory: (num_states, 2 * hidden_dim), hidden and cell over the entities entered; no columns if it sees less.
    """

    source: Tensor
    at: Tensor
    memory: Tensor


class SplitState(NamedTuple):
    """Walkers' memory; walkers with the same relations behind them share a row of ``prefixes``.

    Attributes:
        prefix: (num_states,) int64, row in ``prefixes``.
        prefixes: of all of them.
        places: None where the entity agent sees relations only.
    """

    prefix: Rows
    prefixes: Prefixes
    places: Places | None


class RelationAgent(nn.Module):
    """Chooses the relation of a hop; see the module's text.

    Args:
        num_relations: R, forward relations.
        config: sizes.

    Attributes:
        guide: what rules add to its log-scores; None by default, and no weight of its own.
    """

    def __init__(self, num_relations: int, config: SplitPolicyConfig) -> None:
        super().__init__()
        self.guide: RuleGuide | None = None
        # Inverses, STAY, and one more id: the move that has not been made yet at the source.
        self.start = 2 * num_relations + 1
        self.dropout = config.embedding_dropout
        self.table = nn.Parameter(torch.empty(2 * num_relations + 2, config.relation_dim))
        nn.init.xavier_normal_(self.table)
        self.lstm = nn.LSTMCell(config.relation_dim, config.hidden_dim)
        self.mlp = _perceptron(config.hidden_dim + config.relation_dim, config, config.relation_dim)

    def begin(self, asked: Tensor) -> Prefixes:
        """Memory before the first hop, for relations asked, (n,) int64."""
        nothing = self.table.new_zeros(len(asked), 2 * self.lstm.hidden_size)
        begun = self._remember(Prefixes(asked, nothing, nothing), torch.full_like(asked, self.start))
        return begun if self.guide is None else begun._replace(nodes=self.guide.trie.start(asked.numpy(force=True)))

    def follow(self, prefixes: Prefixes, relations: Tensor) -> Prefixes:
        """Memory after each has followed its relation, (n,) int64."""
        after = self._remember(prefixes, relations)
        if self.guide is None or prefixes.nodes is None:
            return after
        return after._replace(nodes=self.guide.trie.advance(prefixes.nodes, relations.numpy(force=True)))

    def logits(self, prefixes: Prefixes) -> Tensor:
        """Unnormalised log-scores of all relations and STAY, (n, 2R + 1)."""
        hidden = prefixes.memory[:, : self.lstm.hidden_size]
        query: Tensor = self.mlp(torch.cat([hidden, self.embed(prefixes.asked)], dim=1))
        logits = query @ self.table[: self.start].T
        if self.guide is None or prefixes.nodes is None:
            return logits
        return logits + torch.from_numpy(self.guide.log_scores(prefixes.nodes)).to(logits)

    def _remember(self, prefixes: Prefixes, relations: Tensor) -> Prefixes:
        hidden, cell = self.lstm(self.embed(relations), prefixes.memory.chunk(2, dim=1))
        return Prefixes(prefixes.asked, torch.cat([hidden, cell], dim=1), prefixes.memory)

    def embed(self, relations: Tensor) -> Tensor:
        """Embeddings of relations, (n, relation_dim)."""
        return nn.functional.dropout(ragged.lookup(self.table, relations), self.dropout, self.training)


class EntityAgent(nn.Module):
    """Chooses one of the entities behind the relation of a hop; see the module's text.

    Args:
        num_entities: entities of the graph. An id beyond them, such as an overlay adds, is an IndexError.
        config: sizes; ``entity_dim`` is not 0.
    """

    def __init__(self, num_entities: int, config: SplitPolicyConfig) -> None:
        super().__init__()
        self.config = config
        self.table = nn.Parameter(torch.empty(num_entities, config.entity_dim))
        nn.init.normal_(self.table, std=0.1)
        inputs = config.hidden_dim + config.relation_dim
        if config.sight != "relations":
            inputs += 2 * config.entity_dim
        if config.sight == "history":
            self.lstm = nn.LSTMCell(config.entity_dim, config.hidden_dim)
            inputs += config.hidden_dim
        self.mlp = _perceptron(inputs, config, config.entity_dim)

    def begin(self, sources: Tensor) -> Places:
        """What is known at the sources, (n,) int64."""
        width = 2 * self.config.hidden_dim if self.config.sight == "history" else 0
        return self.arrive(Places(sources, sources, self.table.new_zeros(len(sources), width)), sources)

    def arrive(self, places: Places, entities: Tensor) -> Places:
        """What is known after each has entered its entity, (n,) int64."""
        memory = places.memory
        if self.config.sight == "history":
            memory = torch.cat(self.lstm(self._embed(entities), memory.chunk(2, dim=1)), dim=1)
        return Places(places.source, entities, memory)

    def queries(self, relations: Tensor, asked: Tensor, places: Places | None) -> Tensor:
        """What the embeddings of the entities are multiplied with, (n, entity_dim).

        Args:
            relations: (n, hidden_dim), the relation agent's memory.
            asked: (n, relation_dim), embedding of the relation asked.
            places: where the walkers are, None if that is not seen.
        """
        seen = [relations, asked]
        if places is not None:
            seen += [
                self._embed(places.at),
                self._embed(places.source),
                places.memory[:, : places.memory.shape[1] // 2],
            ]
        query: Tensor = self.mlp(torch.cat(seen, dim=1))
        return query

    def _embed(self, entities: Tensor) -> Tensor:
        rows = ragged.lookup(self.table, entities, accumulate=True)
        return nn.functional.dropout(rows, self.config.embedding_dropout, self.training)


class SplitPolicy(nn.Module):
    """Policy over (relation, entity) moves in two choices.

    Args:
        num_entities: entities of the graph.
        num_relations: R, forward relations.
        config: sizes.

    Attributes:
        relation_agent: chooses relations.
        entity_agent: chooses entities; None where chance does.
    """

    def __init__(self, num_entities: int, num_relations: int, config: SplitPolicyConfig) -> None:
        super().__init__()
        if type(num_entities) is not int or type(num_relations) is not int or min(num_entities, num_relations) < 0:
            raise ValueError(f"expected counts of entities and relations, got {num_entities!r} and {num_relations!r}")
        self.config = config
        self.num_entities = num_entities
        self.num_relations = num_relations
        self.relation_agent = RelationAgent(num_relations, config)
        self.entity_agent = EntityAgent(num_entities, config) if config.entity_dim else None

    @property
    def factorises(self) -> bool:
        """Whether a move's probability depends on the relations before it and the node alone."""
        return self.entity_agent is None or self.config.sight == "relations"

    @property
    def entity_table(self) -> nn.Parameter | None:
        """(num_entities, entity_dim), or None."""
        return None if self.entity_agent is None else self.entity_agent.table

    def begin(self, queries: Ids) -> SplitState:
        """See ``kgwalk.protocols.Policy``."""
        asked, prefix = np.unique(queries[:, 1].astype(np.int64), return_inverse=True)
        prefixes = self.relation_agent.begin(self._ids(asked))
        places = None
        if self.entity_agent is not None and not self.factorises:
            places = self.entity_agent.begin(self._ids(queries[:, 0]))
        return SplitState(prefix, prefixes, places)

    def select(self, state: SplitState, rows: Rows) -> SplitState:
        """See ``kgwalk.protocols.Policy``."""
        places = state.places
        if places is not None:
            index = self._ids(rows)
            source, at, memory = places
            places = Places(source.index_select(0, index), at.index_select(0, index), ragged.lookup(memory, index))
        return SplitState(state.prefix[rows], state.prefixes, places)

    def follow(self, state: SplitState, relations: Ids) -> SplitState:
        """State once each walker has chosen its relation, (n,), but not yet the entity."""
        width = self.relation_agent.start + 1
        keys, prefix = np.unique(state.prefix * width + relations, return_inverse=True)
        parents = self._ids(keys // width)
        asked, memory, before, nodes = state.prefixes
        old = Prefixes(
            asked.index_select(0, parents),
            memory.index_select(0, parents),
            before.index_select(0, parents),
            None if nodes is None else nodes[keys // width],
        )
        return SplitState(prefix, self.relation_agent.follow(old, self._ids(keys % width)), state.places)

    def arrive(self, state: SplitState, entities: Ids) -> SplitState:
        """State once each walker that has chosen its relation has chosen the entity too, (n,)."""
        if state.places is None or self.entity_agent is None:
            return state
        return state._replace(places=self.entity_agent.arrive(state.places, self._ids(entities)))

    def advance(self, state: SplitState, moves: Moves) -> SplitState:
        """See ``kgwalk.protocols.Policy``."""
        return self.arrive(self.follow(state, moves.relations), moves.entities)

    def relation_logits(self, state: SplitState) -> Tensor:
        """Unnormalised log-scores of all relations and STAY, (num_states, 2R + 1)."""
        return self.relation_agent.logits(state.prefixes).index_select(0, self._ids(state.prefix))

    def open_relation_logits(self, state: SplitState, offsets: Offsets, relations: Ids) -> Tensor:
        """The same of some relations only, ragged: row i of ``offsets`` and ``relations`` are those open to state i."""
        logits = self.relation_agent.logits(state.prefixes)
        place = np.repeat(state.prefix, np.diff(offsets)) * logits.shape[1] + relations
        return logits.view(-1).index_select(0, self._ids(place))

    def entity_queries(self, state: SplitState) -> Tensor | None:
        """What the embeddings of entities are multiplied with, (num_states, entity_dim); None where chance chooses.

        Args:
            state: of walkers that have chosen their relation.
        """
        if self.entity_agent is None:
            return None
        known = state.prefixes.before if self.config.independent else state.prefixes.memory
        hidden, asked = known[:, : self.config.hidden_dim], self.relation_agent.embed(state.prefixes.asked)
        prefix = self._ids(state.prefix)
        if state.places is None:
            return ragged.lookup(self.entity_agent.queries(hidden, asked, None), prefix)
        return self.entity_agent.queries(
            ragged.lookup(hidden.contiguous(), prefix), ragged.lookup(asked, prefix), state.places
        )

    def entity_logits(self, state: SplitState, offsets: Offsets, entities: Ids) -> Tensor:
        """Unnormalised log-scores of the entities behind the relations chosen, ragged, (num_candidates,)."""
        queries = self.entity_queries(state)
        if queries is None:
            return self.relation_agent.table.new_zeros(len(entities))
        nothing = queries.new_zeros(len(queries), 1)
        candidates = Candidates(offsets, np.zeros(len(entities), np.int32), entities)
        return ragged.edge_logits(nothing, queries, self.entity_table, candidates, accumulate=True)

    def logits(self, state: SplitState, candidates: Candidates) -> Tensor:
        """See ``kgwalk.protocols.Policy``: ``log p(r) + log p(e given r)``, normalised over the candidates."""
        rows = np.repeat(np.arange(len(candidates.offsets) - 1), np.diff(candidates.offsets))
        # A row holds its candidates by relation: a run of one relation is a choice of the relation agent.
        starts = np.flatnonzero(np.r_[True, (np.diff(rows) != 0) | (np.diff(candidates.relations) != 0)][: len(rows)])
        runs = np.append(starts, len(rows))
        run_rows, relations = rows[starts], candidates.relations[starts]
        offsets = np.searchsorted(run_rows, np.arange(len(candidates.offsets)))
        chosen = ragged.log_softmax(self.open_relation_logits(state, offsets, relations), offsets)
        followed = self.follow(self.select(state, run_rows), relations)
        picked = ragged.log_softmax(self.entity_logits(followed, runs, candidates.entities), runs)
        return picked + chosen.index_select(0, self._ids(np.repeat(np.arange(len(starts)), np.diff(runs))))

    def log_norm(self, state: SplitState, logits: Tensor, candidates: Candidates) -> Tensor:
        """See ``kgwalk.protocols.Policy``: its logits are normalised already."""
        return logits.new_zeros(len(candidates.offsets) - 1)

    def _ids(self, ids: NDArray[np.integer]) -> Tensor:
        return torch.from_numpy(ids.astype(np.int64)).to(self.relation_agent.table.device)


def _perceptron(inputs: int, config: SplitPolicyConfig, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for size in config.mlp_dims:
        layers += [nn.Linear(inputs, size), nn.ReLU(), nn.Dropout(config.hidden_dropout)]
        inputs = size
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))
