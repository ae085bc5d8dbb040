"""PyKEEN's interaction modules are the oracle of our models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pykeen.nn import modules
from torch import Tensor, nn

from kgwalk.scorers import MODELS, EmbeddingModel, EmbeddingScorer

# What PyKEEN says of all pairs of queries (n, 1, ...) and targets (1, m, d).
Oracle = Callable[[EmbeddingModel, Tensor, Tensor, Tensor], Tensor]


def as_complex(vectors: Tensor) -> Tensor:
    return torch.complex(*vectors.chunk(2, -1))


def transr(model: EmbeddingModel, h: Tensor, r: Tensor, t: Tensor) -> Tensor:
    size = model.config.relation_size
    matrices = r[..., size:].unflatten(-1, (model.config.dim, size))
    return modules.TransRInteraction(p=2, power_norm=False)(h, (r[..., :size], matrices), t)


def rotate(model: EmbeddingModel, h: Tensor, r: Tensor, t: Tensor) -> Tensor:
    return modules.RotatEInteraction()(as_complex(h), torch.polar(torch.ones_like(r), r), as_complex(t))


def rotate_moduli(model: EmbeddingModel, h: Tensor, r: Tensor, t: Tensor) -> Tensor:
    # PyKEEN's own knows the Euclidean distance only; a translation by 0 has the one that is asked for.
    turned = as_complex(h) * torch.polar(torch.ones_like(r), r)
    return modules.TransEInteraction(p=1)(turned, torch.zeros(()), as_complex(t))


def conve(model: EmbeddingModel, h: Tensor, r: Tensor, t: Tensor) -> Tensor:
    c = model.config
    interaction = modules.ConvEInteraction(
        embedding_dim=c.dim,
        embedding_height=c.height,
        embedding_width=c.dim // c.height,
        output_channels=c.channels,
        kernel_width=c.kernel,
    ).eval()
    interaction.hr2d.load_state_dict(model.picture.state_dict())
    interaction.hr1d.load_state_dict(nn.Sequential(*model.hidden[1:]).state_dict())
    return interaction(h, r, (t, model.bias[None, :, 0]))


CASES: dict[str, tuple[str, Callable[[int], dict[str, Any]], Oracle]] = {
    "transe-l1": (
        "transe",
        lambda half: {"distance": "l1"},
        lambda _, h, r, t: modules.TransEInteraction(p=1)(h, r, t),
    ),
    "transe-l2": (
        "transe",
        lambda half: {"distance": "l2"},
        lambda _, h, r, t: modules.TransEInteraction(p=2)(h, r, t),
    ),
    "transr": ("transr", lambda half: {"relation_size": half + 1}, transr),
    "distmult": ("distmult", lambda half: {}, lambda _, h, r, t: modules.DistMultInteraction()(h, r, t)),
    "complex": (
        "complex",
        lambda half: {},
        lambda _, h, r, t: modules.ComplExInteraction()(as_complex(h), as_complex(r), as_complex(t)),
    ),
    "conve": ("conve", lambda half: {"height": half, "kernel": 2, "channels": 3}, conve),
    "rotate-l2": ("rotate", lambda half: {"distance": "l2"}, rotate),
    "rotate-modulus": ("rotate", lambda half: {"distance": "modulus"}, rotate_moduli),
}


def drawn(name: str, sizes: dict[str, Any], entities: int, relations: int, seed: int) -> EmbeddingModel:
    """A model whose every weight and running mean is random."""
    torch.manual_seed(seed)
    kind = MODELS[name]
    model = kind(entities, relations, kind.Config(**sizes)).eval()
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.2 if name == "conve" else torch.randn_like(value))
    return model


@pytest.mark.parametrize("case", CASES)
@given(half=st.integers(2, 5), entities=st.integers(1, 9), relations=st.integers(1, 3), seed=st.integers(0, 1 << 20))
@settings(max_examples=20, deadline=None)
def test_scores_are_those_of_the_interaction(case: str, half: int, entities: int, relations: int, seed: int) -> None:
    name, sizes, oracle = CASES[case]
    model = drawn(name, {"dim": 2 * half, **sizes(half)}, entities, relations, seed)
    rng = np.random.default_rng(seed)
    queries = torch.from_numpy(np.stack([rng.integers(0, entities, 6), rng.integers(0, 2 * relations, 6)]))
    with torch.no_grad():
        ours = model.all_scores(*queries)
        vectors = model.entities[queries[0], None], model.relations[queries[1], None], model.entities[None]
        expected = oracle(model, *vectors)
    assert ours.shape == (6, entities)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)

    scorer = EmbeddingScorer(model, dataset="", fingerprint="", facts="", type_offsets=[0, entities])
    targets = rng.integers(0, entities, 6)
    facts = np.stack([*queries.numpy(), targets], axis=1).astype(np.int32)
    of_facts = expected[torch.arange(6), torch.from_numpy(targets)].sigmoid()  # a new scorer's curve is the plain one
    torch.testing.assert_close(torch.from_numpy(scorer.score_facts(facts)), of_facts, rtol=1e-4, atol=1e-5)
