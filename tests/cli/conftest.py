"""A stand-in for kgwalk.agents, so that the commands are tested apart from any learning."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from kgwalk import Graph
from kgwalk._core import Expand, num_threads, set_num_threads
from kgwalk.cli import app
from kgwalk.data import Dataset
from kgwalk.protocols import Ids, Ranked
from kgwalk.search.paths import Paths


@dataclass(frozen=True)
class Network:
    dim: int = 32
    layers: tuple[int, ...] = (64, 64)


@dataclass(frozen=True)
class Config:
    steps: int = 10
    rate: float = 0.1
    final: Literal["keep", "expand"] = "keep"
    bonus: bool = False
    cap: int | None = None
    policy: Network = field(default_factory=Network)


@dataclass
class Writer:
    """Trains by writing down what it was told; a rate above 1 diverges before anything is learnt."""

    dataset: Dataset
    config: Config
    folder: Path
    seed: int

    def run(self, *, resume: bool) -> None:
        (self.folder / "events.out.tfevents.1").touch()
        if self.config.rate > 1:
            raise ValueError("the loss is nan at step 0")
        note = {"config": asdict(self.config), "resume": resume, "seed": self.seed}
        note["fingerprint"] = self.dataset.fingerprint
        (self.folder / "agent.json").write_text(json.dumps(note))


class NeighbourAgent:
    """Answers with every neighbour of the source, all alike."""

    name = "reinforce"

    @staticmethod
    def config_for(dataset_name: str) -> Config:
        return Config()

    @classmethod
    def fit(
        cls, dataset: Dataset, config: Config, folder: Path, *, resume: bool = False, seed: int = 0
    ) -> NeighbourAgent:
        cls.trainer(dataset, config, folder, seed=seed).run(resume=resume)
        return cls()

    @classmethod
    def trainer(cls, dataset: Dataset, config: Config, folder: Path, *, seed: int = 0) -> Writer:
        if config.steps < 1:
            raise ValueError("steps must be 1 or more")
        return Writer(dataset, config, folder, seed)

    def answer(self, queries: Ids, graph: Graph) -> Ranked:
        sources = np.ascontiguousarray(queries[:, 0])
        offsets, relations, tails = Expand(graph)(sources, np.array([-1], np.int32), None, False)
        owner = np.repeat(np.arange(len(queries)), np.diff(offsets))
        keep = np.unique(np.column_stack([owner, tails]), axis=0, return_index=True)[1]
        paths = Paths(
            query=owner[keep].astype(np.int32),
            entities=np.column_stack([sources[owner[keep]], tails[keep], tails[keep]]),
            relations=np.column_stack([relations[keep], np.full(len(keep), graph.stay, np.int32)]),
            log_prob=np.full(len(keep), -1.0),
            stay=graph.stay,
        )
        ends = np.searchsorted(owner[keep], np.arange(len(queries) + 1))
        return Ranked(ends.astype(np.int64), tails[keep], np.full(len(keep), -1.0), paths)


def load(folder: Path, dataset: Dataset) -> NeighbourAgent:
    note = json.loads((folder / "agent.json").read_text())
    if note["fingerprint"] != dataset.fingerprint:
        raise ValueError(f"{folder} was trained on another graph")
    return NeighbourAgent()


def get(name: str) -> type[NeighbourAgent]:
    if name != "reinforce":
        raise KeyError(f"no agent {name!r}; there are reinforce")
    return NeighbourAgent


class Kgwalk:
    """The command line, run in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str | Path) -> Result:
        return CliRunner(env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"}).invoke(app, [str(a) for a in arguments])

    def note(self, run: str = "runs/family-reinforce-seed0") -> dict[str, Any]:
        noted: dict[str, Any] = json.loads((self.folder / run / "agent.json").read_text())
        return noted


@pytest.fixture
def kgwalk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kgwalk]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "kgwalk.agents", SimpleNamespace(get=get, load=load))  # type: ignore[arg-type]
    before = num_threads()
    yield Kgwalk(tmp_path)
    set_num_threads(before)


@pytest.fixture
def trained(kgwalk: Kgwalk) -> Kgwalk:
    assert kgwalk("train", "Family", "--threads", "1").exit_code == 0
    return kgwalk
