"""Rule mining over a cluster: the heads in shards."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

from kgwalk import rules
from kgwalk.data import Dataset
from kgwalk.integrations.ray.graphs import GraphFile
from kgwalk.integrations.ray.tasks import Progress, processors, run_shards
from kgwalk.protocols import Ids
from kgwalk.rules import Mined, MiningConfig
from kgwalk.rules.shards import Part, divide_heads, merge


@dataclass(frozen=True)
class _Job:
    """What all shards of a mining share."""

    graph: GraphFile
    config: MiningConfig
    seed: int
    rounds: int | None


def mine(
    dataset: Dataset,
    config: MiningConfig | None = None,
    *,
    seed: int = 0,
    rounds: int | None = None,
    shards: int | None = None,
    threads: int = 1,
    retries: int = 3,
    progress: Progress | None = None,
) -> Mined:
    """Mine the rules of a dataset's graph as ``kgwalk.rules.mine`` does, and find the same, bit for bit.

    Each shard mines rules about some of the relations. Bodies that rules about several of them share are followed once
    in each shard, so more shards are more work, and no shard is smaller than what the most frequent relation takes.
    There is no budget of seconds: shards would spend it differently.

    Args:
        dataset: every node must have its files.
        config: ``MiningConfig()`` by default.
        seed: as for ``kgwalk.rules.mine``.
        rounds: as for ``kgwalk.rules.mine``.
        shards: how many; as many as fit the cluster's processors by default.
        threads: of a shard.
        retries: see ``run_shards``.
        progress: see ``run_shards``.

    Raises:
        TypeError: the dataset was made in memory; no other process could load it.
        ValueError: as ``kgwalk.rules.mine``, or fewer than one shard.
    """
    began = time.perf_counter()
    job = _Job(GraphFile.walked(dataset), config or MiningConfig(), seed, rounds)
    heads = divide_heads(dataset.graph, max(1, processors() // threads) if shards is None else shards)
    parts = run_shards(partial(_mine, job), heads, threads=threads, retries=retries, progress=progress)
    return merge(parts, dataset.graph, time.perf_counter() - began)


def _mine(job: _Job, heads: Ids) -> Part:
    return Part.of(rules.mine(job.graph.open().graph, job.config, seed=job.seed, rounds=job.rounds, heads=heads))
