"""Rules of the oracle as a RuleSet, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

import numpy as np

from kgwalk._core import RuleSet
from tests.rules.oracle import Rule


def rule_set(counts: Mapping[Rule, tuple[int, int]], num_entities: int, num_relations: int) -> RuleSet:
    """Rules with support and predictions; the raw confidence is their quotient."""
    confidence = [support / max(predictions, 1) for support, predictions in counts.values()]
    return _assembled(list(counts), list(counts.values()), confidence, num_entities, num_relations)


def without_counts(confidences: Mapping[Rule, float], num_entities: int, num_relations: int) -> RuleSet:
    """Rules as from a file that gives confidences only."""
    none = [(0, 0)] * len(confidences)
    return _assembled(list(confidences), none, list(confidences.values()), num_entities, num_relations)


def rules_of(rules: Sequence[Rule], num_entities: int, num_relations: int) -> RuleSet:
    """Rules in this order, one may come twice; without counts, of confidence 0."""
    return _assembled(rules, [(0, 0)] * len(rules), [0.0] * len(rules), num_entities, num_relations)


def _assembled(
    rules: Sequence[Rule],
    counts: Sequence[tuple[int, int]],
    confidence: Sequence[float],
    num_entities: int,
    num_relations: int,
) -> RuleSet:
    return RuleSet(
        np.array([rule.head for rule in rules], np.int32),
        np.array([rule.head_constant for rule in rules], np.int32),
        np.array(list(accumulate((len(rule.body) for rule in rules), initial=0)), np.int64),
        np.array([relation for rule in rules for relation in rule.body], np.int32),
        np.array([rule.body_constant for rule in rules], np.int32),
        np.array([support for support, _ in counts], np.int64),
        np.array([predictions for _, predictions in counts], np.int64),
        np.array(confidence, np.float64),
        num_entities=num_entities,
        num_relations=num_relations,
    )


def counts_of(rules: RuleSet) -> dict[Rule, tuple[int, int]]:
    """Support and predictions by rule. Fails on a rule that is there twice."""
    body = rules.body.tolist()
    bodies = [tuple(body[begin:end]) for begin, end in pairwise(rules.body_offsets.tolist())]
    constants = zip(rules.head_constant.tolist(), rules.body_constant.tolist(), strict=True)
    keys = [Rule(h, b, c, d) for h, b, (c, d) in zip(rules.head.tolist(), bodies, constants, strict=True)]
    found = dict(zip(keys, zip(rules.support.tolist(), rules.predictions.tolist(), strict=True), strict=True))
    assert len(found) == len(rules), "a rule is there twice"
    return found
