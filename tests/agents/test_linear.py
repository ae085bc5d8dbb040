"""Baselines that count: what they list, and that a run can be taken up again."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

import kgwalk.data
from kgwalk import agents
from kgwalk.evaluation import evaluate_recommendations
from kgwalk.graph import Expand, Overlay
from tests.evaluation.shop import make_shop

SHOP = make_shop()


def names(agent: object, user: str, graph: object = SHOP.graph) -> list[str]:
    query = np.array([[SHOP.entity(user), SHOP.interact, -1]], np.int32)
    return [SHOP.entities[int(item)] for item in agent.answer(query, graph).entities]  # type: ignore[attr-defined]


def test_most_popular_lists_what_the_user_has_not(tmp_path: Path) -> None:
    agent = agents.get("most-popular").fit(SHOP, agents.get("most-popular").config_for("Shop"), tmp_path)
    assert names(agent, "user/3") == ["item/a", "item/b", "item/c"]  # d is known, e is nobody's
    assert names(agent, "user/1") == ["item/c", "item/d"]


def test_item_cf_needs_a_common_user_and_heeds_an_overlay(tmp_path: Path) -> None:
    agent = agents.get("item-cf").fit(SHOP, agents.get("item-cf").config_for("Shop"), tmp_path)
    assert names(agent, "user/1") == ["item/c"]
    assert names(agent, "user/3") == []
    new = np.array([[SHOP.entity("user/3"), SHOP.interact, SHOP.entity("item/b")]], np.int32)
    folded = Expand(SHOP.graph, Overlay(SHOP.graph, np.empty((0, 3), np.int32), new))
    assert names(agent, "user/3", folded) == ["item/a"]


@pytest.mark.parametrize("name", ["most-popular", "item-cf"])
def test_a_run_is_taken_up_and_that_of_others_refused(tmp_path: Path, name: str) -> None:
    kind = agents.get(name)
    config = kind.config_for("Shop")
    kind.fit(SHOP, config, tmp_path)
    with pytest.raises(FileExistsError):
        kind.fit(SHOP, config, tmp_path)
    trainer = kind.trainer(SHOP, config, tmp_path)
    trainer.run(resume=True)
    assert trainer.idle
    with pytest.raises(ValueError, match="another run"):
        kind.fit(SHOP, dataclasses.replace(config, answers=3), tmp_path, resume=True)
    assert agents.load(tmp_path, SHOP).answers == 100


def test_refuses_other_datasets_and_queries(tmp_path: Path) -> None:
    kind = agents.get("item-cf")
    with pytest.raises(ValueError, match="no recommendation set"):
        kind.trainer(kgwalk.data.load("Family"), kind.config_for(""), tmp_path)
    agent = kind.fit(SHOP, kind.config_for("Shop"), tmp_path)
    with pytest.raises(ValueError, match="interactions"):
        agent.answer(np.array([[SHOP.entity("item/a"), SHOP.interact + 1, -1]], np.int32), SHOP.graph)
    with pytest.raises(ValueError, match="power"):
        agents.ItemCFConfig(power=-1)


@pytest.mark.skipif("KGWALK_DATA" not in os.environ, reason="needs the benchmark folders")
def test_last_fm_as_measured_apart(tmp_path: Path) -> None:
    """NDCG@10 of the untuned cosine on test, valid left out of train; measured with dense matrices."""
    dataset = kgwalk.data.load("LastFM")
    agent = agents.get("item-cf").fit(dataset, agents.ItemCFConfig(), tmp_path)
    assert evaluate_recommendations(agent, dataset).metrics["ndcg@10"] == pytest.approx(0.1536, abs=0.001)
