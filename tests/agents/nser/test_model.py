"""NSER's equations against plain numpy, its losses against sums over all entities, the evidence against its walks."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from kgwalk.agents.nser.config import NserConfig
from kgwalk.agents.nser.evidence import Evidence
from kgwalk.agents.nser.mixture import NOWHERE, Mixture
from kgwalk.agents.nser.network import NserNetwork
from kgwalk.agents.nser.training import Learner, tail_candidates
from kgwalk.data import Recommendation
from kgwalk.data.recommendation.metapath_walks import sample_metapath
from kgwalk.graph import Expand, Overlay
from kgwalk.search import known_items

Array = NDArray[Any]


def network_of(module: str, shop: Recommendation, dropout: float = 0.0) -> NserNetwork:
    """Random weights everywhere, so that nothing cancels."""
    relations = sorted({relation for metapath in shop.metapaths for relation in metapath})
    mixture = Mixture(len(shop.metapaths), None)
    network = NserNetwork(0, shop.graph.num_entities, relations, 5, module, 7, dropout, mixture)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network.begin()
        for value in network.state_dict().values():
            if value.dtype == torch.float32 and value.ndim:
                value.copy_(torch.rand(value.shape) + 0.1)  # positive: the running variances are among them
    return network.eval()


def norm(layer: Any, x: Array) -> Array:
    mean, var, weight, bias = (
        part.detach().numpy() for part in (layer.running_mean, layer.running_var, layer.weight, layer.bias)
    )
    normed: Array = (x - mean) / np.sqrt(var + layer.eps) * weight + bias
    return normed


def affine(layer: Any, x: Array) -> Array:
    result: Array = x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    return result


def twin(module: str, layers: Any, place: Array, user: Array) -> Array:
    """A module's equation, once more."""
    f = np.concatenate([place, user], 1)
    if module == "linear":
        return place + affine(layers.outer, f)
    if module == "shallow":
        return place + affine(layers.outer, norm(layers.norm, np.maximum(affine(layers.inner, f), 0)))
    a = norm(layers.first_norm, np.maximum(affine(layers.first, f), 0))
    b = norm(layers.second_norm, np.maximum(affine(layers.second, a) + f, 0))
    return affine(layers.third, b)


@pytest.mark.parametrize("module", ["shallow", "deep", "linear"])
def test_each_module_sees_what_the_one_before_predicted_and_the_user(shop: Recommendation, module: str) -> None:
    network = network_of(module, shop)
    users = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    for metapath in shop.metapaths:
        place = users
        for relation, predicted in zip(metapath, network.along(torch.from_numpy(users), metapath), strict=True):
            place = twin(module, network.relations[str(relation)], place, users)
            np.testing.assert_allclose(predicted.detach().numpy(), place, rtol=2e-4, atol=1e-4)


def test_a_user_is_the_scaled_sum_of_items(shop: Recommendation) -> None:
    network = network_of("linear", shop)
    vectors = network.from_history(torch.tensor([0, 2, 2, 3]), torch.tensor([40, 41, 42])).detach()
    e = network.entities.detach()
    torch.testing.assert_close(vectors, torch.stack([(e[40] + e[41]) / 2**0.5, torch.zeros(5), e[42]]))


def test_the_full_softmax_is_over_the_type_without_what_the_user_has(shop: Recommendation) -> None:
    network = network_of("linear", shop)
    learner = Learner(network, shop, shop.metapaths, NserConfig(dim=5), 0)
    place = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    users = np.arange(3, dtype=np.int32)
    known = known_items(shop.graph, users, shop.interact)
    targets = known[1][known[0][:-1]]  # of train: known, but the target itself is not left out
    found = learner._hop(place, targets, tail_candidates(shop, shop.metapaths[0])[-1], known)
    expected = []
    for row in range(3):
        open_items = range(shop.items.first, shop.items.last)
        held = set(known[1][known[0][row] : known[0][row + 1]].tolist()) - {int(targets[row])}
        logits = network.logits(place[row : row + 1], 0, shop.graph.num_entities)[0]
        allowed = torch.tensor([i for i in open_items if i not in held])
        expected.append(logits[allowed].logsumexp(0) - logits[int(targets[row])])
    torch.testing.assert_close(found, torch.stack(expected).mean())


def test_a_sampled_softmax_estimates_the_full_one(shop: Recommendation) -> None:
    network = network_of("linear", shop)
    place = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    targets = np.array([40, 45, 50], np.int32)
    candidates = tail_candidates(shop, shop.metapaths[0])[-1]
    full = Learner(network, shop, shop.metapaths, NserConfig(dim=5), 0)._hop(place, targets, candidates)
    config = NserConfig(dim=5, full_softmax=0, negatives=12)
    sampled = Learner(network, shop, shop.metapaths, config, 0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        mean = torch.stack([sampled._hop(place, targets, candidates) for _ in range(400)]).mean()
    assert mean.item() == pytest.approx(full.item(), rel=0.1)


def test_the_gradient_makes_the_drawn_walk_likelier(shop: Recommendation) -> None:
    network = network_of("shallow", shop)
    learner = Learner(network, shop, shop.metapaths, NserConfig(dim=5, batch_size=64, rank_weight=1.0), 0)
    loss, logged = learner.loss(0)
    assert set(logged) == {"train/path", "train/rank"}
    loss.backward()
    before = loss.item()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter -= 1e-3 * parameter.grad
    assert learner.loss(0)[0].item() < before


def test_evidence_is_the_summed_weight_of_all_walks(shop: Recommendation) -> None:
    evidence = Evidence(shop.graph, shop.interact, shop.items, shop.metapaths)
    users = np.arange(6, dtype=np.int32)
    known = known_items(shop.graph, users, shop.interact)
    found = evidence(known)
    for metapath, matrix in zip(shop.metapaths, found, strict=True):
        for user in users.tolist():
            own = known[1][known[0][user] : known[0][user + 1]].tolist()
            expected = np.zeros(len(shop.items))
            for walk in walks_along(shop, user, metapath):
                if walk[-1] not in own:
                    weight = evidence.log_weights(metapath, np.array([walk], np.int32))
                    expected[walk[-1] - shop.items.first] += np.exp(weight[0])
            np.testing.assert_allclose(matrix[user], expected, rtol=1e-5, atol=1e-7)


def walks_along(shop: Recommendation, user: int, metapath: tuple[int, ...]) -> list[list[int]]:
    walks = [[user]]
    for relation in metapath:
        walks = [[*walk, int(tail)] for walk in walks for _, tail in shop.graph.slice(walk[-1], relation)]
    return walks


def test_evidence_of_shared_neighbours_is_a_cosine_of_tf_idf(shop: Recommendation) -> None:
    metapath = next(path for path in shop.metapaths if len(path) == 3 and path[0] == path[2])
    evidence = Evidence(shop.graph, shop.interact, shop.items, [metapath])
    bought = np.zeros((len(shop.users), len(shop.items)))
    train = shop.splits["train"]
    bought[train[:, 0], train[:, 2] - shop.items.first] = 1
    sold = bought.any(0).sum()
    weighed = bought.T * np.log((1 + sold) / bought.sum(1))
    cosines = weighed @ weighed.T / np.outer(*[np.linalg.norm(weighed, axis=1)] * 2)
    expected = bought @ cosines
    expected[bought > 0] = 0
    found = evidence(known_items(shop.graph, np.arange(len(shop.users), dtype=np.int32), shop.interact))[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_evidence_goes_as_an_overlay_says(shop: Recommendation) -> None:
    made_by, metapath = shop.relation("made_by"), shop.metapath("bought made_by ^made_by")
    evidence = Evidence(shop.graph, shop.interact, shop.items, [metapath])
    item, other = shop.entity("item/0"), shop.entity("item/1")
    own, brand = shop.entity("brand/0"), shop.entity("brand/1")
    overlay = Overlay(
        shop.graph, np.array([[item, made_by, own]], np.int32), np.array([[item, made_by, brand]], np.int32)
    )
    assert overlay.heads.tolist() == sorted([item, own, brand])
    bought = (np.array([0, 1]), np.array([other], np.int32))  # by one who has item/1 alone
    before, after = (seen(bought)[0][0] for seen in (evidence, evidence.through(Expand(shop.graph, overlay))))
    place = item - shop.items.first
    assert before[place] == 0
    # Both are then described by the same brand, and by nothing else along the metapath: as are other items of it.
    fellow = shop.entity("item/7") - shop.items.first
    assert after[place] == pytest.approx(before[fellow])
    assert after[fellow] == pytest.approx(before[fellow])
    gone = (np.array([0, 1]), np.array([item], np.int32))
    assert evidence(gone)[0][0][shop.entity("item/6") - shop.items.first] > 0
    assert evidence.through(Expand(shop.graph, overlay))(gone)[0][0][shop.entity("item/6") - shop.items.first] == 0
    assert evidence.through(Expand(shop.graph)) is evidence


def test_evidence_begins_with_the_interaction(shop: Recommendation) -> None:
    with pytest.raises(ValueError, match="begins with relation"):
        Evidence(shop.graph, shop.interact, shop.items, [shop.metapaths[0][1:]])


def test_the_mixture_learns_which_metapath_tells() -> None:
    rng = np.random.default_rng(0)
    evidence = rng.normal(size=(200, 10, 2)).astype(np.float32)
    evidence[:, 0, 0] += 3  # the right item stands out along the first metapath alone
    evidence[:50, :, 1] = NOWHERE
    mixture = Mixture(2, None)
    untrained = Mixture(2, None).scores(torch.zeros(200, 10, 2), torch.from_numpy(evidence))
    left = mixture.fit(np.zeros_like(evidence), evidence)
    assert mixture.log_weights[0] > mixture.log_weights[1] + 0.5
    assert left < float((untrained.logsumexp(1) - untrained[:, 0]).mean())
    fixed = Mixture(2, 0.25)
    fixed.fit(rng.normal(size=evidence.shape).astype(np.float32), evidence)
    assert fixed.likelihood_weight == 0.25


def test_a_metapath_is_walked_as_often_as_it_leads_to_positives(shop: Recommendation) -> None:
    train = shop.splits["train"]
    learner = Learner(network_of("shallow", shop), shop, shop.metapaths, NserConfig(dim=5), 0)
    reached = [np.zeros(len(train), bool) for _ in shop.metapaths]
    for number, metapath in enumerate(shop.metapaths):
        for row, (user, _, item) in enumerate(train.tolist()):
            users, items = (np.array([one], np.int32) for one in (user, item))
            pairs, _ = sample_metapath(Expand(shop.graph), metapath, users, items, hidden=shop.interact)
            reached[number][row] = len(pairs) > 0
    expected = np.mean(reached, axis=1)
    assert 0 < expected.min() < expected.max() == 1
    np.testing.assert_allclose(learner.share, expected / expected.sum(), atol=2e-3)


def test_candidates_are_of_the_types_that_a_hop_leads_to(shop: Recommendation) -> None:
    kinds = {kind.name: set(range(kind.first, kind.last)) for kind in shop.types}
    for metapath in shop.metapaths:
        hops = tail_candidates(shop, metapath)
        for hop, (found, relation) in enumerate(zip(hops, metapath, strict=True), 1):
            name = shop.relation_name(relation)
            expected = {"bought": "item", "^bought": "user", "made_by": "brand", "like": "item"}.get(name, "item")
            assert set(found.tolist()) == kinds["item" if hop == len(metapath) else expected]
    assert len(list(itertools.chain(*shop.metapaths))) == 8
