"""Files of queries in, files of answers out."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from kgwalk.data import Dataset
from kgwalk.predict import Predicted, predict
from kgwalk.search.paths import Paths

ADA, TOM, ANN, BOB, EVE, ZOE = range(6)
PARENT, SISTER, INVERSE, STAY = 0, 1, 2, 4
Make = Callable[..., Any]


@pytest.fixture
def agent(agent_of: Make) -> Any:
    path = Paths(
        query=np.zeros(1, np.int32),
        entities=np.array([[BOB, TOM, ANN]], np.int32),
        relations=np.array([[PARENT, SISTER]], np.int32),
        log_prob=np.log([0.5]),
        stay=STAY,
    )
    answers = {(BOB, SISTER): [(ANN, -0.7), (ADA, -1.5)], (ADA, PARENT + INVERSE): [(TOM, -0.1)]}
    return agent_of(answers, path)


def write(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("queries.tsv", "bob\tsister\nada\t^parent\n"),
        ("queries.txt", "source\trelation\r\nbob\tsister\r\nada\t^parent\r\n"),
        ("queries.csv", '\ufeffsource,relation\n"bob",sister\n\nada,^parent\n'),
        ("queries.tsv.gz", "bob\tsister\nada\t^parent"),
    ],
)
def test_text_in_tsv_out(tiny: Dataset, agent: Any, tmp_path: Path, name: str, text: str) -> None:
    done = predict(agent, tiny, write(tmp_path / name, text), tmp_path / "out.tsv", batch_size=1)
    assert done == Predicted(queries=2, answers=3, skipped=0)
    assert agent.asked == [[BOB, SISTER, -1], [ADA, PARENT + INVERSE, -1]]
    lines = (tmp_path / "out.tsv").read_text().splitlines()
    assert lines[0].split("\t") == [
        *("source", "relation", "rank", "answer", "label", "score", "known"),
        *("path", "path_probability", "rule", "rule_confidence"),
    ]
    assert lines[1].split("\t") == [
        "bob", "sister", "1", "ann", "ann", "-0.7", "false", "bob --parent--> tom --sister--> ann", "0.5", "", ""
    ]  # fmt: skip
    assert lines[3].split("\t")[:4] == ["ada", "^parent", "1", "tom"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "out.tsv"])


def test_parquet_in_parquet_out(tiny: Dataset, agent: Any, tmp_path: Path) -> None:
    pl.DataFrame({"source": ["bob"], "relation": ["sister"]}).write_parquet(tmp_path / "queries.parquet")
    predict(agent, tiny, tmp_path / "queries.parquet", tmp_path / "out.parquet", answers=1)
    frame = pl.read_parquet(tmp_path / "out.parquet")
    assert frame.select("source", "rank", "answer", "score").rows() == [("bob", 1, "ann", -0.7)]


def test_json_lines_out(tiny: Dataset, agent: Any, tmp_path: Path) -> None:
    queries = write(tmp_path / "queries.tsv", "bob\tsister\ntom\tsister\n")
    predict(agent, tiny, queries, tmp_path / "out.jsonl")
    first, second = (json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines())
    assert [answer["entity"] for answer in first["answers"]] == ["ann", "ada"]
    assert first["answers"][0]["paths"][0]["hops"][0]["relation"] == "parent"
    assert second["answers"] == []


def test_unknown_names_are_refused_with_line_or_skipped_on_request(tiny: Dataset, agent: Any, tmp_path: Path) -> None:
    queries = write(tmp_path / "queries.tsv", "bob\tsister\nbobb\tsister\nada\tsitser\nada\t^parent\n")
    output = tmp_path / "out.tsv"
    with pytest.raises(ValueError, match=r"queries.tsv:2: .*no entity 'bobb'; did you mean bob"):
        predict(agent, tiny, queries, output)
    assert not output.exists()
    assert predict(agent, tiny, queries, output, skip_unknown=True) == Predicted(queries=2, answers=3, skipped=2)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("queries.tsv", "bob\tsister\nbob\n", r"queries.tsv:2: expected 2 columns.*found 1"),
        ("queries.tsv", "bob\tsister\tann\n", r"queries.tsv:1: expected 2 columns.*found 3"),
        ("queries.csv", "source,relation\n", "holds no queries"),
        ("queries.tsv", "", "holds no queries"),
        ("queries.xlsx", "bob", "cannot tell the format"),
        ("queries.parquet", "bob", "not a Parquet file"),
    ],
)
def test_malformed_files_are_refused(
    tiny: Dataset, agent: Any, tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        predict(agent, tiny, write(tmp_path / name, text), tmp_path / "out.tsv")


def test_parquet_needs_two_columns_and_rows(tiny: Dataset, agent: Any, tmp_path: Path) -> None:
    path = tmp_path / "queries.parquet"
    pl.DataFrame({"source": ["bob"]}).write_parquet(path)
    with pytest.raises(ValueError, match="expected 2 columns"):
        predict(agent, tiny, path, tmp_path / "out.tsv")
    pl.DataFrame({"source": [], "relation": []}).write_parquet(path)
    with pytest.raises(ValueError, match="holds no queries"):
        predict(agent, tiny, path, tmp_path / "out.tsv")


def test_unknown_output_format_is_refused_before_any_work(tiny: Dataset, agent: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.tsv, \.parquet, \.jsonl"):
        predict(agent, tiny, write(tmp_path / "queries.tsv", "bob\tsister\n"), tmp_path / "out.xml")
    assert agent.asked == []


def test_a_failing_agent_leaves_the_old_output_alone(tiny: Dataset, agent: Any, tmp_path: Path) -> None:
    output = write(tmp_path / "out.tsv", "old\n")

    def fail(queries: Any, graph: Any) -> Any:
        raise RuntimeError("broken")

    agent.answer = fail
    with pytest.raises(RuntimeError, match="broken"):
        predict(agent, tiny, write(tmp_path / "queries.tsv", "bob\tsister\n"), output)
    assert output.read_text() == "old\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.tsv", "queries.tsv"]
