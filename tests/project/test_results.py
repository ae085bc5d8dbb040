"""Saved results: the fields DESIGN names, nothing of this machine, and never half a file."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import common

FIELDS = [
    *("bench", "name", "command", "commit", "date", "hardware", "seed", "seconds", "peak_rss_mb"),
    *("dataset", "agent", "protocol", "metrics"),
]


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(common, "RESULTS", tmp_path)
    return tmp_path


def test_record_has_exactly_the_documented_fields(results: Path) -> None:
    @dataclasses.dataclass
    class Protocol:
        beam: int = 128

    metrics = {"tail": {"mrr": np.float32(0.5), "hits@1": 0.25}, "ranks": np.arange(3)}
    path = common.save_result("quality", "wn18rr-rules-seed0", metrics, seed=0, dataset="wn18rr", protocol=Protocol())
    assert path == results / "quality" / "wn18rr-rules-seed0.json"
    record = json.loads(path.read_text())
    assert list(record) == FIELDS
    assert record["metrics"] == {"tail": {"mrr": 0.5, "hits@1": 0.25}, "ranks": [0, 1, 2]}
    assert record["protocol"] == {"beam": 128}
    assert record["peak_rss_mb"] > 10
    assert record["hardware"]["cores"] >= 1


def test_command_keeps_no_absolute_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGWALK_DATA", "/srv/sets")
    inside = str(common.REPOSITORY / "runs" / "a")
    monkeypatch.setattr(sys, "argv", ["x", "/srv/sets/wn18rr", f"--out={inside}", "/home/someone/model", "--seed", "1"])
    command = common.command()
    assert command.endswith(" '$KGWALK_DATA/wn18rr' --out=runs/a model --seed 1")


@pytest.mark.parametrize("bad", [float("nan"), np.float64("inf")])
def test_a_figure_that_is_not_finite_is_refused_and_nothing_is_written(results: Path, bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        common.save_result("speed", "step", {"steps_per_second": bad}, seed=0)
    assert not list(results.rglob("*.json"))


def test_a_failed_write_leaves_the_previous_result(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = common.save_result("speed", "step", {"steps_per_second": 1.0}, seed=0)
    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        common.save_result("speed", "step", {"steps_per_second": 2.0}, seed=0)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["step.json"]


@pytest.mark.parametrize("name", ["../step", "a/b", "", ".hidden"])
def test_names_are_plain_file_names(name: str) -> None:
    with pytest.raises(ValueError, match="plain file name"):
        common.save_result("speed", name, {}, seed=None)
