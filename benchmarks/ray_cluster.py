"""A Ray cluster of two nodes on this machine, and a killer of workers: what the Ray leg's tests and benchmark share."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ray.cluster_utils import Cluster

from kgwalk.integrations.ray import connected
from kgwalk.integrations.ray.graphs import VARIABLE

_STORE = 100_000_000


@dataclass(frozen=True)
class TwoNodes:
    """A cluster that this process is connected to.

    Attributes:
        address: of its head.
        folders: where each node keeps its mapped graphs; the first is this process's too.
    """

    address: str
    folders: tuple[Path, Path]

    def graph_files(self) -> list[list[str]]:
        """Names of the graphs that each node has a file of."""
        return [sorted(path.name for path in folder.glob("*.kgw")) for folder in self.folders]


@contextmanager
def two_nodes(folder: Path) -> Iterator[TwoNodes]:
    """Two nodes of one processor each, with folders below ``folder``."""
    folders = folder / "node-0", folder / "node-1"
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(folders[0])
    nodes = Cluster()
    try:
        for folder in folders:
            _add_node(nodes, folder)
        with connected(nodes.address):
            yield TwoNodes(nodes.address, folders)
    finally:
        nodes.shutdown()
        del os.environ[VARIABLE]
        if before is not None:
            os.environ[VARIABLE] = before


def _add_node(nodes: Cluster, folder: Path) -> None:
    """Add a node, the head first; Ray gives one half a minute to start, which a busy machine may not manage at once."""
    variables = {VARIABLE: str(folder)}
    for attempt in range(4):
        try:
            nodes.add_node(num_cpus=1, object_store_memory=_STORE, include_dashboard=False, env_vars=variables)
            return
        except Exception:  # noqa: PERF203 - four times at most
            if attempt == 3:
                raise


@dataclass
class Killer:
    """A ``progress`` of ``run_shards`` that kills one worker, after the first shard and while it is at another.

    Attributes:
        killed: process ids.
    """

    killed: list[int] = field(default_factory=list)

    def __call__(self, done: int, total: int) -> None:
        """Kill, if nobody was killed yet and somebody is at work.

        Raises:
            TimeoutError: nobody was within a minute.
        """
        if self.killed or done == total:
            return
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for process in _workers_at_a_shard():
                os.kill(process, signal.SIGKILL)
                self.killed.append(process)
                return
        raise TimeoutError("no worker was at a shard")


def _workers_at_a_shard() -> list[int]:
    """Workers below this process that are running a shard: Ray names a process after its task."""
    return [
        int(process.name)
        for process in Path("/proc").iterdir()
        if process.name.isdigit() and _read(process / "cmdline").startswith("ray::_run") and _is_ours(process)
    ]


def _is_ours(process: Path) -> bool:
    while process.name not in ("0", "1"):
        if process.name == str(os.getpid()):
            return True
        fields = _read(process / "stat").rpartition(")")[2].split()
        if not fields:
            return False
        process = process.parent / fields[1]
    return False


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # it has just ended
        return ""
