"""Agents side by side: numbers over seeds, differences seed by seed, what is written and drawn."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from kgwalk.evaluation.comparison import COLUMNS, Comparison, Measured, spread_of
from kgwalk.evaluation.comparison_picture import apart, draw_comparison, save_comparison_picture

REFERENCES = ("item-cf", "most-popular")


def measured(model: str, seed: int, recall: float, auc: float | None) -> Measured:
    lists = {f"recall@{k}": recall * (1 + math.log10(k)) / 2 for k in (2, 10, 20, 100)}
    figures = {"topk-all": {**lists, "recall@10": recall, "ndcg@10": recall / 2}}
    if auc is not None:
        figures["ctr"] = {"auc": auc, "f1": auc}
    return Measured(model, seed, figures, {"run": f"runs/{model}"})


@pytest.fixture
def comparison() -> Comparison:
    rows = [("kgcn", 0.10, 0.80), ("kgat", 0.20, 0.85), ("nser", 0.16, None), ("item-cf", 0.15, 0.7)]
    rows.append(("most-popular", 0.05, 0.6))
    made = [
        measured(name, seed, recall + 0.02 * seed, None if auc is None else auc + 0.01 * seed)
        for name, recall, auc in rows
        for seed in (0, 1)
    ]
    return Comparison("Shop", "test", made, REFERENCES)


def test_over_seeds(comparison: Comparison) -> None:
    assert comparison.models == ["kgat", "nser", "item-cf", "kgcn", "most-popular"]
    assert comparison.spread("kgcn", COLUMNS[2]) == pytest.approx((0.11, 0.02 / math.sqrt(2)))
    assert comparison.difference("kgcn", "item-cf") == pytest.approx((-0.05, 0), abs=1e-12)
    assert math.isnan(comparison.spread("nser", COLUMNS[0]).mean)
    assert spread_of([0.5]).words() == "0.5000"
    assert spread_of([]).words() == "-"
    assert spread_of([0.1, 0.3]).words(signed=True) == "+0.2000 ± 0.1414"


def test_every_number_has_its_protocol(comparison: Comparison, tmp_path: Path) -> None:
    comparison.save(tmp_path)
    lines = (tmp_path / "compare.md").read_text().splitlines()
    titles = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert titles[0] == "model"
    assert all(title.startswith(("ctr ", "topk-all ")) for title in titles[1:])
    assert titles[-2:] == ["topk-all R@10 - item-cf", "topk-all R@10 - most-popular"]
    assert lines[4].startswith("| kgat | 0.8550 ± 0.0071 |")
    saved = json.loads((tmp_path / "compare.json").read_text())
    assert saved["models"]["kgcn"]["seeds"]["1"]["protocols"]["ctr"] == pytest.approx({"auc": 0.81, "f1": 0.81})
    assert saved["models"]["nser"]["over_seeds"]["ctr auc"] == {"mean": None, "deviation": None}
    assert saved["models"]["item-cf"]["differences"].keys() == {"topk-all recall@10 to most-popular"}


def test_the_picture_names_every_model(comparison: Comparison, tmp_path: Path) -> None:
    left, right = draw_comparison(comparison).axes
    assert {text.get_text() for text in left.texts} == set(comparison.models)
    assert [label.get_text() for label in right.get_yticklabels()] == ["kgcn", "kgat"]
    assert set(REFERENCES) <= {text.get_text() for text in right.texts}
    for name in ("a.svg", "b.svg"):
        save_comparison_picture(comparison, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_one_seed_has_no_spread() -> None:
    alone = Comparison("Shop", "test", [measured("kgcn", 4, 0.1, 0.8)], ())
    assert "±" not in alone.markdown().split("\n\n")[1]
    assert alone.heading == "Shop, labelled split, test, seed 4"
    assert len(draw_comparison(alone).axes) == 2


def test_names_keep_their_distance() -> None:
    assert apart([0, 0, 5], 2) == [-1, 1, 5]
    assert apart([0, 1.5, 3.1], 2) == pytest.approx([-7 / 15, 23 / 15, 53 / 15])
    assert apart([], 1) == []
