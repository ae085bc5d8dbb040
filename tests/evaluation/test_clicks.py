"""Labelled rows: AUC and F1 by hand, means over batches, where probabilities come from, and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kgwalk.data import LabelledRecommendation, bookshop, labelled, load
from kgwalk.evaluation import evaluate_clicks
from kgwalk.protocols import ClickScorer, Ids, Scorer
from kgwalk.scorers import LinearScorer, cosine_weights, training_profiles
from tests.evaluation.shop import make_shop

SHOP = make_shop()


class Told:
    """Scores (user, item) pairs as it is told, others by 0."""

    def __init__(self, scores: Mapping[tuple[int, int], float]) -> None:
        self.told = scores

    def _of(self, users: Ids, items: Ids) -> np.ndarray:
        assert users.dtype == items.dtype == np.int32
        pairs = zip(users.tolist(), items.tolist(), strict=True)
        return np.array([self.told.get(pair, 0.0) for pair in pairs], np.float32)

    def score(self, sources: Ids, relation: int, targets: Ids) -> np.ndarray:
        assert relation == SHOP.interact
        return self._of(sources, targets)

    def top_k(self, sources: Ids, relation: int, k: int, *, entity_type: int | None = None) -> tuple[Ids, np.ndarray]:
        raise NotImplementedError


class Clicking(Told):
    """The same as probabilities; its scores are of no use."""

    name = "clicking"

    def clicks(self, users: Ids, items: Ids) -> np.ndarray:
        return self._of(users, items)

    def score(self, sources: Ids, relation: int, targets: Ids) -> np.ndarray:
        raise NotImplementedError


def tiny(positives: str, negatives: str, valid: tuple[str, str] = ("1c", "3c")) -> LabelledRecommendation:
    """The shop with given rows of test and valid, such as ``"1d 2b"``: user 1 with item d, user 2 with b."""

    def pairs(text: str) -> np.ndarray:
        rows = [[SHOP.entity(f"user/{one[0]}"), SHOP.entity(f"item/{one[1]}")] for one in text.split()]
        return np.array(rows, np.int32).reshape(-1, 2)

    def facts(text: str) -> np.ndarray:
        return np.insert(pairs(text), 1, SHOP.interact, axis=1).astype(np.int32)

    return replace(
        labelled(SHOP),
        splits={"train": SHOP.splits["train"], "valid": facts(valid[0]), "test": facts(positives)},
        negatives={"train": pairs("2e"), "valid": pairs(valid[1]), "test": pairs(negatives)},
    )


def scores(**told: float) -> dict[tuple[int, int], float]:
    """Scores of rows such as ``u1d=0.5``."""
    return {(SHOP.entity(f"user/{row[1]}"), SHOP.entity(f"item/{row[2]}")): value for row, value in told.items()}


def auc_oracle(positive: list[float], negative: list[float]) -> float:
    wins = [(p > n) + (p == n) / 2 for p in positive for n in negative]
    return sum(wins) / len(wins)


def f1_oracle(positive: list[float], negative: list[float]) -> float:
    right, wrong = sum(p >= 0.5 for p in positive), sum(n >= 0.5 for n in negative)
    return 2 * right / (right + wrong + len(positive))


def test_auc_and_f1_by_hand() -> None:
    # Positives .9, .5, .2 against negatives .5, .1: won 2, 1.5 and 1 of 6. Foretold: .9, .5 and wrongly .5.
    data = tiny("1d 1e 2b", "2d 3b")
    scorer = Clicking(scores(u1d=0.9, u1e=0.5, u2b=0.2, u2d=0.5, u3b=0.1))
    report = evaluate_clicks(scorer, data)
    assert report.metrics == pytest.approx({"auc": 4.5 / 6, "f1": 2 * 2 / (2 + 1 + 3)})
    assert report.counts == {"positives": 3, "negatives": 2}
    assert (report.scorer, report.split, report.dataset) == ("clicking", "test", "Shop")
    assert report.protocol["threshold"] == 0.5


def test_a_scorer_without_probabilities_gets_a_curve_fitted_on_valid() -> None:
    # Of valid, 10 is taken up and -10 is not: the curve is at a half in the middle, at 0; on test .1 is above it.
    data = tiny("1d 1e", "2d 3b")
    told = scores(u1c=10, u3c=-10, u1d=9, u1e=-0.1, u2d=0.1, u3b=-9)
    assert isinstance(Told({}), Scorer)
    assert not isinstance(Told({}), ClickScorer)
    assert isinstance(Clicking({}), ClickScorer)
    report = evaluate_clicks(Told(told), data)
    assert report.metrics == pytest.approx({"auc": 3 / 4, "f1": 2 / (1 + 1 + 2)})
    assert report.scorer == "Told"
    assert report.protocol["threshold"] == "by valid"
    # Shifted scores change nothing: the curve moves along.
    shifted = {pair: score + 100 for pair, score in told.items()}
    assert evaluate_clicks(Told(shifted), data).metrics == report.metrics
    assert evaluate_clicks(Told(told), data, "valid").metrics == {"auc": 1, "f1": 1}


@pytest.mark.parametrize("seed", [0, 1])
def test_a_slow_oracle_and_means_over_batches(seed: int) -> None:
    data = labelled(bookshop(readers=80, authors=40), seed)
    rng = np.random.default_rng(seed)
    rows = [(h, t, True) for h, _, t in data.splits["test"].tolist()]
    rows += [(h, t, False) for h, t in data.negatives["test"].tolist()]
    # Coarse, so that there are ties; better for positives.
    told = {(h, t): float(round(0.2 * label + 0.7 * rng.random(), 1)) for h, t, label in rows}
    exact = {pair: float(np.float32(score)) for pair, score in told.items()}

    def by_hand(part: list[tuple[int, int, bool]]) -> tuple[float, float]:
        positive, negative = ([exact[h, t] for h, t, label in part if label is side] for side in (True, False))
        return auc_oracle(positive, negative), f1_oracle(positive, negative)

    plain = evaluate_clicks(Clicking(told), data)
    assert plain.metrics == pytest.approx(dict(zip(("auc", "f1"), by_hand(rows), strict=True)))

    report = evaluate_clicks(Clicking(told), data, batch=3)
    order = np.random.default_rng([seed, 2]).permutation(len(rows))
    batches = [[rows[i] for i in order[begin : begin + 3]] for begin in range(0, len(rows) - 2, 3)]
    mixed = [part for part in batches if len({label for _, _, label in part}) == 2]
    auc, f1 = np.mean([by_hand(part) for part in mixed], axis=0)
    assert report.metrics == pytest.approx({**plain.metrics, "auc_per_batch": auc, "f1_per_batch": f1})
    assert report.counts["batches"] == len(mixed)
    assert report.counts["batches_of_one_label"] == len(batches) - len(mixed) > 0
    assert report.counts["rows_dropped"] == len(rows) % 3
    assert report.protocol["batch"] == 3
    # Another order than by label: batches differ, and their mean is close to the whole.
    wide = evaluate_clicks(Clicking(told), data, batch=100)
    assert wide.metrics["auc_per_batch"] == pytest.approx(plain.metrics["auc"], abs=0.02)
    assert wide.counts["batches_of_one_label"] == 0


def test_the_file_names_the_protocol(tmp_path: Path) -> None:
    report = evaluate_clicks(Clicking(scores(u1d=0.9)), tiny("1d", "2d"), batch=2)
    report.save(tmp_path / "clicks.json")
    saved = json.loads((tmp_path / "clicks.json").read_text())
    assert saved == report.to_json()
    assert saved["metrics"] == {"auc": 1, "f1": 1, "auc_per_batch": 1, "f1_per_batch": 1}
    protocol = saved["protocol"]
    assert (protocol["name"], protocol["split"], protocol["seed"]) == ("ctr", "6:2:2 by row", 0)
    assert protocol["negatives"].startswith("one fixed per positive, drawn before the split")
    assert "skipped" in protocol["per_batch"]
    assert "per_batch" not in evaluate_clicks(Clicking({}), tiny("1d", "2d")).to_json()["protocol"]


def test_refuses_what_cannot_be_measured() -> None:
    data = tiny("1d", "2d")
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match=f"user/1 with item/d the score {bad}"):
            evaluate_clicks(Told(scores(u1d=bad)), data)
    with pytest.raises(ValueError, match="user/3 with item/c the score nan"):
        evaluate_clicks(Told(scores(u3c=math.nan)), data)
    with pytest.raises(ValueError, match=r"user/2 with item/d the probability 1\.5"):
        evaluate_clicks(Clicking(scores(u2d=1.5)), data)
    with pytest.raises(KeyError, match="no split"):
        evaluate_clicks(Clicking({}), data, "dev")
    with pytest.raises(ValueError, match="Shop has no interactions in test"):
        evaluate_clicks(Clicking({}), tiny("", "2d"))
    with pytest.raises(ValueError, match="Shop has no sampled negatives in test"):
        evaluate_clicks(Clicking({}), tiny("1d", ""))
    with pytest.raises(ValueError, match="no interactions in valid"):
        evaluate_clicks(Told({}), tiny("1d", "2d", ("", "3c")))
    assert evaluate_clicks(Clicking({}), tiny("1d", "2d", ("", "3c"))).metrics["auc"] == 0.5
    with pytest.raises(ValueError, match="batch is 0"):
        evaluate_clicks(Clicking({}), data, batch=0)
    for size in (1, 3):
        with pytest.raises(ValueError, match=f"no batch of {size} rows"):
            evaluate_clicks(Clicking({}), data, batch=size)

    class Short(Clicking):
        def clicks(self, users: Ids, items: Ids) -> np.ndarray:
            return np.zeros(1, np.float32)

    with pytest.raises(ValueError, match=r"shape \(1,\); expected \(2,\)"):
        evaluate_clicks(Short({}), data)


def test_item_similarity_on_lastfm(data_dir: Path) -> None:
    data = labelled(load("LastFM", data_dir=data_dir))
    weights = cosine_weights(training_profiles(data))
    scorer = LinearScorer.of("item-cf", data, weights, np.zeros(len(data.items), np.float32))
    metrics = evaluate_clicks(scorer, data, batch=128).metrics
    assert 0.79 < metrics["auc"] < 0.83
    assert 0.74 < metrics["f1"] < 0.79
    assert metrics["auc_per_batch"] == pytest.approx(metrics["auc"], abs=0.01)
