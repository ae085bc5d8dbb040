"""Sums over what a user interacts with: against loops, and files that lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from kgwalk import scorers
from kgwalk.scorers import LinearScorer, cosine_weights
from kgwalk.tensors import load_tensors, save_tensors
from tests.evaluation.shop import make_shop

SHOP = make_shop()


def item_cf() -> LinearScorer:
    weights = cosine_weights(scorers.training_profiles(SHOP))
    return LinearScorer.of("item-cf", SHOP, weights, np.zeros(len(SHOP.items), np.float32))


@given(
    arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.sampled_from([0.0, 1.0])),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 3),
)
def test_weights_are_shared_users_over_users(profiles: Any, power: float, history: float, shrinkage: float) -> None:
    found = cosine_weights(
        sparse.csr_array(profiles), power=power, history_power=history, shrinkage=shrinkage
    ).toarray()
    users = profiles.sum(0)
    for j in range(profiles.shape[1]):
        for i in range(profiles.shape[1]):
            both = float((profiles[:, j] * profiles[:, i]).sum())
            wanted = both / (users[j] ** history * users[i] ** power + shrinkage) if i != j and both else 0
            assert found[j, i] == pytest.approx(wanted, rel=1e-5)


def test_neighbours_keep_an_items_best() -> None:
    profiles = sparse.csr_array(np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0]], np.float32))
    found = cosine_weights(profiles, neighbours=1).toarray()
    assert [np.flatnonzero(row).tolist() for row in found] == [[1], [0], [1]]
    assert cosine_weights(profiles, neighbours=5).nnz == cosine_weights(profiles).nnz


def test_scores_by_hand() -> None:
    scorer, entity = item_cf(), SHOP.entity
    users = np.array([entity("user/1"), entity("user/2"), entity("user/3")], np.int32)
    # a is of users 1 and 2, b of 1, c of 2: what user 1 has, a and b, speaks for c by cos(a, c) = 1 / sqrt(2).
    score = scorer.score(users, SHOP.interact, np.full(3, entity("item/c"), np.int32))
    cosine = 0.5**0.5
    assert score == pytest.approx([cosine / (1 + cosine), cosine / (1 + cosine), 0])
    best, scores = scorer.top_k(users[:1], SHOP.interact, 3, entity_type=1)
    assert best[0].tolist() == [entity("item/a"), entity("item/b"), entity("item/c")]  # equal ones by id
    assert scores[0] == pytest.approx([cosine / (1 + cosine)] * 3)


def test_refuses_what_is_no_interaction() -> None:
    scorer = item_cf()
    user, item = np.array([SHOP.users.first], np.int32), np.array([SHOP.items.first], np.int32)
    wrong: list[tuple[type[Exception], Callable[[], Any]]] = [
        (ValueError, lambda: scorer.score(item, SHOP.interact, item)),
        (ValueError, lambda: scorer.score(user, SHOP.interact, user)),
        (ValueError, lambda: scorer.score(user, SHOP.interact + 1, item)),
        (IndexError, lambda: scorer.score(user, 99, item)),
        (IndexError, lambda: scorer.score(user, SHOP.interact, item + 99)),
        (ValueError, lambda: scorer.score(user.astype(np.int64), SHOP.interact, item)),
        (ValueError, lambda: scorer.top_k(user, SHOP.interact, 6)),
        (ValueError, lambda: scorer.top_k(user, SHOP.interact, 1, entity_type=0)),
    ]
    for error, call in wrong:
        with pytest.raises(error):
            call()


def test_a_file_gives_the_same_scorer_and_is_loaded_by_name(tmp_path: Path) -> None:
    scorer = item_cf()
    scorer.save(tmp_path / "agent.safetensors")
    again = scorers.load(tmp_path, SHOP)
    users = np.arange(SHOP.users.first, SHOP.users.last, dtype=np.int32)
    for one, other in zip(scorer.top_k(users, 0, 5), again.top_k(users, 0, 5), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("weights", torch.tensor([float("nan")])),
        ("weight_items", torch.tensor([99], dtype=torch.int32)),
        ("weight_offsets", torch.tensor([0, 5])),
        ("profile_offsets", torch.empty(0, dtype=torch.int64)),
        ("popularity", torch.tensor([-1.0])),
        ("popularity", torch.tensor([[1.0]])),
        ("popularity", torch.tensor([1])),
    ],
)
def test_a_file_that_lies_is_refused(tmp_path: Path, key: str, value: torch.Tensor) -> None:
    path = tmp_path / "agent.safetensors"
    item_cf().save(path)
    tensors, note = load_tensors(path)
    save_tensors(path, {**tensors, key: value}, note)
    with pytest.raises(ValueError, match=r"agent\.safetensors"):
        LinearScorer.load(path)
