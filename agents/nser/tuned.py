"""What was chosen for each dataset on its valid split."""

from __future__ import annotations

from typing import Any

#: Differences from ``NserConfig``, by dataset.
TUNED: dict[str, dict[str, Any]] = {
    "LastFM": {"steps": 500, "validate_users": 0},
    "MovieLens-1M": {"steps": 1000, "validate_every": 200},
}
