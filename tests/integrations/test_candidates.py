"""CandidateNetwork against itself written out, and against what environments and beams make of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from kgwalk.data import Dataset
from kgwalk.envs import KGWalkVectorEnv
from kgwalk.graph import ActionSets, Expand
from kgwalk.integrations.candidates import CandidateConfig, CandidateNetwork, Decision
from kgwalk.search import ANY, chain, search
from kgwalk.wrappers import Trail

HORIZON = 3


def network(dataset: Dataset, entity_dim: int = 3, decision: Decision = "edge") -> CandidateNetwork:
    torch.manual_seed(1)
    config = CandidateConfig(4, entity_dim, (6,), decision)
    return CandidateNetwork(dataset.graph.num_entities, dataset.graph.num_relations, HORIZON, config)


@torch.no_grad()
def written_out(net: CandidateNetwork, seen: dict[str, np.ndarray], moves: list[tuple[int, int]]) -> list[float]:
    """Logits of one walker's moves, by the equations."""
    R, E = net.relations, net.entities
    parts = [R[int(seen["query_relation"][0])], *(R[int(r)] for r in seen["trail"])]
    is_open = torch.zeros(net.none)
    for relation, _ in moves:
        is_open[relation] = 1
    parts.append(net.open.weight @ is_open + net.open.bias)
    if E is not None:
        parts += [E[int(seen["source"][0])], E[int(seen["entity"][0])]]
    x = net.actor(torch.cat(parts))
    logits = []
    for relation, entity in moves:
        logit = x[: R.shape[1]] @ R[relation]
        if E is not None:
            logit = logit + x[R.shape[1] :] @ E[entity]
        logits.append(float(logit))
    return logits


@pytest.mark.parametrize("entity_dim", [0, 3])
def test_logits_are_the_equations(toy: Dataset, entity_dim: int) -> None:
    net = network(toy, entity_dim)
    envs = KGWalkVectorEnv(toy, 9)
    trailed = Trail(envs)
    obs, _ = trailed.reset(seed=0)
    for _ in range(HORIZON):
        seen, candidates, mask = net.see(obs)
        logits, values = net.evaluate(seen, candidates)
        assert values.shape == (9,)
        for i in range(9):
            moves = [(int(r), int(e)) for r, e, m in zip(*(obs[k][i] for k in KEYS), strict=True) if m]
            rows = slice(candidates.offsets[i], candidates.offsets[i + 1])
            expected = written_out(net, {key: value[i] for key, value in obs.items()}, moves)
            np.testing.assert_allclose(logits[rows].detach(), expected, atol=1e-5)
        assert mask.sum() == len(logits)
        obs = trailed.step(envs.sample_actions())[0]


KEYS = ("relations", "entities", "action_mask")


def test_a_place_in_the_list_means_nothing(toy: Dataset) -> None:
    net = network(toy)
    obs, _ = Trail(KGWalkVectorEnv(toy, 5)).reset(seed=2)
    order = np.random.default_rng(0).permutation(obs["relations"].shape[1])
    shuffled = {key: value[:, order] if key in KEYS else value for key, value in obs.items()}
    found = []
    for each in (obs, shuffled):
        seen, candidates, mask = net.see(each)
        padded = torch.full(mask.shape, -torch.inf)
        padded[mask] = net.evaluate(seen, candidates)[0]
        found.append(padded.detach())
    torch.testing.assert_close(found[0][:, order], found[1])


def test_without_a_trail_the_last_relation_is_what_is_known(toy: Dataset) -> None:
    net = network(toy)
    envs = KGWalkVectorEnv(toy, 4)
    envs.reset(seed=0)
    envs.step(envs.sample_actions())
    obs = envs.step(envs.sample_actions())[0]
    seen, _, _ = net.see(obs)
    assert (seen.trail[:, [0, 2]] == net.none).all()
    assert seen.trail[:, 1].tolist() == obs["last_relation"][:, 0].tolist()


@pytest.mark.parametrize("decision", ["edge", "split"])
@pytest.mark.parametrize("entity_dim", [0, 3])
def test_a_beam_sees_the_probabilities_that_the_environment_draws_from(
    toy: Dataset, decision: Any, entity_dim: int
) -> None:
    net = network(toy, entity_dim, decision)
    actions = ActionSets(Expand(toy.graph, max_out_degree=8), hide_fact=False)
    envs = KGWalkVectorEnv(toy, 40, split="valid", decision=decision, query_order="sequential", max_out_degree=8)
    obs, info = Trail(envs).reset(seed=0)
    trailed = Trail(envs)
    obs, info = trailed.reset(seed=0)
    queries = np.ascontiguousarray(envs.queries[info["query"]])
    log_prob = np.zeros(40)
    for _ in range(HORIZON * (2 if decision == "split" else 1)):
        seen, candidates, mask = net.see(obs)
        logits = net.evaluate(seen, candidates)[0].detach()
        chosen = envs.sample_actions()
        for i in range(40):
            row = logits[candidates.offsets[i] : candidates.offsets[i + 1]]
            place = int(mask[i, : chosen[i]].sum())
            log_prob[i] += float(torch.log_softmax(row, 0)[place])
        obs = trailed.step(chosen)[0]
    walks = envs.finished_walks()
    with torch.no_grad():
        paths = search(actions, net, chain(ANY, 100_000, hops=HORIZON, per="query"), queries)
    listed = {
        (int(q), tuple(e), tuple(r)): p
        for q, e, r, p in zip(
            paths.query, paths.entities.tolist(), paths.relations.tolist(), paths.log_prob, strict=True
        )
    }
    for i, entities, relations in zip(walks.env, walks.entities.tolist(), walks.relations.tolist(), strict=True):
        assert listed[int(i), tuple(entities), tuple(relations)] == pytest.approx(log_prob[i], abs=1e-4)


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="widths must be whole numbers"):
        CandidateConfig(relation_dim=0)
    with pytest.raises(ValueError, match="decision must be edge or split"):
        CandidateConfig(decision="both")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="horizon must be a whole number from 1"):
        CandidateNetwork(3, 2, 0, CandidateConfig())


def test_ids_with_fractions_are_refused(toy: Dataset) -> None:
    obs, _ = KGWalkVectorEnv(toy, 2).reset(seed=0)
    with pytest.raises(ValueError, match="VecNormalize"):
        network(toy).see({**obs, "source": obs["source"] / 3 + 0.1})
