"""Policies, kernels and models of SB3 give on a GPU what they give on the CPU; without one these tests skip."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from sb3_contrib import MaskablePPO
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import nn

import kgwalk.data
from kgwalk import ragged
from kgwalk.agents.policies.path import PathPolicy, PathPolicyConfig
from kgwalk.agents.policies.split import SplitPolicy, SplitPolicyConfig
from kgwalk.data import Dataset
from kgwalk.graph import ActionSets, Expand
from kgwalk.integrations.candidates import CandidateConfig, CandidateNetwork
from kgwalk.integrations.sb3 import CandidatePolicy, MaskableCandidatePolicy, make_vec_env
from kgwalk.protocols import Candidates
from kgwalk.search import ANY, chain, search

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use")

HOPS = 2
NETWORKS = ("candidates", "candidates, split", "path", "path of relations", "split", "split by places")


@pytest.fixture(scope="module")
def family() -> Dataset:
    return kgwalk.data.load("Family")


def network(name: str, dataset: Dataset) -> nn.Module:
    """A policy with weights large enough that no move is nearly as likely as another."""
    sizes = dataset.graph.num_entities, dataset.graph.num_relations
    torch.manual_seed(0)
    net: nn.Module
    if name.startswith("candidates"):
        decision: Any = "split" if name.endswith("split") else "edge"
        net = CandidateNetwork(*sizes, HOPS, CandidateConfig(8, 4, (8,), decision))
    elif name.startswith("path"):
        net = PathPolicy(*sizes, PathPolicyConfig(8, 0 if name.endswith("relations") else 4, 8, mlp_dims=(8,)))
    else:
        sight: Any = "places" if name.endswith("places") else "relations"
        net = SplitPolicy(*sizes, SplitPolicyConfig(8, 4, 8, (8,), sight=sight))
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.5)
    return net.eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_beam_finds_the_same_paths(family: Dataset, name: str) -> None:
    net: Any = network(name, family)
    actions = ActionSets(Expand(family.graph))
    queries = np.ascontiguousarray(family.splits["valid"][:50])
    layout = chain(ANY, 1000, hops=HOPS, per="query")
    here, there = (search(actions, one, layout, queries) for one in (net, copy.deepcopy(net).to("cuda")))
    found = []
    for paths in (here, there):
        ids = zip(paths.query.tolist(), paths.entities.tolist(), paths.relations.tolist(), strict=True)
        found.append({(q, *map(tuple, walk)): p for (q, *walk), p in zip(ids, paths.log_prob.tolist(), strict=True)})
    assert len(found[0]) > 1000
    assert found[1] == pytest.approx(found[0], abs=1e-4)


def test_kernels_and_their_gradients() -> None:
    lengths = [3, 1, 0, 7, 40, 0, 5]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rng = np.random.default_rng(0)
    candidates = Candidates(
        offsets, rng.integers(0, 7, offsets[-1], dtype=np.int32), rng.integers(0, 50, offsets[-1], dtype=np.int32)
    )
    torch.manual_seed(0)
    leaves = [torch.randn(len(lengths), 7), torch.randn(len(lengths), 5), torch.randn(50, 5)]
    drawn = []
    for device in ("cpu", "cuda"):
        own = [leaf.to(device).requires_grad_() for leaf in leaves]
        logits = ragged.edge_logits(*own, candidates)
        log_probs = ragged.log_softmax(logits, offsets)
        parts = [logits, log_probs, ragged.entropy(log_probs, offsets), ragged.log_sum_exp(logits, offsets)]
        looked_up = ragged.lookup(own[2], torch.tensor([4, 4, 0], device=device))
        gradients = torch.autograd.grad(sum(p.square().sum() for p in (*parts[:3], looked_up)), own)  # type: ignore[arg-type]
        drawn.append([*(p.detach().cpu() for p in parts), *(g.cpu() for g in gradients)])
    for got, expected in zip(drawn[1], drawn[0], strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_draws() -> None:
    offsets = np.arange(0, 5001, 5)
    logits = torch.randn(5000, generator=torch.Generator().manual_seed(0))
    rows = np.arange(1000)
    here, there = (
        ragged.sample(ragged.log_softmax(logits.to(device), offsets), offsets, rows, 7, rows, 0).cpu()
        for device in ("cpu", "cuda")
    )
    # The two round their running sums differently: hardly ever does a draw fall in between.
    assert int((here != there).sum()) <= 2


@pytest.mark.parametrize("kind", [PPO, MaskablePPO])
@pytest.mark.parametrize("decision", ["edge", "split"])
def test_stable_baselines_trains_there(kind: type[BaseAlgorithm], decision: Any) -> None:
    envs = make_vec_env("KGWalk-Family", 8, horizon=HOPS, decision=decision, seed=0)
    policy = MaskableCandidatePolicy if kind is MaskablePPO else CandidatePolicy
    told = {"network": CandidateConfig(8, 4, (8,), decision)}
    model = kind(policy, envs, n_steps=4, batch_size=16, n_epochs=1, seed=0, policy_kwargs=told, device="cuda")  # type: ignore[call-arg]
    assert {parameter.device.type for parameter in model.policy.parameters()} == {"cuda"}
    before = [parameter.detach().clone() for parameter in model.policy.parameters()]
    model.learn(8 * 4 * 2)
    assert any(not torch.equal(a, b) for a, b in zip(before, model.policy.parameters(), strict=True))
    obs: Any = envs.reset()
    masks: dict[str, Any] = {"action_masks": obs["action_mask"].astype(bool)} if kind is MaskablePPO else {}
    chosen, _ = model.predict(obs, deterministic=True, **masks)
    assert obs["action_mask"][np.arange(8), chosen].all()
    valued = []
    for policy in (model.policy, copy.deepcopy(model.policy).to("cpu")):
        seen = {key: torch.as_tensor(value, device=policy.device) for key, value in obs.items()}
        with torch.no_grad():
            values, log_probs, _ = policy.evaluate_actions(seen, torch.as_tensor(chosen, device=policy.device))
        valued.append(torch.cat([values.flatten(), log_probs]).cpu())
    torch.testing.assert_close(valued[0], valued[1], rtol=1e-4, atol=1e-4)
