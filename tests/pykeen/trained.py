"""Family as PyKEEN reads it, and small models that PyKEEN trained on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pykeen.models import ERModel, model_resolver
from pykeen.training import SLCWATrainingLoop
from pykeen.triples import TriplesFactory

from kgwalk.data import Dataset
from kgwalk.data.dataset import facts_of
from kgwalk.protocols import Ids

#: Sizes that make the models small, and distances that ours have.
SIZES: dict[str, dict[str, Any]] = {
    "TransE": {"embedding_dim": 12, "scoring_fct_norm": 2},
    "TransR": {"embedding_dim": 12, "relation_dim": 8, "scoring_fct_norm": 2},
    "DistMult": {"embedding_dim": 12},
    "ComplEx": {"embedding_dim": 6},
    "ConvE": {"embedding_dim": 24, "embedding_height": 4, "embedding_width": 6, "output_channels": 4},
    "RotatE": {"embedding_dim": 6},
}


def named(dataset: Dataset, facts: Ids) -> NDArray[np.str_]:
    """Facts by names, (n, 3) str."""
    entities, relations = (np.array(names.to_list()) for names in (dataset.entities, dataset.relations))
    return np.stack([entities[facts[:, 0]], relations[facts[:, 1]], entities[facts[:, 2]]], axis=1)


def factory_of(dataset: Dataset, *, inverse: bool = False, further: Ids | None = None) -> TriplesFactory:
    """What PyKEEN makes of the training facts and further ones: its ids go by the alphabet."""
    rows = facts_of(dataset.graph)
    rows = rows if further is None else np.concatenate([rows, further])
    return TriplesFactory.from_labeled_triples(named(dataset, rows), create_inverse_triples=inverse)


def make(name: str, factory: TriplesFactory, **changes: Any) -> ERModel:
    """A model with random weights."""
    return model_resolver.make(name, {**SIZES.get(name, {}), **changes}, triples_factory=factory, random_seed=0)


def train(name: str, factory: TriplesFactory, **changes: Any) -> ERModel:
    """A model after an epoch of PyKEEN's own training loop."""
    model = make(name, factory, **changes)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    loop = SLCWATrainingLoop(model=model, triples_factory=factory, optimizer=optimizer)
    loop.train(factory, num_epochs=1, batch_size=128, use_tqdm=False)
    return model
