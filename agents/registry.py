"""Agents by name."""

from __future__ import annotations

from pathlib import Path

from kgwalk.data import Dataset
from kgwalk.tensors import load_tensors

from .embeddings import EMBEDDINGS, EmbeddingAgent
from .linear import ItemCF, LinearAgent, MostPopular
from .nser import Nser
from .path_reasoning import PathReasoning
from .pgpr import Pgpr
from .recommenders import RECOMMENDER_AGENTS, RecommenderAgent
from .reinforce import Reinforce
from .rule_guider import RuleGuider
from .rules import RuleAgent
from .saved import reading
from .sb3 import SB3MaskablePPO, SB3SplitPPO
from .typed_embeddings import TransEDotAgent, TypedEmbeddingAgent
from .walker import WalkerAgent

Registered = (
    WalkerAgent
    | RuleAgent
    | EmbeddingAgent
    | ItemCF
    | MostPopular
    | Nser
    | PathReasoning
    | Pgpr
    | RecommenderAgent
    | TypedEmbeddingAgent
)

_AGENTS: dict[str, type[Registered]] = {
    ItemCF.name: ItemCF,
    MostPopular.name: MostPopular,
    PathReasoning.name: PathReasoning,
    Pgpr.name: Pgpr,
    Nser.name: Nser,
    Reinforce.name: Reinforce,
    RuleAgent.name: RuleAgent,
    TransEDotAgent.name: TransEDotAgent,
    RuleGuider.name: RuleGuider,
    SB3MaskablePPO.name: SB3MaskablePPO,
    SB3SplitPPO.name: SB3SplitPPO,
    **EMBEDDINGS,
    **RECOMMENDER_AGENTS,
}


def names() -> list[str]:
    """Names that ``get`` knows."""
    return sorted(_AGENTS)


def get(name: str) -> type[Registered]:
    """The agent class of that name.

    Raises:
        KeyError: there is none.
    """
    try:
        return _AGENTS[name]
    except KeyError:
        raise KeyError(f"no agent {name!r}; there are {', '.join(names())}") from None


def has_scorer(name: str) -> bool:
    """Whether agents of that name are scorers too, which teach others.

    Raises:
        KeyError: there is none.
    """
    return issubclass(get(name), (EmbeddingAgent, LinearAgent, RecommenderAgent, TypedEmbeddingAgent))


def recommends(name: str) -> bool:
    """Whether agents of that name recommend items to users, and answer no other queries.

    Raises:
        KeyError: there is none.
    """
    return issubclass(get(name), (LinearAgent, Nser, PathReasoning, Pgpr, RecommenderAgent, TypedEmbeddingAgent))


def load(folder: Path, dataset: Dataset) -> Registered:
    """The trained agent in ``folder``.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, of an unknown kind, or was trained on another dataset.
    """
    path = folder / "agent.safetensors"
    _, note = load_tensors(path)
    name = note.get("agent")
    if not isinstance(name, str) or name not in _AGENTS:
        raise ValueError(f"{path} holds an agent {name!r}; known are {', '.join(names())}")
    agent = _AGENTS[name].load(folder, dataset.fingerprint)
    if isinstance(agent, (PathReasoning, RecommenderAgent)):
        with reading(path):
            agent.check_fits(dataset)
    return agent
