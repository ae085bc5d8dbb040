"""WalkerAgent: answers queries by walking the graph along a policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import torch

from kgwalk.data import Directions
from kgwalk.graph import ActionSets, Expand, Graph
from kgwalk.protocols import Ids, Ranked
from kgwalk.search import ANY, Prune, chain, rank, search
from kgwalk.search.answers import Pool
from kgwalk.search.layout import Final
from kgwalk.tensors import load_tensors, save_tensors

from .policies.path import PathPolicy, PathPolicyConfig

_SETTINGS = ("dataset", "fingerprint", "hops", "max_out_degree", "beam", "final", "pool", "directions")


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
        directions: what it was trained on, ``"tail"`` or ``"both"``; an evaluation asks no more.

    Attributes:
        prune: caps the candidates that the policy chooses from when it answers; None by default, and not saved.
    """

    name = "walker"

    def __init__(
        self,
        policy: PathPolicy,
        *,
        dataset: str,
        fingerprint: str,
        hops: int,
        max_out_degree: int,
        beam: int = 128,
        final: Final = "keep",
        pool: Pool = "logsumexp",
        directions: Directions = "both",
    ) -> None:
        for key, value, least, most in (
            ("hops", hops, 1, 64),
            ("max_out_degree", max_out_degree, 0, 1 << 30),
            ("beam", beam, 1, 1 << 20),
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
        self.policy = policy
        self.dataset = dataset
        self.fingerprint = fingerprint
        self.hops = hops
        self.max_out_degree = max_out_degree
        self.beam = beam
        self.final = final
        self.pool = pool
        self.directions = directions
        self.prune: Prune | None = None
        self._rules: tuple[Graph, ActionSets] | None = None

    def answer(self, queries: Ids, graph: Graph) -> Ranked:
        """See ``kgwalk.protocols.Agent``."""
        if self._rules is None or self._rules[0] is not graph:
            self._rules = (graph, walking_rules(graph, self.max_out_degree, training=False))
        training = self.policy.training
        self.policy.eval()
        try:
            layout = chain(ANY, self.beam, hops=self.hops, per="query", final=self.final)
            paths = search(self._rules[1], self.policy, layout, queries, prune=self.prune)
        finally:
            self.policy.train(training)
        return rank(paths, len(queries), pool=self.pool)

    def save(self, folder: Path) -> None:
        """Write ``folder/agent.safetensors``: weights, and as its note all that ``load`` needs."""
        note = {
            "agent": type(self).name,
            **{key: getattr(self, key) for key in _SETTINGS},
            "num_entities": self.policy.num_entities,
            "num_relations": self.policy.num_relations,
            "policy": vars(self.policy.config),
        }
        save_tensors(folder / "agent.safetensors", self.policy.state_dict(), note)

    @classmethod
    def load(cls, folder: Path, fingerprint: str | None = None) -> WalkerAgent:
        """The agent in ``folder``.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is damaged, or ``fingerprint`` is given and is not that of the dataset it was trained on.
        """
        path = folder / "agent.safetensors"
        tensors, note = load_tensors(path)
        try:
            return cls._from_note(tensors, note, fingerprint)
        except KeyError as error:
            raise ValueError(f"{path}: its note lacks {error}") from error
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{path}: {error}") from error

    @classmethod
    def _from_note(cls, tensors: dict[str, torch.Tensor], note: dict[str, Any], fingerprint: str | None) -> WalkerAgent:
        if fingerprint is not None and note["fingerprint"] != fingerprint:
            raise ValueError(
                f"trained on {note['dataset']} with fingerprint {note['fingerprint']}, "
                f"but this dataset has {fingerprint}: its ids mean other things"
            )
        sizes = dict(note["policy"])
        sizes["mlp_dims"] = tuple(sizes["mlp_dims"])
        with torch.device("meta"):  # shapes only: a note that lies about sizes makes nothing large
            policy = PathPolicy(note["num_entities"], note["num_relations"], PathPolicyConfig(**sizes))
        expected = {key: (value.shape, value.dtype) for key, value in policy.state_dict().items()}
        found = {key: (value.shape, value.dtype) for key, value in tensors.items()}
        if expected != found:
            wrong = sorted(key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key))
            raise ValueError(f"weights {', '.join(wrong)} do not have the shapes and types its note tells")
        policy.load_state_dict(tensors, assign=True)
        policy.eval()
        return cls(policy, **{key: note[key] for key in _SETTINGS})
