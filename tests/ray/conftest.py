"""A cluster of two nodes on this machine, each with a folder of its own for mapped graphs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from benchmarks.ray_cluster import Killer, TwoNodes, two_nodes
from kgwalk._core import num_threads, set_num_threads

__all__ = ["Killer", "TwoNodes"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ray leaves sockets and processes to its own clean-up."""
    for item in items:
        if "tests/ray" in item.nodeid:
            item.add_marker(pytest.mark.filterwarnings("default"))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoNodes]:
    """Two nodes of one processor each; this process is connected to them."""
    with two_nodes(tmp_path_factory.mktemp("nodes")) as nodes:
        yield nodes


@pytest.fixture
def killer() -> Iterator[Killer]:
    """Must have killed by the end of the test."""
    made = Killer()
    yield made
    assert len(made.killed) == 1, "no worker was killed"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tasks have one thread, and so has what they are compared to."""
    before = num_threads(), torch.get_num_threads()
    set_num_threads(1)
    torch.set_num_threads(1)
    yield
    set_num_threads(before[0])
    torch.set_num_threads(before[1])
