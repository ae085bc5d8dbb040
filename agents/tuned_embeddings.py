"""What training each embedding model is told beside the defaults.

By model and dataset; the entry ``""`` is of all datasets, and the others change it. What was compared was compared on
valid: ComplEx, ConvE, RotatE and TransR on WN18RR, batch sizes on Family. The rest are first guesses that were left.
"""

from __future__ import annotations

from typing import Any

Settings = dict[str, Any]

TUNED: dict[str, dict[str, Settings]] = {
    "complex": {
        "": {"model": {"dim": 512}, "n3": 0.1},
        "NELL-995": {"n3": 0.05, "epochs": 20, "validate_every": 4},
        "FB15k-237": {"n3": 0.05, "batch_size": 1024, "epochs": 24, "validate_every": 4},
    },
    "conve": {
        "": {
            "model": {"feature_dropout": 0.3, "hidden_dropout": 0.4},
            "epochs": 32,
            "validate_every": 4,
            "final_learning_rate": 0.02,
        }
    },
    "distmult": {
        "": {"model": {"dim": 512}, "n3": 0.1},
        "FB15k-237": {"n3": 0.05, "batch_size": 1024, "epochs": 24, "validate_every": 4},
    },
    # A margin, and a loss that is satisfied once it is kept, hold back what a softmax would overfit.
    "rotate": {
        "": {"model": {"dim": 512}, "loss": "self-adversarial", "margin": 6.0, "epochs": 40},
        "Family": {"batch_size": 64},
    },
    "transe": {
        "": {"model": {"dim": 256}, "loss": "self-adversarial", "margin": 6.0, "epochs": 24, "validate_every": 4},
        "Family": {"batch_size": 64},
    },
    # Projections are at most 1 long, so distances hardly pass 2: the scale puts the margin at a distance of 1.
    "transr": {
        "": {"loss": "self-adversarial", "margin": 8.0, "scale": 8.0, "epochs": 24, "validate_every": 4},
        "Family": {"batch_size": 64},
    },
}
