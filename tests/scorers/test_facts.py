"""Facts of many relations put to a scorer."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgwalk.protocols import Scorer
from kgwalk.scorers import score_facts
from tests.scorers.fakes import BrokenScorer, TableScorer

FACT = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))


@given(facts=st.lists(FACT, max_size=40), seed=st.integers(0, 9))
def test_each_fact_has_its_own_score_and_is_asked_for_once(facts: list[tuple[int, int, int]], seed: int) -> None:
    scorer = TableScorer(4, 2, seed)
    scores = score_facts(scorer, np.array(facts, np.int32).reshape(-1, 3))
    assert scores.dtype == np.float32
    assert scores.tolist() == [scorer.of(*fact) for fact in facts]
    assert sorted(scorer.asked) == sorted(set(facts))
    assert scorer.relations == sorted({relation for _, relation, _ in facts})


def test_ids_as_large_as_they_come_are_told_apart() -> None:
    class Sum:
        def score(self, sources: np.ndarray, relation: int, targets: np.ndarray) -> np.ndarray:
            return ((sources.astype(np.int64) * 3 + relation * 5 + targets.astype(np.int64) * 7) % 11 / 11).astype("f4")

    most = 2**31 - 1
    facts = [(s, r, t) for s in (0, 1, most - 1, most) for r in (0, most) for t in (0, 1, most - 1, most)]
    expected = [np.float32((3 * s + 5 * r + 7 * t) % 11 / 11) for s, r, t in facts]
    assert score_facts(Sum(), np.array(facts, np.int32)).tolist() == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("relation", [-1, -2, 4])
def test_ids_out_of_range_are_left_to_the_scorer(relation: int) -> None:
    with pytest.raises(IndexError, match=f"no relation {relation}"):
        score_facts(TableScorer(4, 2), np.array([(0, relation, 0)], np.int32))


def test_other_arrays_are_refused() -> None:
    for facts in (np.zeros((3, 2), np.int32), np.zeros((2, 3), np.int64), np.zeros(3, np.int32)):
        with pytest.raises(ValueError, match=r"facts: expected \(n, 3\) int32"):
            score_facts(TableScorer(4, 2), facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        (BrokenScorer(np.nan), r"BrokenScorer\.score: expected scores in \[0, 1\], got nan \(2 of 2\)"),
        (BrokenScorer(np.inf), "got inf"),
        (BrokenScorer(1.5), r"got 1\.5"),
        (BrokenScorer(-0.25), r"got -0\.25"),
        (BrokenScorer(0.5, count=2), r"BrokenScorer\.score: expected \(2,\) floats, got \(4,\)"),
        (BrokenScorer(1, "int64"), "got .* int64"),
        (BrokenScorer(0.5, "complex64"), "got .* complex64"),
    ],
)
def test_what_is_no_score_is_refused_by_the_scorers_name(scorer: Scorer, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        score_facts(scorer, np.array([(0, 0, 1), (1, 0, 2)], np.int32))


def test_importing_it_does_not_import_torch() -> None:
    code = "import sys, kgwalk.scorers.facts; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
