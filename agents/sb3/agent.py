"""SB3Walker: a network that Stable-Baselines3 trained, with a beam."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from kgwalk.data import Dataset
from kgwalk.integrations.candidates import CandidateConfig, CandidateNetwork, Decision

from ..trainable import Trainable, check_seed
from ..walker import WalkerAgent, WalkPolicy
from .config import TUNED, SB3Config

if TYPE_CHECKING:
    from .trainer import SB3Trainer


class SB3Walker(WalkerAgent, Trainable[SB3Config]):
    """Answers, explains, is saved and loaded like every walker; needs Stable-Baselines3 for training only.

    ``SB3Walker.of`` makes one of a model that was trained by a program of one's own.
    """

    name = "sb3"
    Config = SB3Config
    policy: CandidateNetwork
    decision: ClassVar[Decision]

    @staticmethod
    def of(network: CandidateNetwork, dataset: Dataset, **settings: Any) -> SB3Walker:
        """An agent of the network of a model's policy, ``model.policy.network``.

        Args:
            network: trained on ``dataset``.
            dataset: what it walked.
            settings: of ``WalkerAgent``, such as ``beam``; ``max_out_degree`` is the dataset card's unless given.

        Raises:
            ValueError: the network is of a graph of another size.
        """
        graph = dataset.graph
        if (network.num_entities, network.num_relations) != (graph.num_entities, graph.num_relations):
            raise ValueError(
                f"the network is of {network.num_entities} entities and {network.num_relations} relations, "
                f"{dataset.name} has {graph.num_entities} and {graph.num_relations}"
            )
        kind = SB3SplitPPO if network.config.decision == "split" else SB3MaskablePPO
        told: dict[str, Any] = {"max_out_degree": dataset.card.max_out_degree, **settings}
        return kind(network, dataset=dataset.name, fingerprint=dataset.fingerprint, hops=network.horizon, **told)

    @classmethod
    def config_for(cls, dataset: str) -> SB3Config:
        """The configuration that was chosen on a dataset's valid split; the defaults for an unknown name."""
        config = SB3Config(**TUNED.get(dataset, {}))
        return replace(config, network=replace(config.network, decision=cls.decision))

    @classmethod
    def trainer(cls, dataset: Dataset, config: SB3Config, folder: Path, *, seed: int = 0) -> SB3Trainer:
        """What ``fit`` runs, before its first step.

        Raises:
            ImportError: Stable-Baselines3 is not installed.
            ValueError: a seed out of range; a network that decides otherwise than this agent walks.
        """
        try:
            from .trainer import SB3Trainer
        except ImportError as error:
            raise ImportError(
                f'{cls.name} is trained by Stable-Baselines3: pip install "kgwalk[agents,sb3]"'
            ) from error
        check_seed(seed)
        if config.network.decision != cls.decision:
            raise ValueError(f"network.decision must be {cls.decision} for {cls.name}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            graph = dataset.graph
            network = CandidateNetwork(graph.num_entities, graph.num_relations, config.hops, config.network)
        agent = cls(
            network,
            dataset=dataset.name,
            fingerprint=dataset.fingerprint,
            hops=config.hops,
            max_out_degree=dataset.card.max_out_degree if config.max_out_degree is None else config.max_out_degree,
            beam=config.beam,
            final=config.final,
            directions=config.directions,
        )
        return SB3Trainer(agent, dataset, config, folder, seed)

    def _policy_note(self) -> dict[str, Any]:
        return {"horizon": self.policy.horizon}

    @classmethod
    def _policy_of(cls, note: dict[str, Any]) -> WalkPolicy:
        sizes = {**note["policy"], "hidden_dims": tuple(note["policy"]["hidden_dims"])}
        network = CandidateNetwork(
            note["num_entities"], note["num_relations"], note["horizon"], CandidateConfig(**sizes)
        )
        if network.config.decision != cls.decision:
            raise ValueError(f"decision must be {cls.decision} for {cls.name}, got {network.config.decision}")
        if note["hops"] != network.horizon:
            raise ValueError(f"hops must be the network's horizon {network.horizon}, got {note['hops']!r}")
        return network


class SB3MaskablePPO(SB3Walker):
    """MaskablePPO of sb3-contrib (Huang and Ontanon 2022) on one choice of (relation, entity) a hop."""

    name = "sb3-maskable-ppo"
    decision = "edge"


class SB3SplitPPO(SB3Walker):
    """PPO of Stable-Baselines3 on two choices a hop, a relation, then an entity: it reads masks from observations."""

    name = "sb3-ppo"
    decision = "split"
