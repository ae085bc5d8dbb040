"""Mining over two nodes with a worker killed: the rules of one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kgwalk import data
from kgwalk.data import Dataset
from kgwalk.integrations import ray
from kgwalk.rules import Mined, MiningConfig, mine
from tests.ray.conftest import Killer, TwoNodes

ARRAYS = ("head", "head_constant", "body_offsets", "body", "body_constant", "support", "predictions", "confidence")


def assert_same(found: Mined, expected: Mined) -> None:
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(found.rules, name), getattr(expected.rules, name), err_msg=name)
    np.testing.assert_array_equal(found.errors, expected.errors)
    assert (found.rounds, found.total_rounds, found.stopped) == (
        expected.rounds,
        expected.total_rounds,
        expected.stopped,
    )


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    if "KGWALK_DATA" not in os.environ:
        pytest.skip("needs the benchmark data: set KGWALK_DATA")
    return data.load("FB15k-237")


def test_rules_are_those_of_one_process_though_a_worker_was_killed(
    cluster: TwoNodes, dataset: Dataset, killer: Killer
) -> None:
    config = MiningConfig(max_length=2, constants=False)
    expected = mine(dataset.graph, config, seed=3, rounds=4)
    assert len(expected.rules) > 1000
    assert_same(ray.mine(dataset, config, seed=3, rounds=4, shards=6, progress=killer), expected)


def test_mining_to_the_end_is_exact(cluster: TwoNodes) -> None:
    family = data.load("Family")
    found = ray.mine(family, shards=5)
    assert found.exact
    assert_same(found, mine(family.graph))


def test_the_command_starts_a_cluster_and_writes_the_same_file(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from kgwalk.cli import main; main()",
        "rules",
        "mine",
        "Family",
        "--rounds",
        "2",
        "--out",
    ]
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    subprocess.run([*command, tmp_path / "one.txt", "--threads", "1"], check=True, env=environment)
    subprocess.run([*command, tmp_path / "ray.txt", "--ray", "--shards", "3"], check=True, env=environment)
    assert (tmp_path / "ray.txt").read_bytes() == (tmp_path / "one.txt").read_bytes()
