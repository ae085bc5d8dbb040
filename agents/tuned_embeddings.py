"""What training each embedding model is told beside the defaults, chosen on valid.

By model and dataset; the entry ``""`` is of all datasets, and the others change it.
"""

from __future__ import annotations

from typing import Any

Settings = dict[str, Any]

TUNED: dict[str, dict[str, Settings]] = {
    "complex": {"": {"model": {"dim": 512}, "n3": 0.1}},
    "conve": {},
    "distmult": {"": {"model": {"dim": 512}, "n3": 0.1}},
    "rotate": {},
    "transe": {},
    "transr": {},
}
