"""Mining, evaluation and training over the machines of a Ray cluster. Needs the extra ``ray``.

Work is cut into shards, each a Ray task that is tried again if its worker dies, and results are put together in the
order of the shards: they are those of one process, bit for bit. Graphs never travel: every node maps a file of its own
(see ``GraphFile``), which all of its workers share.
"""

from __future__ import annotations

try:
    import ray as _ray  # noqa: F401
except ImportError as error:
    raise ImportError(f"kgwalk on Ray needs {error.name}: pip install 'kgwalk[ray]'") from error

from kgwalk.integrations.ray.evaluation import cluster_runner
from kgwalk.integrations.ray.graphs import GraphFile, node_folder, on_node
from kgwalk.integrations.ray.mining import mine
from kgwalk.integrations.ray.tasks import connected, run_shards
from kgwalk.integrations.ray.training import train_seeds

__all__ = [
    "GraphFile",
    "cluster_runner",
    "connected",
    "mine",
    "node_folder",
    "on_node",
    "run_shards",
    "train_seeds",
]
