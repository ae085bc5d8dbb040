"""A reward for walks that end somewhere plausible."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgwalk.data.dataset import Dataset
from kgwalk.envs.scorer_option import scorer_option
from kgwalk.protocols import FinishedWalks, Ids, Scorer
from kgwalk.scorers.facts import check_fitted_on, score_facts


class ScorerReward:
    """1 for a hit, else how plausible a scorer finds the end as an answer: ``hit + (1 - hit) * score``.

    The reward shaping of MultiHopKG (Lin et al., EMNLP 2018, eq. 6-7), which RuleGuider (Lei et al., EMNLP 2020) calls
    its shaped hit reward. The fact scored is (source, query relation, last entity).

    A scorer that can be asked about some entities only has them as ``targets``, a range; ends outside earn nothing,
    such as an author where it scores books.

    The hit is part of it: ``reward={"shaped": 1.0}`` is the published one, beside ``"hit"`` hits would count twice.

    Args:
        scorer: of the environment's vocabulary, fitted on no fact that is held out.
    """

    name = "shaped"

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer

    @classmethod
    def make(cls, dataset: Dataset, option: Any) -> ScorerReward:
        """The term for an environment over ``dataset``.

        Args:
            dataset: whose vocabulary the scorer is of.
            option: the environments' argument ``shaped=``: path of a scorer (``kgwalk.scorers.load``), a ``Scorer`` or
                a ``ScorerReward``.

        Raises:
            ValueError: no option, or one of another kind; a scorer of another dataset, a damaged file.
            OSError: the file cannot be read.
        """
        if isinstance(option, ScorerReward):
            check_fitted_on(option.scorer, dataset)
            return option
        return cls(scorer_option(cls.name, option, dataset, also="a ScorerReward"))

    def __call__(self, walks: FinishedWalks, queries: Ids) -> NDArray[np.float64]:
        """Reward of each finished walk, (k,) in [0, 1]. The scorer is asked about the misses, each distinct end once.

        Raises:
            ValueError: the scorer gave no scores in [0, 1].
        """
        rewards = walks.hit.astype(np.float64)
        ends = walks.entities[:, -1]
        targets = getattr(self.scorer, "targets", None)
        able = np.ones(len(ends), np.bool_) if targets is None else (ends >= targets.start) & (ends < targets.stop)
        missed = np.flatnonzero(~walks.hit & able)
        rewards[missed] = score_facts(self.scorer, np.column_stack([queries[missed, :2], ends[missed]]))
        return rewards
