"""Environment ids: canonical ``kgwalk/<dataset>-v0`` and alias ``KGWalk-<dataset>``."""

from __future__ import annotations

import gymnasium as gym

KNOWLEDGE_GRAPHS = (
    "WN18RR",
    "FB15k-237",
    "NELL-995",
    "Countries-S1",
    "Countries-S2",
    "Countries-S3",
    "Kinship",
    "Family",
)
RECOMMENDATION = ("LastFM", "Amazon-Beauty", "Amazon-Cellphones", "MovieLens-1M", "Book-Crossing", "Bookshop")


def environment_ids(dataset: str) -> tuple[str, str]:
    """Canonical id and alias of a dataset's environment."""
    return f"kgwalk/{dataset}-v0", f"KGWalk-{dataset}"


def register_environments() -> None:
    """Register every id that is not registered yet. Reads no file."""
    for dataset in (*KNOWLEDGE_GRAPHS, *RECOMMENDATION, "Custom"):
        for env_id in environment_ids(dataset):
            if env_id in gym.registry:
                continue
            gym.register(
                env_id,
                entry_point="kgwalk.envs:KGWalkEnv",
                vector_entry_point="kgwalk.envs:KGWalkVectorEnv",
                kwargs={"dataset": dataset},
            )
