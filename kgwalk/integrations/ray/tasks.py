"""Shards as Ray tasks: tried again where a worker dies, results in the order of the shards."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import ray
from ray.exceptions import RayTaskError, WorkerCrashedError

from kgwalk.graph import set_num_threads

Shard = TypeVar("Shard")
Result = TypeVar("Result")

#: ``progress(done, total)``, called whenever a shard is done.
Progress = Callable[[int, int], None]

#: Of a cluster that is started here. What travels is small, as graphs do not.
_OBJECT_STORE = 200_000_000
_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}


@contextmanager
def connected(address: str | None = None, *, num_cpus: int | None = None) -> Iterator[None]:
    """A connection to a running cluster, or a local one that ends with the block; one that is open already is used.

    Args:
        address: as ``ray.init`` takes it, such as ``"10.0.0.1:6379"``; ``$RAY_ADDRESS`` by default. Without either a
            cluster of this machine is started.
        num_cpus: what that cluster takes the machine to have; all its processors by default.

    Raises:
        ConnectionError: no cluster answers there.
    """
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS")
    if address is None or address == "local":
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported about a cluster nobody asked for
        ray.init("local", num_cpus=num_cpus, include_dashboard=False, object_store_memory=_OBJECT_STORE, **_QUIET)
    else:
        ray.init(address, **_QUIET)
    try:
        yield
    finally:
        ray.shutdown()


def processors() -> int:
    """Processors of the cluster."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def run_shards(
    function: Callable[[Shard], Result],
    shards: Sequence[Shard],
    *,
    threads: int = 1,
    retries: int = 3,
    progress: Progress | None = None,
) -> list[Result]:
    """Call a function for every shard, each as a task of its own, on all nodes.

    Args:
        function: can be pickled, gives the same whenever it is called, and may be called again where a worker died.
        shards: what to call it with; small.
        threads: of a task, and the processors it is given.
        retries: how often a shard whose worker died is tried again.
        progress: told of every shard that is done.

    Returns:
        The results, in the order of the shards.

    Raises:
        ChildProcessError: a shard's worker died each time. What a shard raised is raised as it was. Either way the
            others are given up.
        ValueError: no node has as many processors as a task is to have.
    """
    most = max((int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]), default=0)
    if threads > most:
        raise ValueError(f"threads: expected at most {most}, the processors of the largest node, got {threads}")
    task: Any = ray.remote(num_cpus=threads, max_retries=retries, scheduling_strategy="SPREAD")(_run)
    waiting = refs = [task.remote(function, threads, shard) for shard in shards]
    try:
        while waiting:
            done, waiting = ray.wait(waiting, num_returns=1)
            ray.get(done)  # raises what went wrong before the others are waited for
            if progress is not None:
                progress(len(refs) - len(waiting), len(refs))
        results: list[Result] = ray.get(refs)
    except RayTaskError as error:
        _give_up(refs)
        raise error.cause from error
    except WorkerCrashedError as error:
        _give_up(refs)
        raise ChildProcessError(
            f"a shard's worker died {retries + 1} times, perhaps for lack of memory: give it fewer threads at once, or "
            "see Ray's log"
        ) from error
    except BaseException:
        _give_up(refs)
        raise
    return results


def _run(function: Callable[[Shard], Result], threads: int, shard: Shard) -> Result:
    set_num_threads(threads)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)
    return function(shard)


def _give_up(refs: list[Any]) -> None:
    for ref in refs:
        ray.cancel(ref, force=True)
