from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from kgwalk import agents
from kgwalk.agents.policies.path import PathPolicy, PathPolicyConfig
from kgwalk.agents.reinforce import Reinforce
from kgwalk.data import Dataset
from kgwalk.tensors import load_tensors, save_tensors


@pytest.fixture
def agent(family: Dataset) -> Reinforce:
    policy = PathPolicy(family.graph.num_entities, family.graph.num_relations, PathPolicyConfig(8, 4, 8, 1, (8,)))
    return Reinforce(
        policy, dataset=family.name, fingerprint=family.fingerprint, hops=2, max_out_degree=64, beam=16, final="expand"
    )


def test_a_saved_agent_answers_as_before(agent: Reinforce, family: Dataset, tmp_path: Path) -> None:
    queries = family.queries("test")[:20]
    before = agent.answer(queries, family.graph)
    agent.save(tmp_path)
    loaded = agents.load(tmp_path, family)
    after = loaded.answer(queries, family.graph)
    assert type(loaded) is Reinforce
    np.testing.assert_array_equal(before.entities, after.entities)
    np.testing.assert_allclose(before.scores, after.scores)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["agent.safetensors"]


def test_answers_do_not_depend_on_targets(agent: Reinforce, family: Dataset) -> None:
    queries = family.queries("test")[:20]
    other = queries.copy()
    other[:, 2] = other[::-1, 2]
    np.testing.assert_array_equal(
        agent.answer(queries, family.graph).entities, agent.answer(other, family.graph).entities
    )


def test_an_agent_of_another_graph_is_refused(agent: Reinforce, family: Dataset, tmp_path: Path) -> None:
    agent.fingerprint = "0" * 64
    agent.save(tmp_path)
    with pytest.raises(ValueError, match=r"agent\.safetensors: trained on Family with fingerprint 000"):
        agents.load(tmp_path, family)


def test_a_missing_or_damaged_agent_is_an_error(agent: Reinforce, family: Dataset, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no model file"):
        agents.load(tmp_path, family)
    agent.save(tmp_path)
    path = tmp_path / "agent.safetensors"
    whole = path.read_bytes()
    for cut in (0, 4, 100, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match="no whole safetensors file"):
            agents.load(tmp_path, family)
    path.write_bytes(save({"x": torch.zeros(1)}))
    with pytest.raises(ValueError, match="not written by kgwalk"):
        agents.load(tmp_path, family)


@pytest.mark.parametrize(
    "change",
    [
        {"num_entities": 10**12},
        {"num_entities": "many"},
        {"num_relations": -5},
        {"policy": {"lstm_layers": 10**9}},
        {"policy": {}},
        {"policy": {"relation_dim": 8, "unheard_of": 1}},
        {"hops": 0},
        {"hops": "3"},
        {"final": "all"},
        {"directions": "sideways"},
        {"beam": 10**15},
        {"agent": "stranger"},
        {"agent": ["reinforce"]},
        {"policy": {"relation_dim": 8, "mlp_dims": [-5]}},
        {"policy": {"hidden_dim": 10**10, "mlp_dims": []}},
        {"fingerprint": None},
    ],
    ids=str,
)
def test_a_hostile_note_is_refused(
    agent: Reinforce, family: Dataset, tmp_path: Path, change: dict[str, object]
) -> None:
    agent.save(tmp_path)
    path = tmp_path / "agent.safetensors"
    tensors, note = load_tensors(path)
    save_tensors(path, tensors, {**note, **change})
    with pytest.raises(ValueError, match=r"agent\.safetensors"):
        agents.load(tmp_path, family)


def test_a_note_that_is_no_json_object_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for note, reason in [("{", "no JSON"), (json.dumps([1]), "no JSON object"), ("[" * 10**5, "no JSON")]:
        path.write_bytes(save({"x": torch.zeros(1)}, {"kgwalk": note}))
        with pytest.raises(ValueError, match=reason):
            load_tensors(path)


def test_unknown_names_are_errors() -> None:
    assert "reinforce" in agents.names()
    with pytest.raises(KeyError, match="no agent 'alphago'"):
        agents.get("alphago")
