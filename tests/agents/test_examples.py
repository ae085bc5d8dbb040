"""The examples run; those of libraries with a leg of their own are in ``tests/torchrl`` and ``tests/ray``."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from kgwalk.agents.examples import minari_export, pettingzoo_random, sb3_ppo


def test_sb3_ppo(capsys: pytest.CaptureFixture[str]) -> None:
    state = np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        sb3_ppo.main(["--steps", "6144"])
    np.random.set_state(state)  # noqa: NPY002
    out = capsys.readouterr().out
    assert "valid MRR 0." in out
    assert " -> " in out


@pytest.mark.parametrize("dataset", ["Family", "Bookshop"])
def test_pettingzoo_random(dataset: str, capsys: pytest.CaptureFixture[str]) -> None:
    def told() -> str:
        pettingzoo_random.main(["--dataset", dataset, "--walks", "60"])
        return capsys.readouterr().out

    out = told()
    *walk, one, other = out.splitlines()
    assert re.search(r", \?\)  (missed|hit) \w", walk[0])
    assert one.startswith("relation_agent earned")
    assert one.split("_agent ")[1] == other.split("_agent ")[1]
    assert told() == out


def test_minari_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    minari_export.main(["--walks", "20"])
    out = capsys.readouterr().out
    assert out.startswith("20 walks, ")
    assert out.endswith("the first, walked again, is the same\n")
    assert (tmp_path / "kgwalk" / "family" / "asked-first-v0" / "data").is_dir()
