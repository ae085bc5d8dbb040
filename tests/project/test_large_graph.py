"""The large graph's benchmark at a small size, from text to walks, and what its pages make of the records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import common, large_graph, large_graph_tables
from benchmarks.large_graph_text import write_text
from kgwalk.graph import open_graph, set_num_threads


def test_the_text_is_seeded_and_taken_up_again(tmp_path: Path) -> None:
    paths = write_text(tmp_path / "a", 1000, 50, 3, 7)
    texts = [path.read_bytes() for path in paths]
    assert b"".join(texts).count(b"\n") == 1000
    paths[1].write_bytes(texts[1][:-5])
    assert [path.read_bytes() for path in write_text(tmp_path / "a", 1000, 50, 3, 7)] == texts
    assert [path.read_bytes() for path in write_text(tmp_path / "b", 1000, 50, 3, 8)] != texts


def test_all_stages_at_a_small_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "RESULTS", tmp_path / "results")
    monkeypatch.delenv("KGWALK_DATA", raising=False)
    arguments = ["--folder", str(tmp_path / "data"), "--triples", "60000", "--entities", "300", "--files", "2"]
    large_graph.main([*arguments, "--num-envs", "32", "--steps", "4", "--repeats", "1", "--save", "--delete-text"])
    set_num_threads(1)
    assert open_graph(tmp_path / "data" / "graph.kgw", verify=True).graph.num_entities == 300
    records = [json.loads(path.read_text()) for path in (tmp_path / "results" / "large_graph").glob("*.json")]
    stages = {record["name"].removeprefix("0.06m-"): record["metrics"] for record in records}
    assert set(stages) == {"text", "build", "kill", "open", "walk", "roofline"}
    assert stages["kill"]["same_bytes"]
    assert all(form["same_walks"] for form in stages["walk"].values())
    monkeypatch.setattr(large_graph_tables, "SIZE", 60000)
    for page in ("large_graphs.md", "speed.md"):
        text = large_graph_tables.fill_page((common.REPOSITORY / "docs" / page).read_text(), records)
        assert "Not run yet." not in text
