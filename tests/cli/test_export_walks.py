"""kgwalk data export-walks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import minari
import numpy as np
import pytest

from kgwalk.integrations.minari import replay


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return tmp_path


def replayed(dataset_id: str) -> minari.MinariDataset:
    dataset = minari.load_dataset(dataset_id)
    env = dataset.recover_environment()
    notes = dataset.storage.get_episode_metadata(range(len(dataset)))
    assert all(replay(env, episode, note["options"]) for episode, note in zip(dataset, notes, strict=True))
    return dataset


def test_random_walks(kgwalk: Any) -> None:
    done = kgwalk("data", "export-walks", "Bookshop", "--walks", "20", "--split", "valid")
    assert done.exit_code == 0, done.output
    assert "20 walks of 60 moves: kgwalk/bookshop/valid-random-v0" in done.output
    first = replayed("kgwalk/bookshop/valid-random-v0")
    assert kgwalk("data", "export-walks", "Bookshop", "--walks", "20", "--split", "valid").exit_code == 2
    assert (
        kgwalk("data", "export-walks", "Bookshop", "--walks", "20", "--split", "valid", "--id", "b-v0").exit_code == 0
    )
    for one, other in zip(first, replayed("b-v0"), strict=True):
        np.testing.assert_array_equal(one.actions, other.actions)


def test_ones_own_dataset(kgwalk: Any) -> None:
    lines = "".join(f"a{i}\tnext\ta{i + 1}\na{i + 1}\tprevious\ta{i}\n" for i in range(20))
    (kgwalk.folder / "own.tsv").write_text(lines)
    assert kgwalk("data", "import", "own.tsv").exit_code == 0
    done = kgwalk("data", "export-walks", "own", "--walks", "5")
    assert done.exit_code == 0, done.output
    assert len(replayed("kgwalk/own/train-random-v0")) == 5


def test_a_graph_file(kgwalk: Any) -> None:
    (kgwalk.folder / "a.tsv").write_text("a\tr\tb\nb\tr\tc\nc\ts\ta\n")
    assert kgwalk("data", "build", "a.tsv", "--out", "a.kgw").exit_code == 0
    done = kgwalk("data", "export-walks", "a.kgw", "--walks", "5")
    assert done.exit_code == 0, done.output
    assert len(replayed("kgwalk/a-kgw/train-random-v0")) == 5


@pytest.mark.parametrize("name", ["walks", "-v0", "a b-v0", "../walks-v0"])
def test_ids_that_minari_does_not_know_are_refused(kgwalk: Any, name: str) -> None:
    done = kgwalk("data", "export-walks", "Family", "--walks", "2", "--id", name)
    assert done.exit_code == 2
    assert "ID" in done.output or "expected a name and a version" in done.output


def test_the_walks_of_an_agent(trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = sys.modules["kgwalk.agents"].get("reinforce")  # the stand-in
    monkeypatch.setattr(agent, "walks", lambda self, queries, graph: self.answer(queries, graph).paths, raising=False)
    monkeypatch.setattr(agent, "save", lambda self, folder: None, raising=False)
    done = trained("data", "export-walks", "runs/family-reinforce-seed0", "--walks", "30", "--best", "2")
    assert done.exit_code == 0, done.output
    dataset = replayed("kgwalk/family/train-reinforce-v0")
    assert f"{len(dataset)} walks" in done.output
    assert dataset.storage.metadata["algorithm_name"] == "kgwalk reinforce"
    asked = [int(note["options"]["query"]) for note in dataset.storage.get_episode_metadata(range(len(dataset)))]
    assert len(set(asked)) <= 30
    assert max(np.bincount(asked)) <= 2


def test_an_agent_without_walks_is_refused(trained: Any) -> None:
    done = trained("data", "export-walks", "runs/family-reinforce-seed0")
    assert done.exit_code == 2
    assert "lists no walks" in done.output
    assert trained("data", "export-walks", "nowhere").exit_code == 2
