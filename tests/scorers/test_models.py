"""Models and EmbeddingScorer against plain Python."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="embeddings need torch: pip install 'kgwalk[agents]'")

import torch

from kgwalk.protocols import Scorer
from kgwalk.scorers import MODELS, EmbeddingModel, EmbeddingScorer, score_facts, sorted_by_score
from kgwalk.scorers.calibration import Calibration
from tests.scorers.plain_models import CASES, ENTITIES, RELATIONS, make, plain_score

CURVE = Calibration(0.5, -0.75)
EVERY_QUERY = np.array([(s, r, -1) for s in range(ENTITIES) for r in range(2 * RELATIONS)], np.int32)


@pytest.fixture(scope="module", params=CASES)
def model(request: pytest.FixtureRequest) -> EmbeddingModel:
    return make(request.param)


@pytest.fixture(scope="module")
def oracle(model: EmbeddingModel) -> np.ndarray:
    """Scores by source, relation and target."""
    shape = (ENTITIES, 2 * RELATIONS, ENTITIES)
    return np.array([plain_score(model, *fact) for fact in np.ndindex(*shape)]).reshape(shape)


@pytest.fixture
def scorer(model: EmbeddingModel) -> EmbeddingScorer:
    return scorer_of(model)


def scorer_of(model: EmbeddingModel) -> EmbeddingScorer:
    own = {"dataset": "Tiny", "fingerprint": "a", "facts": "b", "type_offsets": [0, 5, ENTITIES]}
    return EmbeddingScorer(model, **own, calibration=CURVE)  # type: ignore[arg-type]


def probability(scores: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-(CURVE.slope * scores + CURVE.intercept)))


def test_all_models_are_here() -> None:
    assert {name for name, _ in CASES.values()} == set(MODELS)


def test_scores_of_all_entities(scorer: EmbeddingScorer, oracle: np.ndarray) -> None:
    scores = scorer.scores(EVERY_QUERY)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, oracle.reshape(-1, ENTITIES), rtol=1e-4, atol=1e-4)


def test_scores_of_facts(scorer: EmbeddingScorer, oracle: np.ndarray) -> None:
    """Mixed relations at once, more facts than are scored together, some of them more than once."""
    facts = np.random.default_rng(0).integers(0, (ENTITIES, 2 * RELATIONS, ENTITIES), (1300, 3)).astype(np.int32)
    expected = probability(oracle[tuple(facts.T)])
    got = scorer.score_facts(facts)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(score_facts(scorer, facts), expected, rtol=1e-4, atol=1e-5)
    sources, relations, targets = (np.ascontiguousarray(column) for column in facts.T)
    for relation in range(2 * RELATIONS):
        rows = relations == relation
        one = scorer.score(sources[rows], relation, targets[rows])
        np.testing.assert_allclose(one, expected[rows], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("entity_type", [None, 0, 1])
def test_top_k(scorer: EmbeddingScorer, oracle: np.ndarray, entity_type: int | None) -> None:
    first, last = {None: (0, ENTITIES), 0: (0, 5), 1: (5, ENTITIES)}[entity_type]
    sources = np.arange(ENTITIES, dtype=np.int32)
    best, scores = scorer.top_k(sources, 4, 3, entity_type=entity_type)
    assert (best.dtype, scores.dtype) == (np.int32, np.float32)
    for source in range(ENTITIES):
        expected = sorted(range(first, last), key=lambda target: -oracle[source, 4, target])[:3]
        assert best[source].tolist() == expected
        np.testing.assert_allclose(scores[source], probability(oracle[source, 4, expected]), rtol=1e-4, atol=1e-5)


def test_no_facts_and_no_queries(scorer: EmbeddingScorer) -> None:
    nothing, ids = np.zeros((0, 3), np.int32), np.zeros(0, np.int32)
    assert scorer.score_facts(nothing).shape == (0,)
    assert scorer.score(ids, 0, ids).shape == (0,)
    assert scorer.scores(nothing).shape == (0, ENTITIES)
    assert [part.shape for part in scorer.top_k(ids, 0, 2)] == [(0, 2), (0, 2)]


def test_it_is_a_scorer(scorer: EmbeddingScorer, model: EmbeddingModel) -> None:
    assert isinstance(scorer, Scorer)
    assert scorer.name == model.name


IDS = np.array([0, 1], np.int32)
FACTS = np.array([(0, 0, 1), (1, 5, 2)], np.int32)


def changed(row: int, column: int, value: int) -> np.ndarray:
    facts = FACTS.copy()
    facts[row, column] = value
    return facts


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("score", (np.array([0, ENTITIES], np.int32), 0, IDS)),
        ("score", (np.array([-1, 0], np.int32), 0, IDS)),
        ("score", (IDS, 0, np.array([0, 1 << 30], np.int32))),
        ("score", (IDS, 2 * RELATIONS, IDS)),
        ("score", (IDS, -1, IDS)),
        ("score_facts", (changed(1, 0, -1),)),
        ("score_facts", (changed(1, 1, 2 * RELATIONS),)),
        ("score_facts", (changed(0, 1, -1),)),
        ("score_facts", (changed(0, 2, ENTITIES),)),
        ("scores", (changed(0, 0, ENTITIES),)),
        ("scores", (changed(0, 1, -1),)),
        ("scores", (changed(1, 1, 6),)),
        ("top_k", (IDS, 2 * RELATIONS, 1)),
        ("top_k", (np.array([ENTITIES], np.int32), 0, 1)),
    ],
)
def test_ids_out_of_range(scorer: EmbeddingScorer, call: str, arguments: Any) -> None:
    with pytest.raises(IndexError, match="outside"):
        getattr(scorer, call)(*arguments)


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("score", (IDS.astype(np.int64), 0, IDS)),
        ("score", (IDS, 0, IDS.astype(np.float32))),
        ("score", (IDS, 0, IDS[:1])),
        ("score", (IDS[None], 0, IDS[None])),
        ("score_facts", (FACTS.astype(np.int64),)),
        ("score_facts", (FACTS[:, :2],)),
        ("score_facts", (FACTS[0],)),
        ("scores", (FACTS.astype(np.int64),)),
        ("scores", (FACTS[:, :2],)),
        ("top_k", (IDS.astype(np.int64), 0, 1)),
    ],
)
def test_other_arrays(scorer: EmbeddingScorer, call: str, arguments: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        getattr(scorer, call)(*arguments)


def test_more_targets_than_there_are(scorer: EmbeddingScorer) -> None:
    for k, entity_type, most in ((0, None, 13), (-1, None, 13), (14, None, 13), (6, 0, 5)):
        with pytest.raises(ValueError, match=f"k must be from 1 to {most}, .* got {k}"):
            scorer.top_k(IDS, 0, k, entity_type=entity_type)
    for entity_type in (-1, 2):
        with pytest.raises(IndexError, match=rf"entity type {entity_type} is outside \[0, 2\)"):
            scorer.top_k(IDS, 0, 1, entity_type=entity_type)


def test_equal_scores_come_by_id() -> None:
    model = make("distmult")
    with torch.no_grad():
        model.entities[:] = 1.0
        model.entities[[7, 3]] = 2.0
    scorer = scorer_of(model)
    with torch.no_grad():
        model.relations[0] = 1.0
    best, scores = scorer.top_k(IDS, 0, 5)
    assert best.tolist() == [[3, 7, 0, 1, 2]] * 2
    assert (np.diff(scores, axis=1) <= 0).all()
    assert scorer.top_k(IDS, 0, 5, entity_type=1)[0].tolist() == [[7, 5, 6, 8, 9]] * 2
    rows = np.random.default_rng(0).integers(0, 3, (20, 30)).astype(np.float32)
    expected = [sorted(range(30), key=lambda column: (-row[column], column)) for row in rows]
    assert sorted_by_score(rows).tolist() == expected


def test_transr_shortens_what_is_longer_than_1() -> None:
    """A source far out scores as if its projection had length 1, and one nearby as it is."""
    model = make("transr")
    scorer = scorer_of(model)
    matrix = model.relations[0, 3:].detach().reshape(4, 3)
    source = model.entities[0].detach() / torch.linalg.vector_norm(model.entities[0].detach() @ matrix)

    def scores(length: float) -> np.ndarray:
        with torch.no_grad():
            model.entities[0] = length * source
        return scorer.scores(EVERY_QUERY[:1])[:, 1:]

    np.testing.assert_allclose(scores(100), scores(1.001), rtol=1e-5)
    assert not np.allclose(scores(0.9), scores(1), rtol=1e-3)


@pytest.mark.parametrize("case", CASES)
def test_what_is_drawn_to_begin_with_is_small_and_seeded(case: str) -> None:
    name, sizes = CASES[case]
    kind = MODELS[name]
    tables = []
    for _ in range(2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            model = kind(50, 4, kind.Config(**sizes))
            model.initialize()
            tables.append(model.state_dict())
    for key, value in tables[0].items():
        assert torch.isfinite(value).all()
        assert torch.equal(value, tables[1][key])
    assert model.entities.std() > 0


@pytest.mark.parametrize(
    ("name", "sizes", "message"),
    [
        ("distmult", {"dim": 1}, "dim must be a whole number from 2"),
        ("distmult", {"dim": 1 << 17}, "dim must be"),
        ("distmult", {"dim": 8.0}, "dim must be"),
        ("distmult", {"dim": True}, "dim must be"),
        ("complex", {"dim": 7}, "dim must be even"),
        ("rotate", {"dim": 7}, "dim must be even"),
        ("rotate", {"distance": "l1"}, "distance must be l2 or modulus"),
        ("transe", {"distance": "modulus"}, "distance must be l1 or l2"),
        ("transr", {"relation_size": 0}, "relation_size must be"),
        ("conve", {"dim": 30, "height": 4}, "dim must be a multiple of height"),
        ("conve", {"dim": 20, "height": 10}, "kernel 3 is larger than the picture of 20 x 2"),
        ("conve", {"channels": 0}, "channels must be"),
        ("conve", {"hidden_dropout": 1.0}, "hidden_dropout must be at least 0 and below 1"),
        ("conve", {"input_dropout": math.nan}, "input_dropout must be"),
    ],
)
def test_sizes_that_cannot_be_built(name: str, sizes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MODELS[name].Config(**sizes)
