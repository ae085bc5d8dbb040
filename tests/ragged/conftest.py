from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

LENGTHS: dict[str, list[int]] = {
    "usual": [3, 1, 7, 2, 2, 5],
    "empty rows": [0, 4, 0, 0, 9, 0],
    "one row": [5],
    "one candidate": [1],
    "huge row": [2, 70_000, 1],
    "many rows": [i % 23 for i in range(9_000)],
    "only empty rows": [0] * 5_000,
    "no rows": [],
}


@pytest.fixture(params=list(LENGTHS))
def offsets(request: pytest.FixtureRequest) -> NDArray[np.int64]:
    """Where rows start and end, for every raggedness there is."""
    return np.concatenate([[0], np.cumsum(LENGTHS[request.param])]).astype(np.int64)
