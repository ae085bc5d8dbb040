"""CandidateNetwork: an actor and critic for any library that hands over one observation at a time.

A move is scored by what it is, never by its place in the list: with ``s`` made of what an observation shows,

    [x_r; x_e] = MLP_actor(s),   logit(r, e) = x_r . R[r] + x_e . E[e],   V = MLP_critic(s)

as MINERVA (Das et al. 2018, equation 2) scores moves, with the trail of relations in place of its LSTM's memory. ``s``
also holds which relations are open, which tells what kind of entity the walker stands on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kgwalk import ragged
from kgwalk.protocols import Candidates, Ids, Moves

Decision = Literal["edge", "split"]


@dataclass(frozen=True)
class CandidateConfig:
    """Sizes of a CandidateNetwork.

    Attributes:
        relation_dim: width of the relation embeddings.
        entity_dim: width of the entity embeddings; 0 makes a network that is blind to entities.
        hidden_dims: widths of the hidden layers of actor and critic.
        decision: what the environment asks for at once: an ``"edge"``, or a relation and then an entity (``"split"``).
    """

    relation_dim: int = 64
    entity_dim: int = 0
    hidden_dims: tuple[int, ...] = (128,)
    decision: Decision = "edge"

    def __post_init__(self) -> None:
        """Refuse sizes that make no network, or one that no memory holds."""
        sizes = (self.relation_dim, *self.hidden_dims)
        if any(type(size) is not int or not 1 <= size <= 1 << 16 for size in sizes):
            raise ValueError(f"widths must be whole numbers from 1 to {1 << 16}, got {sizes}")
        if type(self.entity_dim) is not int or not 0 <= self.entity_dim <= 1 << 16:
            raise ValueError(f"entity_dim must be 0 or a width, got {self.entity_dim!r}")
        if self.decision not in get_args(Decision):
            raise ValueError(f"decision must be edge or split, got {self.decision!r}")


class Seen(NamedTuple):
    """What an observation shows of n walkers, its candidates apart; all int64.

    Attributes:
        source: (n,).
        asked: (n,), the query's relation.
        at: (n,), the entity stood on.
        trail: (n, horizon), relations followed; ``2R + 1`` where no move has been made.
        step: (n,), hops made.
    """

    source: Tensor
    asked: Tensor
    at: Tensor
    trail: Tensor
    step: Tensor


class CandidateNetwork(nn.Module):
    """Actor and critic over padded or ragged candidates, and a ``kgwalk.protocols.Policy``, so that a beam can walk it.

    Args:
        num_entities: entities of the graph. With entity embeddings an id beyond them, such as an overlay adds, is an
            IndexError; a network that is blind to entities walks there like anywhere else.
        num_relations: R, forward relations.
        horizon: hops of a walk.
        config: sizes.
    """

    def __init__(self, num_entities: int, num_relations: int, horizon: int, config: CandidateConfig) -> None:
        super().__init__()
        for name, count, most in (
            ("num_entities", num_entities, 1 << 31),
            ("num_relations", num_relations, 1 << 30),
            ("horizon", horizon, 1 << 10),
        ):
            if type(count) is not int or not 0 < count < most:
                raise ValueError(f"{name} must be a whole number from 1 to {most - 1}, got {count!r}")
        self.config = config
        self.num_entities = num_entities
        self.num_relations = num_relations
        self.horizon = horizon
        self.none = 2 * num_relations + 1  # inverses and STAY come before
        relation_dim, entity_dim = config.relation_dim, config.entity_dim
        self.relations = nn.Parameter(torch.empty(self.none + 1, relation_dim))
        nn.init.normal_(self.relations, std=relation_dim**-0.5)
        self.entities: nn.Parameter | None = None
        if entity_dim:
            self.entities = nn.Parameter(torch.empty(num_entities, entity_dim))
            nn.init.normal_(self.entities, std=0.3 * entity_dim**-0.5)  # what it learns soon outweighs the noise
        self.open = nn.Linear(self.none, relation_dim)
        width = (2 + horizon) * relation_dim + 2 * entity_dim
        self.actor = _perceptron(width, config.hidden_dims, relation_dim + entity_dim)
        self.critic = _perceptron(width, config.hidden_dims, 1)

    def see(self, observation: Mapping[str, Any]) -> tuple[Seen, Candidates, Tensor]:
        """Walkers, their legal moves, and where these stand: (n, A) bool, rows in the order of the candidates.

        Args:
            observation: of an environment with padded candidates, (n, ...) tensors or arrays of any number type. A
                ``trail`` (``kgwalk.wrappers.Trail``) is used if it is there; else the last relation is all that is
                known of it.

        Raises:
            ValueError: ids with fractions.
        """
        device = self.relations.device
        tensors = {key: torch.as_tensor(value).to(device) for key, value in observation.items()}
        told = tensors["source"]
        if told.is_floating_point() and bool((told != told.round()).any()):
            raise ValueError(
                "observation: expected ids, found fractions: leave out wrappers that normalise, such as VecNormalize"
            )
        source, asked, at, last, step = (
            tensors[key][:, 0].long() for key in ("source", "query_relation", "entity", "last_relation", "step")
        )
        if "trail" in tensors:
            trail = tensors["trail"].long()
        else:
            trail = torch.full((len(step), self.horizon), self.none, device=device)
            moved = torch.nonzero(step > 0)[:, 0]
            trail[moved, step[moved] - 1] = last[moved]
        mask = tensors["action_mask"] > 0
        return Seen(source, asked, at, trail, step), legal_moves(tensors, mask), mask

    def evaluate(self, seen: Seen, candidates: Candidates) -> tuple[Tensor, Tensor]:
        """Logits of the candidates, (num_candidates,), and values of the walkers, (n,).

        A walker of a split environment that is to choose a relation has these for candidates, one entry each at the
        entity it stands on; one that is to choose an entity has those that the relation leads to.
        """
        features = self._features(seen, candidates)
        return self._logits(features, candidates), self.critic(features.detach())[:, 0]

    def begin(self, queries: Ids) -> Seen:
        """See ``kgwalk.protocols.Policy``."""
        device = self.relations.device
        source, asked = torch.from_numpy(np.ascontiguousarray(queries.T[:2], dtype=np.int64)).to(device)
        trail = torch.full((len(queries), self.horizon), self.none, device=device)
        return Seen(source, asked, source, trail, torch.zeros_like(source))

    def select(self, state: Seen, rows: NDArray[np.int64]) -> Seen:
        """See ``kgwalk.protocols.Policy``."""
        index = torch.from_numpy(rows).to(state.step.device)
        return Seen(*(field.index_select(0, index) for field in state))

    def logits(self, state: Seen, candidates: Candidates) -> Tensor:
        """See ``kgwalk.protocols.Policy``; of a split decision ``log p(r) + log p(e given r)``."""
        if self.config.decision == "edge":
            return self._logits(self._features(state, candidates), candidates)
        return self._split_logits(state, candidates)

    def log_norm(self, state: Seen, logits: Tensor, candidates: Candidates) -> Tensor:
        """See ``kgwalk.protocols.Policy``."""
        return ragged.log_sum_exp(logits, candidates.offsets)

    def advance(self, state: Seen, moves: Moves) -> Seen:
        """See ``kgwalk.protocols.Policy``."""
        device = state.step.device
        trail = state.trail.clone()
        followed, at = (torch.from_numpy(ids.astype(np.int64)).to(device) for ids in (moves.relations, moves.entities))
        trail[torch.arange(len(trail), device=device), state.step] = followed
        return Seen(state.source, state.asked, at, trail, state.step + 1)

    def _features(self, seen: Seen, candidates: Candidates) -> Tensor:
        """What a network sees, (n, width); a walker whose candidates are of one relation is seen to have chosen it."""
        counts = np.diff(candidates.offsets)
        rows = np.repeat(np.arange(len(counts)), counts)
        is_open = torch.zeros(len(counts), self.none)
        is_open[torch.from_numpy(rows), torch.from_numpy(candidates.relations.astype(np.int64))] = 1.0
        is_open = is_open.to(self.relations.device)
        known = torch.cat([seen.asked[:, None], seen.trail], dim=1)
        parts = [ragged.lookup(self.relations, known.reshape(-1)).reshape(len(counts), -1), self.open(is_open)]
        if self.entities is not None:
            parts += [ragged.lookup(self.entities, ids) for ids in (seen.source, seen.at)]
        return torch.cat(parts, dim=1)

    def _logits(self, features: Tensor, candidates: Candidates) -> Tensor:
        queries = self.actor(features)
        width = self.config.relation_dim
        scores = queries[:, :width] @ self.relations[: self.none].T
        entity_query = queries[:, width:].contiguous() if self.entities is not None else None
        return ragged.edge_logits(scores, entity_query, self.entities, candidates)

    def _split_logits(self, state: Seen, candidates: Candidates) -> Tensor:
        """Both decisions at once: rows of moves are cut into runs of one relation, which a row has in order."""
        offsets, relations, entities = candidates
        rows = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        first = np.ones(len(relations), np.bool_)
        first[1:] = (relations[1:] != relations[:-1]) | (rows[1:] != rows[:-1])
        begins = np.flatnonzero(first)
        owner = rows[begins]
        run_of_row = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(offsets) - 1))])
        at = state.at.cpu().numpy().astype(np.int32)
        choices = Candidates(run_of_row.astype(np.int64), relations[begins], at[owner])
        of_relation = ragged.log_softmax(self._logits(self._features(state, choices), choices), choices.offsets)
        runs = np.concatenate([begins, [len(relations)]]).astype(np.int64)
        behind = Candidates(runs, relations, entities)
        chosen = self.select(state, owner.astype(np.int64))
        of_entity = ragged.log_softmax(self._logits(self._features(chosen, behind), behind), runs)
        return of_entity + of_relation.repeat_interleave(torch.from_numpy(np.diff(runs)).to(of_entity.device))


def legal_moves(observation: Mapping[str, Tensor], mask: Tensor) -> Candidates:
    """The moves of padded candidates that a mask (n, A) bool leaves, ragged."""
    offsets = np.zeros(len(mask) + 1, np.int64)
    np.cumsum(mask.sum(dim=1).cpu().numpy(), out=offsets[1:])
    relations, entities = (
        torch.as_tensor(observation[key]).to(mask.device)[mask].cpu().numpy().astype(np.int32, copy=False)
        for key in ("relations", "entities")
    )
    return Candidates(offsets, relations, entities)


def _perceptron(width: int, hidden: tuple[int, ...], out: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for size in hidden:
        layers += [nn.Linear(width, size), nn.ReLU()]
        width = size
    return nn.Sequential(*layers, nn.Linear(width, out))
