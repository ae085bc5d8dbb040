from __future__ import annotations

import numpy as np
import pytest

from kgwalk._core import TripleReader
from kgwalk.data import new_users
from kgwalk.data.cards import Card
from kgwalk.data.recommendation.dataset import Recommendation, assemble_recommendation

CARD = Card(name="Shop", folder="shop", title="A shop", interaction="buys")


@pytest.fixture(scope="module")
def world() -> Recommendation:
    reader = TripleReader()
    train = reader.add(b"user/0\tbuys\titem/0\nuser/0\tbuys\titem/1\nuser/1\tbuys\titem/2\n", "train")
    test = reader.add(b"user/1\tbuys\titem/1\n", "test")
    facts = reader.add(b"item/0\tmade_by\tmaker/0\nitem/3\tmade_by\tmaker/0\n", "kg")
    return assemble_recommendation(CARD, reader, facts, {"train": train, "test": test})


def test_new_users_stand_in_the_graph_with_their_items(world: Recommendation) -> None:
    liked = [world.entity("item/3"), world.entity("item/1")]
    fresh = new_users(world, [liked, [liked[0], liked[0]]])
    count = world.graph.num_entities
    assert fresh.users.tolist() == [count, count + 1]
    assert fresh.queries.tolist() == [[count, world.interact, -1], [count + 1, world.interact, -1]]
    offsets, relations, tails = fresh.graph(fresh.users, np.array([-1], np.int32))
    assert offsets.tolist() == [0, 2, 3]
    assert set(relations.tolist()) == {world.interact}
    assert tails.tolist() == [*sorted(liked), liked[0]]
    back = np.array([world.graph.inverse(world.interact)], np.int32)
    _, _, buyers = fresh.graph(np.array([liked[0]], np.int32), back)
    assert buyers.tolist() == [count, count + 1]
    assert world.graph.num_entities == count
    assert fresh.graph.overlay is fresh.overlay


def test_a_user_of_whom_nothing_is_known_is_refused(world: Recommendation) -> None:
    with pytest.raises(ValueError, match="new user 1 has no interactions: give at least one item"):
        new_users(world, [[world.items.first], []])


def test_what_is_no_item_is_refused(world: Recommendation) -> None:
    with pytest.raises(ValueError, match="maker/0 is no item"):
        new_users(world, [[world.entity("maker/0")]])
    with pytest.raises(IndexError, match=r"entity 99 is outside \[0, 7\)"):
        new_users(world, [[99]])
    with pytest.raises(IndexError, match="entity -1"):
        new_users(world, [[-1]])
