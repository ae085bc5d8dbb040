"""What saved agents are checked by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from kgwalk import agents
from kgwalk.agents.saved import check_trained_on, fill, reading, still
from kgwalk.data import bookshop


def test_weights_that_do_not_fit_are_refused_and_nothing_is_changed() -> None:
    network = nn.Linear(2, 1)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    good = {"weight": torch.ones(1, 2), "bias": torch.ones(1)}
    for bad, said in (
        ({**good, "bias": torch.tensor([float("nan")])}, "bias are not all finite"),
        ({**good, "weight": torch.ones(2, 2)}, "weight do not have the shapes"),
        ({**good, "bias": torch.ones(1, dtype=torch.float64)}, "bias do not have"),
        ({"weight": good["weight"]}, "bias do not have"),
    ):
        with pytest.raises(ValueError, match=said):
            fill(network, bad)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    with torch.device("meta"):
        empty = nn.Linear(2, 1)
    fill(empty, good)
    assert not empty.training
    assert torch.equal(empty(torch.ones(1, 2)), torch.tensor([[3.0]]))


def test_what_is_wrong_with_a_file_is_told_with_its_name() -> None:
    for error, said in ((KeyError("config"), "here: its note lacks 'config'"), (TypeError("odd"), "here: odd")):
        with pytest.raises(ValueError, match=said), reading(Path("here")):
            raise error
    with pytest.raises(FileNotFoundError), reading(Path("here")):
        raise FileNotFoundError("not what the file holds")


def test_an_agent_of_another_dataset_is_refused() -> None:
    check_trained_on("Family", "abc", None)
    check_trained_on("Family", "abc", "abc")
    with pytest.raises(ValueError, match="trained on Family with fingerprint abc, but this dataset has def"):
        check_trained_on("Family", "abc", "def")


def test_a_network_goes_on_training_after_it_was_still() -> None:
    network = nn.Dropout()
    with still(network):
        assert not network.training
    assert network.training
    with pytest.raises(RuntimeError), still(network):
        raise RuntimeError
    assert network.training


def test_files_that_tell_other_numbers_than_their_dataset(tmp_path: Path) -> None:
    shop = bookshop()
    kgcn = agents.get("kgcn")
    config = replace(kgcn.config_for("Bookshop"), epochs=1, select="ndcg@10", validate_users=5)
    kgcn.fit(shop, config, tmp_path / "kgcn")
    good = agents.load(tmp_path / "kgcn", shop)
    good.scorer.numbers["item_type"] += 1  # fits everything in the file
    good.save(tmp_path / "kgcn")
    with pytest.raises(ValueError, match=r"agent.safetensors: tells item_type 2, but Bookshop has 1"):
        agents.load(tmp_path / "kgcn", shop)

    path_reasoning = agents.get("path-reasoning")
    path_reasoning.fit(shop, path_reasoning.Config(epochs=1, users=20, beam=16, validate_users=5), tmp_path / "paths")
    told = agents.load(tmp_path / "paths", shop)
    told.note["first_item"] = 0
    told.save(tmp_path / "paths")
    with pytest.raises(ValueError, match=r"agent.safetensors: tells first_item 0, but Bookshop has"):
        agents.load(tmp_path / "paths", shop)
