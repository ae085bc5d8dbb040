"""Paths: what a search found, as a struct of arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kgwalk.protocols import Ids


@dataclass(frozen=True)
class Paths:
    """Action sequences with their probability, grouped by query in rising order, best first within a query.

    Attributes:
        query: (num_paths,) int32, row in the queries searched.
        entities: (num_paths, hops + 1) int32, source first.
        relations: (num_paths, hops) int32, STAY where the walker waited.
        log_prob: (num_paths,) float64, sum of the steps' log-probabilities.
        stay: id of STAY.
    """

    query: Ids
    entities: Ids
    relations: Ids
    log_prob: NDArray[np.float64]
    stay: int
