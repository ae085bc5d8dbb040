"""A market small enough for slow oracles, and what holds for every recommender model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kgwalk._core import TripleReader
from kgwalk.data.recommendation.dataset import Recommendation, assemble_recommendation
from kgwalk.scorers import Recommender, RecommenderScorer
from kgwalk.tensors import load_tensors, save_tensors
from tests.evaluation.shop import CARD

USERS, ITEMS = 7, 9


def make_market(seed: int = 0, *, linked: bool = True) -> Recommendation:
    """7 users, 9 items with brands, genres and, if ``linked``, accessories; of item 8 only its genre is known."""
    rng = np.random.default_rng(seed)
    bought = [(u, i) for u in range(USERS) for i in rng.choice(ITEMS, 5, replace=False).tolist()]
    facts = [f"item/{i}\tmade_by\tbrand/{rng.integers(3)}" for i in range(8)]
    facts += [f"item/{i}\tof\tgenre/{g}" for i in range(ITEMS) for g in rng.choice(4, rng.integers(1, 4), False)]
    facts += ["item/0\tgoes_with\titem/3", "item/3\tgoes_with\titem/1"] if linked else []
    facts += ["brand/0\towns\tbrand/1"]
    reader = TripleReader()
    parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for place, (user, item) in enumerate(bought):
        split = ("train", "train", "train", "valid", "test")[place % 5]
        parts[split].append(f"user/{user}\tbuys\titem/{item}")
    splits = {split: reader.add(_text(rows), split) for split, rows in parts.items()}
    return assemble_recommendation(CARD, reader, reader.add(_text(facts), "facts"), splits)


def shaken(model: Recommender, seed: int = 0) -> Recommender:
    """The model with all parameters drawn anew, so that none is zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model


def every_pair(model: Recommender) -> tuple[torch.Tensor, torch.Tensor]:
    """All users with all items, user by user."""
    users, items = model.sizes["users"], model.sizes["items"]
    return torch.arange(users).repeat_interleave(items), torch.arange(items).repeat(users)


def check_scores_agree(model: Recommender) -> None:
    """Pairs are scored as tables of all items are, in any order."""
    users = torch.tensor([3, 0, 3])
    table = model.all_scores(users)
    assert table.shape == (3, model.sizes["items"])
    of_pairs = model.pair_scores(*every_pair(model)).view(model.sizes["users"], -1)
    torch.testing.assert_close(table, of_pairs[users])
    assert model.all_scores(users[:0]).shape == (0, model.sizes["items"])
    assert model.pair_scores(users[:0], users[:0]).shape == (0,)


def check_gradients_flow(model: Recommender, unpaired: tuple[str, ...] = ()) -> None:
    """Every parameter gets a gradient by every objective, but ``unpaired`` none where scores are only compared."""
    users, items = torch.tensor([0, 1, 2]), torch.tensor([0, 4, 7])
    losses = {
        "clicks": lambda: model.click_loss(users, items, torch.tensor([1.0, 0.0, 1.0])),
        "pairs": lambda: model.pair_loss(users, items, torch.tensor([1, 3, 8])),
        "softmax": lambda: model.softmax_loss(users, items, (torch.tensor([0, 2]), torch.tensor([5, 6]))),
    }
    for objective, loss in losses.items():
        model.zero_grad()
        loss().backward()  # type: ignore[no-untyped-call]
        for key, parameter in model.named_parameters():
            if parameter.numel() and (objective == "clicks" or key not in unpaired):
                assert parameter.grad is not None, (objective, key)
                assert parameter.grad.abs().sum() > 0, (objective, key)


def check_comes_back(model: Recommender, dataset: Recommendation, folder: Path) -> None:
    """A file gives the same scores, and writes the same bytes."""
    scorer = RecommenderScorer.of(model, model.objective, dataset, {"seed": 0})
    scorer.save(folder / "one.safetensors")
    loaded = RecommenderScorer.load(folder / "one.safetensors")
    assert loaded.model.config == model.config
    users = np.arange(dataset.users.first, dataset.users.last, dtype=np.int32)
    np.testing.assert_array_equal(loaded.item_table(users), scorer.item_table(users))
    loaded.save(folder / "two.safetensors")
    assert (folder / "one.safetensors").read_bytes() == (folder / "two.safetensors").read_bytes()


def check_refused(model: Recommender, dataset: Recommendation, folder: Path, match: str, **tensors: Any) -> None:
    """A file with other tensors of the same shapes is refused."""
    path = folder / "hostile.safetensors"
    RecommenderScorer.of(model, model.objective, dataset).save(path)
    held, note = load_tensors(path)
    save_tensors(path, {**held, **tensors}, note)
    with pytest.raises(ValueError, match=match):
        RecommenderScorer.load(path)


def _text(rows: list[str]) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()
