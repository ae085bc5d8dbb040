"""Terminal rewards: named terms, chosen by JSON-able arguments and summed with their weights.

A term is called once for all walks that a step of a vector environment ended.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgwalk.data.dataset import Dataset
from kgwalk.envs.recommending import Gated, PatternReward, TeacherReward
from kgwalk.envs.shaping import ScorerReward
from kgwalk.protocols import FinishedWalks, Ids, RewardTerm
from kgwalk.rules.reward import RuleReward

RewardFactory = Callable[[Dataset, Any], RewardTerm]
"""Makes a term for a dataset; the second argument is the environment's keyword of the term's name, or None."""

_factories: dict[str, RewardFactory] = {}


class WeightedTerm(NamedTuple):
    """A term and what it counts."""

    weight: float
    term: RewardTerm


class Hit:
    """1 where the walk ended at its query's own target, else 0."""

    name = "hit"

    def __call__(self, walks: FinishedWalks, queries: Ids) -> NDArray[np.float64]:
        """Reward of each finished walk, (k,)."""
        return walks.hit.astype(np.float64)


def register_reward(name: str, factory: RewardFactory) -> None:
    """Make a term available as ``reward={name: weight}``.

    Args:
        name: key in the ``reward`` argument of the environments; also the keyword for the term's own options.
        factory: called as ``factory(dataset, option)`` when an environment is made.

    Raises:
        ValueError: the name is taken.
    """
    if name in _factories:
        raise ValueError(f"a reward term named {name!r} is already registered")
    _factories[name] = factory


def make_rewards(
    reward: Mapping[str, float] | None, options: Mapping[str, Any], dataset: Dataset, only_pattern: bool = False
) -> tuple[float, list[WeightedTerm]]:
    """Turn the environments' ``reward`` argument into the weight of a hit, paid in C++, and the other terms.

    Args:
        reward: weight by term name; None is ``{"hit": 1.0}``.
        options: term options by term name.
        dataset: what the terms are made for.
        only_pattern: pay the terms, the hit too, only where the term ``"pattern"`` pays; it need not have a weight.

    Raises:
        ValueError: no mapping, an unknown term, a weight that is no finite number, or no term at all.
        TypeError: an option of a term that is not asked for.
    """
    if reward is not None and not isinstance(reward, Mapping):
        raise ValueError(f"reward: expected weights by name of term, such as {{'hit': 1.0}}, got {reward!r}")
    weights: dict[str, Any] = {"hit": 1.0} if reward is None else dict(reward)
    if not weights:
        raise ValueError("reward: expected at least one term, got none")
    for name, weight in weights.items():
        if name not in _factories:
            raise ValueError(f"reward: unknown term {name!r}; registered are {', '.join(sorted(_factories))}")
        if not isinstance(weight, Real) or not math.isfinite(weight):
            raise ValueError(f"reward: expected a finite number as weight of {name!r}, got {weight!r}")
    if not isinstance(only_pattern, bool):
        raise ValueError(f"only_pattern: expected True or False, got {only_pattern!r}")
    for name in options:
        if name not in weights and not (only_pattern and name == PatternReward.name):
            raise TypeError(f"unexpected argument {name!r}: it is neither an environment's nor that of a reward term")
    hit = float(weights.pop("hit", 0.0))
    terms = [WeightedTerm(float(w), _factories[name](dataset, options.get(name))) for name, w in weights.items()]
    if only_pattern:
        gate = PatternReward.make(dataset, options.get(PatternReward.name))
        terms += [WeightedTerm(hit, Hit())] if hit else []
        return 0.0, [WeightedTerm(weight, Gated(term, gate)) for weight, term in terms]
    return hit, terms


register_reward("hit", lambda dataset, option: Hit())
register_reward(RuleReward.name, RuleReward.make)
register_reward(ScorerReward.name, ScorerReward.make)
register_reward(TeacherReward.name, TeacherReward.make)
register_reward(PatternReward.name, PatternReward.make)
