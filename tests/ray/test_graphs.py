"""Graphs on nodes: one file each, mapped by its workers, and nothing of it in what travels."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ray import cloudpickle

from kgwalk import data
from kgwalk.data import Dataset
from kgwalk.graph import StoredGraph
from kgwalk.integrations.ray import GraphFile, node_folder, on_node, run_shards
from kgwalk.integrations.ray.graphs import VARIABLE
from tests.ray.conftest import TwoNodes

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return data.load("Family")


@contextmanager
def node_at(folder: Path | None) -> Iterator[None]:
    before = os.environ.pop(VARIABLE, None)
    if folder is not None:
        os.environ[VARIABLE] = str(folder)
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)
        if before is not None:
            os.environ[VARIABLE] = before


def mapped_files(file: GraphFile) -> tuple[str, int, set[str]]:
    """Where this worker keeps its graphs, its id, and what graphs it has mapped from there."""
    file.open()
    time.sleep(0.3)  # so that no worker does all
    lines = Path("/proc/self/maps").read_text().splitlines()
    return os.environ[VARIABLE], os.getpid(), {line.split()[-1] for line in lines if line.endswith(".kgw")}


def test_workers_map_the_one_file_of_their_node(cluster: TwoNodes, dataset: Dataset) -> None:
    file = GraphFile.walked(dataset)
    found = run_shards(mapped_files, [file] * 8)
    assert {folder for folder, _, _ in found} == {str(folder) for folder in cluster.folders}
    for folder, _, files in found:
        assert str(Path(folder) / f"{file.key}.kgw") in files
        assert all(path.startswith(folder) for path in files)
    assert all(files.count(f"{file.key}.kgw") == 1 for files in cluster.graph_files())


def test_what_travels_holds_no_graph(dataset: Dataset) -> None:
    travelling = cloudpickle.dumps((GraphFile.walked(dataset), GraphFile.known(dataset, "test")))
    assert len(travelling) < 8_000 < dataset.graph.edges.nbytes


def test_a_graph_on_the_node_is_the_same_graph_with_its_names(dataset: Dataset, tmp_path: Path) -> None:
    with node_at(tmp_path):
        shared = on_node(dataset)
        stored = GraphFile.walked(dataset).open()
    np.testing.assert_array_equal(shared.graph.edges, dataset.graph.edges)
    np.testing.assert_array_equal(shared.graph.offsets, dataset.graph.offsets)
    assert stored.entities is not None
    assert stored.entities.to_list() == dataset.entities.to_list()
    assert not [path for path in tmp_path.iterdir() if path.suffix not in (".kgw", ".lock")]


def test_another_graph_than_was_asked_for_is_refused_and_nothing_is_left(dataset: Dataset, tmp_path: Path) -> None:
    other = data.load("Bookshop").graph
    file = replace(GraphFile.walked(dataset), key="other", make=lambda: StoredGraph(other))
    with node_at(tmp_path), pytest.raises(ValueError, match="give every node the same files"):
        file.open()
    assert not list(tmp_path.glob("*.kgw"))


def test_a_damaged_file_is_told(dataset: Dataset, tmp_path: Path) -> None:
    file = replace(GraphFile.walked(dataset), key="damaged")
    (tmp_path / "damaged.kgw").write_bytes(b"not a graph")
    with node_at(tmp_path), pytest.raises(ValueError, match=r"damaged\.kgw"):
        file.open()


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with node_at(None):
        folder = node_folder()
        assert folder.stat().st_mode & 0o777 == 0o700
        folder.chmod(0o777)
        with pytest.raises(PermissionError, match="not a private folder"):
            node_folder()


def test_a_dataset_made_in_memory_is_refused(dataset: Dataset) -> None:
    with pytest.raises(TypeError, match="made in memory"):
        GraphFile.walked(replace(dataset, fingerprint="another"))
