"""The examples run."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kgwalk.agents.examples import sb3_ppo


def test_sb3_ppo(capsys: pytest.CaptureFixture[str]) -> None:
    state = np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        sb3_ppo.main(["--steps", "6144"])
    np.random.set_state(state)  # noqa: NPY002
    out = capsys.readouterr().out
    assert "valid MRR 0." in out
    assert " -> " in out
