"""PathReasoning: which paths it looks at, how they are scored, that it learns, that its files are not trusted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kgwalk import agents
from kgwalk.agents import PathReasoning, PathReasoningConfig
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.evaluation import evaluate_recommendations
from kgwalk.graph import Graph
from kgwalk.protocols import Ids
from kgwalk.search import Paths
from kgwalk.tensors import load_tensors, save_tensors
from tests.scorers.recommenders.market import make_market

CONFIG = PathReasoningConfig(dim=6, beam=4000, batch_size=8, epochs=3, learning_rate=1e-2, validate_users=0)


@pytest.fixture(scope="module")
def market() -> Recommendation:
    return make_market()


@pytest.fixture(scope="module")
def folder(market: Recommendation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    PathReasoning.fit(market, CONFIG, folder)
    return folder


def queries_of(market: Recommendation) -> Ids:
    users = np.arange(market.users.first, market.users.last, dtype=np.int32)
    return np.column_stack([users, np.full_like(users, market.interact), np.full_like(users, -1)])


def walked(graph: Graph, path: tuple[int, ...], hops: int) -> Iterator[tuple[int, ...]]:
    """Walks of up to so many hops more, as entity, relation, entity, ...; never back to the first entity."""
    yield path
    if hops:
        first, last = graph.offsets[path[-1] : path[-1] + 2]
        for relation, tail in graph.edges[first:last].tolist():
            if tail != path[0]:
                yield from walked(graph, (*path, relation, tail), hops - 1)


def steps(paths: Paths, row: int) -> tuple[int, ...]:
    """A path without its waiting."""
    told = [int(paths.entities[row, 0])]
    for relation, entity in zip(paths.relations[row].tolist(), paths.entities[row, 1:].tolist(), strict=True):
        told += [] if relation == paths.stay else [relation, entity]
    return tuple(told)


def test_all_walks_by_an_item_of_the_users_are_found_and_scored(market: Recommendation, folder: Path) -> None:
    agent = agents.load(folder, market)
    assert isinstance(agent, PathReasoning)
    queries, items = queries_of(market)[:3], market.items
    paths = agent.walks(queries, market.graph)
    held = {key: value.double().numpy() for key, value in agent.model.state_dict().items()}
    found: dict[int, dict[tuple[int, ...], float]] = {0: {}, 1: {}, 2: {}}
    for row in range(len(paths)):
        found[int(paths.query[row])][steps(paths, row)] = float(paths.log_prob[row])
    for query, (user, interact, _) in enumerate(queries.tolist()):
        own = market.graph.slice(user, interact)[:, 1].tolist()
        expected = {
            walk
            for start in own
            for walk in walked(market.graph, (user, interact, start), CONFIG.hops)
            if items.first <= walk[-1] < items.last and walk[-1] not in own
        }
        assert set(found[query]) == expected
        for walk, told in found[query].items():
            ends = [held["items"][entity - items.first] for entity in (walk[2], walk[-1])]
            means = held["relations"][list(walk[3::2])].mean(0)
            hidden = np.maximum(
                held["hidden.weight"] @ np.concatenate([ends[0], means, ends[1]]) + held["hidden.bias"], 0
            )
            score = float((held["out.weight"] @ hidden + held["out.bias"])[0])
            assert told == pytest.approx(-np.log1p(np.exp(-score)), abs=1e-5)
    ranked = agent.answer(queries, market.graph)
    for query, walks in found.items():
        listed = slice(*ranked.offsets[query : query + 2])
        best: dict[int, float] = {}
        for walk, told in walks.items():
            best[walk[-1]] = max(best.get(walk[-1], -np.inf), told)
        assert dict(zip(ranked.entities[listed].tolist(), ranked.scores[listed].tolist(), strict=True)) == best
        assert (np.diff(ranked.scores[listed]) <= 0).all()


def test_pairs_that_are_learnt_hide_their_own_edge(market: Recommendation, folder: Path) -> None:
    agent = PathReasoning.load(folder)
    pairs = agent._pairs(market, 0, 0)
    starts, _, ends = pairs.paths
    assert (starts != ends).all()
    sizes = np.diff(pairs.offsets)
    assert (sizes > 0).all()
    assert sizes.sum() == len(starts)
    for begin, size in zip(pairs.offsets.tolist(), sizes.tolist(), strict=False):
        assert len(set(ends[begin : begin + size].tolist())) == 1
    with torch.no_grad():
        best = agent._best(pairs, np.array([1, 0]))
        every = agent.model(*pairs.paths)
    for place, row in enumerate((1, 0)):
        assert best[place] == every[pairs.offsets[row] : pairs.offsets[row + 1]].max()
    interactions = {(u, i) for u, _, i in market.splits["train"].tolist()}
    assert pairs.labels.sum() <= len(interactions)
    assert 0 < pairs.labels.sum() < len(pairs.labels)


def test_it_is_measured_and_comes_back(market: Recommendation, folder: Path, tmp_path: Path) -> None:
    agent = agents.load(folder, market)
    report = evaluate_recommendations(agent, market, progress=False)
    assert 0 < report.metrics["explained@10"] <= 1
    agent.save(tmp_path)
    name = "agent.safetensors"
    assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    assert len(agent.answer(queries_of(market)[:0], market.graph).entities) == 0
    with pytest.raises(ValueError, match="interactions"):
        agent.answer(np.array([[0, 1, -1]], np.int32), market.graph)


def test_the_same_seed_learns_the_same(market: Recommendation, folder: Path, tmp_path: Path) -> None:
    PathReasoning.fit(market, CONFIG, tmp_path)
    one, other = (load_tensors(path / "agent.safetensors")[0] for path in (folder, tmp_path))
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(
    "wrong", [{"hops": 1 << 30}, {"beam": 0}, {"interact": -1}, {"items": 3}, {"dim": "6"}, {"fingerprint": "x"}]
)
def test_files_are_not_trusted(market: Recommendation, folder: Path, tmp_path: Path, wrong: dict[str, Any]) -> None:
    tensors, note = load_tensors(folder / "agent.safetensors")
    save_tensors(tmp_path / "agent.safetensors", tensors, {**note, **wrong})
    with pytest.raises(ValueError, match=r"agent\.safetensors|trained on"):
        PathReasoning.load(tmp_path, market.fingerprint)


@pytest.mark.parametrize("wrong", [{"hops": 17}, {"beam": 0}, {"batch_size": 1}, {"users": -1}, {"learning_rate": 0.0}])
def test_configurations_that_cannot_be_trained_with(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PathReasoningConfig(**wrong)
