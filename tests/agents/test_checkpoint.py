"""Checkpoints of networks of which a part has not been trained yet."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from kgwalk.agents.checkpoint import NAME, Progressing, load_checkpoint, save_checkpoint
from kgwalk.tensors import load_tensors, save_tensors

RUN = {"seed": 0}


def half_trained() -> tuple[nn.ModuleList, torch.optim.Adam]:
    network = nn.ModuleList([nn.Linear(2, 1), nn.Linear(2, 1)])
    optimizer = torch.optim.Adam(network.parameters())
    network[0](torch.ones(3, 2)).sum().backward()
    optimizer.step()
    return network, optimizer


def test_a_part_that_waits_for_its_first_gradient_is_no_damage(tmp_path: Path) -> None:
    network, optimizer = half_trained()
    save_checkpoint(tmp_path / NAME, network, optimizer, RUN, Progressing(step=1))
    other = nn.ModuleList([nn.Linear(2, 1), nn.Linear(2, 1)])
    resumed = torch.optim.Adam(other.parameters())
    assert load_checkpoint(tmp_path / NAME, other, resumed, RUN, Progressing(), 2).step == 1
    assert resumed.state_dict()["state"].keys() == {0, 1}
    for both, their in ((network, optimizer), (other, resumed)):
        their.zero_grad()
        (both[0](torch.ones(3, 2)) + both[1](torch.ones(3, 2))).sum().backward()
        their.step()
    for key, value in network.state_dict().items():
        assert torch.equal(value, other.state_dict()[key])


def test_half_of_what_is_kept_of_a_parameter_is_damage(tmp_path: Path) -> None:
    network, optimizer = half_trained()
    save_checkpoint(tmp_path / NAME, network, optimizer, RUN, Progressing(step=1))
    tensors, note = load_tensors(tmp_path / NAME)
    del tensors["optimizer.1.exp_avg"]
    save_tensors(tmp_path / NAME, tensors, note)
    with pytest.raises(ValueError, match=r"damaged: optimizer\.1\.exp_avg not of the shape"):
        load_checkpoint(tmp_path / NAME, network, optimizer, RUN, Progressing(), 2)
