"""Shards: results in order, what a shard raises, a worker that dies each time."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest
from ray import cloudpickle

from kgwalk.integrations.ray import run_shards
from tests.ray.conftest import TwoNodes

# Workers cannot import tests.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def slow_first(shard: int) -> int:
    time.sleep(0.5 if shard == 0 else 0)
    return shard * shard


def refuse(shard: int) -> int:
    if shard == 1:
        raise IndexError("relation 99 is not in [0, 12)")
    return shard


def die(shard: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return shard


def test_results_are_in_the_order_of_the_shards(cluster: TwoNodes) -> None:
    told: list[tuple[int, int]] = []
    found = run_shards(slow_first, range(5), progress=lambda done, total: told.append((done, total)))
    assert found == [0, 1, 4, 9, 16]
    assert told == [(done, 5) for done in range(1, 6)]


def test_what_a_shard_raises_is_raised_as_it_was(cluster: TwoNodes) -> None:
    with pytest.raises(IndexError, match="relation 99 is not in"):
        run_shards(refuse, range(3))


def test_a_shard_that_always_kills_its_worker_is_given_up(cluster: TwoNodes) -> None:
    with pytest.raises(ChildProcessError, match="died 2 times"):
        run_shards(die, [0], retries=1)
