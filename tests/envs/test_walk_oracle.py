"""The C++ walk against the reference walker, in every mode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kgwalk.envs import KGWalkVectorEnv

MODES = ("NextStep", "SameStep", "Disabled")


@st.composite
def worlds(draw: Any) -> dict[str, Any]:
    """A small graph with self loops and multi-edges, and the arguments of an environment."""
    entities, relations = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    ids = st.integers(0, entities - 1)
    fact = st.tuples(ids, st.integers(0, relations - 1), ids)
    facts = draw(st.lists(fact, min_size=1, max_size=14, unique=True))
    held_out = draw(st.lists(fact | st.sampled_from(facts), max_size=3, unique=True))  # some are in the graph
    return {
        "entities": entities,
        "relations": relations,
        "facts": facts,
        "valid": held_out,
        "split": "valid" if held_out and draw(st.booleans()) else "train",
        "directions": draw(st.sampled_from(["tail", "head", "both"])),
        "num_envs": draw(st.integers(1, 4)),
        "horizon": draw(st.integers(1, 3)),
        "cap": draw(st.integers(0, 5)),
        "hide_answers": draw(st.booleans()),
        "seed": draw(st.integers(0, 2**64 - 1)),
    }


def candidates_of(obs: dict[str, Any], env: int, table: np.ndarray, stay: int) -> list[tuple[int, int]]:
    """What action 0, 1, ... of an environment stand for, from an observation in any form."""
    if "row" in obs:
        start, degree = int(obs["row"][env, 0]), int(obs["degree"][env, 0])
        hidden = [h for h in obs["hidden"][env].tolist() if h >= 0]
        kept = [slot for slot in range(degree) if slot not in hidden]
        return [(stay, int(obs["entity"][env, 0])), *(tuple(table[start + slot].tolist()) for slot in kept)]
    if "offsets" in obs:
        row = slice(*obs["offsets"][env : env + 2])
    else:
        mask = obs["action_mask"][env]
        count = int(mask.sum())
        assert mask.tolist() == [1] * count + [0] * (len(mask) - count)
        assert (obs["relations"][env, count:] == stay).all()
        assert (obs["entities"][env, count:] == 0).all()
        return list(zip(obs["relations"][env, :count].tolist(), obs["entities"][env, :count].tolist(), strict=True))
    return list(zip(obs["relations"][row].tolist(), obs["entities"][row].tolist(), strict=True))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("decision", "form"),
    [("edge", "padded"), ("edge", "ragged"), ("edge", "index"), ("split", "padded"), ("split", "ragged")],
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(world=worlds(), data=st.data())
def test_walk_equals_the_reference(
    make_dataset: Any, reference_walk: Any, mode: str, decision: str, form: str, world: dict[str, Any], data: Any
) -> None:
    dataset = make_dataset(world["facts"], world["entities"], world["relations"], valid=world["valid"])
    n = world["num_envs"]
    env = KGWalkVectorEnv(
        dataset,
        n,
        candidates=form,
        autoreset_mode=mode,
        split=world["split"],
        directions=world["directions"],
        horizon=world["horizon"],
        max_out_degree=world["cap"],
        decision=decision,
        hide_answers=world["hide_answers"],
        reward={"hit": 2.5},
    )
    oracles = [
        reference_walk(
            world["facts"],
            world["entities"],
            world["relations"],
            world["cap"],
            world["horizon"],
            decision,
            world["split"] == "train",
            world["hide_answers"],
            dataset.graph.pagerank(),
        )
        for _ in range(n)
    ]
    table = env.edge_table()
    queries = env.queries.tolist()

    def begin(which: np.ndarray, rows: np.ndarray) -> None:
        for i in np.flatnonzero(which):
            oracles[i].reset(tuple(queries[rows[i]]))

    def check_observation(obs: dict[str, Any]) -> None:
        assert env.observation_space.contains(obs)
        masks = env.action_masks()
        for i, oracle in enumerate(oracles):
            assert {k: int(obs[k][i, 0]) for k in oracle.state()} == oracle.state()
            listed = candidates_of(obs, i, table, env.task.stay)
            assert listed == (oracle.index_moves() if form == "index" else oracle.moves())
            legal = [a < len(listed) and listed[a] in oracle.moves() for a in range(masks.shape[1])]
            assert masks[i].tolist() == legal
            actions, relations, entities = (column.tolist() for column in env._walk.moves(i))
            assert actions == np.flatnonzero(legal).tolist()
            assert relations == [listed[a][0] for a in actions]
            only_relation = decision == "split" and oracle.phase == 0 and not oracle.over
            assert entities == [-1 if only_relation else listed[a][1] for a in actions]

    obs, info = env.reset(seed=world["seed"])
    begin(info["_query"], info["query"])
    check_observation(obs)
    for _ in range(2 * (world["horizon"] + 1) * (2 if decision == "split" else 1)):
        width = int(env.single_action_space.n)
        actions = np.array([data.draw(st.integers(0, min(width - 1, len(o.index_moves())))) for o in oracles])
        masks = env.action_masks()
        listed = [o.index_moves() if form == "index" else o.moves() for o in oracles]
        obs, rewards, ended, truncated, info = env.step(actions)
        assert not truncated.any()
        finished = env.finished_walks()
        for i, oracle in enumerate(oracles):
            if oracle.over:  # NEXT_STEP: this step only reset it
                assert not ended[i]
                assert rewards[i] == 0
                assert info["_query"][i]
                assert not info["_illegal_action"][i]
                continue
            illegal = not masks[i, actions[i]]
            over, hit = oracle.step(None if illegal else listed[i][actions[i]])
            assert ended[i] == over
            assert rewards[i] == (2.5 if hit else 0)
            assert info["illegal_action"][i] == illegal
            if not over:
                assert info["_illegal_action"][i]
                continue
            where = info["final_info"] if mode == "SameStep" else info
            assert where["_hit"][i]
            assert where["_illegal_action"][i]
            assert where["hit"][i] == hit
            k = finished.env.tolist().index(i)
            assert queries[finished.query[k]] == list(oracle.query)
            assert finished.entities[k].tolist() == [oracle.query[0], *(e for _, e in oracle.path)]
            assert finished.relations[k].tolist() == [r for r, _ in oracle.path]
            assert finished.hit[k] == hit
            if mode == "SameStep":
                assert info["_final_obs"][i]
                last = info["final_obs"]
                assert {k: int(last[k][i, 0]) for k in oracle.state()} == oracle.state()
                assert candidates_of(last, i, table, env.task.stay) == oracle.moves()
        assert len(finished.env) == ended.sum()
        if mode == "Disabled":
            check_observation(obs)
            if ended.any():
                obs, info = env.reset(options={"reset_mask": ended})
                begin(info["_query"], info["query"])
        elif "query" in info:
            begin(info["_query"], info["query"])
        check_observation(obs)
