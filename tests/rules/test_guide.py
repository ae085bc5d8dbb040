"""RuleGuide says of all relations at once what RuleTrie says of candidates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgwalk.protocols import Candidates
from kgwalk.rules import RuleGuide, RuleTrie

from .oracle import Rule
from .rule_sets import rule_set

ENTITIES, RELATIONS = 5, 3
STAY = 2 * RELATIONS
relation = st.integers(0, STAY - 1)
rules = st.dictionaries(
    st.tuples(st.integers(0, RELATIONS - 1), st.lists(relation, min_size=1, max_size=3)).map(
        lambda rule: Rule(rule[0], tuple(rule[1]))
    ),
    st.tuples(st.integers(1, 9), st.integers(9, 20)),
    max_size=12,
)


def trie_of(counts: dict[Rule, tuple[int, int]], threshold: float = 0.0) -> RuleTrie:
    return RuleTrie(rule_set(counts, ENTITIES, RELATIONS), RELATIONS, threshold=threshold)


def candidates(rows: list[set[int]]) -> Candidates:
    """STAY first, then relations, each with two entities."""
    listed = [[STAY, *(r for r in sorted(row) for _ in range(2))] for row in rows]
    flat = np.array([r for row in listed for r in row], np.int32)
    return Candidates(np.cumsum([0, *map(len, listed)]).astype(np.int64), flat, np.zeros(len(flat), np.int32))


def log_softmax(scores: np.ndarray) -> np.ndarray:
    shifted = scores.astype(np.float64) - scores.max()
    result: np.ndarray = shifted - math.log(np.exp(shifted).sum())
    return result


@given(
    counts=rules,
    threshold=st.sampled_from([0.0, 0.3]),
    walks=st.lists(st.tuples(relation, st.lists(st.integers(0, STAY), max_size=2), st.sets(relation)), max_size=6),
)
def test_it_agrees_with_the_trie_on_candidates(
    counts: dict[Rule, tuple[int, int]], threshold: float, walks: list[tuple[int, list[int], set[int]]]
) -> None:
    trie = trie_of(counts, threshold)
    nodes = np.array(
        [trie.follow(np.array([asked]), np.array([path], np.int32).reshape(1, -1))[0] for asked, path, _ in walks],
        np.int32,
    )
    row = candidates([open_ for _, _, open_ in walks])
    of_row = np.repeat(np.arange(len(walks)), np.diff(row.offsets))
    prior = RuleGuide(trie, "prior").log_scores(nodes)
    assert (prior.shape, prior.dtype) == ((len(walks), STAY + 1), np.float32)
    np.testing.assert_allclose(prior[of_row, row.relations], trie.prior(nodes, row), rtol=1e-6)
    closed = RuleGuide(trie, "mask").log_scores(nodes)[of_row, row.relations]
    allowed = trie.mask(nodes, row)
    for begin, end in zip(row.offsets[:-1], row.offsets[1:], strict=True):
        # Closed moves keep next to nothing of a row's probability; a row that all would be closed in is left as it is.
        share = np.exp(log_softmax(closed[begin:end]))
        expected = allowed[begin:end] / allowed[begin:end].sum()
        np.testing.assert_allclose(share, expected, atol=1e-6)


def test_by_hand() -> None:
    counts = {Rule(0, (1,)): (5, 5), Rule(0, (1, 2)): (10, 15), Rule(0, (2, 2)): (2, 15)}  # .5, .5, .1 when smoothed
    guide = RuleGuide(trie_of(counts), "prior")
    at_source, behind = guide.log_scores(guide.trie.follow(np.array([0, 0]), np.array([[STAY], [1]], np.int32)))
    expected = np.full(STAY + 1, 0.01)
    expected[[1, 2]] = 0.5, 0.1
    np.testing.assert_allclose(np.exp(at_source), expected, rtol=1e-5)
    expected = np.full(STAY + 1, 0.01)
    expected[[2, STAY]] = 0.5, 0.5  # a rule ends here: waiting is following it
    np.testing.assert_allclose(np.exp(behind), expected, rtol=1e-5)


def test_what_the_mask_closes_no_learnt_score_opens() -> None:
    guide = RuleGuide(trie_of({Rule(0, (1,)): (5, 5)}), "mask")
    learnt = np.zeros(STAY + 1, np.float32)
    learnt[2] = 60  # would like what no rule follows
    share = np.exp(log_softmax(guide.log_scores(guide.trie.start(np.array([0])))[0] + learnt))
    assert share[1] == 1
    assert share.sum() == 1
    learnt[:] = np.linspace(0, 1, STAY + 1)  # where all is closed it is the learnt scores that count
    nowhere = guide.trie.follow(np.array([0]), np.array([[2]], np.int32))
    np.testing.assert_allclose(log_softmax(guide.log_scores(nowhere)[0] + learnt), log_softmax(learnt), atol=1e-4)


def test_no_walkers() -> None:
    assert RuleGuide(trie_of({}), "mask").log_scores(np.empty(0, np.int32)).shape == (0, STAY + 1)


def test_a_bad_kind_and_bad_nodes_are_errors() -> None:
    kind: Any = "hint"
    with pytest.raises(ValueError, match="kind must be prior or mask, got 'hint'"):
        RuleGuide(trie_of({}), kind)
    with pytest.raises(IndexError, match="nodes"):
        RuleGuide(trie_of({}), "prior").log_scores(np.array([999], np.int32))
