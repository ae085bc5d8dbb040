"""What was chosen for each dataset on its valid split."""

from __future__ import annotations

from typing import Any

#: Differences from ``NserConfig``, by dataset.
TUNED: dict[str, dict[str, Any]] = {
    "LastFM": {"steps": 400, "validate_every": 50, "validate_users": 0, "batch_size": 512},
}
