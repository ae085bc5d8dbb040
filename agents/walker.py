"""WalkerAgent: answers queries by walking the graph along a policy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import torch

from kgwalk.data import Directions
from kgwalk.graph import ActionSets, Expand, Graph
from kgwalk.integrations.candidates import CandidateNetwork
from kgwalk.protocols import Ids, Policy, Ranked
from kgwalk.search import ANY, Paths, Prune, chain, propagate_split, rank, search
from kgwalk.search.answers import Pool
from kgwalk.search.layout import Final
from kgwalk.tensors import load_tensors, save_tensors

from .legal import LegalMoves
from .policies.path import PathPolicy, PathPolicyConfig
from .policies.split import SplitPolicy, SplitPolicyConfig
from .saved import check_trained_on, fill, reading, still

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from Python 3.11 on

WalkPolicy = PathPolicy | SplitPolicy | CandidateNetwork

_SETTINGS = ("dataset", "fingerprint", "hops", "max_out_degree", "beam", "final", "pool", "spread", "directions")
# By what a policy decides at once, as the environments call it.
_POLICIES: dict[str, tuple[type[PathPolicy] | type[SplitPolicy], type[Any]]] = {
    "edge": (PathPolicy, PathPolicyConfig),
    "split": (SplitPolicy, SplitPolicyConfig),
}


def walking_rules(graph: Graph, max_out_degree: int, *, training: bool) -> ActionSets:
    """Legal moves in training (the query's own edge is hidden) or when answering (there is none).

    In both, the last hop does not lead to answers which the graph already holds, the training target apart.
    """
    return ActionSets(Expand(graph, max_out_degree=max_out_degree), hide_fact=training, hide_answers=True)


class WalkerAgent:
    """A policy with a beam: the answers of a query are where the best paths end.

    Args:
        policy: scores moves.
        dataset: name of the dataset it was trained on.
        fingerprint: of that dataset; ids mean nothing on another.
        hops: length of a walk.
        max_out_degree: edges a node shows at most, 0 for all.
        beam: paths kept per query and hop.
        final: ``"expand"`` ranks all that the last hop reaches, ``"keep"`` the beam's paths alone.
        pool: how an answer's paths are put together, ``"logsumexp"`` or ``"max"``.
        spread: if not 0, walks are added up instead of listed (``kgwalk.search.propagate_split``), this many of their
            (relations, entity) pairs per query and hop: for a split policy that factorises. The beam then only lists
            paths for explanations.
        directions: what it was trained on, ``"tail"`` or ``"both"``; an evaluation asks no more.

    Attributes:
        prune: caps the candidates that the policy chooses from when it answers; None by default, and not saved.
    """

    name = "walker"

    def __init__(
        self,
        policy: WalkPolicy,
        *,
        dataset: str,
        fingerprint: str,
        hops: int,
        max_out_degree: int,
        beam: int = 128,
        final: Final = "keep",
        pool: Pool = "logsumexp",
        spread: int = 0,
        directions: Directions = "both",
    ) -> None:
        for key, value, least, most in (
            ("hops", hops, 1, 64),
            ("max_out_degree", max_out_degree, 0, 1 << 30),
            ("beam", beam, 1, 1 << 20),
            ("spread", spread, 0, 1 << 30),
        ):
            if type(value) is not int or not least <= value <= most:
                raise ValueError(f"{key} must be a whole number from {least} to {most}, got {value!r}")
        for key, choice, choices in (
            ("final", final, get_args(Final)),
            ("pool", pool, get_args(Pool)),
            ("directions", directions, ("tail", "both")),
        ):
            if choice not in choices:
                raise ValueError(f"{key} must be {' or '.join(choices)}, got {choice!r}")
        if spread and not (isinstance(policy, SplitPolicy) and policy.factorises and pool == "logsumexp"):
            raise ValueError("spread adds up the walks of split policies whose entity agent sees relations only")
        self.policy = policy
        self.dataset = dataset
        self.fingerprint = fingerprint
        self.hops = hops
        self.max_out_degree = max_out_degree
        self.beam = beam
        self.final = final
        self.pool = pool
        self.spread = spread
        self.directions = directions
        self.prune: Prune | None = None
        self._legal = LegalMoves(max_out_degree)

    def answer(self, queries: Ids, graph: Graph | Expand) -> Ranked:
        """See ``kgwalk.protocols.Agent``."""
        if self.spread and self.prune is None:
            assert isinstance(self.policy, SplitPolicy)
            with still(self.policy):
                return propagate_split(self._legal.on(graph), self.policy, queries, self.hops, keep=self.spread).ranked
        return rank(self.walks(queries, graph), len(queries), pool=self.pool)

    def walks(self, queries: Ids, graph: Graph | Expand) -> Paths:
        """See ``kgwalk.protocols.Walker``: the beam's."""
        layout = chain(ANY, self.beam, hops=self.hops, per="query", final=self.final)
        policy: Policy[Any] = self.policy
        with still(self.policy):
            return search(self._legal.on(graph), policy, layout, queries, prune=self.prune)

    def save(self, folder: Path) -> None:
        """Write ``folder/agent.safetensors``: weights, and as its note all that ``load`` needs."""
        note = {
            "agent": type(self).name,
            **self._settings(),
            **self._policy_note(),
            "num_entities": self.policy.num_entities,
            "num_relations": self.policy.num_relations,
            "policy": vars(self.policy.config),
        }
        save_tensors(folder / "agent.safetensors", self.policy.state_dict(), note)

    @classmethod
    def load(cls, folder: Path, fingerprint: str | None = None) -> Self:
        """The agent in ``folder``.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is damaged, or ``fingerprint`` is given and is not that of the dataset it was trained on.
        """
        path = folder / "agent.safetensors"
        tensors, note = load_tensors(path)
        with reading(path):
            return cls._from_note(tensors, note, folder, fingerprint)

    def _settings(self) -> dict[str, Any]:
        """What its note holds beside the policy's sizes."""
        return {key: getattr(self, key) for key in _SETTINGS}

    def _policy_note(self) -> dict[str, Any]:
        """What its note holds of the policy's kind, beside its sizes."""
        return {"decision": "split" if isinstance(self.policy, SplitPolicy) else "edge"}

    @classmethod
    def _policy_of(cls, note: dict[str, Any]) -> WalkPolicy:
        """The policy that a note tells of, without its weights."""
        kind, config = _POLICIES[note["decision"]]
        return kind(note["num_entities"], note["num_relations"], config(**_tuples(note["policy"], "mlp_dims")))

    @classmethod
    def _arguments(cls, note: dict[str, Any], folder: Path) -> dict[str, Any]:
        """What it is made with beside the policy; a KeyError or TypeError tells of a bad note."""
        return {key: note[key] for key in _SETTINGS}

    @classmethod
    def _from_note(
        cls, tensors: dict[str, torch.Tensor], note: dict[str, Any], folder: Path, fingerprint: str | None
    ) -> Self:
        check_trained_on(note["dataset"], note["fingerprint"], fingerprint)
        with torch.device("meta"):  # shapes only: a note that lies about sizes makes nothing large
            policy = cls._policy_of(note)
        fill(policy, tensors)
        return cls(policy, **cls._arguments(note, folder))


def _tuples(sizes: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Fields of a configuration, of which JSON made lists."""
    return {key: tuple(value) if key in keys else value for key, value in dict(sizes).items()}
