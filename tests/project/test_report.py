"""BENCHMARKS.md: the same results give the same text, and missing ones are no error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import markdown, report
from benchmarks.published import published


def record(name: str, metrics: dict[str, Any], **changed: Any) -> dict[str, Any]:
    hardware = {"cpu": "A", "cores": 2, "memory_gb": 8.0}
    made = {"bench": "completion", "name": name, "command": "python -m benchmarks.x", "commit": "abc", "seed": 0}
    made |= {"date": "2026-11-20T10:00:00+00:00", "hardware": hardware, "seconds": 61.0, "peak_rss_mb": 512.0}
    return made | {"dataset": "wn18rr", "agent": "reinforce", "protocol": None, "metrics": metrics} | changed


RECORDS = [
    record("wn18rr-reinforce-seed0", {"tail": {"mrr": 0.40, "hits@1": 0.3}, "both": {"mrr": 0.35}}),
    record("wn18rr-reinforce-seed1", {"tail": {"mrr": 0.50, "hits@1": 0.5}, "both": {"mrr": 0.37}}),
    record("countries_s1-reinforce-seed0", {"auc_pr": 0.99}, dataset="countries_s1"),
    record("amazon-beauty-pgpr-seed0", {"ndcg@10": 0.05}, dataset="amazon-beauty", agent="pgpr"),
    record("wn18rr-padded", {"steps_per_second": 12345678.0}, bench="step", agent=None),
]


def test_seeds_are_averaged_and_published_rows_stand_beside() -> None:
    text = report.render(RECORDS, list(published()))
    section = text[text.index("## wn18rr") :]
    tail, both = section.split("### ")[1:3]
    assert "| `reinforce` | 0.4500 ± 0.071 | 0.4000 ± 0.141 |" in tail
    assert "| `reinforce` | 0.3600 ± 0.014 |" in both
    assert tail.index("*RuleGuider (ComplEx)*") < tail.index("*MINERVA*")
    assert "*NBFNet*" in both
    assert "*NBFNet*" not in tail
    assert "steps_per_second 12,345,678" in text


def test_filled_lists_are_a_row_of_their_own() -> None:
    metrics = {"ndcg@10": 0.05, "hr@10": 0.1, "filled": {"ndcg@10": 0.06, "hr@10": 0.2}}
    made = record("last-fm-nser-seed0", metrics, dataset="last-fm", agent="nser", bench="recommendation")
    text = report.render([made], [])
    assert "| `nser` | 0.0500 | 0.1000 | 1 | kgwalk |" in text
    assert "| `nser (filled)` | 0.0600 | 0.2000 | 1 | kgwalk |" in text


def test_the_order_of_the_files_does_not_matter(tmp_path: Path) -> None:
    texts = []
    for number, records in enumerate([RECORDS, RECORDS[::-1]]):
        folder = tmp_path / str(number)
        for item in records:
            (folder / item["bench"]).mkdir(parents=True, exist_ok=True)
            (folder / item["bench"] / f"{item['name']}.json").write_text(json.dumps(item))
        texts.append(report.render(report.load(folder), list(published())))
    assert texts[0] == texts[1]


def test_no_results_at_all_still_make_a_page(tmp_path: Path) -> None:
    text = report.render(report.load(tmp_path / "absent"), list(published()))
    assert "*MINERVA*" in text
    assert "No results saved yet" in report.render_summary([], list(published()))


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "step").mkdir()
    (tmp_path / "step" / "half.json").write_text('{"bench": "st')
    with pytest.raises(ValueError, match=r"half\.json"):
        report.load(tmp_path)


def test_the_readme_block_is_replaced_and_the_rest_kept() -> None:
    begin, end = markdown.marks("results")
    text = f"before\n{begin}\nold\n{end}\nafter\n"
    filled = markdown.fill_block(text, report.render_summary(RECORDS, list(published())))
    assert filled.startswith("before\n")
    assert filled.endswith("after\n")
    assert "old" not in filled
    assert "| `reinforce` | 0.4500 ± 0.071 |" in filled
    assert markdown.fill_block(filled, "new").count("new") == 1
    with pytest.raises(ValueError, match="results: begin"):
        markdown.fill_block("no marks", "new")


def test_published_figures_are_fractions_with_a_source() -> None:
    rows = list(published())
    assert {"MINERVA", "MultiHop (ConvE)", "RuleGuider (ComplEx)", "PGPR", "NSER"} <= {row.method for row in rows}
    for row in rows:
        assert row.source
        assert all(0 < figure <= 1 for figure in row.metrics.values())
