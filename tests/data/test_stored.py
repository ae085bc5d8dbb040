"""Environments over a graph file: what they show is what they show of the same graph in memory."""

from __future__ import annotations

import pickle
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from typer.testing import CliRunner

from kgwalk._core import FormatError
from kgwalk.cli.app import app
from kgwalk.data import Dataset, load, open_dataset
from kgwalk.data.build import build_graph, build_views
from kgwalk.data.dataset import facts_of
from kgwalk.envs import KGWalkVectorEnv
from kgwalk.graph import open_graph

CAP = 3


@pytest.fixture
def family(tmp_path: Path) -> tuple[Dataset, Path]:
    """Family in memory, and its graph as a file with a view."""
    dataset = load("Family")
    text = "".join(
        f"{dataset.entities[h]}\t{dataset.relations[r]}\t{dataset.entities[t]}\n"
        for h, r, t in facts_of(dataset.graph).tolist()
    )
    (tmp_path / "family.tsv").write_text(text)
    path = build_graph([tmp_path / "family.tsv"], tmp_path / "family.kgw", max_out_degree=[CAP]).path
    return dataset, path


def same_ids(dataset: Dataset, stored: Dataset, rows: np.ndarray) -> np.ndarray:
    """Facts of one vocabulary in the other."""
    entity = np.array([stored.entities.find(name) for name in dataset.entities], np.int32)
    relation = np.array([stored.relations.find(name) for name in dataset.relations], np.int32)
    return np.column_stack([entity[rows[:, 0]], relation[rows[:, 1]], entity[rows[:, 2]]])


def test_walks_like_the_graph_in_memory(family: tuple[Dataset, Path]) -> None:
    dataset, path = family
    stored = open_dataset(path)
    queries = same_ids(dataset, stored, dataset.splits["train"])
    from_file = gym.make_vec("KGWalk-Custom", 16, dataset=open_dataset(path, queries), max_out_degree=CAP)
    Path(f"{path}.top{CAP}").unlink()
    computed = gym.make_vec("KGWalk-Custom", 16, dataset=open_dataset(path, queries), max_out_degree=CAP)
    one, other = from_file.unwrapped, computed.unwrapped
    assert isinstance(one, KGWalkVectorEnv)
    assert isinstance(other, KGWalkVectorEnv)
    first, second = one.reset(seed=3)[0], other.reset(seed=3)[0]
    for _ in range(12):
        for key in first:
            np.testing.assert_array_equal(first[key], second[key])
        actions = one.sample_actions()
        np.testing.assert_array_equal(actions, other.sample_actions())
        first, second = one.step(actions)[0], other.step(actions)[0]


def test_a_path_alone_asks_about_facts(family: tuple[Dataset, Path]) -> None:
    dataset, path = family
    env = gym.make("KGWalk-Custom", dataset=str(path))
    env.reset(seed=0)
    stored = load(path)
    expected = same_ids(dataset, stored, facts_of(dataset.graph))
    assert sorted(stored.queries("train").tolist()) == sorted(expected.tolist())
    assert len(stored.queries("train", "both")) == 2 * len(expected)
    assert stored.graph.num_facts == dataset.graph.num_facts


def test_queries_are_checked_and_may_have_no_target(family: tuple[Dataset, Path]) -> None:
    _, path = family
    dataset = open_dataset(path, {"test": np.array([[0, 0, -1], [1, 0, 2]], np.int32)})
    assert dataset.queries("test", "both").tolist() == [[0, 0, -1], [1, 0, 2], [2, dataset.graph.inverse(0), 1]]
    envs = KGWalkVectorEnv(dataset, 4, split="test")
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=r"queries of 'train': expected \(n, 3\) int32, got \(1, 3\) int64"):
        open_dataset(path, np.array([[0, 0, 1]]))
    with pytest.raises(IndexError, match=r"queries of 'train': 9999 in row 0 is not in \[0, "):
        open_dataset(path, np.array([[9999, 0, 1]], np.int32))


def test_pickles_by_its_path(family: tuple[Dataset, Path]) -> None:
    _, path = family
    queries = np.array([[0, 0, 1]], np.int32)
    again = pickle.loads(pickle.dumps(open_dataset(path, queries)))
    assert again.splits["train"].tolist() == queries.tolist()
    assert pickle.loads(pickle.dumps(open_dataset(path))).fingerprint == again.fingerprint
    pickled = pickle.dumps(again)
    path.with_name("other.tsv").write_text("a\tr\tb\n")
    build_graph([path.with_name("other.tsv")], path)
    with pytest.raises(ValueError, match="no longer the graph that was pickled"):
        pickle.loads(pickled)


def test_a_view_of_another_graph_is_refused_and_made_anew(family: tuple[Dataset, Path]) -> None:
    _, path = family
    path.with_name("other.tsv").write_text("a\tr\tb\n")
    build_graph([path.with_name("other.tsv")], path)
    with pytest.raises(FormatError, match="it is of another graph"):
        open_graph(path).expand(CAP)
    build_views(path, [CAP])
    assert open_graph(path).expand(CAP).max_out_degree == CAP


def test_command_line_builds_and_verifies(tmp_path: Path) -> None:
    file, out = tmp_path / "a.tsv", tmp_path / "g.kgw"
    file.write_text("a\tr\tb\na\tr\tc\na\tr\td\na\tr\tb\n")
    built = CliRunner().invoke(app, ["data", "build", str(file), "--out", str(out), "--max-out-degree", "2"])
    assert built.exit_code == 0, built.output
    assert "4 entities, 1 relations, 3 facts of 4 rows" in built.output
    verified = CliRunner().invoke(app, ["data", "verify", str(out)])
    assert verified.exit_code == 0, verified.output
    assert verified.output.count("ok") == 2
    view = Path(f"{out}.top2")
    content = bytearray(view.read_bytes())
    content[-1] ^= 1
    view.write_bytes(content)
    damaged = CliRunner().invoke(app, ["data", "verify", str(out)])
    assert damaged.exit_code != 0
