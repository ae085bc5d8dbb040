"""The kernels' own borders: what Python callers of `search` cannot get wrong, other callers can."""

import threading
import time

import numpy as np
import pytest

from kgwalk._core import ANY, BeamLayout, pool_entities, propagate_hop, propagate_last, rank_order, split_frontier


def layout():
    return BeamLayout(np.array([-1, 0], np.int32), np.array([ANY, ANY], np.int32), np.array([1, 2]), False)


def select_arguments(**changes):
    arguments = {
        "query_offsets": np.array([0, 2]),
        "nodes": np.zeros(2, np.int32),
        "log_prob": np.zeros(2),
        "offsets": np.array([0, 1, 3]),
        "relations": np.zeros(3, np.int32),
        "logits": np.array([1, 3, 2], np.float32),
        "log_norm": np.zeros(2, np.float32),
    }
    return {**arguments, **changes}


def test_select():
    offsets, rows, moves, nodes, log_prob = layout().select(**select_arguments())
    assert [x.tolist() for x in (offsets, rows, moves, nodes, log_prob)] == [[0, 2], [1, 1], [1, 2], [1, 1], [3, 2]]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"query_offsets": np.array([0, 3])}, ValueError, "query_offsets must end at 2, got 3"),
        ({"query_offsets": np.array([1, 2])}, ValueError, "query_offsets must start with 0"),
        ({"query_offsets": np.empty(0, np.int64)}, ValueError, "query_offsets must start with 0"),
        ({"offsets": np.array([0, 4, 3])}, ValueError, "offsets must not fall"),
        ({"offsets": np.array([0, 3])}, ValueError, "offsets: expected length 3, got 2"),
        ({"relations": np.zeros(2, np.int32)}, ValueError, "relations: expected length 3"),
        ({"log_norm": np.zeros(3, np.float32)}, ValueError, "log_norm: expected length 2"),
        ({"log_prob": np.zeros(1)}, ValueError, "log_prob: expected length 2"),
        ({"nodes": np.array([0, 2], np.int32)}, IndexError, r"layout node 2 is not in \[0, 2\)"),
        ({"nodes": np.array([0, -1], np.int32)}, IndexError, "layout node -1"),
        ({"logits": np.zeros((3, 1), np.float32)}, ValueError, r"logits: expected shape .*, got \(3, 1\)"),
    ],
)
def test_select_checks_its_arrays(changes, error, message):
    with pytest.raises(error, match=message):
        layout().select(**select_arguments(**changes))


def test_pool_and_order_check_their_arrays():
    ids, numbers = np.zeros(3, np.int32), np.zeros(3)
    for kernel in (pool_entities, rank_order):
        with pytest.raises(ValueError, match="must end at 3, got 2"):
            kernel(np.array([0, 2]), ids, numbers)
        with pytest.raises(ValueError, match="expected length 3, got 2"):
            kernel(np.array([0, 3]), ids, numbers[:2])


def test_split_frontier_checks_its_nodes(town):
    with pytest.raises(IndexError, match="300"):
        split_frontier(town.actions, np.array([300], np.int32), np.array([0, 1]), 10)


def test_propagation_checks_its_arrays(town):
    good = {
        "queries": np.array([(0, 0, -1)], np.int32),
        "query_offsets": np.array([0, 1]),
        "prefixes": np.zeros(1, np.int32),
        "entities": np.zeros(1, np.int32),
        "mass": np.ones(1),
        "logits": np.zeros((1, 11), np.float32),
    }
    for kernel in (propagate_hop, propagate_last):
        kernel(town.actions, **good)
        for changes, error, message in [
            ({"prefixes": np.array([1], np.int32)}, IndexError, r"prefix 1 is not in \[0, 1\)"),
            ({"entities": np.array([300], np.int32)}, IndexError, "300"),
            ({"queries": np.array([(0, 10, -1)], np.int32)}, IndexError, "10"),
            ({"mass": np.ones(2)}, ValueError, "mass: expected length 1, got 2"),
            ({"query_offsets": np.array([0, 1, 1])}, ValueError, "query_offsets: expected length 2, got 3"),
        ]:
            with pytest.raises(error, match=message):
                kernel(town.actions, **{**good, **changes})


def test_the_interpreter_runs_on_during_a_kernel():
    items = 2_000_000
    draw = np.random.default_rng(0)
    entities, log_prob = draw.integers(0, 1000, items).astype(np.int32), draw.random(items)
    stamps, stop = [], threading.Event()

    def watch():
        while not stop.wait(0.001):
            stamps.append(time.perf_counter())

    thread = threading.Thread(target=watch)
    thread.start()
    begin = time.perf_counter()
    pool_entities(np.array([0, items]), entities, log_prob)
    end = time.perf_counter()
    stop.set()
    thread.join()
    quarter = (end - begin) / 4
    assert any(begin + quarter < t < end - quarter for t in stamps)
