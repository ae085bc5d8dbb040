"""KGNN-LS against a recursion over the labels in reach."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from kgwalk.scorers.recommenders import KgnnLs, Receptive
from kgwalk.scorers.recommenders.receptive_config import LabelSmoothConfig
from tests.scorers.recommenders.market import shaken
from tests.scorers.recommenders.receptive_oracle import Node, Oracle, field_of
from tests.scorers.recommenders.tiny import cross_entropy, make_labelled


def label_oracle(model: Receptive, known: dict[tuple[int, int], float], user: int, item: int) -> float:
    oracle = Oracle(model)
    oracle.user = oracle.held["users"][user]

    def told(node: Node) -> float | None:
        return None if node.entity == item else known.get((user, node.entity))

    def label(node: Node, rounds: int) -> float:
        own = told(node)
        if rounds == 0 or own is not None:
            return 0.5 if own is None else own
        near = [(row, np.zeros(model.config.dim)) for row, _ in node.near]
        weights = oracle.weights(np.zeros(model.config.dim), near)
        passed = sum(w * label(one, rounds - 1) for w, (_, one) in zip(weights, node.near, strict=True))
        return float(passed / len(near) if model.config.means == "code" else passed)

    return label(field_of(model, item), model.config.depth)


@pytest.mark.parametrize(("means", "depth"), [("code", 1), ("paper", 1), ("code", 3), ("paper", 2), ("paper", 3)])
def test_labels_are_propagated_as_a_loop_does(means: Any, depth: int) -> None:
    dataset = make_labelled()
    config = LabelSmoothConfig(dim=3, neighbours=3, depth=depth, means=means, label_smoothness=0.7, l2=0.01)
    model = shaken(KgnnLs.of(dataset, config, 0))
    assert isinstance(model, KgnnLs)
    model.learn_from(dataset, dataset.negatives["train"])
    first = dataset.users.last
    known = {(u, i - first): 0.0 for u, i in dataset.negatives["train"].tolist()}
    known |= {(u, i - first): 1.0 for u, _, i in dataset.splits["train"].tolist()}
    users, items = torch.tensor(list(np.ndindex(len(dataset.users), len(dataset.items)))).T
    expected = [label_oracle(model, known, u, i) for u, i in zip(users.tolist(), items.tolist(), strict=True)]
    assert model._propagated(users, items).tolist() == pytest.approx(expected, abs=1e-5)
    if depth > 1:  # labels of other items do arrive
        unknown = [label_oracle(model, {}, u, i) for u, i in zip(users.tolist(), items.tolist(), strict=True)]
        assert np.abs(np.array(unknown) - expected).max() > 0.02

    labels = (torch.arange(len(users)) % 2).float()
    loss = model.click_loss(users, items, labels).item()
    scores = model.pair_scores(users, items).tolist()
    plain = np.mean([cross_entropy(*row) for row in zip(scores, labels.tolist(), strict=True)])
    smooth = np.mean([cross_entropy(*row) for row in zip(expected, labels.tolist(), strict=True)])
    assert loss == pytest.approx(plain + 0.01 * model.penalty(users, items).item() + 0.7 * smooth, rel=1e-4)


def test_without_labels_all_are_a_half() -> None:
    dataset = make_labelled()
    config = LabelSmoothConfig(dim=3, neighbours=3, depth=2, means="paper")
    model = shaken(KgnnLs.of(dataset, config, 0))
    assert isinstance(model, KgnnLs)
    got = model._propagated(torch.tensor([0, 1]), torch.tensor([2, 3]))
    torch.testing.assert_close(got, torch.full((2,), 0.5))


def test_label_smoothness_moves_relations_alone() -> None:
    """Labels have no vectors: what they teach is the attention."""
    dataset = make_labelled()
    model = shaken(KgnnLs.of(dataset, LabelSmoothConfig(dim=3, neighbours=3, depth=2, means="paper"), 0))
    assert isinstance(model, KgnnLs)
    model.learn_from(dataset, dataset.negatives["train"])
    pairs = torch.from_numpy(dataset.splits["train"][:, [0, 2]].astype(np.int64)) - torch.tensor(
        [0, dataset.users.last]
    )
    model._propagated(*pairs.T).sum().backward()  # type: ignore[no-untyped-call]
    moved = {key for key, value in model.named_parameters() if value.grad is not None and value.grad.abs().sum() > 0}
    assert moved == {"users", "relations"}


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("depth", [1, 2])
def test_label_smoothness_needs_labelled_items_in_reach(
    caplog: pytest.LogCaptureFixture, depth: int, linked: bool
) -> None:
    """Items without items for neighbours see no label at depth 1: the model is KGCN then, and says so."""
    dataset = make_labelled(linked=linked)
    config = LabelSmoothConfig(dim=3, neighbours=4, depth=depth, means="paper")
    model = shaken(KgnnLs.of(dataset, config, 0))
    assert isinstance(model, KgnnLs)
    with caplog.at_level("WARNING"):
        model.learn_from(dataset, dataset.negatives["train"])

    first = dataset.users.last
    train = [*dataset.splits["train"][:, [0, 2]].tolist(), *dataset.negatives["train"].tolist()]
    pairs = {(user, item - first) for user, item in train}
    field = model.field_entities.tolist()
    reached = []
    for user, item in sorted(pairs):
        hops = [[item]]
        for _ in range(depth):
            hops.append([near for entity in hops[-1] for near in field[entity]])
        reached.append(any((user, near) in pairs - {(user, item)} for hop in hops[1:] for near in hop))
    assert model._labels_in_reach() == pytest.approx(np.mean(reached))
    assert any(reached) is (linked or depth > 1)
    assert ("label smoothness teaches next to nothing" in caplog.text) is not any(reached)

    users, items = torch.tensor(sorted(pairs)).T
    model._propagated(users, items).square().sum().backward()  # type: ignore[no-untyped-call]
    assert model.relations.grad is not None
    assert (float(model.relations.grad.abs().max()) > 1e-3) is any(reached)


def test_one_label_in_a_thousand_pairs_is_next_to_none(caplog: pytest.LogCaptureFixture) -> None:
    dataset = make_labelled(linked=True)
    model = KgnnLs.of(dataset, LabelSmoothConfig(dim=3, neighbours=4), 0)
    assert isinstance(model, KgnnLs)
    for share, told in ((0.0099, True), (0.01, False)):
        caplog.clear()
        model._labels_in_reach = lambda share=share: share  # type: ignore[method-assign, misc]
        with caplog.at_level("WARNING"):
            model.learn_from(dataset, dataset.negatives["train"])
        assert ("at depth 1 1.0 % of the training pairs of" in caplog.text) is told
