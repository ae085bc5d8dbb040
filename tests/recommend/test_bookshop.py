"""NSER in the Bookshop: cold items by their facts alone, and users folded in without training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from kgwalk._core import num_threads, set_num_threads
from kgwalk.data import Recommendation, bookshop
from kgwalk.evaluation.catalogue import cold_items
from kgwalk.recommend import Recommender
from kgwalk.search import known_items

pytest.importorskip("torch", reason="agents need torch: pip install 'kgwalk[agents]'")

import torch

from kgwalk.agents.nser import Nser, NserConfig

#: Too short to rank well; where walks lead does not depend on it.
CONFIG = NserConfig(dim=8, hidden=8, batch_size=64, steps=2, validate_every=2, validate_users=20, budget=490)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = num_threads(), torch.get_num_threads()
    set_num_threads(1)
    torch.set_num_threads(1)
    yield
    set_num_threads(before[0])
    torch.set_num_threads(before[1])


@pytest.fixture(scope="module")
def shop() -> Recommendation:
    return bookshop()


@pytest.fixture(scope="module")
def nser(shop: Recommendation, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return Nser.fit(shop, CONFIG, tmp_path_factory.mktemp("nser"))


def test_an_item_that_nobody_has_is_reached_by_its_facts(shop: Recommendation, nser: Any) -> None:
    author = shop.relation("written_by")
    cold = set(cold_items(shop).tolist())
    assert cold
    # Someone who has read one book of an author who has written a new one.
    for new in sorted(cold):
        (writer,) = shop.graph.slice(new, author)[:, 1].tolist()
        others = [b for b in shop.graph.slice(writer, shop.graph.inverse(author))[:, 1].tolist() if b not in cold]
        if others:
            break
    found = Recommender(nser, shop).to_new([others[0]], k=400, paths=6)
    (item,) = (item for item in found.items if item.entity == shop.entities[new])
    assert item.explained
    assert item.by == "nser"
    for reason in item.reasons:
        assert reason.path.hops[-1].entity == item.entity
        assert "^reads" not in reason.metapath
    assert f"{shop.label(writer)}, who also wrote “{item.label}”." in item.reasons[0].sentence


def test_a_user_folded_in_gets_the_list_of_one_in_the_graph(shop: Recommendation, nser: Any) -> None:
    before = {key: value.clone() for key, value in nser.network.state_dict().items()}
    recommender = Recommender(nser, shop, split="valid")
    for user in range(5):
        _, items = known_items(shop.graph, np.array([user], np.int32), shop.interact)
        old = recommender.to(user, k=30, paths=2)
        new = recommender.to_new(items.tolist(), name=old.label, k=30, paths=2)
        assert new.has == old.has
        assert [item.entity for item in new.items] == [item.entity for item in old.items]
        reasons, others = ([reason for item in one.items for reason in item.reasons] for one in (new, old))
        assert [reason.sentence for reason in reasons] == [reason.sentence for reason in others]
        log_probs = [reason.path.log_prob for reason in others]  # sums that an overlay adds up in another order
        assert [reason.path.log_prob for reason in reasons] == pytest.approx(log_probs, rel=1e-5)
        assert [one.share for one in new.metapaths] == pytest.approx([one.share for one in old.metapaths])
    assert all(torch.equal(before[key], value) for key, value in nser.network.state_dict().items())
    assert shop.graph.num_entities == len(shop.entities)


def test_one_user_more_gets_other_books(shop: Recommendation, nser: Any) -> None:
    recommender = Recommender(nser, shop)
    first, second = (recommender.to_new([shop.items.first + book], k=5) for book in (0, 100))
    assert [item.entity for item in first.items] != [item.entity for item in second.items]


def test_never_an_item_that_the_user_has(shop: Recommendation, nser: Any) -> None:
    for user in range(0, 300, 60):
        found = Recommender(nser, shop).to(user, k=490)
        own = np.concatenate([shop.splits[part][shop.splits[part][:, 0] == user, 2] for part in ("train", "valid")])
        listed = [shop.entity(item.entity) for item in found.items]
        assert not set(listed) & set(own.tolist())
        assert sorted([*listed, *set(own.tolist())]) == list(range(shop.items.first, shop.items.last))
        assert [item.explained for item in found.items] == sorted((i.explained for i in found.items), reverse=True)


def test_shares_count_all_walks_and_not_only_those_shown(shop: Recommendation, nser: Any) -> None:
    recommender = Recommender(nser, shop)
    one, many = recommender.to(3, k=5, paths=1), recommender.to(3, k=5, paths=4)
    assert one.metapaths == many.metapaths
    assert sum(share.share for share in one.metapaths) == pytest.approx(1.0)
    rows = [[3, shop.interact, shop.entity(item.entity)] for item in one.items]
    told = nser.reasons(np.array(rows, np.int32), shop.graph, 1)
    weights = dict(zip(map(shop.metapath_name, told.metapaths), told.weights.sum(0) / told.weights.sum(), strict=True))
    assert len(one.metapaths) > 1
    assert {" ".join(share.metapath): share.share for share in one.metapaths} == pytest.approx(
        {name: weight for name, weight in weights.items() if weight > 0}
    )
    readers = next(share for share in one.metapaths if "^reads" in share.metapath)
    assert readers.walks > readers.items > 0
