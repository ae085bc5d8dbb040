"""What training each recommender is told beside the defaults, by model and dataset; ``""`` is of all datasets.

Published hyper-parameters where there are any; what else is there was chosen on valid.
"""

from __future__ import annotations

from typing import Any

Settings = dict[str, Any]

# MovieLens-1M and Book-Crossing are smaller than the sets whose hyper-parameters were published: batches are too.
_KGCN: dict[str, Settings] = {
    "": {"learning_rate": 5e-4, "batch_size": 128, "epochs": 20},
    "MovieLens-1M": {
        "model": {"dim": 32, "neighbours": 4, "depth": 2, "l2": 1e-7},
        "learning_rate": 2e-2,
        "batch_size": 8192,
    },
    "Book-Crossing": {"model": {"dim": 64, "l2": 2e-5}, "learning_rate": 2e-4, "batch_size": 256},
}

TUNED: dict[str, dict[str, Settings]] = {
    "kgcn": _KGCN,
    "kgnn-ls": _KGCN,
    "mi-kgnn": _KGCN,
}
