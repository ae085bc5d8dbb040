"""Scores of single facts: those that the models' own formulas give in torch, whatever way they are gathered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kgwalk.scorers.models import MODELS, ConvEConfig, EmbeddingModel, RotatEConfig, TransEConfig, TransRConfig
from kgwalk.scorers.raw_scores import raw_scores

ENTITIES, RELATIONS = 30, 3
CONFIGS: dict[str, tuple[str, Any]] = {
    "complex": ("complex", MODELS["complex"].Config(dim=10)),
    "conve": ("conve", ConvEConfig(dim=12, height=4, channels=2)),
    "distmult": ("distmult", MODELS["distmult"].Config(dim=11)),
    "rotate": ("rotate", RotatEConfig(dim=10)),
    "rotate-modulus": ("rotate", RotatEConfig(dim=10, distance="modulus")),
    "transe": ("transe", TransEConfig(dim=9)),
    "transe-l1": ("transe", TransEConfig(dim=9, distance="l1")),
    "transr": ("transr", TransRConfig(dim=6, relation_size=4)),
}


@pytest.fixture(scope="module", params=CONFIGS)
def model(request: pytest.FixtureRequest) -> EmbeddingModel:
    """Every model with weights that are no special case."""
    torch.manual_seed(0)
    name, config = CONFIGS[request.param]
    made = MODELS[name](ENTITIES, RELATIONS, config)
    for weights in made.parameters():
        torch.nn.init.normal_(weights)
    return made.eval()


entities, relations = st.integers(0, ENTITIES - 1), st.integers(0, 2 * RELATIONS - 1)


@settings(max_examples=25)
@given(facts=st.lists(st.tuples(entities, relations, entities), max_size=40))
def test_raw_scores_are_those_among_all_targets(model: EmbeddingModel, facts: list[tuple[int, int, int]]) -> None:
    asked = np.array(facts, np.int32).reshape(-1, 3)
    sources, along, targets = torch.from_numpy(asked).long().T
    with torch.inference_mode():
        want = model.all_scores(sources, along)[torch.arange(len(asked)), targets]
    got = raw_scores(model, asked)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


def test_a_fact_scores_the_same_alone_and_among_many(model: EmbeddingModel) -> None:
    rng = np.random.default_rng(0)
    columns = [rng.integers(0, limit, 5_000, dtype=np.int32) for limit in (ENTITIES, 2 * RELATIONS, ENTITIES)]
    facts = np.stack(columns, axis=1)
    together = raw_scores(model, facts)
    for place in (0, 1_023, 1_024, 4_999):
        np.testing.assert_allclose(raw_scores(model, facts[place : place + 1]), together[place], rtol=1e-5, atol=1e-5)


def test_nothing_asked_nothing_scored(model: EmbeddingModel) -> None:
    assert raw_scores(model, np.zeros((0, 3), np.int32)).shape == (0,)
