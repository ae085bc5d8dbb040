"""Each figure about explanations, worked out by hand on the shop."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import kgwalk.data
from kgwalk.data.files import DamagedFileError, MissingDataError
from kgwalk.data.recommendation.dates import interaction_days
from kgwalk.evaluation import path_quality
from kgwalk.evaluation.path_quality import explanations, smoothed
from kgwalk.protocols import Ranked
from kgwalk.search.paths import Paths
from tests.evaluation.shop import make_shop

SHOP = make_shop()
STAY = SHOP.graph.stay
BY_BRAND = ("buys", "made_by", "^made_by")
BY_GENRE = ("buys", "of", "^of")
BY_USER = ("buys", "^buys", "buys")


def lists(*rows: Sequence[tuple[str, Sequence[str], Sequence[str]]], items: Sequence[Sequence[str]]) -> Ranked:
    """Rows of (user, relations, entities after the user), and the items of each list."""
    paths = [(query, path) for query, row in enumerate(rows) for path in row]
    relations = [[STAY if r == "STAY" else SHOP.relation(r) for r in path[1]] for _, path in paths]
    entities = [[SHOP.entity(path[0]), *map(SHOP.entity, path[2])] for _, path in paths]
    found = Paths(
        np.array([query for query, _ in paths], np.int32),
        np.array(entities, np.int32).reshape(len(paths), -1),
        np.array(relations, np.int32).reshape(len(paths), -1),
        -np.arange(len(paths), dtype=np.float64),
        STAY,
    )
    flat = [SHOP.entity(item) for row in items for item in row]
    offsets = np.cumsum([0, *map(len, items)], dtype=np.int64)
    return Ranked(offsets, np.array(flat, np.int32), -np.arange(len(flat), dtype=np.float64), found)


RANKED = lists(
    [
        ("user/1", BY_GENRE, ("item/a", "genre/g", "item/d")),
        ("user/1", BY_GENRE, ("item/b", "brand/x", "item/d")),  # a worse path to d does not count
        ("user/1", BY_GENRE, ("item/a", "genre/g", "item/e")),
        ("user/1", BY_USER, ("item/a", "user/2", "item/c")),
    ],
    [("user/2", ("^buys", "STAY", "STAY"), ("item/b", "item/b", "item/b"))],
    [],
    items=[["item/d", "item/e", "item/c", "item/b"], ["item/b"], ["item/a"]],
)


def test_shares_and_kinds_by_hand() -> None:
    found = path_quality(RANKED, SHOP)
    # User 1: three paths; all begin with a; shared are genre g twice and user 2; last relations of, of, buys.
    assert found["lid"][:2] == pytest.approx([1 / 3, 1])
    assert found["sed"][:2] == pytest.approx([2 / 3, 1])
    assert found["ptd"][:2] == pytest.approx([2 / 3, 1])
    assert found["ptc"][0] == pytest.approx(1 - 2 / 6)
    assert np.isnan(found["ptc"][1])  # of one path
    assert found["ppt"][:2] == pytest.approx([2 / 3, 1])  # patterns that occur are 3
    assert path_quality(RANKED, SHOP, num_patterns=2)["ppt"][0] == pytest.approx(2 / 2)
    assert all(np.isnan(values[2]) for values in found.values())
    assert path_quality(RANKED, SHOP, k=1)["sed"][0] == 1


def test_popularity_of_the_shared_entity_by_hand() -> None:
    # Genre g is the only genre: 0. Users 3, 1 and 2 have degrees 1, 2 and 2; with a = 1/2 the means are 1, 5/3, 13/7.
    degrees = smoothed([1.0, 2.0, 2.0])
    assert degrees == pytest.approx([0, (2 / 3) / (6 / 7), 1])
    assert path_quality(RANKED, SHOP)["sep"][0] == pytest.approx((0 + 0 + degrees[2]) / 3)


def test_recency_of_the_linked_interaction_by_hand() -> None:
    assert np.isnan(path_quality(RANKED, SHOP)["lir"]).all()
    train = SHOP.splits["train"].tolist()
    when = {("user/1", "item/a"): 3, ("user/1", "item/b"): 9, ("user/2", "item/a"): 5}
    named = [(SHOP.entities[user], SHOP.entities[item]) for user, _, item in train]
    days = np.array([when.get(pair, 0) for pair in named], np.int64)
    later = np.array([-day for day in days.tolist()], np.int64)
    assert path_quality(RANKED, SHOP, days=days)["lir"][0] == 0  # a is the first of user 1's two
    assert path_quality(RANKED, SHOP, days=later)["lir"][0] == 1
    assert path_quality(RANKED, SHOP, days=days)["lir"][1] == 0  # its path does not begin with an interaction
    with pytest.raises(ValueError, match="2 days for"):
        path_quality(RANKED, SHOP, days=days[:2])


def test_smoothing() -> None:
    # Three numbers: a = 1/2. Means 0, 2/3 * 6, (0 + 6/2 + 9) / (7/4).
    means = [0, 6 / 1.5, (3 + 9) / 1.75]
    assert smoothed([1.0, 7.0, 10.0]) == pytest.approx([mean / means[2] for mean in means])
    assert smoothed([4.0]).tolist() == [0]
    assert smoothed([4.0, 4.0]).tolist() == [0, 1]


def test_waiting_is_no_part_of_an_explanation() -> None:
    one = explanations(RANKED, 10)[-1]
    assert one.entities == (SHOP.entity("user/2"), SHOP.entity("item/b"))
    assert one.relations == (SHOP.relation("^buys"),)
    with pytest.raises(ValueError, match="no paths"):
        explanations(Ranked(RANKED.offsets, RANKED.entities, RANKED.scores), 10)


@pytest.mark.skipif("KGWALK_DATA" not in os.environ, reason="needs the benchmark folders")
def test_days_of_cellphones_are_those_of_the_file() -> None:
    dataset = kgwalk.data.load("Amazon-Cellphones")
    train, valid = interaction_days(dataset), interaction_days(dataset, "valid")
    assert len(train) == len(dataset.splits["train"])
    assert len(valid) == len(dataset.splits["valid"])
    first, last = (np.datetime64(int(day), "D") for day in (train.min(), train.max()))
    assert np.datetime64("1999-01-01") < first < last <= np.datetime64("2014-07-23")


def test_sets_without_days_and_files_that_are_odd(tmp_path: Path) -> None:
    import dataclasses

    with pytest.raises(MissingDataError, match=r"train_dates\.txt"):
        interaction_days(SHOP)
    card = dataclasses.replace(SHOP.card, splits=(("train", "train.txt"),))
    there = dataclasses.replace(SHOP, folder=tmp_path, card=card)
    rows = [f"{SHOP.entities[user]}\tbuys\t{SHOP.entities[item]}" for user, _, item in SHOP.splits["train"].tolist()]
    (tmp_path / "train.txt").write_text("\n".join(reversed(rows)) + "\n")
    days = [f"2014-01-{day:02d}" for day in range(1, len(rows) + 1)]
    (tmp_path / "train_dates.txt").write_text("\n".join(reversed(days)) + "\n")
    assert np.diff(interaction_days(there)).tolist() == [1] * (len(rows) - 1)
    (tmp_path / "train_dates.txt").write_text("\n".join(days[:-1]) + "\n")
    with pytest.raises(DamagedFileError, match="dates for the"):
        interaction_days(there)
    (tmp_path / "train_dates.txt").write_text("\n".join([*days[:-1], "soon"]) + "\n")
    with pytest.raises(DamagedFileError, match=f":{len(rows)}: expected a date"):
        interaction_days(there)
