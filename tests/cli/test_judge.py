"""kgwalk judge: a blind sheet of two runs, and the votes on it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kgwalk.data import Dataset
from tests.explain.tellers import Teller, around, right, straight

RUN = "runs/family-reinforce-seed0"
FILES = ("--sheet", "sheet.csv", "--key", "key.json")


@pytest.fixture
def two(trained: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command line with two runs of Family whose agents are right always, each with its own paths."""

    def load(folder: Path, dataset: Dataset) -> Teller:
        return (
            Teller(dataset, "guided", right, around) if folder.name == "b" else Teller(dataset, "lone", right, straight)
        )

    assert trained("train", "Family", "--folder", "runs/b", "--seed", "7", "--threads", "1").exit_code == 0
    get = sys.modules["kgwalk.agents"].get
    monkeypatch.setitem(sys.modules, "kgwalk.agents", SimpleNamespace(get=get, load=load))  # type: ignore[arg-type]
    return trained


def test_from_two_runs_to_a_verdict(two: Any) -> None:
    done = two("judge", "sheet", RUN, "runs/b", *FILES, "--queries", "5", "--threads", "1")
    assert done.exit_code == 0, done.output
    assert "5 pairs in sheet.csv, the key in key.json" in done.stderr
    assert "both agents predict 5; left out: 0 with the same path twice (0.0%)" in done.stderr
    told = json.loads((two.folder / "key.json").read_text())
    assert told["agents"] == [{"name": "lone", "run": RUN, "seed": 0}, {"name": "guided", "run": "runs/b", "seed": 7}]
    text = (two.folder / "sheet.csv").read_text("utf-8-sig")
    assert not [word for word in ("lone", "guided", "runs", "seed") if word in text]

    header, *rows = text.splitlines()
    second = [str(2 - pair["first"]) for pair in told["pairs"]]  # the guided agent's path
    for judge, votes in (("ann", second), ("bob", [*second[:3], "draw", "draw"]), ("eve", ["1", "1", "1", "draw", ""])):
        lines = [header, *(row + vote for row, vote in zip(rows, votes, strict=True))]
        (two.folder / f"{judge}.csv").write_text("\n".join(lines))
    done = two("judge", "votes", "key.json", "ann.csv", "bob.csv", "eve.csv")
    assert done.exit_code == 0, done.output
    table = [line.split("│")[2:4] for line in done.stdout.splitlines() if line.startswith("│")]
    rows = [" ".join(cell.strip() for cell in line) for line in table]
    assert rows == ["0 0.0%", "3 60.0%", "1 20.0%", "1 20.0%", "0 0.0%"]
    assert f"lone ({RUN}) wins 0 of 3 decided rows, 0.0%" in done.stdout
    told = json.loads(two("judge", "votes", "key.json", "ann.csv", "--json").stdout)
    assert (told["wins"], told["judges"], told["p_value"]) == ([0, 5], 1, 0.0625)


def test_fewer_facts_than_wanted_are_told(two: Any) -> None:
    done = two("judge", "sheet", RUN, "runs/b", *FILES, "--queries", "100000", "--threads", "1")
    assert "valid has no more facts: 100,000 pairs were asked for" in done.stderr


def test_what_cannot_be_compared_is_refused(two: Any) -> None:
    (two.folder / "facts.csv").write_text("".join(f"e{i % 7},r,e{i * 3 % 11}\n" for i in range(77)))
    assert two("data", "import", "facts.csv", "--out", "own", "--split", "80/10/10").exit_code == 0
    assert two("train", "own", "--folder", "runs/own", "--threads", "1").exit_code == 0
    done = two("judge", "sheet", RUN, "runs/own", *FILES)
    assert done.exit_code == 2
    assert f"{RUN} is of Family and runs/own of own, which hold other facts or names" in done.stderr
    done = two("judge", "sheet", RUN, RUN, *FILES)
    assert done.exit_code == 2
    assert "have the same path twice" in done.stderr
    assert not (two.folder / "sheet.csv").exists()


def test_a_sheet_with_votes_is_not_written_over(two: Any) -> None:
    (two.folder / "sheet.csv").touch()
    done = two("judge", "sheet", RUN, "runs/b", *FILES)
    assert done.exit_code == 2
    assert "sheet.csv is there already, perhaps with votes" in done.stderr
