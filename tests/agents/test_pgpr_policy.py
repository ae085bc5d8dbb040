from __future__ import annotations

import numpy as np
import pytest
import torch

from kgwalk.agents.pgpr.learner import actor_critic
from kgwalk.agents.pgpr.policy import PgprPolicy, PgprPolicyConfig
from kgwalk.agents.rollouts import follow, roll_out
from kgwalk.data import new_users
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.graph import ActionSets, Expand
from kgwalk.protocols import Candidates, Moves

from .pgpr_world import network, shop


@pytest.fixture(scope="module")
def world() -> Recommendation:
    return shop()


def training_moves(world: Recommendation) -> ActionSets:
    return ActionSets(Expand(world.graph), hide_fact=True, hide_answers=True)


CONFIGS = {
    "table": PgprPolicyConfig(5, (7, 6), 1, "table"),
    "history": PgprPolicyConfig(5, (7,), 2, "history"),
    "both": PgprPolicyConfig(5, (7,), 0, "both"),
}


@pytest.fixture(params=CONFIGS)
def config(request: pytest.FixtureRequest) -> PgprPolicyConfig:
    return CONFIGS[request.param]


def plain_state(net, world: Recommendation, config, query: list[int], walked: list[tuple[int, int]]) -> torch.Tensor:
    """The perceptron's input and output of one walker, written down as the docstring says it."""
    user, relation, target = query
    items = [t for r, t in world.graph.slice(user).tolist() if r == relation and t != target]
    mean = net.entities[items].mean(0) if items else torch.zeros(config.dim)
    vector = {"table": net.entities[user], "history": mean, "both": net.entities[user] + mean}[config.user]
    places = [vector, *(net.entities[entity] for _, entity in walked)]
    trail = []
    for back in range(1, config.history + 1):
        if len(walked) >= back:
            trail += [places[-1 - back], net.relations[walked[-back][0]]]
        else:
            trail += [torch.zeros(config.dim)] * 2
    return net.trunk(torch.cat([vector, places[-1], *trail]))


def test_logits_and_values_are_those_of_a_plain_twin(world: Recommendation, config: PgprPolicyConfig) -> None:
    net = network(world, config).eval()
    actions = training_moves(world)
    policy = PgprPolicy(net, actions.expand, world.interact)
    queries = np.ascontiguousarray(world.splits["train"][::9])
    state, at, rows = (
        policy.begin(queries),
        np.ascontiguousarray(queries[:, 0]),
        np.arange(len(queries), dtype=np.int32),
    )
    walked: list[list[tuple[int, int]]] = [[] for _ in queries]
    rng = np.random.default_rng(0)
    for hop in range(3):
        moves = Candidates(*actions.candidates(at, rows, queries, hop == 2))
        logits, value = policy.logits(state, moves), policy.value(state)
        chosen = []
        for row, query in enumerate(queries.tolist()):
            own = slice(moves.offsets[row], moves.offsets[row + 1])
            hidden = plain_state(net, world, config, query, walked[row])
            relation_query, entity_query = net.actor(hidden).split(config.dim)
            expected = [
                relation_query @ net.relations[r] + entity_query @ net.entities[e]
                for r, e in zip(moves.relations[own].tolist(), moves.entities[own].tolist(), strict=True)
            ]
            if hop == 0 and config.user == "history":
                expected[0] = relation_query @ net.relations[world.graph.stay] + entity_query @ net.entities[query[0]]
            torch.testing.assert_close(logits[own], torch.stack(expected), rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(value[row], net.critic(hidden)[0], rtol=1e-4, atol=1e-4)
            chosen.append(int(rng.integers(own.start, own.stop)))
        step = Moves(moves.relations[chosen], moves.entities[chosen])
        for row in range(len(queries)):
            walked[row].append((int(step.relations[row]), int(step.entities[row])))
        state, at = policy.advance(state, step), step.entities


def test_selected_states_are_those_rows(world: Recommendation, config: PgprPolicyConfig) -> None:
    policy = PgprPolicy(network(world, config), Expand(world.graph), world.interact)
    state = policy.begin(np.ascontiguousarray(world.splits["train"][:6]))
    picked = policy.select(state, np.array([4, 0, 4]))
    for part, whole in zip(picked, state, strict=True):
        torch.testing.assert_close(part, whole[[4, 0, 4]])


def test_a_training_querys_own_item_is_not_in_its_users_vector(world: Recommendation) -> None:
    policy = PgprPolicy(network(world, CONFIGS["history"]), Expand(world.graph), world.interact)
    query = world.splits["train"][:1]
    untold = query.copy()
    untold[:, 2] = -1
    told_of = policy.begin(np.ascontiguousarray(query)).user
    items = [t for r, t in world.graph.slice(int(query[0, 0])).tolist() if r == world.interact]
    others = [item for item in items if item != query[0, 2]]
    table = policy.network.entities
    torch.testing.assert_close(told_of[0], table[others].mean(0))
    torch.testing.assert_close(policy.begin(untold).user[0], table[items].mean(0))


def test_gradients_reach_every_weight(world: Recommendation) -> None:
    net = network(world, CONFIGS["both"])
    policy, actions = PgprPolicy(net, Expand(world.graph), world.interact), training_moves(world)
    queries = np.ascontiguousarray(world.splits["train"])
    choices, walks = roll_out(policy, actions, queries, hops=3, rollouts=4, seed=0, stream=0)
    loss, _ = actor_critic(choices, torch.from_numpy(walks.hit.astype(np.float32)), value=1.0, entropy=0.1)
    loss.backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def walks_of(actions: ActionSets, query: np.ndarray, hops: int) -> list[tuple[list[int], list[int]]]:
    """Every legal action sequence, by brute force."""
    found = [([int(query[0, 0])], [])]
    for hop in range(hops):
        longer = []
        for entities, relations in found:
            at = np.array([entities[-1]], np.int32)
            _, out, to = actions.candidates(at, np.zeros(1, np.int32), query, hop == hops - 1)
            longer += [([*entities, t], [*relations, r]) for r, t in zip(out.tolist(), to.tolist(), strict=True)]
        found = longer
    return found


def test_the_value_baseline_biases_nothing_and_lowers_the_variance() -> None:
    """By enumeration: the mean over all walks of the estimate is the gradient of the expected reward."""
    world = shop(users=4, items=12)
    net = network(world, PgprPolicyConfig(3, (4,), 1, "both")).eval()
    actions = training_moves(world)
    policy = PgprPolicy(net, actions.expand, world.interact)
    query = np.ascontiguousarray(world.splits["train"][:1])
    walks = walks_of(actions, query, 2)
    entities = np.array([w[0] for w in walks], np.int32)
    relations = np.array([w[1] for w in walks], np.int32)
    reward = torch.from_numpy(1.0 + (entities[:, -1] % 3)).float()
    weights = [p for name, p in net.named_parameters() if "critic" not in name and "entities" not in name]

    def probability() -> torch.Tensor:
        choices = follow(policy, actions, query, np.zeros(len(walks), np.int64), entities, relations)
        return sum(c.log_probs[torch.from_numpy(c.chosen)] for c in choices).exp()

    def gradient(loss: torch.Tensor) -> torch.Tensor:
        return torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, weights)])

    assert float(probability().detach().sum()) == pytest.approx(1, abs=1e-5)
    true = gradient(-(probability() * reward).sum())

    def estimates(offset: float) -> tuple[torch.Tensor, float]:
        """Mean and summed variance of the estimate from one walk, with a baseline of that size."""
        with torch.no_grad():
            net.critic.weight.zero_()
            net.critic.bias.fill_(offset)
        chance = probability().detach()
        each = []
        for i in range(len(walks)):
            choices = follow(policy, actions, query, np.zeros(1, np.int64), entities[i : i + 1], relations[i : i + 1])
            each.append(gradient(actor_critic(choices, reward[i : i + 1], value=0.0, entropy=0.0)[0]))
        stacked = torch.stack(each)
        mean = chance @ stacked
        return mean, float(chance @ (stacked - mean).square().sum(1))

    without, wide = estimates(0.0)
    with_value, narrow = estimates(float((probability().detach() * reward).sum()))
    torch.testing.assert_close(without, true, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(with_value, true, rtol=1e-3, atol=1e-4)
    assert narrow < wide / 2


@pytest.mark.parametrize("kind", ["table", "history", "both"])
def test_an_added_user_is_looked_at_wherever_it_stands(world: Recommendation, kind: str) -> None:
    net = network(world, PgprPolicyConfig(5, (7,), 1, kind)).eval()
    liked = [t for r, t in world.graph.slice(world.users.first).tolist() if r == world.interact]
    fresh = new_users(world, [liked])
    policy = PgprPolicy(net, fresh.graph, world.interact)
    vector = policy.begin(fresh.queries).user[0]
    if kind == "history":
        torch.testing.assert_close(vector, net.entities[liked].mean(0))
    assert policy.added is not None
    actions = ActionSets(fresh.graph, hide_fact=False, hide_answers=True)
    at = np.array([liked[0]], np.int32)  # a bought item shows its new buyer among its candidates
    moves = Candidates(*actions.candidates(at, np.zeros(1, np.int32), fresh.queries, False))
    user = int(fresh.users[0])
    assert user in moves.entities
    state = policy.advance(policy.begin(fresh.queries), Moves(np.array([world.interact], np.int32), at))
    with torch.no_grad():
        twin = network(world, PgprPolicyConfig(5, (7,), 1, kind)).eval()
        twin.entities = torch.nn.Parameter(torch.cat([net.entities, policy.added]))
        relation_query, entity_query = net.actor(state.hidden).split(5, dim=1)
        expected = (
            relation_query[0] @ twin.relations[moves.relations.astype(np.int64)].T
            + entity_query[0] @ twin.entities[moves.entities.astype(np.int64)].T
        )
        torch.testing.assert_close(policy.logits(state, moves), expected, rtol=1e-4, atol=1e-4)
        there = policy.advance(state, Moves(np.array([world.graph.inverse(world.interact)], np.int32), fresh.users))
        torch.testing.assert_close(there.at[0], policy.added[0])


@pytest.mark.parametrize(
    "change",
    [
        {"dim": 0},
        {"hidden_dims": ()},
        {"hidden_dims": (0,)},
        {"history": -1},
        {"user": "mood"},
        {"hidden_dropout": 1.0},
    ],
    ids=str,
)
def test_sizes_that_make_no_network_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|share"):
        PgprPolicyConfig(**change)
