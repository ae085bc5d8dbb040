"""The tiny dataset and the agents of the evaluation's tests, and one that walks with rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from kgwalk.rules import RuleSet
from kgwalk.search.paths import Paths
from tests.evaluation.conftest import ListAgent, agent_of, tiny
from tests.rules.oracle import Rule
from tests.rules.rule_sets import rule_set

__all__ = ["agent_of", "tiny"]


class GuidedAgent(ListAgent):
    """Answers from a dictionary, with paths, and knows rules."""

    name = "guided"

    def __init__(self, answers: dict[Any, Any], paths: Paths, rules: RuleSet, confidence: Sequence[float]) -> None:
        super().__init__(lambda *query: answers.get(query, ()), paths)
        self.rules = rules
        self.confidence = np.array(confidence)


@pytest.fixture
def guided_of() -> Callable[..., GuidedAgent]:
    """An agent of answers, paths and rules: (rule, support, predictions, confidence) each."""

    def make(answers: Any, paths: Paths, *rules: tuple[Rule, int, int, float]) -> GuidedAgent:
        counts = {rule: (support, predictions) for rule, support, predictions, _ in rules}
        return GuidedAgent(answers, paths, rule_set(counts, 6, 2), [one[-1] for one in rules])

    return make
